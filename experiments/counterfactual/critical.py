"""The critical shock: the largest one that a world survives without a runaway cascade, by bisection, seed by seed."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from scipy.stats import binom

from experiments.config import Override
from experiments.countdown import Note
from experiments.counterfactual.measure import at_stake_usd, forced_usd
from experiments.counterfactual.runs import each
from experiments.counterfactual.setting import Setting
from experiments.run import trace
from experiments.scenario import Scenario
from experiments.statistics.intervals import LEVEL
from experiments.statistics.means import FEWEST_SEEDS
from experiments.systems.run import trace_system
from experiments.toml_tree import Steps, split
from market.errors import InputError

SURVIVES_ALL, BRACKETED, SURVIVES_NONE = "survives all", "found", "survives none"


@dataclass(frozen=True, kw_only=True)
class Bisection:
    """Where between harmless (0) and worst (1) a world begins to run away."""

    outcome: str
    survived: float
    """Largest that was survived: 1 where all were; 0, untried below, where none was."""
    ran_away: float
    """Smallest above it that was not survived."""
    tried: tuple[tuple[float, float], ...]
    """(position, measure) of every run, in order of position."""


def bisect(measure: Callable[[float], float], *, above: float, steps: int) -> Bisection:
    """Halve [0, 1] `steps` times around a point from which on `measure` exceeds `above`.

    Both ends are tried first. If survival comes and goes, it is one of the points at which it ends.
    """
    tried: dict[float, float] = {}

    def runs_away(position: float) -> bool:
        tried[position] = measure(position)
        return tried[position] > above

    def found(outcome: str, survived: float, ran_away: float) -> Bisection:
        return Bisection(outcome=outcome, survived=survived, ran_away=ran_away, tried=tuple(sorted(tried.items())))

    if runs_away(0.0):
        return found(SURVIVES_NONE, 0.0, 0.0)
    if not runs_away(1.0):
        return found(SURVIVES_ALL, 1.0, 1.0)
    low, high = 0.0, 1.0
    for _ in range(steps):
        middle = 0.5 * (low + high)
        low, high = (low, middle) if runs_away(middle) else (middle, high)
    return found(BRACKETED, low, high)


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


def median(positions: Sequence[float], *, level: float = LEVEL) -> Median:
    """Median with the interval between two order statistics (David and Nagaraja 2003, 7.1); not rated below six.

    `positions` in [0, 1]; -inf and inf stand for what lies beyond an end.
    """
    n, ordered = len(positions), sorted(positions)
    if n == 0:
        return Median(value=None, n=0, rated=False)

    def known(position: float) -> float | None:
        return position if math.isfinite(position) else None

    low, high = ordered[(n - 1) // 2], ordered[n // 2]
    middle = known(0.5 * (low + high)) if math.isfinite(low) and math.isfinite(high) else None
    if n < FEWEST_SEEDS:
        return Median(value=middle, n=n, rated=False)
    rank = max(1, int(binom.ppf((1.0 - level) / 2.0, n, 0.5)))
    return Median(value=middle, low=known(ordered[rank - 1]), high=known(ordered[n - rank]), n=n, rated=True)


@dataclass(frozen=True, kw_only=True)
class Critical:
    """The critical value of a parameter, seed by seed."""

    path: str
    harmless: float
    worst: float
    share: float
    """What may be closed by force, of what is at stake at the start, before it counts as a runaway cascade."""
    seeds: tuple[int, ...]
    found: tuple[Bisection, ...]

    def value(self, position: float | None) -> float | None:
        """The parameter at a position between harmless (0) and worst (1)."""
        return None if position is None else self.harmless + position * (self.worst - self.harmless)

    @property
    def median(self) -> Median:
        """Of the largest shocks survived, as positions."""
        beyond = {SURVIVES_ALL: math.inf, SURVIVES_NONE: -math.inf}
        return median([beyond.get(one.outcome, one.survived) for one in self.found])

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
    workers: int = 1,
    note: Note = lambda *_: None,
) -> Critical:
    """Find the largest value of a parameter, going from `harmless` to `worst`, that each seed survives.

    Runaway: more than `share` of what is at stake at the start is closed by force. Raises InputError for a parameter
    that is none, or no number, at either end, and for a share outside (0, 1].
    """
    if not (math.isfinite(harmless) and math.isfinite(worst)) or harmless == worst:
        raise InputError(f"--from, --to: expected two different numbers, got {harmless:g} and {worst:g}")
    if not 0.0 < share <= 1.0:
        raise InputError(f"--share: {share:g} is not in (0, 1]")
    steps_of = split(path)
    for end in (harmless, worst):
        setting.changed([_override(steps_of, end)])
    tasks = [(setting, steps_of, harmless, worst, share, steps, seed) for seed in seeds]
    done = each(_of_seed, tasks, workers=workers, note=note)
    return Critical(
        path=path, harmless=harmless, worst=worst, share=share, seeds=tuple(seeds), found=tuple(done)
    )  # fmt: skip


def _override(steps: Steps, value: float) -> Override:
    return Override(steps, value, "--vary")


def _of_seed(
    setting: Setting, steps_of: Steps, harmless: float, worst: float, share: float, steps: int, seed: int
) -> Bisection:
    def measure(position: float) -> float:
        value = harmless + position * (worst - harmless)
        return share_closed(setting, [_override(steps_of, value)], seed)

    return bisect(measure, above=share, steps=steps)


def share_closed(setting: Setting, overrides: Sequence[Override], seed: int) -> float:
    """What is closed by force in a run over what is at stake at its start; 0 where nothing is."""
    scenario = setting.changed(overrides)
    if isinstance(scenario, Scenario):
        venues = {"": trace(scenario, seed=seed)}
    else:
        venues = trace_system(scenario, seed=seed).venues
    at_stake = at_stake_usd(venues)
    return forced_usd(venues) / at_stake if at_stake > 0.0 else 0.0
