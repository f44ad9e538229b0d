"""What loans cost and deposits earn, by how much of the deposits is lent out.

Rates are per year, utilisation is a share: debts / (debts + what is left to lend).
"""

from __future__ import annotations

from market.kernels.jit import kernel


@kernel
def kinked_rate(utilisation, base, slope_below, slope_above, optimal):
    """Borrow rate: `base` at utilisation 0, `slope_below` more at the optimal one, `slope_above` more again at 1.

    Source: Aave v3, DefaultReserveInterestRateStrategy. Compound v3 states the same curve by slopes per unit of
    utilisation: slope_below = slopeLow x kink, slope_above = slopeHigh x (1 - kink).
    """
    if utilisation <= optimal:
        return base + slope_below * utilisation / optimal
    return base + slope_below + slope_above * (utilisation - optimal) / (1.0 - optimal)


@kernel
def supply_rate(borrow_rate, utilisation, reserve_factor):
    """What a deposit earns: the borrow rate on the part that is lent, less the reserve's part (Aave v3)."""
    return borrow_rate * utilisation * (1.0 - reserve_factor)
