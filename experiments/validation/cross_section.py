"""Farmer, Patelli and Zovko: whether spreads across stocks follow from the rates of their order flow."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from agents.arbitrageur import Arbitrageurs
from agents.background import BackgroundFlow, BookFlow
from agents.market_maker import MarketMaker, MarketMakers
from experiments.validation.case import Case, Check, Facts, near, shown
from experiments.validation.laboratory import USDC, Engine, add, engine
from market.instruments import Asset, Instrument
from market.kernels.records import BUY, LIMIT
from market.streams import Streams
from market.world import World

Floats = NDArray[np.float64]

WARM_UP, TICKS = 600, 6_600
LEVEL_USD = 10_000.0
VOLATILITY = 0.5
DIVERSITY = 0.7
"""Standard deviation of the log of each flow's rates and sizes across stocks."""
NEAREST, FURTHEST = 0.02, 0.60
"""Quantiles of distance between which limit orders count, as in the paper."""


def stocks(count: int, *, makers: bool) -> Engine:
    """Perpetuals with different background flows, each with its share of makers and an arbitrageur, or with neither.

    The reference prices are independent walks.
    """
    generator = Streams(1).generator("validation.stocks")
    symbols = [f"A{number}" for number in range(count)]
    factors = np.exp(DIVERSITY * generator.standard_normal((count, 5)))
    usual, flows, quoting = BookFlow(), {}, {}
    for symbol, (limits, markets, patience, distance, size) in zip(symbols, factors.tolist(), strict=True):
        flows[symbol] = BookFlow(
            limit_rate=usual.limit_rate * limits,
            market_rate=usual.market_rate * markets,
            half_life_seconds=usual.half_life_seconds * patience,
            median_distance_bps=usual.median_distance_bps * distance**0.7,
            market_size_usd=usual.market_size_usd * size**0.7,
        )
        quoting[symbol] = MarketMaker(capital_usd=MarketMaker().capital_usd * limits)
    walk = generator.standard_normal((TICKS, count)) * VOLATILITY / math.sqrt(31_557_600.0)
    paths = LEVEL_USD * np.exp(np.cumsum(walk, axis=0))
    world = engine(
        assets={"USDC": USDC} | {symbol: Asset(price_usd=LEVEL_USD, price_tick_usd=0.1) for symbol in symbols},
        instruments={
            symbol: Instrument(base=symbol, tick_size=0.1, lot_size=0.001, price_ceiling=1.5) for symbol in symbols
        },
        prices=lambda tick: [1.0, *paths[min(tick, TICKS - 1)]],
        extra_accounts=4 * count,
    )
    add(world, BackgroundFlow(books=flows))
    if makers:
        add(world, MarketMakers(books=quoting), Arbitrageurs())
    return world


class Flows:
    """What is measured of every book, as the paper measures it: lots, seconds, log prices, per side."""

    def __init__(self, world: World) -> None:
        self.world, n = world, len(world.instruments)
        self.best = self._best()
        self.distances, self.sizes = [[np.zeros(0)] for _ in range(n)], [[np.zeros(0)] for _ in range(n)]
        self.taken, self.takers, self.added, self.spread, self.resting = np.zeros((5, n))
        self.first, self.ticks = self._resting(), 0

    def _best(self) -> Floats:
        """float64[2, n]: best bid and best ask."""
        return np.array([self.world.instruments[side].astype(np.float64) for side in ("best_bid", "best_ask")])

    def _resting(self) -> Floats:
        """float64[n]: lots at rest, both sides."""
        lots, starts = self.world.books.levels["lots"], self.world.instruments["level_base"]
        return np.add.reduceat(lots, starts).astype(np.float64)

    def note(self, world: World) -> None:
        """Add the tick that has just ended."""
        n, fills = len(world.instruments), world.fills[: world.n_fills]
        self.taken += np.bincount(fills["book"], weights=fills["lots"], minlength=n)
        orders = np.unique(np.column_stack([fills["book"], fills["message"]]), axis=0)
        self.takers += np.bincount(orders[:, 0], minlength=n)
        inbox = world.inboxes[(world.tick - 1) & 1]
        sent = inbox.messages[: inbox.count]
        sent = sent[(sent["op"] == LIMIT) & (inbox.handles[: inbox.count] > 0)]
        self.added += np.bincount(sent["book"], weights=sent["lots"], minlength=n)
        # From the best price of its own side, as it was when the order was sent.
        side = np.where(sent["side"] == BUY, 0, 1)
        distance = np.log(sent["price"] / self.best[side, sent["book"]]) * np.where(side == 0, -1.0, 1.0)
        for book in range(n):
            own = sent["book"] == book
            self.distances[book].append(distance[own])
            self.sizes[book].append(sent["lots"][own].astype(np.float64))
        self.best = self._best()
        self.spread += np.log(self.best[1] / self.best[0])
        self.resting += self._resting()
        self.ticks += 1

    def spreads(self) -> tuple[Floats, Floats]:
        """(measured mean log spreads, those the flows predict: (m / a) f(e), f(e) = 0.28 + 1.86 e^0.75, e = d s / m).

        m market orders in lots/s per side, s their mean size, d cancelled lots per resting lot and s, a limit orders in
        lots/s per side and unit of log price.
        """
        seconds = self.ticks * self.world.tick_seconds
        markets, size = self.taken / seconds / 2.0, self.taken / self.takers
        cancelled = self.added - self.taken - (self._resting() - self.first)
        cancels = cancelled / seconds / (self.resting / self.ticks)
        limits = np.zeros(len(markets))
        for book in range(len(markets)):
            distance, lots = np.concatenate(self.distances[book]), np.concatenate(self.sizes[book])
            low, high = np.quantile(distance, [NEAREST, FURTHEST])
            limits[book] = lots[(distance >= low) & (distance <= high)].sum() / seconds / (high - low) / 2.0
        patience = cancels * size / markets
        return self.spread / self.ticks, markets / limits * (0.28 + 1.86 * patience**0.75)


def regression(facts: Facts) -> list[Check]:
    """log(measured spread) = A log(predicted spread) + B across stocks, with makers and with the flow alone."""
    expected = facts["expected"]
    words = "± 2 of its standard errors"
    checks = []
    for name, makers in (("calm market", True), ("background flow alone", False)):
        world = stocks(expected["stocks"], makers=makers)
        world.run(WARM_UP)
        flows = Flows(world.world)
        for _ in range(TICKS - WARM_UP):
            world.run()
            flows.note(world.world)
        measured, predicted = (np.log(values) for values in flows.spreads())
        slope, constant = np.polyfit(predicted, measured, 1)
        error_a, error_b = 2.0 * expected["A_se"], 2.0 * expected["B_se"]
        checks += [
            near(f"slope A, {name}", slope, expected["A"], tolerance=error_a, words=words),
            near(f"constant B, {name}", constant, expected["B"], tolerance=error_b, words=words),
            shown(f"R2, {name}", np.corrcoef(predicted, measured)[0, 1] ** 2, expected["R2_spread"]),
        ]
    return checks


CASES = (
    Case(
        name="FPZ-regression",
        subject="spreads of eleven books against those predicted from their order flow",
        run=regression,
        quick=False,
        expression="the regression of spreads; that of price diffusion is left out, since prices here follow a "
        "reference and not the flow",
        miss="makers set their spread by volatility and risk aversion, whatever the flow, and the crowd alone places "
        "its orders by a law with a hump, not evenly as the prediction assumes",
    ),
)
