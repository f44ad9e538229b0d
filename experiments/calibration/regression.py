"""From moments to parameters by ridge regression over stored runs, with intervals by split conformal prediction.

Source of the intervals: J. Lei, M. G'Sell, A. Rinaldo, R. Tibshirani and L. Wasserman, "Distribution-free predictive
inference for regression", Journal of the American Statistical Association 113 (2018): fit on one half, take the
quantile of the absolute residuals of the other half. They hold for parameters drawn like those of the runs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler

Array = NDArray[np.float64]

COVERAGE = 0.9
PENALTIES = tuple(10.0**k for k in range(-1, 5))
FARTHEST = 4.0
"""Data further than this from the mean of the runs, in their standard deviations, count as no further."""


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """Places in the unit cube of parameters."""

    place: Array
    half_width: Array
    """Of the interval that holds the parameter with probability `COVERAGE`; it may reach beyond the range."""
    skill: Array
    """Share of the variance explained in runs the regression has not seen (R squared)."""


def regress(places: Array, moments: Sequence[Mapping[str, float]], data: Mapping[str, float]) -> Estimate:
    """Parameters that go with `data`, learned from runs at `places` float64[runs, n] and what they showed."""
    names = list(data)
    seen = np.array([[run[name] for name in names] for run in moments])
    usable = np.isfinite(seen).all(axis=1)
    places, seen = places[usable], seen[usable]
    centre, scale = seen.mean(axis=0), seen.std(axis=0) + 1e-12
    seen = np.clip((seen - centre) / scale, -FARTHEST, FARTHEST)
    target = np.clip((np.array([data[name] for name in names]) - centre) / scale, -FARTHEST, FARTHEST)
    # Points of a Latin hypercube are in drawn order, so every second one is a fair half.
    train, held_out = slice(0, None, 2), slice(1, None, 2)
    model = make_pipeline(PolynomialFeatures(2, include_bias=False), StandardScaler(), RidgeCV(alphas=PENALTIES))
    model.fit(seen[train], places[train])
    residuals = np.abs(places[held_out] - model.predict(seen[held_out]))
    rank = min(len(residuals), int(np.ceil(COVERAGE * (len(residuals) + 1))))
    return Estimate(
        place=np.clip(model.predict(target[None])[0], 0.0, 1.0),
        half_width=np.sort(residuals, axis=0)[rank - 1],
        skill=1.0 - (residuals**2).mean(axis=0) / places[held_out].var(axis=0),
    )
