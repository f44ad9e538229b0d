"""How far from the venue's prices balances and debts count, kept up to date: once a tick, when prices have moved."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from market.errors import InputError
from market.kernels.records import NONE, PPM, SPOT
from market.margin.valuation import BidAskPrices, ConfidencePrices, Quote

if TYPE_CHECKING:
    from market.world import World

Floats = NDArray[np.float64]

MOST_ABOVE = 9.0
"""Debts count at ten times the price at most: what an empty book asks is nobody's price."""


class Bands:
    """Writes `below`, `above` and their initial twins of every asset; those with a constant price have none."""

    def __init__(self, rule: BidAskPrices | ConfidencePrices, world: World) -> None:
        self._rule = rule
        self._profiles = ("", "initial_") if rule.profiles == "all" else ("initial_",)
        n = len(world.assets)
        quotes: dict[str, Quote] = rule.quotes if isinstance(rule, BidAskPrices) else {}
        chosen = [quotes.get(symbol, quotes.get("default", Quote())) for symbol in world.asset_symbols]
        self._least = np.array([[quote.bid_bps, quote.ask_bps] for quote in chosen]).T / 10_000.0
        self._books = [_book_of(quote, row, world) for row, quote in enumerate(chosen)]
        self.quoted = np.full((2, n), np.nan)
        """float64[2, n_assets]: last best bid and ask, USD; NaN before the first."""
        self._written = np.zeros((2, n), np.int64)
        self.update(world)

    def update(self, world: World) -> None:
        """Take over books or confidence as they stand."""
        if isinstance(self._rule, BidAskPrices):
            self._look(world)
        self.write(world)

    def write(self, world: World) -> None:
        """Write what follows from the prices, confidence and `quoted` of now."""
        below, above = self._shares(world)
        moves = world.assets["fixed"] == 0
        found = np.ceil(np.array([np.clip(below, 0.0, 1.0), np.clip(above, 0.0, MOST_ABOVE)]) * moves * PPM - 1e-6)
        bands = found.astype(np.int64)
        if (bands == self._written).all():
            return
        self._written = bands
        for prefix in self._profiles:
            world.assets[f"{prefix}below"], world.assets[f"{prefix}above"] = bands
        if self._rule.profiles == "all" and world.tick > 0:
            world.history.note_rules(world)

    def _shares(self, world: World) -> tuple[Floats, Floats]:
        """(how far below, how far above) the venue's prices, as shares of them, float64[n_assets]."""
        if isinstance(self._rule, ConfidencePrices):
            wide = world.assets["confidence"] / PPM
            band = self._rule.times * np.where(wide < self._rule.wider_than, 0.0, wide)
            return band, band
        away = self.quoted / (world.assets["price"] * world.assets["price_tick"])
        away = np.where(np.isnan(away), 1.0, away)
        return np.maximum(1.0 - away[0], self._least[0]), np.maximum(away[1] - 1.0, self._least[1])

    def _look(self, world: World) -> None:
        """Take over the best prices of the books; an empty side leaves the last."""
        for asset, book in enumerate(self._books):
            if book == NONE:
                continue
            record = world.instruments[book]
            quote = world.assets[record["quote"]]
            unit = float(record["tick_size"]) * float(quote["price"]) * float(quote["price_tick"])
            if record["best_bid"] > 0:
                self.quoted[0, asset] = int(record["best_bid"]) * unit
            if record["best_ask"] < record["n_levels"] - 1:
                self.quoted[1, asset] = int(record["best_ask"]) * unit


def _book_of(quote: Quote, asset: int, world: World) -> int:
    """Row of the instrument whose best prices count; NONE where none does. InputError for one that cannot."""
    if quote.book == "none" or world.assets["fixed"][asset]:
        return NONE
    if quote.book == "own":
        return int(world.assets["spot_book"][asset])
    spot = (world.instruments["kind"] == SPOT) & (world.instruments["base"] == asset)
    fitting = {world.instrument_symbols[row]: int(row) for row in np.flatnonzero(spot)}
    if quote.book not in fitting:
        symbol = world.asset_symbols[asset]
        known = ", ".join((*fitting, '"own"', '"none"'))
        raise InputError(
            f"venue.margin.prices.quotes.{symbol}.book: no spot instrument {quote.book!r} of {symbol}; expected {known}"
        )
    return fitting[quote.book]
