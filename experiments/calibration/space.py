"""The parameters to be fitted, their ranges, and points spread over them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from market.streams import Streams

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """One number to be fitted; its range is searched evenly in the logarithm when `log`."""

    name: str
    low: float
    high: float
    log: bool = True

    def value(self, place: float) -> float:
        """The value at a place from 0 to 1 in the range; beyond it, the nearest end."""
        place = min(max(place, 0.0), 1.0)
        if self.log:
            return self.low * math.exp(place * math.log(self.high / self.low))
        return self.low + place * (self.high - self.low)

    def place(self, value: float) -> float:
        """The inverse of `value`."""
        if self.log:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)


Space = Sequence[Parameter]


def values_at(space: Space, places: Array) -> dict[str, float]:
    """Parameter values at a point of the unit cube."""
    return {parameter.name: parameter.value(float(x)) for parameter, x in zip(space, places, strict=True)}


def places_of(space: Space, values: Mapping[str, float]) -> Array:
    """The point of the unit cube for parameter values."""
    return np.array([parameter.place(values[parameter.name]) for parameter in space])


def spread_points(space: Space, *, count: int, seed: int) -> Array:
    """float64[count, n]: a Latin hypercube; every parameter takes `count` evenly spread values once."""
    generator = Streams(seed).generator("calibration/points")
    columns = [(generator.permutation(count) + generator.random(count)) / count for _ in space]
    return np.column_stack(columns)
