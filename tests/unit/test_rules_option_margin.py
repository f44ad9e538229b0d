"""Standard margin of options, largest loss, add-ons, auction, risk arrays and shocks: by hand, signs, continuity."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market.kernels.rules import (
    contingencies,
    expiry_discounts,
    option_margin,
    portfolio_auction,
    risk_array,
    vol_shocks,
)

modest = settings(deadline=None, derandomize=True, max_examples=60)
SHARES = st.floats(0.0, 1.0)


def test_short_put_initial_is_never_below_maintenance() -> None:
    # Far in the money the maintenance of a put grows with its mark: 0.075 x 3000 > 0.1 x 1000.
    maintenance = option_margin.short_put_maintenance(1000.0, 3000.0, 0.075, 0.075)
    assert maintenance == pytest.approx(3225.0)
    assert option_margin.short_put_initial(1000.0, 4000.0, 3000.0, 0.15, 0.1, maintenance, 1.05) == pytest.approx(
        3386.25
    )


def test_deribit_standard_by_hand_in_coin() -> None:
    # In coin the spot is 1 and strikes are shares of it. Call 5 % out of the money, mark 0.01: 0.15 - 0.05 + 0.01.
    assert option_margin.short_call_initial(1.0, 1.05, 0.01, 0.15, 0.1) == pytest.approx(0.11)
    assert option_margin.short_call_initial(1.0, 1.30, 0.01, 0.15, 0.1) == pytest.approx(0.11)
    assert option_margin.short_call_maintenance(1.0, 0.01, 0.075) == pytest.approx(0.085)
    # Put at the money, mark 0.04: max(0.15 + 0.04, 0.075 + 0.04).
    maintenance = option_margin.short_put_maintenance(1.0, 0.04, 0.075, 0.075)
    assert maintenance == pytest.approx(0.115)
    assert option_margin.short_put_initial(1.0, 1.0, 0.04, 0.15, 0.1, maintenance, 1.0) == pytest.approx(0.19)


@modest
@given(is_call=st.booleans(), spot=st.floats(10.0, 1e4), ratio=st.floats(0.3, 3.0))
def test_moneyness_rate_stays_in_its_band(is_call: bool, spot: float, ratio: float) -> None:
    rate = option_margin.moneyness_rate(is_call, spot, spot * ratio, 0.15, 0.1)
    assert 0.1 <= rate <= 0.15


@modest
@given(
    strikes=st.lists(st.integers(1, 40), min_size=1, max_size=6),
    sizes=st.lists(st.integers(-3, 3), min_size=6, max_size=6),
    calls=st.lists(st.booleans(), min_size=6, max_size=6),
)
def test_largest_loss_is_the_minimum_of_the_payoff(strikes: list[int], sizes: list[int], calls: list[bool]) -> None:
    n = len(strikes)
    strike, size = np.array(strikes, float), np.array(sizes[:n], float)
    is_call, expiry = np.array(calls[:n], np.int64), np.zeros(n, np.int64)
    top = float(max(strikes))
    loss = option_margin.largest_loss(strike, is_call, size, expiry, 0)
    prices = np.linspace(0.0, top, 40 * int(top) + 1)[:, None]
    payoff = (size * np.where(is_call == 1, np.maximum(prices - strike, 0), np.maximum(strike - prices, 0))).sum(1)
    assert loss == pytest.approx(max(0.0, -payoff.min()))
    # Beyond the last strike the payoff falls by the net short calls.
    above = (size * np.where(is_call == 1, top + 1 - strike, 0.0)).sum() - payoff[-1]
    assert option_margin.unpaired_calls(is_call, size, expiry, 0) == pytest.approx(max(0.0, -above))


def test_net_short_nets_within_a_strike_only() -> None:
    strikes = np.array([0, 0, 1, -1])
    assert contingencies.net_short(strikes, np.array([10.0, -20.0, 3.0, -50.0]), 2, np.zeros(2)) == 10.0
    assert contingencies.net_short(strikes, np.array([-1.0, -2.0, 3.0, 0.0]), 2, np.zeros(2)) == 3.0


def test_tier_weighted_by_hand_and_beyond_the_last_ceiling() -> None:
    ceilings, weights = np.array([10.0, 70.0, np.inf]), np.array([1.0, 2.0, 4.0])
    assert contingencies.tier_weighted(30.0, ceilings, weights) == 50.0
    assert contingencies.tier_weighted(100.0, ceilings, weights) == 10.0 + 120.0 + 120.0
    assert contingencies.tier_weighted(100.0, ceilings[:2], weights[:2]) == 10.0 + 180.0
    assert contingencies.tier_weighted(0.0, ceilings, weights) == 0.0


@modest
@given(amount=st.floats(0.0, 200.0), step=st.floats(1e-6, 1e-3))
def test_tier_weighted_is_continuous_and_rises(amount: float, step: float) -> None:
    ceilings, weights = np.array([10.0, 70.0, np.inf]), np.array([1.0, 2.0, 4.0])
    more = contingencies.tier_weighted(amount + step, ceilings, weights)
    assert 0.0 <= more - contingencies.tier_weighted(amount, ceilings, weights) <= 4.0 * step + 1e-9


def test_doubt_and_depeg_start_at_their_threshold() -> None:
    assert contingencies.doubt_charge(0.55, 0.55, 1.0, 100.0) == 0.0
    assert contingencies.doubt_charge(0.5, 0.55, 1.0, 100.0) == pytest.approx(50.0)
    assert contingencies.depeg_factor(0.98, 0.98, 2.0) == 0.0
    assert contingencies.depeg_factor(0.9, 0.98, 2.0) == pytest.approx(0.16)


@modest
@given(
    value=st.floats(0.0, 1e4),
    required=st.floats(0.01, 1e4),
    buffer=st.floats(0.0, 1.0),
    discount=SHARES,
    reserved_share=SHARES,
)
def test_largest_slice_brings_the_buffered_margin_to_zero(
    value: float, required: float, buffer: float, discount: float, reserved_share: float
) -> None:
    margin, reserved = value - required, value * reserved_share
    buffered = portfolio_auction.buffer_margin(value, margin, buffer)
    share = portfolio_auction.largest_slice(value, buffered, discount, reserved, 0.0)
    assert 0.0 <= share <= 1.0
    if buffered < 0.0:
        paid = share * portfolio_auction.portfolio_price(value, reserved, discount)
        after = portfolio_auction.after_slice(buffered, reserved, share, paid)
        assert after == pytest.approx(0.0, abs=1e-8 * (value + required))
    else:
        assert share == 0.0


def test_a_portfolio_below_the_cutoff_goes_whole() -> None:
    assert portfolio_auction.largest_slice(5.0, -1.0, 0.9, 0.0, 10.0) == 1.0


@modest
@given(seconds=st.floats(0.0, 9000.0), step=st.floats(1e-3, 1.0))
def test_auction_discount_falls_without_jumps(seconds: float, step: float) -> None:
    rule = (0.98, 0.8, 600.0, 7200.0)
    first = portfolio_auction.two_speed_discount(seconds, *rule)
    assert -1e-12 <= first - portfolio_auction.two_speed_discount(seconds + step, *rule) <= step * 0.18 / 600 + 1e-12


def test_insolvent_payout_grows_from_the_negative_value_to_the_margin() -> None:
    payouts = [portfolio_auction.insolvent_payout(-100.0, -300.0, seconds, 600.0) for seconds in (0.0, 300.0, 900.0)]
    assert payouts == pytest.approx([100.0, 200.0, 300.0])
    assert portfolio_auction.insolvent_payout(50.0, -300.0, 0.0, 600.0) == 0.0
    assert portfolio_auction.insolvent_payout(50.0, 1.0, 900.0, 600.0) == 0.0


def test_scan_risk_nets_products_and_is_never_negative() -> None:
    arrays = np.array([[10.0, -10.0, 7.0], [4.0, -3.0, 1.0]])
    assert risk_array.scan_risk(arrays, np.array([1.0, -2.0])) == pytest.approx(4.0)
    assert risk_array.scan_risk(arrays[:, :1], np.array([1.0, 1.0])) == 0.0
    assert risk_array.span_requirement(4.0, 1.0, 0.5, 5.0, 0.75) == 0.75


@modest
@given(days=st.floats(0.01, 900.0), power=st.floats(0.01, 1.0))
def test_power_shock_falls_with_time_and_is_floored(days: float, power: float) -> None:
    shock = vol_shocks.power_shock(0.38, days, 1.0, power)
    assert shock >= vol_shocks.power_shock(0.38, days * 1.1, 1.0, power)
    assert shock <= 0.38 * 30.0**power * (1 + 1e-12)
    assert vol_shocks.term_power_shock(0.38, 30.0, 1.0, power, 0.1) == 0.38
    assert vol_shocks.shocked_down(0.5, shock) >= 0.0
    assert vol_shocks.power_shock(0.38, 0.0, 0.0, power) == 0.0


@modest
@given(moneyness=st.floats(-3.0, 3.0), cap=st.floats(0.0, 2.0), width=st.floats(0.01, 1.0))
def test_skew_turns_about_the_forward_and_is_capped(moneyness: float, cap: float, width: float) -> None:
    factor = vol_shocks.skew_multiplier(moneyness, cap, width)
    assert max(0.0, 1.0 - cap) <= factor <= 1.0 + cap
    assert (factor - 1.0) * moneyness >= 0.0
    assert vol_shocks.skew_multiplier(0.0, cap, width) == 1.0


@modest
@given(years=st.floats(0.0, 5.0), rate=st.floats(-0.1, 0.5))
def test_discounts_hurt_the_holder(years: float, rate: float) -> None:
    assert expiry_discounts.long_discount(0.95, years, rate, 1.0, 0.08) <= 0.95
    short = expiry_discounts.short_discount(1.04, years, rate, 0.5, 0.08)
    assert 1.0 <= short <= math.exp(years * max(rate, 0.0)) * (1 + 1e-15)
    assert expiry_discounts.settlement_share(900.0, 1800.0) == 0.5
    assert expiry_discounts.settlement_share(-1.0, 1800.0) == 0.0
