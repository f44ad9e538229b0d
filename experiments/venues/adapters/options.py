"""Options: standard margin, auctions of whole portfolios, risk arrays, volatility shocks and add-ons."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from experiments.venues.inputs import column, each, number, numbers, rows
from experiments.venues.registry import adapter
from market.kernels.records import NONE
from market.kernels.rules.contingencies import (
    net_short,
    stacked_requirement,
    tier_weighted,
)
from market.kernels.rules.portfolio_auction import (
    after_slice,
    buffer_margin,
    insolvent_payout,
    largest_slice,
    portfolio_price,
    two_speed_discount,
)
from market.kernels.rules.risk_array import scan_risk, span_requirement
from market.kernels.rules.vol_shocks import power_shock

Inputs = Mapping[str, Any]


@adapter("vol_shock_power")
def vol_shock_power(inputs: Inputs) -> dict[str, Any]:
    """Relative volatility shock for the days left."""
    floor = number(inputs, "dte_floor_days", 0.0)
    return {"shock": power_shock(number(inputs, "range_at_30d"), number(inputs, "dte"), floor, number(inputs, "power"))}


@adapter("net_short_contingency")
def net_short_contingency(inputs: Inputs) -> dict[str, Any]:
    """Charge per net short option of a strike."""
    positions = rows(inputs, "positions")
    seen: dict[tuple[object, object], int] = {}
    strikes = [
        seen.setdefault((row.get("expiry"), row["strike"]), len(seen)) if row.get("strike") is not None else NONE
        for row in positions
    ]
    sizes = column(positions, "size")
    short = net_short(np.array(strikes, np.int64), sizes, len(seen), np.zeros(len(seen)))
    return {"contingency": number(inputs, "per_unit") * short}


@adapter("risk_array")
def risk_array(inputs: Inputs) -> dict[str, Any]:
    """Scan risk of positions in products with tabulated scenario gains."""
    arrays, positions = inputs["arrays"], inputs["positions"]
    table = np.array([numbers(arrays, name) for name in positions], np.float64).reshape(len(positions), -1)
    scan = scan_risk(table, np.array(each(positions, *positions), np.float64))
    total = span_requirement(
        scan,
        number(inputs, "intermonth", 0.0),
        number(inputs, "delivery", 0.0),
        number(inputs, "intercommodity_credit", 0.0),
        number(inputs, "short_option_minimum", 0.0),
    )
    return {"scan_risk": scan, "requirement": total}


@adapter("okx_mr7")
def okx_mr7(inputs: Inputs) -> dict[str, Any]:
    """Minimum charge scaled by size tiers, and the requirement it is a floor of."""
    tiers = inputs["tiers"]
    ceilings = np.array([np.inf if top is None else float(top) for top, _ in tiers], np.float64)
    minimum = tier_weighted(
        number(inputs, "mr7_raw"), ceilings, np.array([float(factor) for _, factor in tiers], np.float64)
    )
    losses = [number(inputs, name, 0.0) for name in ("mr1", "mr2", "mr6", "mr3", "mr4", "mr5")]
    losses[0] = number(inputs, "mr", losses[0])
    return {"mr7_adj": minimum, "mmr": stacked_requirement(*losses, minimum)}


def _discount(inputs: Inputs) -> float:
    rule = inputs["params"]
    start, cutoff = number(rule, "start_pct"), number(rule, "fast_cutoff")
    lengths = number(rule, "fast_len"), number(rule, "slow_len")
    return float(two_speed_discount(number(inputs, "elapsed"), start, cutoff, *lengths))


@adapter("derive_auction_discount")
def auction_discount(inputs: Inputs) -> dict[str, Any]:
    """Share of the mark to market asked after a time."""
    return {"discount": _discount(inputs)}


@adapter("derive_auction_bid")
def auction_bid(inputs: Inputs) -> dict[str, Any]:
    """A bid for a slice of a solvent portfolio, and what is left afterwards."""
    value, margin = number(inputs, "mtm"), number(inputs, "mm")
    reserved, discount = number(inputs, "reserved_cash", 0.0), _discount(inputs)
    buffered = buffer_margin(value, margin, number(inputs["params"], "buffer"))
    most = largest_slice(value, buffered, discount, reserved, number(inputs["params"], "mtm_cutoff", 0.0))
    price = portfolio_price(value, reserved, discount)
    share = min(number(inputs, "want", 1.0), most)
    return {
        "discount": discount,
        "buffer_margin": buffered,
        "fmax": most,
        "fraction": share,
        "full_price": price,
        "cash_from_bidder": price * share,
        "post_mtm": after_slice(value, reserved, share, price * share),
        "post_mm": after_slice(margin, reserved, share, price * share),
    }


@adapter("derive_auction_insolvent")
def auction_insolvent(inputs: Inputs) -> dict[str, Any]:
    """What the security module pays whoever takes a slice of an insolvent portfolio."""
    seconds = number(inputs["params"], "insolvent_len")
    payout = insolvent_payout(number(inputs, "mtm"), number(inputs, "mm"), number(inputs, "elapsed"), seconds)
    return {"sm_payout": payout * number(inputs, "want", 1.0)}
