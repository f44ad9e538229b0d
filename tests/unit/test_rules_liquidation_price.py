"""Liquidation and bankruptcy prices, what a close may cost, how much is closed: by hand, and as equations."""

from __future__ import annotations

import math

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from market.instruments import Tier, tier_deductions
from market.kernels.rules.account import unrealised_profit
from market.kernels.rules.bankruptcy import bankruptcy_quote, bankruptcy_rating, fillable_price, fund_change
from market.kernels.rules.deleveraging import may_settle, offset_size
from market.kernels.rules.liquidation_price import (
    initial_at_entry,
    inverse_liquidation_price,
    linear_liquidation_price,
)
from market.kernels.rules.portion import portion_to_close
from market.kernels.rules.rates import requirement
from market.margin.prices import bankruptcy_price, liquidation_price
from tests.engine_worlds import PERP, changed, engine

PERP_B = changed(PERP, tiers=(Tier(initial=0.1, maintenance=0.05),))

quick = settings(deadline=None, max_examples=60, derandomize=True)
SIDE = st.sampled_from([-1.0, 1.0])
SIZE = st.floats(0.001, 1e4)
PRICE = st.floats(0.01, 1e5)
RATE = st.floats(0, 0.5)


def test_linear_prices_by_hand() -> None:
    assert linear_liquidation_price(10.0, 1.0, 100.0, 0.1) == pytest.approx(100.0)
    assert linear_liquidation_price(10.0, -1.0, 100.0, 0.1) == pytest.approx(100.0)
    assert linear_liquidation_price(20.0, 2.0, 100.0, 0.0) == pytest.approx(90.0)
    assert math.isnan(linear_liquidation_price(10.0, 0.0, 100.0, 0.1))
    assert initial_at_entry(-2.0, 100.0, 5.0) == 40.0


@quick
@given(side=SIDE, size=SIZE, entry=PRICE, share=st.floats(0.01, 0.9), rate=RATE)
def test_at_the_linear_price_equity_is_the_requirement(
    side: float, size: float, entry: float, share: float, rate: float
) -> None:
    surplus = share * size * entry
    price = linear_liquidation_price(surplus, side * size, entry, rate)
    equity = surplus + unrealised_profit(side * size, entry, price)
    assert equity == pytest.approx(rate * size * price, rel=1e-6, abs=1e-6)
    more = linear_liquidation_price(2 * surplus, side * size, entry, rate)
    assert side * (price - more) > 0.0


@quick
@given(side=SIDE, contracts=st.floats(1, 1e6), entry=st.floats(1, 1e5), share=st.floats(0.01, 0.9), rate=RATE)
def test_at_the_inverse_price_equity_is_the_requirement(
    side: float, contracts: float, entry: float, share: float, rate: float
) -> None:
    surplus = share * contracts / entry
    price = inverse_liquidation_price(surplus, side * contracts, entry, rate)
    equity = surplus + side * contracts * (1 / entry - 1 / price)
    assert equity == pytest.approx(rate * contracts / price, rel=1e-6, abs=1e-9 * surplus)
    assert side * (price - inverse_liquidation_price(surplus, side * contracts, entry, 0.0)) >= -1e-9 * price


@pytest.mark.parametrize("lots", [2_000, -2_000])
def test_the_engine_finds_the_price_that_the_formula_gives(lots: int) -> None:
    """2 BTC from 10,000 in the upper of two tiers, 1,000 USD, and 0.09 BTC of another market with a loss."""
    floors, rates = (0.0, 15_000.0), (0.02, 0.08)
    tiers = tuple(
        Tier(floor_usd=floor, initial=0.1, maintenance=rate) for floor, rate in zip(floors, rates, strict=True)
    )
    world = engine(deposits=(1_000.0,), instruments={"A": changed(PERP, tiers=tiers), "B": PERP_B})
    (account,) = world.rows
    world.open(account, lots, 10_000)
    world.open(account, -90, 9_000, book=1)
    state = world.world
    state.instruments["mark"][1] = 10_000
    surplus = 1_000.0 + unrealised_profit(-0.09, 9_000.0, 10_000.0)
    held = surplus - requirement(900.0, 0.05, 0.0, 0.0) + tier_deductions(floors, rates)[1]
    for find, rate, left in ((liquidation_price, 0.08, held), (bankruptcy_price, 0.0, surplus)):
        found = find(state.ledger, state.instruments, state.assets, state.margin, account=account, book=0)
        assert found == pytest.approx(linear_liquidation_price(left, lots / 1_000, 10_000.0, rate), abs=1e-6)


def test_an_inverse_short_with_full_collateral_has_no_price() -> None:
    assert inverse_liquidation_price(0.1, -1.0, 10.0, 0.01) == math.inf
    assert inverse_liquidation_price(0.05, -1.0, 10.0, 0.0) == pytest.approx(20.0)


def test_closing_everything_at_bankruptcy_leaves_nothing() -> None:
    # Short 1 at 50,000 with 54,999 in cash: equity 4,999, all of it goes with the position.
    assert bankruptcy_quote(-50_000.0, 5_000.0, 4_999.0, 5_000.0, 1e-6) == pytest.approx(-54_999.0)
    assert bankruptcy_quote(5_000.0, 500.0, -100.0, 500.0, 1e-6) == pytest.approx(5_100.0)
    assert bankruptcy_quote(-1.0, 1.0, 1.0, 3.0, 1e-6) == pytest.approx(-1.333333, abs=1e-9)
    assert bankruptcy_quote(-1.0, 0.0, 1.0, 0.0, 1e-6) == -1.0


@quick
@given(side=SIDE, size=SIZE, price=PRICE, equity=st.floats(-1e6, 1e6), own=st.floats(0, 1e6), other=st.floats(1, 1e6))
def test_the_fillable_price_lies_between_oracle_and_spread(
    side: float, size: float, price: float, equity: float, own: float, other: float
) -> None:
    rating = bankruptcy_rating(equity, own + other, 1.0)
    assert 0.0 <= rating <= 1.0
    worse = bankruptcy_rating(equity - 1.0, own + other, 1.0)
    found = fillable_price(side * size, price, own, rating, 1.5)
    assert 0.0 <= side * (price - found) <= 1.5 * own / size * (1 + 1e-9) + 1e-9 * price
    assert side * (found - fillable_price(side * size, price, own, worse, 1.5)) >= -1e-9 * abs(found)


def test_the_fund_takes_what_is_left_up_to_the_fee() -> None:
    assert fund_change(1_000.0, 900.0, 0.015, 1e-6) == pytest.approx(15.0)
    assert fund_change(1_000.0, 990.0, 0.015, 1e-6) == pytest.approx(10.0)
    assert fund_change(-1_000.0, -1_100.0, 0.015, 1e-6) == pytest.approx(15.0)
    assert fund_change(1_000.0, 1_100.0, 0.015, 1e-6) == -100.0
    assert fund_change(1_000.0, 1_000.0, 0.015, 1e-6) == 0.0


def test_portions_by_hand() -> None:
    def change(size: float, portion: float, least: float, most: float) -> float:
        return float(portion_to_close(size, 100.0, portion, least, most, 0.01, 1e-6))

    assert change(1.0, 0.25, 0.0, math.inf) == pytest.approx(-0.25)
    assert change(-1.0, 0.25, 0.0, math.inf) == pytest.approx(0.25)
    assert change(1.0, 0.25, 60.0, math.inf) == pytest.approx(-0.6)
    assert change(1.0, 0.25, 200.0, math.inf) == -1.0
    assert change(1.0, 1.0, 0.0, 55.5) == pytest.approx(-0.55)
    assert change(1.0, 0.001, 0.0, math.inf) == pytest.approx(-0.01)
    assert change(1.0, 1.0, 0.0, 0.0) == pytest.approx(-0.01)
    assert change(0.005, 0.1, 0.0, math.inf) == -0.005
    assert change(0.0, 0.1, 0.0, math.inf) == 0.0


@quick
@given(side=SIDE, steps=st.integers(1, 10**6), portion=st.floats(0, 1), least=st.floats(0, 1e6), most=st.floats(0, 1e7))
def test_a_portion_reduces_in_whole_steps(side: float, steps: int, portion: float, least: float, most: float) -> None:
    size = side * steps * 0.001
    change = portion_to_close(size, 50.0, portion, least, most, 0.001, 1e-6)
    assert side * change < 0.0
    assert abs(change) <= abs(size) + 1e-12
    assert abs(change) / 0.001 == pytest.approx(round(abs(change) / 0.001), abs=1e-6)
    assert abs(change) * 50.0 <= max(min(max(portion * steps * 0.05, least), most), 0.05) + 1e-6


def test_a_counterparty_may_not_be_left_worse() -> None:
    assert may_settle(20.0, 20.0, 10.0, 5.0, 10.0, 1e-6)
    assert may_settle(2.0, 20.0, 9.0, 2.0, 10.0, 1e-6)
    assert not may_settle(1.7, 20.0, 9.0, 2.0, 10.0, 1e-6)
    assert not may_settle(2.0, 20.0, 11.0, 1.0, 10.0, 1e-6)
    assert may_settle(0.0, 0.0, 0.0, -1.0, 10.0, 1e-6)
    assert not may_settle(-1.0, 0.0, 0.0, -2.0, 10.0, 1e-6)


@quick
@given(wanted=st.floats(-10, 10), held=st.floats(-10, 10))
def test_an_offset_takes_no_more_than_either(wanted: float, held: float) -> None:
    size = offset_size(wanted, held)
    assume(wanted * held != 0.0)
    assert abs(size) == (min(abs(wanted), abs(held)) if (wanted > 0) == (held > 0) else 0.0)
    assert size == 0.0 or (size > 0) == (wanted > 0)
