"""What `cascade run` prints: the report's own sentences, then its figures in groups with their units."""

from __future__ import annotations

import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING

from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from experiments.report import tables
from experiments.report.facts import facts
from experiments.report.page import Table as Rows
from experiments.report.story import story
from experiments.scenario import Scenario
from experiments.show import WIDTH
from market.margin.rules import ANY

if TYPE_CHECKING:
    from experiments.result import Result

TWO_COLUMNS = 96
"""Columns that two groups side by side need."""
OTHER_HAIRCUT, AND_ANOTHER = 0.3, 0.1
"""Haircuts that the hint proposes: the first, or the second where the first is in force already."""


def text(result: Result, stream: IO[str]) -> str:
    """Story and figures of a result, as wide as the stream allows; in colour on a terminal."""
    console = Console(file=stream, highlight=False, soft_wrap=False)
    console.width = min(console.width, WIDTH) if console.is_terminal else WIDTH
    with console.capture() as capture:
        for part in (*_story(result), *_figures(result, console.width)):
            console.print(part)
            console.print()
    return "\n".join(line.rstrip() for line in capture.get().rstrip().splitlines()) + "\n"


def _story(result: Result) -> list[Text | Table]:
    told = story(facts(result))
    paragraphs = Table.grid(padding=(0, 2, 0, 0))
    paragraphs.add_column(no_wrap=True, style="bold")
    paragraphs.add_column()
    rules = [("Rules", told.rules)] if told.rules else []
    parts = [*rules, ("Who failed", told.failed), ("Why", told.why), ("Who paid", told.paid)]
    for row, (title, sentences) in enumerate(parts):
        if row:
            paragraphs.add_row()
        paragraphs.add_row(title, Text(" ".join(sentences)))
    notes = [Text(f"note: {note}", style="dim") for note in result.notes]
    return [*notes, Text(told.headline, style="bold"), paragraphs]


def _figures(result: Result, width: int) -> list[Table | Group]:
    groups = [_group(title, table.rows) for title, table in tables.kpi_tables(result.kpis)]
    prices = tables.instrument_table(result.kpis, tables.closed_by_instrument(result.liquidations))
    made: list[Table | Group] = [] if prices is None else [_by_instrument(prices)]
    if width < TWO_COLUMNS:
        return [*made, *groups]
    # Groups fill the shorter side first, in their order.
    sides: tuple[list[Table], list[Table]] = ([], [])
    for group in groups:
        shorter = min(sides, key=lambda side: sum(table.row_count + 2 for table in side))
        shorter.append(group)
    grid = Table.grid(padding=(0, 4, 0, 0))
    grid.add_column(width=(width - 4) // 2)
    grid.add_column(width=(width - 4) // 2)
    grid.add_row(*(Group(*_spaced(side)) for side in sides))
    return [*made, grid]


def _spaced(parts: Sequence[Table]) -> list[Table | str]:
    return [piece for part in parts for piece in (part, "")]


def _group(title: str, rows: Sequence[Sequence[str]]) -> Table:
    """A group of figures: label, figure, unit."""
    table = _titled(title)
    table.show_header = False
    table.add_column(ratio=1)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(no_wrap=True, style="dim", min_width=3)
    for label, figure, unit, *_ in rows:
        table.add_row(Text(label), Text(figure), Text(unit))
    return table


def _by_instrument(prices: Rows) -> Table:
    table = _titled(tables.BY_INSTRUMENT)
    for column, name in enumerate(prices.columns):
        table.add_column(name, justify="right" if column in prices.right else "left", header_style="dim")
    for row in prices.rows:
        table.add_row(*(Text(cell) for cell in row))
    return table


def _titled(title: str) -> Table:
    return Table(
        title=Text(title, style="bold"), title_justify="left", box=None, pad_edge=False, padding=(0, 2, 0, 0),
        expand=True,
    )  # fmt: skip


def hint(scenario: Scenario, *, run: Sequence[str], main: str) -> str | None:
    """How to change one haircut (the result gets a folder of its own); None when no haircut is in force.

    `run` is what was said after `cascade run`; `main` the main instrument, whose base asset is preferred.
    """
    base = scenario.instruments[main].base if main in scenario.instruments else ""
    discounted = {symbol: found for symbol in scenario.assets if (found := _haircut(scenario, symbol))[1] > 0.0}
    if not discounted:
        return None
    symbol = base if base in discounted else next(iter(discounted))
    key, have = discounted[symbol]
    other = OTHER_HAIRCUT if have != OTHER_HAIRCUT else AND_ANOTHER
    words = [*called(), "run", *run, "--set", f"{key}={other:g}"]
    return f"what if the haircut on {symbol} were {other:.0%} instead of {have:.0%}?\n  {shlex.join(words)}"


def _haircut(scenario: Scenario, symbol: str) -> tuple[str, float]:
    """The one key that sets an asset's haircut, and its value; 0 where the haircut is no single number."""
    rule = scenario.venue.margin.collateral_of(symbol, settlement=scenario.assets[symbol].settlement)
    if rule is None:
        return f"assets.{symbol}.haircut", scenario.assets[symbol].haircut
    own = symbol if symbol in scenario.venue.margin.collateral else ANY
    single = not rule.tiers and rule.initial_haircut is None
    return f"venue.margin.collateral.{own}.haircut", rule.haircut if single else 0.0


def called() -> list[str]:
    """What to type to call this program again: its name where the shell finds it, else as it was called."""
    if shutil.which("cascade"):
        return ["cascade"]
    typed = Path(sys.argv[0])
    return [str(typed)] if typed.name == "cascade" else ["python", "-m", "experiments.cli"]
