"""Tiered collateral, closing in parts, discounts, absorption: by hand, and how they must move."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market.kernels.rules.absorb import absorbed, pool_offset, pool_share
from market.kernels.rules.close_factor import leaves_dust, repayable_debt, seizure
from market.kernels.rules.collateral import borrowable, collateral_to_convert, tiered_value
from market.kernels.rules.discounts import health_discount, incentive_factor, store_price

quick = settings(deadline=None, max_examples=50, derandomize=True)
ENDS, RATIOS = np.array([10.0, 20.0, 50.0]), np.array([0.98, 0.95, 0.8])
VALUE = st.floats(0, 1e9)


@pytest.mark.parametrize(
    ("amount", "counted"),
    [(0.0, 0.0), (10.0, 980.0), (15.0, 1455.0), (50.0, 4330.0), (1e9, 4330.0), (-3.0, -300.0)],
)
def test_tiers_in_units_of_the_asset(amount: float, counted: float) -> None:
    assert tiered_value(amount, 100.0, ENDS, RATIOS, False) == pytest.approx(counted)


def test_tiers_in_money() -> None:
    assert tiered_value(0.15, 100.0, ENDS, RATIOS, True) == pytest.approx(9.8 + 5 * 0.95)
    assert tiered_value(3.0, 2.0, np.empty(0), np.empty(0), True) == 0.0


@quick
@given(st.floats(-100, 100), st.floats(0, 100), st.booleans())
def test_more_collateral_never_counts_less(amount: float, more: float, in_money: bool) -> None:
    gain = tiered_value(amount + more, 2.0, ENDS, RATIOS, in_money) - tiered_value(amount, 2.0, ENDS, RATIOS, in_money)
    assert -1e-9 <= gain <= 2.0 * more + 1e-9


def test_conversion_and_borrowing() -> None:
    assert collateral_to_convert(20000.0, 0.975) == pytest.approx(20512.8205)
    assert collateral_to_convert(-1.0, 0.975) == 0.0
    assert borrowable(10.0, 40.0, 0.5) == 200.0
    assert borrowable(-10.0, 40.0, 0.5) == 0.0


@pytest.mark.parametrize(
    ("health", "collateral", "debt", "total", "per_reserve", "repayable"),
    [
        (1.0, 1e6, 1e5, 1e5, False, 0.0),
        (0.97, 1e6, 1e5, 1e5, False, 5e4),
        (0.97, 1e6, 1e5, 4e5, False, 1e5),
        (0.97, 1999.0, 1e5, 1e5, False, 1e5),
        (0.97, 1e6, 1999.0, 1999.0, False, 1999.0),
        (0.97, 2000.0, 2000.0, 2000.0, False, 1000.0),
        (0.95, 1e6, 1e5, 1e5, False, 1e5),
        (0.97, 1e6, 1e5, 4e5, True, 5e4),
        (0.97, 10.0, 10.0, 10.0, True, 5.0),
        (0.95, 1e6, 1e5, 4e5, True, 1e5),
    ],
)
def test_repayable_debt(
    health: float, collateral: float, debt: float, total: float, per_reserve: bool, repayable: float
) -> None:
    assert repayable_debt(health, collateral, debt, total, 0.5, 0.95, 2000.0, per_reserve) == repayable


@pytest.mark.parametrize(
    ("repaid", "seized", "refused"),
    [(900, 950, False), (850, 1000, False), (300, 330, False), (401, 420, True), (300, 501, True)],
)
def test_dust_left_on_both_sides_is_refused(repaid: float, seized: float, refused: bool) -> None:
    assert leaves_dust(900.0, 1000.0, float(repaid), float(seized), 500.0) is refused


def test_a_seizure_pays_bonus_and_protocol() -> None:
    assert seizure(2.5, 1.0, 1.0, 10.0, 0.05, 0.1) == pytest.approx((2.5, 2.625, 0.0125))
    assert seizure(100.0, 2.0, 10.0, 10.5, 0.05, 0.0) == pytest.approx((50.0, 10.5, 0.0))


@quick
@given(VALUE, st.floats(1e-3, 1e3), st.floats(1e-3, 1e3), VALUE, st.floats(0, 0.5))
def test_a_seizure_takes_no_more_than_there_is(
    debt: float, debt_price: float, price: float, held: float, bonus: float
) -> None:
    repaid, seized, _ = seizure(debt, debt_price, price, held, bonus, 0.0)
    assert repaid <= debt * (1 + 1e-9)
    assert seized <= held
    assert seized * price == pytest.approx(repaid * debt_price * (1 + bonus), rel=1e-9, abs=1e-6)


def test_incentives() -> None:
    assert incentive_factor(0.8, 0.3, 1.15) == pytest.approx(1 / 0.94)
    assert incentive_factor(0.1, 0.3, 1.15) == 1.15
    assert incentive_factor(1.0, 0.3, 1.15) == 1.0
    assert store_price(200.0, 0.6, 0.5) == pytest.approx(160.0)


@pytest.mark.parametrize(("collateral", "discount"), [(110.0, 0.0), (100.0, 0.0), (90.0, 0.1), (50.0, 0.2)])
def test_a_discount_grows_as_health_falls(collateral: float, discount: float) -> None:
    assert health_discount(collateral, 100.0, 0.2) == pytest.approx(discount)
    assert health_discount(collateral, 0.0, 0.2) == 0.0


def test_an_absorbed_account_ends_at_zero_or_above() -> None:
    assert absorbed(-100.0, 2.0, 250.0) == (25.0, 0.0)
    assert absorbed(-100.0, 2.0, 150.0) == (0.0, 25.0)


def test_a_pool_cancels_what_it_can() -> None:
    assert pool_offset(1e6, 2e5, 400.0) == (2e5, 400.0)
    assert pool_offset(1e5, 2e5, 400.0) == (1e5, 200.0)
    assert pool_offset(1e5, 0.0, 400.0) == (0.0, 0.0)
    assert pool_share(2e5, 1e5, 1e6) == 2e4
    assert pool_share(2e5, 1e5, 0.0) == 0.0


def test_nothing_here_is_not_a_number() -> None:
    assert not math.isnan(tiered_value(0.0, 0.0, ENDS, RATIOS, True))
    assert seizure(0.0, 1.0, 1.0, 0.0, 0.05, 0.1) == (0.0, 0.0, 0.0)
