"""The parameters whose influence is asked for, their ranges, and designs at points of the unit cube."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.store.keys import design_key
from experiments.store.rows import OK
from experiments.store.store import Store
from experiments.study.designs import Block, Designs, scale
from experiments.study.load import Loaded
from experiments.study.model import DesignTable, Grid, Listed, Mean, Probability, Range
from experiments.study.resolve import Change, Resolver
from experiments.sweep.command import Call, do
from experiments.sweep.plan import Plan
from market.errors import InputError

Floats = NDArray[np.float64]

DUMMY = "(seeds)"
"""A parameter that does nothing but choose other random numbers: what it does is noise."""


@dataclass(frozen=True, kw_only=True)
class Space:
    """What is varied, and where the figures come from."""

    loaded: Loaded
    ranges: dict[str, Range]
    measure: Mean | Probability
    store: Store
    call: Call

    @property
    def names(self) -> tuple[str, ...]:
        """Paths, then the dummy."""
        return (*self.ranges, DUMMY)

    def changes(self, point: Floats) -> tuple[Change, ...]:
        """The values at a point of the unit cube; NaN leaves a value as it is."""
        return tuple(
            Change(path, scale(np.minimum(point[at : at + 1], 1.0 - 1e-12), bounds)[0].item())
            for at, (path, bounds) in enumerate(self.ranges.items())
            if not np.isnan(point[at])
        )

    def values(self, points: Floats) -> Floats:
        """The measured figure of every run: a row per point, a column per seed.

        `points` has a column for every path and a last one for the dummy: below a half the study's seeds are taken,
        above it as many that follow them. What is not stored is simulated. Raises InputError when a run failed.
        """
        count = self.loaded.study.seeds.count
        found = np.empty((len(points), count))
        for other in (False, True):
            mine = np.flatnonzero((points[:, -1] >= 0.5) == other)
            if len(mine):
                found[mine] = self._simulated(points[mine], shift=count if other else 0)
        return found

    def _simulated(self, points: Floats, *, shift: int) -> Floats:
        designs = [self.changes(point) for point in points]
        study = self.loaded.study
        seeds = replace(study.seeds, first=study.seeds.first + shift)
        own = replace(study, seeds=seeds, changes=(), measures=(self.measure,), keep=())
        block = Block(len(designs), lambda row: list(designs[row]), tuple(self.ranges))
        plan = Plan(replace(self.loaded, study=own, designs=Designs((block,))))
        if len(plan.missing(self.store.stored_keys())) and do(plan, self.store, self.call).left:
            raise KeyboardInterrupt
        return self._read(plan, designs)

    def _read(self, plan: Plan, designs: list[tuple[Change, ...]]) -> Floats:
        rows = self.store.runs(plan.table(), [self.measure.kpi]).to_pylist()
        bad = [row for row in rows if row["status"] != OK or row[self.measure.kpi] is None]
        if bad:
            reason = bad[0]["error"] or f"{self.measure.kpi} is not defined in it"
            raise InputError(f"{len(bad)} of {len(rows)} runs have no figure, the first: {reason}; narrow the ranges")
        figures = {(row["design_number"], row["run_seed"]): row[self.measure.kpi] for row in rows}
        first = dict(zip(plan.designs, plan.numbers, strict=True))
        resolver = Resolver(plan.base)
        twin, strategies = plan.study.twin, plan.strategies
        numbers = [first[design_key(resolver.resolve(own).data, twin=twin, strategies=strategies)] for own in designs]
        found = np.array([[figures[number, seed] for seed in plan.seeds] for number in numbers], np.float64)
        return (found > self.measure.above).astype(np.float64) if isinstance(self.measure, Probability) else found


def ranges_of(loaded: Loaded) -> dict[str, Range]:
    """What a study varies, as ranges: of a grid from the least to the greatest value. Raises InputError."""
    found: dict[str, Range] = {}
    for spec in loaded.study.changes:
        if isinstance(spec, Listed | DesignTable):
            raise InputError("values that change together have no range; expected grid, latin-hypercube or sobol")
        if not isinstance(spec, Grid):
            found.update(spec.ranges)
            continue
        for path, values in spec.values.items():
            if not all(_is_number(value) for value in values) or min(values) == max(values):
                raise InputError(f"{path}: {list(values)} is no range; expected two different numbers or more")
            whole = all(isinstance(value, int) for value in values)
            ends = float(min(values)), float(max(values))
            found[path] = (*ends, "whole") if whole else ends
    if not found:
        raise InputError(f"{loaded.file}: varies nothing; expected [[changes]] with ranges")
    return found


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def measure_of(loaded: Loaded, kpi: str | None) -> Mean | Probability:
    """The study's measure of that figure, its first one when none is named. Raises InputError."""
    known = [measure for measure in loaded.study.measured() if isinstance(measure, Mean | Probability)]
    chosen = [measure for measure in known if kpi is None or measure.kpi == kpi]
    if not chosen:
        names = ", ".join(dict.fromkeys(measure.kpi for measure in known)) or "none"
        raise InputError(f"--kpi {kpi}: no mean or probability of it among the study's measures; there is: {names}")
    return chosen[0]
