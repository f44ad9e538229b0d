"""Published results about making a market: Avellaneda and Stoikov's quotes and their simulated table."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agents.market_maker import MarketMaker, MarketMakers, quotes
from experiments.validation.case import Case, Check, Facts, near, within
from experiments.validation.laboratory import USDC, Engine, add, engine
from market.instruments import Asset, Instrument, Tier
from market.kernels.records import BUY, MARKET, SELL
from market.streams import Streams
from market.world import Inbox, World


def spreads(facts: Facts) -> list[Check]:
    """Without time left the spread is 2/g ln(1 + g/k); inventory and time left enter as the paper says."""
    decay = facts["inputs"]["k"]
    limits, reservations, widths, predicted, wide = [], [], [], [], []
    for risk_aversion, limit in zip(facts["inputs"]["gamma"], facts["expected"]["2/g ln(1+g/k)"], strict=True):
        common = {"price": 100.0, "risk_aversion": risk_aversion, "horizon": 1.0, "decay": decay}
        _, half = quotes(inventory=0.0, volatility=0.0, **common)
        limits.append(2 * half)
        reservation, half = quotes(inventory=3.0, volatility=2.0, **common)
        reservations.append(reservation)
        widths.append(2 * half)
        predicted.append(100.0 - 3.0 * risk_aversion * 4.0)
        wide.append(risk_aversion * 4.0 + limit)
    tolerance = facts["tolerance"]
    return [
        near("spread without time left", limits, facts["expected"]["2/g ln(1+g/k)"], tolerance=tolerance),
        near("reservation price at q = 3, sigma = 2", reservations, predicted, tolerance=tolerance),
        near("spread with time left 1", widths, wide, tolerance=tolerance),
    ]


# --- the simulated table ------------------------------------------------------------------------------------------

LEVEL, TICK, LOT = 1_000.0, 0.01, 0.001
"""The law is the same at any price; the maker quotes in basis points, and at 1,000 these change little on the way."""
BOOKS = 50
PATHS = 20_000
UNIT = 1.0
"""Base units a fill trades, and the side of a ladder that the maker counts its inventory in."""
CAPITAL_USD = 1e7


class Paths:
    """Reference prices of the books, in USD, moved by the experiment."""

    def __init__(self) -> None:
        self.prices = np.full(1 + BOOKS, LEVEL)
        self.prices[0] = 1.0

    def row(self, tick: int) -> NDArray[np.float64]:
        """float64[n_assets]."""
        del tick
        return self.prices


class PaperFills:
    """The paper's takers: an order of one unit hits a quote at distance d with probability A exp(-k d) dt a step.

    They come every other tick: in the ticks between the reference moves and the maker puts up its quotes.
    """

    most_messages = 2 * BOOKS

    def __init__(self, account: int, *, rate: float, decay: float, step: float) -> None:
        self.account, self.rate, self.decay, self.step = account, rate, decay, step
        self.generator = Streams(1).generator("validation.fills")

    def decide(self, world: World, inbox: Inbox) -> None:
        """Append this step's market orders."""
        draws = self.generator.random((2, len(world.instruments)))
        if world.tick % 2 == 0:
            return
        reference = world.reference.row(world.tick)[1:]
        for side, best, sign in ((SELL, "best_bid", 1.0), (BUY, "best_ask", -1.0)):
            distance = sign * (reference - world.instruments[best] * TICK)
            for book in np.flatnonzero(draws[side] < self.rate * np.exp(-self.decay * distance) * self.step).tolist():
                inbox.append(op=MARKET, book=book, side=side, lots=round(UNIT / LOT), account=self.account)


@dataclass(frozen=True)
class Ends:
    """float64[paths]: what the makers gained, USD, and hold, units, at the end."""

    profit: NDArray[np.float64]
    inventory: NDArray[np.float64]


def _trading_floor(given: Facts) -> tuple[Engine, NDArray[np.void], Paths]:
    """Books with one maker each, the paper's takers, and a path of their own; the makers' records; the path."""
    symbols = [f"A{number}" for number in range(BOOKS)]
    tiers = (Tier(initial=0.0, maintenance=0.0),)
    world = engine(
        deposits=(1e12,),
        assets={"USDC": USDC} | {symbol: Asset(price_usd=LEVEL, price_tick_usd=TICK) for symbol in symbols},
        instruments={
            symbol: Instrument(
                base=symbol, tick_size=TICK, lot_size=LOT, tiers=tiers, price_ceiling=1.5, maker_fee_bps=0.0,
                taker_fee_bps=0.0,
            )
            for symbol in symbols
        },
        tick_seconds=given["dt"] / 2.0,
        extra_accounts=BOOKS,
    )  # fmt: skip
    to_bps = 1e4 / LEVEL
    maker = MarketMaker(
        capital_usd=CAPITAL_USD,
        ladder=UNIT * LEVEL / CAPITAL_USD,
        levels=1,
        risk_aversion=given["gamma"] / to_bps,
        decay=given["k"] / to_bps,
        narrowest_bps=0.0,
        widest_bps=10_000.0,
        reference_weight=1.0,
        latency_seconds=0.0,
        inventory_limit=1.0,
        requote_seconds=given["dt"] / 2.0,
        requote_bps=0.0,
        requote_growth=0.0,
        resize=0.0,
        volatility_limit=20.0,
    )
    (makers,) = add(world, MarketMakers(makers_per_book=1, heterogeneity=0.0, default=maker))
    records = makers.records
    # It knows the volatility and does not estimate it.
    records["memory"], records["variance"] = 0.0, (given["sigma"] * to_bps) ** 2
    records["calm"], records["volatility_limit"] = math.inf, math.inf
    paths = Paths()
    world.world.reference = paths
    takers = PaperFills(world.rows[0], rate=given["A"], decay=given["k"], step=given["dt"])
    world.cast = type(world.cast)(**{**vars(world.cast), "cohorts": (makers, takers)})
    world.world.size_inboxes(makers.most_messages + takers.most_messages + 1)
    return world, records, paths


def _simulate(given: Facts, *, symmetric: bool) -> Ends:
    """Run the makers through all paths; the symmetric ones quote the same spread around the middle, whatever they hold.

    The paper's horizon ends at T, the maker's own rolls on: its horizon is set to what is left before each step.
    """
    steps = round(given["T"] / given["dt"])
    profits, inventories = [], []
    generator = Streams(1).generator("validation.paths")
    world, records, paths = _trading_floor(given)
    accounts = records["account"]
    for _ in range(PATHS // BOOKS):
        paths.prices[1:] = LEVEL
        _start_afresh(world, records)
        for step in range(steps):
            left = given["T"] - step * given["dt"]
            records["horizon"] = left
            if symmetric:
                _, half = quotes(
                    price=LEVEL, inventory=0.0, risk_aversion=given["gamma"], volatility=given["sigma"], horizon=left,
                    decay=given["k"],
                )  # fmt: skip
                records["risk_aversion"] = 0.0
                records["narrowest"] = records["widest"] = half / LEVEL * 1e4
            world.run(2)
            paths.prices[1:] += given["sigma"] * math.sqrt(given["dt"]) * (2 * generator.integers(0, 2, BOOKS) - 1)
        positions = world.world.ledger.positions[accounts, np.arange(BOOKS)]
        held = positions["lots"] * LOT
        worth = world.world.ledger.cash[accounts, 0] - positions["cost"]
        profits.append(worth / 1e6 - CAPITAL_USD + held * paths.prices[1:])
        inventories.append(held / UNIT)
    world.check_books()
    return Ends(np.concatenate(profits), np.concatenate(inventories))


def _start_afresh(world: Engine, records: NDArray[np.void]) -> None:
    """Empty books and positions, and the makers' capital as it was."""
    ledger = world.world.ledger
    for book, account in enumerate(records["account"].tolist()):
        world.world.books.cancel_account(account)
        held = world.lots(account, book)
        if held:
            world.open(account, -held, round(LEVEL / TICK), book=book, against=world.rows[0])
        ledger.deposit(account, 0, round(CAPITAL_USD * 1e6) - world.cash(account))
    records["last_fair"], records["away_until"], records["peak"] = 0.0, 0, CAPITAL_USD
    world.marks.clear()


def simulated_table(facts: Facts) -> list[Check]:
    """Mean and spread of profits and final inventories of both strategies."""
    given = facts["inputs"]
    checks, spread = [], {}
    for name, symmetric in (("inventory", False), ("symmetric", True)):
        ends, said = _simulate(given, symmetric=symmetric), facts["expected"][name]
        spread[name] = ends.profit.std()
        checks += [
            near(f"{name}: mean profit", ends.profit.mean(), said["profit"], tolerance=0.05, relative=True),
            near(f"{name}: std of profit", ends.profit.std(), said["std"], tolerance=0.12, relative=True),
            near(f"{name}: std of inventory", ends.inventory.std(), said["q_std"], tolerance=0.12, relative=True),
        ]
    ratio = spread["inventory"] / spread["symmetric"]
    return [*checks, within("ratio of the two stds of profit", ratio, low=0.42, high=0.52)]


CASES = (
    Case(name="AS-quotes", subject="reservation price and spread at three risk aversions", run=spreads),
    Case(
        name="AS-table-g0.1",
        subject=f"{PATHS:,} paths of one market maker of each kind, filled by the paper's law",
        run=simulated_table,
        quick=False,
        false_alarm=0.08,
        expression="the product's market maker with one level, known volatility and the time left as its horizon; "
        "an independent simulation of the paper's procedure is 10 % above its standard deviation of profit too",
    ),
)
