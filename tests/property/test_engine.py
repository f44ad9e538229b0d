"""Promises of the whole step over random worlds: rules, prices, messages and parameter changes drawn at random.

Nothing is made from nothing; the safe-distance filter changes nothing; neither does cutting a run into calls, nor, up
to the first forced fill, switching liquidation off. The integer assessment equals its slow twin.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market.block_space import OwnBlocks, SharedBlocks
from market.breakers import (
    Breakers,
    CapBand,
    FundReduceOnly,
    MoveHalt,
    MoveReduceOnly,
    NoBand,
    NoHalt,
    NoReduceOnly,
    NoThrottle,
    NotionalThrottle,
    RejectBand,
)
from market.instruments import Asset, Instrument, Tier
from market.kernels.records import (
    ADL_ELIGIBLE,
    BUY,
    CANCEL,
    CROWD,
    CROWD_ACCOUNT,
    FORCED_AUCTION,
    IOC,
    LIMIT,
    LIQUIDATABLE,
    MARKET,
    REDUCE_ONLY,
    REST_OF_MARKET,
    SELL,
)
from market.kernels.safe_distance import safe_distance
from market.margin.collateral import CollateralRule, HaircutTier
from market.margin.dynamics import (
    LiquidityHaircuts,
    OpenInterestRates,
    RampedHaircuts,
    VolatilityHaircuts,
    VolatilityRates,
)
from market.margin.ownership import SubAccounts
from market.margin.portfolio import ScenarioMargin
from market.margin.requirement import LinearSize, RequirementRule, RootPremium, RootSize
from market.margin.rules import Margin
from market.simulation import run
from market.venue import (
    AbsorbPrice,
    AuctionFraction,
    AuctionRoom,
    BankruptcyPrice,
    BasisMark,
    CloseAll,
    CloseFactor,
    DutchPrice,
    FillablePrice,
    FirstShare,
    FundingMark,
    HealthPrice,
    IndexMark,
    LastMark,
    Liquidation,
    MarkPrice,
    MedianMark,
    MidMark,
    NoBackstop,
    NoFunding,
    OraclePrice,
    OutsideMark,
    PoolPrice,
    Portion,
    PremiumFunding,
    SkewFunding,
    ToTarget,
    TwapMark,
    VaultBackstop,
    VelocityFunding,
    Venue,
    Waterfall,
    WindowCap,
)
from market.world import Inbox, World
from tests.engine_worlds import CORRELATED, QUOTED, Engine, changed, engine
from tests.reference.margin import State, assess, assess_portfolio, marginal_requirement

CUSTOMERS = 12
TICKS = 24
ASSETS = {
    "USDC": Asset(price_usd=1.0, price_tick_usd=0.001, quantum=1e-6, settlement=True, valuation="one"),
    "USDT": Asset(price_usd=1.0, price_tick_usd=0.0001, quantum=1e-6, settlement=True, haircut=0.03),
    "BTC": Asset(price_usd=10_000.0, price_tick_usd=1.0, haircut=0.1, liability_weight=1.1),
    "XYZ": Asset(price_usd=2.0, price_tick_usd=0.01, quantum=1e-6, haircut=0.4),
}
TIERS = (
    Tier(initial=0.05, maintenance=0.025),
    Tier(floor_usd=20_000.0, initial=0.1, maintenance=0.05),
    Tier(floor_usd=60_000.0, initial=0.3, maintenance=0.2),
)
INSTRUMENTS = {
    "BTC-PERP": Instrument(
        base="BTC", tick_size=5.0, lot_size=0.001, taker_fee_bps=3.3, maker_fee_bps=-0.7, tiers=TIERS
    ),
    "BTC-PERP-T": Instrument(base="BTC", quote="USDT", tick_size=1.0, lot_size=0.001),
    "BTC-USDC": Instrument(kind="spot", base="BTC", tick_size=5.0, lot_size=0.001, taker_fee_bps=7.0),
    "USDT-USDC": Instrument(kind="spot", base="USDT", tick_size=0.001, lot_size=1.0),
}

DATED = {
    "BTC-DATED": Instrument(
        kind="future", base="BTC", tick_size=5.0, lot_size=0.001, tiers=TIERS, expiry_hours=11.0 / 3600.0
    ),
    "BTC-CALL": Instrument(
        kind="option", base="BTC", tick_size=5.0, lot_size=0.001, strike=10_200.0, expiry_hours=14.0 / 3600.0
    ),
    "BTC-PUT": Instrument(
        kind="option", option="put", base="BTC", tick_size=5.0, lot_size=0.001, strike=9_500.0, expiry_hours=240.0
    ),
}
"""What expires during the run, and a put that does not."""

MARGINS = [
    *[Margin()] * 2,
    Margin(
        collateral={
            "USDT": CollateralRule(haircut=0.02, initial_haircut=0.04, deposits_start_usd=5_000.0),
            "BTC": CollateralRule(
                tiers=(HaircutTier(haircut=0.05), HaircutTier(floor=800.0, haircut=0.3, initial_haircut=0.5)),
                liability_weight=1.1,
                initial_liability_weight=1.3,
                borrows_start_usd=100.0,
            ),
            "XYZ": CollateralRule(haircut=0.3, size_factor=0.03),
        },
        requirement={
            "BTC-PERP": RequirementRule(
                tiers=TIERS,
                size=RootPremium(factor=0.02),
                minimum_usd=40.0,
                open_interest_lower_usd=1_000.0,
                open_interest_upper_usd=400_000.0,
                profit_weight=0.5,
                profit_cap_usd=150.0,
            ),
            "default": RequirementRule(size=LinearSize(factor=0.01)),
        },
        rates=VolatilityRates(halflife_seconds=5.0, calm_volatility=5.0, update_seconds=3.0),
        slow_price_seconds=5.0,
        update_seconds=4.0,
        sub_accounts=SubAccounts(transfers="automatic", recourse=0.4),
    ),
    Margin(
        collateral={"BTC": CollateralRule(haircut=0.1, liability_weight=1.1), "XYZ": CollateralRule(haircut=0.4)},
        requirement={"BTC": RequirementRule(size=RootSize(factor=0.05))},
        haircuts=VolatilityHaircuts(halflife_seconds=5.0, horizon_seconds=3_600.0, update_seconds=4.0),
        rates=OpenInterestRates(lower_usd=1_000.0, upper_usd=100_000.0, update_seconds=5.0),
    ),
    Margin(haircuts=LiquidityHaircuts(sizes_usd=(500.0, 5_000.0), update_seconds=3.0)),
    *(CORRELATED, QUOTED),
]
PORTFOLIO_MARGIN = Margin(
    mode="portfolio",
    portfolio=ScenarioMargin(
        price_range=0.12, linear_charge=0.01, offset_between_underlyings=0.5, concentration_usd=10_000.0,
        concentration_rate=0.05,
    ),
    haircuts=RampedHaircuts(to={"XYZ": 1.0}, start_seconds=3.0, duration_seconds=9.0, update_seconds=2.0),
    sub_accounts=SubAccounts(transfers="automatic", recourse=0.4),
)  # fmt: skip

sizes = st.sampled_from(
    [
        CloseAll(),
        CloseFactor(share=0.3),
        CloseFactor(share=0.3, of="account", full_below_health=0.95, full_below_usd=500.0, least_left_usd=200.0),
        ToTarget(buffer=0.3),
        ToTarget(target_profile="target", debts="to_target"),
        Portion(share=0.2, least_usd=300.0, most_usd=2_000.0),
        FirstShare(share=0.2, above_usd=1_000.0, cooldown_seconds=3.0),
        FirstShare(share=0.2, above_usd=1_000.0, cooldown_seconds=3.0, cooldown="full"),
        WindowCap(window_seconds=2.0, scale_usd=1e6),
        ToTarget(buffer=0.1, debts="to_target", ramp_seconds=5.0, first_share=0.1, at_once_below_usd=20.0),
        AuctionRoom(most_usd=3_000.0, least_usd=200.0),
    ]
)
prices = st.sampled_from(
    [
        MarkPrice(),
        MarkPrice(),
        OraclePrice(discount_bps=150.0),
        OraclePrice(discount_bps=0.0, most_discount_bps=600.0, grace_seconds=1.0, growth_bps_per_second=100.0),
        HealthPrice(),
        DutchPrice(start=1.02, span_seconds=1.0, cut=0.98, longest_seconds=6.0),
        DutchPrice(curve="two_speed", start=0.98, cut=0.8, span_seconds=4.0, slow_seconds=9.0),
        FillablePrice(),
        BankruptcyPrice(),
        BankruptcyPrice(surplus="account"),
        AbsorbPrice(factors={"default": 0.8, "BTC": 0.97}, target_usd=5_000.0),
        PoolPrice(reward=1e-7, cost=2e-7, most_impact=0.01),
    ]
)
TWO_SPEED = DutchPrice(curve="two_speed", start=0.98, cut=0.8, span_seconds=4.0, slow_seconds=9.0)
slices = st.builds(
    AuctionFraction,
    whole_below_usd=st.sampled_from([0.0, 300.0]),
    fee_share=st.sampled_from([0.0, 0.1]),
    insolvent_seconds=st.just(5.0),
)
sizes_and_prices = st.one_of(*[st.tuples(sizes, prices)] * 3, st.tuples(slices, st.just(TWO_SPEED)))


def liquidation(size_and_price: tuple[Any, Any], **rest: Any) -> Liquidation:
    sizing, price = size_and_price
    return Liquidation(sizing=sizing, price=price, **rest)


venues = st.builds(
    Venue,
    settlement_seconds=st.sampled_from([0.0, 5.0]),
    margin=st.sampled_from(MARGINS),
    mark=st.sampled_from(
        [
            IndexMark(),
            MidMark(),
            LastMark(),
            BasisMark(halflife_seconds=3.0),
            BasisMark(halflife_seconds=3.0, of="last"),
            MedianMark(halflife_seconds=5.0),
            OutsideMark(halflife_seconds=5.0),
            FundingMark(halflife_seconds=5.0),
            TwapMark(window_seconds=4.0),
        ]
    ),
    funding=st.sampled_from(
        [
            NoFunding(),
            PremiumFunding(interval_seconds=2.0, period_seconds=20.0),
            SkewFunding(interval_seconds=0.5, period_seconds=60.0, rate_at_full_skew=0.2),
            VelocityFunding(interval_seconds=2.0, fastest=1e6, most=100.0),
        ]
    ),
    liquidation=st.builds(
        liquidation,
        sizes_and_prices,
        ordering=st.sampled_from(["pro_rata", "largest_first", "most_liquid_first", "most_relief_first", "drawn"]),
        slippage_limit_bps=st.sampled_from([30.0, 200.0, 3_000.0]),
        fee_bps=st.sampled_from([0.0, 100.0, 700.0]),
        fee_cap=st.sampled_from(["equity", "none", "bankruptcy"]),
        keeper_floor_usd=st.sampled_from([0.0, 2.0]),
        dust_usd=st.sampled_from([0.0, 10.0]),
        round_seconds=st.sampled_from([0.25, 1.0, 1.5]),
        calls_per_round=st.sampled_from([1, 10]),
        conversion_loss_bps=st.sampled_from([0.0, 100.0, 10_000.0]),
    ),
    waterfall=st.builds(
        Waterfall,
        insurance_fund_usd=st.sampled_from([0.0, 300.0, 1e6]),
        backstop=st.sampled_from([NoBackstop(), NoBackstop(), VaultBackstop(below=0.8, capital_usd=2_000.0)]),
        adl=st.sampled_from(["queue", "pro_rata", "none"]),
        adl_severity=st.sampled_from([1.0, 0.37]),
        socialised_cap=st.sampled_from([1.0, 0.05, 0.0]),
    ),
    breakers=st.builds(
        Breakers,
        halt=st.sampled_from([NoHalt(), NoHalt(), MoveHalt(move_bps=300.0, window_seconds=5.0, halt_seconds=3.0)]),
        band=st.sampled_from([NoBand(), RejectBand(width_bps=100.0), CapBand(width_bps=300.0, around="mark")]),
        throttle=st.sampled_from([NoThrottle(), NotionalThrottle(notional_usd=3_000.0, window_seconds=2.0)]),
        reduce_only=st.sampled_from([NoReduceOnly(), MoveReduceOnly(move_bps=300.0), FundReduceOnly()]),
    ),
    block_space=st.sampled_from(
        [OwnBlocks(), OwnBlocks(), SharedBlocks(block_seconds=2.0, capacity_gas=2_000_000, base_fee_usd_per_mgas=0.5)]
    ),
)
seeds = st.integers(0, 1 << 32)
dates = st.booleans()


class RandomFlow:
    """A crowd that makes a book and customers that do anything they like; draws depend on seed and tick only."""

    most_messages = 80

    def __init__(self, seed: int, customers: list[int], *, books: int = 4) -> None:
        self.seed, self.customers, self.books = seed, customers, books

    def decide(self, world: World, inbox: Inbox) -> None:
        """Fifty orders of the crowd around the reference, up to thirty of customers, some cancels."""
        draw = np.random.default_rng([self.seed, world.tick])
        for _ in range(46):
            book = int(draw.integers(self.books))
            side = int(draw.integers(2))
            reference = int(world.instruments[book]["reference"])
            away = int(draw.exponential(0.004 * reference)) + 1
            price = reference - away if side == BUY else reference + away
            lots = int(draw.integers(1, 40)) * (30 if book == 3 else 1)
            inbox.append(op=LIMIT, book=book, side=side, price=max(1, price), lots=lots, account=CROWD_ACCOUNT)
        for _ in range(int(draw.integers(0, 30))):
            book = int(draw.integers(self.books))
            inbox.append(
                op=int(draw.choice([LIMIT, LIMIT, MARKET, IOC])),
                book=book,
                side=int(draw.integers(2)),
                price=max(1, int(world.instruments[book]["reference"] * draw.uniform(0.98, 1.02))),
                lots=int(draw.integers(1, 400)),
                account=int(draw.choice(self.customers)),
                flags=REDUCE_ONLY if draw.random() < 0.1 else 0,
            )
        previous = inbox.previous
        for row in range(0, previous.count, 9):
            if previous.handles[row]:
                inbox.append(op=CANCEL, target=int(previous.handles[row]))


class RateChange:
    """A risk council: now and then it changes a haircut or a maintenance rate, and says so to the filter."""

    most_messages = 0

    def decide(self, world: World, inbox: Inbox) -> None:
        """At ticks 7 and 15."""
        del inbox
        if world.tick == 7:
            world.assets["haircut"][2] = world.assets["initial_haircut"][2] = 300_000
            world.watch.invalidate()
        elif world.tick == 15:
            world.tiers["maintenance"][-1] += 40_000
            world.watch.invalidate()


class AnyBook:
    """Takes over slices of option books for a hundredth of a dollar a lot, when they are not too large."""

    def __init__(self, row: int) -> None:
        self.row = row

    def asks(self, world: World, lots: np.ndarray[Any, Any]) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        """The same for every lot; beyond 2,000 lots nothing."""
        del world
        size = float(np.abs(lots).sum())
        return np.array([self.row]), np.array([0.01 * size if size < 2_000.0 else np.inf])


def random_world(
    seed: int, venue: Venue, *, enabled: bool = True, full_assessment: bool = False, dated: bool = False
) -> Engine:
    """Customers with any mix of balances, debts and leveraged positions, and prices that fall, jump and come back.

    `dated` adds a future and options, on which everybody has positions as well.
    """
    draw = np.random.default_rng(seed)
    steps = np.cumsum(draw.normal(0.0, [0.0, 0.002, 0.01, 0.03], (TICKS + 1, 4)), axis=0)
    steps[draw.integers(3, TICKS), 2] -= draw.exponential(0.08)
    start = np.array([1.0, 1.0, 10_000.0, 2.0])
    made = engine(
        deposits=draw.uniform(0.0, 6_000.0, CUSTOMERS).round(2).tolist(),
        venue=changed(venue, liquidation=changed(venue.liquidation, enabled=enabled)),
        assets=ASSETS,
        instruments=INSTRUMENTS | DATED if dated else INSTRUMENTS,
        prices=lambda tick: (start * np.exp(steps[min(tick, TICKS)])).tolist(),
        seed=seed,
        owners=[number // 2 * 2 for number in range(CUSTOMERS)],
        bid_usd=float(draw.choice([0.0, 1.5])),
        impact_per_quanta=float(draw.choice([0.0, 1e-13])),
    )
    world = made.world
    world.watch.full_assessment = full_assessment
    world.ledger.accounts["flags"][made.keeper] = LIQUIDATABLE | ADL_ELIGIBLE
    world.ledger.accounts["only_instrument"][made.rows[0]] = 0
    world.ledger.accounts["flags"][CROWD_ACCOUNT] |= CROWD
    for asset, amount in ((0, 10**15), (1, 10**15), (2, 10**12)):
        world.ledger.deposit(CROWD_ACCOUNT, asset, amount)
    for account in made.rows:
        for asset, most in ((1, 3e9), (2, 4e7), (3, 1e9)):
            if draw.random() < 0.4:
                world.ledger.deposit(account, asset, int(draw.uniform(0.0, most)))
        if draw.random() < 0.3:
            world.ledger.deposit(account, 0, -int(draw.uniform(0.0, 5e9)))
        for book in (0, 1):
            if draw.random() < 0.6:
                against = REST_OF_MARKET if draw.random() < 0.5 else int(draw.choice(made.rows))
                price = int(world.instruments["reference"][book] * draw.uniform(0.95, 1.05))
                made.open(account, int(draw.normal(0.0, 3_000.0)), price, book=book, against=against)
        for book in range(len(INSTRUMENTS), len(world.instruments)):
            price = max(1, int(world.instruments["mark"][book] * draw.uniform(0.9, 1.1)))
            made.open(account, int(draw.normal(0.0, 2_000.0)), price, book=book, against=int(draw.choice(made.rows)))
    if world.options is not None:
        world.options.bidders.append(AnyBook(REST_OF_MARKET))
    flow = RandomFlow(seed, made.rows, books=5 if dated else 4)
    made.cast = type(made.cast)(oracles=made.cast.oracles, cohorts=(flow, RateChange()), keepers=made.cast.keepers)
    world.size_inboxes(2 * flow.most_messages)
    return made


def same(first: Engine, second: Engine) -> None:
    """Everything that a run leaves behind is equal."""
    one, other = first.world, second.world
    np.testing.assert_array_equal(one.ledger.cash, other.ledger.cash)
    for name in ("lots", "cost", "funding_index", "open_bid", "open_ask"):
        np.testing.assert_array_equal(one.ledger.positions[name], other.ledger.positions[name])
    for name in one.instruments.dtype.names or ():
        np.testing.assert_array_equal(one.instruments[name], other.instruments[name])
    np.testing.assert_array_equal(first.events, second.events)
    np.testing.assert_array_equal(first.losses, second.losses)
    np.testing.assert_array_equal(one.claims[: one.n_claims], other.claims[: other.n_claims])
    np.testing.assert_array_equal(one.breaches[: one.n_breaches], other.breaches[: other.n_breaches])
    np.testing.assert_array_equal(one.impact, other.impact)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(seed=seeds, venue=venues, dated=dates)
def test_nothing_is_made_from_nothing(seed: int, venue: Venue, dated: bool) -> None:
    made = random_world(seed, venue, dated=dated)
    made.check_books()
    for _ in range(TICKS):
        made.run()
        made.check_books()
        assert (made.world.ledger.cash[2] >= 0).all(), "the fund pays what it does not have"
        claims = made.world.claims[: made.world.n_claims]["account"]
        flagged = np.flatnonzero(made.world.ledger.accounts["claim"])
        np.testing.assert_array_equal(np.sort(claims), flagged)
    if dated:
        positions = made.world.ledger.positions
        assert not positions["lots"][:, 4:6].any(), "they have expired"
        assert not positions["open_bid"][:, 4:6].any()
        assert positions["lots"][:, 6].any(), "it has not"


@settings(max_examples=40, deadline=None, derandomize=True)
@given(seed=seeds, venue=venues, dated=dates)
def test_the_filter_changes_nothing(seed: int, venue: Venue, dated: bool) -> None:
    filtered = random_world(seed, venue, dated=dated)
    full = random_world(seed, venue, full_assessment=True, dated=dated)
    for _ in range(TICKS):
        filtered.run()
        full.run()
        assert filtered.world.n_claims == full.world.n_claims
    same(filtered, full)


@settings(max_examples=10, deadline=None, derandomize=True)
@given(seed=seeds, venue=venues, cut=st.integers(1, TICKS - 1), dated=dates)
def test_however_a_run_is_cut(seed: int, venue: Venue, cut: int, dated: bool) -> None:
    whole, parts = random_world(seed, venue, dated=dated), random_world(seed, venue, dated=dated)
    run(whole.world, whole.rules, whole.cast, ticks=TICKS)
    for ticks in (cut, 0, TICKS - cut):
        run(parts.world, parts.rules, parts.cast, ticks=ticks)
    same(whole, parts)


@settings(max_examples=15, deadline=None, derandomize=True)
@given(seed=seeds, venue=venues)
def test_the_twin_without_liquidations_is_the_same_until_the_first_forced_fill(seed: int, venue: Venue) -> None:
    made, twin = random_world(seed, venue), random_world(seed, venue, enabled=False)
    for _ in range(TICKS):
        made.run()
        # A call that fills nothing still cancels the account's orders, and the waterfall may move money without a fill.
        if made.world.n_events or made.world.n_losses or made.world.n_claims:
            break
        twin.run()
        same(made, twin)
    twin.run()
    assert twin.world.n_events == twin.world.n_losses == 0


@settings(max_examples=40, deadline=None, derandomize=True)
@given(seed=seeds, venue=venues, ticks=st.integers(0, 4), dated=dates)
def test_the_assessment_is_that_of_the_slow_twin(seed: int, venue: Venue, ticks: int, dated: bool) -> None:
    made = random_world(seed, venue, dated=dated)
    made.run(ticks)
    world = made.world
    figures = world.ledger.assess(world.instruments, world.assets, world.margin)
    state = State.of(world)
    for account in range(len(figures)):
        expected = assess(state, account)
        assert figures[account].tolist() == [
            expected.margin_equity,
            expected.net_equity,
            expected.maintenance,
            expected.initial,
        ]


@settings(max_examples=30, deadline=None, derandomize=True)
@given(seed=seeds, ticks=st.integers(0, TICKS), dated=dates)
def test_portfolio_margin_is_that_of_the_slow_twin_and_of_full_assessment(seed: int, ticks: int, dated: bool) -> None:
    """Accounts without resting orders or options are compared figure by figure; all end the same without the filter."""
    made = random_world(seed, Venue(margin=PORTFOLIO_MARGIN), dated=dated)
    made.run(ticks)
    world = made.world
    figures = world.ledger.assess(world.instruments, world.assets, world.margin)
    state = State.of(world)
    for account in made.rows:
        options = [place["lots"] for place in state.positions[account][len(INSTRUMENTS) + 1 :]]
        if not any(place["open_bid"] or place["open_ask"] for place in state.positions[account]) and not any(options):
            found = assess_portfolio(state, world.risk, account)
            expected = [found.margin_equity, found.net_equity, found.maintenance, found.initial]
            assert np.abs(figures[account] - expected).max() <= 2
    made.check_books()
    fully = random_world(seed, Venue(margin=PORTFOLIO_MARGIN), full_assessment=True, dated=dated)
    fully.run(ticks)
    same(made, fully)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(seed=seeds, lots=st.integers(1, 50_000))
def test_tier_deductions_are_the_sum_over_tiers(seed: int, lots: int) -> None:
    """Rate x notional less deduction is the marginal sum, to the quantum that rounding leaves."""
    made = random_world(seed % 50, Venue())
    state = State.of(made.world)
    account = made.rows[0]
    state.positions[account][0]["lots"] = lots
    for kind, found in (
        ("maintenance", assess(state, account).maintenance),
        ("initial", assess(state, account).initial),
    ):
        state_other = state.positions[account][1]["lots"]
        if state_other or state.positions[account][0]["open_bid"]:
            continue
        assert 0 <= found - marginal_requirement(state, 0, lots, kind) < 2


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    seed=seeds,
    share=st.floats(0.0, 1.0),
    corner=st.integers(0, 255),
    margin=st.sampled_from([*MARGINS[1:], PORTFOLIO_MARGIN]),
)
def test_no_move_within_the_safe_distance_breaks_an_account(
    seed: int, share: float, corner: int, margin: Margin
) -> None:
    """Every price moves by `share` of the distance, up or down as the bits of `corner` say."""
    reach = 0.06
    made = random_world(seed, Venue(margin=margin))
    made.run(1)
    world = made.world
    arguments = (world.margin, world.ledger.positions, world.ledger.cash)
    for account in made.rows:
        world.revalue()
        distance = min(reach, safe_distance(account, world.instruments, world.assets, *arguments, reach))
        if distance <= 0.0:
            continue
        instruments, assets = world.instruments.copy(), world.assets.copy()
        for book in range(len(instruments)):
            sign = 1 if corner >> book & 1 else -1
            allowed = int(share * distance * int(instruments["mark"][book]))
            instruments["mark"][book] += sign * allowed
        for asset in range(len(assets)):
            if not assets["fixed"][asset]:
                sign = 1 if corner >> (4 + asset) & 1 else -1
                assets["price"][asset] += sign * int(share * distance * int(assets["price"][asset]))
        if world.risk is not None:
            world.risk.refresh(instruments, assets)
        equity, _, maintenance, _ = world.ledger.assess(instruments, assets, world.margin)[account]
        assert equity >= maintenance


def test_random_worlds_are_not_dull() -> None:
    """The worlds above do liquidate, sell collateral, deleverage, draw on the fund and leave bad debt uncovered."""
    seen: dict[str, int] = {"events": 0, "collateral": 0, "adl": 0, "fund": 0, "socialised": 0, "uncovered": 0}
    rules: list[dict[str, Any]] = [
        {"waterfall": Waterfall(insurance_fund_usd=0.0)},
        {"waterfall": Waterfall(insurance_fund_usd=1e6)},
        {"waterfall": Waterfall(insurance_fund_usd=300.0, socialised_cap=0.0)},
    ]
    for seed in range(9):
        made = random_world(seed, Venue(**rules[seed % 3]))
        made.run(TICKS)
        seen["events"] += len(made.events)
        seen["collateral"] += int((made.events["kind"] == 1).sum())
        seen["adl"] += int((made.events["kind"] == 2).sum())
        for part in ("fund", "socialised", "uncovered"):
            seen[part] += int((made.losses[part] > 0).sum())
    made = random_world(2, Venue(waterfall=Waterfall(insurance_fund_usd=1e6)), dated=True)
    made.run(TICKS)
    seen["auctions"] = int((made.events["kind"] == FORCED_AUCTION).sum())
    assert made.world.expiries is not None
    seen["settlements"] = int(sum(found.lots for found in made.world.expiries.settlements))
    assert all(count > 0 for count in seen.values()), seen
    assert (SELL, BUY) == (1, 0)


def test_a_negative_price_step_cannot_hide_in_the_path() -> None:
    """The scripted path is positive: worlds start near their stated prices."""
    made = random_world(3, Venue())
    assert made.world.assets["price"].min() > 0
    with pytest.raises(IndexError):
        made.world.breaches[10**9]
