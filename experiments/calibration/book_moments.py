"""What a book looks like, observed once a second: spread, depth by distance, how depth and the middle move."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

DISTANCES_BPS = (1.0, 2.0, 5.0, 10.0, 25.0, 50.0, 100.0)
NEAR_BPS, FAR_BPS = 10.0, 25.0
"""Distances at which the movement of depth is measured."""


@dataclass(frozen=True, kw_only=True)
class BookSeries:
    """A book watched once a second."""

    mid: Array
    """float64[n]: middle of the best prices, USD"""
    spread_bps: Array
    """float64[n]"""
    depth_usd: Array
    """float64[n, len(DISTANCES_BPS)]: resting within each distance of the middle, mean of both sides"""


def book_moments(series: BookSeries, part: slice = slice(None)) -> dict[str, float]:
    """All moments of a part of the series; sizes and ratios as logarithms, so that errors are relative ones."""
    mid, spread = series.mid[part], series.spread_bps[part]
    depth = np.log(np.maximum(series.depth_usd[part], 1.0))
    found = {"mean log spread_bps": float(np.log(spread).mean())}
    for column, bps in enumerate(DISTANCES_BPS):
        found[f"log depth_usd {bps:g} bps"] = float(np.median(depth[:, column]))
    for bps in (NEAR_BPS, FAR_BPS):
        column = DISTANCES_BPS.index(bps)
        found[f"log churn per s {bps:g} bps"] = float(np.log(max(np.abs(np.diff(depth[:, column])).mean(), 1e-6)))
        found[f"log sd of log depth {bps:g} bps"] = float(np.log(max(depth[:, column].std(), 1e-6)))
    logs = np.log(mid)
    one, ten = np.diff(logs).var(), (logs[10:] - logs[:-10]).var() / 10.0
    found["log variance ratio 10 s"] = float(np.log(max(ten, 1e-16) / max(one, 1e-16)))
    return found


def annual_volatility(mid: Array, *, step_seconds: int = 10) -> float:
    """Volatility of the middle at a step long enough for bounces between bid and ask not to count."""
    logs = np.log(mid)
    moves = logs[step_seconds:] - logs[:-step_seconds]
    return float(moves.std() * np.sqrt(365 * 86_400.0 / step_seconds))
