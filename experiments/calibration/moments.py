"""Moments: figures computed in the same way from data and from a simulation, and the distance between them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from market.streams import Streams

Array = NDArray[np.float64]

FEWEST_BLOCKS = 4


@dataclass(frozen=True, kw_only=True)
class Moment:
    """One figure of the data."""

    name: str
    value: float
    error: float
    """Standard error, in the moment's own unit."""
    lower_bound: bool = False
    """The data show only a part of it: a model above it is not wrong."""

    def distance(self, model: float) -> float:
        """Standard errors between model and data, signed; 0 above a lower bound."""
        z = (model - self.value) / self.error
        return min(z, 0.0) if self.lower_bound else z


def total_distance(data: Sequence[Moment], model: Mapping[str, float]) -> float:
    """Root mean square of the distances; a moment the simulation cannot give counts as 10 standard errors."""
    parts = [moment.distance(model[moment.name]) for moment in data]
    return math.sqrt(sum(z * z if math.isfinite(z) else 100.0 for z in parts) / len(parts))


def block_errors(measure: Callable[[slice], Mapping[str, float]], *, length: int, blocks: int) -> dict[str, float]:
    """Standard error of each figure from its values over `blocks` neighbouring parts of a series of `length` steps.

    The spread between blocks of a length beyond the series' memory, over the root of their number. Raises ValueError
    for a series too short to cut.
    """
    if blocks < FEWEST_BLOCKS or length < 8 * blocks:
        raise ValueError(f"{length} observations are too few for standard errors")
    edges = np.linspace(0, length, blocks + 1).astype(int).tolist()
    parts = [measure(slice(a, b)) for a, b in pairwise(edges)]
    return {name: float(np.nanstd([part[name] for part in parts], ddof=1)) / math.sqrt(blocks) for name in parts[0]}


def bootstrap_errors(
    measure: Callable[[NDArray[np.int64]], Mapping[str, float]], *, blocks: int, draws: int, seed: int
) -> dict[str, float]:
    """Standard error of each figure from `draws` samples of whole blocks (days), with replacement."""
    generator = Streams(seed).generator("calibration/bootstrap")
    found = [measure(generator.integers(0, blocks, blocks)) for _ in range(draws)]
    return {name: float(np.nanstd([item[name] for item in found], ddof=1)) for name in found[0]}
