"""How heavy the tails of a series are, whatever it is a series of."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def hill(losses: Floats, *, share: float) -> float:
    """Hill's estimate of the tail exponent from the largest `share` of the values; no unit, larger is thinner.

    1 / mean(log(x_i / x_k)) over the k values above x_k. Source: Hill (1975). Raises ValueError with fewer than 10
    values in the tail, or when the tail reaches down to zero.
    """
    k = int(len(losses) * share)
    if k < 10:
        raise ValueError(f"{k} values in the tail; ten are needed")
    top = np.partition(losses, len(losses) - k - 1)[len(losses) - k - 1 :]
    if top[0] <= 0.0:
        raise ValueError("the tail reaches down to zero")
    return float(1.0 / np.log(np.sort(top)[1:] / top.min()).mean())


def excess_kurtosis(values: Floats) -> float:
    """Fourth central moment over the squared variance, less 3: zero for a normal law."""
    centred = values - values.mean()
    return float((centred**4).mean() / (centred**2).mean() ** 2 - 3.0)
