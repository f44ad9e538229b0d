"""Weight curves and prices: by hand against the venues' own tests, and how they must move."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market.kernels.rules.valuation import (
    ask_rate,
    asset_price,
    bid_rate,
    counted_profit,
    liability_price,
    pool_capped_profit,
    signed_price,
)
from market.kernels.rules.weights import (
    asset_weight,
    borrow_scaled,
    deposit_scaled,
    fill_weight,
    liability_weight,
    own_asset_weight,
    own_liability_weight,
    ramped_weight,
    size_discount,
    size_premium,
)

quick = settings(deadline=None, max_examples=50, derandomize=True)
SIZE = st.floats(0, 1e10)
WEIGHT = st.floats(0, 1)
FACTOR = st.floats(0, 0.1)


# drift-labs/protocol-v2 math/margin/tests.rs
@pytest.mark.parametrize(
    ("size", "factor", "asset", "liability"),
    [(1e3, 0.0, 0.9, 1.1), (1e3, 1e-5, 0.9, 1.1), (1e3, 0.01, 0.8357, 1.1962), (1e3, 0.1, 0.2642, 4.0422)],
)
def test_weights_by_size(size: float, factor: float, asset: float, liability: float) -> None:
    assert size_discount(0.9, size, factor, 1e-4) == pytest.approx(asset, abs=1e-9)
    assert size_premium(1.1, size, factor, 1e-4) == pytest.approx(liability, abs=1e-9)


def test_a_debt_without_a_weight_has_its_premium() -> None:
    assert size_premium(0.0, 1000.0, 0.1, 1e-4) == pytest.approx(3.1622)


@pytest.mark.parametrize(("deposits", "weight"), [(25.0, 0.9), (5e5, 0.9), (1e6, 0.45), (1.5e6, 0.3), (3e6, 0.15)])
def test_deposits_scale_an_asset_down(deposits: float, weight: float) -> None:
    assert deposit_scaled(0.9, 5e5, deposits) == pytest.approx(weight)


def test_no_start_means_no_scaling() -> None:
    assert deposit_scaled(0.9, 0.0, 1e12) == 0.9
    assert borrow_scaled(1.1, 0.0, 1e12) == 1.1


@quick
@given(WEIGHT, SIZE, SIZE, FACTOR, st.floats(0, 1e9), st.floats(0, 1e9))
def test_a_larger_balance_never_weighs_better(
    base: float, one: float, other: float, factor: float, start: float, venue: float
) -> None:
    small, large = sorted((one, other))
    assert asset_weight(base, large, factor, start, venue, 0.0) <= asset_weight(base, small, factor, start, venue, 0.0)
    assert asset_weight(base, large, factor, start, venue, 0.0) <= base
    debt = 2.0 - base
    better = liability_weight(debt, small, factor, start, venue, 0.0)
    assert liability_weight(debt, large, factor, start, venue, 0.0) >= better >= debt


@quick
@given(WEIGHT, st.floats(1, 1e9), st.floats(1, 1e9))
def test_scaling_starts_without_a_jump_and_caps_what_counts(base: float, start: float, deposits: float) -> None:
    assert deposit_scaled(base, start, start * (1 + 1e-12)) == pytest.approx(base, rel=1e-9)
    assert borrow_scaled(1 + base, start, start * (1 + 1e-12)) == pytest.approx(1 + base, rel=1e-9)
    assert deposits * deposit_scaled(base, start, deposits) <= base * max(start, deposits) * (1 + 1e-12)
    if deposits >= start:
        assert deposits * deposit_scaled(base, start, deposits) == pytest.approx(base * start)


@quick
@given(WEIGHT, FACTOR, SIZE)
def test_a_weight_moves_continuously_with_size(base: float, factor: float, size: float) -> None:
    step = max(size, 1.0) * 1e-9
    for curve, weight in ((size_discount, base), (size_premium, 1 + base)):
        jump = abs(curve(weight, size + step, factor, 0.0) - curve(weight, size, factor, 0.0))
        assert jump <= factor * math.sqrt(step) * 1.1 + 1e-9


def test_profiles_and_own_limits() -> None:
    assert fill_weight(0.15, 0.75) == pytest.approx(0.45)
    assert own_asset_weight(0.8, 0.0) == 0.8
    assert own_asset_weight(0.8, 0.5) == 0.5
    assert own_asset_weight(0.8, 2.0) == 0.0
    assert own_liability_weight(1.2, 0.1) == 1.2
    assert own_liability_weight(1.2, 0.5) == 1.5


def test_a_lowered_weight_ramps_and_a_raised_one_does_not() -> None:
    assert [ramped_weight(0.9, 0.5, elapsed, 100.0) for elapsed in (-5.0, 0.0, 25.0, 100.0, 1e9)] == pytest.approx(
        [0.9, 0.9, 0.8, 0.5, 0.5]
    )
    assert ramped_weight(0.5, 0.9, 0.0, 100.0) == 0.9
    assert ramped_weight(0.9, 0.5, 0.0, 0.0) == 0.5


def test_two_prices_count_against_the_account() -> None:
    assert (asset_price(1.0, 0.5), liability_price(1.0, 1.25)) == (0.5, 1.25)
    assert [signed_price(amount, 1.0, 3.0, 2.0) for amount in (5.0, -5.0, 0.0)] == [1.0, 3.0, 2.0]
    assert bid_rate(100.0, 0.01) == pytest.approx(99.0)
    assert ask_rate(100.0, 0.01) == pytest.approx(101.0)


def test_only_gains_are_weighted_and_capped() -> None:
    assert counted_profit(50.0, 0.5, 1.0, 100.0) == 25.0
    assert counted_profit(500.0, 0.5, 1.0, 100.0) == 100.0
    assert counted_profit(-500.0, 0.5, 2.0, 100.0) == -1000.0


def test_a_pool_pays_gains_pro_rata() -> None:
    assert pool_capped_profit(30.0, 90.0, 100.0, 0.45) == pytest.approx(15.0)
    assert pool_capped_profit(30.0, 40.0, 100.0, 0.45) == 30.0
    assert pool_capped_profit(30.0, 90.0, 100.0, 0.0) == 30.0
    assert pool_capped_profit(-30.0, 90.0, 100.0, 0.45) == -30.0
