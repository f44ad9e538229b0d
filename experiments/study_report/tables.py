"""The tables of a report, and how they are written as Markdown, CSV and LaTeX."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from experiments.statistics.intervals import Interval
from experiments.study_report.findings import Findings
from experiments.sweep.summary import as_csv, cell, header, label, rows

TAIL_OF_PATH = 2
"""Steps of a path that a heading keeps: the whole path stands in the study."""


@dataclass(frozen=True)
class Written:
    """A table of text."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def measures(found: Findings) -> Written:
    """A row for every design: its values, how many runs, every measure with its interval."""
    columns = tuple(short(name) for name in header(found.plan, found.summary))
    title = "Measures: value [95 % interval] seeds behind it / seeds"
    return Written(title, columns, tuple(rows(found.plan, found.summary)))


def differences(found: Findings) -> Written:
    """A row for every design but the base: its values, and every measure less that of the base."""
    base = found.summary.designs[found.base].number
    paths = found.plan.loaded.designs.paths
    columns = ("design", *map(short, paths), *(label(measure) for measure in found.summary.measures))
    values = [line[: 1 + len(paths)] for line in rows(found.plan, found.summary)]
    made = [
        (*line, *(difference_cell(item) for item in items))
        for at, (line, items) in enumerate(zip(values, found.differences, strict=True))
        if at != found.base
    ]
    title = f"Difference from design {base}, seed by seed [95 % interval]; *: on one side of zero"
    return Written(title, columns, tuple(made))


def difference_cell(found: Interval) -> str:
    """A difference and its interval in a few words."""
    text = "+" + cell(found) if found.value is not None and found.value > 0.0 else cell(found)
    return text + (" *" if side(found) else "")


def side(found: Interval) -> int:
    """-1 or 1 when the interval lies below or above zero, else 0."""
    if not found.rated or found.low is None or found.high is None:
        return 0
    return 1 if found.low > 0.0 else -1 if found.high < 0.0 else 0


def short(path: str) -> str:
    """The end of a dotted path, so that a heading is no longer than its column."""
    return path if " " in path else ".".join(path.split(".")[-TAIL_OF_PATH:])


def markdown(table: Written) -> str:
    """A pipe table under its title."""
    lines = [table.columns, tuple("---" for _ in table.columns), *table.rows]
    body = "\n".join("| " + " | ".join(text.replace("|", "\\|") for text in line) + " |" for line in lines)
    return f"{table.title}\n\n{body}\n"


_TEX = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"} | {
    letter: f"\\{letter}" for letter in "&%$#_{}"
}


def tex(table: Written) -> str:
    """A tabular for the package booktabs; the title is a comment."""

    def line(cells: Sequence[str]) -> str:
        return " & ".join("".join(_TEX.get(letter, letter) for letter in text) for text in cells) + r" \\"

    body = "\n".join(line(row) for row in table.rows)
    return (
        f"% {table.title}\n\\begin{{tabular}}{{{'l' * len(table.columns)}}}\n\\toprule\n{line(table.columns)}\n"
        f"\\midrule\n{body}\n\\bottomrule\n\\end{{tabular}}\n"
    )


def measures_csv(found: Findings) -> str:
    """One line per design and measure, full precision."""
    return as_csv(found.plan, found.summary)


def differences_csv(found: Findings) -> str:
    """One line per design and measure, full precision: the difference from the base."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    paths = found.plan.loaded.designs.paths
    writer.writerow(["design", "base", *paths, "measure", *Interval.__dataclass_fields__])
    base = found.summary.designs[found.base].number
    for design, items in zip(found.summary.designs, found.differences, strict=True):
        said = [design.changes.get(path, "") for path in paths]
        for measure, item in zip(found.summary.measures, items, strict=True):
            if design.number != base:
                writer.writerow([design.number, base, *said, label(measure), *asdict(item).values()])
    return stream.getvalue()


def value_text(value: Any) -> str:
    """A value of a design in a figure."""
    return f"{value:g}" if isinstance(value, float) else value if isinstance(value, str) else json.dumps(value)
