"""Sharing a budget out among those who can bear part of it: by queue, or in proportion. Integers, exact to the unit.

The waterfall shares out lots to be deleveraged; the same rules share out money over profits (Chitra et al., 2025).
"""

from __future__ import annotations

from market.kernels.arithmetic import multiply_divide
from market.kernels.jit import kernel


@kernel
def allocate_queue(budget, capacities, out):
    """Fill `out[n]` with what each takes, in the order of the queue, each up to its capacity; return what is left."""
    for at in range(len(capacities)):
        out[at] = min(budget, capacities[at])
        budget -= out[at]
    return budget


@kernel
def allocate_pro_rata(budget, capacities, out):
    """Fill `out[n]` with shares in proportion to capacity, none above it; return what is left.

    Each share is the rounded-down proportion of what is left by what can still be borne, so they add up exactly.
    """
    total = 0
    for capacity in capacities:
        total += capacity
    budget_left = min(budget, total)
    beyond = budget - budget_left
    for at in range(len(capacities)):
        out[at] = multiply_divide(budget_left, capacities[at], max(total, 1))
        budget_left -= out[at]
        total -= capacities[at]
    return beyond
