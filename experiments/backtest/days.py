"""Prices cut into days: where each day ended, and its lowest and highest moment, relative to its first price."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from experiments.prices import load_table
from experiments.symbols import map_symbols
from market.errors import InputError

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Days:
    """All days on which every asset has a price, in order. Log moves from the day's first price."""

    dates: tuple[str, ...]
    assets: tuple[str, ...]
    close: Array
    """float64[days, assets]"""
    extremes: Array
    """float64[days, 2, assets]: the bar in which the assets, on average, stood lowest (their lows), and highest"""
    last: Array
    """float64[assets]: the last prices of all, USD"""


def read_days(file: Path, *, assets: Sequence[str]) -> Days:
    """Days (UTC) of a price table; it may have gaps. InputError for whatever cannot be used."""
    table = load_table(file)
    names = [str(name) for name in table["symbol"].drop_duplicates()]
    mapping = map_symbols(names, assets=assets, file=file)
    wanted = table[table["symbol"].isin(mapping)]
    prices = wanted[["open", "low", "high", "close"]]
    if not bool((prices > 0.0).all(axis=None)):
        row = int(wanted["row"][~(prices > 0.0).all(axis=1)].iloc[0])
        raise InputError(
            file=file,
            where=f"{'line' if file.suffix.lower() == '.csv' else 'row'} {row}",
            what="has a price that is not above 0",
            valid="prices in USD",
        )
    wide = {
        name: wanted.pivot_table(index="ts", columns="symbol", values=name, aggfunc="last")[list(mapping)].dropna()
        for name in ("open", "low", "high", "close")
    }
    index = wide["open"].index
    logs = {name: np.log(frame.reindex(index).to_numpy(dtype=np.float64)) for name, frame in wide.items()}
    days = pd.DatetimeIndex(index).floor("D")
    starts = np.flatnonzero(np.concatenate([[True], days[1:] != days[:-1]]))
    dates, close, extremes = [], [], []
    for start, end in pairwise([*starts.tolist(), len(days)]):
        first = logs["open"][start]
        low, high = logs["low"][start:end] - first, logs["high"][start:end] - first
        dates.append(str(days[start].date()))
        close.append(logs["close"][end - 1] - first)
        extremes.append([low[low.mean(axis=1).argmin()], high[high.mean(axis=1).argmax()]])
    return Days(
        dates=tuple(dates), assets=tuple(mapping.values()), close=np.array(close), extremes=np.array(extremes),
        last=np.exp(logs["close"][-1]),
    )  # fmt: skip
