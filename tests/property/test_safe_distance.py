"""The safe-distance filter misses nobody: random books of options and perpetuals, some a hair above maintenance.

Prices of all sizes of move, jumps, surfaces that jump, time that runs out, settlement averages, funding, a quote asset
that moves, trades. After every tick the open claims are exactly the accounts whose excess is negative.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from market.instruments import Asset, Instrument
from market.kernels.displacement import largest_displacement
from market.kernels.option_expiries import expiry_relief
from market.kernels.records import CHOSEN_CROSS, MAINTENANCE, OPTION, SPOT
from market.kernels.safe_distance import safe_distance
from market.kernels.trading import touch
from market.kernels.watch import REACH, RINGS
from market.liquidation import open_claims
from market.margin.collateral import CollateralRule
from market.margin.option_expiries import LargestLoss
from market.margin.portfolio import (
    BasisContingency,
    ScenarioMargin,
    SignDiscount,
    SimulatedMoves,
    SmileShock,
    Tail,
)
from market.margin.rules import Margin
from market.venue import NoFunding, SkewFunding
from market.world import Inbox, World
from tests.engine_worlds import USD, Engine, changed, engine, plain_venue
from tests.reference.margin import State, assess

CUSTOMERS, TICKS = 16, 20
ASSETS = {
    "USDC": Asset(price_usd=1.0, price_tick_usd=0.001, quantum=1e-6, settlement=True, valuation="one"),
    "USDT": Asset(price_usd=1.0, price_tick_usd=0.0001, quantum=1e-6, settlement=True, haircut=0.03),
    "BTC": Asset(price_usd=10_000.0, price_tick_usd=1.0, haircut=0.1, liability_weight=1.1),
    "ETH": Asset(price_usd=500.0, price_tick_usd=0.01, haircut=0.1),
}
START = np.array([asset.price_usd for asset in ASSETS.values()])
BTC = Instrument(base="BTC", tick_size=1.0, lot_size=0.001)
ETH = changed(BTC, base="ETH", tick_size=0.1)


def option(of: Instrument, strike: float, hours: float, **terms: Any) -> Instrument:
    """On `of`; a call unless terms say otherwise."""
    listed: Instrument = changed(of, kind="option", strike=strike, expiry_hours=hours, **terms)
    return listed


INSTRUMENTS = {
    "BTC-PERP": BTC,
    "BTC-PERP-T": changed(BTC, quote="USDT"),
    "ETH-PERP": ETH,
    "BTC-USDC": changed(BTC, kind="spot"),
    "BTC-DATED": changed(BTC, kind="future", expiry_hours=9.0 / 3600.0),
    "CALL": option(BTC, 10_020.0, 14.0 / 3600.0),
    "PUT": option(BTC, 9_950.0, 2.0, option="put", tick_size=0.1),
    "FAR": option(BTC, 14_000.0, 500.0, option="put", tick_size=0.1),
    "CALL-T": option(BTC, 10_200.0, 60.0, quote="USDT"),
    "ETH-PUT": option(ETH, 480.0, 24.0, option="put"),
}
SPREADS = {
    "BTC-PERP": BTC,
    "BTC-PERP-T": changed(BTC, quote="USDT"),
    "BTC-USDC": changed(BTC, kind="spot"),
    **{
        f"{kind}-{strike:g}-{hours:g}-{quote}": option(BTC, strike, hours, option=kind, quote=quote, tick_size=0.5)
        for kind in ("call", "put")
        for strike in (9_900.0, 10_100.0)
        for hours, quote in ((2.0, "USDC"), (48.0, "USDT"))
    },
    "soon": option(BTC, 10_000.0, 8.0 / 3600.0),
}
RULES = [
    ScenarioMargin(),
    ScenarioMargin(price_range=0.05, price_steps=2, offset_between_underlyings=0.5, maintenance_factor=1.2),
    ScenarioMargin(
        smile=SmileShock(),
        basis=BasisContingency(),
        tails=(Tail(price_factor=0.4, weight=0.1),),
        long_discount=SignDiscount(static=0.95, rate_add=0.3),
        short_discount=SignDiscount(static=1.05, rate_add=0.2),
        concentration_usd=5_000.0,
        concentration_rate=0.02,
        offset_between_underlyings=1.0,
    ),
    ScenarioMargin(simulated=SimulatedMoves(samples=100), spot_offset=False),
    ScenarioMargin(simulated=SimulatedMoves(samples=100, measure="value_at_risk")),
    ScenarioMargin(  # the smile alone decides
        price_range=0.001,
        price_steps=1,
        volatilities=("none",),
        smile=SmileShock(turn=0.9, bend=0.9),
        maintenance_factor=5.0,
    ),
]


class Weather:
    """Now and then surfaces jump, and two customers trade with each other at the mark."""

    most_messages = 0

    def __init__(self, seed: int, rows: list[int]) -> None:
        self.draw, self.rows = np.random.default_rng(seed), rows

    def decide(self, world: World, inbox: Inbox) -> None:
        """Changes count from the next look on."""
        del inbox
        draw = self.draw
        assert world.options is not None
        if draw.random() < 0.15:
            surfaces = world.options.surfaces
            surfaces["level"] += draw.normal(0.0, draw.choice([0.01, 0.3]), len(surfaces))
            surfaces["gap"] += draw.normal(0.0, 0.01, len(surfaces))
        if draw.random() < 0.3:
            book = int(draw.choice(np.flatnonzero(world.instruments["halted"] == 0)))
            one, other = draw.choice(self.rows, 2, replace=False).tolist()
            if world.instruments["kind"][book] != SPOT:
                self.trade(world, book, one, other, int(draw.integers(1, 60)))

    def trade(self, world: World, book: int, one: int, other: int, lots: int) -> None:
        """At the mark."""
        mark = int(world.instruments["mark"][book])
        world.ledger.open_position(one, book, lots, mark, world.instruments, against=other)
        for row in (one, other):
            touch(row, world.watch.touched, world.watch.touched_mark, world.books.counters)


def books_of_options(
    seed: int,
    *,
    size: float,
    rule: ScenarioMargin,
    weather: bool = True,
    spreads: bool = False,
) -> Engine:
    """Customers with random positions, mostly under portfolio margin, whose excess is a small part of their value.

    `spreads`: under standard margin, and about as much short as long.
    """
    draw = np.random.default_rng(seed)
    scale = size * np.array([0.0, 0.05, 1.0, 1.0])
    steps = np.cumsum(draw.normal(draw.normal(0.0, scale), scale, (TICKS + 1, 4)), axis=0)
    if weather:
        steps[draw.integers(3, TICKS) :, 2:] += draw.normal(0.0, 0.04)
    margin = Margin(
        mode="portfolio",
        portfolio=rule,
        collateral={"USDT": CollateralRule(haircut=0.03, liability_weight=1.05)},
        expiries={"BTC": LargestLoss()},
    )
    funding = SkewFunding(interval_seconds=2.0, period_seconds=60.0, rate_at_full_skew=0.1) if seed % 2 else NoFunding()
    plain = plain_venue(margin=margin)
    still = changed(plain.liquidation, enabled=False)
    venue = changed(plain, funding=funding, settlement_seconds=5.0, liquidation=still)
    made = engine(
        deposits=[0.0] * CUSTOMERS,
        venue=venue,
        assets=ASSETS,
        instruments=SPREADS if spreads else INSTRUMENTS,
        prices=lambda tick: (START * np.exp(steps[min(tick, TICKS)])).tolist(),
    )
    world, ledger = made.world, made.world.ledger
    ledger.accounts["mode"][made.rows[:: 1 if spreads else 5]] = CHOSEN_CROSS
    kinds = world.instruments["kind"]
    tradable = np.flatnonzero(kinds != SPOT)
    for account in made.rows:
        count = int(draw.choice([2, 4, len(tradable)] if spreads else [1, 1, 2, 5]))
        pairs = draw.normal(0.0, 300.0) * (-1.0) ** np.arange(count) if spreads else np.zeros(count)
        for pair, book in zip(pairs, draw.choice(tradable, count, replace=False).tolist(), strict=True):
            lots = int(pair + draw.normal(0.0, 5.0 if spreads else 300.0))
            made.open(account, lots, int(world.instruments["mark"][book]), book=book)
        if draw.random() < 0.3:
            ledger.deposit(account, 2, int(draw.uniform(0.0, 0.5) / ASSETS["BTC"].quantum))
        if draw.random() < 0.3:
            ledger.deposit(account, 1, int(draw.normal(0.0, 500.0) * USD))
        _to_the_edge(made, account, draw)
    if weather:
        made.cast = changed(made.cast, cohorts=(Weather(seed + 1, made.rows),))
    return made


def _to_the_edge(made: Engine, account: int, draw: np.random.Generator) -> None:
    """Bring the account just outside one of the filter's rings: where a bound that is too small would show."""
    world = made.world
    common = (world.instruments, world.assets, world.margin, world.ledger.positions, world.ledger.cash)

    def top_up(excess: int) -> None:
        for _ in range(4):  # debts may weigh more than one for one
            equity, _, needed, _ = made.assess(account)
            world.ledger.deposit(account, 0, excess - (equity - needed))

    top_up(10**12)
    exposure = 10**12 / min(safe_distance(account, *common, 0.06), 1e6)
    top_up(200 + int(exposure * draw.choice(REACH) * (1.0 + draw.exponential(0.1))))


def broken(made: Engine) -> tuple[set[int], set[int]]:
    """(accounts with open claims, customers whose excess is negative)."""
    world = made.world
    figures = world.ledger.assess(world.instruments, world.assets, world.margin)
    short = {row for row in made.rows if figures[row, 0] < figures[row, 2]}
    return set(world.claims["account"][: world.n_claims].tolist()), short


@example(seed=125, size=1e-4, rule=0)
@settings(max_examples=100, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 1 << 32),
    size=st.sampled_from([1e-4, 1e-3, 3e-3, 1e-2]),
    rule=st.integers(0, len(RULES) - 1),
)
def test_every_account_below_maintenance_is_found_in_every_tick(seed: int, size: float, rule: int) -> None:
    made = books_of_options(seed, size=size, rule=RULES[rule])
    for _ in range(TICKS):
        made.run()
        claimed, short = broken(made)
        assert claimed == short


@pytest.mark.parametrize("size", [1e-4, 1e-3, 3e-3, 1e-2])
def test_options_of_one_expiry_stand_together_and_nobody_is_missed(size: float) -> None:
    """Under standard margin alone, spreads and naked calls in two currencies; and the figures are the slow twin's."""
    relieved = 0
    for seed in range(8):
        made = books_of_options(seed, size=size, rule=RULES[0], spreads=True)
        for _ in range(TICKS):
            made.run()
            claimed, short = broken(made)
            assert claimed == short
        world = made.world
        found, state = world.ledger.assess(world.instruments, world.assets, world.margin), State.of(world)
        common = (world.instruments, world.assets, world.ledger.positions)
        for row in made.rows:
            slow = assess(state, row)
            figures = [slow.margin_equity, slow.net_equity, slow.maintenance, slow.initial]
            assert found[row].tolist() == pytest.approx(figures, abs=2, rel=0)
            relieved += expiry_relief(row, MAINTENANCE, 0, 0, *common) > 0
    assert relieved > 8 * CUSTOMERS / 5


@pytest.mark.parametrize("size", [1e-4, 1e-3, 3e-3, 1e-2])
def test_accounts_do_break_on_the_way(size: float) -> None:
    """The worlds above are not idle: accounts that were well break, whatever the size of the moves."""
    seen = set()
    for seed in range(6):
        made = books_of_options(seed, size=size, rule=RULES[seed % len(RULES)])
        made.run(TICKS)
        seen |= {(seed, int(row["account"])) for row in made.world.breaches[: made.world.n_breaches] if row["tick"] > 1}
    assert len(seen) > 5


@pytest.mark.parametrize("rule", RULES)
def test_nobody_is_looked_at_while_little_moves(rule: ScenarioMargin) -> None:
    """A tenth of what they need to spare, and moves of a hundredth of a percent: the inmost ring is empty."""
    made = books_of_options(3, size=1e-4, rule=rule, weather=False)
    for account in made.rows:
        made.world.ledger.deposit(account, 0, made.assess(account)[2] // 5 + 1_000 * USD)
    made.run(6)
    assert made.world.watch.counts[RINGS] == 0
    assert made.world.watch.counts[0] > 0


def excess(world: World, rows: list[int]) -> NDArray[np.int64]:
    """Margin equity less maintenance, USD quanta."""
    figures = world.ledger.assess(world.instruments, world.assets, world.margin)[rows]
    return np.asarray(figures[:, 0] - figures[:, 2])


def single_positions(rule: ScenarioMargin) -> tuple[Engine, NDArray[np.int64]]:
    """A world in which every account is long or short one instrument, and which instrument that is."""
    books = [book for book, kind in enumerate(INSTRUMENTS.values()) if kind.kind != "spot"]
    margin = Margin(
        mode="portfolio", portfolio=rule, collateral={"USDT": CollateralRule(haircut=0.03, liability_weight=1.05)}
    )
    made = engine(
        deposits=[1e6] * (2 * len(books)), venue=plain_venue(margin=margin), assets=ASSETS, instruments=INSTRUMENTS
    )
    for number, account in enumerate(made.rows):
        book = books[number // 2]
        made.open(account, 1_000 * (-1) ** number, int(made.world.instruments["mark"][book]), book=book)
    open_claims(made.world, round_=0, clock=0)
    return made, np.repeat(books, 2)


def pass_on(world: World, draw: np.random.Generator, size: float) -> None:
    """Some of: prices, the quote asset, funding, surfaces and time move."""
    assert world.options is not None
    moving = draw.random(5) < 0.6
    step = size * draw.normal(0.0, moving[:2] * np.array([1.0, 0.2]), (3, 2))
    for base in (2, 3):
        of = (world.instruments["base"] == base) & (world.instruments["kind"] != OPTION)
        world.instruments["mark"][of] = np.rint(world.instruments["mark"][of] * (1.0 + step[base - 2, 0]))
    world.assets["price"][1] = round(int(world.assets["price"][1]) * (1.0 + step[2, 1]))
    if moving[2]:
        world.instruments["funding_index"][:3] += draw.integers(-1_000_000, 1_000_001, 3)
    if moving[3]:
        world.options.surfaces["level"] += draw.normal(0.0, size, len(world.options.surfaces))
    if moving[4]:
        world.tick += int(draw.integers(0, 7_000))
    world.options.update(world)
    world.revalue()


def measured(made: Engine, book_of: NDArray[np.int64], before: NDArray[np.int64]) -> tuple[float, float]:
    """(largest change of an account's excess in units of its exposure, displacement), since everybody was measured."""
    world = made.world
    assert world.risk is not None
    change = np.abs(excess(world, made.rows) - before) - 16  # roundings
    tables = (world.watch.kept, world.watch.base[0], world.instruments, world.assets, world.margin)
    relative = change / (1_000 * world.risk.books["exposure"][book_of])
    return float(relative.max()), float(largest_displacement(0, *tables))


@settings(max_examples=100, deadline=None, derandomize=True)
@given(seed=st.integers(0, 1 << 32), size=st.sampled_from([1e-4, 1e-2, 0.1]), rule=st.integers(0, len(RULES) - 1))
def test_displacement_bounds_what_single_positions_gain_and_lose(seed: int, size: float, rule: int) -> None:
    made, book_of = single_positions(RULES[rule])
    before = excess(made.world, made.rows)
    pass_on(made.world, np.random.default_rng(seed), size)
    found, displacement = measured(made, book_of, before)
    assert found <= displacement


@pytest.mark.parametrize("rule", RULES[:-1])
@pytest.mark.parametrize("move", [-0.01, 0.01])
def test_displacement_is_of_the_size_of_what_happens(rule: ScenarioMargin, move: float) -> None:
    made, book_of = single_positions(rule)
    world = made.world
    before = excess(world, made.rows)
    of = world.instruments["kind"] != OPTION
    world.instruments["mark"][of] = np.rint(world.instruments["mark"][of] * (1.0 + move))
    world.revalue()
    found, displacement = measured(made, book_of, before)
    assert 0.5 * displacement < found <= displacement < 0.02
