"""The price of one instrument at which an account reaches its requirement, in closed form.

One formula per kind of contract; venues differ in what they put into `surplus` and `rate`. The simulation reads the
same price off its integer assessment (market/margin.py), where tiers and haircuts bend the line.
"""

from __future__ import annotations

import numpy as np

from market.kernels.jit import kernel


@kernel
def initial_at_entry(size, entry, leverage):
    """Margin set aside when a position is opened: notional at entry / leverage. Inverse: contracts, 1 / entry price."""
    return abs(size) * entry / leverage


@kernel
def linear_liquidation_price(surplus, size, entry, rate):
    """Price P at which surplus + size (P - entry) = rate |size| P.

    `size` is signed; `surplus` is everything that does not move with this price: the wallet, plus other positions'
    profit, less their maintenance margin, plus the deduction of this position's tier. nan when no price does it.

    Sources: cross margin with `rate` the tier's (Binance FAQ; freqtrade/freqtrade@c9ae5e1e); rate plus taker fee, and
    the margin (Gate, OKX); the equity at the mark as surplus, the mark as entry (dYdX documentation); rate 0 and
    initial less maintenance margin, both at entry, as surplus (Bybit linear isolated).
    """
    weight = abs(size) * rate - size
    return (surplus - size * entry) / weight if weight != 0.0 else np.nan


@kernel
def inverse_liquidation_price(surplus, contracts, entry, rate):
    """Price P at which surplus + contracts (1 / entry - 1 / P) = rate |contracts| / P, money in the base coin.

    `contracts` are quote units, signed. Rate 0 gives the bankruptcy price. inf when no price does it, as for a short
    with collateral for all of its size. Sources: Kraken 360022835671 (equity protection process), Bybit's bankruptcy
    price of inverse contracts.
    """
    worth = surplus + contracts / entry
    needed = contracts + abs(contracts) * rate
    return needed / worth if needed * worth > 0.0 else np.inf
