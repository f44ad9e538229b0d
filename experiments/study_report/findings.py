"""What a report on a study shows: its axes, every design's measures, and differences against one design."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.fields import plain
from experiments.statistics import intervals
from experiments.statistics.intervals import Interval
from experiments.store import manifest
from experiments.store.keys import design_key
from experiments.store.rows import OK
from experiments.store.store import Store
from experiments.study.model import DesignTable, Grid, Listed, Mean, Probability, Quantile
from experiments.sweep.plan import Plan
from experiments.sweep.summary import AnyMeasure, Summary, interval, summarise
from market.errors import InputError
from market.streams import Streams

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Axis:
    """One thing that the study varies: a path, or several that move together."""

    paths: tuple[str, ...]
    values: tuple[Any, ...]
    """Of the first path, in ascending order where they are numbers."""
    sampled: bool = False
    """Whether values are points of a range, each of which occurs once."""

    @property
    def label(self) -> str:
        """How it is called in a figure."""
        more = len(self.paths) - 1
        return self.paths[0] + (f" and {more} more" if more else "")

    @property
    def numeric(self) -> bool:
        """Whether its values can stand on a scale."""
        return all(isinstance(value, int | float) and not isinstance(value, bool) for value in self.values)


@dataclass(frozen=True, kw_only=True)
class Findings:
    """A study as a report tells it."""

    plan: Plan
    summary: Summary
    axes: tuple[Axis, ...]
    base: int
    """Position in `summary.designs` of the design that others are compared with."""
    base_is_today: bool
    """Whether that design is the study's scenario without any change."""
    differences: tuple[tuple[Interval, ...], ...]
    """Of each design, measure by measure: design less base, seed by seed; of the base, zeros."""
    manifests: tuple[dict[str, Any], ...]
    """The calls that simulated."""


def findings(plan: Plan, store: Store, *, base: int | None = None) -> Findings:
    """Read what is stored. `base` is the number of a design, by default the one without changes, else the first.

    Raises InputError when nothing is stored, or there is no such design.
    """
    summary = summarise(plan, store)
    if not summary.stored:
        raise InputError(f"no run of {plan.loaded.file} is stored; `cascade sweep {plan.loaded.file}` first")
    numbers = [design.number for design in summary.designs]
    if base is not None and base not in numbers:
        raise InputError(f"--base {base}: no such design; expected one of {numbers[0]} to {numbers[-1]}")
    unchanged = _unchanged(plan)
    at = numbers.index(base) if base is not None else (0 if unchanged is None else unchanged)
    return Findings(
        plan=plan,
        summary=summary,
        axes=axes(plan),
        base=at,
        base_is_today=at == unchanged,
        differences=_differences(plan, store, summary, at),
        manifests=_manifests(plan, store),
    )


def axes(plan: Plan) -> tuple[Axis, ...]:
    """What varies, in the order of the study."""
    found = []
    for spec, block in zip(plan.study.changes, plan.loaded.designs.blocks, strict=True):
        if isinstance(spec, Grid):
            found += [Axis(paths=(path,), values=_ordered(values)) for path, values in spec.values.items()]
        elif isinstance(spec, Listed):
            found.append(Axis(paths=tuple(spec.values), values=_ordered(next(iter(spec.values.values())))))
        elif isinstance(spec, DesignTable):
            rows = [{change.path: change.value for change in block.row(at)} for at in range(block.count)]
            columns = {path: tuple(row[path] for row in rows if path in row) for path in block.paths}
            found += [Axis(paths=(path,), values=_ordered(values), sampled=True) for path, values in columns.items()]
        else:
            found += [Axis(paths=(path,), values=(low, high), sampled=True) for path, (low, high, *_) in _ranges(spec)]
    return tuple(axis for axis in found if len(axis.values) > 1)


def _ranges(spec: Any) -> list[tuple[str, Any]]:
    return list(spec.ranges.items())


def _ordered(values: tuple[Any, ...]) -> tuple[Any, ...]:
    once = tuple({json.dumps(plain(value)): value for value in values}.values())  # a value may be a list
    numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in once)
    return tuple(sorted(once)) if numbers else once


def _unchanged(plan: Plan) -> int | None:
    """Position of the design that is the study's scenario as it stands."""
    data = plan.loaded.resolver.base().data
    key = design_key(data, twin=plan.study.twin, strategies=plan.strategies)
    return plan.designs.index(key) if key in plan.designs else None


def _manifests(plan: Plan, store: Store) -> tuple[dict[str, Any], ...]:
    found = store.runs(plan.table(), ["manifest"]).column("manifest").to_pylist()
    there = {name.removesuffix(".json") for name in store.place.names(manifest.MANIFESTS, ".json")}
    return tuple(manifest.read(store.place, name) for name in sorted(set(found) & there))


def _differences(plan: Plan, store: Store, summary: Summary, base: int) -> tuple[tuple[Interval, ...], ...]:
    kpis = list(dict.fromkeys(measure.kpi for measure in summary.measures))
    found = store.runs(plan.table(), kpis)
    rows = {number: at for at, number in enumerate(plan.numbers)}
    shape = (len(plan.numbers), len(plan.seeds))
    values = {kpi: np.full(shape, np.nan) for kpi in kpis}
    designs, seeds = found.column("design_number").to_pylist(), found.column("run_seed").to_pylist()
    ok = [status == OK for status in found.column("status").to_pylist()]
    for kpi in kpis:
        for design, seed, good, value in zip(designs, seeds, ok, found.column(kpi).to_pylist(), strict=True):
            if good and value is not None:
                values[kpi][rows[design], seed - plan.seeds[0]] = value
    return tuple(
        tuple(difference(measure, values[measure.kpi][row], values[measure.kpi][base]) for measure in summary.measures)
        for row in range(len(plan.numbers))
    )


def difference(measure: AnyMeasure, values: Floats, base: Floats) -> Interval:
    """A measure under one design less the same under another, on the seeds that both have.

    `values` and `base` have one entry per seed, NaN where there is none. Means and probabilities: the studentised
    bootstrap of differences seed by seed. Quantiles and shortfalls: both are taken of the same resampled seeds, and
    only where there are enough values beyond both.
    """
    both = ~np.isnan(values) & ~np.isnan(base)
    values, base = values[both], base[both]
    if isinstance(measure, Mean):
        return intervals.mean(values - base)
    if isinstance(measure, Probability):
        return intervals.mean((values > measure.above).astype(np.float64) - (base > measure.above))
    ends = interval(measure, values), interval(measure, base)
    if ends[0].value is None or ends[1].value is None:
        return Interval(value=None, n=len(values), events=0, rated=False)
    value, events = ends[0].value - ends[1].value, min(end.events for end in ends)
    if not all(end.rated for end in ends):
        return Interval(value=value, n=len(values), events=events, rated=False)
    low, high = _resampled(_tail(measure.level, shortfall=not isinstance(measure, Quantile)), values, base)
    return Interval(value=value, low=low, high=high, n=len(values), events=events)


def _tail(level: float, *, shortfall: bool) -> Callable[[Floats], Floats]:
    """The measure of every row of a table."""

    def quantile(rows: Floats) -> Floats:
        found: Floats = np.quantile(rows, level, axis=1, method="inverted_cdf")
        if not shortfall:
            return found
        beyond: Floats = np.maximum(rows - found[:, None], 0.0).mean(axis=1)
        return found + beyond / (1.0 - level)

    return quantile


def _resampled(measured: Callable[[Floats], Floats], values: Floats, base: Floats) -> tuple[float, float]:
    drawn = Streams(0).generator(f"paired {len(values)}").integers(0, len(values), (intervals.RESAMPLES, len(values)))
    tail = (1.0 - intervals.LEVEL) / 2.0
    low, high = np.quantile(measured(values[drawn]) - measured(base[drawn]), [tail, 1.0 - tail])
    return float(low), float(high)
