"""Imported once by the process that those of views are forked from: what it has loaded, none of them loads again.

A short run with a fall of prices: it loads the kernels of trading, liquidation and causes, from the cache on disk or,
the first time, by compiling them.
"""

from __future__ import annotations

import signal
from contextlib import suppress


def warm() -> None:
    """Run a little; whatever goes wrong is left for the first view to say."""
    from experiments.interventions import PriceShock
    from experiments.run import Session
    from experiments.scenario import Scenario
    from experiments.settings import settings
    from experiments.snapshots import Feed
    from experiments.snapshots.account import explain_account

    small = ["population.count=200", "hours=0.02"]
    session = Session(Scenario.load("flash-crash", overrides=small), seed=1)
    feed = Feed(session)
    session.advance(5)
    session.give(PriceShock(at_seconds=0.0, asset="ETH", factor=0.8))
    session.advance(session.ticks_left)
    feed.side()
    fills = session.built.world.events[: session.built.world.n_events]
    explain_account(session, int(fills["account"][0]) if len(fills) else 0)
    settings(session.scenario)


signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the server's to handle
with suppress(Exception):
    warm()
