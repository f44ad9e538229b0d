"""Published results about walking a book."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from experiments.validation.case import Case, Check, Facts, near
from market.book import Books
from market.kernels.book import mid2
from market.kernels.records import BUY, LIMIT, MARKET, MESSAGE, SELL


def one_book(*levels: tuple[int, int, int], n_levels: int = 1024) -> Books:
    """A book with resting orders (side, price, lots) of account 1."""
    books = Books.create(n_levels=[n_levels], n_accounts=10)
    rest(books, levels)
    return books


def rest(books: Books, levels: Iterable[tuple[int, int, int]]) -> None:
    """Rest limit orders (side, price, lots) of account 1 on the first book."""
    rows = np.array(list(levels), np.int64).reshape(-1, 3)
    messages = np.zeros(len(rows), MESSAGE)
    messages["op"], messages["account"] = LIMIT, 1
    messages["side"], messages["price"], messages["lots"] = rows.T
    books.process(messages)


def take(books: Books, side: int, lots: int) -> tuple[int, int]:
    """Send a market order of account 2: (lots filled, sum of price x lots)."""
    message = np.zeros(1, MESSAGE)
    message["op"], message["side"], message["lots"], message["account"] = MARKET, side, lots, 2
    fills, _ = books.process(message)
    return int(fills["lots"].sum()), int((fills["price"].astype(np.int64) * fills["lots"]).sum())


def vwap(facts: Facts) -> list[Check]:
    """Prices in tenths; the quote of the sweep and the trade itself must agree."""
    given, expected, tolerance = facts["inputs"], facts["expected"], facts["tolerance"]
    books = one_book(*((SELL, round(price * 10), lots) for price, lots in given["asks"]))
    filled, notional, _ = books.sweep(book=0, side=BUY, lots=given["buy"])
    traded, paid = take(books, BUY, given["buy"])
    averages = [notional / 10 / filled, paid / 10 / traded]
    return [
        near("notional, quoted and paid", [notional / 10, paid / 10], [expected["notional"]] * 2, tolerance=tolerance),
        near("average price", averages, [expected["vwap"]] * 2, tolerance=tolerance),
    ]


TICKS_PER_UNIT = 10


def impact(facts: Facts) -> list[Check]:
    """A latent book of density L x distance, then one of D lots per unit of price.

    Distance k ticks holds the integral of the density over its tick, L (2k - 1) / 2 / 10^2 = (2k - 1) lots of 1/4.
    """
    given, expected, tolerance = facts["inputs"], facts["expected"], facts["tolerance"]
    linear = one_book(*((SELL, 500 + k, 2 * k - 1) for k in range(1, 101)))
    lots_per_unit = round(2 * TICKS_PER_UNIT**2 / given["L"])
    start = int(linear.instruments[0]["best_ask"])
    take(linear, BUY, given["Q"] * lots_per_unit)
    moved = (int(linear.instruments[0]["best_ask"]) - start) / TICKS_PER_UNIT

    per_tick = given["D"] // TICKS_PER_UNIT
    flat = one_book((SELL, 501, 1), *((BUY, 500 - k, per_tick) for k in range(100)))
    middle = mid2(0, flat.instruments) / 2
    filled, notional = take(flat, SELL, given["Q"])
    fell = (500 - int(flat.instruments[0]["best_bid"])) / TICKS_PER_UNIT
    discount = (middle - notional / filled) / TICKS_PER_UNIT
    return [
        near("price move in a linear book", moved, expected["linear"], tolerance=tolerance),
        near("price move in a flat book", fell, expected["flat"], tolerance=tolerance),
        near("average discount in a flat book", discount, expected["flat_vwap_discount"], tolerance=tolerance),
    ]


CASES = (
    Case(name="BOOK-sqrt", subject="a market order through a linear and through a flat book", run=impact),
    Case(name="ADL-vwap", subject="a market order over three levels", run=vwap),
)
