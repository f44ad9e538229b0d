"""Oracles: they read sources, aggregate them, and publish the prices at which the venue values assets.

A price is sent off when the aggregate has moved by the deviation threshold since the last one sent, or when the
heartbeat is over, and stands `latency_seconds` later (Chainlink's rule). Sources read the outside world or this venue's
own books and pools, late and with noise, and can fail on schedule.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from agents.kernels.aggregation import MEDIAN, OUTLIER_MEAN, VOTES, WEIGHTED_MEDIAN
from agents.kernels.oracle import (
    BAD_PRINT,
    FAULT,
    FEED,
    OUTAGE,
    POOL_SOURCE,
    REFERENCE_SOURCE,
    SOURCE,
    STALE,
    VENUE_SOURCE,
    WICK,
    band,
    publish,
)
from agents.pool_source import PoolSources
from market.errors import InputError
from market.instruments import Asset, Instrument
from market.kernels.records import NONE
from market.parameters import Bps, Count, Positive, PositiveSeconds, Seconds, parameters
from market.world import World

_NEVER = 1 << 30
_SOURCE_KINDS = {"reference": REFERENCE_SOURCE, "venue": VENUE_SOURCE, "pool": POOL_SOURCE}
_FAULT_KINDS = {"outage": OUTAGE, "stale": STALE, "bad_print": BAD_PRINT, "wick": WICK}


@parameters
class OracleSource:
    """One market that an oracle reads."""

    kind: Literal["reference", "venue", "pool"] = "reference"
    """The outside world's price, the middle of this venue's own book (spot if there is one, else the perpetual), or the
    price in one of its pools."""
    latency_seconds: Seconds = 1.0
    """Age of what it says."""
    noise_bps: Bps = 1.0
    """Standard deviation of its error, drawn anew every tick."""
    weight: Positive = 1.0
    """Its weight, where the aggregation has weights."""
    confidence_bps: Bps = 5.0
    """Half-width of the interval in which it says the price lies."""
    pool: str | None = None
    """Pool: which one; it must trade the asset."""
    window_seconds: Seconds = 0.0
    """Pool: the average over so long, arithmetic for a constant product (Uniswap v2), geometric where liquidity is
    concentrated (v3); 0: the price of the moment."""

    def __post_init__(self) -> None:
        if (self.kind == "pool") != (self.pool is not None):
            raise ValueError('pool: a source of kind "pool" names a pool, and no other does')


@parameters
class MedianOf:
    """The middle answer, or the mean of the middle two (Chainlink)."""

    kind: Literal["median"] = "median"
    """Name of the rule."""
    code = MEDIAN
    outlier_bps = 0.0


@parameters
class WeightedMedian:
    """The answer in the middle of the sources' weights (Hyperliquid's validators)."""

    kind: Literal["weighted_median"] = "weighted_median"
    """Name of the rule."""
    code = WEIGHTED_MEDIAN
    outlier_bps = 0.0


@parameters
class OutlierMean:
    """Weighted mean without a source that is far from the median; the median when several are (Binance's index)."""

    kind: Literal["outlier_mean"] = "outlier_mean"
    """Name of the rule."""
    outlier_bps: Bps = 500.0
    """How far is far."""
    code = OUTLIER_MEAN


@parameters
class Votes:
    """Every source votes for its price and for both ends of its confidence interval; the median vote wins (Pyth)."""

    kind: Literal["votes"] = "votes"
    """Name of the rule."""
    code = VOTES
    outlier_bps = 0.0


Aggregation = Annotated[MedianOf | WeightedMedian | OutlierMean | Votes, Field(discriminator="kind")]


@parameters
class OracleFeed:
    """How the price of one asset is made."""

    sources: tuple[OracleSource, ...] = (
        OracleSource(latency_seconds=1.0),
        OracleSource(latency_seconds=1.0),
        OracleSource(latency_seconds=2.0, noise_bps=2.0),
    )
    """Markets it reads; those that answer count."""
    aggregation: Aggregation = MedianOf()
    """How their answers become one price."""
    widest_confidence_bps: Bps | None = None
    """A price is withheld when a quartile of all sources' votes is further away from it; never when left out."""
    deviation_bps: Bps = 10.0
    """A price is sent off when it differs so much from the one sent before."""
    heartbeat_seconds: PositiveSeconds = 60.0
    """A price is sent off at least so often."""
    latency_seconds: Seconds = 1.0
    """From sending off to publication."""


@parameters
class OracleFault:
    """Something that goes wrong with sources, at a set time."""

    asset: str
    """Asset whose sources fail."""
    kind: Literal["outage", "stale", "bad_print", "wick"]
    """No answer; the last answer repeated; the answer times `factor`; a tent that rises to `factor` and falls back."""
    start_seconds: Seconds
    """First moment, from the start of the run."""
    end_seconds: PositiveSeconds
    """Moment at which it is over."""
    source: Count | None = None
    """Which source, counted from 0; all of them when left out."""
    factor: Positive = 1.0
    """Multiple of the true price that a bad print or the top of a wick shows."""

    def __post_init__(self) -> None:
        if self.end_seconds <= self.start_seconds:
            raise ValueError(f"ends at {self.end_seconds:g} s, not after its start at {self.start_seconds:g} s")


@parameters
class Oracles:
    """The venue's oracles, one feed for each asset that is not valued at a constant."""

    feed: OracleFeed = OracleFeed()
    """How prices are made."""
    feeds: dict[str, OracleFeed] = field(default_factory=dict)
    """Assets whose price is made differently; what is left out there has a feed's own default."""
    faults: tuple[OracleFault, ...] = ()
    """What goes wrong, and when."""

    def accounts_needed(self, *, instruments: Mapping[str, Instrument]) -> int:
        """None: oracles own nothing."""
        del instruments
        return 0

    def join(self, world: World, *, assets: Mapping[str, Asset], instruments: Mapping[str, Instrument]) -> OracleCohort:
        """The running oracles. InputError for a feed or fault of an unknown asset or source."""
        del instruments
        for name in [*self.feeds, *(fault.asset for fault in self.faults)]:
            if name not in assets:
                raise InputError(f"agents.oracles: no asset {name!r}; assets are {', '.join(assets)}")
        return OracleCohort(self, world)


class OracleCohort:
    """All feeds of a run; publishes into `world.assets["price"]`."""

    def __init__(self, parameters: Oracles, world: World) -> None:
        moving = [symbol for row, symbol in enumerate(world.asset_symbols) if not world.assets["fixed"][row]]
        choices = {symbol: parameters.feeds.get(symbol, parameters.feed) for symbol in moving}
        self.feeds = np.zeros(len(choices), FEED)
        """FEED[number of assets that are not fixed]"""
        self.sources = np.concatenate([_sources(feed, world, symbol) for symbol, feed in choices.items()] or [_none()])
        """SOURCE[number of sources], feed by feed"""
        first = 0
        for record, (symbol, feed) in zip(self.feeds, choices.items(), strict=True):
            row = world.asset(symbol)
            record["asset"], record["first"], record["n_sources"] = row, first, len(feed.sources)
            _write_pace(record, feed, world)
            record["in_blocks"] = world.congestion is not None
            record["aggregation"] = feed.aggregation.code
            record["outlier"] = feed.aggregation.outlier_bps / 10_000
            record["widest"] = 0.0 if feed.widest_confidence_bps is None else feed.widest_confidence_bps / 10_000
            record["sent"], record["sent_tick"] = world.assets["price"][row], world.tick
            first += len(feed.sources)
        self._pools = PoolSources(
            world, {row: source for row, source in enumerate(_all_sources(choices)) if source.kind == "pool"},
            self.sources,
        )  # fmt: skip
        self._noise = world.streams.stream("oracles", width=len(self.sources), kind="normal")
        reach = 1 + int(self.sources["latency"].max(initial=0))
        starting = self.sources["value"].copy()
        waiting = 1 + int(self.feeds["latency"].max(initial=0))
        self._votes = np.zeros((2, 3 * int(self.feeds["n_sources"].max(initial=0))))
        self._state = (
            self.feeds,
            self.sources,
            _faults(parameters.faults, self.feeds, world),
            np.repeat(starting[:, None], reach, axis=1),
            np.zeros((len(self.feeds), waiting, 2)),
            self._votes,
            world.assets,
            world.instruments,
        )

    def publish(self, world: World) -> None:
        """Read all sources and publish the prices that are due, where block space is shared through the next block."""
        self._pools.read(world, self.sources)
        publish(world.tick, self._noise.row(world.tick), *self._state)
        if world.congestion is not None:
            due = self.feeds["due"] > 0
            world.congestion.post(self.feeds["asset"][due], self.feeds["due"][due], self.feeds["due_band"][due])
            self.feeds["due"] = 0

    def retune(self, parameters: Oracles, world: World) -> None:
        """Send prices off by other deviations, heartbeats and latencies from now on; sources stay as they are.

        A price on its way comes no later than one sent now would.
        """
        before = self.feeds["latency"].copy()
        for record in self.feeds:
            symbol = world.asset_symbols[int(record["asset"])]
            _write_pace(record, parameters.feeds.get(symbol, parameters.feed), world)
        if (self.feeds["latency"] == before).all():
            return
        pending = self._state[4]
        moved = np.zeros((len(self.feeds), 1 + int(self.feeds["latency"].max(initial=0)), 2))
        for row, latency in enumerate(self.feeds["latency"].tolist()):
            for due in range(world.tick, world.tick + pending.shape[1] - 1):
                if pending[row, due % pending.shape[1], 0] > 0.0:
                    moved[row, min(due, world.tick + latency) % moved.shape[1]] = pending[row, due % pending.shape[1]]
        self._state = (*self._state[:4], moved, *self._state[5:])

    def fail(self, faults: tuple[OracleFault, ...], world: World) -> None:
        """Have more faults. Raises InputError for an asset that is valued at a constant, or a source there is none."""
        more = np.concatenate([self._state[2], _faults(faults, self.feeds, world)])
        self._state = (*self._state[:2], more, *self._state[3:])

    def show_confidence(self, world: World) -> None:
        """Let the venue see how wide the sources' votes are as they stand, as if a price had just been published."""
        for feed in self.feeds:
            price = float(world.assets["price"][feed["asset"]])
            world.assets["confidence"][feed["asset"]] = band(price, feed, self.sources, self._votes)

    def costs(self, world: World) -> dict[str, float]:
        """Time in which prices were withheld because sources were too far apart; empty when none ever would be."""
        if not self.feeds["widest"].any():
            return {}
        return {"oracle_withheld_feed_seconds": float(self.feeds["withheld"].sum() * world.tick_seconds)}


def _write_pace(record: np.void, feed: OracleFeed, world: World) -> None:
    """When prices of a feed are sent off, and when they stand."""
    record["heartbeat"] = max(1, min(world.ticks(feed.heartbeat_seconds), _NEVER))
    record["latency"] = world.ticks(feed.latency_seconds)
    record["deviation"] = feed.deviation_bps / 10_000


def _all_sources(feeds: Mapping[str, OracleFeed]) -> list[OracleSource]:
    return [source for feed in feeds.values() for source in feed.sources]


def _none() -> NDArray[np.void]:
    return np.zeros(0, SOURCE)


def _sources(feed: OracleFeed, world: World, symbol: str) -> NDArray[np.void]:
    """SOURCE[n] of one feed; before anything was heard a source says the starting price."""
    asset = world.asset(symbol)
    books = np.flatnonzero(world.instruments["base"] == asset)
    book = int(world.assets["spot_book"][asset])
    if book == NONE and len(books):
        book = int(books[0])
    records = np.zeros(len(feed.sources), SOURCE)
    for record, source in zip(records, feed.sources, strict=True):
        if source.kind == "venue" and book == NONE:
            raise InputError(
                f"agents.oracles: {symbol} has a source on this venue, but nothing with base {symbol} trades here"
            )
        record["asset"] = asset
        record["kind"] = _SOURCE_KINDS[source.kind]
        record["latency"] = world.ticks(source.latency_seconds)
        record["book"] = book
        record["noise"] = source.noise_bps / 10_000
        record["weight"] = source.weight
        record["confidence"] = source.confidence_bps / 10_000
        record["value"] = world.assets["reference"][asset]
    return records


def _faults(faults: tuple[OracleFault, ...], feeds: NDArray[np.void], world: World) -> NDArray[np.void]:
    """FAULT[n], in the order of the list: several in force at once act one after the other."""
    records = np.zeros(len(faults), FAULT)
    for number, (record, fault) in enumerate(zip(records, faults, strict=True)):
        place = f"agents.oracles.faults[{number}]"
        feed = feeds[feeds["asset"] == world.asset(fault.asset)]
        if len(feed) == 0:
            raise InputError(f"{place}: {fault.asset} is valued at a constant; it has no sources")
        n_sources, first = int(feed["n_sources"][0]), int(feed["first"][0])
        if fault.source is not None and fault.source >= n_sources:
            raise InputError(f"{place}: no source {fault.source}; {fault.asset} has 0 to {n_sources - 1}")
        record["first"] = first + (fault.source or 0)
        record["last"] = first + (n_sources - 1 if fault.source is None else fault.source)
        record["kind"] = _FAULT_KINDS[fault.kind]
        record["start"], record["end"] = world.ticks(fault.start_seconds), world.ticks(fault.end_seconds)
        record["factor"] = fault.factor
    return records
