"""A problem for calibration that takes no time; a file of its own, since worker processes import it."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np


def toy(noise: float, values: Mapping[str, float], seed: int) -> dict[str, float]:
    """Two moments that each belong to one parameter; `idle` moves nothing."""
    draws = np.random.default_rng(seed).standard_normal(2) * noise
    return {"level": math.log(values["size"]) + draws[0], "tilt": values["slope"] ** 3 + values["slope"] + draws[1]}
