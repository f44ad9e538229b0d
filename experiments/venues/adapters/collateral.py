"""Collateral value of centralised venues: tiered haircuts, buffered rates, conversion of debts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from experiments.venues import engine
from experiments.venues.inputs import column, number, rows
from experiments.venues.registry import adapter
from market.kernels.rules.collateral import collateral_to_convert, tiered_value
from market.kernels.rules.valuation import ask_rate, bid_rate
from market.margin.collateral import CollateralRule, HaircutTier


@adapter("tiered_collateral")
def tiered_collateral(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Counted value of all balances."""
    return {"collateral_value": sum(_counted(asset) for asset in rows(inputs, "assets"))}


def _counted(asset: Mapping[str, Any]) -> float:
    tiers = asset.get("tiers")
    if not isinstance(tiers, list) or not all(isinstance(tier, list) and len(tier) == 2 for tier in tiers):
        raise ValueError("input tiers is not a list of [end, ratio]")
    pairs = [dict(zip(("end", "ratio"), tier, strict=True)) for tier in tiers]
    ends = column(pairs, "end", np.inf)
    ratios = column(pairs, "ratio")
    in_money = asset.get("tier_unit", "usd") in ("usd", "usdt", "usdc", "quote")
    amount, price = number(asset, "amount"), number(asset, "price", 1.0)
    if engine.holds(ratios) and (np.diff(ratios) <= 0.0).all() and price > 0.0:
        floors, counted = [0.0, *ends[np.isfinite(ends)].tolist()], [*ratios.tolist(), 0.0]
        steps = zip(floors, counted, strict=False)
        tiers = tuple(HaircutTier(floor=floor, haircut=1.0 - ratio) for floor, ratio in steps)
        rule = CollateralRule(tiers=tiers, tier_unit="usd" if in_money else "asset")
        return engine.balance(rule, amount=amount, price=price)
    return float(tiered_value(amount, price, ends, ratios, in_money))


@adapter("auto_exchange")
def auto_exchange(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Collateral sold to repay a negative balance."""
    debt = abs(number(inputs, "negative_balance"))
    return {"collateral_converted": collateral_to_convert(debt, number(inputs, "conversion_ratio"))}


@adapter("buffered_rates")
def buffered_rates(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Rates at which positive and negative balances are counted."""
    index = number(inputs, "index")
    return {
        "bid_rate": bid_rate(index, number(inputs, "bid_buffer", 0.0)),
        "ask_rate": ask_rate(index, number(inputs, "ask_buffer", 0.0)),
    }
