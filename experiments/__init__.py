"""Scenarios, runs and what is measured on them: `from experiments import Scenario, simulate`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agents.strategy import Strategy
    from experiments.model import CascadeModel
    from experiments.result import Result
    from experiments.run import simulate
    from experiments.scenario import Scenario
    from market.errors import InputError

__all__ = ["CascadeModel", "InputError", "Result", "Scenario", "Strategy", "simulate"]

_HOMES = {
    "CascadeModel": "experiments.model",
    "InputError": "market.errors",
    "Result": "experiments.result",
    "Scenario": "experiments.scenario",
    "Strategy": "agents.strategy",
    "simulate": "experiments.run",
}


def __getattr__(name: str) -> Any:
    """Load on first use: the command line starts quickly without the engine."""
    if name not in _HOMES:
        raise AttributeError(f"module 'experiments' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
