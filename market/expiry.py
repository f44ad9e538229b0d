"""What expires: dated futures and options, settled in cash at an average of the index (Deribit: of 30 minutes)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from market.kernels.expiry import settle_expiry
from market.kernels.records import OPTION
from market.kernels.rules.options import intrinsic

if TYPE_CHECKING:
    from market.world import World


@dataclass(frozen=True, kw_only=True)
class Settlement:
    """One expiry."""

    tick: int
    book: int
    average: float
    """Average of the index over the window, quote units."""
    price: int
    """What every lot was settled at, ticks: that average for a future, the payoff for an option."""
    lots: int
    """Lots that were long."""


class Expiries:
    """Averages of the index towards each expiry, and the settlements so far."""

    def __init__(self, world: World, window_seconds: float) -> None:
        records = world.instruments
        self.window = window_seconds
        self.books = np.flatnonzero(records["expiry"] > 0.0)
        option = records["kind"] == OPTION
        self.source = np.where(option, records["forward"], np.arange(len(records)))
        """int64[n_instruments]: whose index is averaged: the future's own, or that of an option's forward."""
        self.sums = np.zeros(len(records), np.int64)
        self.counts = np.zeros(len(records), np.int64)
        self.settlements: list[Settlement] = []

    def average(self, world: World, book: int) -> float:
        """Average so far, quote units; the index of now before the window has begun."""
        source = self.source[book]
        index = float(world.instruments["index"][source])
        mean = self.sums[book] / self.counts[book] if self.counts[book] else index
        return float(mean * world.instruments["tick_size"][source])

    def update(self, world: World) -> None:
        """Take in the index of this tick and settle what expires with it."""
        if not len(self.books):
            return
        left = world.instruments["expiry"][self.books] - world.seconds
        inside = self.books[left < self.window]
        self.sums[inside] += world.instruments["index"][self.source[inside]]
        self.counts[inside] += 1
        for book in self.books[left <= 1e-9].tolist():
            self._settle(world, book)
        self.books = self.books[left > 1e-9]

    def _settle(self, world: World, book: int) -> None:
        record = world.instruments[book]
        average = self.average(world, book)
        value = average
        if record["kind"] == OPTION:
            value = intrinsic(bool(record["is_call"]), average, float(record["strike"]))
        price = math.floor(value / float(record["tick_size"]) + 0.5)
        lots = settle_expiry(
            book, price, *world.books.arrays, world.ledger.cash, world.watch.touched, world.watch.touched_mark
        )
        self.settlements.append(Settlement(tick=world.tick, book=book, average=average, price=price, lots=int(lots)))


def expiries(world: World, window_seconds: float) -> Expiries | None:
    """The expiries of a world; None when nothing expires."""
    dated: NDArray[np.bool_] = world.instruments["expiry"] > 0.0
    return Expiries(world, window_seconds) if dated.any() else None
