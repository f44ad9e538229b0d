"""Lending, weighted health, auctions and pools: the venues' own cases, and cases of their tests beside them."""

from __future__ import annotations

from typing import Any

import pytest

from experiments.venues.registry import adapters
from tests.venue_cases import check_model

MODELS = (
    "aave_dust_rule", "aave_hf", "aave_max_liquidatable", "aave_seize", "auto_exchange", "buffered_rates",
    "comet_absorb", "comet_collateralized", "comet_liquidatable", "comet_quote", "drift_base_to_cover",
    "drift_implied_asset", "drift_implied_liab", "drift_liab_to_cover", "drift_liq_fee", "drift_liquidate_perp",
    "drift_margin", "drift_perp_if_fee", "drift_scaled_init_weight", "drift_size_weight", "drift_socialise_perp",
    "drift_socialise_spot", "drift_spot_if_fee", "gmx_liquidatable", "ltv_borrow", "maker_bark", "maker_needs_redo",
    "maker_price", "maker_take", "mango_health", "mango_perp_liq", "mango_token_liq", "morpho_lif", "snx_account",
    "snx_funding", "stability_pool", "tiered_collateral",
)  # fmt: skip


@pytest.mark.parametrize("model", MODELS)
def test_venues_own_cases(model: str) -> None:
    check_model(model)


def answer(model: str, **inputs: Any) -> dict[str, Any]:
    return adapters()[model](inputs)


USDC = {
    "asset": "USDC", "is_quote": True, "price": 1.0, "initial_asset_weight": 1.0, "maintenance_asset_weight": 1.0,
    "initial_liability_weight": 1.0, "maintenance_liability_weight": 1.0,
}  # fmt: skip
PERP = {"price": 100, "margin_ratio_initial": 0.1, "margin_ratio_maintenance": 0.05, "imf_factor": 0}


# drift-labs/protocol-v2 math/margin/tests.rs
def test_an_isolated_position_has_its_own_bucket() -> None:
    found = answer(
        "drift_margin", profile="initial", buffer=0.1,
        spots=[{**USDC, "amount": 100}], perps=[{**PERP, "size": 100, "quote": -11000}],
    )  # fmt: skip
    assert found == pytest.approx(
        {
            "margin_requirement": 1000.0, "total_collateral": -900.0, "margin_requirement_plus_buffer": 2000.0,
            "total_collateral_plus_buffer": -1000.0,
        }
    )  # fmt: skip


@pytest.mark.parametrize(
    ("amount", "twap", "expected"),
    [(1, 0.98, (0.0, 0.98)), (1, 1.05, (0.0, 0.99)), (-1, 1.02, (1.02, 0.0)), (-1, 0.5, (0.99, 0.0)), (0, 2.0, (0, 0))],
)
def test_strict_prices(amount: float, twap: float, expected: tuple[float, float]) -> None:
    spot = {**USDC, "price": 0.99, "twap5": twap, "amount": amount}
    found = answer("drift_margin", profile="initial", spots=[spot], perps=[], strict=True)
    assert (found["margin_requirement"], found["total_collateral"]) == pytest.approx(expected)
    loose = answer("drift_margin", profile="initial", spots=[spot], perps=[])
    assert loose["total_collateral"] - loose["margin_requirement"] == pytest.approx(0.99 * amount)


def test_a_gain_counts_in_full_only_towards_maintenance() -> None:
    perp = {**PERP, "size": 10, "quote": -500}
    totals = {
        profile: answer("drift_margin", profile=profile, spots=[], perps=[perp]) for profile in
        ("initial", "fill", "maintenance")
    }  # fmt: skip
    assert [found["total_collateral"] for found in totals.values()] == pytest.approx([100.0, 500.0, 500.0])
    assert [found["margin_requirement"] for found in totals.values()] == pytest.approx([100.0, 75.0, 50.0])


def test_scaled_weights_look_at_the_higher_price() -> None:
    inputs = {"initial_weight": 0.9, "deposits": 60000, "price": 25, "start": 500000}
    expected = {None: 0.3, 50: 0.15, 15: 0.3}
    for twap, weight in expected.items():
        assert answer("drift_scaled_init_weight", **inputs, twap5=twap)["weight"] == pytest.approx(weight)


@pytest.mark.parametrize(("side", "quote"), [(1.0, -200.0), (-1.0, 200.0)])
def test_longs_and_shorts_are_liquidated_alike(side: float, quote: float) -> None:
    found = answer(
        "drift_liquidate_perp", usdc=5, base=2 * side, quote=quote, price=100, margin_ratio_maintenance=0.05,
        buffer=0.02, liquidator_fee=0.01, max_if_fee=0.01, max_base=10, pct=1.0,
    )  # fmt: skip
    assert found["base"] == pytest.approx(0.2 * side)
    assert found["liquidator_base"] == pytest.approx(1.8 * side)
    assert found["margin_ratio_after"] == pytest.approx(0.07)
    assert found["quote"] + found["liquidator_quote"] + found["if_fee"] == pytest.approx(quote)


def test_a_healthy_position_is_left_alone() -> None:
    found = answer(
        "drift_liquidate_perp", usdc=500, base=2, quote=-200, price=100, margin_ratio_maintenance=0.05, buffer=0.02
    )
    assert (found["base"], found["quote"], found["if_fee"]) == (2.0, -200.0, 0.0)


# compound-finance/comet absorb-test.ts: what collateral does not cover is the protocol's loss
def test_an_account_under_water_is_absorbed_to_zero() -> None:
    collateral = {"asset": "COMP", "amount": 1, "price": 175, "liquidate_factor": 0.8, "liquidation_factor": 0.9}
    found = answer("comet_absorb", base_balance=-200, base_price=1, collaterals=[collateral])
    assert found == {"liquidatable": True, "base_balance_after": 0.0, "deficit": pytest.approx(42.5)}
    kept = answer("comet_absorb", base_balance=-140, base_price=1, collaterals=[collateral])
    assert kept == {"liquidatable": False, "base_balance_after": -140.0, "deficit": 0.0}


def test_borrowing_stops_before_liquidation_and_starts_with_a_debt() -> None:
    collateral = {"asset": "COMP", "amount": 1, "price": 100, "factor": 0.5}
    for balance, sound in ((-50, True), (-50.001, False), (0, True), (10, True)):
        case = {"base_balance": balance, "base_price": 1, "collaterals": [collateral]}
        assert answer("comet_collateralized", **case)["collateralized"] is sound
        assert answer("comet_liquidatable", **case)["liquidatable"] is not sound


# gmx-io/gmx-synthetics testLiquidation.ts: 450,000 USD of an index entered at 15 with one ether as collateral
@pytest.mark.parametrize(
    ("is_long", "ether", "index", "liquidatable", "returned"),
    [
        (True, 5000, 15, False, 1.0),
        (True, 2500, 14.99, True, 0.88),
        (False, 4499, 15, True, 1.0),
        (False, 5000, 15.016, False, 0.904),
        (False, 5000, 15.017, True, 0.898),
        (False, 5000, 150, True, 0.0),
        (True, 5000, 1, True, 0.0),
        (True, 4000, 15.01, True, 1.075),
    ],
)
def test_positions_below_their_floors(
    is_long: bool, ether: float, index: float, liquidatable: bool, returned: float
) -> None:
    found = answer(
        "gmx_liquidatable", collateral=1, collateral_price=ether, size_usd=450000, entry_price=15, index_price=index,
        is_long=is_long, min_collateral_usd=1, min_collateral_factor=0.01, fees_usd=0, price_impact_usd=0,
    )  # fmt: skip
    assert found["liquidatable"] is liquidatable
    assert found["collateral_returned"] == pytest.approx(returned)


# Synthetixio/synthetix-v3 Funding.test.ts
def test_funding_drifts_over_nine_trades() -> None:
    days, trades = (0, 1, 1, 0.25, 2, 0.2, 0.1, 0.1, 0.03, 3), (20, -60, 15, 37, -17, 155, -150, -15, -4, 19)
    steps = [{"days": d, "skew_change": change} for d, change in zip(days, trades, strict=True)]
    terms = {"skew_scale": 10000, "max_funding_velocity": 3, "price": 2000, "position_size": 20}
    found = answer("snx_funding", **terms, steps=steps)
    assert found == pytest.approx({"velocity": 0.0, "funding_rate": -0.01371, "accrued_cost": -893.826})
    assert answer("snx_funding", **terms, steps=steps[:3])["accrued_cost"] == pytest.approx(120.0)


def test_an_account_without_positions_is_not_flagged() -> None:
    found = answer("snx_account", collateral=0, positions=[])
    assert found["available_margin"] == 0.0
    assert found["liquidatable"] is False


def test_a_bid_on_an_auction_that_ran_out_is_refused() -> None:
    sale = {"tab": 110, "lot": 40, "top": 5, "curve": {"kind": "linear", "tau": 100}, "amt": 5, "max_price": 5}
    assert answer("maker_take", **sale, elapsed=50, tail=60, cusp=0.4)["paid"] == pytest.approx(12.5)
    assert not answer("maker_take", **sale, elapsed=61, tail=60, cusp=0.1)["ok"]
    assert not answer("maker_take", **sale, elapsed=50, tail=60, cusp=0.6)["ok"]


def test_an_auction_starts_where_it_may() -> None:
    vault = {"ink": 40, "art": 100, "rate": 1.0, "price": 4.0, "chop": 1.1, "dust": 20, "buf": 1.25}
    found = answer("maker_bark", **vault, hole_room=1000, global_room=75, tip=10, chip=0.02)
    assert found["top"] == 5.0
    assert found["incentive"] == pytest.approx(11.5)
    assert answer("maker_bark", **vault, hole_room=1000, global_room=0) == {"ok": False}


def test_tiers_in_coins_debts_and_open_ends() -> None:
    tiers = [[10, 0.98], [20, 0.95], [None, 0.5]]
    assets = [
        {"asset": "BTC", "amount": 30, "price": 100, "tier_unit": "asset", "tiers": tiers},
        {"asset": "ETH", "amount": -2, "price": 10, "tier_unit": "usd", "tiers": [[100, 0.9]]},
    ]
    assert answer("tiered_collateral", assets=assets)["collateral_value"] == pytest.approx(980 + 950 + 500 - 20)


@pytest.mark.parametrize(
    ("model", "inputs", "said"),
    [
        ("mango_health", {"profile": "best", "tokens": []}, "profile"),
        ("drift_margin", {"profile": "best"}, "profile"),
        ("drift_size_weight", {"kind": "perp", "size": 1, "initial_weight": 1}, "neither asset nor liability"),
        ("maker_price", {"curve": {"kind": "cubic"}, "top": 1, "elapsed": 0}, "curve.kind"),
        ("tiered_collateral", {"assets": [{"amount": 1, "tiers": 3}]}, "not a list of"),
        ("ltv_borrow", {"amount": 1, "price": 2}, "ltv is missing"),
    ],
)
def test_inputs_that_make_no_sense_say_why(model: str, inputs: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        answer(model, **inputs)
