"""Forecast and outcome, day after day."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from experiments.backtest.accounts import AccountBook
from experiments.backtest.days import Days
from market.errors import InputError

Array = NDArray[np.float64]

LEVELS = (0.95, 0.99)
DECAY = 0.94
"""Of the exponentially weighted variance, per day (RiskMetrics)."""
START_DAYS = 30
"""Days whose variance the recursion starts from."""


@dataclass(frozen=True, kw_only=True)
class Rolling:
    """One row per forecast day; USD, losses positive."""

    dates: tuple[str, ...]
    loss: Array
    """float64[days]: what all accounts together lost by the close"""
    value_at_risk: Array
    """float64[days, levels]"""
    liquidated: Array
    """float64[days]: notional of the accounts that broke during the day"""
    liquidations_at_risk: Array
    """float64[days, levels]"""
    notes: tuple[str, ...] = ()
    """What the program did to the input, one line each."""


def rolling(days: Days, book: AccountBook, *, window: int, note: Callable[[int, int], None]) -> Rolling:
    """Forecast every day from the `window` days before it. Raises InputError when there are too few."""
    n = len(days.dates)
    first = START_DAYS + window
    if n <= first + 1:
        raise InputError(f"--window {window}: the prices have {n} days, {first + 2} are needed")
    spread = _deviations(days.close)
    loss = -(np.expm1(days.close) @ book.exposure)
    happened = np.array([book.liquidated(np.exp(state)) for state in days.extremes])
    at_risk, forced = np.zeros((n - first, len(LEVELS))), np.zeros((n - first, len(LEVELS)))
    for row, day in enumerate(range(first, n)):
        past = slice(day - window, day)
        ratio = spread[day] / spread[past]
        losses = -(np.expm1(days.close[past] * ratio) @ book.exposure)
        states = np.exp(days.extremes[past] * ratio[:, None, :])
        near = book.breakable(states.reshape(-1, states.shape[-1]))
        liquidated = [near.liquidated(state) for state in states]
        at_risk[row] = np.quantile(losses, LEVELS, method="higher")
        forced[row] = np.quantile(liquidated, LEVELS, method="higher")
        note(row + 1, n - first)
    return Rolling(
        dates=days.dates[first:], loss=loss[first:], value_at_risk=at_risk, liquidated=happened[first:],
        liquidations_at_risk=forced, notes=book.notes,
    )  # fmt: skip


def _deviations(close: Array) -> Array:
    """float64[days, assets]: what was known of each day's standard deviation the evening before."""
    variance = np.empty_like(close)
    variance[: START_DAYS + 1] = (close[:START_DAYS] ** 2).mean(axis=0)
    for day in range(START_DAYS + 1, len(close)):
        variance[day] = DECAY * variance[day - 1] + (1.0 - DECAY) * close[day - 1] ** 2
    return np.sqrt(np.maximum(variance, 1e-12))
