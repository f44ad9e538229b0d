"""What can be said about the designs of a study so far: each measure with its interval."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.statistics import intervals
from experiments.statistics.intervals import Interval
from experiments.statistics.means import TOO_FEW
from experiments.store.rows import META, OK
from experiments.store.store import Store
from experiments.study.model import ExpectedShortfall, Mean, Probability, Quantile, Study
from experiments.sweep.plan import Plan
from experiments.toml_tree import suggest
from market.errors import InputError

AnyMeasure = Mean | Probability | Quantile | ExpectedShortfall
Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class DesignSummary:
    """One design: how far it is, and its measures."""

    number: int
    changes: dict[str, Any]
    stored: int
    """Runs with figures."""
    failed: int
    """Runs that failed or were set aside."""
    planned: int
    measures: tuple[Interval, ...]


@dataclass(frozen=True, kw_only=True)
class Summary:
    """A study as it stands."""

    measures: tuple[AnyMeasure, ...]
    designs: tuple[DesignSummary, ...]

    @property
    def planned(self) -> int:
        """Runs in all."""
        return sum(design.planned for design in self.designs)

    @property
    def stored(self) -> int:
        """Runs with figures."""
        return sum(design.stored for design in self.designs)

    @property
    def failed(self) -> int:
        """Runs that failed or were set aside."""
        return sum(design.failed for design in self.designs)


def summarise(plan: Plan, store: Store) -> Summary:
    """Measure every design on what is stored. Raises InputError when two results of one run differ."""
    measures = plan.study.measured()
    kpis = list(dict.fromkeys(measure.kpi for measure in measures))
    found = store.runs(plan.table(), kpis)
    designs = found.column("design_number").to_numpy()
    seeds = found.column("run_seed").to_numpy()
    order = np.lexsort((seeds, designs))  # whatever order the rows are stored in
    ok = np.array(found.column("status").to_pylist(), dtype=object)[order] == OK
    columns = {kpi: numbers_of(found.column(kpi).to_pylist())[order] for kpi in kpis}
    numbers = np.array(plan.numbers)
    at = np.searchsorted(designs[order], numbers), np.searchsorted(designs[order], numbers, side="right")
    planned = np.bincount(plan.mine % len(numbers), minlength=len(numbers))
    if ok.any():
        check_measures(plan.study, store.row(found.column("key")[int(order[np.argmax(ok)])].as_py()))
    made = []
    for row, (begin, end) in enumerate(zip(*at, strict=True)):
        good = ok[begin:end]
        made.append(
            DesignSummary(
                number=plan.numbers[row],
                changes={change.path: change.value for change in plan.loaded.designs[plan.numbers[row]]},
                stored=int(good.sum()),
                failed=int((~good).sum()),
                planned=int(planned[row]),
                measures=tuple(interval(measure, columns[measure.kpi][begin:end][good]) for measure in measures),
            )
        )
    return Summary(measures=measures, designs=tuple(made))


def numbers_of(values: Sequence[Any]) -> Floats:
    """Figures as they are stored, undefined ones as nan."""
    return np.array([np.nan if value is None else value for value in values], np.float64)


def interval(measure: AnyMeasure, values: Floats, *, level: float = intervals.LEVEL) -> Interval:
    """A measure of the values that are defined, with an interval of that confidence level."""
    values = values[~np.isnan(values)]
    if isinstance(measure, Mean):
        return intervals.mean(values, level=level)
    if isinstance(measure, Probability):
        return intervals.probability(values, above=measure.above, level=level)
    if isinstance(measure, Quantile):
        return intervals.quantile(values, p=measure.level, level=level)
    return intervals.expected_shortfall(values, p=measure.level, level=level)


def label(measure: AnyMeasure) -> str:
    """How a measure is called in a heading."""
    if isinstance(measure, Mean):
        return f"mean {measure.kpi}"
    if isinstance(measure, Probability):
        return f"P({measure.kpi} > {measure.above:g})"
    short = "VaR" if isinstance(measure, Quantile) else "ES"
    return f"{short} {100.0 * measure.level:g} % {measure.kpi}"


def cell(found: Interval) -> str:
    """A figure and its interval, in a few words."""
    if found.value is None:
        return "-"
    if not found.rated:
        return f"{number(found.value)}, {TOO_FEW} ({found.events})"
    if found.unseen is not None:
        return f"{number(found.value)} in all {found.n}; others < {found.unseen:.2g}"
    low = "-" if found.low is None else number(found.low)
    high = "-" if found.high is None else number(found.high)
    return f"{number(found.value)} [{low}, {high}] {found.events}/{found.n}"


def number(value: float) -> str:
    """Four digits, with thousands apart."""
    if value == 0.0 or 1e-3 <= abs(value) < 1e4:
        return f"{value:.4g}"
    return f"{value:,.0f}" if 1e4 <= abs(value) < 1e7 else f"{value:.3e}"


def header(plan: Plan, summary: Summary) -> tuple[str, ...]:
    """Columns of the table."""
    return ("design", *plan.loaded.designs.paths, "runs", *(label(measure) for measure in summary.measures))


def rows(plan: Plan, summary: Summary) -> list[tuple[str, ...]]:
    """A row for every design."""
    paths = plan.loaded.designs.paths
    return [
        (
            str(design.number),
            *(_value(design.changes.get(path, "")) for path in paths),
            f"{design.stored}/{design.planned}" + (f", {design.failed} failed" if design.failed else ""),
            *(cell(found) for found in design.measures),
        )
        for design in summary.designs
    ]


def _value(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return value if isinstance(value, str) else json.dumps(value)


def as_json(summary: Summary) -> dict[str, Any]:
    """Everything, for programs."""
    names = [label(measure) for measure in summary.measures]
    return {
        "planned": summary.planned,
        "stored": summary.stored,
        "failed": summary.failed,
        "designs": [
            {
                **{key: value for key, value in vars(design).items() if key != "measures"},
                "measures": {name: asdict(found) for name, found in zip(names, design.measures, strict=True)},
            }
            for design in summary.designs
        ],
    }


def as_csv(plan: Plan, summary: Summary) -> str:
    """One line per design and measure."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    paths = plan.loaded.designs.paths
    writer.writerow(["design", *paths, "stored", "failed", "planned", "measure", *Interval.__dataclass_fields__])
    for design in summary.designs:
        said = [design.changes.get(path, "") for path in paths]
        for measure, found in zip(summary.measures, design.measures, strict=True):
            own = [design.stored, design.failed, design.planned, label(measure)]
            writer.writerow([design.number, *said, *own, *asdict(found).values()])
    return stream.getvalue()


def check_measures(study: Study, row: Mapping[str, Any]) -> None:
    """Make sure that the figures a study asks for exist. `row` is a stored run. Raises InputError."""
    known = sorted(name for name in row if name not in META.names and not isinstance(row[name], str))
    wrong = [
        f"measures.{at}.kpi: no figure {measure.kpi!r}{_near(measure.kpi, known)}"
        for at, measure in enumerate(study.measures)
        if measure.kpi not in known
    ]
    if wrong:
        raise InputError("\n".join(wrong))


def _near(word: str, known: list[str]) -> str:
    near = suggest(word, known)
    return near if near.startswith("; did you mean") else "; `cascade run --json` shows all figures"
