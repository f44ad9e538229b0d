"""Several venues, stepped together: a system is to venues what a world is to accounts.

Each venue is a `World` of its own, with ledger, books, rules and cast. They are joined by one outside world
(market/outside.py), by assets that are claims on another venue (market/claims.py), by bridges (market/bridges.py) and
by agents that act on more than one of them. A step has the phases of `market/simulation.py`, each over all venues in
their order, so that nobody sees another venue's tick before its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from market.bridges import Bridges
from market.claims import Claims
from market.kernels.records import OUTSIDE
from market.liquidation import liquidate
from market.outside import Outside
from market.prices import move_prices
from market.shocks import Intervention
from market.simulation import Cast, Rules
from market.trading import trade
from market.waterfall import absorb_losses
from market.world import Inbox, World


@dataclass(frozen=True, kw_only=True)
class Member:
    """A venue of a system."""

    name: str
    world: World
    rules: Rules
    cast: Cast


class CrossCohort(Protocol):
    """Agents that act on several venues."""

    def decide(self, system: System, inboxes: Mapping[str, Inbox]) -> None:
        """Look at all venues as they stand, append messages, send money over bridges, redeem claims."""

    def after_liquidations(self, system: System) -> None:
        """Do what belongs to the liquidations of this tick on all venues, such as selling at once what was seized."""


@dataclass(kw_only=True)
class System:
    """Everything that changes, over all venues. Assets are the same in every world, in the same order."""

    members: dict[str, Member]
    outside: Outside
    bridges: Bridges
    claims: Claims
    cohorts: Sequence[CrossCohort] = ()
    interventions: Sequence[Intervention] = ()
    """What happens at set times: exploits, freezes (market/shocks.py)."""
    tick: int = 0

    def world(self, name: str) -> World:
        """The world of a venue."""
        return self.members[name].world

    @property
    def seconds(self) -> float:
        """Time since the start of the run."""
        return self.tick * next(iter(self.members.values())).world.tick_seconds

    def conservation_error(self) -> int:
        """Quanta and lots made from nothing: on any venue, or between what left one and what reached another."""
        worlds = [member.world for member in self.members.values()]
        own = sum(
            world.ledger.conservation_error() + world.ledger.clearing_error(world.instruments) for world in worlds
        )
        return own + self.bridges.error()

    def supply(self) -> NDArray[np.int64]:
        """int64[n_assets]: quanta of each asset that the outside world has issued to all venues, on bridges or not."""
        issued = sum(-member.world.ledger.cash[OUTSIDE] for member in self.members.values())
        return np.asarray(issued + self.bridges.in_transit, np.int64)


def step_system(system: System) -> None:
    """Advance all venues by one tick."""
    members = system.members.values()
    for intervention in system.interventions:
        intervention.act(system)
    system.bridges.deliver(system)
    system.outside.advance(system)
    for member in members:
        move_prices(member.world, member.rules.venue, member.cast.oracles)

    inboxes = {member.name: member.world.open_inbox() for member in members}
    for member in members:
        for cohort in member.cast.cohorts:
            cohort.decide(member.world, inboxes[member.name])
    for cross in system.cohorts:
        cross.decide(system, inboxes)

    for member in members:
        trade(member.world, inboxes[member.name])

    for member in members:
        liquidate(member.world, member.rules.venue, member.cast.keepers)
    for cross in system.cohorts:
        cross.after_liquidations(system)

    for member in members:
        absorb_losses(member.world, member.rules.venue)

    system.tick += 1
    for member in members:
        member.world.tick += 1


Observer = Callable[[System], None]


def run_system(system: System, *, ticks: int, observers: Sequence[Observer] = ()) -> None:
    """Advance by `ticks`; observers see the system after each tick and must leave it as it is."""
    for _ in range(ticks):
        step_system(system)
        for observe in observers:
            observe(system)
