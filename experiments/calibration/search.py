"""The finish: Optuna searches the parameters whose moments are nearest to the data's.

Points are asked for in batches of a fixed size and answered in order, so that the search does not depend on how many
processes simulate.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import optuna
from numpy.typing import NDArray

from experiments.calibration.moments import total_distance
from experiments.calibration.problem import Problem
from experiments.calibration.space import values_at
from experiments.calibration.store import Store

Array = NDArray[np.float64]

BATCH = 4
SEEDS_PER_TRIAL = 2
FINALISTS = 4


def average(runs: Sequence[dict[str, float]]) -> dict[str, float]:
    """Mean of each moment."""
    return {name: float(np.mean([run[name] for run in runs])) for name in runs[0]}


def search(
    problem: Problem,
    store: Store,
    *,
    starts: Sequence[Array],
    low: Array,
    high: Array,
    trials: int,
    seed: int,
    note: Callable[[int, int], None],
) -> list[Array]:
    """The `FINALISTS` best places found in the box from `low` to `high` of the unit cube; `starts` are tried first."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    sampler = optuna.samplers.TPESampler(seed=seed, multivariate=True, n_startup_trials=len(starts) + 2 * BATCH)
    study = optuna.create_study(sampler=sampler)
    names = [parameter.name for parameter in problem.space]
    for start in starts:
        study.enqueue_trial(dict(zip(names, np.clip(start, low, high).tolist(), strict=True)))
    box: dict[str, optuna.distributions.BaseDistribution] = {
        name: optuna.distributions.FloatDistribution(float(a), float(b))
        for name, a, b in zip(names, low, high, strict=True)
    }
    done = 0
    while done < trials:
        asked = [study.ask(box) for _ in range(min(BATCH, trials - done))]
        points = [values_at(problem.space, np.array([trial.params[name] for name in names])) for trial in asked]
        runs = store.moments([(values, seed + k) for values in points for k in range(SEEDS_PER_TRIAL)])
        for number, trial in enumerate(asked):
            own = runs[number * SEEDS_PER_TRIAL : (number + 1) * SEEDS_PER_TRIAL]
            study.tell(trial, total_distance(problem.data, average(own)))
        done += len(asked)
        note(done, trials)
    ranked = sorted(study.trials, key=lambda trial: (trial.value, trial.number))[:FINALISTS]
    return [np.array([trial.params[name] for name in names]) for trial in ranked]
