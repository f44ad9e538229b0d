"""A self-contained page: words, tables and plotly figures in one HTML file that opens offline.

plotly.js stands in the page once. The same content gives the same bytes: no clock, no random ids.
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

from plotly.offline import get_plotlyjs

from experiments.report.theme import Figure
from experiments.report.words import sentence

_HERE = Path(__file__).resolve().parent


@dataclass(frozen=True, kw_only=True)
class Table:
    """Rows of text under a header (none when all names are empty).

    Columns in `right` hold numbers, those in `minor` are left out on a phone, those in `wide` hold sentences.
    """

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    right: Collection[int] = ()
    minor: Collection[int] = ()
    wide: Collection[int] = ()

    def html(self) -> str:
        """The table inside a box that scrolls sideways where it must."""
        kinds = {"num": self.right, "minor": self.minor, "wide": self.wide}
        marks = [" ".join(name for name, columns in kinds.items() if i in columns) for i in range(len(self.columns))]
        classes = [f' class="{mark}"' if mark else "" for mark in marks]
        head = "".join(f"<th{mark}>{escape(name)}</th>" for mark, name in zip(classes, self.columns, strict=True))
        head = f"<thead><tr>{head}</tr></thead>" if any(self.columns) else ""
        lines = [
            "<tr>"
            + "".join(f"<td{mark}>{escape(cell)}</td>" for mark, cell in zip(classes, row, strict=True))
            + "</tr>"
            for row in self.rows
        ]
        body = "\n".join(lines)
        return f'<div class="scroll"><table>{head}<tbody>\n{body}\n</tbody></table></div>'


@dataclass(kw_only=True)
class Page:
    """A page in the making: sections are added in their order, figures as they come."""

    title: str
    _body: list[str] = field(default_factory=list)
    _figures: dict[str, dict[str, Figure]] = field(default_factory=dict)

    def add(self, *parts: str) -> None:
        """Append HTML."""
        self._body.extend(parts)

    def section(self, anchor: str, title: str, *parts: str) -> None:
        """Append a section of HTML parts."""
        inner = "\n".join(part for part in parts if part)
        self._body.append(f'<section id="{anchor}">\n<h2>{escape(title)}</h2>\n{inner}\n</section>')

    def chart(self, name: str, figures: Mapping[str, Figure], *, height: int, label: str) -> str:
        """HTML of a chart; several figures get a row of buttons. `label` says what it shows to those who cannot see."""
        self._figures[name] = dict(figures)
        views = list(dict.fromkeys(view for figure in figures.values() for view in figure.get("views", ())))
        buttons = _buttons(name, "choice", list(figures)) + _buttons(name, "view", views)
        return (
            f'<div class="choices">{buttons}</div><div class="legend" id="legend-{name}"></div>'
            f'<div class="chart" id="chart-{name}" style="height:{height}px" role="img" '
            f'aria-label="{escape(label)}"></div>'
        )

    def html(self) -> str:
        """The whole file."""
        data = json.dumps(_finite(self._figures), separators=(",", ":"), ensure_ascii=False, allow_nan=False)
        parts = {
            "TITLE": escape(self.title),
            "STYLE": (_HERE / "page.css").read_text(encoding="utf-8"),
            "BODY": "\n".join(self._body),
            "FIGURES": data.replace("<", "\\u003c"),
            "PLOTLY": get_plotlyjs() if self._figures else "",
            "SCRIPT": (_HERE / "page.js").read_text(encoding="utf-8"),
        }
        pieces = _TEMPLATE.split("%%")
        return "".join(parts.get(piece, piece) for piece in pieces)

    def write(self, path: Path) -> None:
        """Write the file."""
        path.write_text(self.html(), encoding="utf-8")


_TEMPLATE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>%%TITLE%%</title>
<link rel="icon" href="data:,">
<style>
%%STYLE%%</style>
</head>
<body>
<main>
%%BODY%%
</main>
<script id="figure-data" type="application/json">%%FIGURES%%</script>
<script>%%PLOTLY%%</script>
<script>
%%SCRIPT%%</script>
</body>
</html>
"""


def _buttons(chart: str, kind: str, names: Sequence[str]) -> str:
    """A group of buttons, one of which is pressed; none for a single name."""
    if len(names) < 2:
        return ""
    inner = "".join(
        f'<button type="button" data-chart="{chart}" data-{kind}="{escape(name)}">{escape(name)}</button>'
        for name in names
    )
    return f'<span role="group">{inner}</span>'


def paragraph(text: str, kind: str = "") -> str:
    """A paragraph of plain text."""
    class_ = f' class="{kind}"' if kind else ""
    return f"<p{class_}>{escape(text)}</p>"


def headline(text: str) -> tuple[str, ...]:
    """The one line on top: its first part large, what follows a semicolon below it."""
    first, _, rest = text.partition("; ")
    if not rest:
        return (f"<h1>{escape(text)}</h1>",)
    return f"<h1>{escape(sentence(first))}</h1>", paragraph(sentence(rest), "deck")


def subheading(text: str) -> str:
    """A line above a part of a section."""
    return f"<h3>{escape(text)}</h3>"


def bullets(lines: Sequence[str]) -> str:
    """A list of plain text."""
    return "<ul>" + "".join(f"<li>{escape(line)}</li>" for line in lines) + "</ul>"


def code(text: str) -> str:
    """Something to type."""
    return f"<pre><code>{escape(text)}</code></pre>"


def folded(title: str, *parts: str) -> str:
    """Parts that open on demand."""
    return f"<details><summary>{escape(title)}</summary>{''.join(parts)}</details>"


def tiles(items: Sequence[tuple[str, str, str]]) -> str:
    """The few figures everybody wants first: (label, figure, remark)."""
    cells = "".join(
        f"<div><dt>{escape(label)}</dt><dd>{escape(figure)}<small>{escape(remark)}</small></dd></div>"
        for label, figure, remark in items
    )
    return f'<dl class="tiles">{cells}</dl>'


def columns(blocks: Sequence[tuple[str, Sequence[str]]]) -> str:
    """Titled texts side by side."""
    cells = "".join(
        f"<div><h3>{escape(title)}</h3>{''.join(paragraph(text) for text in texts)}</div>" for title, texts in blocks
    )
    return f'<div class="columns">{cells}</div>'


def _finite(value: Any) -> Any:
    """The same with null for what JSON has no number for."""
    if isinstance(value, dict):
        return {key: _finite(child) for key, child in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(child) for child in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
