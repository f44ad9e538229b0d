"""Figures of one design on some seeds: from the store as far as they are there, simulated and stored otherwise."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.store.rows import OK
from experiments.store.store import Mismatch, Store
from experiments.study.designs import Block, Designs
from experiments.study.load import Loaded
from experiments.study.model import Mean, Seeds
from experiments.sweep.drive import Sweep
from experiments.sweep.executor import Executor, Gone
from experiments.sweep.plan import Plan
from experiments.sweep.summary import check_measures, numbers_of
from experiments.tune.space import changes_of
from market.errors import InputError

Figures = dict[str, NDArray[np.float64]]
"""float64[n_seeds] by figure, in the order of the seeds; nan where a run failed or has none."""


class Interrupted(KeyboardInterrupt):
    """Ctrl-C, or the time is up; whatever was finished is stored."""


class NoDesign(InputError):
    """A design that cannot be simulated."""


class Evaluator:
    """Simulates designs of one study on one executor, none of them twice."""

    def __init__(
        self,
        loaded: Loaded,
        *,
        store: Store,
        executor: Executor,
        manifest: str,
        kpis: Sequence[str],
        tick: Callable[[], None] = lambda: None,
    ) -> None:
        """`kpis` are the figures that are asked for; `tick` is called whenever some runs are done."""
        self.loaded, self.store, self.executor, self.manifest = loaded, store, executor, manifest
        self.kpis, self.tick = tuple(dict.fromkeys(kpis)), tick
        self.simulated = 0
        """Runs that were not stored before."""
        self._began = time.monotonic()
        self._checked = False

    def figures(self, values: Mapping[str, Any], seeds: Seeds) -> Figures:
        """The figures of a design. Raises NoDesign when it cannot be simulated, Interrupted, and InputError."""
        study = replace(
            self.loaded.study,
            seeds=seeds,
            keep=(),
            tune=None,
            cap=None,
            stress=None,
            attack=None,
            measures=self._measures(),
        )
        changes = changes_of(values)
        block = Block(1, lambda _: changes, tuple(values))
        try:
            plan = Plan(replace(self.loaded, study=study, designs=Designs((block,))))
            self._simulate(plan)
        except (OSError, Mismatch, Gone):
            raise
        except InputError as error:
            if type(error) is not InputError:  # the store is full or cannot be written
                raise
            raise NoDesign(str(error)) from None
        return self._stored(plan)

    def _measures(self) -> tuple[Mean, ...]:
        return tuple(Mean(kpi=kpi) for kpi in self.kpis)

    def _simulate(self, plan: Plan) -> None:
        hours = plan.study.limits.hours
        if hours is not None and time.monotonic() - self._began > hours * 3600.0:
            raise Interrupted(f"stopped after {hours:g} h (limits.hours)")
        sweep = Sweep(plan, self.store, self.executor, manifest=self.manifest, note=lambda *_: self.tick())
        before = sweep.progress.left
        if before:
            sweep.run()
            self.simulated += sweep.progress.done
            if sweep.progress.left:
                raise Interrupted(sweep.progress.ended)

    def _stored(self, plan: Plan) -> Figures:
        found = self.store.runs(plan.table(), self.kpis)
        at = np.array(found.column("run_seed").to_pylist(), np.int64) - plan.seeds.start
        ok = np.array(found.column("status").to_pylist(), dtype=object) == OK
        if not self._checked and ok.any():
            check_measures(plan.study, self.store.row(plan.key(int(at[ok][0]))))
            self._checked = True
        made: Figures = {}
        for kpi in self.kpis:
            made[kpi] = np.full(len(plan.seeds), np.nan)
            with suppress(ValueError):  # a figure that is text is none
                made[kpi][at[ok]] = numbers_of(found.column(kpi).to_pylist())[ok]
        return made
