"""The page and the table of a sensitivity analysis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from experiments.report import page
from experiments.report.page import Page, Table
from experiments.report.theme import CASCADE_COLOURS, Figure, above, axis, layout
from experiments.sensitivity.box_report import WHERE, box_table, scatter
from experiments.sensitivity.methods import Boxes, Curve, Indices, Screened
from experiments.sensitivity.space import DUMMY, Space
from experiments.statistics.intervals import Interval
from experiments.study_report.tables import Written, difference_cell, short
from experiments.sweep.summary import cell, label, number


@dataclass(frozen=True, kw_only=True)
class Sensitivity:
    """What was found."""

    space: Space
    base: Interval
    curves: tuple[Curve, ...]
    screened: tuple[Screened, ...]
    indices: tuple[Indices, ...]
    boxes: Boxes | None = None


def tables(found: Sensitivity) -> list[Written]:
    """One table for each method that was used."""
    ends = [
        (curve.path, number(curve.values[0]), difference_cell(curve.changes[0]), number(curve.values[-1]),
         difference_cell(curve.changes[-1]))
        for curve in by_reach(found.curves)
    ]  # fmt: skip
    made = [
        Written(
            f"One at a time: change of {label(found.space.measure)} from the base, {cell(found.base)}",
            ("parameter", "least", "change", "greatest", "change there"),
            tuple(ends),
        )
    ]
    if found.screened:
        ordered = sorted(found.screened, key=lambda item: -item.mu_star)
        rows = [
            (item.path, f"{number(item.mu_star)} ± {number(item.half_width)}", number(item.mu), number(item.sigma),
             "noise floor" if item.path == DUMMY else "above the floor" if item.survives else "not above the floor")
            for item in ordered
        ]  # fmt: skip
        made.append(
            Written("Morris: effect over the whole range", ("parameter", "mu*", "mu", "sigma", ""), tuple(rows))
        )
    if found.indices:
        shares = [(item.path, _share(item.first), _share(item.total)) for item in found.indices]
        made.append(
            Written("Sobol: shares of the variance [95 % interval]", ("parameter", "alone", "total"), tuple(shares))
        )
    if found.boxes:
        made.append(box_table(found.boxes, tuple(found.space.ranges), found.space.measure.kpi))
    return made


def by_reach(curves: Sequence[Curve]) -> list[Curve]:
    """Curves, the one whose ends are farthest from the base first."""
    return sorted(curves, key=lambda curve: -max(abs(curve.changes[end].value or 0.0) for end in (0, -1)))


def _share(value: tuple[float, float, float]) -> str:
    return f"{value[0]:.2f} [{value[1]:.2f}, {value[2]:.2f}]"


def tornado(found: Sensitivity) -> Figure:
    """Change from the base at both ends of every range, the farthest on top, with intervals."""
    ordered = by_reach(found.curves)[::-1]
    data = []
    for name, end, colour in (("least value", 0, "@sky"), ("greatest value", -1, "@vermillion")):
        changes = [curve.changes[end] for curve in ordered]
        each = list(zip(ordered, changes, strict=True))
        data.append(
            {
                "type": "bar", "orientation": "h", "name": name, "y": [short(curve.path) for curve in ordered],
                "x": [change.value for change in changes], "marker": {"color": colour},
                "error_x": {
                    "type": "data", "symmetric": False, "color": "@muted", "thickness": 1, "width": 3,
                    "array": [_gap(change.high, change.value) for change in changes],
                    "arrayminus": [_gap(change.value, change.low) for change in changes],
                },
                "customdata": [f"{number(curve.values[end])}: {difference_cell(change)}" for curve, change in each],
                "hovertemplate": "%{y} = %{customdata}<extra></extra>",
            }
        )  # fmt: skip
    title = f"change of {label(found.space.measure)}"
    return {
        "data": data,
        "layout": layout(
            showlegend=True, barmode="overlay", xaxis=axis(title, tickformat="~s", zeroline=True), yaxis=axis()
        ),
        "times": {},
    }


def _gap(one: float | None, other: float | None) -> float:
    return 0.0 if one is None or other is None else one - other


def curves_figure(found: Sensitivity) -> Figure:
    """Every parameter over its range, from 0 to 1."""
    data: list[dict[str, Any]] = []
    for at, curve in enumerate(by_reach(found.curves)[: len(CASCADE_COLOURS)]):
        steps = len(curve.values) - 1
        data.append(
            {
                "type": "scatter", "mode": "lines+markers", "name": short(curve.path),
                "x": [step / steps for step in range(steps + 1)], "y": [item.value for item in curve.measures],
                "line": {"color": CASCADE_COLOURS[at], "width": 2}, "marker": {"size": 6, "color": CASCADE_COLOURS[at]},
                "customdata": [
                    f"{number(value)}: {cell(item)}" for value, item in zip(curve.values, curve.measures, strict=True)
                ],
                "hovertemplate": "%{customdata}<extra></extra>",
            }
        )  # fmt: skip
    words = label(found.space.measure)
    return {
        "data": data,
        "layout": layout(
            showlegend=True, hovermode="closest", xaxis=axis("place in its range"), yaxis=axis(tickformat="~s"),
            annotations=[above(words, "y")],
        ),
        "times": {},
    }  # fmt: skip


def sensitivity_page(found: Sensitivity) -> Page:
    """The page."""
    loaded = found.space.loaded
    made = Page(title=f"Cascade sensitivity: {loaded.name}")
    made.add(page.paragraph(f"Cascade sensitivity · {loaded.name}", "kicker"), *page.headline(_headline(found)))
    figures = {"ends": tornado(found), "curves": curves_figure(found)}
    made.section(
        "tornado",
        "One parameter at a time",
        page.paragraph("All others as in the base. Changes are taken seed by seed, with 95 % intervals.", "caption"),
        made.chart("tornado", figures, height=120 + 44 * len(found.curves), label="Change at both ends of every range"),
    )
    if found.boxes and len(found.space.ranges) > 1:
        made.section(
            "points",
            "Combinations",
            page.paragraph(
                f"One point a design, larger and red the more seeds have {found.space.measure.kpi} above "
                f"{number(found.boxes.above)}; the frame is the first box.",
                "caption",
            ),
            made.chart(
                "boxes",
                {"points": scatter(found.boxes, tuple(found.space.ranges))},
                height=380,
                label="Designs and box",
            ),
        )
    for at, table in enumerate(tables(found)):
        wide = (0,) if table.columns[0] == WHERE else ()
        shown = Table(columns=table.columns, rows=table.rows, right=range(1, len(table.columns)), wide=wide)
        made.section(f"table-{at}", table.title, shown.html())
    made.section("assumptions", "What this rests on", page.bullets(assumptions(found)))
    made.section("again", "Do it again", page.code(f"cascade sensitivity {loaded.file.name}"),
                 page.folded(loaded.file.name, page.code(loaded.file.read_text("utf-8"))))  # fmt: skip
    return made


def _headline(found: Sensitivity) -> str:
    first = by_reach(found.curves)[0]
    end = max((0, -1), key=lambda at: abs(first.changes[at].value or 0.0))
    return (
        f"{short(first.path)} moves {label(found.space.measure)} most; {number(first.values[end])} instead of what the "
        f"base has: {difference_cell(first.changes[end])}"
    )


def assumptions(found: Sensitivity) -> list[str]:
    """What the figures mean and how far they reach."""
    seeds = found.space.loaded.study.seeds.count
    return [
        "What matters depends on the ranges: wider ones matter more.",
        f"Every design has the same {seeds} seeds. The parameter {DUMMY} changes nothing but which seeds: what it does "
        "is noise, and a parameter that does no more is not told apart from nothing. With common random numbers other "
        "parameters carry less noise than it does, so that the floor is high rather than low.",
        "Morris' intervals are over trajectories, Sobol's over base points, the seeds taken as they are.",
        "Sobol indices near zero may come out negative; shares of one figure say nothing about another.",
    ]
