"""Reading the inputs of a case: plain numbers as float64, so that every kernel is compiled once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray


def number(inputs: Mapping[str, Any], key: str, default: float | None = None) -> float:
    """Number under `key`; `default` when it is missing or null, ValueError when there is none or it is no number."""
    value = inputs.get(key)
    if value is None:
        if default is None:
            raise ValueError(f"input {key} is missing")
        return default
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"input {key} is {value!r}, not a number")
    return float(value)


def numbers(inputs: Mapping[str, Any], key: str) -> NDArray[np.float64]:
    """float64[n] under `key`. ValueError when it is not a list of numbers."""
    values = inputs.get(key)
    if not isinstance(values, list):
        raise ValueError(f"input {key} is not a list")
    return np.array([number({key: value}, key) for value in values], np.float64)


def each(inputs: Mapping[str, Any], *keys: str) -> tuple[float, ...]:
    """Numbers under `keys`, in that order. ValueError when one is missing."""
    return tuple(number(inputs, key) for key in keys)


def column(found: Iterable[Mapping[str, Any]], key: str, default: float | None = None) -> NDArray[np.float64]:
    """float64[n]: the number under `key` of every row, `default` where it is missing."""
    return np.array([number(row, key, default) for row in found], np.float64)


def rows(inputs: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    """Objects under `key`; empty when it is missing. ValueError when it is not a list of objects."""
    found = inputs.get(key)
    if found is None:
        return []
    if not isinstance(found, list) or not all(isinstance(row, Mapping) for row in found):
        raise ValueError(f"input {key} is not a list of objects")
    return found


def direction(inputs: Mapping[str, Any], key: str = "side") -> float:
    """+1.0 for a long or a buy, -1.0 for a short or a sell. ValueError for anything else."""
    side = inputs.get(key)
    signs = {"long": 1.0, "buy": 1.0, "short": -1.0, "sell": -1.0}
    if side not in signs:
        raise ValueError(f"input {key} is {side!r}, neither long nor short")
    return signs[side]
