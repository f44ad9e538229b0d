"""Synthetix v3 perpetuals: account margins under skewed prices, funding by velocity."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from experiments.venues.inputs import number, rows
from experiments.venues.registry import adapter
from market.kernels.rules.account import unrealised_profit
from market.kernels.rules.funding_velocity import drifted_rate, drifting_cost, velocity
from market.kernels.rules.keeper import bounded_reward
from market.kernels.rules.price_impact import skewed_price
from market.kernels.rules.rates import linear_size_rate, requirement
from market.kernels.rules.rounding import falls_short

_BOUNDS = ("keeper_cost", "min_keeper_profit_ratio", "min_keeper_reward", "max_keeper_reward", "max_keeper_share")


@adapter("snx_account")
def snx_account(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Profits, margins and whether an account may be flagged."""
    collateral = number(inputs, "collateral")
    profits: dict[str, float] = {}
    initial = maintenance = reward = 0.0
    for position in rows(inputs, "positions"):
        size, price, scale = number(position, "size"), number(position, "price"), number(position, "skew_scale", 0.0)
        entry = position.get("entry_price")
        if entry is None:
            entry = skewed_price(
                number(position, "entry_oracle_price"), number(position, "skew_before", 0.0), size, scale
            )
        market = str(position["market"])
        profits[market] = profits.get(market, 0.0) + float(unrealised_profit(size, float(entry), price))
        least = number(position, "min_position_margin", 0.0)
        slope = number(position, "initial_margin_fraction") / scale if scale > 0.0 else 0.0
        ratio = linear_size_rate(number(position, "min_initial_margin_ratio", 0.0), slope, size)
        initial += requirement(size * price, ratio, -least, 0.0)
        maintenance += requirement(size * price, ratio * number(position, "maintenance_scalar"), -least, 0.0)
        reward += requirement(size * price, number(position, "flag_reward_ratio", 0.0), 0.0, 0.0)
    reward = bounded_reward(reward, *(number(inputs, key, 0.0) for key in _BOUNDS), collateral)
    available = collateral + sum(profits.values())
    return {
        "pnl": profits,
        "available_margin": available,
        "initial_margin": initial,
        "maintenance_margin": maintenance,
        "liquidation_reward": reward,
        "liquidatable": bool(profits) and bool(falls_short(available, maintenance + reward, collateral)),
    }


@adapter("snx_funding")
def snx_funding(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Rate and cost of a position after a row of trades by others, its own in the first step."""
    price, size = number(inputs, "price"), number(inputs, "position_size")
    skew, speed = number(inputs, "initial_skew", 0.0), number(inputs, "initial_velocity", 0.0)
    rate, cost = number(inputs, "initial_rate", 0.0), 0.0
    for step in rows(inputs, "steps"):
        days = number(step, "days")
        moved = float(drifted_rate(rate, speed, days))
        cost += float(drifting_cost(size, price, rate, moved, days))
        rate = moved
        skew += number(step, "skew_change", 0.0)
        speed = float(velocity(skew, number(inputs, "skew_scale"), number(inputs, "max_funding_velocity")))
    return {"velocity": speed, "funding_rate": rate, "accrued_cost": cost}
