"""Greeks of all accounts and of the venue."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from market.kernels.rules.greeks import N_GREEKS
from market.kernels.rules.greeks import account_greeks as _account_greeks
from market.kernels.rules.greeks import unit_greeks as _unit_greeks

Floats = NDArray[np.float64]
GREEKS = ("delta", "gamma", "vega", "theta")
"""Columns, in USD quanta: per relative move, per its square, per 1.00 of implied volatility, per day."""


@dataclass(frozen=True, kw_only=True)
class VenueGreeks:
    """Greeks of many accounts together, each float64[n_underlyings, 4]."""

    net: Floats
    """Sum over the accounts: what the rest of the market holds, turned round."""
    long: Floats
    """Sum over accounts where it is positive."""
    short: Floats
    """Sum over accounts where it is negative."""


def unit_greeks(books: NDArray[np.void]) -> Floats:
    """float64[n_books, 4]: Greeks of one lot of each instrument (RISK_BOOK records)."""
    unit = np.zeros((books.size, N_GREEKS))
    _unit_greeks(books, unit)
    return unit


def account_greeks(positions: NDArray[np.void], books: NDArray[np.void], *, n_underlyings: int) -> Floats:
    """float64[n_accounts, n_underlyings, 4]: lots x the Greeks of a lot; `positions` POSITION [n_accounts, n_books]."""
    out = np.zeros((positions.shape[0], n_underlyings, N_GREEKS))
    _account_greeks(positions, books, unit_greeks(books), out)
    return out


def venue_greeks(accounts: Floats, included: NDArray[np.bool_]) -> VenueGreeks:
    """The Greeks of the accounts included, together; `accounts` from `account_greeks`."""
    chosen = accounts[included]
    return VenueGreeks(
        net=chosen.sum(axis=0), long=np.maximum(chosen, 0.0).sum(axis=0), short=np.minimum(chosen, 0.0).sum(axis=0)
    )
