"""What is kept of a run, copied out after each tick; an observer that leaves the world as it is."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from experiments.greeks import GreeksRecorder
from experiments.lending_recorder import LendingRecorder
from experiments.pools import PoolRecorder
from market.kernels.record import margin_ratio_counts, record_depth, record_tick
from market.kernels.records import INSURANCE_FUND, TICK
from market.world import World

DEPTH_BPS = (10.0, 50.0, 100.0)
"""Distances from the mark within which resting orders are summed."""

MARGIN_RATIO_EDGES = np.round(np.linspace(0.05, 1.0, 20), 2)
"""Upper edges of the margin-ratio histogram; beyond 1 an account is below maintenance."""


class Recorder:
    """Prices and flows per tick; depth, open interest, fund and margin ratios at their own intervals."""

    def __init__(self, world: World, *, ticks: int, sample_ticks: int, margin_ticks: int) -> None:
        n_books = len(world.instruments)
        self.sample_ticks, self.margin_ticks = sample_ticks, margin_ticks
        self.n = self.n_samples = self.n_margins = 0
        samples, margins = 1 + -(-ticks // sample_ticks), 1 + -(-ticks // margin_ticks)
        self.ticks = np.zeros((ticks, n_books), TICK)
        self.asset_price = np.zeros((ticks, len(world.assets)), np.int64)
        self.asset_reference = np.zeros((ticks, len(world.assets)), np.int64)
        self.open_claims = np.zeros(ticks, np.int32)
        self.messages = np.zeros(ticks, np.int32)
        self.sampled_at = np.zeros(samples, np.int64)
        self.depth = np.zeros((samples, n_books, 2, len(DEPTH_BPS)), np.int64)
        self.open_interest = np.zeros((samples, n_books), np.int64)
        self.fund = np.zeros((samples, len(world.assets)), np.int64)
        self.margins_at = np.zeros(margins, np.int64)
        self.margin_counts = np.zeros((margins, len(MARGIN_RATIO_EDGES) + 2), np.int64)
        self.greeks = GreeksRecorder()
        self.lending = LendingRecorder()
        self.pools = None if world.pools is None else PoolRecorder(world.pools, ticks=ticks)
        self._distances = np.array(DEPTH_BPS)

    def __call__(self, world: World) -> None:
        """Record the tick that has just ended."""
        at = self.n
        record_tick(self.ticks[at], world.instruments)
        self.asset_price[at] = world.assets["price"]
        self.asset_reference[at] = world.assets["reference"]
        self.open_claims[at] = world.n_claims
        self.messages[at] = world.inboxes[(world.tick - 1) & 1].count
        if at % self.sample_ticks == 0:
            self._sample(world, at)
        if at % self.margin_ticks == 0:
            self._sample_margins(world, at)
        if self.pools is not None:
            self.pools.record(world, at)
        self.n += 1

    def _sample(self, world: World, at: int) -> None:
        row = self.n_samples
        self.sampled_at[row] = at
        record_depth(self._distances, self.depth[row], world.books.levels, world.books.occupied, world.instruments)
        self.open_interest[row] = open_interest(world)
        self.fund[row] = world.ledger.cash[INSURANCE_FUND]
        if world.lending is not None:
            self.lending.sample(world)
        self.n_samples += 1

    def _sample_margins(self, world: World, at: int) -> None:
        row = self.n_margins
        self.margins_at[row] = at
        ledger = world.ledger
        margin_ratio_counts(
            ledger.accounts, world.instruments, world.assets, world.margin, ledger.positions, ledger.cash,
            MARGIN_RATIO_EDGES, self.margin_counts[row],
        )  # fmt: skip
        if world.options is not None:
            self.greeks.sample(world, at)
        self.n_margins += 1


def open_interest(world: World) -> NDArray[np.int64]:
    """int64[n_instruments]: lots held long, which equal the lots held short."""
    total: NDArray[np.int64] = np.maximum(world.ledger.positions["lots"], 0).sum(axis=0)
    return total
