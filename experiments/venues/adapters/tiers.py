"""Margin rates by size: tiers with deductions, risk-limit steps, slopes and square roots."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from experiments.venues import engine
from experiments.venues.inputs import number, numbers
from experiments.venues.registry import adapter
from market.instruments import next_deduction, tier_deductions
from market.kernels.rules.rates import leverage_rate, linear_size_rate, requirement, root_size_rate, stepped_rate
from market.margin.requirement import RequirementRule, Tier


@adapter("tier_deductions")
def deductions(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Deductions of a table of floors and rates."""
    return {"deductions": _deductions(inputs, numbers(inputs, "rates").tolist())}


@adapter("tier_step")
def step(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Deduction of one tier from the one below."""
    return {
        "deduction": next_deduction(
            number(inputs, "prev_deduction"),
            floor=number(inputs, "floor"),
            rate=number(inputs, "rate"),
            before=number(inputs, "prev_rate"),
        )
    }


@adapter("tier_lookup")
def lookup(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """The tier that holds at a notional, and the requirement it makes."""
    floors, rates = numbers(inputs, "floors").tolist(), numbers(inputs, "rates").tolist()
    rows = zip(floors, rates, strict=True)
    rule = RequirementRule(tiers=tuple(Tier(floor_usd=floor, initial=rate, maintenance=rate) for floor, rate in rows))
    notional = number(inputs, "notional")
    found = engine.position(rule, notional=notional, initial=False)
    rate, deduction = rates[found.tier], _deductions(inputs, rates)[found.tier]
    margin = found.needed if engine.holds(rates) else requirement(notional, rate, deduction, 0.0)
    return {"rate": rate, "deduction": deduction, "maintenance_margin": margin}


@adapter("hl_tiers")
def leverage_tiers(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Maintenance rates and deductions of tiers given by their greatest leverage."""
    rates = [float(leverage_rate(most)) for most in numbers(inputs, "max_leverage")]
    return {"mm_rates": rates, "deductions": _deductions(inputs, rates)}


@adapter("bitmex_risk_limit")
def risk_limit(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Rates that grow by the base maintenance rate with every step of the risk limit."""
    base = number(inputs, "base_mm")
    value = abs(number(inputs, "position_value"))
    limits = value, number(inputs, "base_limit"), number(inputs, "step")
    maintenance = stepped_rate(base, base, *limits)
    initial = stepped_rate(number(inputs, "base_im"), base, *limits)
    return {
        "mm_rate": maintenance,
        "im_rate": initial,
        "maintenance_margin": requirement(value, maintenance, 0.0, 0.0),
        "initial_margin": requirement(value, initial, 0.0, 0.0),
    }


@adapter("linear_size_rate")
def size_slope(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """A rate with a slope in size; margin in the unit of size."""
    size = number(inputs, "size")
    rate = linear_size_rate(number(inputs, "base_rate"), number(inputs, "slope_per_unit"), size)
    return {"rate": rate, "margin": requirement(size, rate, 0.0, 0.0)}


@adapter("sqrt_size_imf")
def size_root(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """A rate that grows with the square root of size."""
    return {"imf": root_size_rate(number(inputs, "base", 0.0), number(inputs, "imf_factor"), number(inputs, "size"))}


def _deductions(inputs: Mapping[str, Any], rates: list[float]) -> list[float]:
    return tier_deductions(numbers(inputs, "floors").tolist(), rates)
