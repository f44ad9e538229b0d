"""Auctions, fees, conversions, losses, impact, floors, keepers, drifting funding: by hand, and how they must move."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market.kernels.rules.conversion import collateral_for_debt, debt_for_collateral
from market.kernels.rules.dutch_auction import (
    EXPONENTIAL,
    LINEAR,
    STAIR_STEP,
    auction_price,
    auctioned_debt,
    bid_taken,
    keeper_reward,
    needs_restart,
    starting_price,
)
from market.kernels.rules.fees import (
    growing_fee,
    insurance_fee_on_exchange,
    insurance_fee_on_position,
    price_with_fee,
)
from market.kernels.rules.floors import below_floors, interest_ratio
from market.kernels.rules.funding_velocity import drifted_rate, drifting_cost, velocity
from market.kernels.rules.keeper import bounded_reward, window_capacity, window_room
from market.kernels.rules.price_impact import counted_impact, imbalance_impact, skewed_price
from market.kernels.rules.socialise import deposit_after_loss, loss_per_unit

quick = settings(deadline=None, max_examples=50, derandomize=True)


def test_curves() -> None:
    assert [auction_price(LINEAR, 1000.0, t, 3600.0, 0.0) for t in (0.0, 1440.0, 3600.0, 9e9)] == [1000, 600, 0, 0]
    assert auction_price(LINEAR, 1000.0, 0.0, 0.0, 0.0) == 0.0
    assert auction_price(STAIR_STEP, 5.0, 59.9, 60.0, 0.9) == 5.0
    assert auction_price(STAIR_STEP, 5.0, 60.0, 60.0, 0.9) == 4.5
    assert auction_price(EXPONENTIAL, 4000.0, 1800.0, 1.0, 0.999230132966) == pytest.approx(1000.0, abs=1e-3)


@quick
@given(st.sampled_from([LINEAR, STAIR_STEP, EXPONENTIAL]), st.floats(0, 1e4), st.floats(0, 1e4))
def test_an_auction_never_gets_dearer(kind: int, one: float, other: float) -> None:
    early, late = (auction_price(kind, 100.0, at, 90.0, 0.99) for at in sorted((one, other)))
    assert 100.0 >= early >= late >= 0.0


def test_starting_over() -> None:
    assert starting_price(3.0, 1.25) == 3.75
    assert not needs_restart(2.5, 5.0, 3600.0, 3600.0, 0.5)
    assert needs_restart(2.5, 5.0, 3601.0, 3600.0, 0.5)
    assert needs_restart(2.4, 5.0, 0.0, 3600.0, 0.5)
    assert keeper_reward(100.0, 0.02, 1000.0) == 120.0


@pytest.mark.parametrize(
    ("unit", "penalty", "room", "part"),
    [
        (1.0, 1.0, 80.0, 80.0),
        (1.02, 1.0, 100.0, 100.0),
        (1.0, 1.1, 75.0, 75 / 1.1),
        (1.0, 1.0, 1e9, 100.0),
        (1.0, 1.0, 19.0, -1.0),
        (1.0, 1.0, 0.0, -1.0),
    ],
)
def test_debt_put_up_leaves_no_dust(unit: float, penalty: float, room: float, part: float) -> None:
    assert auctioned_debt(100.0, unit, penalty, room, 20.0) == pytest.approx(part)


# makerdao/dss clip.t.sol
@pytest.mark.parametrize(
    ("debt", "lot", "wanted", "taken"),
    [
        (110.0, 40.0, 25.0, (22.0, 110.0)),
        (110.0, 40.0, 22.0, (22.0, 110.0)),
        (110.0, 40.0, 11.0, (11.0, 55.0)),
        (110.0, 40.0, 20.0, (17.6, 88.0)),
        (22.0, 22.4, 1.0, (-1.0, 0.0)),
        (110.0, 20.0, 40.0, (20.0, 100.0)),
    ],
)
def test_bids(debt: float, lot: float, wanted: float, taken: tuple[float, float]) -> None:
    assert bid_taken(debt, lot, 5.0, wanted, 22.0) == pytest.approx(taken)


@quick
@given(st.floats(0.01, 1e6), st.floats(0.01, 1e4), st.floats(0.01, 1e3), st.floats(0, 1e4), st.floats(0, 1e3))
def test_a_bid_pays_the_price_and_leaves_no_dust(
    debt: float, lot: float, price: float, wanted: float, smallest: float
) -> None:
    bought, paid = bid_taken(debt, lot, price, wanted, smallest)
    if bought < 0:
        return
    assert paid == pytest.approx(bought * price)
    assert bought <= lot * (1 + 1e-12)
    assert paid <= debt
    assert paid == debt or bought >= lot or debt - paid >= smallest * (1 - 1e-9)


def test_fees() -> None:
    assert price_with_fee(100.0, 0.01, 1.0) == pytest.approx(101.0)
    assert price_with_fee(100.0, 0.01, -1.0) == pytest.approx(99.0)
    assert [growing_fee(0.02, 0.05, at, 1500.0, 1e-6) for at in (10.0, 1499.0, 1e4, 1e5)] == pytest.approx(
        [0.02, 0.02, 0.03, 0.05]
    )
    assert insurance_fee_on_position(20.0, 10.0, 100.0, 0.05, 0.01, 0.05, 0.95) == pytest.approx(0.019)
    assert insurance_fee_on_position(0.0, 10.0, 100.0, 0.5, 0.01, 0.05, 0.95) == 0.05
    assert insurance_fee_on_position(1000.0, 10.0, 100.0, 0.05, 0.01, 0.05, 0.95) == 0.0
    assert insurance_fee_on_position(0.0, 10.0, 100.0, 0.01, 0.01, 0.05, 0.95) == 0.0
    assert insurance_fee_on_exchange(5.0, 1.0, 100.0, 1.0, 1.01, 1.1, 1.0, 0.05) == pytest.approx(0.04 / 1.1)
    assert insurance_fee_on_exchange(1.0, 1.0, 100.0, 1.0, 1.01, 1.1, 1.0, 0.05) == 0.05
    assert insurance_fee_on_exchange(1.0, 1.0, 100.0, 1.1, 1.0, 1.1, 1.0, 0.05) == 0.0


def test_conversions_are_each_others_inverse() -> None:
    repaid = debt_for_collateral(10.0, 1.0, 1.01, 100.0, 0.99)
    assert repaid == pytest.approx(0.0980198019)
    assert collateral_for_debt(repaid, 100.0, 0.99, 1.0, 1.01, math.inf, 1.0) == pytest.approx(10.0)
    assert collateral_for_debt(repaid, 100.0, 0.99, 1.0, 1.01, 10.9, 1.0) == 10.9
    assert collateral_for_debt(repaid, 100.0, 0.99, 1.0, 1.01, 11.1, 1.0) == pytest.approx(10.0)


def test_losses_are_shared() -> None:
    assert loss_per_unit(-100.0, 7.0, -4.0, 1e-6) == pytest.approx(9.090910, abs=1e-9)
    assert loss_per_unit(100.0, 7.0, 4.0, 0.0) == pytest.approx(100 / 11)
    assert loss_per_unit(100.0, 0.0, 0.0, 1e-6) == math.inf
    assert loss_per_unit(0.0, 0.0, 0.0, 1e-6) == 0.0
    assert deposit_after_loss(1000.0, 100.0, 1000.0) == pytest.approx(900.0)
    assert deposit_after_loss(10.0, 2000.0, 1000.0) == 0.0
    assert deposit_after_loss(0.0, 10.0, 0.0) == 0.0


def test_impact() -> None:
    assert skewed_price(30000.0, 0.0, -1.0, 100.0) == pytest.approx(29850.0)
    assert skewed_price(30000.0, 10.0, -1.0, 0.0) == 30000.0
    assert imbalance_impact(100.0, 50.0, -20.0, 1e-3, 2e-3, 2.0) == pytest.approx(1e-3 * (2500 - 900))
    assert imbalance_impact(100.0, 50.0, 20.0, 1e-3, 2e-3, 2.0) == pytest.approx(2e-3 * (2500 - 4900))
    assert imbalance_impact(100.0, 50.0, -80.0, 1e-3, 2e-3, 2.0) == pytest.approx(1e-3 * 2500 - 2e-3 * 900)
    assert counted_impact(5.0, 1000.0, 0.01) == 0.0
    assert counted_impact(-5.0, 1000.0, 0.01) == -5.0
    assert counted_impact(-50.0, 1000.0, 0.01) == -10.0
    assert counted_impact(-50.0, 1000.0, 0.0) == -50.0


@quick
@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6))
def test_a_round_trip_never_earns_impact(imbalance: float, change: float) -> None:
    there = imbalance_impact(imbalance, 0.0, change, 1e-8, 2e-8, 2.0)
    back = imbalance_impact(imbalance + change, 0.0, -change, 1e-8, 2e-8, 2.0)
    assert there + back <= 1e-6


def test_floors() -> None:
    assert interest_ratio(0.01, 6e-11, 83e6) == 0.01
    assert interest_ratio(0.001, 6e-11, 83e6) == pytest.approx(0.00498)
    assert not below_floors(4500.0, 450000.0, 0.01, 1.0)
    assert below_floors(4499.0, 450000.0, 0.01, 1.0)
    assert below_floors(0.9, 1.0, 0.0, 1.0)
    assert below_floors(0.0, 0.0, 0.0, 0.0)


def test_keepers_and_windows() -> None:
    assert bounded_reward(50.0, 2.0, 0.5, 10.0, 100.0, 0.0, 1e4) == 52.0
    assert bounded_reward(5.0, 2.0, 0.5, 10.0, 100.0, 0.0, 1e4) == 12.0
    assert bounded_reward(500.0, 2.0, 0.5, 10.0, 100.0, 0.0, 1e4) == 100.0
    assert bounded_reward(500.0, 2.0, 0.5, 10.0, 100.0, 0.01, 1e3) == 10.0
    assert bounded_reward(4685.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1e4) == 4685.0
    capacity = window_capacity(0.0005, 0.0005, 1000.0, 1.0, 10.0)
    assert capacity == pytest.approx(10.0)
    assert window_room(capacity, 4.0) == pytest.approx(6.0)
    assert window_room(capacity, 40.0) == 0.0


def test_funding_drifts_with_the_skew() -> None:
    assert velocity(20.0, 10000.0, 3.0) == pytest.approx(0.006)
    assert velocity(-1e9, 10000.0, 3.0) == -3.0
    assert velocity(20.0, 0.0, 3.0) == 0.0
    assert drifted_rate(0.006, -0.012, 1.0) == pytest.approx(-0.006)
    assert drifting_cost(20.0, 2000.0, 0.0, 0.006, 1.0) == pytest.approx(120.0)
    assert drifting_cost(-20.0, 2000.0, 0.0, 0.006, 1.0) == pytest.approx(-120.0)
