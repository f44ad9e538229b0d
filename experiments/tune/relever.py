"""Traders re-lever: whatever the rules, they come to use the same share of what initial margin allows.

With positions fixed, rules that ask for less look free: nobody does more with them. So every design is simulated a
second time with the leverage at which traders, taken together, use a stated share of their margin equity as initial
margin at the start.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from experiments.build import build
from experiments.run import opening_of
from experiments.scenario import Scenario
from experiments.study.load import Loaded
from experiments.tune.space import changes_of
from market.errors import InputError

LEVERAGE = "population.leverage"
LEAST, GREATEST = 0.01, 1_000.0
HALVINGS = 12
"""Of the logarithm of that range: to a part in 350."""


def utilisation(scenario: Scenario, *, seed: int) -> float:
    """Initial margin over margin equity of all traders with positions, at the start of a run; 0 when there is none."""
    world = build(scenario, seed=seed).world
    opening = opening_of(world)
    traders = np.array([role == "trader" for role in world.ledger.roles])
    traders &= (opening.lots != 0).any(axis=1)
    equity = int(opening.assessment[traders, 0].sum())
    return int(opening.assessment[traders, 3].sum()) / equity if equity > 0 else 0.0


def relevered(loaded: Loaded, values: dict[str, Any], *, share: float, seed: int) -> dict[str, Any]:
    """The design with the median leverage at which traders use `share` of what they may, or the nearest there is.

    Leverage is cut off for each trader by the initial margin, and at 1: a share may be out of reach. Raises InputError
    for a population that is not generated.
    """
    low, high = math.log(LEAST), math.log(GREATEST)
    for _ in range(HALVINGS):
        middle = (low + high) / 2.0
        used = _used(loaded, {**values, LEVERAGE: math.exp(middle)}, seed)
        low, high = (middle, high) if used < share else (low, middle)
    return {**values, LEVERAGE: float(f"{math.exp((low + high) / 2.0):.4g}")}


def _used(loaded: Loaded, values: dict[str, Any], seed: int) -> float:
    return utilisation(loaded.resolver.resolve(changes_of(values)).scenario, seed=seed)


def check(loaded: Loaded, ranges: dict[str, Any]) -> None:
    """Make sure that traders can re-lever. Raises InputError."""
    population = getattr(loaded.resolver.base().world, "population", None)
    if getattr(population, "kind", "") != "generated":
        raise InputError(
            'tune.utilisation: only a generated population (population.kind = "generated") can re-lever; say "none": '
            "then designs are measured with positions fixed, and none is recommended"
        )
    if LEVERAGE in ranges:
        raise InputError(f"tune.ranges.{LEVERAGE}: what re-levering sets itself (tune.utilisation)")
