"""A study as one picture in plain SVG: every design's measures with their intervals, the base as a line."""

from __future__ import annotations

import textwrap
from collections.abc import Callable

from experiments.report.picture import INK, round_steps
from experiments.report.svg import WIDTH, document, text
from experiments.statistics.intervals import Interval
from experiments.study_report.findings import Findings
from experiments.study_report.tables import short, side
from experiments.sweep.summary import label, number, rows

PANELS = 3
"""Measures that are drawn, the study's first."""
MOST_DESIGNS = 40
_LEFT, _LABELS, _GAP, _TOP, _ROW = 24.0, 206.0, 18.0, 118.0, 21.0


def picture(found: Findings, *, headline: str) -> str:
    """A row for every design, a panel for each of the first measures; full dots differ from the base, seed by seed."""
    designs = rows(found.plan, found.summary)[:MOST_DESIGNS]
    paths = found.plan.loaded.designs.paths
    measures = found.summary.measures[:PANELS]
    height = _TOP + _ROW * len(designs) + 50.0
    study = found.plan.study
    heading = textwrap.wrap(study.summary or found.plan.loaded.name, 96)[:2]
    parts = [text(_LEFT, 30.0 + 18.0 * at, line, size=15.0, bold=True) for at, line in enumerate(heading)]
    parts += [text(_LEFT, 70.0, line, size=12.0) for line in textwrap.wrap(headline, 140)[:1]]
    parts.append(text(_LEFT, _TOP - 8.0, _cut(", ".join(map(short, paths)), 36), colour="muted"))
    for at, line in enumerate(designs):
        values = ", ".join(line[1 : 1 + len(paths)])
        parts.append(text(_LEFT, _y(at) + 4.0, _cut(values, 36), bold=at == found.base))
    wide = (WIDTH - _LEFT - _LABELS - 24.0 - _GAP * len(measures)) / len(measures)
    for at, measure in enumerate(measures):
        left = _LEFT + _LABELS + _GAP + at * (wide + _GAP)
        parts += _panel(found, at, label(measure), left, wide, len(designs))
    said = "lines: 95 % intervals; full dots: differ from the base (bold, dashed), seed by seed; empty: not told apart"
    parts.append(text(_LEFT, height - 12.0, f"{said}; {len(found.plan.seeds):,} seeds", colour="muted"))
    return document(parts, height=height, said=headline)


def _y(row: int) -> float:
    return _TOP + _ROW * (row + 0.5)


def _cut(words: str, most: int) -> str:
    return words if len(words) <= most else words[: most - 1] + "…"


def _panel(found: Findings, at: int, name: str, left: float, wide: float, n: int) -> list[str]:
    items = [design.measures[at] for design in found.summary.designs[:n]]
    ends = [value for item in items for value in _ends(item)]
    low, high = min(ends, default=0.0), max(ends, default=1.0)
    if low > 0.0 and low < 0.5 * high:
        low = 0.0
    pad = 0.05 * (high - low) or 1.0
    low, high = (low if low == 0.0 else low - pad), high + pad

    def x(value: float) -> float:
        return left + (value - low) / (high - low) * wide

    bottom = _TOP + _ROW * n
    lines = textwrap.wrap(name.replace("_", " "), 26)
    made = [
        text(left, _TOP - 8.0 - 15.0 * (len(lines) - 1 - row), line, size=12.0, bold=True)
        for row, line in enumerate(lines)
    ]
    for step in round_steps(low, high, 3):
        made.append(f'<path d="M{x(step):.1f} {_TOP:.1f}V{bottom:.1f}" stroke="{INK["grid"]}"/>')
        made.append(text(x(step), bottom + 15.0, number(step), size=10.5, colour="muted", anchor="middle"))
    base = items[found.base] if found.base < n else None
    if base is not None and base.value is not None and base.rated:
        dashes = f'stroke="{INK["muted"]}" stroke-dasharray="4 3"'
        made.append(f'<path d="M{x(base.value):.1f} {_TOP:.1f}V{bottom:.1f}" {dashes}/>')
    for row, item in enumerate(items):
        differs = row != found.base and side(found.differences[row][at]) != 0
        made += _dot(item, _y(row), x, left, full=differs)
    return made


def _ends(item: Interval) -> list[float]:
    if not item.rated:
        return []
    return [value for value in (item.value, item.low, item.high) if value is not None]


def _dot(item: Interval, y: float, x: Callable[[float], float], left: float, *, full: bool) -> list[str]:
    ink = INK["vermillion" if full else "blue"]
    if item.value is None or not item.rated:
        return [text(left + 4.0, y + 4.0, "too few to rate" if item.value is not None else "-", colour="muted")]
    made = []
    if item.low is not None and item.high is not None:
        made.append(f'<path d="M{x(item.low):.1f} {y:.1f}H{x(item.high):.1f}" stroke="{ink}" stroke-width="2.5"/>')
    inside = ink if full else INK["paper"]
    made.append(
        f'<circle cx="{x(item.value):.1f}" cy="{y:.1f}" r="4" fill="{inside}" stroke="{ink}" stroke-width="2"/>'
    )
    return made
