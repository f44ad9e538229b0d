"""Which price balances and debts count at: bid and ask, the oracle's confidence, and under which profiles."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.oracle import OracleFeed, Oracles, OracleSource, Votes
from experiments import config
from experiments.margin.account import Account
from experiments.margin.command import Answer, print_answer
from experiments.margin.explain import explain
from experiments.scenario import Scenario
from experiments.venues.presets import VenueFile
from market.errors import InputError
from market.kernels.records import OPTION, PPM, SPOT
from market.kernels.safe_distance import safe_distance
from market.margin.collateral import CollateralRule, HaircutTier
from market.margin.rules import Margin
from market.margin.valuation import BidAskPrices, ConfidencePrices, Quote
from market.simulation import Cast
from market.venue import Venue
from market.world import World
from tests.engine_worlds import USD, Engine, engine, falls_to, plain_venue
from tests.property.test_engine import TICKS, random_world, same

BTC = 1


def made_with(margin: Margin, *, deposits: tuple[float, ...] = (0.0, 20_000.0), **options: Any) -> Engine:
    """One customer owns a bitcoin, worth 10,000; the other owes one and has 20,000 USDC."""
    made = engine(deposits=deposits, venue=plain_venue(margin=margin), **options)
    made.world.ledger.deposit(made.rows[0], BTC, 10**8)
    made.world.ledger.deposit(made.rows[1], BTC, -(10**8))
    return made


def counted(made: Engine) -> list[tuple[float, float]]:
    """(margin equity, what is left under initial margin) of both, USD."""
    figures = [made.assess(row) for row in made.rows]
    return [(equity / USD, (equity - initial) / USD) for equity, _, _, initial in figures]


@pytest.mark.parametrize("profiles", ["initial", "all"])
def test_balances_count_at_the_best_bid_and_debts_at_the_best_ask(profiles: Any) -> None:
    made = made_with(Margin(prices=BidAskPrices(profiles=profiles)))
    made.bids((9_900, 1), book=1)
    made.asks((10_250, 1), book=1)
    made.run(1)
    held, owed = counted(made)
    everywhere = profiles == "all"
    assert held == pytest.approx((9_900 if everywhere else 10_000, 9_900), abs=0.02)
    assert owed == pytest.approx((9_750 if everywhere else 10_000, 9_750), abs=0.02)
    assert [made.assess(row)[1] for row in made.rows] == [10_000 * USD] * 2, "what they are worth stays"


def test_a_book_beyond_the_price_makes_nobody_richer_and_the_least_distance_holds() -> None:
    """The price falls to 9,000 while the bid stays at 9,900; 1 % and 2 % count at least."""
    quotes = {"BTC": Quote(bid_bps=100.0, ask_bps=200.0)}
    made = made_with(Margin(prices=BidAskPrices(quotes=quotes)), prices=falls_to(9_000.0, at=1))
    made.bids((9_900, 1), book=1)
    made.asks((10_250, 1), book=1)
    made.run(1)
    assert counted(made)[0][1] == pytest.approx(9_900, abs=0.02)
    made.run(1)
    assert counted(made)[0] == pytest.approx((9_000, 8_910), abs=0.02)
    assert counted(made)[1] == pytest.approx((11_000, 9_750), abs=0.02)


def test_an_empty_side_leaves_the_last_bid_and_without_a_book_the_distance_is_all_there_is() -> None:
    made = made_with(Margin(prices=BidAskPrices(profiles="all")))
    made.bids((9_900, 1), book=1)
    made.run(1)
    made.world.instruments["best_bid"][1] = 0
    made.run(1)
    assert counted(made) == [pytest.approx((9_900, 9_900), abs=0.02), pytest.approx((10_000, 10_000), abs=0.02)]
    apart = made_with(Margin(prices=BidAskPrices(quotes={"default": Quote(book="none", bid_bps=50.0, ask_bps=50.0)})))
    apart.bids((9_000, 1), book=1)
    apart.run(1)
    assert [left for _, left in counted(apart)] == pytest.approx([9_950, 9_950], abs=0.02)


def test_haircuts_by_size_bite_on_what_is_left_at_the_bid() -> None:
    """10 % on the first half bitcoin, 40 % on the second, at 9,900."""
    tiers = (HaircutTier(haircut=0.1), HaircutTier(floor=0.5, haircut=0.4))
    rule = CollateralRule(tiers=tiers, tier_unit="asset", liability_weight=1.2)
    made = made_with(Margin(prices=BidAskPrices(profiles="all"), collateral={"BTC": rule}))
    made.bids((9_900, 1), book=1)
    made.asks((10_250, 1), book=1)
    made.run(1)
    held, owed = counted(made)
    assert held == pytest.approx((9_900 * 0.75,) * 2, abs=0.02)
    assert owed == pytest.approx((20_000 - 10_250 * 1.2,) * 2, abs=0.02)


def hears(made: Engine, *bps: float) -> None:
    """Let the venue's prices come from sources that all know the price, and are so sure of it."""
    sources = tuple(OracleSource(latency_seconds=0.0, noise_bps=0.0, confidence_bps=wide) for wide in bps)
    feed = OracleFeed(sources=sources, aggregation=Votes(), heartbeat_seconds=1.0, latency_seconds=1.0)
    oracle = Oracles(feed=feed).join(made.world, assets={}, instruments={})
    made.cast = Cast(oracles=(oracle,), cohorts=made.cast.cohorts, keepers=made.cast.keepers)


def test_confidence_comes_from_the_sources_with_the_price() -> None:
    """Three sources, 1 % each: of nine votes the quartiles are the ends; times 2 off the price, but not before it."""
    made = made_with(Margin(prices=ConfidencePrices(times=2.0)))
    hears(made, 100.0, 100.0, 100.0)
    made.run(1)
    assert counted(made)[0] == (10_000, 10_000)
    made.run(2)
    assert made.world.assets["confidence"][BTC] == 10_000
    assert counted(made) == [(10_000, 9_800), (10_000, 9_800)]


def test_a_narrow_confidence_counts_as_none() -> None:
    for narrow, left in ((90.0, 10_000), (110.0, 9_890)):
        made = made_with(Margin(prices=ConfidencePrices(wider_than=0.01, profiles="all")))
        hears(made, narrow, narrow, narrow)
        made.run(3)
        assert counted(made)[0] == pytest.approx((left, left), abs=0.02)


def test_sources_that_disagree_widen_it() -> None:
    """Nothing is published at tick 0."""
    made = made_with(Margin(prices=ConfidencePrices()))
    wide = []
    for noise in (0.0, 200.0):
        sources = tuple(OracleSource(noise_bps=noise, confidence_bps=1.0) for _ in range(5))
        feed = OracleFeed(sources=sources, heartbeat_seconds=1.0, latency_seconds=0.0)
        oracle = Oracles(feed=feed).join(made.world, assets={}, instruments={})
        seen = []
        for _ in range(20):
            oracle.publish(made.world)
            made.world.tick += 1
            seen.append(int(made.world.assets["confidence"][BTC]))
        wide.append(np.mean(seen[1:]))
    assert wide[0] == 100
    assert wide[1] > 5_000


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('kind = "bid"', "venue.margin.prices"),
        ('kind = "confidence"\ntimes = 0.0', "venue.margin.prices.times"),
        ('kind = "confidence"\nprofiles = "maintenance"', "venue.margin.prices.profiles"),
        ('kind = "bid_ask"\nquotes.BTC = { bid_bps = -1.0 }', "venue.margin.prices.quotes.BTC.bid_bps"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(text: str, line: str) -> None:
    with pytest.raises(InputError, match=line) as refused:
        config.load(VenueFile, f"[venue.margin.prices]\n{text}\n")
    assert len(str(refused.value).splitlines()) == 1


def test_a_book_of_another_asset_is_refused() -> None:
    with pytest.raises(InputError, match=r"quotes\.BTC\.book: no spot instrument 'BTC-PERP' of BTC; expected BTC-USDC"):
        made_with(Margin(prices=BidAskPrices(quotes={"BTC": Quote(book="BTC-PERP")})))


# ---- the filter


class Wandering:
    """The venue's own oracle, whose confidence wanders up and down, at times far."""

    def __init__(self, oracle: Any, seed: int) -> None:
        self.oracle, self.seed = oracle, seed

    def publish(self, world: World) -> None:
        """After the prices."""
        self.oracle.publish(world)
        draw = np.random.default_rng([self.seed, world.tick])
        if draw.random() < 0.7:
            world.assets["confidence"] = np.rint(draw.exponential(8_000.0, len(world.assets))).astype(np.int64)


BANDED = Margin(
    collateral={
        "BTC": CollateralRule(tiers=(HaircutTier(haircut=0.05), HaircutTier(floor=800.0, haircut=0.3))),
        "USDT": CollateralRule(haircut=0.02, liability_weight=1.1),
        "XYZ": CollateralRule(haircut=0.3, size_factor=0.03),
    },
    prices=ConfidencePrices(profiles="all", times=1.5),
    slow_price_seconds=5.0,
)


def wandering(seed: int, *, dated: bool, margin: Margin = BANDED, **options: Any) -> Engine:
    made = random_world(seed, Venue(margin=margin), dated=dated, **options)
    oracle = Wandering(made.cast.oracles[0], seed)
    made.cast = Cast(oracles=(oracle,), cohorts=made.cast.cohorts, keepers=made.cast.keepers)
    return made


@settings(max_examples=25, deadline=None, derandomize=True)
@given(st.integers(0, 1 << 32), st.booleans(), st.sampled_from(["cross", "portfolio"]))
def test_the_filter_misses_nobody_whose_prices_widen(seed: int, dated: bool, mode: Any) -> None:
    margin = replace(BANDED, mode=mode)
    filtered = wandering(seed, dated=dated, margin=margin)
    full = wandering(seed, dated=dated, margin=margin, full_assessment=True)
    for _ in range(TICKS):
        filtered.run()
        full.run()
        assert filtered.world.n_claims == full.world.n_claims
    same(filtered, full)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.integers(0, 1 << 32), st.booleans(), st.integers(1, 6), st.data())
def test_nobody_breaks_within_the_safe_distance(seed: int, dated: bool, ticks: int, data: st.DataObject) -> None:
    """Marks, prices, and what balances and debts count at, each moved anywhere inside the distance of an account."""
    made = wandering(seed, dated=dated)
    made.run(ticks)
    world = made.world
    records = (world.margin, world.ledger.positions, world.ledger.cash)
    draw = np.random.default_rng(data.draw(st.integers(0, 1 << 32)))
    for account in made.rows:
        distance = min(0.06, safe_distance(account, world.instruments, world.assets, *records, 0.06))
        if distance <= 0.0:
            continue
        instruments, assets = world.instruments.copy(), world.assets.copy()
        for book in np.flatnonzero((instruments["kind"] != SPOT) & (instruments["kind"] != OPTION)):
            mark = int(instruments["mark"][book])
            instruments["mark"][book] = mark + int(distance * mark) * int(draw.choice([-1, 0, 1]))
        for asset in np.flatnonzero(assets["fixed"] == 0):
            _move_inside(assets[asset], distance, draw)
        if dated:
            world.value_at(instruments, assets)
        found = world.ledger.assess(instruments, assets, world.margin)[account]
        world.revalue()
        held = world.ledger.positions[account]["lots"][world.instruments["kind"] == OPTION]
        if not held.any():
            assert found[0] >= found[2]


def _move_inside(asset: Any, distance: float, draw: np.random.Generator) -> None:
    """Price, low and high price each by up to the distance, low <= price <= high."""
    price, below, above = int(asset["price"]), int(asset["below"]), int(asset["above"])
    low, high = price * (PPM - below) / PPM, price * (PPM + above) / PPM
    step = distance * draw.choice([-1.0, 0.0, 1.0], 3)
    moved = max(1, price + int(step[0] * price))
    low, high = min(low * (1.0 + step[1]), moved), max(high * (1.0 + step[2]), moved)
    asset["price"] = moved
    asset["below"] = max(0, int((1.0 - low / moved) * PPM))
    asset["above"] = max(0, int((high / moved - 1.0) * PPM))


# ---- the explanation


def test_the_explanation_says_what_the_price_takes_off(capsys: pytest.CaptureFixture[str]) -> None:
    scenario = Scenario.load("flash-crash")
    prices = dict.fromkeys(scenario.assets, 1.0) | {"BTC": 60_000.0, "ETH": 3_000.0}
    cases: list[tuple[Any, dict[str, dict[str, float]], float, float]] = [
        (BidAskPrices(profiles="all"), {"bids": {"BTC": 59_700.0}, "asks": {"ETH": 3_030.0}}, 59_700.0, 3_030.0),
        (ConfidencePrices(times=2.0), {"confidence": {"BTC": 300.0, "ETH": 15.0}}, 59_400.0, 3_030.0),
    ]
    for rule, beside, low, high in cases:
        margin = Margin(collateral={"default": CollateralRule(haircut=0.3)}, prices=rule)
        within = replace(scenario, venue=replace(scenario.venue, margin=margin))
        account = Account(
            balances={"USDC": -1_000_000, "BTC": 10**8, "ETH": -(10**9)}, lots={}, entries={}, prices={}, notes=(),
            beside=beside,
        )  # fmt: skip
        found, _ = explain(account, within, prices)
        (pot,) = found.pots["cross"]
        for profile, sums in pot.totals.items():
            lines = {line.asset: line for line in pot.balances[profile]}
            assert sum(line.counted for line in lines.values()) == sums.equity
            applies = profile == "initial" or rule.profiles == "all"
            assert lines["BTC"].price_counted_usd == pytest.approx(low if applies else 60_000.0, rel=2e-6)
            assert lines["ETH"].price_counted_usd == pytest.approx(high if applies else 3_000.0, rel=2e-6)
            assert lines["BTC"].counted == pytest.approx(0.7 * lines["BTC"].worth, abs=1)
            assert lines["USDC"].worth == lines["USDC"].considered
        print_answer(Answer(account=account, scenario=within, found=found, calls={}, portfolio_stated=False))
        printed = capsys.readouterr().out
        assert "price takes off" in printed
        assert f"{low:,.0f}"[:5] in printed
