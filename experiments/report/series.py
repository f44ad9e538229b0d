"""Long series made small: fewer points that keep every peak and trough, and arrays packed for the page."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.report.facts import Window

BUCKETS = 250
"""Buckets over the whole run, and as many again over the close view of the cascade."""


def bucket_edges(seconds: NDArray[np.float64], window: Window | None) -> NDArray[np.int64]:
    """Rows at which buckets begin, ending with the number of rows: even over the run, finer inside the window.

    The first and the last row are buckets of their own.
    """
    n = len(seconds)
    edges = np.append(np.linspace(0.0, n, BUCKETS + 1), [1, n - 1])
    if window is not None:
        first, last = np.searchsorted(seconds, [window.start, window.end])
        edges = np.concatenate([edges, np.linspace(first, last, BUCKETS + 1)])
    found: NDArray[np.int64] = np.unique(np.clip(edges, 0, n).astype(np.int64))
    return found


def extreme_rows(paths: Sequence[NDArray[np.float64]], edges: NDArray[np.int64]) -> NDArray[np.int64]:
    """Rows of the lowest and the highest point of every path in every bucket, and the first and last row."""
    rows = {int(edges[0]), int(edges[-1]) - 1} if edges[-1] > edges[0] else set()
    for first, after in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        for path in paths:
            part = path[first:after]
            rows.update((first + int(part.argmin()), first + int(part.argmax())))
    return np.array(sorted(rows), np.int64)


def extremes(path: NDArray[np.float64], edges: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Lowest and highest value of every bucket."""
    return np.minimum.reduceat(path, edges[:-1]), np.maximum.reduceat(path, edges[:-1])


def typical(path: NDArray[np.float64], edges: NDArray[np.int64]) -> NDArray[np.float64]:
    """Median of every bucket; of two middle values the later one, so that it is a value of the path."""
    pairs = zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True)
    return np.array([np.sort(path[first:after])[(after - first) // 2] for first, after in pairs])


def packed(values: NDArray[np.generic] | Sequence[float]) -> dict[str, str]:
    """An array as plotly.js reads it: base64 of little-endian 32-bit floats (seven digits)."""
    data = np.asarray(values, "<f4")
    return {"dtype": "f4", "bdata": base64.b64encode(data.tobytes()).decode()}


def milliseconds(seconds: NDArray[np.float64], origin_ms: int) -> dict[str, Any]:
    """Times in whole milliseconds after `origin_ms`; page.js makes dates of them."""
    whole = np.round(np.asarray(seconds, np.float64) * 1000.0)
    kind = "i4" if whole.size == 0 or np.abs(whole).max() < 2**31 else "f8"
    data = whole.astype(f"<{kind}")
    return {"origin": origin_ms, "dtype": kind, "bdata": base64.b64encode(data.tobytes()).decode()}
