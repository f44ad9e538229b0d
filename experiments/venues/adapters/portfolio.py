"""Portfolio margin over a scenario matrix (Derive PMRM_2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.venues.inputs import number, rows
from experiments.venues.registry import adapter
from market.kernels.records import NONE
from market.kernels.rules.contingencies import depeg_factor, doubt_charge
from market.kernels.rules.expiry_discounts import settlement_share
from market.kernels.rules.portfolio import portfolio_pnl, portfolio_requirement, portfolio_value
from market.kernels.rules.risk_records import CALL, PUT, RISK_BOOK, RISK_GROUP, RISK_RULE
from market.kernels.rules.scenario_units import expiry_groups, scenario_units
from market.margin.scenarios import Shock, scenario_table, scenario_terms, scratch, unit_table

Inputs = Mapping[str, Any]
_RULE = {
    "vol_up": "vol_range_up",
    "vol_down": "vol_range_down",
    "short_power": "short_term_power",
    "long_power": "long_term_power",
    "floor_days": "dte_floor_days",
    "least_vol": "min_vol_up_shock",
    "skew_cap": "skew_linear_cap",
    "skew_slope": "skew_linear_cbase",
    "wings_cap": "skew_abs_cap",
    "wings_slope": "skew_abs_cbase",
    "least_width": "skew_min_kstar",
    "width_scale": "skew_width_scale",
    "width_vol": "skew_vol_static",
    "width_slope": "skew_vol_scale",
    "long_static": "long_base_static_discount",
    "long_factor": "long_rate_mult",
    "long_add": "long_rate_add",
    "short_static": "short_base_static_discount",
    "short_factor": "short_rate_mult",
    "short_add": "short_rate_add",
    "basis_up": "basis_up",
    "basis_down": "basis_down",
    "basis_add": "basis_add",
    "basis_per_year": "basis_mult",
}
SETTLEMENT_SECONDS = 1800.0


@adapter("derive_pmrm2")
def derive_pmrm2(inputs: Inputs) -> dict[str, Any]:
    """Free initial and maintenance margin, marks and the profit of every scenario."""
    shocks = [Shock(spot=float(spot), vol=vol, weight=float(weight)) for spot, vol, weight in inputs["scenarios"]]
    scenarios, moves = scenario_table(shocks)
    lots, books, n_groups = _books(inputs, initial=True)
    cash = number(inputs, "cash", 0.0)
    collateral = sum(_value(row, inputs) for row in rows(inputs, "collaterals"))
    perpetual = inputs.get("perp") or {}
    profit = number(perpetual, "unrealised_pnl", 0.0) + number(perpetual, "unrealised_funding", 0.0)
    found: dict[str, Any] = {"collateral_mtm": collateral}
    for name, initial in (("im_balance", True), ("mm_balance", False)):
        lots, books, n_groups = _books(inputs, initial=initial)
        rule = _rule(inputs, initial=initial)
        groups = np.zeros(n_groups, RISK_GROUP)
        expiry_groups(books, rule, groups)
        unit = unit_table(len(shocks), books.size)
        scenario_units(books, rule, scenarios, moves, unit)
        n_strikes = int(books["strike_of"].max(initial=-1)) + 1
        touched, work = scratch(n_scenarios=len(shocks), n_groups=n_groups, n_underlyings=1, n_strikes=n_strikes)
        terms = (lots, unit, books, groups, scenario_terms(scenarios))
        required = portfolio_requirement(*terms, rule, n_strikes, touched, work)
        found["option_mtm"] = portfolio_value(lots, unit, len(shocks))
        found[name] = found["option_mtm"] + collateral + profit + cash - required
        found["scenario_pnl"] = np.zeros(len(shocks))
        portfolio_pnl(*terms, touched, work, found["scenario_pnl"])
    return found


def _value(collateral: Inputs, inputs: Inputs) -> float:
    return number(collateral, "amount") * number(collateral, "price") / number(inputs, "stable_price", 1.0)


def _rule(inputs: Inputs, *, initial: bool) -> Any:
    params = inputs["params"]
    rule = np.zeros(1, RISK_RULE)[0]
    for field, key in _RULE.items():
        rule[field] = number(params, key)
    rule["factor"] = number(params, "im_factor" if initial else "mm_factor")
    if initial:
        threshold, slope = number(params, "peg_threshold", 0.0), number(params, "peg_factor", 0.0)
        rule["factor"] += depeg_factor(number(inputs, "stable_price", 1.0), threshold, slope)
    return rule


def _books(inputs: Inputs, *, initial: bool) -> tuple[NDArray[np.float64], NDArray[np.void], int]:
    """Sizes and risk books of perpetual, options and collateral, and the number of expiries."""
    params, spot = inputs["params"], number(inputs, "spot_price")
    threshold, slope = number(params, "conf_threshold", 0.0), number(params, "conf_margin", 0.0)
    expiries = rows(inputs, "expiries")
    options, collaterals = rows(inputs, "options"), rows(inputs, "collaterals")
    perpetual = inputs.get("perp") or {}
    size = number(perpetual, "size", 0.0)
    lots = [size, *(number(option, "size") for option in options), *(1.0 for _ in collaterals)]
    books = np.zeros(len(lots), RISK_BOOK)
    books["group"] = books["strike_of"] = NONE
    books["per_lot"] = 1.0
    spot_sure = number(inputs, "spot_confidence", 1.0)
    sure = min(spot_sure, number(perpetual, "confidence", 1.0)) if size else spot_sure

    def doubt(confidence: float, notional: float) -> float:
        return float(doubt_charge(confidence, threshold, slope, notional)) if initial else 0.0

    def share(name: str, extra: str) -> float:
        return number(params, name, 0.0) + (number(params, extra, 0.0) if initial else 0.0)

    books[0]["forward"] = number(perpetual, "price", 0.0)
    books[0]["gross_charge"] = share("mm_perp_pct", "im_perp_extra_pct") * spot + doubt(sure, spot)
    short = share("mm_option_pct", "im_option_extra_pct") * spot
    _fill_options(books[1 : 1 + len(options)], options, expiries)
    for book in books[1 : 1 + len(options)]:
        expiry = expiries[int(book["group"])]
        named = [number(expiry, f"{name}_confidence", 1.0) for name in ("forward", "rate", "vol")]
        book["gross_charge"], book["short_charge"] = doubt(min(sure, *named), spot), short
    for book, row in zip(books[1 + len(options) :], collaterals, strict=True):
        value = _value(row, inputs)
        haircut = number(row, "mm_haircut", 0.0) + (number(row, "im_extra_haircut", 0.0) if initial else 0.0)
        # The perpetual's confidence does not enter here: the venue looks at it after the collateral.
        doubtful = doubt(min(spot_sure, number(row, "confidence", 1.0)), value)
        book["forward"] = value if row.get("risk_cancelling") else 0.0
        book["gross_charge"] = value * haircut + doubtful
    return np.array(lots, np.float64), books, len(expiries)


def _fill_options(books: NDArray[np.void], options: list[Inputs], expiries: list[Inputs]) -> None:
    group_of = {number(expiry, "seconds_to_expiry"): row for row, expiry in enumerate(expiries)}
    strikes: dict[tuple[int, float], int] = {}
    for book, option in zip(books, options, strict=True):
        seconds, strike = number(option, "seconds_to_expiry"), number(option, "strike")
        group = group_of[seconds]
        expiry = expiries[group]
        moving = settlement_share(seconds, SETTLEMENT_SECONDS)
        book["kind"] = CALL if option["is_call"] else PUT
        book["group"], book["strike"], book["vol"] = group, strike, number(option, "mark_vol")
        book["strike_of"] = strikes.setdefault((group, strike), len(strikes))
        book["seconds"], book["rate"] = seconds, number(expiry, "rate", 0.0)
        book["forward"] = number(expiry, "forward") * moving
        book["fixed"] = number(expiry, "forward") * (1.0 - moving)
