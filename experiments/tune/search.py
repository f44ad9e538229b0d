"""The search: ask for a design, measure it, tell. Optuna keeps the history in a journal, so that a later call goes on.

One objective is searched by tree-structured Parzen estimators (Bergstra et al. 2011), several by NSGA-II (Deb et al.
2002). The sampler is made anew for every trial, from the seed and the number of finished trials: a search that was
interrupted and resumed is the same as one that was not, and it does not depend on the number of workers.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from optuna.samplers import BaseSampler, NSGAIISampler, TPESampler
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState

from experiments.fields import to_dict
from experiments.store.version import RESULTS_VERSION
from experiments.study.load import Loaded
from experiments.study.model import Tune
from experiments.tune.evaluate import NoDesign
from experiments.tune.quantities import Bench, Quantity, Sample, all_of, efficiencies, losses, objectives
from experiments.tune.space import Dimension
from market.errors import InputError

POPULATION = 12
"""Of NSGA-II; small, because a trial costs many runs."""
STARTUP = 8
"""Trials at random before the estimators begin."""


@dataclass(frozen=True, kw_only=True)
class Trial:
    """A design that was searched, and what the search seeds say about it."""

    number: int
    values: dict[str, Any]
    leverage: float | None
    claims: tuple[float | None, ...]
    """A value for each of `quantities.all_of`."""


Told = Callable[[Sequence[Trial]], None]


class Search:
    """The trials of one study."""

    def __init__(self, loaded: Loaded, tune: Tune, dimensions: Sequence[Dimension], *, journal: Path) -> None:
        """`journal` is a folder; a search that looks for something else has another file in it."""
        self.loaded, self.tune, self.dimensions = loaded, tune, tuple(dimensions)
        self.quantities = all_of(tune)
        journal.mkdir(parents=True, exist_ok=True)
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._study = optuna.create_study(
            storage=JournalStorage(JournalFileBackend(str(journal / f"{self._name()}.journal"))),
            study_name=loaded.name,
            directions=[_DIRECTION[item.direction] for item in objectives(tune)],
            load_if_exists=True,
        )

    def _name(self) -> str:
        """A hash of all that a search depends on, but for how long it goes on and what is confirmed."""
        said = to_dict(self.tune)
        for key in ("trials", "confirm", "confirm_designs"):
            del said[key]
        study = self.loaded.study
        text = json.dumps(
            [
                RESULTS_VERSION,
                said,
                [vars(item) for item in self.dimensions],
                to_dict(study.seeds),
                study.twin,
                study.strategies,
                self.loaded.resolver.base().data,
            ]
        )
        return f"{self.loaded.name}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"

    def trials(self) -> tuple[Trial, ...]:
        """Those that are finished and gave figures, in their order."""
        finished = enumerate(self._finished())  # numbered as if nothing had ever been interrupted
        return tuple(self._trial(at, found) for at, found in finished if found.state == TrialState.COMPLETE)

    def run(self, bench: Bench, *, told: Told) -> tuple[Trial, ...]:
        """Do trials until there are enough. Raises InputError when today's design cannot be simulated."""
        for left in self._study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):  # of an interrupted call
            self._study.tell(left.number, state=TrialState.FAIL)
        told(self.trials())
        while len(self._finished()) < self.tune.trials:
            self._one(bench)
            told(self.trials())
        return self.trials()

    def _finished(self) -> list[FrozenTrial]:
        """Trials that were told: with figures, or as designs that cannot be simulated."""
        found = self._study.get_trials(deepcopy=False)
        return [item for item in found if item.state in (TrialState.COMPLETE, TrialState.PRUNED)]

    def _one(self, bench: Bench) -> None:
        done = len(self._finished())
        self._study.sampler = self._sampler(self.tune.seed * 1_000_003 + done)
        if not done and not self._study.get_trials(deepcopy=False, states=(TrialState.WAITING,)):
            self._study.enqueue_trial({item.path: item.today for item in self.dimensions})
        trial = self._study.ask()
        values = {item.path: self._suggested(trial, item) for item in self.dimensions}
        try:
            sample = bench.sample({**self.tune.today, **values}, self.loaded.study.seeds)
        except NoDesign as error:
            if not done:
                raise InputError(f"today's design: {error}") from None
            self._study.tell(trial, state=TrialState.PRUNED)
            return
        self._tell(trial, sample)

    def _suggested(self, trial: optuna.Trial, item: Dimension) -> float | int:
        if item.scale == "whole":
            return int(trial.suggest_int(item.path, int(item.low), int(item.high)))
        return float(trial.suggest_float(item.path, item.low, item.high, log=item.scale == "log"))

    def _tell(self, trial: optuna.Trial, sample: Sample) -> None:
        claims = [quantity.of(sample.figures).value for quantity in self.quantities]
        by_quantity = {(q.measure, q.world): claim for q, claim in zip(self.quantities, claims, strict=True)}
        goals = [by_quantity[item.measure, item.world] for item in objectives(self.tune)]
        trial.set_user_attr("leverage", sample.leverage)
        trial.set_user_attr("claims", claims)
        for at, loss in enumerate(losses(self.tune)):
            claim = by_quantity[loss.measure, loss.world]
            assert loss.at_most is not None
            trial.set_constraint(f"ceiling {at}", math.inf if claim is None else claim - loss.at_most)
        known = [goal for goal in goals if goal is not None]
        if len(known) < len(goals):
            if not self._finished():
                undefined = [item for item, goal in zip(objectives(self.tune), goals, strict=True) if goal is None]
                raise InputError(
                    f"tune.objectives: {undefined[0].measure.kpi} is undefined in all runs of today's design"
                )
            self._study.tell(trial, state=TrialState.PRUNED)
        else:
            self._study.tell(trial, known)

    def _sampler(self, seed: int) -> BaseSampler:
        if len(self._study.directions) > 1:
            return NSGAIISampler(population_size=POPULATION, seed=seed)
        return TPESampler(n_startup_trials=STARTUP, multivariate=True, seed=seed)

    def _trial(self, number: int, found: FrozenTrial) -> Trial:
        return Trial(
            number=number,
            values={**self.tune.today, **{item.path: item.value(found.params[item.path]) for item in self.dimensions}},
            leverage=found.user_attrs["leverage"],
            claims=tuple(found.user_attrs["claims"]),
        )


_DIRECTION: dict[str, Any] = {"maximise": "maximize", "minimise": "minimize"}


def score(trial: Trial, today: Trial, tune: Tune) -> float:
    """Relative gain of capital efficiency over today's design, the smaller one of both worlds; -inf when undefined."""
    return min(
        gain(trial.claims[at], today.claims[at]) for at in range(len(efficiencies(tune)))
    )  # efficiencies come first in `all_of`


def gain(value: float | None, today: float | None) -> float:
    """Relative gain; -inf when undefined."""
    return value / today - 1.0 if value is not None and today else -math.inf


def load(trial: Trial, quantities: Sequence[Quantity]) -> float:
    """The largest loss relative to its ceiling: 1 is the limit."""
    return max(
        share_of(claim, quantity.at_most)
        for claim, quantity in zip(trial.claims, quantities, strict=True)
        if quantity.at_most is not None
    )


def share_of(loss: float | None, at_most: float) -> float:
    """A loss relative to its ceiling; inf when unknown."""
    if loss is None:
        return math.inf
    if at_most <= 0.0:
        return 0.0 if loss <= at_most else math.inf
    return loss / at_most


def front(trials: Sequence[Trial], tune: Tune) -> list[Trial]:
    """Designs beside today's that no other one beats in both capital efficiency and loss; the least loss first."""
    quantities = all_of(tune)
    ranked = sorted(
        trials[1:], key=lambda trial: (load(trial, quantities), -score(trial, trials[0], tune), trial.number)
    )
    kept: list[Trial] = []
    for trial in ranked:
        if not kept or score(trial, trials[0], tune) > score(kept[-1], trials[0], tune):
            kept.append(trial)
    return kept


def candidates(trials: Sequence[Trial], tune: Tune) -> list[Trial]:
    """Today's design and those of the front nearest to the limit: two thirds below it, if there are so many."""
    quantities, n = all_of(tune), tune.confirm_designs
    found = front(trials, tune)
    below = [trial for trial in found if load(trial, quantities) <= 1.0][::-1]
    above = [trial for trial in found if load(trial, quantities) > 1.0]
    most_above = min(len(above), max(n // 3, n - len(below)))
    chosen = below[: n - most_above] + above[:most_above]
    return [trials[0], *sorted(chosen, key=lambda trial: load(trial, quantities))]
