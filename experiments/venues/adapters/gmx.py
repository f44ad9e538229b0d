"""GMX v2: whether a position may be liquidated, and what its owner gets back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from experiments.venues.inputs import number
from experiments.venues.registry import adapter
from market.kernels.rules.floors import below_floors, interest_ratio
from market.kernels.rules.price_impact import counted_impact
from market.kernels.rules.valuation import pool_capped_profit


@adapter("gmx_liquidatable")
def gmx_liquidatable(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Liquidation check of a position; a liquidated position's collateral less losses and costs, in its own token."""
    collateral, price = number(inputs, "collateral"), number(inputs, "collateral_price", 1.0)
    size, entry = number(inputs, "size_usd"), number(inputs, "entry_price")
    units = number(inputs, "size_in_tokens", size / entry)
    side = 1.0 if inputs.get("is_long", True) is True else -1.0
    profit = pool_capped_profit(
        side * (units * number(inputs, "index_price") - size),
        number(inputs, "pool_pnl_usd", 0.0), number(inputs, "pool_value_usd", 0.0),
        number(inputs, "max_pnl_factor", 0.0),
    )  # fmt: skip
    impact = counted_impact(
        number(inputs, "price_impact_usd", 0.0), size, number(inputs, "max_price_impact_factor", 0.0)
    )
    remaining = collateral * price + profit + impact - number(inputs, "fees_usd", 0.0)
    factor = interest_ratio(
        number(inputs, "min_collateral_factor", 0.0),
        number(inputs, "open_interest_multiplier", 0.0),
        number(inputs, "open_interest_usd", 0.0),
    )
    least = number(inputs, "min_collateral_usd", 0.0)
    return {
        "liquidatable": bool(below_floors(remaining, size, factor, least)),
        "remaining_collateral_usd": remaining,
        "collateral_returned": max(0.0, remaining) / price,
    }
