"""Where keepers and loopers of a lending market sell collateral, when there are other venues.

*Pools.* A keeper swaps in the tick of the seizure, through one pool after the other, on a venue of the same chain: no
bridge, no delay, and a loss only where the pools gave less than it had reckoned with. Before it bids it asks the pools
what a sale would cost; when they are drained it stops bidding, and bad debt grows. Loopers unwind the same way, in one
step with a flash loan.

*Books.* A keeper sends what it seized over the bridge, sells it with orders near the mark, at a pace, and sends the
money back: inventory risk for as long as that takes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from agents.borrower import BorrowerCohort
from agents.inventory import KeeperInventory, Outlet, lending_of
from agents.keeper import KeeperCohort
from agents.sale_routes import Route, SaleRoute, reference_usd
from market.bridges import move
from market.errors import InputError
from market.kernels.records import IOC, NONE, OUTSIDE, RESALES, SELL
from market.parameters import PositiveBps, PositiveCount, PositiveUsd, parameters
from market.streams import Streams
from market.world import Inbox, World

if TYPE_CHECKING:
    from market.system import System


@parameters
class CollateralSales:
    """The keepers and loopers of one lending market, on the venues where they sell."""

    kind: Literal["collateral_sales"] = "collateral_sales"
    """Tells the agents of a system apart."""
    venue: str
    """The lending market."""
    routes: tuple[SaleRoute, ...]
    """Ways from collateral to debt; what has none is sold to the outside world."""
    order_usd: PositiveUsd = 250_000.0
    """Largest order on a book, and the size for which keepers ask pools what a sale would cost."""
    slippage_bps: PositiveBps = 300.0
    """Orders on a book fill no further than this from its mark."""
    keepers: PositiveCount = 64
    """Most keepers of the lending market for whom there is room on the other venues."""

    def places(self) -> Iterator[tuple[str, str]]:
        """Keys that name venues, and the venues."""
        yield "venue", self.venue
        for number, route in enumerate(self.routes):
            yield f"routes[{number}].venue", route.venue

    def people(self, name: str) -> dict[str, tuple[tuple[str, str], ...]]:
        """The desk as a whole; keepers and loopers are left out on their lending market."""
        return {name: ()}

    def accounts_needed(self, venue: str) -> int:
        """An account for each keeper where there is a route to, and one for loopers."""
        return self.keepers + 1 if venue in {route.venue for route in self.routes} else 0

    def messages_needed(self, venue: str) -> int:
        """At most one order for each keeper and book route in a tick."""
        return self.keepers * sum(route.venue == venue and bool(route.instrument) for route in self.routes)

    def join(self, system: System, *, name: str, streams: Streams) -> CollateralDesk:
        """Open accounts on the other venues and stand in the place of the lending market's own outlets."""
        del streams
        routes = [
            Route.of(rule, system, name=f"agents.{name}.routes[{number}]") for number, rule in enumerate(self.routes)
        ]
        cast = system.members[self.venue].cast
        keepers = next((one for one in cast.keepers if isinstance(one, KeeperCohort)), None)
        inventory = next((one for one in cast.cohorts if isinstance(one, KeeperInventory)), None)
        if keepers is None or inventory is None:
            raise InputError(
                f'agents.{name}: {self.venue} has no keepers that seize; venue.liquidation.route = "seize"'
            )
        rows = [int(row) for row in keepers.records["account"]]
        if len(rows) > self.keepers:
            raise InputError(f"agents.{name}.keepers: {self.venue} has {len(rows)} keepers; make it as many")
        desk = CollateralDesk(self, system, keepers, inventory, routes)
        for venue in dict.fromkeys(route.venue for route in routes):
            ledger = system.world(venue).ledger
            for rank, row in enumerate(rows):
                mirror = desk.mirrors[venue, row] = ledger.open(f"{name}-{rank + 1:02d}", role="keeper", flags=0)
                ledger.accounts["flow"][mirror] = RESALES
            desk.loopers[venue] = ledger.open(f"{name}-loopers", role="looper", flags=0)
        inventory.outlet = desk
        for cohort in cast.cohorts:
            if isinstance(cohort, BorrowerCohort):
                cohort.outlet = desk
        return desk


@dataclass
class _OnBook:
    """A keeper's collateral on its way to a book, and on it."""

    keeper: int
    route: Route
    mirror: int
    parcels: deque[list[int]] = field(default_factory=deque)
    """[seizure it comes from, quanta not sold yet] of what was sent, sold in this order."""

    def note_sales(self, venue: str) -> None:
        """Note in the log of the venue of the book which seizures on `venue` this tick's sales come from."""
        world, book = self.route.world, self.route.book
        fills = world.fills[: world.n_fills]
        lots = int(fills["lots"][(fills["taker"] == self.mirror) & (fills["book"] == book)].sum())
        each = 0 if book is None else int(world.instruments["lot_quanta"][book])
        while lots > 0 and self.parcels:
            event, left = self.parcels[0]
            # A lot that two seizures share counts to the first.
            sold = min(lots, -(-left // each))
            world.pressure.resales.append((world.tick, int(book or 0), venue, event, sold))
            lots -= sold
            self.parcels[0][1] -= sold * each
            if self.parcels[0][1] <= 0:
                self.parcels.popleft()


class CollateralDesk:
    """The running sales: outlet of the lending market's keepers (agents/inventory.py) and loopers (borrower.py)."""

    def __init__(
        self,
        parameters: CollateralSales,
        system: System,
        keepers: KeeperCohort,
        inventory: KeeperInventory,
        routes: list[Route],
    ) -> None:
        self.parameters, self._system = parameters, system
        self._keepers, self._inventory = keepers, inventory
        self._home = system.world(parameters.venue)
        self._routes = {(route.collateral, route.debt): route for route in routes}
        self._outside: Outlet = inventory.outlet
        self._on_book: dict[tuple[int, int, int], _OnBook] = {}
        self.mirrors: dict[tuple[str, int], int] = {}
        """Rows of the keepers on the other venues, by venue and row on the lending market."""
        self.loopers: dict[str, int] = {}
        """Row of the loopers' account on each other venue."""
        self.through_pools_usd = 0.0
        """What keepers' and loopers' sales through pools brought, at the reference."""
        self.on_books_usd = 0.0
        """The same of books."""

    def retire(self) -> None:
        """Sell nothing on other venues: keepers and loopers sell to the outside world, as without this agent."""
        self._routes.clear()

    def sell(self, world: World, keeper: int, asset: int, amount: int, *, into: int, event: int) -> int:
        """Sell up to `amount` quanta of the keeper's balance for the asset `into`; return how many were, or went."""
        route = self._routes.get((asset, into))
        if route is None:
            return self._outside.sell(world, keeper, asset, amount, into=into, event=event)
        if not route.pools:
            return self._to_book(keeper, route, amount, event)
        return self._through_pools(keeper, route, amount, event)

    def route(self, asset: int, debt: int) -> Route | None:
        """The route through pools from an asset to a debt; None when there is none."""
        found = self._routes.get((asset, debt))
        return found if found is not None and found.pools else None

    def unwind(self, account: int, route: Route, amount: int) -> int:
        """Swap what a looper has just taken out; what comes out pays the flash loan. Return it, quanta of the debt."""
        there, mirror = route.world, self.loopers[route.venue]
        move(there, route.collateral, OUTSIDE, mirror, amount)
        got, _ = self._swap(route, mirror, account, amount)
        move(there, route.debt, mirror, OUTSIDE, got)
        return got

    def after_liquidations(self, system: System) -> None:
        """Take in what was seized in this tick and swap at once what can be."""
        del system
        if not self._routes:
            return
        for waiting in self._on_book.values():
            waiting.note_sales(self.parameters.venue)
        inventory = self._inventory
        inventory.take_in(self._home)
        for parcel in inventory.parcels:
            if self.route(parcel.asset, parcel.into) is not None:
                inventory.sell_now(self._home, parcel)
        inventory.drop_empty()
        for venue in dict.fromkeys(route.venue for route in self._routes.values() if route.pools):
            world = self._system.world(venue)
            if world.pools is not None:
                world.pools.move_reference(world)

    def decide(self, system: System, inboxes: Mapping[str, Inbox]) -> None:
        """Ask the pools what a sale costs; sell on books what has arrived there; send the money back."""
        self._ask_pools()
        for waiting in self._on_book.values():
            self._send_back(system, waiting)
            self._order(waiting, inboxes[waiting.route.venue])

    def _ask_pools(self) -> None:
        """Tell keepers what a sale of the usual size through each route's pools would cost; at least the usual cost."""
        costs: dict[int, float] = {}
        for route in self._routes.values():
            if route.pools:
                usual = costs.get(route.collateral, self._keepers.usual_sale_cost_bps)
                costs[route.collateral] = max(usual, 1e4 * route.cost(self.parameters.order_usd))
        for asset, cost in costs.items():
            self._keepers.expect_sale_cost(asset, min(cost, 1e4))

    def _through_pools(self, keeper: int, route: Route, amount: int, event: int) -> int:
        """Withdraw, hop to the venue of the pools, swap, hop back with what came out and what no pool took."""
        mirror = self.mirrors[route.venue, keeper]
        taken = lending_of(self._home).withdraw(keeper, route.collateral, amount)
        move(route.world, route.collateral, OUTSIDE, mirror, taken)
        got, left = self._swap(route, mirror, keeper, taken, event=event)
        self._hop_home(route.world, mirror, keeper, route.debt, got)
        return taken - left

    def _swap(self, route: Route, mirror: int, owner: int, amount: int, *, event: int = NONE) -> tuple[int, int]:
        """(what came out, what the first pool did not take); the latter, and what later ones leave, hops home.

        `event` is the row of the seizure that what is sold comes from; NONE for a looper's own.
        """
        in_hand, untaken = amount, 0
        for place, pool in enumerate(route.pools):
            paid, got = route.market.swap(
                route.world, account=mirror, pool=pool, asset_in=route.sides[place], amount=in_hand,
                log=self._home.pressure, event=event,
            )  # fmt: skip
            self._hop_home(route.world, mirror, owner, route.sides[place], in_hand - paid)
            untaken += in_hand - paid if place == 0 else 0
            in_hand = got
        self.through_pools_usd += reference_usd(route.world, route.debt, in_hand)
        return in_hand, untaken

    def _hop_home(self, there: World, mirror: int, owner: int, asset: int, amount: int) -> None:
        """Within one chain: off one ledger, onto the other, at once."""
        if amount > 0:
            move(there, asset, mirror, OUTSIDE, amount)
            move(self._home, asset, OUTSIDE, owner, amount)

    def _to_book(self, keeper: int, route: Route, amount: int, event: int) -> int:
        """Send collateral over the bridge to where it will be sold."""
        free = min(amount, lending_of(self._home).liquidity(route.collateral))
        mirror = self.mirrors[route.venue, keeper]
        self._system.bridges.send(
            self._system, origin=self.parameters.venue, payer=keeper, target=route.venue, payee=mirror,
            asset=route.collateral, amount=free,
        )  # fmt: skip
        waiting = self._on_book.setdefault((keeper, route.collateral, route.debt), _OnBook(keeper, route, mirror))
        if free > 0:
            waiting.parcels.append([event, free])
        return free

    def _order(self, waiting: _OnBook, inbox: Inbox) -> None:
        """One order at most, as large as the parameter says, no further from the mark than it says."""
        world, book = waiting.route.world, waiting.route.book
        if book is None:
            return
        instrument = world.instruments[book]
        held = int(world.ledger.cash[waiting.mirror, waiting.route.collateral])
        most = world.quanta_worth(self.parameters.order_usd, waiting.route.collateral)
        lots = min(held, most) // int(instrument["lot_quanta"])
        if lots > 0:
            price = max(1, int(int(instrument["mark"]) * (1.0 - self.parameters.slippage_bps / 1e4)))
            inbox.append(op=IOC, book=book, side=SELL, lots=lots, price=price, account=waiting.mirror)

    def _send_back(self, system: System, waiting: _OnBook) -> None:
        """Send home what the sales have brought."""
        route = waiting.route
        brought = int(route.world.ledger.cash[waiting.mirror, route.debt])
        if brought > 0:
            self.on_books_usd += reference_usd(route.world, route.debt, brought)
            system.bridges.send(
                system, origin=route.venue, payer=waiting.mirror, target=self.parameters.venue, payee=waiting.keeper,
                asset=route.debt, amount=brought,
            )  # fmt: skip
