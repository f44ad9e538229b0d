"""Funding by hand: rates, the impact premium, the cumulative index and its fractions, intervals against ticks."""

from __future__ import annotations

import pytest

from market.prices import customer_skew, funding_intervals, impact_premium, pay_funding
from market.venue import NoFunding, PremiumFunding, SkewFunding, VelocityFunding
from tests.engine_worlds import USD, engine, plain_venue


def test_premium_rate_is_clamped_and_spread_over_the_period() -> None:
    rule = PremiumFunding(interval_seconds=60.0, period_seconds=28_800.0, clamp=0.0075)
    assert rule.rate(premium=0.0048, skew=1.0) == pytest.approx(0.00001)
    assert rule.rate(premium=0.02, skew=0.0) == pytest.approx(0.0075 / 480)
    assert rule.rate(premium=-0.02, skew=0.0) == pytest.approx(-0.0075 / 480)


def test_skew_rate() -> None:
    rule = SkewFunding(interval_seconds=3_600.0, period_seconds=86_400.0, rate_at_full_skew=0.024)
    assert rule.rate(premium=9.0, skew=-0.5) == pytest.approx(-0.0005)


def test_a_rate_that_drifts_is_paid_at_its_mean() -> None:
    """A change of 0.24 a day per day and a day of 24 intervals: 0.01 each; a customer long of half the scale: 0.005.

    0 to 0.005 costs 0.0025 / 24 of the mark, 0.005 to 0.010 three times that. One lot at 10,000 is 10 USD.
    """
    rule = VelocityFunding(interval_seconds=3_600.0, fastest=0.24, scale_usd=200.0)
    assert rule.change(skew=0.5) == pytest.approx(0.005)
    assert rule.change(skew=-3.0) == pytest.approx(-0.01)
    world = engine(deposits=(100.0,))
    world.open(world.rows[0], 10, 10_000)
    pay_funding(world.world, rule)
    assert world.world.funding_drift[0] == pytest.approx(0.005)
    assert world.assess(world.rows[0])[1] == 100 * USD - int(0.0025 / 24 * 10 * USD) * 10
    pay_funding(world.world, rule, intervals=2)
    assert world.world.funding_drift[0] == pytest.approx(0.015)
    paid = (0.0025 + 0.0075 + 0.0125) / 24 * 100 * USD
    assert world.assess(world.rows[0])[1] == pytest.approx(100 * USD - paid, abs=10)
    world.check_books()


def test_a_drifting_rate_comes_back_when_the_market_turns_and_has_a_bound() -> None:
    rule = VelocityFunding(interval_seconds=86_400.0, fastest=0.1, most=0.15)
    rate, paid = rule.drifted(0.1, change=rule.change(skew=1.0))
    assert [rate, paid] == pytest.approx([0.15, 0.125])
    rate, paid = rule.drifted(rate, change=rule.change(skew=-1.0))
    assert [rate, paid] == pytest.approx([0.05, 0.1])


def test_impact_premium_walks_the_book_on_the_side_away_from_the_index() -> None:
    """1,000 USD are 100 lots. Bids 10,100 x 60 and 10,050 x 40 average 10,080, which is 80 bps over the index."""
    world = engine()
    world.bids((10_100, 60), (10_050, 100))
    assert impact_premium(world.world, 0, 1_000.0) == pytest.approx(0.0080)
    world.asks((10_150, 100))
    assert impact_premium(world.world, 0, 1_000.0) == pytest.approx(0.0080)


def test_impact_premium_is_negative_below_the_index_and_zero_around_it() -> None:
    world = engine()
    world.asks((9_900, 100))
    assert impact_premium(world.world, 0, 1_000.0) == pytest.approx(-0.01)
    world = engine()
    world.bids((9_990, 100))
    world.asks((10_010, 100))
    assert impact_premium(world.world, 0, 1_000.0) == 0.0
    assert impact_premium(engine().world, 0, 1_000.0) == 0.0


def test_skew_counts_customers_only() -> None:
    world = engine(deposits=(10.0, 10.0))
    first, second = world.rows
    assert customer_skew(world.world, 0) == 0.0
    world.open(first, 30, 10_000)
    world.open(second, -10, 10_000)
    assert customer_skew(world.world, 0) == pytest.approx(0.5)


def test_fractions_of_a_quantum_are_carried_over() -> None:
    """1 bp of a rate of 0.24 bps a day, twice an hour: 10,000 ticks x 1,000 quanta x 5e-9 = 0.05 quanta per payment."""
    rule = SkewFunding(interval_seconds=1.0, period_seconds=1.0, rate_at_full_skew=5e-9)
    world = engine(deposits=(10.0,))
    world.open(world.rows[0], 1, 10_000)
    for payment in range(1, 61):
        pay_funding(world.world, rule)
        carried = payment * 0.05
        assert abs(int(world.world.instruments["funding_index"][0]) - carried) <= 1.0
    assert int(world.world.instruments["funding_index"][0]) in (2, 3)


def test_negative_rates_pay_longs() -> None:
    """All customers short: shorts pay 1 % of 10,000 USD per BTC, 100,000 quanta a lot."""
    rule = SkewFunding(interval_seconds=1.0, period_seconds=1.0, rate_at_full_skew=0.01)
    world = engine(deposits=(1_000.0,))
    (account,) = world.rows
    world.open(account, -10, 10_000)
    pay_funding(world.world, rule)
    assert int(world.world.instruments["funding_index"][0]) == -100_000
    assert world.assess(account)[1] == 1_000 * USD - 1_000_000
    world.check_books()
    world.open(account, 10, 10_000)
    assert world.cash(account) == 999 * USD
    world.check_books()


def test_spot_has_no_funding() -> None:
    world = engine(deposits=(1_000.0,))
    world.open(world.rows[0], -10, 10_000)
    pay_funding(world.world, SkewFunding(rate_at_full_skew=0.01))
    assert int(world.world.instruments["funding_index"][1]) == 0


@pytest.mark.parametrize(("interval", "tick"), [(60.0, 1.0), (60.0, 0.1), (1.0, 1.0), (60.0, 300.0), (7.0, 2.0)])
def test_as_many_intervals_are_paid_as_time_holds(interval: float, tick: float) -> None:
    rule = SkewFunding(interval_seconds=interval)
    world = engine(tick_seconds=tick, venue=plain_venue(funding=rule)).world
    paid = 0
    for world.tick in range(1_001):
        paid += funding_intervals(world, rule)
    assert paid == int(1_000 * tick / interval + 1e-9)


def test_no_funding_never_ends_an_interval() -> None:
    world = engine().world
    for world.tick in range(5):
        assert funding_intervals(world, NoFunding()) == 0


def test_a_day_of_funding_through_steps() -> None:
    """8 hours in ticks of 10 minutes at a premium of 40 bps: the whole premium on 1 BTC, 40 USD, is paid."""
    rule = PremiumFunding(interval_seconds=60.0, period_seconds=28_800.0, impact_notional_usd=100.0)
    world = engine(deposits=(100_000.0,), venue=plain_venue(funding=rule), tick_seconds=600.0)
    (account,) = world.rows
    world.bids((10_040, 1_000))
    world.open(account, 1_000, 10_000)
    world.run(49)
    assert int(world.world.instruments["funding_index"][0]) == pytest.approx(40_000, abs=1)
    assert world.assess(account)[1] == 100_000 * USD - 1_000 * int(world.world.instruments["funding_index"][0])
    world.check_books()
