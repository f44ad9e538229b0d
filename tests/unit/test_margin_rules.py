"""Margin rules of a venue by hand: haircuts by size, rates by size and open interest, slower prices, what moves."""

from __future__ import annotations

import math

import numpy as np
import pytest

from experiments import config
from experiments.venues.presets import VenueFile
from market.errors import InputError
from market.instruments import Asset
from market.margin.collateral import CollateralRule, HaircutTier
from market.margin.dynamics import (
    LiquidityHaircuts,
    OpenInterestRates,
    RampedHaircuts,
    VolatilityHaircuts,
    VolatilityRates,
    limited,
)
from market.margin.portfolio import ScenarioMargin, SimulatedMoves
from market.margin.requirement import LinearSize, RequirementRule, RootPremium, RootSize, Tier
from market.margin.rules import Margin, chosen
from market.margin.schedule import sale_losses
from tests.engine_worlds import PERP, SPOT, USD, USDC, Engine, changed, engine, falls_to, plain_venue

FIVE = (Tier(initial=0.1, maintenance=0.05),)


def with_margin(margin: Margin, *, deposits: tuple[float, ...] = (100_000.0,), **options: object) -> Engine:
    return engine(deposits=deposits, venue=plain_venue(margin=margin), **options)  # type: ignore[arg-type]


def own_bitcoin(world: Engine, amount: float) -> None:
    world.world.ledger.deposit(world.rows[0], 1, round(amount * 1e8))


def test_each_part_of_a_holding_bears_the_haircut_of_its_tier() -> None:
    """15,000 USD of bitcoin: 10 % on the first 10,000, 40 % beyond; half as much again under initial margin."""
    tiers = (
        HaircutTier(haircut=0.1, initial_haircut=0.15),
        HaircutTier(floor=10_000.0, haircut=0.4, initial_haircut=0.6),
    )
    world = with_margin(Margin(collateral={"BTC": CollateralRule(tiers=tiers)}), deposits=(0.0,))
    own_bitcoin(world, 1.5)
    equity, net, _, initial = world.assess(world.rows[0])
    assert equity == (9_000 + 3_000) * USD
    assert net == 15_000 * USD
    assert equity - initial == (8_500 + 2_000) * USD


def test_tiers_may_be_counted_in_units_of_the_asset() -> None:
    """Bybit: 2 % on the first 10, 5 % on the next; the floors stay where they are when the price moves."""
    tiers = (HaircutTier(haircut=0.02), HaircutTier(floor=1.0, haircut=0.05))
    margin = Margin(collateral={"BTC": CollateralRule(tiers=tiers, tier_unit="asset")})
    for price in (10_000.0, 4_000.0):
        world = with_margin(margin, deposits=(0.0,), prices=falls_to(price, at=0))
        own_bitcoin(world, 3.0)
        assert world.assess(world.rows[0])[0] == pytest.approx(price * (0.98 + 2 * 0.95) * USD, abs=2)


def test_weights_fall_with_the_square_root_of_the_holding() -> None:
    """Drift v2: min(w, 1.1 / (1 + 0.01 sqrt(1,600))) = 0.785714 -> 0.7857 for a holding of 1,600."""
    world = with_margin(Margin(collateral={"BTC": CollateralRule(haircut=0.1, size_factor=0.01)}), deposits=(0.0,))
    own_bitcoin(world, 1_600.0)
    assert world.assess(world.rows[0])[0] == pytest.approx(16e6 * 0.7857 * USD, rel=1e-9)


@pytest.mark.parametrize(
    ("law", "rate"),
    [
        (LinearSize(factor=0.001), 0.05 + 0.1),
        (RootSize(factor=0.02), 0.2),
        (RootPremium(factor=0.02), 0.8 * 0.05 + 0.2),
        (RootSize(factor=0.001), 0.05),
    ],
)
def test_rates_rise_with_the_size_of_the_position(law: object, rate: float) -> None:
    """100 BTC at 10,000."""
    rule = RequirementRule(tiers=FIVE, size=law)  # type: ignore[arg-type]
    world = with_margin(Margin(requirement={"BTC": rule}), deposits=(1e6,))
    world.open(world.rows[0], -100_000, 10_000)
    assert world.assess(world.rows[0])[2] == pytest.approx(1e6 * rate * USD, rel=1e-12)


def test_a_position_needs_the_minimum_at_least() -> None:
    rule = RequirementRule(tiers=FIVE, minimum_usd=30.0)
    world = with_margin(Margin(requirement={"default": rule}))
    world.open(world.rows[0], 10, 10_000)  # 100 USD
    assert world.assess(world.rows[0])[2:] == (30 * USD, 30 * USD)


def test_open_profit_counts_in_part_and_up_to_a_cap_under_initial_margin() -> None:
    rule = RequirementRule(tiers=FIVE, profit_weight=0.5, profit_cap_usd=300.0)
    for entry, counted in ((9_600, 200.0), (9_000, 300.0), (10_400, -400.0)):
        world = with_margin(Margin(requirement={"BTC": rule}), deposits=(2_000.0,))
        world.open(world.rows[0], 1_000, entry)
        equity, _, _, initial = world.assess(world.rows[0])
        assert equity == (2_000 + 10_000 - entry) * USD
        assert equity - initial == pytest.approx((2_000 + counted - 1_000) * USD, abs=2)


def test_the_initial_rate_follows_open_interest_as_at_dydx() -> None:
    """Half-way between the caps the rate is half-way between its base and 1; maintenance stays."""
    rule = RequirementRule(tiers=FIVE, open_interest_lower_usd=50_000.0, open_interest_upper_usd=150_000.0)
    world = with_margin(Margin(requirement={"BTC": rule}))
    world.open(world.rows[0], 10_000, 10_000)  # 100,000 USD
    world.run(1)
    assert world.assess(world.rows[0])[2:] == (5_000 * USD, 55_000 * USD)


def test_under_initial_margin_the_worse_of_two_prices_counts() -> None:
    """After a fall the slower price is above: balances count at the price of now, debts at the slower one."""
    margin = Margin(slow_price_seconds=60.0)
    world = with_margin(margin, deposits=(0.0, 20_000.0), prices=falls_to(8_000.0, at=2))
    own_bitcoin(world, 1.0)
    world.world.ledger.deposit(world.rows[1], 1, -round(1e8))
    world.run(3)
    slow = int(world.world.assets["slow_price"][1])
    assert 9_900 < slow < 10_000
    assert world.assess(world.rows[0])[0] - world.assess(world.rows[0])[3] == 8_000 * USD
    equity, _, _, initial = world.assess(world.rows[1])
    assert equity == 12_000 * USD
    assert equity - initial == (20_000 - slow) * USD


def test_weights_are_scaled_when_the_venue_holds_too_much() -> None:
    rule = CollateralRule(haircut=0.2, deposits_start_usd=20_000.0)
    world = with_margin(Margin(collateral={"BTC": rule}), deposits=(0.0,))
    own_bitcoin(world, 4.0)
    world.run(1)
    equity, _, _, initial = world.assess(world.rows[0])
    assert equity == 32_000 * USD
    assert equity - initial == 16_000 * USD


def test_limits_hold_a_rule_back() -> None:
    assert limited(0.1, 0.5, rise=0.05, fall=1.0) == pytest.approx(0.15)
    assert limited(0.5, 0.1, rise=1.0, fall=0.02) == pytest.approx(0.48)
    assert limited(0.5, 0.49, rise=1.0, fall=0.02) == 0.49


def test_rates_by_volatility_rise_in_a_crash_and_call_margin() -> None:
    rule = VolatilityRates(halflife_seconds=10.0, calm_volatility=0.5, update_seconds=5.0, rise_limit=0.8, largest=2.5)
    world = with_margin(Margin(rates=rule), prices=falls_to(9_900.0, at=7))
    world.open(world.rows[0], 10_000, 10_000)
    stress = []
    for _ in range(16):
        world.run(1)
        stress.append(int(world.world.instruments["stress"][0]) / 1e6)
    assert stress[5] == 1.0
    assert stress[10] == pytest.approx(1.8)
    assert stress[15] == pytest.approx(2.5)
    schedule = world.world.margin_schedule
    assert schedule is not None
    assert [round(call.called_usd) for call in schedule.calls] == [0, round(0.8 * 4_950), round(0.7 * 4_950)]
    assert world.assess(world.rows[0])[2] == pytest.approx(2.5 * 4_950 * USD, abs=2)


def test_rates_by_open_interest() -> None:
    rule = OpenInterestRates(lower_usd=50_000.0, upper_usd=150_000.0, largest=3.0, rise_limit=10.0)
    assert rule.aim(volatility=9.0, open_interest_usd=100_000.0) == 2.0
    assert rule.aim(volatility=0.0, open_interest_usd=1e9) == 3.0


def test_haircuts_by_volatility_cover_the_move_of_the_horizon() -> None:
    rule = VolatilityHaircuts(horizon_seconds=86_400.0, deviations=3.0)
    assert rule.aim(volatility=1.0) == pytest.approx(1.0 - math.exp(-3.0 / math.sqrt(365.25)))
    assert rule.aim(volatility=100.0) == 0.9


def test_haircuts_by_liquidity_are_what_the_book_takes_from_a_sale() -> None:
    """Bids: 5,000 USD at 9,900, 18,000 at 9,000, nothing below; a tier bears the loss of its own part."""
    rule = LiquidityHaircuts(sizes_usd=(5_000.0, 15_000.0), update_seconds=1.0)
    world = with_margin(Margin(haircuts=rule), deposits=(0.0,))
    world.bids((9_900, 500), (9_000, 2_000), book=1)
    assert sale_losses(world.world, 1, (5_000.0, 15_000.0), unsold=0.9) == pytest.approx([0.01, 0.1, 0.1 * 2 / 3 + 0.3])
    own_bitcoin(world, 2.0)
    world.run(2)
    expected = 5_000 * 0.99 + 10_000 * 0.9 + 5_000 * (1 - (0.1 * 2 / 3 + 0.3))
    assert world.assess(world.rows[0])[0] == pytest.approx(expected * USD, rel=1e-5)


def test_portfolio_margin_is_the_worst_scenario_and_a_hedge_needs_less() -> None:
    """+-15 % on 1 BTC at 10,000: 1,500. Long spot against a short perpetual loses nothing but the charge."""
    rule = ScenarioMargin(
        price_range=0.15, price_steps=3, volatilities=("none",), maintenance_factor=1.0, initial_factor=1.5,
        linear_charge=0.01, linear_charge_initial=0.0,
    )  # fmt: skip
    margin = Margin(mode="portfolio", portfolio=rule)
    world = with_margin(margin, deposits=(5_000.0, 5_000.0))
    for row in world.rows:
        world.open(row, -1_000, 10_000)
    world.world.ledger.deposit(world.rows[1], 1, round(1e8))
    assert world.assess(world.rows[0])[2:] == (1_600 * USD, 2_350 * USD)
    assert world.assess(world.rows[1])[2:] == (100 * USD, 100 * USD)


def test_offsets_between_underlyings_and_concentration() -> None:
    assets = {"USDC": USDC, "BTC": Asset(price_usd=10_000.0, price_tick_usd=1.0), "ETH": Asset(price_usd=100.0)}
    perps = {"BTC-PERP": PERP, "ETH-PERP": changed(PERP, base="ETH", tick_size=0.01)}
    needed = []
    for offset in (0.0, 0.5, 1.0):
        rule = ScenarioMargin(
            price_range=0.1, price_steps=1, volatilities=("none",), maintenance_factor=1.0, linear_charge=0.0,
            linear_charge_initial=0.0, offset_between_underlyings=offset, concentration_usd=15_000.0,
            concentration_rate=0.2,
        )  # fmt: skip
        world = with_margin(
            Margin(mode="portfolio", portfolio=rule), deposits=(5_000.0,), assets=assets, instruments=perps
        )
        world.open(world.rows[0], 2_000, 10_000)  # 20,000 USD long: 5,000 beyond, a fifth of it
        world.open(world.rows[0], -100_000, 10_000, book=1)  # 10,000 USD short
        needed.append(world.assess(world.rows[0])[2] / USD)
    assert needed == pytest.approx([1_000 + 2_000 + 1_000, 1_000 + 2_000, 1_000 + 1_000])


def test_tail_measures_of_simulated_moves() -> None:
    """One underlying, 1 BTC: loss at a level of the simulated moves, and the mean beyond it; a hedge needs nothing."""
    needed = {}
    moves = SimulatedMoves(samples=2_000, degrees_of_freedom=5.0)
    for measure in ("value_at_risk", "expected_shortfall"):
        simulated = changed(moves, measure=measure)
        rule = ScenarioMargin(simulated=simulated, maintenance_factor=1.0, linear_charge=0.0, linear_charge_initial=0.0)
        world = with_margin(Margin(mode="portfolio", portfolio=rule), deposits=(5_000.0, 5_000.0))
        for row in world.rows:
            world.open(row, 1_000, 10_000)
        world.world.ledger.deposit(world.rows[1], 1, -round(1e8))
        needed[measure] = world.assess(world.rows[0])[2] / USD
        assert world.assess(world.rows[1])[2] == 0
    losses = np.sort(10_000.0 * -np.expm1(moves.draw(1)[0][:, 0]))[::-1]
    assert needed["value_at_risk"] == pytest.approx(losses[20], abs=1e-5)
    assert needed["expected_shortfall"] == pytest.approx(losses[:20].mean(), abs=1e-5)
    # Student's t with 5 degrees of freedom, scaled: its 99 % quantile is 3.365 x sqrt(3/5), one day at 0.8 a year.
    assert needed["value_at_risk"] == pytest.approx(
        10_000 * (1 - math.exp(-3.365 * 0.6**0.5 * 0.8 / 365.25**0.5)), rel=0.1
    )


def test_a_coin_that_counts_for_nothing_offsets_nothing() -> None:
    """1 BTC owned against 1 short at 10,000, +-15 %: a hedge at a haircut of 0.999, at 1 as if it were not there."""
    one, two = HaircutTier(haircut=1.0), HaircutTier(floor=100.0, haircut=1.0)
    cases = [
        (CollateralRule(haircut=0.999), 0.0),
        (CollateralRule(haircut=1.0), 1_500.0),
        (CollateralRule(tiers=(one, two)), 1_500.0),
        (CollateralRule(haircut=1.0, tiers=(HaircutTier(haircut=0.5), two)), 0.0),
    ]
    for collateral, needed in cases:
        rule = ScenarioMargin(price_range=0.15, maintenance_factor=1.0, linear_charge=0.0, linear_charge_initial=0.0)
        margin = Margin(mode="portfolio", portfolio=rule, collateral={"BTC": collateral})
        world = with_margin(margin, deposits=(50_000.0, 50_000.0))
        own_bitcoin(world, 1.0)
        world.open(world.rows[0], -1_000, 10_000)
        world.world.ledger.deposit(world.rows[1], 1, -round(1e8))
        assert world.assess(world.rows[0])[2] == pytest.approx(needed * USD, abs=1)
        assert world.assess(world.rows[1])[2] == pytest.approx(1_500 * USD, abs=1), "a debt is short all the same"


def stated(text: str) -> Margin:
    return config.load(VenueFile, text)[0].venue.margin


def test_a_risk_array_as_span_has_it_from_a_file() -> None:
    """1 BTC at 10,000 over +-15 %: 1,500; three ranges of which half counts: 2,250; of a short one the same."""
    text = """
        [venue.margin]
        mode = "portfolio"
        [venue.margin.portfolio]
        scenarios = "span"
        price_range = 0.15
        maintenance_factor = 1.0
        linear_charge = 0.0
        linear_charge_initial = 0.0
    """
    wide = f"{text}[venue.margin.portfolio.span]\nextreme_ranges = 3.0\nextreme_cover = 0.5"
    for margin, needed in ((stated(text), 1_500.0), (stated(wide), 2_250.0)):
        world = with_margin(margin, deposits=(5_000.0, 5_000.0))
        world.open(world.rows[0], 1_000, 10_000, against=world.rows[1])
        world.run(2)
        assert world.world.risk is not None
        assert len(world.world.risk.scenarios) == 16
        for row in world.rows:
            assert world.assess(row)[2] == pytest.approx(needed * USD, abs=1)


def test_a_haircut_that_rises_in_a_ramp_from_a_file() -> None:
    """10 % to 50 % over 8 s from second 2 on: at once for new risk, by a twentieth a second for what is held."""
    margin = stated("""
        [venue.margin]
        collateral.BTC = { haircut = 0.1, initial_haircut = 0.2 }
        [venue.margin.haircuts]
        kind = "ramp"
        to = { BTC = 0.5 }
        start_seconds = 2.0
        duration_seconds = 8.0
        update_seconds = 2.0
    """)
    world = with_margin(margin, deposits=(0.0,))
    own_bitcoin(world, 1.0)
    counted = []
    for _ in range(13):
        world.run(1)
        equity, _, _, initial = world.assess(world.rows[0])
        counted.append((equity // USD, (equity - initial) // USD))
    assert counted[0] == counted[1] == (9_000, 8_000)
    assert [held for held, _ in counted[2::2]] == [9_000, 8_000, 7_000, 6_000, 5_000, 5_000]
    assert counted[3::2] == counted[2:-1:2], "between updates nothing moves"
    assert {new for _, new in counted[2:]} == {5_000}
    schedule = world.world.margin_schedule
    assert schedule is not None
    assert schedule.costs()["margin_called_by_rules_usd"] == pytest.approx(4_000.0)


def test_a_hedge_ends_in_the_tick_in_which_its_coin_ceases_to_count() -> None:
    """And what it then needs is margin that the rule called: 5,000 of weight, 1,500 of requirement."""
    scenarios = ScenarioMargin(price_range=0.15, maintenance_factor=1.0, linear_charge=0.0, linear_charge_initial=0.0)
    ramp = RampedHaircuts(to={"BTC": 1.0}, duration_seconds=4.0, update_seconds=2.0)
    rule = Margin(mode="portfolio", portfolio=scenarios, haircuts=ramp, collateral={"BTC": CollateralRule(haircut=0.5)})
    world = with_margin(rule, deposits=(50_000.0, 50_000.0))
    own_bitcoin(world, 1.0)
    world.open(world.rows[0], -1_000, 10_000, against=world.rows[1])
    needed = []
    for _ in range(6):
        world.run(1)
        needed.append(round(world.assess(world.rows[0])[2] / USD))
    assert needed == [0, 0, 0, 0, 1_500, 1_500]
    schedule = world.world.margin_schedule
    assert schedule is not None
    assert schedule.costs()["margin_called_by_rules_usd"] == pytest.approx(6_500.0, abs=1e-3)


def test_a_lower_haircut_holds_at_once() -> None:
    rule = RampedHaircuts(to={"BTC": 0.1}, duration_seconds=100.0)
    assert rule.aim(base=0.4, to=0.1, seconds=0.0) == pytest.approx(0.1)
    with pytest.raises(InputError, match=r"venue\.margin\.haircuts\.to\.XRP: no such asset; expected USDC, BTC"):
        with_margin(Margin(haircuts=RampedHaircuts(to={"XRP": 0.5})))


def test_what_cannot_be_combined_is_said() -> None:
    tiers = (HaircutTier(haircut=0.1),)
    with pytest.raises(InputError, match=r"venue\.margin\.collateral\.BTC\.tiers: haircuts by size cannot be combined"):
        with_margin(Margin(collateral={"BTC": CollateralRule(tiers=tiers)}, haircuts=VolatilityHaircuts()))
    with pytest.raises(InputError, match="size_factor: USDC is a settlement asset"):
        with_margin(Margin(collateral={"default": CollateralRule(size_factor=0.1)}))
    with pytest.raises(ValueError, match="floors must start at 0 and rise"):
        CollateralRule(tiers=(HaircutTier(floor=1.0),))
    with pytest.raises(ValueError, match="open_interest_upper_usd"):
        RequirementRule(open_interest_lower_usd=1.0)


def test_a_rule_for_the_instrument_comes_before_that_of_its_base_and_the_default() -> None:
    margin = Margin(
        requirement={
            "default": RequirementRule(tiers=(Tier(initial=0.9, maintenance=0.9),)),
            "BTC": RequirementRule(tiers=(Tier(initial=0.5, maintenance=0.5),)),
            "BTC-PERP": RequirementRule(tiers=(Tier(initial=0.2, maintenance=0.2),)),
        }
    )
    world = with_margin(margin, instruments={"BTC-PERP": PERP, "BTC-USDC": SPOT, "BTC-2": PERP})
    world.open(world.rows[0], 1_000, 10_000)
    world.open(world.rows[0], 1_000, 10_000, book=2)
    assert world.assess(world.rows[0])[2] == 7_000 * USD
    assert np.array_equal(world.world.instruments["n_tiers"], [1, 1, 1])


def test_rules_of_options_are_chosen_like_all_others() -> None:
    rules = {"default": 1, "BTC": 2, "BTC-C": 3}
    assert [chosen(rules, symbol, base) for symbol, base in (("BTC-C", "BTC"), ("BTC-P", "BTC"), ("X", "Y"))] == [
        3,
        2,
        1,
    ]
    assert chosen({"BTC": 2}, "ETH-C", "ETH") is None
