"""European options: implied surfaces that move with the market, and marks from them (Black-76).

An option has no order book: people trade it with dealers, at the mark or in an auction. Its mark is the model's value
on the forward, which is the mark of the perpetual (or the dated future) it names, at the volatility of the surface; so
it follows the forward between two rounds of liquidations as well.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from market.kernels.option_marks import mark_options, move_surfaces
from market.kernels.records import NONE, OPTION, PERPETUAL
from market.kernels.rules.option_margin import STANDARD
from market.kernels.rules.risk_records import CALL, LINEAR, PUT, RISK_BOOK
from market.kernels.rules.surface import SURFACE
from market.margin.option_expiries import OneByOne, write_expiries
from market.margin.options import OptionRequirement
from market.margin.rules import chosen
from market.option_liquidation import OptionBidder
from market.surface import ImpliedSurface

if TYPE_CHECKING:
    from market.venue import Venue
    from market.world import World

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class OptionState:
    """What options are marked with, beside prices."""

    seconds: float
    averages: Floats
    """float64[n_instruments]: settlement averages so far, quote units."""
    elapsed: Floats
    """float64[n_instruments]: seconds that they cover."""
    surfaces: NDArray[np.void]


class OptionMarket:
    """Surfaces and options of a run. `books` RISK_BOOK, one row per instrument, is what portfolio margin reads too."""

    def __init__(self, world: World, venue: Venue) -> None:
        records = world.instruments
        self.underlyings, underlying_of = np.unique(records["base"], return_inverse=True)
        """int64[n_underlyings]: rows of base assets, one surface each."""
        self.books = np.zeros(len(records), RISK_BOOK)
        option = records["kind"] == OPTION
        self.books["kind"] = np.where(option, np.where(records["is_call"] != 0, CALL, PUT), LINEAR)
        self.books["underlying"] = underlying_of
        self.books["strike"] = records["strike"]
        symbols = [world.asset_symbols[base] for base in self.underlyings]
        surfaces = [chosen(venue.surfaces, symbol) or ImpliedSurface() for symbol in symbols]
        self.surfaces = np.concatenate([surface.record() for surface in surfaces]).astype(SURFACE)
        self.leads = np.array([_lead(records, base) for base in self.underlyings])
        self.vega_bought = np.zeros(len(self.underlyings))
        """float64[n_underlyings]: USD per 1.00 of volatility that forced orders bought since surfaces last moved."""
        self.bidders: list[OptionBidder] = []
        """Who takes over the books of accounts that are liquidated."""
        self._rules = np.zeros(len(records), STANDARD)
        for book in np.flatnonzero(option):
            symbol, base = world.instrument_symbols[book], world.asset_symbols[records["base"][book]]
            rule = chosen(venue.margin.options, symbol, base) or OptionRequirement()
            self._rules[book] = rule.record()[0]
            records["long_weight"][book] = round(rule.long_value * 1_000_000)
        bases = [world.asset_symbols[base] for base in records["base"]]
        write_expiries([chosen(venue.margin.expiries, base) or OneByOne() for base in bases], records)
        self._window = venue.settlement_seconds
        self._now = 0.0
        self._before = np.zeros(len(self.underlyings))
        self._seen: NDArray[np.int64] = np.zeros(len(records), np.int64)

    def update(self, world: World) -> None:
        """Let a tick pass on the surfaces, then mark every option."""
        self._now = world.seconds
        self._move(world, world.tick_seconds if world.tick > 0 else 0.0)

    def follow(self, world: World) -> bool:
        """Mark every option again where forwards or forced orders have moved since; whether they have."""
        marks = world.instruments["mark"]
        if not self.vega_bought.any() and np.array_equal(marks, self._seen):
            return False
        self._move(world, 0.0)
        return True

    def mark(self, world: World, instruments: NDArray[np.void], assets: NDArray[np.void]) -> None:
        """Write marks and margins into these INSTRUMENT records, and into `books`, at their prices; surfaces stay."""
        self.mark_at(self._state(world), instruments, assets)

    def state(self, world: World) -> OptionState:
        """What options are marked with now, beside prices; a copy."""
        now = self._state(world)
        return replace(now, surfaces=now.surfaces.copy())

    def _state(self, world: World) -> OptionState:
        expiries = world.expiries
        assert expiries is not None
        averages = np.zeros(len(world.instruments))
        elapsed = np.asarray(expiries.counts * world.tick_seconds, np.float64)
        for book in np.flatnonzero(expiries.counts):
            averages[book] = expiries.average(world, int(book))
        return OptionState(seconds=self._now, averages=averages, elapsed=elapsed, surfaces=self.surfaces)

    def mark_at(self, state: OptionState, instruments: NDArray[np.void], assets: NDArray[np.void]) -> None:
        """Write marks and margins into these INSTRUMENT records, and into `books`, with what was known then."""
        mark_options(
            state.seconds, self._window, state.averages, state.elapsed, state.surfaces, self.books, instruments, assets,
            self._rules,
        )  # fmt: skip

    def _move(self, world: World, seconds: float) -> None:
        records = world.instruments
        move_surfaces(self.surfaces, self.leads, self._before, self.vega_bought, seconds, records)
        self.mark(world, records, world.assets)
        self._seen = records["mark"].astype(np.int64)


def _lead(records: NDArray[np.void], base: int) -> int:
    """Row of the instrument whose mark moves the surface of a base asset; NONE where there are no options on it."""
    options = np.flatnonzero((records["kind"] == OPTION) & (records["base"] == base))
    if not len(options):
        return NONE
    perpetuals = np.flatnonzero((records["kind"] == PERPETUAL) & (records["base"] == base))
    return int(perpetuals[0]) if len(perpetuals) else int(records["forward"][options[0]])


def option_market(world: World, venue: Venue) -> OptionMarket | None:
    """The options of a world; None when it has none."""
    return OptionMarket(world, venue) if (world.instruments["kind"] == OPTION).any() else None
