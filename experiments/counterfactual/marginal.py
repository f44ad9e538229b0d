"""The marginal branching ratio: what one more forced dollar makes others be closed for, on the same random numbers.

While a cascade goes on somebody sells, in one run, and buys as much, in another one; what is closed by force more in
the first than in the second, per dollar of the difference, is m. In a cascade in which each forced dollar brings about
n others, and these n each, it is n + n^2 + ... = n / (1 - n), so the branching ratio is n = m / (1 + m).

Two runs that differ in the smallest thing part by a noise that does not depend on how small it is. So the difference is
made large, and twice as large by buying on the other side (antithetic), which also takes out what is even in it; it is
spread over some time, as forced sales are; and it is repeated at neighbouring moments, whose noises are independent.
What is measured is the mean slope between both ends, not a derivative at none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from agents.execution import LargeOrder, Schedule
from experiments.countdown import Note
from experiments.counterfactual.measure import lost_positions_usd, traces_of
from experiments.counterfactual.runs import each
from experiments.counterfactual.setting import AnyScenario, Setting
from experiments.frames import asset_usd, lot_size, quote_usd
from experiments.measures import main_instrument
from experiments.run import Trace
from experiments.scenario import Agents, Scenario
from experiments.statistics import intervals
from experiments.statistics.intervals import Interval
from experiments.toml_tree import suggest
from market.errors import InputError
from market.kernels.records import ON_BOOK, SPOT
from market.world import World

PROBE = "marginal"
"""Name of the sale among the large orders of a scenario."""
OVER_SECONDS = 60.0
"""Time over which it is spread."""
SHARE = 0.05
"""Of what is closed by force in the run as it is: how much is sold unless said otherwise."""
REPEATS = 2
"""Pairs of runs a seed, each beginning a spread later than the one before."""

Book = tuple[str, str]
"""(venue, instrument); the venue of a scenario of one is ""."""


@dataclass(frozen=True, kw_only=True)
class Pair:
    """One seed with a sale and with a purchase."""

    seed: int
    instrument: str
    """Of several venues VENUE:INSTRUMENT."""
    seconds: float
    """When they began."""
    sold_usd: float
    """What was sold in one run and bought in the other, together, at the prices they got."""
    extra_usd: float
    """What was closed by force more with the sale than with the purchase; negative where it was less."""


@dataclass(frozen=True, kw_only=True)
class Marginal:
    """Extra forced dollars per forced dollar, over seeds."""

    pairs: tuple[Pair, ...]
    calm: int
    """Seeds without a liquidation, in which there is no cascade to add to."""

    @property
    def per_dollar(self) -> Interval:
        """Mean over seeds of extra over sold, all pairs of a seed together; too few to rate below six seeds, or five in
        which anything was added."""
        seeds = dict.fromkeys(pair.seed for pair in self.pairs)
        groups = [[pair for pair in self.pairs if pair.seed == seed] for seed in seeds]
        extra, sold = ([sum(getattr(pair, name) for pair in group) for group in groups] for name in
                       ("extra_usd", "sold_usd"))  # fmt: skip
        return per_dollar(extra, sold)

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
    seeds: Sequence[int],
    usd: float | None = None,
    instrument: str | None = None,
    at_seconds: float | None = None,
    over_seconds: float = OVER_SECONDS,
    repeats: int = REPEATS,
    workers: int = 1,
    note: Note = lambda *_: None,
) -> Marginal:
    """Sell, and buy, `usd` of an instrument with every seed and compare.

    By default a part of what is closed by force, of the instrument with most forced fills, from when the first account
    of its venue falls below maintenance. Raises InputError for an instrument without a book, and a moment outside the
    run.
    """
    scenario = found.scenario
    length = 3600.0 * scenario.hours
    if usd is not None and not usd > 0.0:
        raise InputError(f"--usd: {usd:g} is not above 0")
    if repeats < 1:
        raise InputError(f"--repeats: {repeats} is not at least 1")
    if not 0.0 < over_seconds <= length:
        raise InputError(f"--over: {over_seconds:g} is not above 0 and within the run of {length:g} s")
    books = _books(scenario)
    if not books:
        raise InputError(f"{found.name}: has no books to sell on")
    if instrument is not None and instrument not in books:
        raise InputError(f"--instrument: no book {instrument!r}{suggest(instrument, list(books))}")
    if at_seconds is not None and not 0.0 <= at_seconds < length:
        raise InputError(f"--at: {at_seconds:g} is not within the run of {length:g} s")
    book = None if instrument is None else books[instrument]
    bases = each(_base, [(scenario, seed, book, at_seconds) for seed in seeds], workers=workers, note=_said(note, 1))
    begun = [base for base in bases if base is not None]
    sales = [
        (scenario, base, SHARE * base.closed_usd if usd is None else usd, side, over_seconds,
         min(base.seconds + repeat * over_seconds, length - scenario.tick_seconds))
        for base in begun for repeat in range(repeats) for side in ("sell", "buy")
    ]  # fmt: skip
    sold = each(_sale, sales, workers=workers, note=_said(note, 2))
    pairs = [
        Pair(seed=base.seed, instrument=":".join(filter(None, base.book)), seconds=sale[-1],
             sold_usd=one[0] + other[0], extra_usd=one[1] - other[1])
        for sale, one, other in zip(sales[::2], sold[::2], sold[1::2], strict=True) for base in (sale[1],)
    ]  # fmt: skip
    return Marginal(pairs=tuple(pair for pair in pairs if pair.sold_usd > 0.0), calm=len(bases) - len(begun))


def _said(note: Note, part: int) -> Note:
    labels = {1: "as it is", 2: "with sales and purchases"}
    return lambda _, done, total: note(labels[part], done, total)


def _books(scenario: AnyScenario) -> dict[str, Book]:
    """How books are called -> (venue, instrument)."""
    venues = {"": scenario.instruments} if isinstance(scenario, Scenario) else {
        name: own.instruments for name, own in scenario.venues.items() if name not in scenario.without.venues
    }  # fmt: skip
    return {
        f"{venue}:{symbol}" if venue else symbol: (venue, symbol)
        for venue, instruments in venues.items()
        for symbol, item in instruments.items()
        if item.kind != "option"
    }


@dataclass(frozen=True, kw_only=True)
class _Base:
    """A seed's run as it is: where and when a sale adds to its cascade."""

    seed: int
    book: Book
    seconds: float
    unit_usd: float
    """USD per unit of the base asset then, at the mark."""
    closed_usd: float


def _base(scenario: AnyScenario, seed: int, book: Book | None, at_seconds: float | None) -> _Base | None:
    """None where nobody falls below maintenance."""
    venues = traces_of(scenario, seed)
    venue, symbol = book or _main_book(venues)
    world = venues[venue].built.world
    breaches = [one.built.world.breaches["tick"][0] for one in venues.values() if one.built.world.n_breaches]
    if not breaches:
        return None
    own = world.breaches["tick"][:1].tolist() if world.n_breaches else [int(min(breaches))]
    seconds = own[0] * world.tick_seconds if at_seconds is None else at_seconds
    return _Base(
        seed=seed, book=(venue, symbol), seconds=seconds, closed_usd=lost_positions_usd(venues),
        unit_usd=_unit_usd(venues[venue], world.instrument(symbol), seconds),
    )  # fmt: skip


def _main_book(venues: Mapping[str, Trace]) -> Book:
    """The book with most forced fills; of several venues that of the venue on whose books most was closed."""
    with_books = {name: one for name, one in venues.items() if len(one.built.world.instruments)}

    def closed(name: str) -> int:
        events = with_books[name].built.world.events[: with_books[name].built.world.n_events]
        return int(np.isin(events["kind"], ON_BOOK).sum())

    venue = max(with_books, key=closed)
    world = with_books[venue].built.world
    return venue, world.instrument_symbols[main_instrument(world)]


def _sale(
    scenario: AnyScenario, base: _Base, usd: float, side: Literal["sell", "buy"], over_seconds: float, seconds: float
) -> tuple[float, float]:
    """(USD sold or bought at the prices it got, USD closed by force)."""
    venue, symbol = base.book
    size = (
        scenario.instruments[symbol] if isinstance(scenario, Scenario) else scenario.venues[venue].instruments[symbol]
    )
    lots = max(1.0, round(usd / base.unit_usd / size.lot_size))
    plan = Schedule(seconds=over_seconds, slices=max(1, round(over_seconds / scenario.tick_seconds)))
    order = LargeOrder(
        instrument=symbol, side=side, size=lots * size.lot_size, start_seconds=seconds, plan=plan, collateral=10.0
    )
    venues = traces_of(_with_order(scenario, venue, order), base.seed)
    world = venues[venue].built.world
    return _traded_usd(world, venues[venue], world.instrument(symbol)), lost_positions_usd(venues)


def _with_order(scenario: AnyScenario, venue: str, order: LargeOrder) -> AnyScenario:
    def joined(agents: Agents) -> Agents:
        return replace(agents, large_orders={**agents.large_orders, PROBE: order})

    if isinstance(scenario, Scenario):
        return replace(scenario, agents=joined(scenario.agents))
    own = scenario.venues[venue]
    return replace(scenario, venues={**scenario.venues, venue: replace(own, agents=joined(own.agents))})


def _unit_usd(found: Trace, book: int, seconds: float) -> float:
    """USD per unit of the base at the mark of a moment."""
    world, recorder = found.built.world, found.recorder
    tick = min(int(seconds / world.tick_seconds), recorder.n - 1)
    mark = float(recorder.ticks["mark"][tick, book])
    value = mark * float(world.instruments["tick_value"][book]) * float(quote_usd(world)[book])
    return value / float(lot_size(world)[book])


def _traded_usd(world: World, found: Trace, book: int) -> float:
    """What the last large order has traded, at the prices it got: cost of its position, or money on spot."""
    account = [row for row, role in enumerate(world.ledger.roles) if role == "large_order"][-1]
    if world.instruments["kind"][book] == SPOT:
        quote = int(world.instruments["quote"][book])
        change = int(world.ledger.cash[account, quote]) - int(found.opening.cash[account, quote])
        return abs(float(change * asset_usd(world)[quote]))
    return abs(float(world.ledger.positions[account, book]["cost"])) * float(quote_usd(world)[book])
