"""What keepers are paid and how fast they may liquidate."""

from __future__ import annotations

import numpy as np

from market.kernels.jit import kernel


@kernel
def bounded_reward(reward, cost, profit, least, most, share, margin):
    """Reward of who flags an account for liquidation, its cost paid back, within bounds.

    `reward` and `cost`, at least cost x (1 + `profit`) and cost + `least`; at most `most` and, while the account has
    `margin`, `share` of that. `most` and `share` of 0 are no limits. Source: Synthetix v3
    GlobalPerpsMarketConfiguration.keeperReward (Synthetixio/synthetix-v3@23585f73).
    """
    ceiling = most if most > 0.0 else np.inf
    if share > 0.0 and margin > 0.0:
        ceiling = min(ceiling, share * margin)
    return min(max(max(cost + least, cost * (1.0 + profit)), reward + cost), ceiling)


@kernel
def window_capacity(maker_fee, taker_fee, scale, multiplier, seconds):
    """Size that may be liquidated in one window: (maker + taker fee) x scale x multiplier per second.

    Source: Synthetix v3 PerpsMarketConfiguration.maxLiquidationAmountInWindow (Synthetixio/synthetix-v3@23585f73).
    """
    return (maker_fee + taker_fee) * scale * multiplier * seconds


@kernel
def window_room(capacity, used):
    """Size that may still be liquidated in a window in which `used` was."""
    return max(0.0, capacity - used)
