"""Where a run stands, as plain numbers brought up to date after every tick."""

from __future__ import annotations

from agents.units import Units
from experiments.frames import asset_usd, quote_usd
from experiments.recorder import DEPTH_BPS, Recorder
from market.kernels.records import FORCED_ADL, INSURANCE_FUND
from market.world import World

_DEPTH = 1
"""Column of `DEPTH_BPS` that is reported."""


class Tally:
    """`figures` by name; costs a few microseconds a tick, more only when something was liquidated or sampled.

    Marks are in quote units, `open_claim_count` is of now, counts and `bad_debt_usd` are totals until now (bad debt as
    the waterfall met it, at reference prices). Depth, both sides of all books, open interest and the insurance fund are
    those of the recorder's latest sample.
    """

    def __init__(self, world: World, recorder: Recorder, units: Units) -> None:
        self._world, self._recorder = world, recorder
        self._marks = world.instruments["mark"]
        self._columns = [
            (f"mark_{symbol}", tick) for symbol, tick in zip(world.instrument_symbols, units.tick_size, strict=True)
        ]
        self._liquidations: set[tuple[int, int]] = set()
        self._events = self._losses = self._samples = 0
        self.figures: dict[str, float | int] = {"time_seconds": 0.0}
        self.figures.update((name, 0.0) for name, _ in self._columns)
        self.figures.update(dict.fromkeys(("liquidation_count", "forced_fill_count", "open_claim_count"), 0))
        usd = ("bad_debt_usd", f"depth_{DEPTH_BPS[_DEPTH]:g}bps_usd", "open_interest_usd", "insurance_fund_usd")
        self.figures.update(dict.fromkeys(usd, 0.0))

    def update(self) -> None:
        """Take in the tick that has just ended."""
        world, figures = self._world, self.figures
        figures["time_seconds"] = world.seconds
        for (name, tick), mark in zip(self._columns, self._marks.tolist(), strict=True):
            figures[name] = mark * tick
        figures["open_claim_count"] = world.n_claims
        if world.n_events != self._events:
            self._count_events()
        if world.n_losses != self._losses:
            self._count_losses()
        if self._recorder.n_samples != self._samples:
            self._sample()

    def _count_events(self) -> None:
        world = self._world
        new = world.events[self._events : world.n_events]
        self._events = world.n_events
        # A liquidation is an account from the opening of its claim on (experiments/contagion.py).
        self._liquidations.update(zip(new["account"].tolist(), new["claim_tick"].tolist(), strict=True))
        self.figures["liquidation_count"] = len(self._liquidations)
        self.figures["forced_fill_count"] += int((new["kind"] != FORCED_ADL).sum())

    def _count_losses(self) -> None:
        world = self._world
        new = world.losses[self._losses : world.n_losses]
        self._losses = world.n_losses
        self.figures["bad_debt_usd"] += float((new["bad_debt"] * asset_usd(world)[new["asset"]]).sum())

    def _sample(self) -> None:
        world, recorder = self._world, self._recorder
        self._samples = recorder.n_samples
        row = self._samples - 1
        usd = quote_usd(world)
        depth = recorder.depth[row, :, :, _DEPTH].sum(axis=1)
        interest = recorder.open_interest[row] * world.instruments["mark"] * world.instruments["tick_value"]
        self.figures[f"depth_{DEPTH_BPS[_DEPTH]:g}bps_usd"] = float((depth * usd).sum())
        self.figures["open_interest_usd"] = float((interest * usd).sum())
        fund = world.ledger.cash[INSURANCE_FUND]
        self.figures["insurance_fund_usd"] = float((fund * asset_usd(world)).sum())
