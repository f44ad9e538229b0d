"""Liquidation prices and fees: oracle less or plus a fee, a fee that grows, what is left for the insurance fund."""

from __future__ import annotations

from market.kernels.jit import kernel


@kernel
def price_with_fee(price, fee, side):
    """Price of a trade at an oracle and a fee: dearer for who buys (`side` 1.0), cheaper for who sells (-1.0)."""
    return price * (1.0 + side * fee)


@kernel
def growing_fee(base, most, elapsed, grace, growth):
    """Liquidator's fee, higher the longer nobody liquidates: base, from `grace` on base + growth x elapsed, at most.

    Times in one unit. Source: Drift v2 get_liquidation_fee (drift-labs/protocol-v2@0ae3e3b1): 1e-6 per slot from 1,500.
    """
    if elapsed < grace:
        return base
    return min(base + growth * elapsed, most)


@kernel
def insurance_fee_on_position(shortage, size, price, ratio, fee, most, part):
    """Insurance fund's fee per unit of value closed: `part` of what closing all would free beyond the shortage.

    min(most, part (ratio - fee - shortage / (size price))), not below 0; 0 where nothing would be freed. Source: Drift
    v2 calculate_perp_if_fee (drift-labs/protocol-v2@0ae3e3b1), part 0.95.
    """
    if size <= 0.0 or price <= 0.0 or ratio <= fee:
        return 0.0
    return max(0.0, min(most, part * (ratio - fee - shortage / (size * price))))


@kernel
def insurance_fee_on_exchange(
    shortage, amount, price, asset_weight, asset_multiplier, liability_weight, liability_multiplier, most
):
    """Insurance fund's fee per unit of debt repaid: what repaying everything would free beyond the shortage.

    As a share of the debt's weight, at most `most`, not below 0. Source: Drift v2 calculate_spot_if_fee
    (drift-labs/protocol-v2@0ae3e3b1).
    """
    if amount <= 0.0 or price <= 0.0 or liability_multiplier <= 0.0 or asset_weight >= liability_weight:
        return 0.0
    freed = liability_weight - asset_weight * asset_multiplier / liability_multiplier
    return max(0.0, min(most, (freed - shortage / (amount * price)) / liability_weight))
