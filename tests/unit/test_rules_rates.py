"""Rounding, margin rates, account sums, deviation and median: by hand, and how they must move."""

from __future__ import annotations

import math
from fractions import Fraction
from math import ceil, floor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market.instruments import tier_deductions
from market.kernels.rules.account import is_below, net_value, notional_value, total_requirement
from market.kernels.rules.deviation import deviates, trigger_price
from market.kernels.rules.funding import clamped_rate, funding_bound, funding_payment
from market.kernels.rules.median import median_of_three
from market.kernels.rules.ordering import price_gap, rank_descending
from market.kernels.rules.rates import (
    leverage_rate,
    linear_size_rate,
    maintenance_rate,
    open_interest_rate,
    requirement,
    root_size_rate,
    stepped_rate,
)
from market.kernels.rules.rounding import (
    falls_short,
    product_down,
    product_to_zero,
    product_up,
    round_down,
    round_near,
    round_up,
)

quick = settings(deadline=None, max_examples=50, derandomize=True)
MONEY = st.floats(0, 1e9)
SHARE = st.floats(0, 1)


def test_rounding_knows_its_direction() -> None:
    assert round_down(2.7, 0.5) == 2.5
    assert round_down(-2.7, 0.5) == -3.0
    assert round_up(2.7, 0.5) == 3.0
    assert product_to_zero(-0.9, 3.0, 0.5) == -2.5
    assert product_to_zero(0.9, 3.0, 0.5) == 2.5
    assert round_near(2.7, 0.5) == 2.5
    assert round_near(0.1 + 0.2, 0.1) == 0.3
    assert round_near(2.7, 0.0) == 2.7
    assert round_down(2.7, 0.0) == 2.7
    assert round_down(0.1 + 0.2, 0.1) == pytest.approx(0.3)
    assert round_up(0.7 * 5555.0 * 0.01, 1e-6) == pytest.approx(38.885, abs=1e-9)


def test_amounts_that_are_equal_do_not_fall_short() -> None:
    assert 100 * 4.35 < 435  # as floats
    assert not falls_short(100 * 4.35, 435.0, 435.0)
    assert falls_short(434.999999, 435.0, 435.0)
    assert not falls_short(435.1, 435.0, 435.0)


@quick
@given(units=st.integers(-(10**12), 10**12), step=st.sampled_from([1e-8, 1e-6, 5e-8, 1.0]))
def test_a_multiple_rounds_to_itself(units: int, step: float) -> None:
    for rounded in (round_down, round_up, round_near):
        assert round(rounded(units * step, step) / step) == units


@quick
@given(
    digits=st.integers(-(10**12), 10**12),
    places=st.integers(0, 9),
    rate=st.integers(0, 10**6),
    step=st.sampled_from([1e-6, 1e-2, 1.0]),
)
def test_products_of_decimal_numbers_are_rounded_exactly(digits: int, places: int, rate: int, step: float) -> None:
    one, other, per_unit = float(Fraction(digits, 10**places)), rate / 1e6, round(1 / step)
    exact = Fraction(digits, 10**places) * Fraction(rate, 10**6) * per_unit
    for rounded, whole in ((product_down, floor(exact)), (product_up, ceil(exact)), (product_to_zero, int(exact))):
        assert rounded(one, other, step) == whole / per_unit
    assert product_down(one, other, 0.0) == one * other


def test_products_too_long_for_64_bits_are_rounded_as_floats_are() -> None:
    assert product_down(0.12345678901234, 0.12345678901234, 1e-6) == 0.015241
    assert product_up(1.0, 1 / 3, 1 / 3) == pytest.approx(1 / 3)


def test_requirements_round_up_and_ignore_the_side() -> None:
    assert requirement(-100.0, 0.05, 1.0, 0.0) == 4.0
    assert requirement(1.0, 1 / 3, 0.0, 0.01) == pytest.approx(0.34)
    assert requirement(0.0, 0.05, 0.0, 1e-6) == 0.0


def test_open_interest_raises_the_rate_between_its_caps() -> None:
    rate = [float(open_interest_rate(0.2, x, 1.0, 2.0, 1e-6)) for x in (0.0, 1.0, 1.5, 1.9999999, 2.0, 9.0)]
    assert rate == pytest.approx([0.2, 0.2, 0.6, 0.999999, 1.0, 1.0])
    assert open_interest_rate(0.2, 1e9, 0.0, 0.0, 1e-6) == 0.2
    assert open_interest_rate(0.2, 1.0, 1.0, 1.0, 1e-6) == 1.0


@quick
@given(base=SHARE, interest=MONEY, more=MONEY, lower=MONEY, width=st.floats(1e-3, 1e9))
def test_open_interest_never_lowers_the_rate(
    base: float, interest: float, more: float, lower: float, width: float
) -> None:
    now, later = (open_interest_rate(base, x, lower, lower + width, 0.0) for x in (interest, interest + more))
    assert base <= now <= later + 1e-12
    assert later <= 1.0


def test_steps_begin_above_the_limit() -> None:
    rates = [float(stepped_rate(0.01, 0.005, value, 200.0, 150.0)) for value in (0.0, 200.0, 200.01, 350.0, 350.01)]
    assert rates == pytest.approx([0.01, 0.01, 0.015, 0.015, 0.02])
    assert stepped_rate(0.01, 0.005, 1e6, 200.0, 0.0) == 0.01


def test_rates_by_size() -> None:
    assert linear_size_rate(0.02, 5e-5, -350.0) == pytest.approx(0.0375)
    assert root_size_rate(0.1, 0.001, 2_500.0) == 0.1
    assert root_size_rate(0.1, 0.001, -250_000.0) == 0.5
    assert maintenance_rate(0.637239, 0.289284, 1e-6) == pytest.approx(0.184343, abs=1e-12)
    assert leverage_rate(20.0) == 0.025


@quick
@given(jumps=st.lists(st.tuples(st.floats(1, 1e6), st.floats(0, 0.1)), min_size=1, max_size=8), base=st.floats(0, 0.1))
def test_tiers_are_continuous_and_marginal(jumps: list[tuple[float, float]], base: float) -> None:
    floors = [0.0, *np.cumsum([width for width, _ in jumps]).tolist()]
    rates = [base, *(base + np.cumsum([rise for _, rise in jumps])).tolist()]
    deductions = tier_deductions(floors, rates)
    for tier in range(1, len(floors)):
        below = requirement(floors[tier], rates[tier - 1], deductions[tier - 1], 0.0)
        assert requirement(floors[tier], rates[tier], deductions[tier], 0.0) == pytest.approx(below, abs=1e-6)


def test_an_account_is_the_sum_of_its_positions() -> None:
    sizes, prices, rates = np.array([0.5, -2.0]), np.array([100.0, 30.0]), np.array([0.1, 0.05])
    assert net_value(20.0, sizes, prices, 1e-6) == pytest.approx(10.0)
    assert total_requirement(sizes, prices, rates, 1e-6) == pytest.approx(8.0)
    assert notional_value(-1.0, 1.239, 0.01) == pytest.approx(-1.23)
    assert not is_below(8.0, 8.0, 1e-6)
    assert is_below(7.999999, 8.0, 1e-6)
    assert not is_below(-5.0, 0.0, 1e-6)


def test_funding_by_hand() -> None:
    assert funding_bound(6.0, 0.15, 0.12, 1e-6) == pytest.approx(0.18)
    assert clamped_rate(-0.3, 0.18) == -0.18
    assert clamped_rate(0.1, 0.18) == 0.1
    assert funding_payment(0.001, 0.5, 2_000.0, -3.0) == pytest.approx(-3.0)


def test_a_price_is_published_from_the_threshold_on_either_side() -> None:
    assert trigger_price(100.0, 0.005, 1.0) == pytest.approx(100.5)
    assert trigger_price(100.0, 0.005, -1.0) == pytest.approx(99.5)
    assert [bool(deviates(p, 100.0, 0.005)) for p in (100.49, 100.5, 99.51, 99.5)] == [False, True, False, True]


@quick
@given(a=MONEY, b=MONEY, c=MONEY)
def test_the_median_is_the_middle(a: float, b: float, c: float) -> None:
    assert median_of_three(a, b, c) == sorted((a, b, c))[1]


@quick
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), max_size=12))
def test_ranks_fall_and_ties_keep_their_order(keys: list[tuple[int, int]]) -> None:
    columns = np.array(keys, np.float64).reshape(-1, 2).T.copy()
    order = np.zeros(len(keys), np.int64)
    rank_descending(columns[0], columns[1], order)
    assert order.tolist() == sorted(range(len(keys)), key=lambda row: (-keys[row][0], -keys[row][1]))
    assert math.isclose(price_gap(99.0, 100.0), 0.01)
