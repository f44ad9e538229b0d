"""Floors under the collateral of a single position."""

from __future__ import annotations

from market.kernels.jit import kernel
from market.kernels.rules.rounding import falls_short


@kernel
def interest_ratio(base, multiplier, interest):
    """Margin ratio to open a position: the larger of `base` and multiplier x open interest in money.

    Source: GMX v2 MarketUtils.getMinCollateralFactorForOpenInterest (gmx-io/gmx-synthetics@a5c0c883).
    """
    return max(base, multiplier * interest)


@kernel
def below_floors(remaining, size, factor, least):
    """Whether what remains of a position's collateral is gone, less than `least`, or less than `factor` of its size.

    Source: GMX v2 PositionUtils.isPositionLiquidatable (gmx-io/gmx-synthetics@a5c0c883).
    """
    if falls_short(remaining, least, size) or remaining <= 0.0:
        return True
    return falls_short(remaining, factor * size, size)
