"""The tables of the page."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from experiments.contagion import Contagion
from experiments.frames import AWAY
from experiments.report.glossary import GROUPS, PER_INSTRUMENT, SPOKEN_ELSEWHERE, UNITS, Entry
from experiments.report.page import Table
from experiments.report.words import MISSING, Clock, known, percent, span

MOST_ROWS = 15
MOST_CASCADES = 10

BY_INSTRUMENT = "Largest fall of each price, and what forced trades added to it"

Kpi = float | int | str | None


def figure_cell(key: str, value: Kpi, unit: str = "") -> tuple[str, str]:
    """(figure, unit) of a KPI; the end of its key says the unit where none is given."""
    ending = key.rsplit("_", 1)[-1]
    unit = unit or UNITS.get(ending, "")
    if not known(value):
        return MISSING, unit
    if isinstance(value, str):
        return value, unit
    assert value is not None
    if isinstance(value, int):
        return f"{value:,}".replace("-", "−"), unit
    size = abs(value)
    if ending == "usd" or (ending == "seconds" and size >= 10.0):
        return f"{value:,.0f}".replace("-", "−"), unit
    if ending == "pct":
        return f"{value:.1f}", unit
    if unit == "×" and 0.1 <= size < 10.0:
        return f"{value:.2f}", unit
    return f"{value:,.3g}".replace("-", "−") if 1e-3 <= size < 1e4 or size == 0.0 else f"{value:,.4g}", unit


def kpi_tables(kpis: Mapping[str, Kpi]) -> list[tuple[str, Table]]:
    """(title, table) for every group that has a figure; keys without an entry come last, under their own names."""
    made = []
    columns = ("figure", "value", "unit", "meaning")
    seen = {*SPOKEN_ELSEWHERE, *_instrument_keys(kpis)}
    main = kpis.get("main_instrument", "the main instrument")
    for title, entries in GROUPS.items():
        rows = [
            (entry.label.format(main=main), *figure_cell(key, kpis[key], entry.unit), entry.meaning)
            for key, entry in entries.items()
            if key in kpis
        ]
        seen.update(entries)
        if rows:
            made.append((title.format(main=main), Table(columns=columns, rows=rows, right=(1,), minor=(3,))))
    rest = {key: Entry(_name_of(key), "") for key in kpis if key not in seen}
    if rest:
        rows = [(entry.label, *figure_cell(key, kpis[key]), "") for key, entry in rest.items()]
        made.append(("More figures", Table(columns=columns, rows=rows, right=(1,), minor=(3,))))
    return made


def _name_of(key: str) -> str:
    words = key.split("_")
    return " ".join(words[:-1] if words[-1] in (*UNITS, "count") else words)


def _instrument_keys(kpis: Mapping[str, Kpi]) -> dict[str, tuple[str, int]]:
    """Key -> (instrument, column) for the figures that exist once per instrument."""
    found = {}
    for key in kpis:
        for column, (start, end, _) in enumerate(PER_INSTRUMENT):
            if key.startswith(start) and key.endswith(end) and len(key) > len(start) + len(end):
                found[key] = (key[len(start) : -len(end)], column)
    return found


def instrument_table(kpis: Mapping[str, Kpi], notional: Mapping[str, float]) -> Table | None:
    """Largest falls and amplification by instrument; `notional` is what was closed by force on each book, USD."""
    cells: dict[str, list[str]] = {}
    for key, (instrument, column) in _instrument_keys(kpis).items():
        row = cells.setdefault(instrument, [MISSING] * len(PER_INSTRUMENT))
        text, unit = figure_cell(key, kpis[key])
        row[column] = text if text == MISSING else f"{text}{' ' if unit == '×' else ''}{unit}"
    if not cells:
        return None
    # Without a twin, what is measured against it has no column.
    shown = [i for i in range(len(PER_INSTRUMENT)) if any(row[i] != MISSING for row in cells.values())]
    columns = ("instrument", *(PER_INSTRUMENT[i][2] for i in shown), "closed on the book, M USD")
    rows = [(name, *(row[i] for i in shown), f"{notional.get(name, 0.0) / 1e6:,.1f}") for name, row in cells.items()]
    return Table(columns=columns, rows=rows, right=range(1, len(columns)), minor=(1,))


def closed_by_instrument(fills: pd.DataFrame) -> dict[str, float]:
    """Instrument -> USD closed by forced trades on its book."""
    forced = fills[~fills["kind"].isin(AWAY)]
    return {str(key): float(usd) for key, usd in forced.groupby("instrument")["notional_usd"].sum().items()}


def cascade_table(causes: Contagion, names: Sequence[str], *, tick_seconds: float, clock: Clock) -> Table:
    """The largest cascades: where each began, how large, how long and how deep it was."""
    rows = []
    for root, rank in list(causes.cascade_ranks().items())[:MOST_CASCADES]:
        members = causes.root == root
        ticks = causes.tick[members]
        length = float(ticks.max() - ticks.min()) * tick_seconds
        rows.append(
            (
                str(rank + 1),
                names[int(causes.account[root])],
                clock.text(float(causes.tick[root] + 1) * tick_seconds),
                f"{int(members.sum()):,}",
                f"{len(np.unique(causes.account[members])):,}",
                str(int(causes.generation[members].max()) + 1),
                span(length) if length else "one tick",
                f"{float(causes.notional_usd[members].sum()) / 1e6:,.1f}",
                percent(float(causes.notional_usd[members].sum()) / max(float(causes.notional_usd.sum()), 1e-9)),
            )
        )
    columns = (
        "", "began with", "at", "liquidations", "accounts", "generations", "lasted", "closed, M USD", "of all",
    )  # fmt: skip
    return Table(columns=columns, rows=rows, right=(3, 4, 5, 6, 7, 8), minor=(2, 4, 6, 8))


def failing_accounts(accounts: pd.DataFrame, causes: Contagion, *, clock: Clock) -> Table:
    """The accounts that failed worst: by bad debt, then by notional closed."""
    failed = accounts[(accounts["forced_notional_usd"] > 0.0) | (accounts["bad_debt_usd"] > 0.0)]
    worst = failed.sort_values(["bad_debt_usd", "forced_notional_usd"], ascending=False, kind="stable").head(MOST_ROWS)
    main = _largest_liquidation(causes)
    names = accounts["account"].tolist()
    rows = [
        (
            str(account["account"]),
            str(account["role"]).replace("_", " "),
            clock.text(float(account["first_breach_seconds"])),
            f"{account['net_equity_before_usd']:,.0f}".replace("-", "−"),
            f"{account['forced_notional_usd']:,.0f}",
            f"{account['bad_debt_usd']:,.0f}",
            _main_cause(causes, main.get(int(row)), names),
        )
        for row, account in zip(worst.index.tolist(), worst.to_dict("records"), strict=True)
    ]
    columns = ("account", "role", "first below at", "equity before, USD", "closed, USD", "bad debt, USD", "main cause")
    return Table(columns=columns, rows=rows, right=(3, 4, 5), minor=(1, 2, 3, 4), wide=(6,))


def _largest_liquidation(causes: Contagion) -> dict[int, int]:
    """Ledger row -> the account's liquidation with the most notional."""
    found: dict[int, int] = {}
    for row, account in enumerate(causes.account.tolist()):
        if account not in found or causes.notional_usd[row] > causes.notional_usd[found[account]]:
            found[account] = row
    return found


def _main_cause(causes: Contagion, row: int | None, names: Sequence[str]) -> str:
    """What explains most of the loss behind a liquidation."""
    if row is None:
        return MISSING
    forced = float(causes.forced_share[row])
    if forced < 0.5 or not math.isfinite(forced):
        return f"outside market, {percent(1.0 - forced)}"
    own = causes.edges[causes.edges[:, 1] == row]
    text = f"earlier forced trades, {percent(forced)}"
    if len(own) == 0:
        return text
    source, _, share, _ = own[int(np.argmax(own[:, 2]))]
    return f"{text} (most: {names[int(causes.account[int(source)])]}, {percent(float(share))})"
