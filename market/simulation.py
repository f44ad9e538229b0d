"""Start here: the world, and one step of it.

A step has five phases. Prices move, agents decide, books trade, keepers liquidate, losses are absorbed. The cascade is
the fourth phase feeding back into the first through marks and reference prices. `docs/step.md` has the fine print.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from market.liquidation import liquidate
from market.prices import move_prices
from market.trading import trade
from market.venue import Venue
from market.waterfall import absorb_losses
from market.world import Inbox, World


class Oracle(Protocol):
    """Publishes the prices at which the venue values assets."""

    def publish(self, world: World) -> None:
        """Read sources and update `world.assets["price"]` where it is time to."""


class Cohort(Protocol):
    """Agents of one kind, deciding together; one object drives many ledger rows."""

    most_messages: int
    """Most messages it sends in one tick."""

    def decide(self, world: World, inbox: Inbox) -> None:
        """Look at the world as it stands and append messages to the inbox."""


class Keepers(Protocol):
    """Agents that compete to close claims."""

    records: NDArray[np.void]
    """KEEPER[n] (market/kernels/records.py)."""

    def bid(self, world: World, *, clock: int) -> int:
        """Write offers for the open claims into `world.bids`; return how many."""


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What does not change during a step."""

    venue: Venue


@dataclass(frozen=True, kw_only=True)
class Cast:
    """Who acts."""

    oracles: Sequence[Oracle] = ()
    cohorts: Sequence[Cohort] = ()
    keepers: Sequence[Keepers] = ()


Observer = Callable[[World], None]


def step(world: World, rules: Rules, cast: Cast) -> None:
    """Advance the world by one tick."""
    move_prices(world, rules.venue, cast.oracles)

    inbox = world.open_inbox()
    for cohort in cast.cohorts:
        cohort.decide(world, inbox)

    trade(world, inbox)

    liquidate(world, rules.venue, cast.keepers)

    absorb_losses(world, rules.venue)

    world.tick += 1


def run(world: World, rules: Rules, cast: Cast, *, ticks: int, observers: Sequence[Observer] = ()) -> None:
    """Advance by `ticks`; observers see the world after each tick and must leave it as it is.

    However a run is cut into calls, the world ends the same.
    """
    for _ in range(ticks):
        step(world, rules, cast)
        for observe in observers:
            observe(world)
