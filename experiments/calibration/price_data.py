"""Reading prices for calibration: returns of whole bars, gaps left open, days of crash told from calm ones."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from experiments.calibration.moments import Moment, bootstrap_errors
from experiments.calibration.price_moments import return_moments
from experiments.prices import load_table
from experiments.symbols import map_symbols
from market.errors import InputError

Array = NDArray[np.float64]

CRASH_RATIO = 3.0
"""A day counts as crash when volatility, mean over the assets, is this many times its median over the days."""
FEWEST_DAYS = 14
DRAWS = 200
LEAST_ERROR = 0.02
YEAR_SECONDS = 365 * 86_400.0


@dataclass(frozen=True, kw_only=True)
class MeasuredPrices:
    """Returns of several assets over the same bars."""

    source: str
    symbols: tuple[str, ...]
    last: Array
    """float64[assets]: last close, USD"""
    bar_seconds: float
    calm: Array
    """float64[bars, assets]: log returns of whole calm days, NaN at gaps"""
    crash: Array
    """The same of crash days; no row when there is none."""
    crash_days: tuple[str, ...]
    moments: tuple[Moment, ...]

    @property
    def volatility(self) -> Array:
        """float64[assets]: annual, of calm days."""
        return np.asarray(np.sqrt(np.nanmean(self.calm**2, axis=0) * YEAR_SECONDS / self.bar_seconds))


def measure_prices(file: Path) -> MeasuredPrices:
    """Read a price table (see `experiments.prices`); here it may have gaps. InputError for what cannot be used."""
    import pandas as pd

    table = load_table(file)
    mapping = map_symbols([str(name) for name in table["symbol"].drop_duplicates()], assets=None, file=file)
    if not bool((table["close"] > 0.0).all()):
        raise InputError(file=file, where="column close", what="is not above 0 everywhere", valid="prices")
    close = table.pivot_table(index="ts", columns="symbol", values="close", aggfunc="last")[list(mapping)]
    seconds = float(pd.Series(close.index).diff().dt.total_seconds().mode().iloc[0])
    first, last = close.index.min().ceil("D"), close.index.max().floor("D")
    grid = pd.date_range(first, last, freq=pd.Timedelta(seconds=seconds))
    if seconds > 3_600.0 or len(grid) * seconds < FEWEST_DAYS * 86_400.0:
        what = f"spans {len(grid) * seconds / 86_400.0:.1f} whole days in bars of {seconds:g} s"
        raise InputError(file=file, what=what, valid=f"{FEWEST_DAYS} days in bars of at most an hour")
    logs = np.log(close.reindex(grid).to_numpy(dtype=np.float64))
    per_day = round(86_400.0 / seconds)
    days = np.diff(logs, axis=0).reshape(-1, per_day, len(mapping))
    daily = np.nanmean(np.sqrt(np.nanmean(days**2, axis=1)), axis=1)
    stormy = daily > CRASH_RATIO * np.nanmedian(daily)
    calm = days[~stormy]

    def sample(picked: NDArray[np.int64]) -> dict[str, float]:
        return return_moments(calm[picked].reshape(-1, len(mapping)), bar_seconds=seconds)

    errors = bootstrap_errors(sample, blocks=len(calm), draws=DRAWS, seed=1)
    value = return_moments(calm.reshape(-1, len(mapping)), bar_seconds=seconds)
    return MeasuredPrices(
        source=f"{file.name}: {len(mapping)} assets, {len(calm)} calm days in bars of {seconds:g} s",
        symbols=tuple(mapping.values()),
        last=close.ffill().iloc[-1].to_numpy(dtype=np.float64),
        bar_seconds=seconds,
        calm=calm.reshape(-1, len(mapping)),
        crash=days[stormy].reshape(-1, len(mapping)),
        crash_days=tuple(str(grid[int(day) * per_day].date()) for day in np.flatnonzero(stormy)),
        moments=tuple(Moment(name=n, value=v, error=max(errors[n], LEAST_ERROR)) for n, v in value.items()),
    )
