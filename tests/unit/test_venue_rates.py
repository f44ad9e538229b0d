"""Margin rates, tiers, liquidation prices, funding, marks and dYdX: the venues' own cases, and cases beside them."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from math import ceil
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.venues.registry import adapters
from tests.venue_cases import check_model

MODELS = (
    "binance_liq_price", "bitmex_risk_limit", "bybit_linear_liq", "deviation_threshold", "dydx_bankruptcy",
    "dydx_deleverage", "dydx_fillable", "dydx_funding_clamp", "dydx_insurance", "dydx_liq_order", "dydx_liq_price",
    "dydx_liq_size", "dydx_liquidatable", "dydx_margin", "dydx_mmf", "dydx_oimf", "funding_accrual", "funding_fee",
    "hl_tiers", "inverse_bankruptcy", "inverse_epp", "linear_liq_price_taker_fee", "linear_size_rate", "median3",
    "sqrt_size_imf", "tier_deductions", "tier_lookup", "tier_step",
)  # fmt: skip


@pytest.mark.parametrize("model", MODELS)
def test_venues_own_cases(model: str) -> None:
    check_model(model)


def answer(model: str, **inputs: Any) -> dict[str, Any]:
    return adapters()[model](inputs)


@settings(deadline=None, max_examples=60, derandomize=True)
@given(
    digits=st.integers(10**12, 10**14),
    price=st.sampled_from([0.645, 1.3, 89.91, 5_555.0, 123_456.75]),
    rate=st.integers(1_000, 10**6),
    fraction=st.integers(1_000, 10**6),
)
def test_dydx_margins_of_large_positions_are_whole_quanta(digits: int, price: float, rate: int, fraction: int) -> None:
    """Up to a billion dollars: position value to zero, initial margin up, maintenance a share of that, up again."""
    size = Fraction(int(Fraction(digits, 10**2) / Fraction(str(price))), 10**4)
    value = int(size * Fraction(str(price)) * 10**6)
    initial = ceil(Fraction(value * rate, 10**6))
    found = answer(
        "dydx_margin", size=float(size), price=price, initial_margin_fraction=rate / 1e6,
        maintenance_fraction=fraction / 1e6,
    )  # fmt: skip
    assert found["initial_margin"] == initial / 1e6
    assert found["maintenance_margin"] == ceil(Fraction(initial * fraction, 10**6)) / 1e6
    row = {"market": "BTC", "size": -float(size), "price": price, "mmf": rate / 1e6}
    found = answer("dydx_liquidatable", cash=1.5, positions=[row, row])
    assert (found["equity"], found["maintenance_margin"]) == ((1_500_000 - 2 * value) / 1e6, 2 * initial / 1e6)


def account(cash: float, **held: tuple[float, float]) -> dict[str, Any]:
    rows = [{"market": market, "size": s, "price": p, "mmf": 0.1, "imf": 0.2} for market, (s, p) in held.items()]
    return {"cash": cash, "positions": rows}


def deleverage(liquidated: Mapping[str, Any], *others: Mapping[str, Any], delta: float) -> dict[str, Any]:
    offsetting = [{"id": f"d{number}", **other} for number, other in enumerate(others)]
    return answer("dydx_deleverage", liquidated=liquidated, offsetting=offsetting, market="BTC", delta=delta)


def test_a_part_is_deleveraged_at_its_share_of_the_equity() -> None:
    short = account(54_999, BTC=(-1, 50_000))
    found = deleverage(short, account(50_000, BTC=(1, 50_000)), delta=0.1)
    assert found["allowed"]
    assert found["liquidated_cash"] == pytest.approx(54_999 - 5_499.9)
    assert found["offsetting_cash"]["d0"] == pytest.approx(50_000 + 5_499.9)
    assert found["remaining"] == 0.0


def test_a_counterparty_that_would_be_worse_off_is_passed_over() -> None:
    short, poor = account(49_999, BTC=(-1, 50_000)), account(-50_001, BTC=(1, 50_000))
    rich = account(0, BTC=(1, 50_000))
    assert not deleverage(short, poor, delta=0.1)["allowed"]
    found = deleverage(short, poor, rich, delta=1)
    assert found["allowed"]
    assert found["offsetting_cash"] == {"d0": -50_001.0, "d1": pytest.approx(49_999.0)}


def test_a_change_that_closes_nothing_deleverages_nobody() -> None:
    short, long = account(54_999, BTC=(-1, 50_000)), account(50_000, BTC=(1, 50_000))
    assert not deleverage(short, long, delta=-1)["allowed"]
    assert not deleverage(short, account(0, BTC=(-1, 50_000)), delta=1)["allowed"]
    assert not deleverage(short, account(0, ETH=(1, 3_000)), delta=1)["allowed"]
    found = deleverage(account(-45_001, BTC=(1, 50_000)), account(60_000, BTC=(-0.4, 50_000)), delta=-1)
    assert found["allowed"]
    assert found["remaining"] == pytest.approx(-0.6)


@pytest.mark.parametrize(
    ("cash", "size", "delta", "quote"),
    [
        (-13, 1, -0.00021347, 0.002776),  # exactly 0.00277511, rounded against whoever buys
        (13, -1, 0.00021347, -0.002775),
        (1, 1, -1, -1),  # cash beyond the position: no price can break it
        (5_000, -0.1, 0.05, -2_500),
    ],
)
def test_bankruptcy_quotes_round_up(cash: float, size: float, delta: float, quote: float) -> None:
    found = answer("dydx_bankruptcy", **account(cash, BTC=(size, 50_000)), market="BTC", delta=delta)
    assert found["quote"] == pytest.approx(quote, abs=1e-9)


def test_equity_equal_to_maintenance_is_enough() -> None:
    inputs = account(0.1 - 0.3 * 7.3 * 0.9 - 0.1, BTC=(0.3, 7.3))
    assert not answer("dydx_liquidatable", **inputs)["liquidatable"]
    assert answer("dydx_liquidatable", **{**inputs, "cash": inputs["cash"] - 1e-6})["liquidatable"]


def test_a_missing_mark_pays_no_funding() -> None:
    for mark in (None, float("nan")):
        assert answer("funding_fee", size=10, rate=0.0002, mark_price=mark, time_fraction=1.0) == {"fee": 0.0}
    assert answer("funding_fee", size=10, rate=0.0002, mark_price=2.0) == {"fee": pytest.approx(0.004)}


def test_orders_of_one_rank_go_by_name() -> None:
    orders = [{"id": name, "side": "buy", "size": 1, "fillable_price": 50_500} for name in "cab"]
    assert answer("dydx_liq_order", oracle_price=50_000, orders=orders) == {"order": ["a", "b", "c"]}


def test_tiers_are_looked_up_with_the_requirement_they_make() -> None:
    table = {"floors": [0, 100, 1_000], "rates": [0.01, 0.02, 1 / 3]}
    expected = {99: 0.01, -100: 0.02, 1_000: 1 / 3, 4_000: 1 / 3}
    for notional, margin in ((99, 0.99), (-100, 1.0), (1_000, 19.0), (4_000, 19.0 + 1_000)):
        found = answer("tier_lookup", **table, notional=notional)
        assert found["maintenance_margin"] == pytest.approx(margin)
        assert found["rate"] == expected[notional]


@pytest.mark.parametrize(
    ("model", "inputs", "said"),
    [
        ("dydx_mmf", {"initial_margin_fraction": 0.1}, "maintenance_fraction is missing"),
        ("dydx_mmf", {"initial_margin_fraction": "a"}, "not a number"),
        ("dydx_bankruptcy", {**account(0, BTC=(1, 1)), "market": "BTC", "delta": 1}, "does not close"),
        ("dydx_bankruptcy", {**account(0, BTC=(1, 1)), "market": "ETH", "delta": 1}, "no position in ETH"),
        ("inverse_bankruptcy", {"side": "up", "entry_price": 1, "leverage": 1}, "neither long nor short"),
        ("median3", {"values": 3}, "not a list"),
        ("dydx_liq_order", {"oracle_price": 1, "orders": [3]}, "not a list of objects"),
    ],
)
def test_inputs_that_make_no_sense_say_why(model: str, inputs: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        answer(model, **inputs)
