"""What a strategy sends: orders in human units, and cancellations."""

from __future__ import annotations

from dataclasses import dataclass

from agents.units import Units
from market.errors import InputError
from market.kernels.records import BUY, IOC, LIMIT, MARKET, POST_ONLY, REDUCE_ONLY, SELL
from market.world import Inbox, World

_LARGEST = 1 << 60
"""Lots; the gate refuses such an order whatever it is for."""


@dataclass(frozen=True, kw_only=True)
class Order:
    """An order for one instrument. What is too small for a lot is not sent."""

    instrument: str
    """Symbol."""
    size: float
    """Base units, positive buys and negative sells; cut towards zero to whole lots."""
    limit: float | None = None
    """Worst price, quote units; rounded to a tick in the sender's favour. None: a market order."""
    immediate: bool = False
    """Discard what a limit order does not fill at once instead of leaving it on the book."""
    post_only: bool = False
    """Discard a limit order that would trade on arrival."""
    reduce_only: bool = False
    """It may only shrink the position, and is cut to it."""


@dataclass(frozen=True, kw_only=True)
class Resting:
    """An order of one's own on the book."""

    instrument: str
    """Symbol."""
    size: float
    """Base units that are left, positive buys and negative sells."""
    limit: float
    """Price, quote units."""
    handle: int
    """Its number on the book."""

    def cancel(self) -> Cancel:
        """The cancellation; cancellations are carried out before anybody trades in the tick."""
        return Cancel(handle=self.handle)


@dataclass(frozen=True, kw_only=True)
class Cancel:
    """Takes an order of one's own off the book."""

    handle: int
    """The order's number on the book."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of an order by the next tick. Neither filled nor resting: refused, or nobody to trade with."""

    order: Order
    """What was asked for."""
    filled: float
    """Base units filled on arrival, with the sign of the order."""
    price: float | None
    """Average price of that, quote units; None when nothing filled."""
    rests: bool
    """Whether the rest went to the book."""


def write_order(order: Order, inbox: Inbox, *, account: int, world: World, units: Units) -> int | None:
    """Append the order's message; return its row, None when it is smaller than a lot. InputError for nonsense."""
    if order.instrument not in world.instrument_symbols:
        raise InputError(f"no instrument {order.instrument!r}; instruments are {', '.join(world.instrument_symbols)}")
    book = world.instrument(order.instrument)
    if not abs(order.size) < float("inf") or not (order.limit is None or 0.0 < order.limit < float("inf")):
        raise InputError(f"size and limit must be finite and limit above 0: {order}")
    lots = min(abs(units.lots(order.size, book)), _LARGEST)
    if lots == 0:
        return None
    buys = order.size > 0.0
    op, price = MARKET, 0
    if order.limit is not None:
        op = IOC if order.immediate else LIMIT
        price = _inside(units.price_ticks(order.limit, book, up=not buys), world, book, buys=buys)
    return inbox.append(
        op=op,
        book=book,
        side=BUY if buys else SELL,
        price=price,
        lots=lots,
        account=account,
        flags=POST_ONLY * order.post_only | REDUCE_ONLY * order.reduce_only,
    )


def _inside(ticks: int, world: World, book: int, *, buys: bool) -> int:
    """A price the book can hold: a bid above its top means the same there, and so does an offer below its bottom.

    The other way round there is no such price; the book discards the order at the one returned then.
    """
    top = int(world.instruments[book]["n_levels"]) - 2
    return min(max(ticks, 0), top) if buys else min(max(ticks, 1), top + 1)
