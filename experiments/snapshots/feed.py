"""The feed of one run: what is new since the last look, and how things stand."""

from __future__ import annotations

from typing import Any

import numpy as np

from experiments.run import Trace, VenueRun
from experiments.snapshots import accounts, columns
from experiments.snapshots.causes import Spread
from experiments.snapshots.describe import shown_books
from experiments.snapshots.figures import Falls, figures, rows_of, waterfall
from market.kernels.records import HALTED
from market.world import World

CAUSES_EVERY = 4
"""Looks between two at which causes are worked out: they cost more than all the rest of a look."""
_FIRSTS = {
    "fund": "the insurance fund pays for the first time",
    "adl": "the first winner is deleveraged",
    "socialised": "losses are socialised for the first time",
    "uncovered": "the first loss that nobody covers",
}


class Feed:
    """Reads a session; at most one feed may be read for one page, since it remembers what it has told."""

    def __init__(self, session: VenueRun, *, turn: int = 0) -> None:
        """`turn` says at which of the first `CAUSES_EVERY` looks causes are worked out."""
        world = session.built.world
        self._session = session
        self._ticks = self._samples = self._events = self._done = 0
        self._looks = -turn
        self._held: dict[str, list[Any]] = {"source": [], "target": [], "usd": [], "tick": []}
        self._falls = Falls(len(world.instruments))
        self._spread = Spread.of(len(world.assets))
        self._keepers, self._makers = rows_of(world, "keeper"), rows_of(world, "market_maker")
        self._told: set[str] = set()
        self._halted = np.zeros(len(world.instruments), np.bool_)

    def side(self) -> dict[str, Any]:
        """Everything: what is new and what is now."""
        return {**self.new(), **self.now()}

    def new(self) -> dict[str, Any]:
        """`series`, `depth`, `events`, `edges`, `log` since the last call; `asset_edges`, `pending_causes` so far."""
        world, recorder = self._session.built.world, self._session.recorder
        made = {
            "series": columns.series(world, recorder, self._ticks),
            "depth": columns.depth(world, recorder, self._samples),
            "events": columns.events(world, self._events),
            "log": self._log(world),
            "edges": self._edges(),
            "asset_edges": self._spread.asset_edges(world.asset_symbols),
            "pending_causes": self._spread.pending,
        }
        self._ticks, self._samples, self._events = recorder.n, recorder.n_samples, world.n_events
        return made

    def now(self) -> dict[str, Any]:
        """`ladder`, `ratios`, `waterfall`, `at_risk`, `kpis` as they stand."""
        world, trace = self._session.built.world, self._session.trace()
        assessment = world.ledger.assess(world.instruments, world.assets, world.margin)
        return {
            "ladder": columns.ladder(world),
            "ratios": accounts.ratios(world, assessment),
            "at_risk": accounts.at_risk(world, assessment),
            **self._figures(trace, assessment),
        }

    def _figures(self, trace: Trace, assessment: Any) -> dict[str, Any]:
        layers = waterfall(trace, assessment)
        falls = self._falls.percent(trace.recorder)
        return {
            "waterfall": layers,
            "kpis": figures(
                trace,
                layers=layers,
                falls=falls,
                cascade_sizes=self._spread.cascade_sizes,
                keepers=self._keepers,
                makers=self._makers,
            ),
        }

    def brief(self) -> dict[str, Any]:
        """Figures alone, for a venue that nobody looks at; causes are worked out all the same."""
        self._follow()
        world = self._session.built.world
        return self._figures(self._session.trace(), world.ledger.assess(world.instruments, world.assets, world.margin))

    @property
    def crossings(self) -> dict[str, list[float]]:
        """As `Spread.crossings`."""
        return self._spread.crossings

    def _follow(self) -> None:
        self._looks += 1
        if (self._looks - 1) % CAUSES_EVERY == 0 or not self._session.ticks_left:
            for name, column in self._spread.follow(self._session).items():
                self._held[name] += column

    def _edges(self) -> dict[str, Any]:
        self._follow()
        made, self._held = self._held, {name: [] for name in self._held}
        return made

    def _log(self, world: World) -> list[dict[str, Any]]:
        """Firsts, books that halt and trade again, each at the look that found it, and interventions."""
        made: list[dict[str, Any]] = []
        fills, losses = world.events[: world.n_events], world.losses[: world.n_losses]
        if len(fills) and "fill" not in self._told:
            self._told.add("fill")
            name = world.ledger.names[int(fills["account"][0])]
            made.append({"tick": int(fills["tick"][0]) + 1, "text": f"the first liquidation: {name}"})
        for part, text in _FIRSTS.items():
            rows = np.flatnonzero(losses[part]) if part not in self._told else np.zeros(0, np.int64)
            if len(rows):
                self._told.add(part)
                made.append({"tick": int(losses["tick"][rows[0]]) + 1, "text": text})
        halted = world.instruments["halted"] == HALTED
        for book in shown_books(world).tolist():
            if halted[book] != self._halted[book]:
                text = f"{world.instrument_symbols[book]} {'halts' if halted[book] else 'trades again'}"
                made.append({"tick": world.tick, "text": text})
        self._halted = halted
        done = self._session.interventions.log
        made += [{"tick": one.tick, "text": one.text} for one in done[self._done :]]
        self._done = len(done)
        return made
