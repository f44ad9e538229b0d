"""What `fit.py` fits: data moments, a parameter space, and a model that turns parameters into moments."""

from __future__ import annotations

from dataclasses import dataclass

from experiments.calibration.moments import Moment
from experiments.calibration.space import Parameter
from experiments.kinds import Model


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One part of the model and the data it is fitted to."""

    name: str
    space: tuple[Parameter, ...]
    data: tuple[Moment, ...]
    model: Model
    """What is simulated (`experiments.kinds`): all it depends on, and its table `values`, which has the parameters."""
