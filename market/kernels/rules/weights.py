"""Weight curves: what share of a balance counts, given the balance and what the whole venue holds of the asset.

All are scalar in, scalar out. Weights are shares of value (1.0 counts in full), sizes in units of the asset, values of
deposits and borrows in one unit of money, `step` what the venue rounds to (0.0: no rounding).
"""

from __future__ import annotations

import numpy as np

from market.kernels.jit import kernel
from market.kernels.rules.rounding import round_down


@kernel
def size_premium(weight, size, factor, step):
    """Liability weight or margin ratio of a large size: max(w, 0.8 w + factor sqrt(size)).

    Source: Drift v2, drift-labs/protocol-v2@0ae3e3b1 math/margin.rs, which rounds to 1e-4.
    """
    if factor == 0.0:
        return weight
    return max(weight, round_down(0.8 * weight + factor * np.sqrt(abs(size)), step))


@kernel
def size_discount(weight, size, factor, step):
    """Asset weight of a large size: min(w, 1.1 / (1 + factor sqrt(size))).

    Source: Drift v2, drift-labs/protocol-v2@0ae3e3b1 math/margin.rs, which rounds to 1e-4.
    """
    if factor == 0.0:
        return weight
    return min(weight, round_down(1.1 / (1.0 + factor * np.sqrt(abs(size))), step))


@kernel
def deposit_scaled(weight, start, deposits):
    """Asset weight when the venue's deposits are worth more than `start`: w start / deposits. No limit when start is 0.

    The weighted value of all deposits together then stays at w x start. Source: Drift v2 state/spot_market.rs, Mango v4
    state/bank.rs (blockworks-foundation/mango-v4@1303a4a1), where orders that could bring the token in count too.
    """
    if start <= 0.0 or deposits <= start:
        return weight
    return weight * start / deposits


@kernel
def borrow_scaled(weight, start, borrows):
    """Liability weight when the venue's borrows are worth more than `start`: w borrows / start. No limit when 0.

    Source: Mango v4 state/bank.rs (blockworks-foundation/mango-v4@1303a4a1).
    """
    if start <= 0.0 or borrows <= start:
        return weight
    return weight * borrows / start


@kernel
def asset_weight(base, size, factor, start, deposits, step):
    """Share of an asset's value that counts: the base weight scaled by deposits, then cut by size."""
    return size_discount(round_down(deposit_scaled(base, start, deposits), step), size, factor, step)


@kernel
def liability_weight(base, size, factor, start, borrows, step):
    """What a debt counts per unit of value: the base weight scaled by borrows, then raised by size."""
    return size_premium(round_down(borrow_scaled(base, start, borrows), step), size, factor, step)


@kernel
def fill_weight(initial, maintenance):
    """Weight while an order fills: half way between initial and maintenance. Source: Drift v2."""
    return 0.5 * (initial + maintenance)


@kernel
def own_asset_weight(weight, margin_ratio):
    """Asset weight under an account's own lower leverage: at most 1 - margin ratio, never below 0. Source: Drift v2."""
    return weight if margin_ratio <= 0.0 else min(weight, max(0.0, 1.0 - margin_ratio))


@kernel
def own_liability_weight(weight, margin_ratio):
    """Liability weight under an account's own lower leverage: at least 1 + margin ratio. Source: Drift v2."""
    return weight if margin_ratio <= 0.0 else max(weight, 1.0 + margin_ratio)


@kernel
def ramped_weight(before, after, elapsed, duration):
    """Weight a time after it was lowered: from `before` to `after` in a straight line; raised weights hold at once.

    Times in one unit. Source: liquidation LTV of Euler, euler-xyz/euler-vault-kit@5b98b420 LTVConfig.
    """
    if duration <= 0.0 or after >= before or elapsed >= duration:
        return after
    return after + (before - after) * (1.0 - max(0.0, elapsed) / duration)
