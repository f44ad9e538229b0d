"""Means over seeds, with intervals: how sure a figure is, and when there is too little to say."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FEWEST_SEEDS = 6
"""Seeds below which no interval is given."""
FEWEST_EVENTS = 5
"""Seeds with anything at all below which a figure that is zero elsewhere is not rated."""
TOO_FEW = "too few to rate"


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A mean over seeds."""

    n: int
    """Seeds in which the figure is defined."""
    mean: float | None
    """None when it is defined in none."""
    half_width: float | None
    """Of the 95 % interval; None when there are too few seeds, or too few in which anything happened."""
    events: int
    """Seeds in which it is not zero."""

    @property
    def rated(self) -> bool:
        """Whether an interval can be given."""
        return self.half_width is not None

    @property
    def sign(self) -> int:
        """-1 or 1 when the interval lies on one side of zero, else 0."""
        if self.mean is None or self.half_width is None or abs(self.mean) <= self.half_width:
            return 0
        return 1 if self.mean > 0.0 else -1


def estimate(values: Sequence[float | None]) -> Estimate:
    """The mean of the values that are there, with a 95 % interval by Student's t."""
    known = np.array([value for value in values if value is not None], np.float64)
    events = int(np.count_nonzero(known))
    if len(known) == 0:
        return Estimate(n=0, mean=None, half_width=None, events=0)
    few = len(known) < FEWEST_SEEDS or 0 < events < FEWEST_EVENTS
    return Estimate(
        n=len(known), mean=float(known.mean()), half_width=None if few else half_width(known), events=events
    )


def paired(values: Sequence[float | None], others: Sequence[float | None]) -> Estimate:
    """The mean of value - other over the seeds in which both are there."""
    return estimate([None if a is None or b is None else a - b for a, b in zip(values, others, strict=True)])


def half_width(values: NDArray[np.float64]) -> float:
    """Half-width of the 95 % interval of a mean; Student's quantile to within 1 % for 6 values or more."""
    freedom = len(values) - 1
    quantile = 1.96 + 2.37 / freedom + 2.82 / freedom**2 + 2.56 / freedom**3
    return float(quantile * values.std(ddof=1) / math.sqrt(len(values)))
