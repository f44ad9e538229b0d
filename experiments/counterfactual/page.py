"""The page of a counterfactual: what was closed by force when, with and without, and the change seed by seed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from experiments.report import page
from experiments.report.page import Page, Table
from experiments.report.theme import CASCADE_COLOURS, Figure, axis, layout

if TYPE_CHECKING:
    from experiments.counterfactual.compare import Comparison

Section = tuple[str, str, Sequence[tuple[str, ...]]]
"""Headline, alternative, rows of its table."""


def page_of(found: Comparison, sections: Sequence[Section], *, header: Sequence[str], notes: Sequence[str]) -> Page:
    """The whole page."""
    made = Page(title=f"Counterfactual: {found.name}")
    made.add(page.paragraph(f"Counterfactual · {found.name}", "kicker"), *page.headline(sections[0][0]))
    caption = f"Seed {found.seeds[0]}: closed by force until then, million USD, on the same random numbers."
    made.section(
        "curve", "One history, with and without", page.paragraph(caption, "caption"),
        made.chart("curve", {"all": _curves(found)}, height=380, label="Closed by force over time"),
    )  # fmt: skip
    if len(found.seeds) > 1:
        caption = "Change of what is closed by force, million USD: a dot is a seed, the line the mean."
        made.section(
            "seeds", "Seed by seed", page.paragraph(caption, "caption"),
            made.chart("seeds", {"all": _changes(found)}, height=140 + 60 * len(found.alternatives),
                       label="Changes by seed"),
        )  # fmt: skip
    for number, (headline, alternative, rows) in enumerate(sections):
        table = Table(columns=header, rows=rows, right=(2, 3, 4)).html()
        words = page.paragraph(headline) if number else ""
        made.section(f"alternative-{number}", f"{alternative[0].upper()}{alternative[1:]}", words, table)
    made.section("notes", "What this rests on", page.bullets(notes))
    return made


def _curves(found: Comparison) -> Figure:
    lines: list[dict[str, Any]] = []
    end = max((curve[-1][0] for curve in found.curves.values() if curve), default=0.0) / 60.0
    for label, curve in found.curves.items():
        lines.append(
            {
                "type": "scatter",
                "mode": "lines",
                "name": label or "as it is",
                "x": [0.0, *(seconds / 60.0 for seconds, _ in curve), end],
                "y": [0.0, *(usd / 1e6 for _, usd in curve), curve[-1][1] / 1e6 if curve else 0.0],
                "line": {"shape": "hv", "width": 2, "color": _colour(len(lines))},
            }
        )
    return {
        "times": {},
        "data": lines,
        "layout": layout(
            showlegend=True, xaxis=axis("minutes"), yaxis=axis("million USD", rangemode="tozero"),
            margin={"l": 60, "r": 20, "t": 10, "b": 44},
        ),
    }  # fmt: skip


def _changes(found: Comparison) -> Figure:
    dots: list[dict[str, Any]] = []
    for number, name in enumerate(found.alternatives):
        pairs = zip(found.values("liquidated_notional_usd", name), found.values("liquidated_notional_usd"), strict=True)
        changes = [(other - own) / 1e6 for other, own in pairs]
        mean = sum(changes) / len(changes)
        colour = _colour(number + 1)
        dots.append(
            {
                "type": "scatter", "mode": "markers", "x": changes, "y": [number] * len(changes),
                "text": [f"seed {seed}" for seed in found.seeds],
                "marker": {"color": colour, "opacity": 0.6, "size": 9},
            }
        )  # fmt: skip
        dots.append(
            {
                "type": "scatter", "mode": "lines", "x": [mean, mean], "y": [number - 0.3, number + 0.3],
                "line": {"color": colour, "width": 3}, "hoverinfo": "x",
            }
        )  # fmt: skip
    names = list(found.alternatives)
    zero = {"type": "line", "x0": 0, "x1": 0, "yref": "paper", "y0": 0, "y1": 1, "line": {"color": "@line", "width": 1}}
    return {
        "times": {},
        "data": dots,
        "layout": layout(
            showlegend=False, xaxis=axis("million USD"), shapes=[zero], margin={"l": 60, "r": 20, "t": 10, "b": 44},
            yaxis=axis(tickvals=list(range(len(names))), ticktext=[_short(name) for name in names],
                       range=[len(names) - 0.5, -0.5]),
        ),
    }  # fmt: skip


def _colour(number: int) -> str:
    return "@ink" if number == 0 else CASCADE_COLOURS[(number - 1) % len(CASCADE_COLOURS)]


def _short(name: str) -> str:
    return name if len(name) <= 40 else f"{name[:37]}..."
