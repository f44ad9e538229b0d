"""Standard margin of options, perpetuals and collateral (Derive Standard Manager)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.venues.inputs import column, number, rows
from experiments.venues.registry import adapter
from market.kernels.rules.contingencies import depeg_factor, doubt_charge
from market.kernels.rules.option_margin import STANDARD, standard_requirement
from market.kernels.rules.options import SECONDS_PER_YEAR, black_price
from market.kernels.rules.standard_margin import collateral_margin, depeg_charge, linear_requirement, market_balance

Inputs = Mapping[str, Any]
_FIELDS = {
    "highest": "max_spot_req",
    "lowest": "min_spot_req",
    "call_rate": "mm_call_spot_req",
    "put_rate": "mm_put_spot_req",
    "put_mark_rate": "mm_put_mtm_req",
    "put_factor": "mm_offset_scale",
    "unpaired_initial": "unpaired_im_scale",
    "unpaired_maintenance": "unpaired_mm_scale",
}


@dataclass(kw_only=True)
class _Options:
    """The options of one underlying as columns, and the expiries they name."""

    strikes: NDArray[np.float64]
    is_call: NDArray[np.int64]
    sizes: NDArray[np.float64]
    marks: NDArray[np.float64]
    expiry: NDArray[np.int64]
    expiries: list[Mapping[str, Any]]


@adapter("derive_srm")
def derive_srm(inputs: Inputs) -> dict[str, Any]:
    """Free initial and maintenance margin, and the mark to market, of an account."""
    cash, stable = number(inputs, "cash", 0.0), number(inputs, "stable_price", 1.0)
    initial = maintenance = mtm = cash
    for market in rows(inputs, "markets"):
        options = _options(market)
        initial += _balance(market, options, inputs["params"], stable, True)
        maintenance += _balance(market, options, inputs["params"], stable, False)
        base = number(market, "base_amount", 0.0) * number(market, "spot") / stable
        mtm += float(options.sizes @ options.marks) + _profit(market) + base
    return {"im_balance": initial, "mm_balance": maintenance, "mtm": mtm}


def _options(market: Inputs) -> _Options:
    expiries = rows(market, "expiries")
    number_of = {number(expiry, "seconds_to_expiry"): row for row, expiry in enumerate(expiries)}
    held = rows(market, "options")
    expiry = np.array([number_of[number(option, "seconds_to_expiry")] for option in held], np.int64)
    marks = []
    for option, row in zip(held, expiry.tolist(), strict=True):
        years = max(0.0, number(option, "seconds_to_expiry")) / SECONDS_PER_YEAR
        forward, deviation = number(expiries[row], "forward"), number(option, "vol") * years**0.5
        marks.append(black_price(bool(option["is_call"]), forward, number(option, "strike"), deviation))
    return _Options(
        strikes=column(held, "strike"),
        is_call=np.array([bool(option["is_call"]) for option in held], np.int64),
        sizes=column(held, "size"),
        marks=np.array(marks, np.float64),
        expiry=expiry,
        expiries=expiries,
    )


def _profit(market: Inputs) -> float:
    perpetual = market.get("perp") or {}
    return number(perpetual, "unrealised_pnl", 0.0) if number(perpetual, "size", 0.0) else 0.0


def _balance(market: Inputs, options: _Options, params: Inputs, stable: float, initial: bool) -> float:
    spot, base = number(market, "spot"), number(market, "base_amount", 0.0)
    perpetual = market.get("perp") or {}
    size = number(perpetual, "size", 0.0)
    required, doubt, shorts = _option_terms(market, options, params, initial)
    depeg = 0.0
    if initial:
        sure = number(market, "spot_confidence", 1.0)
        factor = number(params, "oc_factor", 0.0)
        traded = min(sure, number(perpetual, "confidence", 1.0))
        doubt += doubt_charge(traded, number(params, "oc_perp_threshold", 0.0), factor, abs(size) * spot)
        doubt += doubt_charge(sure, number(params, "oc_base_threshold", 0.0), factor, base * spot)
        threshold, slope = number(params, "depeg_threshold", 0.0), number(params, "depeg_factor", 0.0)
        depeg = depeg_charge(shorts, size, spot, depeg_factor(stable, threshold, slope))
    rate = number(params, "perp_im_req" if initial else "perp_mm_req")
    scale = number(params, "base_im_scale", 1.0) if initial else 1.0
    collateral = collateral_margin(base * spot, number(params, "base_margin_factor", 0.0), scale)
    linear = linear_requirement(size, number(perpetual, "price", 0.0), rate)
    return float(market_balance(collateral, _profit(market), linear, required, doubt, depeg))


def _option_terms(market: Inputs, options: _Options, params: Inputs, initial: bool) -> tuple[float, float, float]:
    """(requirement, charge for doubtful prices, units short) of the options of one underlying."""
    rule = np.zeros(1, STANDARD)[0]
    for field, key in _FIELDS.items():
        rule[field] = number(params, key)
    spot = number(market, "spot")
    columns = (options.strikes, options.is_call, options.sizes, options.marks, options.expiry)
    required = doubt = total_short = 0.0
    for row, expiry in enumerate(options.expiries):
        short = -float(np.minimum(options.sizes[options.expiry == row], 0.0).sum())
        required += standard_requirement(*columns, row, spot, number(expiry, "forward"), initial, rule)
        if initial:
            sure = min(
                number(market, "spot_confidence", 1.0),
                number(expiry, "forward_confidence", 1.0),
                number(expiry, "vol_confidence", 1.0),
            )
            threshold, factor = number(params, "oc_option_threshold", 0.0), number(params, "oc_factor", 0.0)
            doubt += doubt_charge(sure, threshold, factor, short * spot)
        total_short += short
    return required, doubt, total_short
