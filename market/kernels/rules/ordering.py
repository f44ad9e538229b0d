"""Who is served first."""

from __future__ import annotations

from market.kernels.jit import kernel


@kernel
def price_gap(price, reference):
    """Distance of a price from the reference price, as a share of it."""
    return abs(price - reference) / reference


@kernel
def rank_descending(first, second, order):
    """Fill `order` int64[n] with rows by falling `first`, ties by falling `second`, then in the order they came in.

    `first`, `second` float64[n]. Liquidations on dYdX v4: price gap, then notional (x/clob/keeper/liquidations.go
    `SortLiquidationOrders`).
    """
    for row in range(len(order)):
        place = row
        while place > 0:
            before = order[place - 1]
            if first[before] > first[row] or (first[before] == first[row] and second[before] >= second[row]):
                break
            order[place] = before
            place -= 1
        order[place] = row
