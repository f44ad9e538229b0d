"""The critical shock: the largest one that a world survives without a runaway cascade, seed by seed on a common grid.

The range is halved for each seed around the value from which on it runs away. What is asked for is the median over
seeds and its interval, which are three or four order statistics: a seed is only pursued while its own bracket can still
decide one of these, and the others keep the bracket they have. The answer is that of halving to the end for all.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

from scipy.stats import binom

from experiments.config import Override
from experiments.countdown import Note
from experiments.counterfactual.measure import at_stake_usd, lost_positions_usd, traces_of
from experiments.counterfactual.runs import Figures, Remembered, runner
from experiments.counterfactual.setting import AnyScenario, Setting
from experiments.statistics.intervals import LEVEL
from experiments.statistics.means import FEWEST_SEEDS
from experiments.toml_tree import Steps, split
from market.errors import InputError

SURVIVES_ALL, BRACKETED, SURVIVES_NONE, NOT_PURSUED = "survives all", "found", "survives none", "not pursued"

Tried = dict[int, float]
"""Measure by place on the grid."""
Ask = Callable[[Sequence[tuple[int, int]]], Sequence[float]]
"""(number of a seed, place on the grid) of each run that is wanted -> their measures."""


@dataclass(frozen=True, kw_only=True)
class Bisection:
    """Where between harmless (0) and worst (1) a world begins to run away, as far as it was looked for."""

    places: int
    """The grid has this many steps; positions are multiples of 1 / places."""
    low: int
    """Largest place that is known to be survived; -1 where none is."""
    high: int
    """Smallest place at which it is known to run away; `places` + 1 where there is none."""
    tried: tuple[tuple[float, float], ...]
    """(position, measure) of every run, in order of position."""

    @property
    def outcome(self) -> str:
        """Whether the end of survival was found, lies beyond either end, or was not pursued to the last step."""
        if self.high - self.low > 1:
            return NOT_PURSUED
        return SURVIVES_NONE if self.low < 0 else SURVIVES_ALL if self.high > self.places else BRACKETED

    @property
    def survived(self) -> float:
        """Position that is known to be survived; -inf where none is."""
        return self.low / self.places if self.low >= 0 else -math.inf

    @property
    def ran_away(self) -> float:
        """Position at which it is known to run away; inf where none is."""
        return self.high / self.places if self.high <= self.places else math.inf


def targets(n: int, *, level: float = LEVEL) -> tuple[int, ...]:
    """Order statistics, counted from 1, that make the median of n values and its interval."""
    middle = {(n + 1) // 2, n // 2 + 1}
    if n >= FEWEST_SEEDS:
        rank = max(1, int(binom.ppf((1.0 - level) / 2.0, n, 0.5)))
        middle |= {rank, n + 1 - rank}
    return tuple(sorted(middle))


def pursue(ask: Ask, *, n: int, above: float, steps: int) -> list[Bisection]:
    """Halve [0, 1] for each of n seeds on a grid of 2^steps places until the median and its interval are known.

    Each wave asks for one run of every seed whose bracket can still decide one of the order statistics. If survival
    comes and goes, a seed's end of it is one of the places at which it ends.
    """
    places = 1 << steps
    low, high = [-1] * n, [places + 1] * n
    tried: list[Tried] = [{} for _ in range(n)]
    while wanted := _undecided(low, high):
        runs = [(seed, (low[seed] + high[seed]) // 2) for seed in wanted]
        for (seed, place), measure in zip(runs, ask(runs), strict=True):
            tried[seed][place] = measure
            if measure > above:
                high[seed] = place
            else:
                low[seed] = place
    return [
        Bisection(
            places=places, low=low[seed], high=high[seed],
            tried=tuple((place / places, tried[seed][place]) for place in sorted(tried[seed])),
        )
        for seed in range(n)
    ]  # fmt: skip


def _undecided(low: Sequence[int], high: Sequence[int]) -> list[int]:
    """Seeds whose place is not known and could be that of an order statistic which is not known."""
    lows, highs = sorted(low), sorted(high)
    open_ = [(lows[rank - 1], highs[rank - 1]) for rank in targets(len(low)) if highs[rank - 1] - lows[rank - 1] > 1]
    return [
        seed
        for seed, (least, most) in enumerate(zip(low, high, strict=True))
        if most - least > 1 and any(least < other and most > one for one, other in open_)
    ]


@dataclass(frozen=True, kw_only=True)
class Median:
    """A median over seeds, some of which are known to lie beyond either end only."""

    value: float | None
    """None where it lies beyond an end, or there is nothing."""
    low: float | None = None
    """None: beyond the end."""
    high: float | None = None
    n: int
    rated: bool


def median(survived: Sequence[float], ran_away: Sequence[float], *, level: float = LEVEL) -> Median:
    """Median of what is survived, with the interval between two order statistics (David and Nagaraja 2003, 7.1) that
    ends where the upper one runs away; not rated below six.

    Positions in [0, 1]; -inf and inf stand for what lies beyond an end.
    """
    n, ordered = len(survived), sorted(survived)
    if n == 0:
        return Median(value=None, n=0, rated=False)

    def known(position: float) -> float | None:
        return position if math.isfinite(position) else None

    low, high = ordered[(n - 1) // 2], ordered[n // 2]
    middle = known(0.5 * (low + high)) if math.isfinite(low) and math.isfinite(high) else None
    if n < FEWEST_SEEDS:
        return Median(value=middle, n=n, rated=False)
    ranks = targets(n, level=level)
    return Median(
        value=middle, low=known(ordered[ranks[0] - 1]), high=known(sorted(ran_away)[ranks[-1] - 1]), n=n, rated=True
    )


@dataclass(frozen=True, kw_only=True)
class Critical:
    """The critical value of a parameter, seed by seed."""

    path: str
    harmless: float
    worst: float
    share: float
    """What people may be closed out of, of what is at stake at the start, before it counts as a runaway cascade."""
    seeds: tuple[int, ...]
    found: tuple[Bisection, ...]
    simulated: int
    """Runs that were not in the store."""

    def value(self, position: float | None) -> float | None:
        """The parameter at a position between harmless (0) and worst (1); None beyond."""
        if position is None or not math.isfinite(position):
            return None
        return self.harmless + position * (self.worst - self.harmless)

    @cached_property
    def median(self) -> Median:
        """Of the largest shocks survived, as positions."""
        return median([one.survived for one in self.found], [one.ran_away for one in self.found])

    @property
    def runs(self) -> int:
        """All runs that it rests on."""
        return sum(len(one.tried) for one in self.found)

    def count(self, outcome: str) -> int:
        """Seeds with this outcome."""
        return sum(one.outcome == outcome for one in self.found)


def critical(
    setting: Setting,
    path: str,
    *,
    harmless: float,
    worst: float,
    share: float,
    seeds: Sequence[int],
    steps: int = 6,
    store: str | None = None,
    workers: int = 1,
    note: Note = lambda *_: None,
) -> Critical:
    """Find the largest value of a parameter, going from `harmless` to `worst`, that each seed survives.

    Runaway: people are closed out of more than `share` of what is at stake at the start. Every run is kept in `store`,
    whatever the share. Raises InputError for a parameter that is none, or no number, at either end, for a share outside
    (0, 1], and for a store that cannot be written.
    """
    if not (math.isfinite(harmless) and math.isfinite(worst)) or harmless == worst:
        raise InputError(f"--from, --to: expected two different numbers, got {harmless:g} and {worst:g}")
    if not 0.0 < share <= 1.0:
        raise InputError(f"--share: {share:g} is not in (0, 1]")
    steps_of = split(path)
    for end in (harmless, worst):
        setting.changed([_override(steps_of, end)])
    with runner(min(workers, len(seeds))) as made:
        known = Remembered(closed_share, what="closed share", store=store, made=made)
        waves = 0

        def ask(runs: Sequence[tuple[int, int]]) -> list[float]:
            nonlocal waves
            waves += 1
            label = f"halving {waves} of at most {steps + 2}"
            worlds = []
            for seed, place in runs:
                value = harmless + place / (1 << steps) * (worst - harmless)
                worlds.append((setting.changed([_override(steps_of, value)]), seeds[seed]))
            figures = known.figures(worlds, note=lambda _, done, total: note(label, done, total))
            return [float(found["closed_share"]) for found in figures]

        found = pursue(ask, n=len(seeds), above=share, steps=steps)
    return Critical(
        path=path, harmless=harmless, worst=worst, share=share, seeds=tuple(seeds), found=tuple(found),
        simulated=known.simulated,
    )  # fmt: skip


def _override(steps_of: Steps, value: float) -> Override:
    return Override(steps_of, value, "--vary")


def closed_share(scenario: AnyScenario, seed: int) -> Figures:
    """What people are closed out of in a run over what is at stake at its start; 0 where nothing is."""
    venues = traces_of(scenario, seed)
    at_stake = at_stake_usd(venues)
    return {"closed_share": lost_positions_usd(venues) / at_stake if at_stake > 0.0 else 0.0}
