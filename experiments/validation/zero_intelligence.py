"""Smith, Farmer, Gillemot and Krishnamurthy: the mean spread of a book with background flow alone."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from agents.background import BackgroundFlow, BookFlow
from experiments.validation.case import Case, Check, Facts, near
from experiments.validation.laboratory import USDC, Engine, add, engine
from market.instruments import Asset, Instrument
from market.simulation import run
from market.world import World

PRICE = 100_000
"""Ticks: far from zero, so that a distance in basis points is one in ticks."""
WINDOW = 400
"""Limit orders fall evenly on so many ticks from the opposite best price, ten spreads and more."""
REPLICAS = 12
TICK_SECONDS = 0.01
"""A unit of the paper's time is a second. Within a tick nobody sees what the others do: at 0.05 spreads are
4 % wider."""
BURN_IN, TICKS = 50_000, 400_000
NEVER_SECONDS = 1e15


class OwnMiddle:
    """No outside world: the reference of every book is its own middle, so that no order is ever stale."""

    def __init__(self, n_books: int) -> None:
        self.world: World | None = None
        self._prices = np.full(1 + n_books, float(PRICE))
        self._prices[0] = 1.0

    def row(self, tick: int) -> NDArray[np.float64]:
        """float64[n_assets], in ticks of 1 USD."""
        del tick
        if self.world is not None:
            best = self.world.instruments
            self._prices[1:] = np.floor(0.5 * (best["best_bid"].astype(np.float64) + best["best_ask"]))
        return self._prices


def austere_flow(*, limits_per_tick: float, markets: float, cancels: float) -> BookFlow:
    """Even limit flow per side and tick of price, market orders per side, cancellations per order; all one lot, per s.

    A log-logistic law of exponent 1 whose scale is far beyond the largest distance is even.
    """
    return BookFlow(
        limit_rate=2.0 * limits_per_tick * WINDOW,
        limit_size_usd=PRICE,
        limit_size_sigma=0.0,
        half_life_seconds=math.log(2.0) / cancels,
        stale_half_life_seconds=NEVER_SECONDS,
        median_distance_bps=1e6,
        distance_tail=1.0,
        largest_distance_bps=WINDOW / PRICE * 1e4,
        measured_from="opposite_best",
        market_rate=2.0 * markets,
        market_size_usd=PRICE,
        market_size_sigma=0.0,
        thinning=0.0,
    )


def books_of(flows: Sequence[BookFlow], *, tick_seconds: float, seed: int = 1) -> Engine:
    """One perpetual in ticks of 1 USD and lots of one for each flow, with nobody but the crowd."""
    symbols = [f"A{number}" for number in range(len(flows))]
    path = OwnMiddle(len(flows))
    world = engine(
        assets={"USDC": USDC} | {symbol: Asset(price_usd=PRICE, price_tick_usd=1.0) for symbol in symbols},
        instruments={
            symbol: Instrument(base=symbol, tick_size=1.0, lot_size=1.0, price_ceiling=1.5) for symbol in symbols
        },
        prices=lambda _: path.row(0).tolist(),
        tick_seconds=tick_seconds,
        seed=seed,
    )
    world.world.reference = path
    add(world, BackgroundFlow(books=dict(zip(symbols, flows, strict=True)), balance_usd=1e9))
    path.world = world.world
    return world


def spreads(facts: Facts) -> list[Check]:
    """Mean over time, in units of the market orders of both sides over the limit flow per side and tick."""
    given, expected = facts["inputs"], facts["expected"]
    rate, markets = given["alpha_per_side_per_tick"], given["mu_side"]
    flows = [austere_flow(limits_per_tick=rate, markets=markets, cancels=delta) for delta in given["delta"]]
    world = books_of(flows * REPLICAS, tick_seconds=TICK_SECONDS)
    total = np.zeros(len(flows) * REPLICAS)

    def note(state: World) -> None:
        if state.tick > BURN_IN:
            total[:] += state.instruments["best_ask"] - state.instruments["best_bid"]

    run(world.world, world.rules, world.cast, ticks=BURN_IN + TICKS, observers=(note,))
    mean = (total / TICKS).reshape(REPLICAS, -1).mean(axis=0) * rate / (2.0 * markets)
    published = expected["s*alpha_side/mu_total"]
    return [
        near(f"mean spread at delta = {delta:g}", value, said, tolerance=0.03, relative=True)
        for delta, value, said in zip(given["delta"], mean, published, strict=True)
    ]


CASES = (
    Case(
        name="ZI-spread",
        subject="mean spread of a book with background flow alone, at four rates of cancellation",
        run=spreads,
        quick=False,
        false_alarm=0.001,
        expression="`BackgroundFlow` with even placement, one lot an order, no reference to follow; the standard error "
        "of each mean is 0.5 %",
    ),
)
