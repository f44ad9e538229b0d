"""What generated and recorded populations share: bulk booking, and the rest of the market opposite them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from agents.kernels.population import deposit_all, open_positions
from market.instruments import USD_QUANTA
from market.kernels.records import OPTION, REST_OF_MARKET
from market.world import World

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]

_REST_COLLATERAL = 2
"""Collateral of the rest of the market, as a multiple of the notional it takes."""


def quanta_of(usd: Floats, assets: Integers, world: World) -> Integers:
    """int64: whole quanta of `assets` (rows) worth at most `usd` at the venue's prices."""
    record = world.assets[assets]
    unit = record["price"].astype(np.float64) * record["multiplier"]
    return np.asarray(np.floor(usd * USD_QUANTA * record["divisor"] / unit).astype(np.int64))


def lot_usd(world: World) -> Floats:
    """float64[n_instruments]: notional of one lot at the mark, USD."""
    instruments = world.instruments
    quote = world.assets[instruments["quote"]]
    value = instruments["mark"].astype(np.float64) * instruments["tick_value"]
    return np.asarray(value * quote["price"] * quote["multiplier"] / quote["divisor"] / USD_QUANTA)


def deposit(world: World, *, accounts: Integers, assets: Integers, amounts: Integers) -> None:
    """Bring quanta in from the outside world; a negative amount is a debt."""
    # A strided array would have the kernel compiled once more.
    deposit_all(*map(np.ascontiguousarray, (accounts, assets, amounts)), world.ledger.cash)


def take_positions(world: World, *, accounts: Integers, books: Integers, lots: Integers, prices: Integers) -> None:
    """Open positions entered at `prices` (ticks) and let the rest of the market hold what does not cancel out.

    Their profit until now has been made against the outside world; the rest of the market enters at the mark, with
    collateral of its own. Options stay with the outside world until dealers join (agents/dealer.py).
    """
    ledger, instruments = world.ledger, world.instruments
    columns = map(np.ascontiguousarray, (accounts, books, lots, prices))
    open_positions(*columns, instruments, ledger.positions, ledger.cash)
    for book in np.unique(books).tolist():
        if instruments[book]["kind"] == OPTION:
            continue
        residual = -int(lots[books == book].sum())
        if residual:
            mark = int(instruments["mark"][book])
            ledger.open_position(REST_OF_MARKET, book, residual, mark, instruments)
            value = abs(residual) * mark * int(instruments["tick_value"][book])
            ledger.deposit(REST_OF_MARKET, int(instruments["quote"][book]), _REST_COLLATERAL * value)
