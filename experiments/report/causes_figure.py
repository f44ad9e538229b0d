"""The contagion graph as a picture: liquidations in rows by causal generation, from left to right by time."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.contagion import Contagion
from experiments.report.series import milliseconds, packed
from experiments.report.theme import CASCADE_COLOURS, Figure, above, axis, layout, time_axis
from experiments.report.words import Clock, count, money, percent

MOST_NODES = 240
WIDTH = 1000.0
"""Pixels of the plot that the layout reckons with."""
LARGEST, SMALLEST = 30.0, 5.0
"""Diameter of nodes, pixels."""
ROW_GAP = 14.0


def chosen(causes: Contagion) -> NDArray[np.int64]:
    """Liquidations that are drawn: the largest with the chain of parents of each, in order of time."""
    kept: set[int] = set()
    for row in np.argsort(-causes.notional_usd, kind="stable").tolist():
        chain = []
        while row >= 0 and row not in kept:
            chain.append(row)
            row = int(causes.parent[row])
        if len(kept) + len(chain) <= MOST_NODES:
            kept.update(chain)
        if len(kept) >= MOST_NODES:
            break
    return np.array(sorted(kept), np.int64)


def causes_figure(causes: Contagion, names: list[str], *, tick_seconds: float, clock: Clock) -> tuple[Figure, str, int]:
    """(figure, what it shows and leaves out, height in pixels); `names` by ledger row."""
    rows = chosen(causes)
    usd = causes.notional_usd[rows]
    sizes: NDArray[np.float64] = SMALLEST + (LARGEST - SMALLEST) * np.sqrt(usd / max(float(usd.max(initial=0.0)), 1e-9))
    seconds = np.asarray((causes.tick[rows] + 1) * tick_seconds, np.float64)
    heights, centres, total = places(seconds, causes.generation[rows], sizes)
    at = {int(row): place for place, row in enumerate(rows)}
    linked = [(at[int(causes.parent[row])], place) for place, row in enumerate(rows) if causes.parent[row] >= 0]
    edge_x, edge_y = _edges(linked, seconds, heights)
    colours = _colours(causes, rows)
    levels = sorted(centres)
    figure = {
        "data": [
            {
                "type": "scatter", "mode": "lines", "x": "edges", "y": packed(edge_y), "hoverinfo": "skip",
                "line": {"color": "@muted/0.45", "width": 1},
            },
            {
                "type": "scatter", "mode": "markers", "x": "nodes", "y": packed(heights),
                "text": _labels(causes, rows, names, seconds, clock),
                "hovertemplate": "%{text}<extra></extra>",
                "marker": {
                    "size": packed(sizes), "color": [f"{colour}/0.75" for colour in colours],
                    "line": {"color": "@paper", "width": 0.7},
                },
            },
        ],
        "layout": layout(
            hovermode="closest",
            xaxis=time_axis(f"claim opened, {clock.title}", dated=clock.start is not None, showgrid=False),
            annotations=[above("causal generation", "y")],
            yaxis=axis(
                range=[total + ROW_GAP, -ROW_GAP],
                tickvals=[centres[level] for level in levels],
                ticktext=["roots" if level == 0 else str(level) for level in levels],
            ),
        ),
        "times": {
            "nodes": milliseconds(seconds, clock.origin_ms),
            "edges": milliseconds(edge_x, clock.origin_ms),
        },
    }  # fmt: skip
    return figure, _caption(causes, rows), round(min(900.0, max(280.0, total + 110.0)))


def places(
    seconds: NDArray[np.float64], generation: NDArray[np.int64], sizes: NDArray[np.float64]
) -> tuple[NDArray[np.float64], dict[int, float], float]:
    """(pixel heights of the nodes, centre of each generation's row, height of all): no two nodes overlap if possible.

    The largest are placed first, on the middle of their row; others go up or down until they are free.
    """
    low, high = float(seconds.min()), float(seconds.max())
    across = (seconds - low) / max(high - low, 1e-9) * WIDTH
    heights, centres, top = np.zeros(len(seconds)), {}, 0.0
    for level in np.unique(generation).tolist():
        members = np.flatnonzero(generation == level)
        placed: list[tuple[float, float, float]] = []
        for node in members[np.argsort(-sizes[members], kind="stable")].tolist():
            x, radius = float(across[node]), float(sizes[node]) / 2.0
            offset = _free_offset(placed, x, radius)
            placed.append((x, offset, radius))
            heights[node] = offset
        above = min(y - r for _, y, r in placed)
        below = max(y + r for _, y, r in placed)
        heights[members] += top - above
        centres[level] = top - above
        top += below - above + ROW_GAP
    squeeze = min(1.0, 780.0 / top)
    return heights * squeeze, {level: y * squeeze for level, y in centres.items()}, top * squeeze


def _free_offset(placed: list[tuple[float, float, float]], x: float, radius: float) -> float:
    """The offset nearest to zero at which a disc touches none of those placed."""
    blocked = []
    for other_x, other_y, other_radius in placed:
        reach = radius + other_radius + 1.0
        if abs(x - other_x) < reach:
            half = float(np.sqrt(reach**2 - (x - other_x) ** 2))
            blocked.append((other_y - half, other_y + half))
    candidates = [0.0, *(end for span in blocked for end in span)]
    free = [y for y in candidates if not any(low + 1e-6 < y < high - 1e-6 for low, high in blocked)]
    return min(free, key=lambda y: (abs(y), y))


def _edges(
    linked: list[tuple[int, int]], seconds: NDArray[np.float64], heights: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Line pieces parent -> child, parted by gaps."""
    if not linked:
        return np.zeros(0), np.zeros(0)
    ends = np.array(linked)
    x = np.column_stack([seconds[ends[:, 0]], seconds[ends[:, 1]], seconds[ends[:, 1]]]).ravel()
    y = np.column_stack([heights[ends[:, 0]], heights[ends[:, 1]], np.full(len(ends), np.nan)]).ravel()
    return x, y


def _colours(causes: Contagion, rows: NDArray[np.int64]) -> list[str]:
    """One colour for each of the largest cascades with more than one member; the rest is grey."""
    ranks = causes.cascade_ranks()
    sizes = np.bincount(causes.root, minlength=causes.n)
    return [
        CASCADE_COLOURS[ranks[root]] if ranks[root] < len(CASCADE_COLOURS) and sizes[root] > 1 else "@muted"
        for root in causes.root[rows].tolist()
    ]


def _labels(
    causes: Contagion, rows: NDArray[np.int64], names: list[str], seconds: NDArray[np.float64], clock: Clock
) -> list[str]:
    made = []
    for row, second in zip(rows.tolist(), seconds.tolist(), strict=True):
        parent = int(causes.parent[row])
        cause = "root" if parent < 0 else f"child of {names[int(causes.account[parent])]}"
        made.append(
            f"<b>{names[int(causes.account[row])]}</b>, {clock.text(second)}<br>{cause}<br>"
            f"{money(float(causes.notional_usd[row]))} closed by force<br>"
            f"forced trades of others explain {percent(float(causes.forced_share[row]))} of its loss"
        )
    return made


def _caption(causes: Contagion, rows: NDArray[np.int64]) -> str:
    shown: dict[str, Any] = {"n": len(rows), "usd": float(causes.notional_usd[rows].sum())}
    total = float(causes.notional_usd.sum())
    text = (
        "Each disc is a liquidation, area by the notional closed on the books or by ADL, coloured by cascade (grey: "
        "small ones); a line leads from the liquidation that explains most of a loss to the one it brought down. "
    )
    if shown["n"] == causes.n:
        return text + f"All {count(causes.n, 'liquidation')} are shown."
    return text + (
        f"Shown are the largest {shown['n']:,} of {count(causes.n, 'liquidation')} with their causes, "
        f"{percent(shown['usd'] / max(total, 1e-9))} of the notional; {causes.n - shown['n']:,} are left out "
        "(contagion.graphml has them all)."
    )
