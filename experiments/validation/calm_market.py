"""Published regularities of ordinary markets, looked for in the calm scenario with all its agents."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from experiments.build import build
from experiments.calibration.price_moments import autocorrelation
from experiments.scenario import Scenario
from experiments.statistics.tails import hill
from experiments.validation.case import Case, Check, Facts, shown, within
from market.kernels.records import BUY, PERPETUAL, SELL
from market.simulation import run
from market.world import World

Floats = NDArray[np.float64]

HOURS, SEEDS = 24.0, (1, 2, 3, 4)
MINUTE_TICKS = 60
TAIL = 0.02
"""Share of the absolute returns that counts as the tail."""
LAGS = range(20, 61)
"""Minutes, from where linear autocorrelation must be gone."""
SIZES_USD = np.geomspace(1e5, 3e6, 8)


class Minutes:
    """Middle of every perpetual's book once a minute, and how far market orders of several sizes would move it."""

    def __init__(self, world: World) -> None:
        self.books = [book for book in range(len(world.instruments)) if world.instruments[book]["kind"] == PERPETUAL]
        self.middles: list[list[float]] = []
        self.moves: list[list[list[float]]] = []

    def __call__(self, world: World) -> None:
        """Note this minute."""
        if world.tick % MINUTE_TICKS:
            return
        state = world.instruments
        middles = [0.5 * (float(state[book]["best_bid"]) + float(state[book]["best_ask"])) for book in self.books]
        self.middles.append(middles)
        self.moves.append([_moves(world, book, middle) for book, middle in zip(self.books, middles, strict=True)])


def _moves(world: World, book: int, middle: float) -> list[float]:
    """Distance from the middle to the last price reached, relative, averaged over both sides, by size."""
    lot_usd = middle * float(world.instruments[book]["tick_value"]) / 1e6
    found = []
    for usd in SIZES_USD:
        worst = [world.books.sweep(book=book, side=side, lots=max(1, round(usd / lot_usd)))[2] for side in (BUY, SELL)]
        found.append((worst[0] - worst[1]) / 2.0 / middle)
    return found


def stylised_facts(facts: Facts) -> list[Check]:
    """Returns of a minute of three perpetuals over days of calm; impact is that of a sweep of the book as it stands."""
    low, high = facts["expected"]["hill_tail_index"]
    series, moves = [], []
    for seed in SEEDS:
        built = build(Scenario.load("calm", overrides=[f"hours={HOURS}", "population.count=2000"]), seed=seed)
        minutes = Minutes(built.world)
        ticks = round(HOURS * 3_600.0 / built.world.tick_seconds)
        run(built.world, built.rules, built.cast, ticks=ticks, observers=(minutes,))
        series += [column / column.std() for column in np.diff(np.log(np.array(minutes.middles)), axis=0).T]
        moves.append(np.array(minutes.moves).mean(axis=(0, 1)))
    pooled = np.abs(np.concatenate(series))
    scores = [max(abs(_robust_score(one, lag)) for lag in LAGS) for one in series]
    clustering = [float(np.mean([autocorrelation(np.abs(one), lag) for one in series])) for lag in (1, 10, 60)]
    exponent = float(np.polyfit(np.log(SIZES_USD), np.log(np.mean(moves, axis=0)), 1)[0])
    return [
        within("Hill exponent of returns of a minute", hill(pooled, share=TAIL), low=low, high=high),
        within(
            "largest |autocorrelation| of returns from 20 minutes to an hour, in standard errors",
            max(scores), low=0.0, high=4.0,
        ),
        within("autocorrelation of |returns| at 1, 10, 60 minutes", clustering, low=0.0, high=math.inf),
        within("exponent of impact in size: concave", exponent, low=0.0, high=1.0),
        shown("the same, typical", exponent, 0.5),
    ]  # fmt: skip


def _robust_score(returns: Floats, lag: int) -> float:
    """Autocovariance over its standard error when volatility clusters."""
    products = (returns - returns.mean())[lag:] * (returns - returns.mean())[:-lag]
    return float(products.sum() / math.sqrt(float(products @ products)))


CASES = (
    Case(
        name="STYLIZED",
        subject="tails, memory and impact in four days of the calm scenario",
        run=stylised_facts,
        quick=False,
        false_alarm=0.05,
        expression="returns of a minute of three perpetuals; impact is that of market orders of 0.1 to 3 million USD "
        "on the book as it stands",
    ),
)
