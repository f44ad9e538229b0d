"""Systemic importance: what the world saves without one of its people, and whether cheap measures foresee it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from experiments.countdown import Note
from experiments.counterfactual.candidates import MEASURES, choose, cost_to_others, depth_of, measured, people_of
from experiments.counterfactual.histories import history, start
from experiments.counterfactual.measure import figures_of, own_usd, traces_of
from experiments.counterfactual.parts import Part, parts_of, without
from experiments.counterfactual.runs import Figures, Remembered, runner
from experiments.counterfactual.setting import AnyScenario, Setting
from experiments.scenario import Scenario
from experiments.statistics.intervals import LEVEL, RESAMPLES
from market.errors import InputError
from market.streams import Streams

Array = NDArray[np.float64]

FEWEST_PEOPLE = 20
"""People below which no rank correlation is rated."""
FEWEST_SAVINGS = 10
"""People without whom anything changes, below which it is not either."""
STRONG, WEAK = 0.7, 0.4
"""Rank correlations from which a measure is said to foresee importance, or to do so in part."""


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
    parts: tuple[Part, ...]
    """Venues, agents of several venues, shocks to assets and keepers, each left out by itself, seed by seed."""

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
    found: Setting,
    *,
    top: int,
    sample: int,
    seeds: Sequence[int],
    store: str | None,
    workers: int = 1,
    note: Note = lambda *_: None,
) -> Importance:
    """Simulate each seed's world as it is, and once without each of its candidates and parts; runs are kept in `store`.

    Candidates: the `top` people with the largest exposures, near liquidation or not, and `sample` others at random. A
    seed is a history with people of its own, so each one's savings are of one run. Raises InputError.
    """
    people: list[Person] = []
    parts: list[Part] = []
    with runner(workers) as made:
        known = Remembered(figures_without, what="figures", store=store, made=made)
        for seed in seeds:

            def said(_: str, done: int, total: int, seed: int = seed) -> None:
                note(f"seed {seed}", done, total)

            more, others = _of_seed(found.scenario, seed, top=top, sample=sample, known=known, note=said)
            people += more
            parts += others
    return Importance(name=found.name, seeds=tuple(seeds), people=tuple(people), parts=tuple(parts))


def figures_without(scenario: AnyScenario, seed: int) -> Figures:
    """The figures of a run, or under "refused" why it cannot be simulated."""
    try:
        return dict(figures_of(traces_of(scenario, seed)))
    except InputError as error:
        return {"refused": str(error)}


def _of_seed(
    scenario: AnyScenario, seed: int, *, top: int, sample: int, known: Remembered, note: Note
) -> tuple[list[Person], list[Part]]:
    begun = start(scenario, seed)
    guests = {} if isinstance(scenario, Scenario) else scenario.people()
    people = people_of(begun.worlds, guests=guests, moving=begun.moving)
    chosen, largest = choose(people, top=top, sample=sample, seed=seed)
    venues, causes = history(scenario, seed)
    whole = figures_of(venues)
    measures = measured(people, chosen, depth_of(begun.worlds, venues))
    measures["causes"] = cost_to_others(people, chosen, causes)
    closed = {venue: own_usd(found.built.world) for venue, found in venues.items()}
    names = [people.names[number] for number in chosen.tolist()]
    parts = parts_of(scenario, begun, venues, people)
    worlds = [without(scenario, field, name) for field, name in (
        *(("accounts", name) for name in names), *((part.field, part.name) for part in parts),
    )]  # fmt: skip
    figures = known.figures([(world, seed) for world in worlds], note=note)
    made = []
    for at, (number, name) in enumerate(zip(chosen.tolist(), names, strict=True)):
        if "refused" in figures[at]:
            raise InputError(f"without {name}: {figures[at]['refused']}")
        own = sum(float(closed[venue][row]) for venue, row in people.rows[number])
        saved = {name: whole[name] - figures[at][name] for name in whole}
        made.append(
            Person(
                seed=seed,
                name=name,
                largest=at < largest,
                own_usd=own,
                saved_usd=saved["liquidated_notional_usd"] - own,
                saved_accounts=saved["liquidated_account_count"] - (own > 0.0),
                saved_bad_debt_usd=saved["bad_debt_usd"],
                measures={measure: float(values[at]) for measure, values in measures.items()},
            )
        )
    others = figures[len(made) :]
    return made, [part.saving(whole, other, seed=seed) for part, other in zip(parts, others, strict=True)]
