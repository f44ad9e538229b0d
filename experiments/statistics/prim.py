"""PRIM: boxes of parameters in which something happens often, found by peeling off thin slices where it does not.

Source: Friedman and Fisher, "Bump hunting in high-dimensional data", Statistics and Computing 1999; the use for finding
scenarios, with coverage, density and the test of every limit, is that of Bryant and Lempert (2010). What peeling finds
looks better than it is on the points it was found by: here half of the points peel, the other half judge.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from experiments.statistics import intervals
from experiments.statistics.intervals import Interval
from market.streams import Streams

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

PEEL = 0.05
"""Share of the points in the box that one slice takes off."""
LEAST_MASS = 0.05
"""Share of all points below which nothing more is taken off."""
FEWEST = 8
"""Points to judge by below which nothing is said."""


@dataclass(frozen=True, kw_only=True)
class Box:
    """Limits of some parameters; the others may have any value."""

    limits: dict[int, tuple[float, float]]
    """Column -> (least, greatest), of those that are limited; -inf and inf where one side is open."""
    density: Interval
    """Mean outcome inside, on points that did not find the box."""
    coverage: float
    """Share of all of the outcome that lies inside, on those points."""
    mass: float
    """Share of those points that lie inside."""
    elsewhere: float
    """Mean outcome of all of those points."""

    @property
    def better(self) -> bool:
        """Whether it happens surely more often inside than everywhere."""
        if self.density.unseen is not None and self.density.value is not None:
            return self.density.value > self.elsewhere
        return self.density.rated and self.density.low is not None and self.density.low > self.elsewhere


def inside(points: Floats, limits: dict[int, tuple[float, float]]) -> Bools:
    """Which points lie in a box."""
    found = np.ones(len(points), bool)
    for column, (low, high) in limits.items():
        found &= (points[:, column] >= low) & (points[:, column] <= high)
    return found


def find_boxes(points: Floats, outcome: Floats, *, most: int = 2) -> tuple[Box, ...]:
    """The best boxes, each among the points that earlier ones leave; none that is surely no better than everywhere.

    `points` is float64[n, n_parameters], `outcome` float64[n] in [0, 1]. Half of the points, drawn, peel; the others
    judge. (Every second one would not do: of Sobol points these lie in one half of a range.)
    """
    found: list[Box] = []
    left = np.ones(len(points), bool)
    peels = Streams(0).generator("prim").permutation(len(points)) % 2 == 0
    while len(found) < most:
        train, judge = left & peels, left & ~peels
        limits = _peeled(points[train], outcome[train])
        if not limits:
            break
        box = _judged(limits, points[judge], outcome[judge])
        if not box.better:
            break
        found.append(box)
        left &= ~inside(points, limits)
    return tuple(found)


def _judged(limits: dict[int, tuple[float, float]], points: Floats, outcome: Floats) -> Box:
    mine = inside(points, limits)
    total = float(outcome.sum())
    if int(mine.sum()) < FEWEST:
        density = Interval(value=None, n=int(mine.sum()), events=0, rated=False)
    else:
        density = intervals.mean(outcome[mine])
    return Box(
        limits=limits,
        density=density,
        coverage=float(outcome[mine].sum()) / total if total > 0.0 else 0.0,
        mass=float(mine.mean()) if len(mine) else 0.0,
        elsewhere=float(outcome.mean()) if len(outcome) else 0.0,
    )


def _peeled(points: Floats, outcome: Floats) -> dict[int, tuple[float, float]]:
    """The box on the way of peeling that is best in density and coverage together; limits that do nothing dropped."""
    n = len(points)
    if n < 2 * FEWEST or outcome.sum() == 0.0:
        return {}
    low, high = np.full(points.shape[1], -np.inf), np.full(points.shape[1], np.inf)
    mine = np.ones(n, bool)
    best: dict[int, tuple[float, float]] = {}
    best_score = _score(mine, outcome)
    while mine.sum() > max(LEAST_MASS * n, FEWEST / 2):
        step = _slice(points, outcome, mine)
        if step is None:
            break
        column, below, at = step
        (low if below else high)[column] = at
        mine &= (points[:, column] >= at) if below else (points[:, column] <= at)
        score = _score(mine, outcome)
        if score > best_score:
            limited = np.flatnonzero(np.isfinite(low) | np.isfinite(high))
            best, best_score = {int(at): (float(low[at]), float(high[at])) for at in limited}, score
    return _without_idle(best, points, outcome)


def _slice(points: Floats, outcome: Floats, mine: Bools) -> tuple[int, bool, float] | None:
    """The slice to take off: column, whether from below, and the limit that is left; None when none can be."""
    count = int(mine.sum())
    away = max(1, int(PEEL * count))
    best: tuple[int, bool, float] | None = None
    best_mean = -1.0
    for column in range(points.shape[1]):
        values = np.sort(points[mine, column])
        for below, at in ((True, values[away]), (False, values[-1 - away])):
            kept = mine & ((points[:, column] >= at) if below else (points[:, column] <= at))
            if 0 < kept.sum() < count and outcome[kept].mean() > best_mean:
                best, best_mean = (column, below, float(at)), float(outcome[kept].mean())
    return best


def _score(mine: Bools, outcome: Floats) -> float:
    """Harmonic mean of density and coverage."""
    inside_it = float(outcome[mine].sum())
    density, coverage = inside_it / max(1, int(mine.sum())), inside_it / float(outcome.sum())
    return 0.0 if inside_it == 0.0 else 2.0 * density * coverage / (density + coverage)


def _without_idle(
    limits: dict[int, tuple[float, float]], points: Floats, outcome: Floats
) -> dict[int, tuple[float, float]]:
    """The box without limits whose removal does not lower the density by more than chance would (5 %, one-sided)."""
    kept = dict(limits)
    for column in limits:
        others = {key: value for key, value in kept.items() if key != column}
        wider, mine = inside(points, others), inside(points, kept)
        count, rate = int(mine.sum()), float(outcome[wider].mean())
        error = np.sqrt(max(rate * (1.0 - rate), 1e-12) / max(count, 1))
        if outcome[mine].mean() - rate < 1.645 * error:
            kept = others
    return kept
