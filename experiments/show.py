"""How the command line prints results: tables for people, JSON for programs."""

from __future__ import annotations

import json
import math
import shutil
import sys
import textwrap
from collections.abc import Collection, Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
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


def answer(
    found: Any,
    command: Any,
    *,
    as_json: bool,
    out: Path | None = None,
    overwrite: bool = False,
    kind: str = "page",
) -> None:
    """Write an answer where it is wanted, and print it, or only its JSON.

    `command` is a module with the functions as_json(found), print_result(found) and, for `out`, save(found, out,
    overwrite=...), which writes a report.html; `kind` is what that is called.
    """
    if out is not None:
        command.save(found, out, overwrite=overwrite)
    if as_json:
        print_json(command.as_json(found))
        return
    command.print_result(found)
    if out is not None:
        print(f"\n{kind}: {out / 'report.html'}")


WIDTH = 100
"""Columns that printed words and tables keep to."""


def explain_rows(found: Sequence[Leaf], provenance: Mapping[str, str]) -> list[tuple[str, str, str, str, str]]:
    """Every resolved value: key, value, unit, where it was said, what it means."""
    return [
        (leaf.path, literal(leaf.value), leaf.unit, provenance.get(leaf.path, ""), leaf.help.split("\n\n")[0])
        for leaf in found
    ]


def print_values(rows: Sequence[tuple[str, str, str, str, str]]) -> None:
    """Print the rows of `explain_rows`: to a terminal key and value, below them the meaning; in a pipe a table."""
    if not sys.stdout.isatty():
        print_table(rows, header=("key", "value", "unit", "source", "meaning"), right=(1,))
        return
    width = min(shutil.get_terminal_size().columns, WIDTH)
    for key, value, unit, source, meaning in rows:
        # Keys are there to be copied, so they stay whole on however narrow a terminal.
        print(_filled(f"{key} = {value} {unit}  [{source}]", width, ""))
        print(_filled(meaning, width, "    "))


def _filled(text: str, width: int, indent: str) -> str:
    return textwrap.fill(
        " ".join(text.split()),
        width,
        initial_indent=indent,
        subsequent_indent="    ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def print_words(text: str, *, indent: str = "") -> None:
    """Print a paragraph in WIDTH columns, the first line behind `indent`, the others below it."""
    print(textwrap.fill(" ".join(text.split()), WIDTH, initial_indent=indent, subsequent_indent=" " * len(indent)))


def literal(value: Any) -> str:
    """A value as TOML and JSON write it; "none" for none."""
    return "none" if value is None else json.dumps(plain(value), ensure_ascii=False)


def print_table(
    rows: Sequence[Sequence[str]], *, header: Sequence[str], right: Collection[int] = (), wrap: Collection[int] = ()
) -> None:
    """Print a table; columns numbered in `right` are aligned right.

    In a pipe it is plain text, one row a line, unless columns are numbered in `wrap`: these are then as narrow as it
    takes to keep the table to WIDTH, and a row has as many lines as they need.
    """
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
    if wrap:
        widths = _narrowed(widths, wrap)
        lines = [part for line in lines for part in _wrapped(line, widths)]
    for line in lines:
        cells = [
            cell.rjust(width) if i in right else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        print("  ".join(cells).rstrip())


def _narrowed(widths: Sequence[int], wrap: Collection[int]) -> list[int]:
    """Widths at which a table keeps to WIDTH: columns of `wrap` have an equal share, or what they need."""
    found = list(widths)
    room = WIDTH - 2 * (len(widths) - 1) - sum(width for i, width in enumerate(widths) if i not in wrap)
    for left, i in zip(range(len(wrap), 0, -1), sorted(wrap, key=lambda i: widths[i]), strict=True):
        found[i] = min(widths[i], max(room // left, 12))
        room -= found[i]
    return found


def _wrapped(line: Sequence[str], widths: Sequence[int]) -> list[list[str]]:
    """The lines of one row."""
    cells = [textwrap.wrap(cell, width) for cell, width in zip(line, widths, strict=True)]
    return [list(parts) for parts in zip_longest(*cells, fillvalue="")]
