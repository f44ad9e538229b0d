"""Tail of a set of simulated profits: value at risk and expected shortfall, the percentile instead of the minimum."""

from __future__ import annotations

import math

from market.kernels.jit import kernel


@kernel
def worst_first(pnl, count):
    """Bring the `count` smallest entries to the front of `pnl`, in rising order; the rest is left in any order."""
    for at in range(pnl.shape[0]):
        value = pnl[at]
        if at >= count:
            if value >= pnl[count - 1]:
                continue
            pnl[at] = pnl[count - 1]
        place = min(at, count - 1)
        while place > 0 and pnl[place - 1] > value:
            pnl[place] = pnl[place - 1]
            place -= 1
        pnl[place] = value


@kernel
def scenario_quantile(pnl, confidence):
    """Value at risk: the loss that a share `confidence` of equally likely scenarios does not exceed, at least zero.

    The k-th worst of n, k = floor(n x (1 - confidence)) + 1; confidence 1 is the worst case. Reorders `pnl`.
    """
    n = pnl.shape[0]
    count = min(n, math.floor(n * (1.0 - confidence) + 1e-9) + 1)
    worst_first(pnl, count)
    return max(0.0, -pnl[count - 1])


@kernel
def scenario_shortfall(pnl, confidence):
    """Expected shortfall: mean loss over the worst share 1 - confidence of equally likely scenarios, at least zero.

    The scenario on the edge counts with the part of it that is needed (Acerbi and Tasche 2002), so the mean is
    continuous in the confidence and coherent; at least the value at risk. Reorders `pnl`.
    """
    n = pnl.shape[0]
    tail = max(n * (1.0 - confidence), 1e-9)
    count = min(n, math.floor(tail) + 1)
    worst_first(pnl, count)
    total = 0.0
    left = tail
    for row in range(count):
        share = min(left, 1.0)
        total += share * pnl[row]
        left -= share
    return max(0.0, -total / (tail - max(left, 0.0)))
