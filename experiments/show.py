"""How the command line prints results: tables for people, JSON for programs."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from experiments.fields import Leaf, plain


def print_json(data: Mapping[str, Any]) -> None:
    """Print one JSON document; a number that JSON does not know (nan, inf) is null."""
    print(json.dumps(_finite(plain(dict(data))), indent=2, ensure_ascii=False, allow_nan=False))


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(child) for key, child in value.items()}
    if isinstance(value, list):
        return [_finite(child) for child in value]
    if hasattr(value, "item"):  # a numpy number
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


_ENDINGS: dict[str, str] = {
    "_usd": "${:,.0f}",
    "_share": "{:.2%}",
    "_bps": "{:,.1f} bps",
    "_seconds": "{:,.0f} s",
    "_count": "{:,.0f}",
}
"""How a figure is written, by the unit at the end of its key."""


Figure = float | int | str | None


def number(key: str, value: Figure) -> str:
    """A KPI as a person reads it; the end of its key says the unit."""
    if isinstance(value, str):
        return value
    if value is None or not math.isfinite(value):
        return "-"
    if key.endswith("_usd") and 0.0 < abs(value) < 1_000.0:
        return f"${value:,.4g}".replace("$-", "-$")
    for ending, form in _ENDINGS.items():
        if key.endswith(ending):
            return form.format(value).replace("$-", "-$")
    return f"{value:,}" if isinstance(value, int) else f"{value:,.4g}"


def kpi_rows(kpis: Mapping[str, Figure]) -> list[tuple[str, str]]:
    """KPIs as rows of words and figures; the unit is with the figure."""
    rows = []
    for key, value in kpis.items():
        unit = next((ending for ending in _ENDINGS if key.endswith(ending) and ending != "_count"), "")
        rows.append((key.removesuffix(unit).replace("_", " "), number(key, value)))
    return rows


def explain_rows(found: Sequence[Leaf], provenance: Mapping[str, str]) -> list[tuple[str, str, str, str, str]]:
    """Every resolved value: key, value, unit, where it was said, what it means."""
    return [
        (leaf.path, _literal(leaf.value), leaf.unit, provenance.get(leaf.path, ""), leaf.help.split("\n\n")[0])
        for leaf in found
    ]


def _literal(value: Any) -> str:
    return "none" if value is None else json.dumps(plain(value), ensure_ascii=False)


def print_table(rows: Sequence[Sequence[str]], *, header: Sequence[str], right: Sequence[int] = ()) -> None:
    """Print a table; columns numbered in `right` are aligned right. In a pipe it is plain text, one row a line."""
    if sys.stdout.isatty():
        from rich import box
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        table = Table(*header, box=box.SIMPLE_HEAD, pad_edge=False)
        for i in right:
            table.columns[i].justify = "right"
        for row in rows:
            table.add_row(*(Text(cell) for cell in row))
        Console().print(table)
        return
    lines = [[" ".join(cell.split()) for cell in row] for row in (header, *rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(header))]
    for line in lines:
        cells = [
            cell.rjust(width) if i in right else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        print("  ".join(cells).rstrip())
