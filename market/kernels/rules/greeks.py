"""Greeks of accounts: lots x the Greeks of one lot, per underlying.

All in USD quanta, so that they add up across expiries: delta per relative move of the price (a move of 1 % gains
delta / 100), gamma per square of it (half of it counts: gain = delta x m + gamma x m^2 / 2), vega per 1.00 of implied
volatility, theta per day that passes with forward and volatility held.
"""

from __future__ import annotations

from market.kernels.jit import kernel
from market.kernels.rules.options import SECONDS_PER_YEAR, black_greeks
from market.kernels.rules.risk_records import CALL, LINEAR

DELTA, GAMMA, VEGA, THETA = range(4)
N_GREEKS = 4
DAYS_PER_YEAR = 365.0


@kernel
def unit_greeks(books, unit):
    """Fill `unit[n_books, 4]` with the Greeks of one lot; `books` are RISK_BOOK."""
    for row in range(books.shape[0]):
        book = books[row]
        if book.kind == LINEAR:
            unit[row, DELTA] = book.per_lot * book.forward
            unit[row, GAMMA] = 0.0
            unit[row, VEGA] = 0.0
            unit[row, THETA] = 0.0
            continue
        years = max(book.seconds, 0.0) / SECONDS_PER_YEAR
        forward = book.fixed + book.forward
        greeks = black_greeks(book.kind == CALL, forward, book.strike, book.vol, years, max(book.rate, 0.0))
        unit[row, DELTA] = book.per_lot * book.forward * greeks[1]
        unit[row, GAMMA] = book.per_lot * book.forward * book.forward * greeks[2]
        unit[row, VEGA] = book.per_lot * greeks[3]
        unit[row, THETA] = book.per_lot * greeks[4] / DAYS_PER_YEAR


@kernel
def account_greeks(positions, books, unit, out):
    """Fill `out[n_accounts, n_underlyings, 4]` with the Greeks of every row of `positions` (POSITION records)."""
    out[:] = 0.0
    for account in range(positions.shape[0]):
        for row in range(books.shape[0]):
            lots = positions[account, row].lots
            if lots != 0:
                underlying = books[row].underlying
                for greek in range(4):
                    out[account, underlying, greek] += lots * unit[row, greek]
