"""What `fit.py` fits: data moments, a parameter space, and a simulation that turns parameters into moments."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from experiments.calibration.moments import Moment
from experiments.calibration.space import Parameter

Simulation = Callable[[Mapping[str, float], int], dict[str, float]]


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One part of the model and the data it is fitted to."""

    name: str
    space: tuple[Parameter, ...]
    data: tuple[Moment, ...]
    simulate: Simulation
    """Moments of a short run with these parameters and this seed; can be sent to another process."""
    identity: str
    """Everything else the simulation depends on, as text: runs are stored under it."""
