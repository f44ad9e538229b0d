"""Exchange of a debt for collateral at oracle prices and liquidation multipliers.

A liquidator gets asset_multiplier / liability_multiplier units of value of collateral per unit of value of debt.
Source: Drift v2 math/liquidation.rs (drift-labs/protocol-v2@0ae3e3b1).
"""

from __future__ import annotations

from market.kernels.jit import kernel


@kernel
def debt_for_collateral(amount, price, multiplier, debt_price, debt_multiplier):
    """Units of a debt that `amount` units of collateral repay."""
    return amount * price * debt_multiplier / (debt_price * multiplier)


@kernel
def collateral_for_debt(debt, debt_price, debt_multiplier, price, multiplier, held, dust):
    """Units of collateral handed over for `debt` units of a debt; all that is `held` when worth within `dust` of it."""
    amount = debt * debt_price * multiplier / (price * debt_multiplier)
    return held if abs(amount - held) * price < dust else amount
