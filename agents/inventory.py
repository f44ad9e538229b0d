"""What keepers do with collateral they have seized: they hold it for a while, then sell it at an outlet.

The outlet of a single venue is the outside world. With several venues another one can stand in its place: a book or a
pool that the keeper can reach.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Protocol

from agents.keeper import KeeperCohort, Keepers
from market.instruments import USD_QUANTA
from market.kernels.records import FORCED_SEIZURE, NONE
from market.lending import LendingMarket
from market.world import Inbox, World


class Outlet(Protocol):
    """Where seized collateral is sold."""

    def sell(self, world: World, keeper: int, asset: int, amount: int, *, into: int, event: int) -> int:
        """Sell up to `amount` quanta of the keeper's balance for the asset `into`; return how many were sold.

        `event` is the row of the seizure they come from.
        """


def lending_of(world: World) -> LendingMarket:
    """The world's lending market, for agents that live on one. Raises RuntimeError without."""
    if world.lending is None:
        raise RuntimeError("this world lends nothing; see venue.lending")
    return world.lending


def press(world: World, asset: int, usd: float, *, event: int = NONE) -> None:
    """Move the reference as a sale worth so much on the asset's spot book would; nothing where it has none.

    `event` is the row of the seizure that it goes back to, if any.
    """
    book = int(world.assets[asset]["spot_book"])
    if book != NONE:
        quote = world.assets[world.instruments[book]["quote"]]
        per_usd = USD_QUANTA * float(quote["divisor"]) / (float(quote["reference"]) * float(quote["multiplier"]))
        move = -world.impact_per_quanta[book] * usd * per_usd
        world.impact[asset] += move
        world.pressure.note(world.tick, asset, float(move), event=event)


@dataclass
class OutsideOutlet:
    """The outside world buys at the reference price less a cost, as far as the venue lets the collateral out."""

    cost_bps: float

    def sell(self, world: World, keeper: int, asset: int, amount: int, *, into: int, event: int) -> int:
        """Withdraw, sell and bring the proceeds, rounded down, back in; the sale presses on the reference."""
        lending = lending_of(world)
        sold = lending.withdraw(keeper, asset, amount)
        usd = lending.usd(sold, asset)
        proceeds = int(usd * (1.0 - self.cost_bps / 10_000.0) / lending.usd(1, into))
        world.ledger.deposit(keeper, into, proceeds)
        press(world, asset, usd, event=event)
        return sold


@dataclass
class Parcel:
    """Collateral of one seizure that is not sold yet."""

    due: int
    """Tick from which it is for sale."""
    keeper: int
    asset: int
    amount: int
    into: int
    """Asset of the debt that was repaid, in which the keeper wants its money back."""
    event: int
    """Row of the seizure in the event log."""
    usd_each: float
    """What a quantum was worth in the tick after it was seized, the first in which the keeper could have sold it."""


class KeeperInventory:
    """The inventories of a cohort of keepers. `outlet` may be replaced; `parcels` are held in the order of seizure."""

    most_messages = 0

    def __init__(self, parameters: Keepers, keepers: KeeperCohort, world: World) -> None:
        self.outlet: Outlet = OutsideOutlet(cost_bps=parameters.sale_cost_bps)
        self.parcels: deque[Parcel] = deque()
        self.sold_usd = 0.0
        """Value of what was sold, at the reference of the sale and before its cost."""
        self.fallen_usd = 0.0
        """How much less that was than a tick after it was seized, at the reference."""
        self._holding = max(1, world.ticks(parameters.holding_seconds))
        self._accounts = frozenset(int(row) for row in keepers.records["account"])
        self._seen = 0

    def decide(self, world: World, inbox: Inbox) -> None:
        """Take in what was seized since the last look, and sell what has been held long enough."""
        self.take_in(world)
        kept: deque[Parcel] = deque()
        full: set[int] = set()
        while self.parcels and self.parcels[0].due <= world.tick:
            parcel = self.parcels.popleft()
            if parcel.asset not in full:
                self.sell_now(world, parcel)
            if parcel.amount > 0:
                kept.append(parcel)
                full.add(parcel.asset)  # who takes no more of it from one keeper takes none from the next
        self.parcels.extendleft(reversed(kept))

    def loss_usd(self, world: World) -> float:
        """What keepers lost by holding: the fall of the reference until the sale, or until now for what they hold."""
        lending = lending_of(world)
        held = sum(parcel.amount * (parcel.usd_each - lending.usd(1, parcel.asset)) for parcel in self.parcels)
        return self.fallen_usd + held

    def drop_empty(self) -> None:
        """Forget parcels of which nothing is left."""
        self.parcels = deque(parcel for parcel in self.parcels if parcel.amount > 0)

    def take_in(self, world: World) -> None:
        """Note what was seized since the last look."""
        lending = lending_of(world)
        for row in range(self._seen, world.n_events):
            event = world.events[row]
            if event["kind"] == FORCED_SEIZURE and int(event["keeper"]) in self._accounts:
                asset = int(event["seized"])
                self.parcels.append(
                    Parcel(
                        due=int(event["tick"]) + self._holding,
                        keeper=int(event["keeper"]),
                        asset=asset,
                        amount=int(event["lots"]),
                        into=int(event["repaid"]),
                        event=row,
                        usd_each=lending.usd(1, asset),
                    )
                )
        self._seen = world.n_events

    def sell_now(self, world: World, parcel: Parcel) -> None:
        """Offer a parcel to the outlet; what it takes is no longer in it."""
        each = lending_of(world).usd(1, parcel.asset)
        # What it has repaid other debts with is no longer for sale.
        parcel.amount = min(parcel.amount, int(world.ledger.cash[parcel.keeper, parcel.asset]))
        sold = self.outlet.sell(world, parcel.keeper, parcel.asset, parcel.amount, into=parcel.into, event=parcel.event)
        parcel.amount -= sold
        self.sold_usd += sold * each
        self.fallen_usd += sold * (parcel.usd_each - each)
