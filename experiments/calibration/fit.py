"""Fit a problem: stored runs, regression, identifiability, search, and a last look with fresh seeds."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from experiments.calibration.identifiability import Identifiability, identifiability
from experiments.calibration.moments import total_distance
from experiments.calibration.problem import Problem
from experiments.calibration.regression import Estimate, regress
from experiments.calibration.search import average, search
from experiments.calibration.space import spread_points, values_at
from experiments.calibration.store import Store
from experiments.countdown import Note

Array = NDArray[np.float64]

LOOK_SEEDS = 8


@dataclass(frozen=True, kw_only=True)
class Effort:
    """How much is simulated; the result depends on `runs`, `trials` and `seed`, not on `workers`."""

    runs: int = 400
    trials: int = 120
    seed: int = 1
    workers: int | None = 1
    """Processes that simulate; None: one a core."""
    store: str = "results/store"


@dataclass(frozen=True, kw_only=True)
class Fit:
    """A fitted problem."""

    problem: Problem
    values: dict[str, float]
    estimate: Estimate
    told: Identifiability
    model: dict[str, float]
    """Moments of the fitted model, mean over fresh seeds."""
    model_error: dict[str, float]
    """Their standard errors."""
    distance: float
    regression_distance: float
    """What the regression alone would have left."""


def fit(problem: Problem, effort: Effort, *, note: Note, announce: Callable[[Identifiability, Estimate], None]) -> Fit:
    """Fit; `announce` is told what the data can tell as soon as that is known, before the search."""
    with Store(problem, place=effort.store, workers=effort.workers) as store:
        return _fit(problem, store, effort, note=note, announce=announce)


def _fit(
    problem: Problem, store: Store, effort: Effort, *, note: Note, announce: Callable[[Identifiability, Estimate], None]
) -> Fit:
    places = spread_points(problem.space, count=effort.runs, seed=effort.seed)
    runs = [(values_at(problem.space, place), effort.seed + 1_000 + k) for k, place in enumerate(places)]
    seen = store.moments(runs, note=lambda done, total: note(f"{problem.name}: runs", done, total))
    estimate = regress(places, seen, {moment.name: moment.value for moment in problem.data})
    told = identifiability(places, seen, problem.data, at=estimate.place)
    announce(told, estimate)
    distances = np.array([total_distance(problem.data, run) for run in seen])
    best_runs = places[np.argsort(distances, kind="stable")[:3]]
    corners = np.vstack([estimate.place - estimate.half_width, estimate.place + estimate.half_width, best_runs])
    found = [] if effort.trials == 0 else search(
        problem, store, starts=[estimate.place, *best_runs], low=np.clip(corners.min(axis=0), 0.0, 1.0),
        high=np.clip(corners.max(axis=0), 0.0, 1.0), trials=effort.trials, seed=effort.seed,
        note=lambda done, total: note(f"{problem.name}: search", done, total),
    )  # fmt: skip
    finalists = [_rounded(values_at(problem.space, place)) for place in (estimate.place, *found)]
    scores = [
        total_distance(problem.data, average(_look(store, values, effort.seed + 100_000))) for values in finalists
    ]
    values = finalists[int(np.argmin(scores))]
    # Fresh seeds once more: the winner of a choice looks better than it is.
    last = _look(store, values, effort.seed + 200_000)
    model, first = average(last), average(_look(store, finalists[0], effort.seed + 200_000))
    errors = {name: float(np.std([run[name] for run in last], ddof=1)) / math.sqrt(len(last)) for name in model}
    return Fit(
        problem=problem, values=values, estimate=estimate, told=told, model=model, model_error=errors,
        distance=total_distance(problem.data, model), regression_distance=total_distance(problem.data, first),
    )  # fmt: skip


def _look(store: Store, values: dict[str, float], seed: int) -> list[dict[str, float]]:
    return store.moments([(values, seed + k) for k in range(LOOK_SEEDS)])


def _rounded(values: dict[str, float]) -> dict[str, float]:
    """Three digits: what is written to the file is what was looked at last."""
    return {name: float(f"{value:.3g}") for name, value in values.items()}
