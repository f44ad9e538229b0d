"""Health sums, resting orders at their worst, sizes to liquidate: by hand, and how they must move."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market.kernels.rules.health import (
    base_excess,
    collateral_with_buffer,
    health,
    health_factor,
    position_requirement,
    reserved_health,
    weighted_balance,
    weighted_collateral,
    with_buffer,
)
from market.kernels.rules.open_orders import (
    last_addition,
    reserved_as_base,
    reserved_as_quote,
    worst_balance,
    worst_position_value,
    worst_size,
)
from market.kernels.rules.sizing import (
    allowed_share,
    debt_to_repay,
    exchange_gain,
    position_gain,
    position_to_close,
    received_to_zero,
    whole_lots,
)
from market.kernels.rules.staged_reduction import reduce_and_settle

quick = settings(deadline=None, max_examples=50, derandomize=True)
AMOUNT = st.floats(-1e6, 1e6)
POSITIVE = st.floats(0, 1e6)


def test_sums() -> None:
    balances, low, high = np.array([100.0, -10.0, 0.0]), np.array([0.8, 2.5, 5.0]), np.array([1.2, 7.5, 15.0])
    assert health(balances, low, high) == pytest.approx(80.0 - 75.0)
    assert health(np.empty(0), np.empty(0), np.empty(0)) == 0.0
    assert weighted_collateral(np.array([2.0, 3.0]), np.array([10.0, 1.0]), np.array([0.5, 1.0])) == 13.0
    assert health_factor(8000.0, 6000.0) == pytest.approx(4 / 3)
    assert health_factor(8000.0, 0.0) == math.inf
    assert base_excess(-10.0, 2.0, 25.0) == 5.0
    assert with_buffer(12000.0, 10000.0, 0.1) == 13000.0
    assert collateral_with_buffer(-900.0, -1000.0, 0.1) == -1000.0
    assert position_requirement(-2.0, 100.0, 0.1, 1.01, 3.0, 0.01) == pytest.approx(20.23)


@quick
@given(AMOUNT, POSITIVE, st.floats(0, 1), st.floats(0, 1))
def test_more_of_a_token_never_lowers_health(balance: float, more: float, asset: float, extra: float) -> None:
    gain = weighted_balance(balance + more, asset, asset + extra) - weighted_balance(balance, asset, asset + extra)
    assert asset * more - 1e-6 <= gain <= (asset + extra) * more + 1e-6


def test_the_worst_side_of_the_orders() -> None:
    assert worst_size(10.0, 5.0, 3.0) == 15.0
    assert worst_size(10.0, 5.0, 30.0) == -20.0
    assert worst_size(-10.0, 5.0, 3.0) == -13.0
    assert worst_position_value(30.0, 70.0, 110.0, 5.0, 5.0, 0.8, 1.2) == pytest.approx(100 * 4 - 350)


@quick
@given(AMOUNT, POSITIVE, POSITIVE, st.floats(0.1, 10), st.floats(0, 1))
def test_orders_never_help(position: float, bids: float, asks: float, price: float, weight: float) -> None:
    terms = (price, price * 1.1, weight, 2.0 - weight)
    without = worst_position_value(position, 0.0, 0.0, *terms)
    assert worst_position_value(position, bids, asks, *terms) <= without + 1e-6 * abs(without) + 1e-6
    assert abs(worst_size(position, bids, asks)) >= abs(position)


# drift-labs/protocol-v2 math/margin/tests.rs, five-fold orders on spot
@pytest.mark.parametrize(
    ("amount", "bids", "asks", "expected"),
    [
        (0.0, 500.0, 0.0, (50000.0, 40000.0, -50000.0)),
        (500.0, 0.0, 3000.0, (-250000.0, -300000.0, 300000.0)),
        (500.0, 0.0, 0.0, (50000.0, 40000.0, 0.0)),
        (-100.0, 0.0, 0.0, (-10000.0, -12000.0, 0.0)),
        (0.0, 0.0, 0.0, (0.0, 0.0, 0.0)),
    ],
)
def test_spot_orders_at_their_worst(
    amount: float, bids: float, asks: float, expected: tuple[float, float, float]
) -> None:
    assert worst_balance(amount, bids, asks, 100.0, 100.0, 0.8, 1.2, 0.0, 0.0, 0.0) == pytest.approx(expected)


def test_an_accounts_own_limit_applies_to_balances() -> None:
    assert worst_balance(100.0, 0.0, 0.0, 100.0, 100.0, 0.8, 1.2, 0.0, 0.0, 0.5)[1] == pytest.approx(5000.0)
    assert worst_balance(-100.0, 0.0, 0.0, 100.0, 100.0, 0.8, 1.2, 0.0, 0.0, 2.0)[1] == pytest.approx(-30000.0)


def test_reserved_funds_convert_at_the_worse_price() -> None:
    assert reserved_as_base(1.0, 11.0, 1.0, 10.0, 0.0) == pytest.approx(2.1)
    assert reserved_as_base(1.0, 11.0, 1.0, 10.0, 12.0) == pytest.approx(1 + 11 / 12)
    assert reserved_as_base(1.0, 11.0, 1.0, 10.0, 9.0) == pytest.approx(2.1)
    assert reserved_as_quote(1.0, 1.0, 1.0, 5.0, 3.0) == 4.0
    assert reserved_as_quote(1.0, 1.0, 1.0, 5.0, 6.0) == 6.0
    assert last_addition(-10.0, 4.0, 1.0, 2.0) == 8.0
    assert last_addition(3.0, 4.0, 1.0, 2.0) == 5.0
    assert last_addition(30.0, 4.0, 1.0, 2.0) == 4.0


def test_reserved_funds_count_once_and_no_orders_count_nothing() -> None:
    balances, low, high = np.array([-100.0, -10.0]), np.array([1.0, 5.0]), np.array([1.0, 5.0])
    assets, debts = np.array([0.8, 2.5]), np.array([1.2, 7.5])
    bases, quotes = np.array([1]), np.array([0])
    one, none = np.array([1.0]), np.array([0.0])
    terms = (balances, assets, debts, low, high, bases, quotes)
    assert reserved_health(*terms, one, one, none, none) == pytest.approx(6 * 1.2)
    assert reserved_health(*terms, none, none, none, none) == 0.0


def test_gains_and_limits_of_a_liquidation() -> None:
    assert position_gain(100.0, 1.01, 0.1, 0.0, 0.0) == pytest.approx(10.1)
    assert position_gain(100.0, 1.0, 0.1, 0.01, 0.01) == pytest.approx(8.0)
    assert exchange_gain(100.0, 1.2, 0.8, 1.1, 0.9, 0.01) == pytest.approx(100 * (1.2 - 0.8 * 1.1 / 0.9) - 1.2)
    assert allowed_share(0.0, 150.0, 0.1, 100.0, 0.0, 50.0) == pytest.approx(0.1)
    assert allowed_share(75.0, 150.0, 0.1, 100.0, 20.0, 50.0) == pytest.approx((120 * 0.6 - 20) / 100)
    assert allowed_share(0.0, 150.0, 0.1, 100.0, 900.0, 50.0) == 0.0
    assert allowed_share(0.0, 150.0, 0.1, 49.0, 0.0, 50.0) == 1.0
    assert allowed_share(0.0, 0.0, 0.1, 100.0, 0.0, 50.0) == 1.0
    assert allowed_share(0.0, 0.0, 0.1, 0.0, 0.0, 50.0) == 0.0
    assert position_to_close(9.0, 5.0, 1.0, 2.0, 200.0, 50.0, 10.0) == pytest.approx(1.8)
    assert position_to_close(9.0, 5.0, 0.5, 2.0, 200.0, 50.0, 10.0) == pytest.approx(0.9)
    assert position_to_close(9.0, 5.0, 0.5, 2.0, 50.0, 50.0, 10.0) == 2.0
    assert position_to_close(9.0, 5.0, 1.0, 2.0, 200.0, 50.0, 0.5) == 0.5
    assert position_to_close(9.0, -1.0, 0.0, 2.0, 200.0, 50.0, 10.0) == 0.0
    assert position_to_close(0.0, 5.0, 1.0, 2.0, 20.0, 50.0, 10.0) == 0.0


def test_debt_repaid_with_collateral() -> None:
    assert debt_to_repay(-2.8, 0.4, 9.0, 9.0, 10.0, 10.0, 1.0, 100.0) == pytest.approx(7.0)
    assert debt_to_repay(-2.8, 0.4, 9.0, 4.0, 10.0, 10.0, 1.0, 100.0) == 4.0
    assert debt_to_repay(-2.8, 0.4, 9.0, 9.0, 10.0, 3.0, 2.0, 100.0) == 1.5
    assert debt_to_repay(-2.8, -0.1, 9.0, 9.0, 10.0, 10.0, 1.0, 100.0) == 0.0
    assert debt_to_repay(1.0, 0.4, 9.0, 9.0, 10.0, 10.0, 1.0, 100.0) == 0.0


@quick
@given(st.floats(-1e4, 1e4), st.floats(-1e4, 1e4), st.floats(0.1, 1), st.floats(0, 1))
def test_what_is_received_brings_health_to_zero(now: float, balance: float, asset: float, extra: float) -> None:
    added = received_to_zero(now, balance, asset, asset + extra)
    after = weighted_balance(balance + added, asset, asset + extra)
    reached = now - weighted_balance(balance, asset, asset + extra) + after
    assert reached == pytest.approx(max(now, 0.0), abs=1e-6)


def test_lots_round_up_within_limits() -> None:
    assert whole_lots(10.0, 3.0, 100.0) == 4.0
    assert whole_lots(9.0, 3.0, 100.0) == 3.0
    assert whole_lots(math.inf, 3.0, 5.0) == 5.0
    assert whole_lots(10.0, 0.0, 5.0) == 0.0
    assert whole_lots(-1.0, 3.0, 5.0) == 0.0


@quick
@given(
    st.floats(-1e3, 1e3), st.floats(-1e3, 1e3), st.integers(0, 500), st.floats(0, 500), st.floats(0.05, 1),
    st.floats(0, 0.9), st.floats(0.5, 1),
)  # fmt: skip
def test_a_staged_reduction_keeps_its_limits_and_never_lowers_health(
    profit: float, balance: float, lots: int, most: float, per_lot: float, weight: float, paid: float
) -> None:
    weight = min(weight, paid)
    closed, taken = reduce_and_settle(profit, balance, 0.0, float(lots), most, per_lot, weight, paid, 0.0, 0.9, 1.1)

    def health_of(profit: float, cash: float) -> float:
        return float(weighted_balance(cash + profit * (weight if profit > 0 else 1.0), 0.9, 1.1))

    before, after = health_of(profit, balance), health_of(profit + closed * per_lot - taken, balance + taken * paid)
    assert 0 <= closed <= lots
    assert closed == int(closed)
    assert 0 <= taken <= most
    assert after >= before - 1e-6
    if before >= 0:
        assert (closed, taken) == (0, 0)
