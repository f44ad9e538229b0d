"""Margin rates that depend on size or open interest, and the requirement a rate makes.

Rates are shares of notional, sizes and notionals magnitudes, in any unit as long as it is one.
"""

from __future__ import annotations

import numpy as np

from market.kernels.jit import kernel
from market.kernels.rules.rounding import product_up, round_down


@kernel
def requirement(notional, rate, deduction, step):
    """Margin for |notional|: rate x notional rounded up to `step` (0: not rounded), less a deduction in whole steps."""
    return product_up(abs(notional), rate, step) - deduction


@kernel
def maintenance_rate(initial, fraction, step):
    """Maintenance rate as a fraction of the initial rate, rounded down to `step`.

    dydxprotocol/v4-chain@84d4664b x/perpetuals/types/liquidity_tier.go (step: one part per million).
    """
    return round_down(initial * fraction, step)


@kernel
def open_interest_rate(base, open_interest, lower, upper, step):
    """Initial rate that rises from `base` to 1 as open interest, as notional, rises from `lower` to `upper`.

    An upper cap of 0 switches the rise off; the result in between is rounded down to `step`.
    dydxprotocol/v4-chain@84d4664b x/perpetuals/types/liquidity_tier.go.
    """
    if upper == 0.0:
        return base
    if open_interest >= upper:
        return 1.0
    if open_interest <= lower:
        return base
    return min(round_down(base + (open_interest - lower) / (upper - lower) * (1.0 - base), step), 1.0)


@kernel
def stepped_rate(base, increment, value, limit, step):
    """Rate that grows by `increment` for each `step`, begun or full, of position value above `limit`.

    BitMEX risk limits: increment is the base maintenance rate for both margins.
    """
    steps = np.ceil((value - limit) / step - 1e-9) if step > 0.0 else 0.0
    return base + max(steps, 0.0) * increment


@kernel
def linear_size_rate(base, slope, size):
    """Rate that grows with the whole position, not with the part above a floor: base + slope x size (Deribit)."""
    return base + slope * abs(size)


@kernel
def root_size_rate(base, factor, size):
    """Rate that grows with the square root of size, never below `base`: max(base, factor x sqrt(size)) (FTX)."""
    return max(base, factor * np.sqrt(abs(size)))


@kernel
def leverage_rate(most):
    """Maintenance rate where leverage may be `most` at entry: half the initial rate (Hyperliquid)."""
    return 0.5 / most
