"""What `cascade compare-margin` prints and writes."""

from __future__ import annotations

import csv
import io
import json
import textwrap
from dataclasses import asdict
from pathlib import Path
from typing import Any

from experiments import folder, show
from experiments.margin_modes.compare import PAIRS, Comparison
from experiments.margin_modes.measures import MEASURES
from experiments.margin_modes.worlds import MODES
from experiments.report import modes_page
from experiments.report.words import MISSING
from experiments.statistics.means import TOO_FEW, Estimate


def number(value: float, unit: str) -> str:
    """A figure in its unit: dollars in millions, people and accounts with one decimal."""
    if unit == "USD":
        return f"{value / 1e6:,.3f}".replace("-", "−")
    return f"{value:,.3f}".replace("-", "−") if unit == "×" else f"{value:,.1f}".replace("-", "−")


def cell(found: Estimate, unit: str) -> str:
    """Mean and half-width of its interval."""
    if found.mean is None:
        return MISSING
    if found.events == 0:
        return "0"
    mean = number(found.mean, unit)
    return f"{mean} ± {number(found.half_width, unit)}" if found.half_width is not None else f"{mean}, {TOO_FEW}"


def unit_of(unit: str) -> str:
    """How a unit is written beside such figures."""
    return "M USD" if unit == "USD" else unit


def level_rows(found: Comparison) -> list[tuple[str, ...]]:
    """A row per measure: label, unit, and the mean under each mode."""
    return [
        (
            MEASURES[name].label,
            unit_of(MEASURES[name].unit),
            *(cell(found.level(name, mode), MEASURES[name].unit) for mode in MODES),
        )
        for name in found.measures
    ]


def difference_rows(found: Comparison) -> list[tuple[str, ...]]:
    """A row per measure: label, unit, and the paired differences; "*": the interval lies on one side of zero."""
    rows = []
    for name in found.measures:
        cells = []
        for mode, other in PAIRS:
            difference = found.difference(name, mode, other)
            cells.append(cell(difference, MEASURES[name].unit) + (" *" if difference.sign else ""))
        rows.append((MEASURES[name].label, unit_of(MEASURES[name].unit), *cells))
    return rows


LEVELS = ("", "unit", *MODES)
DIFFERENCES = ("", "unit", *(f"{mode} − {other}" for mode, other in PAIRS))


def print_result(found: Comparison) -> None:
    """The headline, both tables, and what they rest on."""
    print(textwrap.fill(modes_page.headline(found), show.WIDTH))
    print(f"\nMeans over {len(found.seeds)} seeds, ± 95% interval")
    show.print_table(level_rows(found), header=LEVELS, right=(2, 3, 4))
    print("\nPaired differences, seed by seed; *: the interval lies on one side of zero")
    show.print_table(difference_rows(found), header=DIFFERENCES, right=(2, 3, 4))
    print("\nWhat this rests on")
    for line in found.assumptions:
        print(textwrap.fill(f"- {line}", show.WIDTH, subsequent_indent="  "))
    print("\nThe figures")
    for name in found.measures:
        text = f"- {MEASURES[name].label}: {MEASURES[name].meaning}"
        print(textwrap.fill(text, show.WIDTH, subsequent_indent="  "))


def as_json(found: Comparison) -> dict[str, Any]:
    """Everything, the figures of every seed included."""
    return {
        "title": found.title,
        "seeds": list(found.seeds),
        "measures": {
            name: {
                **asdict(MEASURES[name]),
                "modes": {mode: _estimate(found.level(name, mode)) for mode in MODES},
                "differences": {
                    f"{mode} - {other}": _estimate(found.difference(name, mode, other)) for mode, other in PAIRS
                },
            }
            for name in found.measures
        },
        "assumptions": list(found.assumptions),
        "runs": {mode: list(rows) for mode, rows in found.figures.items()},
    }


def _estimate(found: Estimate) -> dict[str, Any]:
    low, high = None, None
    if found.mean is not None and found.half_width is not None:
        low, high = found.mean - found.half_width, found.mean + found.half_width
    return {
        "mean": found.mean,
        "low": low,
        "high": high,
        "seeds": found.n,
        "seeds_with_any": found.events,
        "rated": found.rated,
    }


def as_csv(found: Comparison) -> str:
    """One row per seed and mode."""
    stream = io.StringIO()
    names = list(found.figures[MODES[0]][0])
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["seed", "mode", *names])
    for at, seed in enumerate(found.seeds):
        for mode in MODES:
            writer.writerow([seed, mode, *(found.figures[mode][at][name] for name in names)])
    return stream.getvalue()


def save(found: Comparison, target: Path, *, overwrite: bool) -> None:
    """Write a folder with the page, the picture, the figures of every seed and all estimates. Raises InputError."""
    with folder.atomic(target, replace=overwrite) as made:
        (made / folder.MARKER).write_text(json.dumps(as_json(found), indent=2, ensure_ascii=False) + "\n")
        (made / "runs.csv").write_text(as_csv(found))
        (made / "picture.svg").write_text(modes_page.picture(found), encoding="utf-8")
        modes_page.page_of(found).write(made / "report.html")
