"""What an account of cash and linear positions is worth and must hold, position by position.

`sizes`, `prices`, `rates` float64[n]: signed units of the base asset, quote per unit, share of notional.
"""

from __future__ import annotations

from market.kernels.jit import kernel
from market.kernels.rules.rates import requirement
from market.kernels.rules.rounding import product_to_zero, round_near


@kernel
def notional_value(size, price, step):
    """Signed value of a position, rounded to zero at `step` (0: not rounded)."""
    return product_to_zero(size, price, step)


@kernel
def unrealised_profit(size, entry, price):
    """Profit of a signed size since `entry`; negative is a loss."""
    return size * (price - entry)


@kernel
def net_value(cash, sizes, prices, step):
    """Cash plus the signed values of all positions: net equity, cash being what the positions cost taken off."""
    total = cash
    for at in range(len(sizes)):
        total += notional_value(sizes[at], prices[at], step)
    return round_near(total, step)


@kernel
def total_requirement(sizes, prices, rates, step):
    """Sum over positions of rate x notional, each rounded up to `step`."""
    total = 0.0
    for at in range(len(sizes)):
        total += requirement(notional_value(sizes[at], prices[at], step), rates[at], 0.0, step)
    return round_near(total, step)


@kernel
def is_below(equity, required, step):
    """Whether equity is strictly below a requirement above zero, both whole multiples of `step`.

    dYdX v4 `IsLiquidatable`: an account that needs no margin cannot be liquidated, however much it owes.
    """
    return required > 0.0 and equity < required - 0.5 * step
