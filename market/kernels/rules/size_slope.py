"""Margin ratios that rise in a straight line with the size of a position or of the market."""

from __future__ import annotations

from market.kernels.jit import kernel


@kernel
def size_ratio(size, scale, slope, least):
    """Initial margin ratio: |size| / scale x slope + least; `least` alone when scale is 0.

    Source: Synthetix v3 PerpsMarketConfiguration.sol (Synthetixio/synthetix-v3@23585f73), whose maintenance ratio is
    this times a scalar.
    """
    return least if scale <= 0.0 else abs(size) / scale * slope + least


@kernel
def interest_ratio(base, multiplier, interest):
    """Margin ratio to open a position: the larger of `base` and multiplier x open interest in money.

    Source: GMX v2 MarketUtils.getMinCollateralFactorForOpenInterest (gmx-io/gmx-synthetics@a5c0c883).
    """
    return max(base, multiplier * interest)


@kernel
def floored_requirement(value, ratio, least):
    """Margin of a position of some value: value x ratio and a flat minimum on top. Source: Synthetix v3."""
    return value * ratio + least


@kernel
def below_floors(remaining, size, factor, least):
    """Whether what remains of a position's collateral is gone, less than `least`, or less than `factor` of its size.

    Source: GMX v2 PositionUtils.isPositionLiquidatable (gmx-io/gmx-synthetics@a5c0c883).
    """
    return remaining < least or remaining <= 0.0 or remaining < factor * size
