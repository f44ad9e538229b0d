"""Funding, marks and oracles."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from experiments.venues.inputs import number, numbers
from experiments.venues.registry import UnsupportedError, adapter
from market.kernels.rules.deviation import deviates, trigger_price
from market.kernels.rules.funding import funding_bound, funding_payment
from market.kernels.rules.median import median_of_three
from market.kernels.rules.rates import maintenance_rate

PPM_STEP = 1e-6
HOURS_PER_PERIOD = 8.0


@adapter("dydx_funding_clamp")
def bound(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Largest rate per period from the two margin rates."""
    initial = number(inputs, "initial_margin_fraction")
    maintenance = maintenance_rate(initial, number(inputs, "maintenance_fraction"), PPM_STEP)
    return {"max_abs_8h_rate": funding_bound(number(inputs, "clamp_factor"), initial, maintenance, PPM_STEP)}


@adapter("funding_accrual")
def accrual(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """What a size pays over some hours of a rate per eight hours."""
    rate, periods = number(inputs, "rate_8h"), number(inputs, "hours") / HOURS_PER_PERIOD
    return {"payment": funding_payment(rate, periods, number(inputs, "price"), number(inputs, "size", 1.0))}


@adapter("funding_fee")
def fee(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """What a size pays at one settlement; nothing where the mark is not known."""
    mark = number(inputs, "mark_price", 0.0)
    mark = mark if mark == mark else 0.0
    periods = number(inputs, "time_fraction", 1.0)
    return {"fee": funding_payment(number(inputs, "rate"), periods, mark, number(inputs, "size"))}


@adapter("median3")
def median(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """The middle of three prices."""
    values = numbers(inputs, "values")
    if len(values) != 3:
        raise UnsupportedError(f"a mark is the median of 3 prices, not of {len(values)}")
    return {"median": median_of_three(*values)}


@adapter("deviation_threshold")
def deviation(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Which prices an oracle would publish after the last one."""
    last, share = number(inputs, "last"), number(inputs, "deviation")
    return {
        "upper_trigger": trigger_price(last, share, 1.0),
        "lower_trigger": trigger_price(last, share, -1.0),
        "updates": [bool(deviates(price, last, share)) for price in numbers(inputs, "candidates")],
    }
