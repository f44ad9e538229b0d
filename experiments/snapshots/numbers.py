"""Numbers on their way into JSON: rounded, as plain lists, and few enough."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

MOST_ROWS = 400
"""Rows of a series in one frame; with more, the lowest and highest of every bucket are kept."""


def listed(values: NDArray[Any], decimals: int = 2) -> list[Any]:
    """Plain numbers, rounded when they are no integers; None for what is not finite."""
    if values.dtype.kind != "f":
        whole: list[Any] = values.tolist()
        return whole
    made: list[Any] = np.round(values, decimals).tolist()
    return made if np.isfinite(values).all() else [v if np.isfinite(v) else None for v in made]


def rounded(value: float | None, decimals: int = 2) -> float | None:
    """One number likewise."""
    return None if value is None or not np.isfinite(value) else round(float(value), decimals)


def kept_rows(paths: Sequence[NDArray[np.float64]], n: int, most: int = MOST_ROWS) -> NDArray[np.int64]:
    """Rows of `n` to keep, about `most`: the first, the last, and the extremes of every path in every bucket."""
    if n <= most or not paths:
        return np.arange(n)
    buckets = max(1, (most - 2) // (2 * len(paths)))
    edges = np.linspace(0, n, buckets + 1).astype(np.int64)
    rows = {0, n - 1}
    for first, after in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        for path in paths:
            part = path[first:after]
            rows.update((first + int(part.argmin()), first + int(part.argmax())))
    return np.array(sorted(rows), np.int64)
