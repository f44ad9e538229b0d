"""The runs of a problem, in the store that studies use: what has been simulated once is not simulated again.

A run is stored under its model, what the data say about it, its parameters and its seed; its figures are its moments.
The results of a call depend neither on the number of workers nor on what was stored before.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from experiments.calibration.problem import Problem
from experiments.config import resolved_toml
from experiments.store import manifest, store
from experiments.store.rows import OK
from experiments.study.model import Study
from experiments.study.resolve import Change, Resolver
from experiments.sweep.command import Call, executor_for
from experiments.sweep.drive import Sweep
from experiments.sweep.executor import Executor
from experiments.sweep.plan import Runs
from market.errors import InputError

Run = tuple[Mapping[str, float], int]
"""Parameter values and seed."""
Note = Callable[[int, int], None]
"""Told how many runs are done, and of how many."""


class Store:
    """The runs of one problem; a context that ends its worker processes."""

    def __init__(self, problem: Problem, *, place: str, workers: int | None) -> None:
        """Raises InputError when the store cannot be written."""
        self.problem = problem
        self.simulated = 0
        """Runs that were not stored before."""
        self._call = Call(study=problem.name, store=place, workers=workers)
        self._base = resolved_toml(problem.model)
        self._resolver = Resolver(self._base)
        self._store = store.Store(place)
        self._store.check()
        self._known: dict[str, dict[str, float]] = {}
        self._executor: Executor | None = None
        self._manifest = ""

    def moments(self, runs: Sequence[Run], *, note: Note = lambda *_: None) -> list[dict[str, float]]:
        """Moments of every run, simulating those that are not stored yet; nan where undefined.

        Raises InputError for a run that cannot be simulated.
        """
        asked = [([Change(f"values.{name}", value) for name, value in values.items()], seed) for values, seed in runs]
        plan = Runs(asked, study=Study(scenario=self.problem.name), base=self._base, resolver=self._resolver)
        if any(key not in self._known for key in plan.keys):
            self._fetch(plan, note)
        note(len(runs), len(runs))
        return [self._known[key] for key in plan.keys]

    def _fetch(self, plan: Runs, note: Note) -> None:
        """Have the moments of all runs of a plan, from the store or by simulation."""
        if len(plan.missing(self._store.stored_keys(only_ok=True))):
            executor = self._ready(plan)
            sweep = Sweep(
                plan, self._store, executor, manifest=self._manifest, note=lambda _, n, of: note(n, of), retry=True
            )
            sweep.run()
            self.simulated += sweep.progress.done
            if sweep.progress.left:
                raise KeyboardInterrupt
        names = [moment.name for moment in self.problem.data]
        for row in self._store.runs(plan.table(), names).to_pylist():
            if row["status"] != OK:
                raise InputError(f"{self.problem.name}: {row['error']}")
            self._known[row["key"]] = {name: math.nan if row[name] is None else row[name] for name in names}

    def _ready(self, plan: Runs) -> Executor:
        """Who simulates; a manifest is written with the first run."""
        if self._executor is None:
            about = {"executor": "local", "workers": self._call.workers, "command": "calibrate"}
            self._manifest = manifest.begin(self._store.place, study=self.problem.name, text=self._base, about=about)
            self._executor = executor_for(self._call, plan, self._store)
        return self._executor

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *exception: object) -> None:
        """Let the workers go; what they have not begun is not simulated."""
        if self._executor is None:
            return
        self._executor.close()
        with suppress(InputError):  # must not hide why it ended
            manifest.end(self._store.place, self._manifest, {"done": self.simulated})
            self._store.tidy()
