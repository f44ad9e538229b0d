"""What a strategy sees when it acts: prices, books, its own account, in human units.

Nothing here changes the world. A view reads it as it stands: keep numbers, not the view.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np

from agents.account_view import AccountView
from agents.strategy_orders import Cancel, Order, Outcome, Resting
from agents.units import Units
from market.errors import InputError
from market.kernels.records import BUY, NONE, SELL, SPOT
from market.margin.prices import liquidation_price
from market.streams import Draws
from market.world import World

Side = Literal["bid", "ask"]
_SIDES = {"bid": BUY, "ask": SELL}


class BookView:
    """One instrument: its prices in quote units per base unit, its book, and orders for it."""

    __slots__ = ("_book", "_owner", "_tick_size", "_units", "_world", "symbol")

    def __init__(self, owner: View, world: World, symbol: str, units: Units) -> None:
        self.symbol = symbol
        """Name of the instrument."""
        self._owner, self._world, self._units = owner, world, units
        self._book = world.instrument(symbol)
        self._tick_size = units.tick_size[self._book]

    def _price(self, field: str) -> float:
        return int(self._world.instruments[self._book][field]) * self._tick_size

    @property
    def mark(self) -> float:
        """Price that values positions."""
        return self._price("mark")

    @property
    def index(self) -> float:
        """The oracle's price."""
        return self._price("index")

    @property
    def reference(self) -> float:
        """Price of the outside world."""
        return self._price("reference")

    @property
    def last(self) -> float | None:
        """Last traded price; None before the first trade."""
        return self._price("last") or None

    @property
    def bid(self) -> float | None:
        """Best bid as the tick before left it; None on an empty side."""
        return self._price("best_bid") or None

    @property
    def ask(self) -> float | None:
        """Best ask as the tick before left it; None on an empty side."""
        record = self._world.instruments[self._book]
        return None if record["best_ask"] >= record["n_levels"] - 1 else self._price("best_ask")

    @property
    def mid(self) -> float:
        """Middle of bid and ask; the mark when a side is empty."""
        bid, ask = self.bid, self.ask
        return self.mark if bid is None or ask is None else 0.5 * (bid + ask)

    @property
    def position(self) -> float:
        """Own position, signed base units; of spot, the balance of the base asset."""
        return self._owner.position(self.symbol)

    @property
    def entry_price(self) -> float | None:
        """Average price of the own position; None without one."""
        record = self._world.ledger.positions[self._owner.account, self._book]
        if not record["lots"]:
            return None
        per_tick = int(record["lots"]) * int(self._world.instruments[self._book]["tick_value"])
        return int(record["cost"]) / per_tick * self._tick_size

    @property
    def liquidation_price(self) -> float | None:
        """Mark at which the own account breaks, all else as it stands; None without one (market/margin/prices.py)."""
        world = self._world
        return liquidation_price(
            world.ledger, world.instruments, world.assets, world.margin, account=self._owner.account, book=self._book
        )

    def depth_usd(self, side: Side, *, within_bps: float) -> float:
        """USD resting on one side no further from the mark than `within_bps`."""
        world, book = self._world, self._book
        centre = float(world.instruments[book]["mark"])
        _, paid = world.books.depth_within(book=book, side=_SIDES[side], centre=centre, distances_bps=[within_bps])
        return int(paid[0]) * self._units.lot_size[book] * self._tick_size * self._quote_usd

    def sweep(self, size: float) -> tuple[float, float | None]:
        """(base units a market order of signed `size` would fill now, their average price or None)."""
        lots = self._units.lots(size, self._book)
        if lots == 0:
            return 0.0, None
        filled, paid, _ = self._world.books.sweep(book=self._book, side=BUY if lots > 0 else SELL, lots=abs(lots))
        if filled == 0:
            return 0.0, None
        signed = filled if lots > 0 else -filled
        return signed * self._units.lot_size[self._book], paid / filled * self._tick_size

    def buy(
        self,
        size: float | None = None,
        *,
        usd: float | None = None,
        limit: float | None = None,
        immediate: bool = False,
        post_only: bool = False,
        reduce_only: bool = False,
    ) -> Order:
        """An order to buy `size` base units, or what `usd` buy at the mark; without a limit a market order."""
        return Order(
            instrument=self.symbol,
            size=self._size(size, usd),
            limit=limit,
            immediate=immediate,
            post_only=post_only,
            reduce_only=reduce_only,
        )

    def sell(
        self,
        size: float | None = None,
        *,
        usd: float | None = None,
        limit: float | None = None,
        immediate: bool = False,
        post_only: bool = False,
        reduce_only: bool = False,
    ) -> Order:
        """The same for selling; `size` and `usd` are positive."""
        return Order(
            instrument=self.symbol,
            size=-self._size(size, usd),
            limit=limit,
            immediate=immediate,
            post_only=post_only,
            reduce_only=reduce_only,
        )

    def close(self) -> Order:
        """A market order that closes the own position; without one it is an order for nothing, which is not sent."""
        perpetual = self._world.instruments[self._book]["kind"] != SPOT
        return Order(instrument=self.symbol, size=-self.position, reduce_only=bool(perpetual))

    @property
    def _quote_usd(self) -> float:
        """USD per quote unit at the venue's price."""
        quote = int(self._world.instruments[self._book]["quote"])
        return int(self._world.assets[quote]["price"]) * self._units.price_tick_usd[quote]

    def _size(self, size: float | None, usd: float | None) -> float:
        if (size is None) == (usd is None):
            raise InputError("say either a size in base units or usd=")
        amount = size if size is not None else (usd or 0.0) / (self.mark * self._quote_usd)
        if not amount >= 0.0:
            raise InputError(f"a size must be 0 or more, not {amount:g}; buy() and sell() give it its sign")
        return amount


class View(AccountView):
    """The world as one strategy sees it, and its own account. `view["BTC-PERP"]` is an instrument."""

    __slots__ = ("_books", "_draws", "_generator", "outcomes")

    def __init__(self, world: World, account: int, *, units: Units, draws: Draws) -> None:
        super().__init__(world, account, units)
        self._books = {symbol: BookView(self, world, symbol, units) for symbol in world.instrument_symbols}
        self._draws = draws
        self._generator: np.random.Generator | None = None
        self.outcomes: Sequence[Outcome] = ()
        """What became of the orders of the last act."""

    def _open(self) -> None:
        """Get ready for the next act."""
        self._generator = None
        self._look_again()

    def __getitem__(self, instrument: str) -> BookView:
        """One instrument. Raises InputError for an unknown one."""
        if instrument not in self._books:
            raise InputError(f"no instrument {instrument!r}; instruments are {', '.join(self._books)}")
        return self._books[instrument]

    @property
    def instruments(self) -> tuple[str, ...]:
        """What is traded."""
        return self._world.instrument_symbols

    @property
    def seconds(self) -> float:
        """Time since the start of the run."""
        return self._world.seconds

    @property
    def tick_seconds(self) -> float:
        """Length of a tick."""
        return self._world.tick_seconds

    @property
    def rng(self) -> np.random.Generator:
        """Random draws of this strategy in this tick: they depend on the seed, its name and the tick, and are nobody
        else's."""
        if self._generator is None:
            self._generator = self._draws.at(self._world.tick)
        return self._generator

    @property
    def orders(self) -> tuple[Resting, ...]:
        """Own orders on the books, the newest first."""
        return tuple(self._resting())

    def cancel_all(self) -> list[Cancel]:
        """Cancellations of everything that rests."""
        return [order.cancel() for order in self._resting()]

    def _resting(self) -> Iterator[Resting]:
        world, units = self._world, self._units
        slot = int(world.ledger.accounts[self.account]["first_order"])
        while slot != NONE:
            order = world.books.orders[slot]
            book, lots = int(order["book"]), int(order["lots"])
            yield Resting(
                instrument=world.instrument_symbols[book],
                size=(lots if order["side"] == BUY else -lots) * units.lot_size[book],
                limit=int(order["price"]) * units.tick_size[book],
                handle=int(order["handle"]),
            )
            slot = int(order["account_next"])
