"""Prices and charges that depend on how one-sided a market is."""

from __future__ import annotations

from market.kernels.jit import kernel


@kernel
def skewed_price(price, skew, size, scale):
    """Price of a trade of signed `size`: oracle x (1 + mean of skew / scale before and after it).

    `scale` is the skew at which the price doubles; 0 means no impact. Source: Synthetix v3
    AsyncOrder.calculateFillPrice (Synthetixio/synthetix-v3@23585f73).
    """
    if scale <= 0.0:
        return price
    return price * (1.0 + (skew + 0.5 * size) / scale)


@kernel
def imbalance_impact(longs, shorts, change, reward, cost, exponent):
    """Money a trade gets (positive) or pays for the imbalance of open interest it changes.

    `change` is the signed change of longs minus shorts in money. The imbalance before and after, each to the power
    `exponent`, times `reward` where it shrinks and `cost` where it grows; a trade past balance is paid for the way
    there and pays for the way on. Source: GMX v2 PricingUtils (gmx-io/gmx-synthetics@a5c0c883).
    """
    before = longs - shorts
    after = before + change
    if before * after < 0.0:
        return reward * abs(before) ** exponent - cost * abs(after) ** exponent
    factor = reward if abs(after) < abs(before) else cost
    return factor * (abs(before) ** exponent - abs(after) ** exponent)


@kernel
def counted_impact(impact, size, most):
    """Impact that a liquidation check counts: costs alone, and at most `most` of the position's value (0: no limit).

    Source: GMX v2 PositionUtils.isPositionLiquidatable (gmx-io/gmx-synthetics@a5c0c883).
    """
    if impact >= 0.0:
        return 0.0
    return impact if most <= 0.0 else max(impact, -most * size)
