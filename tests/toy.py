"""A model for calibration that takes no time."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Literal

import numpy as np

from market.parameters import parameters


def toy(noise: float, values: Mapping[str, float], seed: int) -> dict[str, float]:
    """Two moments that each belong to one parameter; `idle` moves nothing."""
    draws = np.random.default_rng(seed).standard_normal(2) * noise
    return {"level": math.log(values["size"]) + draws[0], "tilt": values["slope"] ** 3 + values["slope"] + draws[1]}


@parameters
class ToyValues:
    """What is fitted."""

    size: float
    """Tells by `level`."""
    slope: float
    """Tells by `tilt`."""
    idle: float
    """Told by nothing."""


@parameters
class ToyRun:
    """A model as `experiments.kinds.MODELS` names them."""

    model: Literal["toy"] = "toy"
    """Its name."""
    noise: float = 0.05
    """Of both moments."""
    product: bool = False
    """Only size times idle shows."""
    values: ToyValues = ToyValues(size=20.0, slope=0.3, idle=1.5)
    """What is fitted."""

    def figures(self, seed: int) -> dict[str, float]:
        """The moments."""
        SIMULATED.append(seed)
        values = asdict(self.values)
        if not self.product:
            return toy(self.noise, values, seed)
        return {"level": math.log(values["size"] * values["idle"]) + 0.01 * np.random.default_rng(seed).normal()}


SIMULATED: list[int] = []
"""Seeds of all runs so far."""
MEASURED_BY = ()
