"""Which function answers the cases of which model.

    @adapter("dydx_mmf")
    def dydx_mmf(inputs: Mapping[str, Any]) -> dict[str, Any]:
        return {"mmf": share_floored(number(inputs, "initial_margin_fraction"), ...)}

An adapter gets the `inputs` of a case and returns what the venue's number is compared with, by the names of `expected`.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from typing import Any

Adapter = Callable[[Mapping[str, Any]], dict[str, Any]]

_ADAPTERS: dict[str, Adapter] = {}


class UnsupportedError(Exception):
    """Raised by an adapter for a case whose rule the simulation does not have; the text says which."""


def adapter(*models: str) -> Callable[[Adapter], Adapter]:
    """Register a function for models. ValueError when one is taken."""

    def register(function: Adapter) -> Adapter:
        for model in models:
            if _ADAPTERS.setdefault(model, function) is not function:
                raise ValueError(f"two adapters for {model}")
        return function

    return register


def adapters() -> Mapping[str, Adapter]:
    """All adapters by model."""
    from experiments.venues import adapters as package

    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"{package.__name__}.{module.name}")
    return _ADAPTERS
