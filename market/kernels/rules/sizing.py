"""How much a liquidator may take: gains per unit for the clamped solve, limits by time and value, whole-unit rounding.

The solve itself is `market.kernels.rules.solve.amount_to_target`.
"""

from __future__ import annotations

import numpy as np

from market.kernels.jit import kernel
from market.kernels.rules.rounding import round_up
from market.kernels.rules.solve import amount_to_target


@kernel
def position_gain(price, quote_price, ratio, fee, insurance_fee):
    """Margin freed by closing one unit of a position at the oracle less fees.

    Source: Drift v2 calculate_base_asset_amount_to_cover_margin_shortage (drift-labs/protocol-v2@0ae3e3b1), where the
    quote's price does not touch the insurance fund's fee.
    """
    return price * quote_price * (ratio - fee) - price * insurance_fee


@kernel
def exchange_gain(price, liability_weight, asset_weight, asset_multiplier, liability_multiplier, insurance_fee):
    """Margin freed by repaying one unit of a debt with collateral handed over at oracle and fees.

    One unit of value repaid costs asset_multiplier / liability_multiplier units of value of collateral. Sources: Drift
    v2 calculate_liability_transfer_to_cover_margin_shortage; Mango v4 token_liq_with_token with multipliers F, 1.
    """
    costs = asset_weight * asset_multiplier / liability_multiplier
    return price * (liability_weight - costs) - price * insurance_fee * liability_weight


@kernel
def allowed_share(elapsed, duration, initial, shortage, freed, small):
    """Share of a shortage that may be closed by now: `initial` and rising to all of it after `duration`.

    `freed` is the margin freed since liquidation started; a shortage below `small` may be closed at once. Source:
    Drift v2 calculate_max_pct_to_liquidate (drift-labs/protocol-v2@0ae3e3b1).
    """
    if shortage <= 0.0:
        return 0.0
    if shortage < small:
        return 1.0
    risen = 1.0 if duration <= 0.0 else elapsed / duration
    total = (shortage + freed) * min(1.0, risen + initial)
    return max(0.0, total - freed) / shortage


@kernel
def position_to_close(shortage, gain, share, size, value, small, most):
    """Units of a position to close: the allowed share of the solve, all of it when it is worth at most `small`.

    `size` is the position, `most` what the liquidator takes. Source: Drift v2 controller/liquidation.rs.
    """
    needed = amount_to_target(shortage, gain, np.inf) * share if share > 0.0 else 0.0
    if value <= small and shortage > 0.0:
        needed = size
    return min(min(needed, size), most)


@kernel
def debt_to_repay(health, gain, debt, counted_debt, held, counted_held, unit_cost, most):
    """Units of a debt repaid with one collateral until health is 0; 0 when the exchange cannot be made.

    `counted_debt` and `counted_held` are the balances with unrealised profit in them: neither may change its sign.
    `unit_cost` is the collateral handed over per unit of debt. An exchange that costs more health than it frees is not
    made. Source: Mango v4 token_liq_with_token.rs (blockworks-foundation/mango-v4@1303a4a1).
    """
    if gain <= 0.0:
        return 0.0
    limit = min(min(most, debt), min(counted_debt, min(held, counted_held) / unit_cost))
    return amount_to_target(-health, gain, max(0.0, limit))


@kernel
def received_to_zero(health, balance, asset_value, liability_value):
    """Units to add to a balance so that negative health becomes 0, where the balance may turn from debt to asset."""
    first = amount_to_target(-health, liability_value, max(0.0, -balance))
    left = -health - first * liability_value
    return first + (left / asset_value if left > 0.0 else 0.0)


@kernel
def whole_lots(amount, per_lot, most):
    """Lots, rounded up, whose `per_lot` together give at least `amount`; at most `most`."""
    if per_lot <= 0.0:
        return 0.0
    return max(0.0, min(round_up(min(amount / per_lot, most), 1.0), most))
