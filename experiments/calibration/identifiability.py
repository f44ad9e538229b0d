"""Which parameters the data can tell apart: how much of each range is left, and what it is confused with.

Near the estimate moments are taken to be linear in the parameters, with slopes from the stored runs. Moments with the
data's standard errors and the simulation's noise then leave a parameter uncertain by (F + P)^-1, F being their
information and P that of the range itself (variance 1/12 in the unit cube).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from experiments.calibration.moments import Moment

Array = NDArray[np.float64]

NEAREST_SHARE = 0.5
RANGE_VARIANCE = 1.0 / 12.0
TOLD = 0.35
"""A parameter is told when the data leave less than this share of what was uncertain."""


@dataclass(frozen=True, kw_only=True)
class Identifiability:
    """Of each parameter, in the order of the space."""

    left: Array
    """Standard deviation after seeing the data over that of the range: 0 known exactly, 1 nothing learned."""
    partner: NDArray[np.int64]
    """The parameter it is most confused with."""
    correlation: Array
    """Of the two uncertainties: near 1 or -1 only a combination is known."""


def identifiability(
    places: Array, moments: Sequence[Mapping[str, float]], data: Sequence[Moment], *, at: Array
) -> Identifiability:
    """From runs at `places` float64[runs, n], around the point `at`."""
    seen = np.array([[run[moment.name] for moment in data] for run in moments])
    usable = np.isfinite(seen).all(axis=1)
    places, seen = places[usable], seen[usable]
    away = np.sqrt(((places - at) ** 2).sum(axis=1))
    near = np.argsort(away, kind="stable")[: max(int(NEAREST_SHARE * len(away)), 3 * places.shape[1])]
    design = np.column_stack([np.ones(len(near)), places[near] - at])
    slopes, *_ = np.linalg.lstsq(design, seen[near], rcond=None)
    noise = (seen[near] - design @ slopes).std(axis=0)
    slopes = slopes[1:]
    errors = np.array([moment.error for moment in data])
    weight = np.where([moment.lower_bound for moment in data], 0.5, 1.0) / (errors**2 + noise**2)
    information = (slopes * weight) @ slopes.T
    covariance = np.linalg.inv(information + np.eye(len(slopes)) / RANGE_VARIANCE)
    deviation = np.sqrt(np.diag(covariance))
    correlation = covariance / np.outer(deviation, deviation)
    others = np.abs(correlation) - np.eye(len(slopes))
    partner = np.argmax(others, axis=1)
    return Identifiability(
        left=deviation / np.sqrt(RANGE_VARIANCE),
        partner=partner,
        correlation=correlation[np.arange(len(slopes)), partner],
    )
