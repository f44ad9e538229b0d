"""What a scenario leaves out: the world without somebody or something, on the same random numbers (docs/contagion.md).

Everything keeps its place and its draws: an account that is left out holds nothing and does nothing, an asset that is
left out has a price of the outside world that does not move.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from pydantic import Field

from agents.oracle import OracleFeed, Oracles, OracleSource
from market.parameters import parameters

Names = Annotated[tuple[str, ...], Field(json_schema_extra={"unit": ""})]


@parameters
class Without:
    """What a world of one venue is without."""

    accounts: Names = ()
    """Accounts, by name or row, or people with all their accounts: traders, borrowers, depositors, keepers, market
    makers, arbitrageurs. They keep their rows and draws, hold nothing and do nothing; the rest of the market takes the
    other side of their positions, at the mark, before the first tick."""
    assets: Names = ()
    """Assets whose price in the outside world stays where it starts: the shock to them does not come. Who holds them
    keeps them, and forced sales move them as ever."""
    oracle_errors: bool = False
    """Whether oracles are perfect instead: they read the outside price without delay, noise or fault and publish it in
    every tick."""


@parameters
class SystemWithout:
    """What a world of several venues is without."""

    accounts: Names = ()
    """Accounts as VENUE:NAME; see `Without`. Of agents that act on several venues: an owner with all legs by name and
    number (hedgers-12), one leg of it as VENUE:NAME; arbitrageurs, and keepers' sales on other venues, by name."""
    assets: Names = ()
    """Assets, claims among them, whose price in the outside world stays where it starts and to which no shock of the
    scenario happens."""
    venues: Names = ()
    """Venues that are not there, nor agents that need them; claims on them are honoured in full."""
    oracle_errors: bool = False
    """As in `Without`, on all venues; claims are then priced by the market."""


def perfect_oracles(tick_seconds: float) -> Oracles:
    """One source, the outside world as it is, published in every tick."""
    source = OracleSource(latency_seconds=0.0, noise_bps=0.0, confidence_bps=0.0)
    feed = OracleFeed(sources=(source,), deviation_bps=0.0, heartbeat_seconds=tick_seconds, latency_seconds=0.0)
    return replace(Oracles(), feed=feed)
