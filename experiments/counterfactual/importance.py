"""Systemic importance: what the world saves without one of its people, and whether cheap measures foresee it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from experiments.contagion import contagion
from experiments.counterfactual.candidates import MEASURES, choose, cost_to_others, depth_of, measured, people_of
from experiments.counterfactual.measure import figures_of
from experiments.counterfactual.setting import Setting
from experiments.frames import fill_usd
from experiments.measures import kpis
from experiments.run import PROGRESS_TICKS, Session
from experiments.scenario import Scenario
from experiments.statistics.intervals import LEVEL, RESAMPLES
from experiments.store.rows import OK
from experiments.store.store import Store
from experiments.study.designs import Block, Designs
from experiments.study.load import Loaded
from experiments.study.model import Seeds, Study
from experiments.study.resolve import Change, Resolver
from experiments.sweep.command import Call, do
from experiments.sweep.plan import Plan
from market.errors import InputError
from market.kernels.records import FORCED_SEIZURE, ON_BOOK
from market.streams import Streams
from market.world import World

Array = NDArray[np.float64]

FEWEST_PEOPLE = 20
"""People below which no rank correlation is rated."""
FEWEST_SAVINGS = 10
"""People without whom anything changes, below which it is not either."""
STRONG, WEAK = 0.7, 0.4
"""Rank correlations from which a measure is said to foresee importance, or to do so in part."""
SAVINGS = ("liquidated_notional_usd", "liquidated_account_count", "bad_debt_usd")


@dataclass(frozen=True, kw_only=True)
class Person:
    """Somebody, and what his absence changes in one history."""

    seed: int
    name: str
    largest: bool
    """Whether chosen by size; otherwise at random."""
    own_usd: float
    """What of it was closed by force in the world as it is."""
    saved_usd: float
    """What of others is not closed by force without it; negative where more is."""
    saved_accounts: float
    saved_bad_debt_usd: float
    """Its own bad debt included."""
    measures: dict[str, float]


@dataclass(frozen=True, kw_only=True)
class Foresight:
    """How well a measure ranks people by what their absence saves."""

    measure: str
    rho: float | None
    """Spearman's rank correlation, the mean over seeds; None where it is not defined."""
    low: float | None
    high: float | None
    n: int
    rated: bool

    @property
    def verdict(self) -> str:
        """In words."""
        if not self.rated or self.rho is None or self.low is None or self.high is None:
            return "too few to rate"
        if self.low <= 0.0 <= self.high:
            return "cannot be told from chance"
        how = "well" if abs(self.rho) >= STRONG else "in part" if abs(self.rho) >= WEAK else "hardly"
        return f"foresees it {how}" if self.rho > 0.0 else f"foresees the opposite {how}"


@dataclass(frozen=True, kw_only=True)
class Importance:
    """People of one or several histories."""

    name: str
    seeds: tuple[int, ...]
    people: tuple[Person, ...]

    @property
    def noise_usd(self) -> float | None:
        """What the absence of people changes of others who were not liquidated and cost nobody anything: 95 % quantile
        of its size. Books then hold other orders, and the same events come in another order. None below 20 of them."""
        quiet = [abs(one.saved_usd) for one in self.people if one.own_usd == 0.0 and one.measures["causes"] == 0.0]
        return float(np.quantile(quiet, 0.95)) if len(quiet) >= FEWEST_PEOPLE else None

    def foresight(self) -> list[Foresight]:
        """Every measure against what is saved, in the order of `MEASURES`."""
        groups = [[person for person in self.people if person.seed == seed] for seed in self.seeds]
        saved = [np.array([person.saved_usd for person in group]) for group in groups]
        return [
            foresight(name, [np.array([person.measures[name] for person in group]) for group in groups], saved)
            for name in MEASURES
        ]


def foresight(name: str, measures: Sequence[Array], saved: Sequence[Array], *, level: float = LEVEL) -> Foresight:
    """Mean over groups of Spearman's correlation, with a percentile bootstrap over people within each group.

    Not rated below `FEWEST_PEOPLE` people or `FEWEST_SAVINGS` savings that are not zero.
    """
    n = sum(map(len, saved))
    changed = sum(int(np.count_nonzero(values)) for values in saved)
    pairs = [(x, y) for x, y in zip(measures, saved, strict=True) if len(x) > 2]
    whole = [float(spearman(x[None], y[None])[0]) for x, y in pairs]
    rho = float(np.mean(whole)) if whole and not np.isnan(whole).any() else None
    if n < FEWEST_PEOPLE or changed < FEWEST_SAVINGS or rho is None:
        return Foresight(measure=name, rho=rho, low=None, high=None, n=n, rated=False)
    generator = Streams(0).generator("importance bootstrap")
    drawn = np.zeros(RESAMPLES)
    for x, y in pairs:
        rows = generator.integers(0, len(x), (RESAMPLES, len(x)))
        drawn += np.nan_to_num(spearman(x[rows], y[rows])) / len(pairs)
    low, high = np.quantile(drawn, [(1.0 - level) / 2.0, (1.0 + level) / 2.0])
    return Foresight(measure=name, rho=rho, low=float(low), high=float(high), n=n, rated=True)


def spearman(x: Array, y: Array) -> Array:
    """float64[k]: rank correlation of the rows of two float64[k, n]; ties have their mean rank; nan without spread."""
    ranks = [rankdata(values, axis=1) for values in (x, y)]
    a, b = (rank - rank.mean(axis=1, keepdims=True) for rank in ranks)
    scale = np.sqrt((a * a).sum(axis=1) * (b * b).sum(axis=1))
    found: Array = np.divide((a * b).sum(axis=1), scale, out=np.full(len(a), np.nan), where=scale > 0.0)
    return found


def importance(
    found: Setting, *, top: int, sample: int, seeds: Sequence[int], store: str, workers: int | None = None
) -> Importance:
    """Simulate the world of each seed as it is, and once without each of its candidates, through the store.

    Candidates: the `top` people with the largest exposures, near liquidation or not, and `sample` others at random. A
    seed is a history with people of its own, so each one's savings are of one run. Raises InputError.
    """
    scenario = found.single
    place = Store(store)
    place.check()
    people: list[Person] = []
    for seed in seeds:
        print(f"seed {seed}", file=sys.stderr, flush=True)
        people += _of_seed(found, scenario, seed, top=top, sample=sample, place=place, workers=workers)
    return Importance(name=found.name, seeds=tuple(seeds), people=tuple(people))


def _of_seed(
    found: Setting, scenario: Scenario, seed: int, *, top: int, sample: int, place: Store, workers: int | None
) -> list[Person]:
    session = Session(scenario, seed=seed)
    people = people_of(session.built.world)
    chosen, largest = choose(people, top=top, sample=sample, seed=seed)
    while session.ticks_left:
        session.advance(min(PROGRESS_TICKS, session.ticks_left))
    base = session.trace()
    causes = contagion(base)
    whole = figures_of(kpis(base, None, causes))
    known = measured(people, chosen, depth_of(base))
    known["causes"] = cost_to_others(people, chosen, causes)
    own = _own_usd(base.built.world, people.rows)
    names = [people.names[number] for number in chosen.tolist()]
    without = _without_each(found, names, seed, place=place, workers=workers)
    made = []
    for at, (number, name) in enumerate(zip(chosen.tolist(), names, strict=True)):
        saved = {figure: whole[figure] - without[at][figure] for figure in SAVINGS}
        made.append(
            Person(
                seed=seed,
                name=name,
                largest=at < largest,
                own_usd=own[number],
                saved_usd=saved["liquidated_notional_usd"] - own[number],
                saved_accounts=saved["liquidated_account_count"] - (own[number] > 0.0),
                saved_bad_debt_usd=saved["bad_debt_usd"],
                measures={measure: float(values[at]) for measure, values in known.items()},
            )
        )
    return made


def _own_usd(world: World, people: Sequence[Sequence[int]]) -> list[float]:
    """What of each of the people was closed by force on books or seized, USD."""
    events = world.events[: world.n_events]
    events = events[np.isin(events["kind"], (*ON_BOOK, FORCED_SEIZURE))]
    usd = np.bincount(events["account"], weights=fill_usd(world, events), minlength=len(world.ledger.accounts))
    return [float(usd[list(rows)].sum()) for rows in people]


def _without_each(
    found: Setting, names: Sequence[str], seed: int, *, place: Store, workers: int | None
) -> list[dict[str, float]]:
    """Figures of the worlds without each of these people, from the store; what is not there is simulated."""
    before = list(found.single.without.accounts)

    def row(number: int) -> list[Change]:
        return [Change("without.accounts", [*before, names[number]], "without.accounts")]

    study = Study(scenario=found.name, twin=False, seeds=Seeds(first=seed, count=1))
    designs = Designs((Block(len(names), row, ("without.accounts",)),))
    plan = Plan(Loaded(file=found.file, study=study, resolver=Resolver(found.text), designs=designs))
    if len(plan.missing(place.stored_keys())):
        progress = do(plan, place, Call(study=found.name, store=str(place.place), workers=workers))
        if progress.left:
            raise KeyboardInterrupt
    figures: dict[int, dict[str, float]] = {}
    for stored in place.runs(plan.table(), SAVINGS).to_pylist():
        if stored["status"] != OK:
            raise InputError(f"{found.name} without {names[stored['design_number']]}: {stored['error']}")
        figures[stored["design_number"]] = {name: float(stored[name] or 0.0) for name in SAVINGS}
    return [figures[number] for number in range(len(names))]
