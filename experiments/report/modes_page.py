"""Margin modes compared: the page, and a picture in plain SVG."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

from experiments.margin_modes.measures import MEASURES
from experiments.margin_modes.worlds import MODES
from experiments.report import page
from experiments.report.page import Page, Table
from experiments.report.picture import INK, round_steps
from experiments.report.svg import document, text
from experiments.report.theme import Figure, above, axis, layout
from experiments.report.words import count, money, sentence

if TYPE_CHECKING:
    from experiments.margin_modes.compare import Comparison

COLOURS = {"isolated": "orange", "cross": "blue", "portfolio": "green"}
HEIGHT = 420
SAID = ("liquidated_people_count", "liquidated_notional_usd", "bad_debt_usd", "initial_margin_usd")
"""What the headline speaks of, in this order."""


def headline(found: Comparison) -> str:
    """What differs, as far as the seeds can tell."""
    parts = [_said(found, mode, other) for mode, other in (("cross", "isolated"), ("portfolio", "cross"))]
    return sentence("; ".join(parts))


def _said(found: Comparison, mode: str, other: str) -> str:
    clear, open_ = [], []
    for name in SAID:
        difference, base = found.difference(name, mode, other), found.level(name, other)
        label = MEASURES[name].label
        if difference.sign and difference.mean is not None and base.mean:
            share = abs(difference.mean) / abs(base.mean)
            fewer = "fewer" if MEASURES[name].unit == "people" else "less"
            clear.append(f"{share:.0%} {'more' if difference.sign > 0 else fewer} {_noun(name)}")
        elif difference.events:
            open_.append(label)
    told = f"with {', '.join(clear)}" if clear else "without a clear difference"
    rest = f" ({', '.join(open_)}: no difference that {count(len(found.seeds), 'seed')} can tell)" if open_ else ""
    return f"{mode} margin against {other} margin: {told}{rest}"


def _noun(name: str) -> str:
    return {
        "liquidated_people_count": "people liquidated",
        "liquidated_notional_usd": "notional closed by force",
        "bad_debt_usd": "bad debt",
        "initial_margin_usd": "capital to open the same positions",
    }[name]


def page_of(found: Comparison) -> Page:
    """The page."""
    from experiments.margin_modes.command import DIFFERENCES, LEVELS, difference_rows, level_rows

    made = Page(title=f"Margin modes: {found.title}")
    made.add(
        page.paragraph(f"Margin modes · {found.title} {count(len(found.seeds), 'seed')}.", "kicker"),
        *page.headline(headline(found)),
    )
    figures = {MEASURES[name].label: _figure(found, name) for name in found.measures}
    made.section(
        "picture",
        "The same people and shocks under three margin modes",
        page.paragraph(
            "A thin line is one seed: the same prices, people and order flow under each mode. Thick points are means "
            "with 95% intervals.",
            "caption",
        ),
        made.chart("modes", figures, height=HEIGHT, label="Figures of every seed under each margin mode"),
    )
    levels = Table(columns=LEVELS, rows=level_rows(found), right=(2, 3, 4), minor=(1,))
    differences = Table(columns=DIFFERENCES, rows=difference_rows(found), right=(2, 3, 4), minor=(1,))
    made.section(
        "figures",
        "Figures",
        page.subheading("Means over seeds, ± 95% interval"),
        levels.html(),
        page.subheading("Paired differences; *: the interval lies on one side of zero"),
        differences.html(),
    )
    made.section("assumptions", "What this rests on", page.bullets(found.assumptions))
    meanings = [f"{MEASURES[name].label}: {MEASURES[name].meaning}" for name in found.measures]
    made.section("meanings", "What the figures are", page.bullets(meanings))
    return made


def _figure(found: Comparison, name: str) -> Figure:
    x: list[str | None] = []
    y: list[float | None] = []
    text: list[str | None] = []
    for at, seed in enumerate(found.seeds):
        x += [*MODES, None]
        y += [found.values(name, mode)[at] for mode in MODES] + [None]
        text += [f"seed {seed}"] * len(MODES) + [None]
    unit = MEASURES[name].unit
    data = [
        {
            "type": "scatter", "mode": "lines+markers", "name": "one seed", "x": x, "y": y, "text": text,
            "line": {"color": "@muted/0.35", "width": 1}, "marker": {"color": "@muted/0.5", "size": 4},
            "hovertemplate": f"%{{text}}, %{{x}}: %{{y:,.4s}} {unit}<extra></extra>",
        }
    ]  # fmt: skip
    for mode in MODES:
        level = found.level(name, mode)
        data.append(
            {
                "type": "scatter", "mode": "markers", "name": mode, "x": [mode], "y": [level.mean],
                "marker": {"color": f"@{COLOURS[mode]}", "size": 11, "line": {"color": f"@{COLOURS[mode]}"}},
                "error_y": {
                    "type": "data", "array": [level.half_width or 0.0], "color": f"@{COLOURS[mode]}", "thickness": 3,
                    "width": 9, "visible": level.rated,
                },
                "hovertemplate": f"{mode}: mean %{{y:,.4s}} {unit}<extra></extra>",
            }
        )  # fmt: skip
    return {
        "data": data,
        "layout": layout(
            showlegend=True,
            hovermode="closest",
            xaxis=axis(type="category"),
            yaxis=axis(rangemode="normal" if unit == "×" else "tozero", tickformat="~g" if unit == "×" else "~s"),
            annotations=[above(f"{MEASURES[name].label}, {unit}", "y")],
        ),
        "times": {},
    }


# ---- plain SVG

_PANEL, _TALL, _TOP = 272.0, 200.0, 100.0


def picture(found: Comparison) -> str:
    """Small panels, one per measure, each seed a thin line, means with intervals."""
    names = found.measures
    rows = -(-len(names) // 3)
    height = _TOP + rows * (_TALL + 46.0) + 10.0
    lines = [line for part in headline(found).split("; ") for line in textwrap.wrap(sentence(part), 126)]
    parts = [
        text(
            24.0, 32.0, f"Isolated, cross and portfolio margin, {count(len(found.seeds), 'seed')}", size=16.0, bold=True
        ),
        *(text(24.0, 54.0 + 17.0 * row, line, size=12.5) for row, line in enumerate(lines)),
    ]
    for at, name in enumerate(names):
        left, top = 24.0 + (at % 3) * (_PANEL + 10.0), _TOP + 24.0 + (at // 3) * (_TALL + 46.0)
        parts += _panel(found, name, left, top)
    return document(parts, height=height, said=headline(found))


def _panel(found: Comparison, name: str, left: float, top: float) -> list[str]:
    values = [found.values(name, mode) for mode in MODES]
    levels = [found.level(name, mode) for mode in MODES]
    known = [value for column in values for value in column if value is not None]
    known += [(level.mean or 0.0) + (level.half_width or 0.0) for level in levels]
    ratio = MEASURES[name].unit == "×"
    low = min(known, default=0.0) if ratio else 0.0
    high = max([*known, low + 1e-9])
    pad = 0.08 * (high - low) or 1.0
    low, high = (low - pad if ratio else 0.0), high + pad
    inner, right = left + 46.0, left + _PANEL - 10.0
    xs = [inner + (right - inner) * place for place in (0.14, 0.5, 0.86)]

    def y(value: float) -> float:
        return top + _TALL - 24.0 - (value - low) / (high - low) * (_TALL - 44.0)

    unit = MEASURES[name].unit
    counted = "" if unit in ("people", "accounts") else f", {unit}"
    made = [text(left, top, f"{MEASURES[name].label}{counted}", size=12.5, bold=True)]
    for step in round_steps(low, high, 3):
        made.append(f'<path d="M{inner:.1f} {y(step):.1f}H{right:.1f}" stroke="{INK["grid"]}"/>')
        made.append(text(inner - 6.0, y(step) + 4.0, _tick(step, unit), size=10.5, colour="muted", anchor="end"))
    made += [_line(xs, [y(value) for value in row if value is not None]) for row in zip(*values, strict=True)]
    for x, mode, level in zip(xs, MODES, levels, strict=True):
        made.append(text(x, top + _TALL - 6.0, mode, size=11.0, anchor="middle"))
        if level.mean is None:
            continue
        ink = INK[COLOURS[mode]]
        if level.half_width is not None:
            ends = y(level.mean - level.half_width), y(level.mean + level.half_width)
            made.append(f'<path d="M{x:.1f} {ends[0]:.1f}V{ends[1]:.1f}" stroke="{ink}" stroke-width="3"/>')
        made.append(f'<circle cx="{x:.1f}" cy="{y(level.mean):.1f}" r="5" fill="{ink}"/>')
    return made


def _line(xs: Sequence[float], ys: Sequence[float]) -> str:
    """One seed; nothing where a figure is missing."""
    if len(ys) < len(xs):
        return ""
    points = "L".join(f"{x:.1f} {y:.1f}" for x, y in zip(xs, ys, strict=True))
    return f'<path d="M{points}" fill="none" stroke="{INK["muted"]}" stroke-opacity="0.4"/>'


def _tick(value: float, unit: str) -> str:
    return money(value).removesuffix(" USD").replace(" million", "M") if unit == "USD" else f"{value:,.4g}"
