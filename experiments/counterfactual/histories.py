"""One history of a scenario, of one venue or of several, as the measures of importance look at it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from experiments.build import WholePath, build
from experiments.contagion import Contagion, contagion
from experiments.counterfactual.setting import AnyScenario
from experiments.run import Trace, trace
from experiments.scenario import Scenario
from experiments.systems.build import build_system
from experiments.systems.causes import system_causes
from experiments.systems.run import trace_system
from market.world import World

Place = tuple[str, int]
"""(venue, ledger row); the venue of a scenario of one is ""."""


@dataclass(frozen=True, kw_only=True)
class Causes:
    """The causes of a history's liquidations, venue by venue, and between venues."""

    venues: Mapping[str, Contagion]
    crossings: tuple[tuple[Place, Place, float], ...] = ()
    """(whose forced sales, on whom, USD) from one venue to another."""


@dataclass(frozen=True, kw_only=True)
class Start:
    """A history before its first step."""

    worlds: Mapping[str, World]
    moving: NDArray[np.bool_]
    """bool[n_assets]: assets whose price can move in the outside world, or as seen by a venue."""
    shocked: tuple[str, ...]
    """Assets with a path of their own, or a shock: those whose shock can be left out."""


def start(scenario: AnyScenario, seed: int) -> Start:
    """Build it. Raises InputError."""
    if isinstance(scenario, Scenario):
        worlds = {"": build(scenario, seed=seed).world}
        path = worlds[""].reference
        hit: list[str] = []
    else:
        system = build_system(scenario, seed=seed).system
        worlds = {name: member.world for name, member in system.members.items()}
        path = system.outside.path
        hit = [shock.asset for shock in scenario.shocks.values()]
    own = list(path.path.symbols) if isinstance(path, WholePath) else []
    symbols = next(iter(worlds.values())).asset_symbols
    shocked = tuple(symbol for symbol in symbols if symbol in (*own, *hit))
    free = np.any([world.assets["fixed"] == 0 for world in worlds.values()], axis=0)
    return Start(worlds=worlds, moving=free | np.isin(symbols, shocked), shocked=shocked)


def history(scenario: AnyScenario, seed: int) -> tuple[dict[str, Trace], Causes]:
    """Simulate once and explain every liquidation. Raises InputError."""
    if isinstance(scenario, Scenario):
        single = trace(scenario, seed=seed)
        return {"": single}, Causes(venues={"": contagion(single)})
    whole = trace_system(scenario, seed=seed)
    found = system_causes(whole)
    rows = {
        (venue, name): (venue, row)
        for venue, one in whole.venues.items()
        for row, name in enumerate(one.built.world.ledger.names)
    }
    columns = ("from_venue", "from_account", "to_venue", "to_account", "loss_usd")
    crossings = []
    for venue, one, other_venue, other, usd in zip(*(found.crossings[name].tolist() for name in columns), strict=True):
        if (venue, one) in rows:  # not a claim that lost value
            crossings.append((rows[venue, one], rows[other_venue, other], float(usd)))
    return whole.venues, Causes(venues=found.venues, crossings=tuple(crossings))
