"""Background flow: the many small traders behind a book, without intelligence, as Poisson rates.

Limit orders arrive at a rate, every resting order is cancelled at a hazard, market orders take (Daniels, Farmer,
Gillemot, Iori and Smith 2003; Cont, Stoikov and Talreja 2010). The depth that comes to rest is rate x size / hazard.
Two things the crowd does know, since a venue's customers see prices elsewhere: orders that the reference has run
through are soon withdrawn, and after a move fewer orders come and more go, so that depth thins in a crash.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import field
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from agents.kernels.background import FLOW, FROM_FAIR, FROM_MID, FROM_OPPOSITE, decide, fill_book
from market.errors import InputError
from market.instruments import LARGEST_MONEY, Asset, Instrument, with_book
from market.kernels.records import CROWD_ACCOUNT
from market.parameters import PerSecond, PositiveSeconds, PositiveUsd, Ratio, parameters
from market.world import Inbox, World

STREAM = "background"
LARGEST_DEPTH_USD = 1e11
"""Largest mean depth per side of a book; a hundred times that still fits into the integers it is measured in."""
MOST_PER_TICK = 5_000.0
"""Largest mean number of limit or market orders per book and tick."""


@parameters
class BookFlow:
    """The flow into one book."""

    limit_rate: PerSecond = 4.0
    """Limit orders per second, both sides together."""
    limit_size_usd: PositiveUsd = 65_000.0
    """Mean size of a limit order; one order stands for many small ones."""
    limit_size_sigma: Ratio = 1.0
    """Standard deviation of the log size of limit orders."""
    half_life_seconds: PositiveSeconds = 90.0
    """Time in which half of the resting orders are cancelled."""
    stale_half_life_seconds: PositiveSeconds = 1.0
    """Time in which half of the orders through the reference price (bids above it, asks below) are cancelled."""
    median_distance_bps: Annotated[float, Field(gt=0.0, le=1e6, json_schema_extra={"unit": "bps"})] = 40.0
    """Scale of the log-logistic law of a new order's distance: its median, were there no largest distance."""
    distance_tail: Annotated[float, Field(ge=0.5, le=10.0, json_schema_extra={"unit": "1"})] = 1.3
    """Tail exponent of the distance: the share of orders further away than d falls like d to minus this power."""
    largest_distance_bps: Annotated[float, Field(gt=0.0, le=9_000.0, json_schema_extra={"unit": "bps"})] = 1_000.0
    """No order is placed further away."""
    measured_from: Literal["fair", "mid", "opposite_best"] = "fair"
    """Where distances count from: the price inside the spread nearest to the reference, the middle of the book, or the
    best price of the other side."""
    market_rate: PerSecond = 2.0
    """Market orders per second, both sides together, each side as likely."""
    market_size_usd: PositiveUsd = 8_000.0
    """Mean size of a market order."""
    market_size_sigma: Ratio = 1.5
    """Standard deviation of the log size of market orders."""
    thinning: Ratio = 0.4
    """After a move of x percent, limit orders come 1 + thinning x times slower and are cancelled that much faster."""
    return_seconds: PositiveSeconds = 60.0
    """Half-life of the average price that a move is measured against."""
    recovery_seconds: PositiveSeconds = 600.0
    """Half-life of the memory of the largest move."""

    @property
    def hazard(self) -> float:
        """Rate at which a resting order is cancelled, 1/s."""
        return math.log(2.0) / self.half_life_seconds

    @property
    def resting_orders(self) -> float:
        """Mean number of orders at rest, both sides together, if none is executed."""
        return self.limit_rate / self.hazard

    def share_within(self, distance_bps: float) -> float:
        """Share of new orders that are placed no further away than `distance_bps`."""
        return _odds(self, distance_bps) / _odds(self, self.largest_distance_bps)

    def depth_usd(self, distance_bps: float) -> float:
        """Mean depth per side within a distance, USD, if none is executed."""
        return 0.5 * self.resting_orders * self.limit_size_usd * self.share_within(distance_bps)


def _odds(flow: BookFlow, distance_bps: float) -> float:
    power: float = (min(distance_bps, flow.largest_distance_bps) / flow.median_distance_bps) ** flow.distance_tail
    return power / (1.0 + power)


@parameters
class BackgroundFlow:
    """Zero-intelligence flow into every book, sent by the crowd account."""

    default: BookFlow = BookFlow()
    """The flow into a book that `books` does not name."""
    books: dict[str, BookFlow] = field(default_factory=dict)
    """The flow into a book, by instrument; what such a table leaves out is the class's default, not `default`'s."""
    balance_usd: PositiveUsd = 1e8
    """What the crowd owns at the start of every settlement asset, and of every asset with a spot book."""

    def accounts_needed(self, *, instruments: Mapping[str, Instrument]) -> int:
        """None: it acts through the crowd account."""
        del instruments
        return 0

    def join(self, world: World, *, assets: Mapping[str, Asset], instruments: Mapping[str, Instrument]) -> Crowd:
        """Give the crowd its money and fill the books with their mean depth. Raises InputError for impossible rates."""
        for symbol in self.books:
            if symbol not in instruments:
                raise InputError(
                    f"agents.background.books: no instrument {symbol!r}; instruments are {', '.join(instruments)}"
                )
        for _, symbol, _ in with_book(instruments):
            flow = self.books.get(symbol, self.default)
            if flow.depth_usd(flow.largest_distance_bps) > LARGEST_DEPTH_USD:
                raise InputError(
                    f"agents.background: limit_rate x half_life_seconds x limit_size_usd make a book of {symbol} of "
                    f"{flow.depth_usd(flow.largest_distance_bps):.3g} USD a side; at most {LARGEST_DEPTH_USD:g}"
                )
        traded = {item.quote for item in instruments.values()}
        traded |= {item.base for item in instruments.values() if item.kind == "spot"}
        for symbol in assets:
            if symbol in traded:
                row = world.asset(symbol)
                amount = world.quanta_worth(self.balance_usd, row)
                world.ledger.deposit(CROWD_ACCOUNT, row, min(amount, LARGEST_MONEY // 64))
        crowd = Crowd(world, {book: self.books.get(symbol, self.default) for book, symbol, _ in with_book(instruments)})
        crowd.fill_books(world)
        return crowd


class Crowd:
    """The background flow of all books. See `BookFlow` for the law, `agents/kernels/background.py` for the draws.

    The numbers of a tick are cut off five standard deviations and four above their mean (once in 10 million ticks).
    """

    def __init__(self, world: World, flows: Mapping[int, BookFlow]) -> None:
        self.flows = np.zeros(len(flows), FLOW)
        uniforms = normals = 0
        for row, (book, flow) in enumerate(flows.items()):
            record = _record(flow, symbol=world.instrument_symbols[book], tick_seconds=world.tick_seconds)
            record["book"], record["uniform_at"], record["normal_at"] = book, uniforms, normals
            self.flows[row] = record
            per_tick = int(record["most_limits"]) + int(record["most_markets"])
            uniforms += 5 + per_tick
            normals += per_tick
        self._resting = [round(flow.resting_orders) for flow in flows.values()]
        # The number of handles kept is a Poisson variable with this mean (executed ones stay until they are picked).
        room = max(_most(float(mean)) for mean in self._resting) + int(self.flows["most_limits"].max())
        self._own = np.zeros((len(flows), room), np.int64)
        self._uniforms = world.streams.stream(STREAM, width=uniforms)
        self._normals = world.streams.stream(f"{STREAM}.sizes", width=normals, kind="normal")
        # An order may be picked as stale and once more as one of all.
        self.most_messages = int((self.flows["most_limits"] + self.flows["most_markets"]).sum()) + 2 * self._own.size
        self._first = self._count = 0

    def fill_books(self, world: World) -> None:
        """Rest the mean number of orders on every book."""
        world.make_room(messages=sum(self._resting), events=0, losses=0)
        generator = world.streams.generator(STREAM)
        for row, count in enumerate(self._resting):
            uniforms, normals = generator.random(count), generator.standard_normal(count)
            fill_book(row, uniforms, normals, self.flows, self._own, world.assets, *world.books.arrays)

    def decide(self, world: World, inbox: Inbox) -> None:
        """Append this tick's cancellations, limit and market orders."""
        before, first = inbox.previous, inbox.count
        inbox.count = decide(
            inbox.messages, first, before.messages, before.handles, self._first, self._count, self.flows, self._own,
            self._uniforms.row(world.tick), self._normals.row(world.tick), world.books.orders, world.books.levels,
            world.instruments, world.assets,
        )  # fmt: skip
        self._first, self._count = first, inbox.count - first


def _most(mean: float) -> int:
    """Where a Poisson number is cut off."""
    return math.ceil(mean + 5.0 * math.sqrt(mean)) + 4


def _record(flow: BookFlow, *, symbol: str, tick_seconds: float) -> NDArray[np.void]:
    """FLOW[()]: rates per tick, distances as fractions."""
    # Only those that are not cancelled within the tick: resting depth does not depend on tick_seconds.
    limits = flow.resting_orders * (1.0 - math.exp(-flow.hazard * tick_seconds))
    markets = flow.market_rate * tick_seconds
    if max(limits, markets) > MOST_PER_TICK:
        raise InputError(
            f"agents.background: {max(limits, markets):,.0f} orders per tick on {symbol}, the most is "
            f"{MOST_PER_TICK:,.0f}; shorten tick_seconds, or send fewer and larger orders"
        )
    record = np.zeros((), FLOW)
    record["centre"] = {"fair": FROM_FAIR, "mid": FROM_MID, "opposite_best": FROM_OPPOSITE}[flow.measured_from]
    record["limits"], record["most_limits"] = limits, _most(limits)
    record["markets"], record["most_markets"] = markets, _most(markets)
    record["hazard"] = flow.hazard * tick_seconds
    record["stale_hazard"] = math.log(2.0) * tick_seconds / flow.stale_half_life_seconds
    record["scale"] = flow.median_distance_bps * 1e-4
    record["inverse_tail"] = 1.0 / flow.distance_tail
    record["cap_odds"] = (flow.largest_distance_bps / flow.median_distance_bps) ** flow.distance_tail
    for name, mean, sigma in (
        ("limit", flow.limit_size_usd, flow.limit_size_sigma),
        ("market", flow.market_size_usd, flow.market_size_sigma),
    ):
        record[f"{name}_mean_log"] = math.log(mean) - 0.5 * sigma**2
        record[f"{name}_sigma"] = sigma
    record["thinning"] = 100.0 * flow.thinning
    record["slow_weight"] = 1.0 - 0.5 ** (tick_seconds / flow.return_seconds)
    record["calming"] = 0.5 ** (tick_seconds / flow.recovery_seconds)
    return record
