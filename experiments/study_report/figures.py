"""Figures of a report: a heat map over two axes, a curve over one, two measures against each other."""

from __future__ import annotations

import math
from typing import Any

from experiments.report.theme import Figure, above, axis, layout
from experiments.statistics.intervals import Interval
from experiments.study_report.findings import Axis, Findings
from experiments.study_report.tables import value_text
from experiments.sweep.summary import AnyMeasure, cell, label, number

MORE_IS_BETTER = frozenset(
    {
        "capital_efficiency_ratio",
        "capital_relevered_ratio",
        "insurance_fund_change_usd",
        "market_maker_profit_usd",
        "bid_depth_10bps_trough_usd",
        "bid_depth_50bps_trough_usd",
        "bid_depth_100bps_trough_usd",
    }
)
"""Figures of which a front wants more; of all others it wants less."""
WIDE = 30.0
"""A positive axis whose ends are farther apart than this is logarithmic."""


def better(measure: AnyMeasure) -> int:
    """1 when more of it is better, else -1."""
    return 1 if measure.kpi.rpartition(".")[2] in MORE_IS_BETTER else -1


def heat_map(found: Findings, at: int, across: Axis, up: Axis) -> Figure:
    """Measure number `at` in every combination of two axes; a cell that is not rated says so, without colour."""
    items = {
        (value_text(design.changes[across.paths[0]]), value_text(design.changes[up.paths[0]])): design.measures[at]
        for design in found.summary.designs
    }
    grid = [[items.get((value_text(x), value_text(y))) for x in across.values] for y in up.values]
    rated = [[item.value if item is not None and item.rated else None for item in line] for line in grid]
    heat = {
        "type": "heatmap",
        "x": list(range(len(across.values))),
        "y": list(range(len(up.values))),
        "z": rated,
        "text": [[_short(item) for item in line] for line in grid],
        "customdata": [["" if item is None else cell(item) for item in line] for line in grid],
        "hovertemplate": "%{customdata}<extra></extra>",
        "hoverongaps": True,
        "colorscale": [[0.0, "@sky/0.15"], [1.0, "@vermillion"]],
        "colorbar": {"thickness": 10, "outlinewidth": 0, "tickformat": "~s", "tickfont": {"color": "@muted"}},
        "xgap": 2,
        "ygap": 2,
    }
    words = [
        {
            "text": _short(item).replace(", ", "<br>"), "x": column, "y": row, "showarrow": False,
            "font": {"size": 11, "color": "@ink"},
        }
        for row, line in enumerate(grid)
        for column, item in enumerate(line)
    ]  # fmt: skip
    # The measure stands on the button, both axes under and beside the cells: no words above.
    return {
        "data": [heat],
        "layout": layout(
            xaxis=_places(across),
            yaxis=_places(up),
            annotations=words,
        ),
        "times": {},
    }


def _places(varied: Axis) -> dict[str, Any]:
    """Values side by side, whatever lies between them."""
    texts = [value_text(value) for value in varied.values]
    return axis(varied.label, tickvals=list(range(len(texts))), ticktext=texts, showgrid=False)


def _short(item: Interval | None) -> str:
    if item is None or item.value is None:
        return "none"
    if not item.rated:
        return "too few, to rate"
    if item.low is None or item.high is None:
        return number(item.value)
    return f"{number(item.value)}, {number(item.low)} to {number(item.high)}"


def curve(found: Findings, at: int, across: Axis) -> Figure:
    """Measure number `at` over one axis, with the band of its intervals; open circles have none."""
    path = across.paths[0]
    designs = [design for design in found.summary.designs if path in design.changes]
    designs.sort(key=lambda design: across.values.index(design.changes[path]))
    items = [design.measures[at] for design in designs]
    values = [design.changes[path] for design in designs]
    x = values if across.numeric else [value_text(value) for value in values]
    bounded = [item.rated and item.low is not None and item.high is not None for item in items]
    ends = {
        side: [getattr(item, side) if known else item.value for item, known in zip(items, bounded, strict=True)]
        for side in ("low", "high")
    }
    plain = {"type": "scatter", "x": x, "hoverinfo": "skip", "showlegend": False}
    data: list[dict[str, Any]] = [
        {**plain, "mode": "lines", "y": ends["low"], "line": {"width": 0}},
        {
            **plain, "mode": "lines", "y": ends["high"], "line": {"width": 0}, "fill": "tonexty",
            "fillcolor": "@blue/0.18", "name": "95 % interval", "showlegend": True,
        },
        {
            "type": "scatter", "mode": "lines+markers", "name": label(found.summary.measures[at]), "x": x,
            "y": [item.value for item in items], "line": {"color": "@blue", "width": 2},
            "marker": {
                "size": 8, "color": ["@blue" if known else "@paper" for known in bounded],
                "line": {"color": "@blue", "width": 2},
            },
            "customdata": [cell(item) for item in items],
            "hovertemplate": "%{x}: %{customdata}<extra></extra>",
        },
    ]  # fmt: skip
    return {
        "data": data,
        "layout": layout(
            showlegend=True,
            hovermode="closest",
            xaxis=_scale(across),
            yaxis=axis(tickformat="~s"),
            annotations=[above(label(found.summary.measures[at]), "y")],
        ),
        "times": {},
    }


def _scale(across: Axis) -> dict[str, Any]:
    if not across.numeric:
        return axis(across.label, type="category")
    low, high = min(across.values), max(across.values)
    return axis(across.label, type="log" if low > 0.0 and high / low > WIDE else "linear")


def front(found: Findings, first: int, second: int) -> tuple[int, ...]:
    """Positions of the designs to which no other is at least as good in both measures and better in one."""
    sides = tuple(better(found.summary.measures[at]) for at in (first, second))
    points = {
        row: tuple(side * (design.measures[at].value or 0.0) for side, at in zip(sides, (first, second), strict=True))
        for row, design in enumerate(found.summary.designs)
        if all(design.measures[at].rated and design.measures[at].value is not None for at in (first, second))
    }
    kept = [
        row
        for row, point in points.items()
        if not any(other[0] >= point[0] and other[1] >= point[1] and other != point for other in points.values())
    ]
    return tuple(sorted(kept, key=lambda row: points[row]))


def against(found: Findings, first: int, second: int) -> Figure:
    """Two measures of every design, with intervals, and the front of what is not beaten in both."""
    best = front(found, first, second)
    designs = found.summary.designs
    rest = [row for row in range(len(designs)) if row not in best]
    line = {
        "type": "scatter", "mode": "lines", "name": "front", "x": [designs[row].measures[first].value for row in best],
        "y": [designs[row].measures[second].value for row in best],
        "line": {"color": "@orange", "width": 2, "shape": "linear"}, "hoverinfo": "skip",
    }  # fmt: skip
    parts = [line] if len(best) > 1 else []
    for name, rows, colour in (("not beaten in both", best, "@orange"), ("beaten", rest, "@muted")):
        if rows:
            parts.append(_points(found, rows, first, second, name=name, colour=colour))
    measures = found.summary.measures
    return {
        "data": parts,
        "layout": layout(
            showlegend=True,
            hovermode="closest",
            xaxis=axis(f"{label(measures[first])} ({_wanted(measures[first])})", tickformat="~s"),
            yaxis=axis(tickformat="~s"),
            annotations=[above(f"{label(measures[second])} ({_wanted(measures[second])})", "y")],
        ),
        "times": {},
    }


def _wanted(measure: AnyMeasure) -> str:
    return "more is better" if better(measure) > 0 else "less is better"


def _points(
    found: Findings, rows: tuple[int, ...] | list[int], first: int, second: int, *, name: str, colour: str
) -> dict[str, Any]:
    designs = [found.summary.designs[row] for row in rows]
    items = [(design.measures[first], design.measures[second]) for design in designs]
    base = found.summary.designs[found.base].number
    texts = [f"{design.number} (base)" if design.number == base else str(design.number) for design in designs]
    return {
        "type": "scatter", "mode": "markers+text", "name": name, "text": texts, "textposition": "top right",
        "textfont": {"color": "@muted", "size": 11},
        "x": [x.value for x, _ in items], "y": [y.value for _, y in items],
        "error_x": _bars([x for x, _ in items], colour), "error_y": _bars([y for _, y in items], colour),
        "marker": {"color": colour, "size": 9, "line": {"color": colour}},
        "customdata": [[_changes(design.changes), *map(cell, two)] for design, two in zip(designs, items, strict=True)],
        "hovertemplate": "design %{text}: %{customdata[0]}<br>%{customdata[1]}<br>%{customdata[2]}<extra></extra>",
    }  # fmt: skip


def _bars(items: list[Interval], colour: str) -> dict[str, Any]:
    def gap(one: float | None, other: float | None) -> float:
        return 0.0 if one is None or other is None or not math.isfinite(one - other) else one - other

    return {
        "type": "data", "symmetric": False, "color": f"{colour}/0.5", "thickness": 1, "width": 0,
        "array": [gap(item.high, item.value) if item.rated else 0.0 for item in items],
        "arrayminus": [gap(item.value, item.low) if item.rated else 0.0 for item in items],
    }  # fmt: skip


def _changes(changes: dict[str, Any]) -> str:
    return ", ".join(f"{path.rpartition('.')[2]} {value_text(value)}" for path, value in changes.items())
