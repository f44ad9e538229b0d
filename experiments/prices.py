"""Reading a recorded price table: CSV or Parquet with `ts, symbol, open, high, low, close`, turned into `Bars`.

Only the rows a run uses are held to the rules (the wanted assets, inside the window): no NaN, positive prices, low <=
open, close <= high, rising timestamps, one bar per interval and asset. Anything else is an `InputError` that names the
first offending row. Rows are counted as in the file: lines for CSV, from 1 for Parquet.
"""

from __future__ import annotations

import difflib
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import cast

import numpy as np
import pandas as pd

from experiments.symbols import map_symbols
from market.errors import InputError
from market.reference.bars import Bars

PRICES = ("open", "high", "low", "close")
COLUMNS = ("ts", "symbol", *PRICES)
VALID_TIME = "ISO 8601, such as 2021-05-19T06:00, taken as UTC when it names no zone"


@dataclass(frozen=True, kw_only=True)
class PriceTable:
    """Bars, and how the file's symbols were read."""

    bars: Bars
    mapping: dict[str, str]
    """Symbol in the file -> asset, in the order of the price vector."""
    file: Path

    def describe(self) -> str:
        """One line for the program's output."""
        pairs = self.mapping.items()
        names = ", ".join(symbol if symbol == asset else f"{symbol} read as {asset}" for symbol, asset in pairs)
        bars = self.bars
        return f"{self.file.name}: {names}; {len(bars.open)} bars of {bars.seconds:g} s from {bars.start}"


def read_prices(
    file: str | os.PathLike[str],
    *,
    assets: Sequence[str] | None = None,
    start: str | None = None,
    hours: float | None = None,
) -> PriceTable:
    """The bars of `assets` (default: all) from `start` (default: the first) for `hours` (default: all), in whole bars.

    A file that has not changed is read once by a process, since many runs replay the same window. Raises InputError for
    whatever cannot be used.
    """
    path = Path(file)
    found = path.stat() if path.is_file() else None
    version = (found.st_mtime_ns, found.st_size) if found is not None else (0, 0)
    return _read_prices(path, version, assets=None if assets is None else tuple(assets), start=start, hours=hours)


@lru_cache(8)
def _read_prices(
    path: Path, version: tuple[int, int], *, assets: tuple[str, ...] | None, start: str | None, hours: float | None
) -> PriceTable:
    del version  # another version is another file
    table = load_table(path)
    symbols = cast("list[str]", table["symbol"].drop_duplicates().tolist())
    mapping = map_symbols(symbols, assets=assets, file=path)
    table = table[table["symbol"].isin(mapping)]
    _check_order(table, path)
    seconds = _bar_seconds(table, path)
    first, end = _window(table, path=path, seconds=seconds, start=start, hours=hours)
    table = table[(table["ts"] >= first) & (table["ts"] < end)]
    _check_prices(table, path)
    grid = pd.date_range(first, end, freq=pd.Timedelta(seconds=seconds), inclusive="left")
    _check_complete(table, path=path, grid=grid, symbols=list(mapping))
    columns = {}
    for name in PRICES:
        wide = table.pivot(index="ts", columns="symbol", values=name)
        columns[name] = np.ascontiguousarray(wide[list(mapping)].to_numpy(dtype=np.float64))
    bars = Bars(symbols=tuple(mapping.values()), start=_iso(first), seconds=seconds, **columns)
    return PriceTable(bars=bars, mapping=mapping, file=path)


def load_table(path: Path) -> pd.DataFrame:
    """The needed columns, `ts` as UTC, `symbol` as text, plus `row`: where the file has it."""
    if not path.is_file():
        raise InputError(file=path, where="", what="no such file", valid="a CSV or Parquet price table")
    kind = path.suffix.lower()
    if kind not in (".csv", ".parquet", ".pq"):
        raise InputError(file=path, where="", what=f"unknown file type {kind!r}", valid=".csv, .parquet")
    try:
        table = pd.read_csv(path) if kind == ".csv" else pd.read_parquet(path)
    except (ValueError, OSError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise InputError(
            file=path, where="", what=f"cannot be read: {reason}", valid=f"a table of {_listed()}"
        ) from None
    missing = [name for name in COLUMNS if name not in table.columns]
    if missing:
        others = [str(name) for name in table.columns if name not in COLUMNS]
        near = difflib.get_close_matches(missing[0], others, n=1)
        what = f"is missing; there is {near[0]!r}" if near else "is missing"
        raise InputError(file=path, where=f"column {missing[0]}", what=what, valid=f"columns {_listed()}")
    if table.empty:
        raise InputError(file=path, where="", what="has no rows", valid="at least one bar")
    table = table[list(COLUMNS)].copy()
    table["row"] = np.arange(len(table)) + (2 if kind == ".csv" else 1)
    table["ts"] = _times(table, path)
    nameless = table["symbol"].isna()
    if nameless.any():
        raise _row_error(table[nameless], path, column="symbol", what="is empty", valid="a name such as BTCUSDT")
    table["symbol"] = table["symbol"].astype(str)
    for name in PRICES:
        table[name] = _numbers(table, path, name)
    return table


def _times(table: pd.DataFrame, path: Path) -> pd.Series:
    """`ts` as UTC timestamps; numbers are refused, since their unit cannot be told."""
    if pd.api.types.is_numeric_dtype(table["ts"]):
        raise _row_error(table, path, column="ts", what=f"is the number {table['ts'].iloc[0]}", valid=VALID_TIME)
    times = pd.to_datetime(table["ts"], utc=True, errors="coerce", format=_time_format(table["ts"]))
    bad = times.isna()
    if bad.any():
        raise _row_error(table[bad], path, column="ts", what=f"is {table['ts'][bad].iloc[0]}", valid=VALID_TIME)
    return times


def _time_format(times: pd.Series) -> str | None:
    return None if pd.api.types.is_datetime64_any_dtype(times) else "ISO8601"


def _numbers(table: pd.DataFrame, path: Path, name: str) -> pd.Series:
    values = pd.to_numeric(table[name], errors="coerce").astype("float64")
    bad = values.isna() & table[name].notna()
    if bad.any():
        raise _row_error(table[bad], path, column=name, what=f"is {table[name][bad].iloc[0]}", valid="a number above 0")
    return values


def _check_order(table: pd.DataFrame, path: Path) -> None:
    step = table.groupby("symbol", sort=False)["ts"].diff()
    bad = step.notna() & (step <= pd.Timedelta(0))
    if not bad.any():
        return
    row = table[bad].iloc[0]
    same = table[(table["symbol"] == row["symbol"]) & (table["ts"] == row["ts"]) & (table["row"] < row["row"])]
    if len(same):
        what = f"repeats {_iso(row['ts'])} of {row['symbol']}, already in {_line(path)} {same['row'].iloc[0]}"
        raise _row_error(table[bad], path, column="ts", what=what, valid="one bar per symbol and time")
    what = f"{_iso(row['ts'])} of {row['symbol']} comes after a later time"
    raise _row_error(table[bad], path, column="ts", what=what, valid="each symbol sorted by time")


def _bar_seconds(table: pd.DataFrame, path: Path) -> float:
    """Length of a bar: the most frequent step between neighbours, which must be the same for every symbol."""
    lengths: dict[str, float] = {}
    for symbol, times in table.groupby("symbol", sort=False)["ts"]:
        steps = times.diff().dropna().dt.total_seconds()
        if steps.empty:
            raise InputError(file=path, where=f"symbol {symbol}", what="has one bar", valid="two or more")
        lengths[str(symbol)] = float(steps.mode().iloc[0])
    if len(set(lengths.values())) > 1:
        listed = ", ".join(f"{symbol} {seconds:g} s" for symbol, seconds in lengths.items())
        raise InputError(file=path, where="column ts", what=f"bars differ in length: {listed}", valid="one length")
    return next(iter(lengths.values()))


def _window(
    table: pd.DataFrame, *, path: Path, seconds: float, start: str | None, hours: float | None
) -> tuple[pd.Timestamp, pd.Timestamp]:
    """First bar and end (exclusive) of the window."""
    step = pd.Timedelta(seconds=seconds)
    begins, ends = table["ts"].min(), table["ts"].max() + step
    covered = f"a window within {_iso(begins)} to {_iso(ends)}"
    first = begins if start is None else _parse_start(start, path)
    if not begins <= first < ends:
        raise InputError(file=path, where="--start", what=f"{_iso(first)} is outside the table", valid=covered)
    if (first - begins) % step != pd.Timedelta(0):
        nearest = begins + (first - begins) // step * step
        what = f"{_iso(first)} is not the start of a bar of {seconds:g} s"
        raise InputError(file=path, where="--start", what=what, valid=f"{_iso(nearest)}, for instance")
    if hours is None:
        return first, ends
    if not 0.0 < hours < float("inf"):
        raise InputError(file=path, where="--hours", what=f"{hours} is not a length of time", valid="a number above 0")
    end = first + max(1, math.ceil(hours * 3600.0 / seconds - 1e-6)) * step
    if end > ends:
        raise InputError(file=path, where="--hours", what=f"the window would end at {_iso(end)}", valid=covered)
    return first, end


def _parse_start(start: str, path: Path) -> pd.Timestamp:
    moment = pd.to_datetime(start, errors="coerce")
    if not isinstance(moment, pd.Timestamp):
        raise InputError(file=path, where="--start", what=f"{start!r} is not a time", valid=VALID_TIME)
    return moment.tz_localize("UTC") if moment.tzinfo is None else moment.tz_convert("UTC")


def _check_prices(table: pd.DataFrame, path: Path) -> None:
    for name in PRICES:
        values = table[name]
        if values.isna().any():
            raise _row_error(table[values.isna()], path, column=name, what="is NaN", valid="a number above 0")
        bad = ~((values > 0.0) & np.isfinite(values))
        if bad.any():
            raise _row_error(
                table[bad], path, column=name, what=f"is {values[bad].iloc[0]:g}", valid="a number above 0"
            )
    bounds = {"low": table[["open", "close", "high"]].min(axis=1), "high": table[["open", "close", "low"]].max(axis=1)}
    for name, bound in bounds.items():
        bad = table[name] > bound if name == "low" else table[name] < bound
        if bad.any():
            row = table[bad].iloc[0]
            what = f"is {row[name]:g}, but the bar has {', '.join(f'{n} {row[n]:g}' for n in PRICES if n != name)}"
            raise _row_error(table[bad], path, column=name, what=what, valid="low <= open, close <= high")


def _check_complete(table: pd.DataFrame, *, path: Path, grid: pd.DatetimeIndex, symbols: list[str]) -> None:
    for symbol in symbols:
        times = pd.DatetimeIndex(table.loc[table["symbol"] == symbol, "ts"])
        stray = ~times.isin(grid)
        if stray.any():
            rows = table[table["symbol"] == symbol][stray]
            what = f"{_iso(times[stray][0])} of {symbol} lies between two bars"
            raise _row_error(rows, path, column="ts", what=what, valid="times at equal steps")
        missing = grid.difference(times)
        if len(missing):
            what = f"{len(missing)} of {len(grid)} bars are missing, the first at {_iso(missing[0])}"
            raise InputError(file=path, where=f"symbol {symbol}", what=what, valid="a window without gaps")


def _row_error(rows: pd.DataFrame, path: Path, *, column: str, what: str, valid: str) -> InputError:
    """The error of the first of `rows`."""
    return InputError(file=path, where=f"{_line(path)} {rows['row'].iloc[0]}, column {column}", what=what, valid=valid)


def _line(path: Path) -> str:
    return "line" if path.suffix.lower() == ".csv" else "row"


def _iso(moment: pd.Timestamp) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S").removesuffix(":00") + "Z"


def _listed() -> str:
    return ", ".join(COLUMNS)
