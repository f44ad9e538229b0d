"""Collateral value under haircuts by tier, and what a debt takes out of it."""

from __future__ import annotations

from market.kernels.jit import kernel


@kernel
def tiered_value(amount, price, ends, ratios, in_money):
    """Counted value of one balance: each slice of it times the ratio of its tier; beyond the last tier nothing counts.

    `ends` float64[n] are where tiers end, rising, in money when `in_money`, else in units of the asset; `ratios`
    float64[n]. A negative balance counts in full. Marginal, so continuous and rising in the amount. Sources: collateral
    haircuts of Binance cross margin and Bitget, help pages.
    """
    value = amount * price
    if amount <= 0.0:
        return value
    held = value if in_money else amount
    unit = 1.0 if in_money else price
    counted = 0.0
    start = 0.0
    for tier in range(ends.shape[0]):
        if held <= start:
            break
        counted += (min(held, ends[tier]) - start) * unit * ratios[tier]
        start = ends[tier]
    return counted


@kernel
def collateral_to_convert(debt, ratio):
    """Value of collateral that repays `debt` when a unit of it brings `ratio`. Source: Binance auto-exchange."""
    return max(0.0, debt) / ratio


@kernel
def borrowable(amount, price, loan_to_value):
    """What may be borrowed against a balance: amount x price x LTV. Source: Hyperliquid portfolio margin, docs."""
    return max(0.0, amount) * price * loan_to_value
