"""Funding whose rate drifts: the skew of the market sets how fast the rate moves, not where it is.

Source: Synthetix v3 PerpsMarket.sol (Synthetixio/synthetix-v3@23585f73). Rates are shares of the price per day.
"""

from __future__ import annotations

from market.kernels.jit import kernel


@kernel
def velocity(skew, scale, fastest):
    """Change of the rate per day: skew / scale within -1 and 1, times `fastest`."""
    if scale <= 0.0:
        return 0.0
    return min(max(skew / scale, -1.0), 1.0) * fastest


@kernel
def drifted_rate(rate, change, days):
    """Rate after some days at a constant velocity."""
    return rate + change * days


@kernel
def drifting_cost(size, price, before, after, days):
    """What a position of signed `size` pays (-: gets) while the rate moves from `before` to `after` evenly."""
    return size * price * 0.5 * (before + after) * days
