"""Reading a measured book: snapshots with cumulative depth, one a second, and trades.

Snapshots: columns `bid, ask, {bid,ask}_usd_{1,2,5,10,25,50,100}bp` (USD resting within each distance of the middle);
trades: `ts, usd, sign` (+1: the buyer was the aggressor). Both may hold several markets in a column `set`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from experiments.calibration.book_moments import DISTANCES_BPS, BookSeries, annual_volatility, book_moments
from experiments.calibration.moments import Moment, block_errors
from experiments.toml_tree import suggest
from market.errors import InputError

BLOCKS = 8
LEAST_ERROR = 0.05
"""Errors of logarithms are at least this: a window of minutes says nothing finer about a market."""
SAME_ORDER_SECONDS = 0.002
"""Trades on one side no further apart than this are parts of one market order."""


@dataclass(frozen=True, kw_only=True)
class MarketOrders:
    """What aggressors do, put together from trades."""

    per_second: float
    mean_usd: float
    sigma: float
    """Standard deviation of the log size."""
    count: int


@dataclass(frozen=True, kw_only=True)
class MeasuredBook:
    """A measured book and what is known of it in closed form."""

    source: str
    series: BookSeries
    moments: tuple[Moment, ...]
    start_price: float
    tick_size: float
    volatility: float
    """Annual volatility of the middle over the window."""


def read_book(file: Path, *, market: str | None) -> MeasuredBook:
    """The snapshots of one market. Raises InputError for whatever cannot be used."""
    table = _table(file, market)
    columns = ["bid", "ask", *(f"{side}_usd_{bps:g}bp" for bps in DISTANCES_BPS for side in ("bid", "ask"))]
    values = _numbers(table, columns, file)
    bid, ask = values["bid"], values["ask"]
    if (bid <= 0).any() or (ask <= bid).any():
        row = int(np.flatnonzero((bid <= 0) | (ask <= bid))[0])
        raise InputError(file=file, where=f"snapshot {row + 1}", what="bid and ask cross", valid="0 < bid < ask")
    sides = np.array([[values[f"{side}_usd_{bps:g}bp"] for bps in DISTANCES_BPS] for side in ("bid", "ask")])
    # Prices may have been stored in single precision, which is coarser than a spread in bps.
    tick = _tick_size(ask - bid)
    bid, ask = np.rint(bid / tick) * tick, np.rint(ask / tick) * tick
    mid = 0.5 * (bid + ask)
    series = BookSeries(mid=mid, spread_bps=(ask - bid) / mid * 1e4, depth_usd=sides.mean(axis=0).T)
    try:
        errors = block_errors(lambda part: book_moments(series, part), length=len(mid), blocks=BLOCKS)
    except ValueError as error:
        raise InputError(f"{file}: {error}: a few minutes of snapshots, one a second, are needed") from None
    bounds = _lower_bounds(sides[:, :, 0])
    moments = tuple(
        Moment(name=name, value=value, error=max(errors[name], LEAST_ERROR), lower_bound=name in bounds)
        for name, value in book_moments(series).items()
    )
    source = f"{file.name}{f', {market}' if market else ''}: {len(mid)} snapshots"
    return MeasuredBook(
        source=source, series=series, moments=moments, start_price=round(float(mid[0]), 6), tick_size=tick,
        volatility=annual_volatility(mid),
    )  # fmt: skip


def read_market_orders(file: Path, *, market: str | None) -> MarketOrders:
    """Market orders of one market, put together from its trades. Raises InputError for whatever cannot be used."""
    table = _table(file, market)
    values = _numbers(table, ["usd", "sign"], file)
    if "ts" not in table.columns or not pd.api.types.is_datetime64_any_dtype(table["ts"]):
        raise InputError(file=file, where="column ts", what="holds no times", valid="timestamps")
    seconds = (table["ts"] - table["ts"].iloc[0]).dt.total_seconds().to_numpy()
    order = np.argsort(seconds, kind="stable")
    seconds, usd, sign = seconds[order], values["usd"][order], values["sign"][order]
    begins = np.concatenate([[True], (np.diff(seconds) > SAME_ORDER_SECONDS) | (np.diff(sign) != 0)])
    sizes = np.bincount(np.cumsum(begins) - 1, weights=usd)
    sizes = sizes[sizes > 0.0]
    if len(sizes) < 30 or seconds[-1] <= 0.0:
        raise InputError(file=file, what=f"has {len(sizes)} market orders", valid="at least 30")
    return MarketOrders(
        per_second=float(len(sizes) / seconds[-1]), mean_usd=float(sizes.mean()), sigma=float(np.log(sizes).std()),
        count=len(sizes),
    )  # fmt: skip


def _table(file: Path, market: str | None) -> pd.DataFrame:
    """The rows of one market."""
    if not file.is_file():
        raise InputError(file=file, what="no such file", valid="a CSV or Parquet table")
    try:
        table = pd.read_csv(file, parse_dates=["ts"]) if file.suffix.lower() == ".csv" else pd.read_parquet(file)
    except (ValueError, OSError) as error:
        raise InputError(f"{file}: cannot be read: {(str(error).strip() or 'bad file').splitlines()[0]}") from None
    if "set" not in table.columns:
        return table
    names = [str(name) for name in table["set"].drop_duplicates()]
    if market is None and len(names) > 1:
        raise InputError(f"{file}: several markets; say which with --market: {', '.join(names)}")
    chosen = market or names[0]
    if chosen not in names:
        raise InputError(f"{file}: no market {chosen!r}{suggest(chosen, names)}")
    return table[table["set"] == chosen].reset_index(drop=True)


def _numbers(table: pd.DataFrame, columns: list[str], file: Path) -> dict[str, NDArray[np.float64]]:
    found = {}
    for name in columns:
        if name not in table.columns:
            raise InputError(
                file=file, where=f"column {name}", what="is missing", valid=f"columns {', '.join(columns)}"
            )
        values = pd.to_numeric(table[name], errors="coerce").to_numpy(dtype=np.float64)
        if not np.isfinite(values).all():
            row = int(np.flatnonzero(~np.isfinite(values))[0]) + 1
            raise InputError(file=file, where=f"row {row}, column {name}", what="is no number", valid="a number")
        found[name] = values
    return found


def _tick_size(spreads: NDArray[np.float64]) -> float:
    """The price step: the smallest spread, to one digit."""
    return float(f"{spreads.min():.0e}")


def _lower_bounds(first: NDArray[np.float64]) -> set[str]:
    """Moments beyond the reach of the snapshot that the recording began with: nothing was known further away.

    `first[side, distance]`: depth at the first instant. A distance is covered when a wider one shows clearly more, the
    widest when it does so itself.
    """
    total = first.mean(axis=0)
    covered = [bool(total[k + 1] > 1.1 * total[k]) for k in range(len(total) - 1)]
    covered.append(covered[-1])
    return {f"log depth_usd {bps:g} bps" for bps, known in zip(DISTANCES_BPS, covered, strict=True) if not known}
