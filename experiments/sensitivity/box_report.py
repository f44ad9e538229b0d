"""Boxes of parameters in a table and in a picture."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

import numpy as np

from experiments.report.theme import Figure, above, axis, layout
from experiments.sensitivity.methods import Boxes
from experiments.study_report.tables import Written, short
from experiments.sweep.summary import cell, number

WHERE = "where"
"""Heading of the column that says a box in words."""


def box_table(found: Boxes, paths: tuple[str, ...], kpi: str) -> Written:
    """A row for every box."""
    rows = [
        (
            said(box.limits, paths),
            cell(box.density),
            f"{100.0 * box.elsewhere:.0f} %",
            f"{100.0 * box.coverage:.0f} %",
            f"{100.0 * box.mass:.0f} %",
        )
        for box in found.boxes
    ] or [("no combination found in which it happens surely more often than everywhere", "", "", "", "")]
    title = f"Combinations (PRIM): where {kpi} is above {number(found.above)}"
    header = (WHERE, "share of runs inside", "everywhere", "of all such runs", "of all points")
    return Written(title, header, tuple(rows))


def said(limits: dict[int, tuple[float, float]], paths: tuple[str, ...]) -> str:
    """The limits of a box in words."""
    parts = []
    for column, (low, high) in limits.items():
        name = short(paths[column])
        if math.isinf(low):
            parts.append(f"{name} up to {number(high)}")
        elif math.isinf(high):
            parts.append(f"{name} from {number(low)}")
        else:
            parts.append(f"{name} from {number(low)} to {number(high)}")
    return " and ".join(parts)


def scatter(found: Boxes, paths: tuple[str, ...]) -> Figure:
    """Every point by the two parameters that the first box limits, or by the first two; the box around them."""
    limits = found.boxes[0].limits if found.boxes else {}
    shown = [*limits, *(column for column in range(len(paths)) if column not in limits)][:2]
    points, outcome = np.array(found.points), np.array(found.outcome)
    ends = [(float(points[:, column].min()), float(points[:, column].max())) for column in shown]
    corners: list[list[float]] = []
    for column, (least, greatest) in zip(shown, ends, strict=True):
        low, high = limits.get(column, (-math.inf, math.inf))
        corners.append([max(low, least), min(high, greatest)])
    data: list[dict[str, Any]] = [
        {
            "type": "scatter", "mode": "markers", "name": "designs", "x": points[:, shown[0]].tolist(),
            "y": points[:, shown[1]].tolist(),
            "marker": {
                "size": (6.0 + 10.0 * outcome).tolist(), "opacity": 0.8,
                "color": ["@vermillion" if share >= 0.5 else "@sky" for share in outcome],
            },
            "customdata": [f"{100.0 * share:.0f} % of the seeds" for share in outcome],
            "hovertemplate": "%{customdata}<extra></extra>",
        }
    ]  # fmt: skip
    if found.boxes:
        (left, right), (bottom, top) = corners
        data.append(
            {
                "type": "scatter", "mode": "lines", "name": "box", "x": [left, right, right, left, left],
                "y": [bottom, bottom, top, top, bottom], "line": {"color": "@ink", "width": 2}, "hoverinfo": "skip",
            }
        )  # fmt: skip
    words = layout(
        showlegend=False, hovermode="closest", xaxis=axis(short(paths[shown[0]])), yaxis=axis(),
        annotations=[above(short(paths[shown[1]]), "y")],
    )  # fmt: skip
    return {"data": data, "layout": words, "times": {}}


def boxes_as_data(found: Boxes, paths: tuple[str, ...]) -> dict[str, Any]:
    """Everything but the points, for programs."""
    return {
        "above": found.above,
        "points": len(found.points),
        "boxes": [
            {
                **{key: value for key, value in asdict(box).items() if key != "limits"},
                "limits": {
                    paths[column]: [None if math.isinf(end) else end for end in ends]
                    for column, ends in box.limits.items()
                },
            }
            for box in found.boxes
        ],
    }
