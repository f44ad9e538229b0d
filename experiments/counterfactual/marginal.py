"""The marginal branching ratio: what one more forced dollar makes others be closed for, by twin.

A small sale is put into the world at a moment, on the same random numbers; what is closed by force beyond the run
without it, per dollar sold, is m. In a cascade in which each forced dollar brings about n others, and these n each, it
is n + n^2 + ... = n / (1 - n), so the branching ratio is n = m / (1 + m).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from agents.execution import LargeOrder, Schedule
from experiments.countdown import Note
from experiments.counterfactual.measure import forced_usd
from experiments.counterfactual.runs import each
from experiments.counterfactual.setting import Setting
from experiments.frames import asset_usd, lot_size, quote_usd
from experiments.measures import main_instrument
from experiments.run import Trace, trace
from experiments.scenario import Scenario
from experiments.statistics import intervals
from experiments.statistics.intervals import Interval
from experiments.toml_tree import suggest
from market.errors import InputError
from market.kernels.records import SPOT
from market.world import World

PROBE = "marginal"
"""Name of the sale among the large orders of a scenario."""


@dataclass(frozen=True, kw_only=True)
class Pair:
    """One seed with and without the sale."""

    seed: int
    instrument: str
    seconds: float
    """When the sale began."""
    sold_usd: float
    """What was sold, at the prices it got."""
    extra_usd: float
    """What was closed by force beyond the run without it; negative where it was less."""


@dataclass(frozen=True, kw_only=True)
class Marginal:
    """Extra forced dollars per forced dollar, over seeds."""

    pairs: tuple[Pair, ...]
    calm: int
    """Seeds without a liquidation, in which there is no cascade to add to."""

    @property
    def per_dollar(self) -> Interval:
        """Mean of extra over sold; too few to rate below six seeds, or five in which anything was added."""
        return per_dollar([pair.extra_usd for pair in self.pairs], [pair.sold_usd for pair in self.pairs])

    @property
    def ratio(self) -> Interval:
        """The branching ratio that this stands for."""
        return as_ratio(self.per_dollar)


def per_dollar(extra: Sequence[float], sold: Sequence[float]) -> Interval:
    """Mean of extra over sold, pair by pair, with its interval. Raises ValueError where nothing was sold."""
    if any(amount <= 0.0 for amount in sold):
        raise ValueError("sold: nothing was sold in one of the pairs")
    return intervals.mean(np.array(extra, np.float64) / np.array(sold, np.float64))


def as_ratio(found: Interval) -> Interval:
    """m -> m / (1 + m); no m below 0 stands for a ratio, a lower bound there is 0."""

    def ratio(value: float | None) -> float | None:
        return None if value is None or value < 0.0 else value / (1.0 + value)

    low = 0.0 if found.low is not None and found.low < 0.0 else ratio(found.low)
    return replace(found, value=ratio(found.value), low=low, high=ratio(found.high))


def marginal(
    found: Setting,
    *,
    usd: float,
    seeds: Sequence[int],
    instrument: str | None = None,
    at_seconds: float | None = None,
    workers: int = 1,
    note: Note = lambda *_: None,
) -> Marginal:
    """Sell `usd` of an instrument with every seed and compare.

    By default of that with most forced fills, when the first account of the run falls below maintenance. Raises
    InputError for a scenario of several venues, an instrument without a book and a moment outside the run.
    """
    scenario = found.single
    if not usd > 0.0:
        raise InputError(f"--usd: {usd:g} is not above 0")
    books = [symbol for symbol, item in scenario.instruments.items() if item.kind != "option"]
    if not books:
        raise InputError(f"{found.name}: has no books to sell on")
    if instrument is not None and instrument not in books:
        raise InputError(f"--instrument: no book {instrument!r}{suggest(instrument, books)}")
    if at_seconds is not None and not 0.0 <= at_seconds < 3600.0 * scenario.hours:
        raise InputError(f"--at: {at_seconds:g} is not within the run of {3600.0 * scenario.hours:g} s")
    done = each(_pair, [(scenario, seed, usd, instrument, at_seconds) for seed in seeds], workers=workers, note=note)
    pairs = tuple(pair for pair in done if pair is not None)
    return Marginal(pairs=pairs, calm=len(done) - len(pairs))


def _pair(scenario: Scenario, seed: int, usd: float, instrument: str | None, at_seconds: float | None) -> Pair | None:
    """Both runs of a seed; None where nobody falls below maintenance."""
    first = instrument or next(symbol for symbol, item in scenario.instruments.items() if item.kind != "option")
    # The one who sells is there in both runs, so that all ledger rows are the same; here it comes too late.
    without = trace(_selling(scenario, first, units=1.0, seconds=2.0 * 3600.0 * scenario.hours), seed=seed)
    world = without.built.world
    if world.n_breaches == 0:
        return None
    book = world.instrument(instrument) if instrument else main_instrument(world)
    symbol = world.instrument_symbols[book]
    seconds = float(world.breaches["tick"][0]) * world.tick_seconds if at_seconds is None else at_seconds
    units = usd / _unit_usd(without, book, seconds)
    lots = max(1.0, round(units / lot_size(world)[book]))
    sale = _selling(scenario, symbol, units=lots * float(lot_size(world)[book]), seconds=seconds)
    other = trace(sale, seed=seed)
    sold = _sold_usd(other.built.world, book)
    if sold <= 0.0:
        return None
    extra = forced_usd({"": other}) - forced_usd({"": without})
    return Pair(seed=seed, instrument=symbol, seconds=seconds, sold_usd=sold, extra_usd=extra)


def _selling(scenario: Scenario, instrument: str, *, units: float, seconds: float) -> Scenario:
    plan = Schedule(seconds=scenario.tick_seconds, slices=1)
    order = LargeOrder(instrument=instrument, size=units, start_seconds=seconds, plan=plan, collateral=10.0)
    agents = replace(scenario.agents, large_orders={**scenario.agents.large_orders, PROBE: order})
    return replace(scenario, agents=agents)


def _unit_usd(found: Trace, book: int, seconds: float) -> float:
    """USD per unit of the base at the mark of a moment."""
    world, recorder = found.built.world, found.recorder
    tick = min(int(seconds / world.tick_seconds), recorder.n - 1)
    mark = float(recorder.ticks["mark"][tick, book])
    value = mark * float(world.instruments["tick_value"][book]) * float(quote_usd(world)[book])
    return value / float(lot_size(world)[book])


def _sold_usd(world: World, book: int) -> float:
    """What the last large order has sold, at the prices it got: cost of its position, or what a spot sale brought."""
    account = [row for row, role in enumerate(world.ledger.roles) if role == "large_order"][-1]
    if world.instruments["kind"][book] == SPOT:
        quote = int(world.instruments["quote"][book])
        return float(world.ledger.cash[account, quote] * asset_usd(world)[quote])
    return abs(float(world.ledger.positions[account, book]["cost"])) * float(quote_usd(world)[book])
