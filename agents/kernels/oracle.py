"""Oracles: what their sources say, what it comes to, and when a new price is published."""

from __future__ import annotations

import numpy as np

from agents.kernels.aggregation import MEDIAN, aggregate, confidence
from market.kernels.jit import kernel
from market.kernels.marks import book_price
from market.kernels.records import NONE, PPM
from market.kernels.rules.deviation import deviates

REFERENCE_SOURCE, VENUE_SOURCE, POOL_SOURCE = 0, 1, 2
"""What a source reads: the outside world's price, this venue's own book, or one of its pools."""

OUTAGE, STALE, BAD_PRINT, WICK = range(4)
"""Kinds of fault."""

SOURCE = np.dtype(
    [
        ("asset", "<i4"),
        ("kind", "<i4"),
        ("latency", "<i4"),  # ticks
        ("book", "<i4"),  # instrument a VENUE_SOURCE reads
        ("noise", "<f8"),  # relative standard deviation
        ("weight", "<f8"),
        ("confidence", "<f8"),  # half-width of the interval it states, relative
        ("value", "<f8"),  # what it says now, USD ticks of the asset; 0 when it says nothing
        ("pool_price", "<f8"),  # what the pool of a POOL_SOURCE says at this moment, likewise
    ]
)

FEED = np.dtype(
    [
        ("asset", "<i4"),
        ("first", "<i4"),  # rows of its sources
        ("n_sources", "<i4"),
        ("heartbeat", "<i4"),  # ticks
        ("latency", "<i4"),  # ticks from decision to publication
        ("sent_tick", "<i4"),  # when a price was last sent off
        ("in_blocks", "<i4"),  # 1: a price that is due still needs block space
        ("aggregation", "<i4"),  # MEDIAN ... VOTES (agents/kernels/aggregation.py)
        ("due", "<i8"),  # such a price, USD ticks of the asset; 0: none
        ("due_band", "<i8"),  # half-width of the interval that goes with it, ppm of the price
        ("deviation", "<f8"),  # relative
        ("sent", "<f8"),  # the price sent off last
        ("outlier", "<f8"),  # OUTLIER_MEAN: relative distance from the median
        ("widest", "<f8"),  # relative: prices of less confidence are not sent off; 0: all are
        ("withheld", "<i8"),  # ticks in which that kept back a price
    ]
)

FAULT = np.dtype(
    [
        ("first", "<i4"),  # sources it hits
        ("last", "<i4"),
        ("kind", "<i4"),
        ("start", "<i4"),  # ticks, start <= tick < end
        ("end", "<i4"),
        ("unused", "<i4"),
        ("factor", "<f8"),
    ]
)


@kernel
def _observe(source, assets, instruments):
    """What the source's market says at this moment, in USD ticks of the asset."""
    if source.kind == POOL_SOURCE:
        return source.pool_price
    asset = assets[source.asset]
    if source.kind == REFERENCE_SOURCE or source.book == NONE:
        return float(asset.reference)
    instrument = instruments[source.book]
    quote = assets[instrument.quote]
    return book_price(instrument) * instrument.tick_size * quote.price * quote.price_tick / asset.price_tick


@kernel
def _read_sources(tick, noise, sources, faults, history, assets, instruments):
    """Set every source's value: its market `latency` ticks ago, with noise, then the faults in force."""
    slots = history.shape[1]
    for row in range(sources.shape[0]):
        source = sources[row]
        history[row, tick % slots] = _observe(source, assets, instruments)
        before = source.value
        seen = history[row, max(tick - source.latency, 0) % slots]
        source.value = seen * max(1.0 + source.noise * noise[row], 0.0)
        for fault in faults:
            if row < fault.first or row > fault.last or tick < fault.start or tick >= fault.end:
                continue
            if fault.kind == OUTAGE:
                source.value = 0.0
            elif fault.kind == STALE:
                source.value = before
            elif fault.kind == BAD_PRINT:
                source.value *= fault.factor
            else:
                # A tent over the window: nothing at its edges, the whole factor in its middle.
                progress = (tick + 0.5 - fault.start) / (fault.end - fault.start)
                source.value *= 1.0 + (fault.factor - 1.0) * (1.0 - abs(2.0 * progress - 1.0))


@kernel
def _median(sources, first, n, sorted_values):
    """Median of the sources that say something, the mean of the middle two if they are even in number; 0 for none."""
    live = 0
    for row in range(first, first + n):
        value = sources[row].value
        if value <= 0.0:
            continue
        place = live
        while place > 0 and sorted_values[place - 1] > value:
            sorted_values[place] = sorted_values[place - 1]
            place -= 1
        sorted_values[place] = value
        live += 1
    if live == 0:
        return 0.0
    return 0.5 * (sorted_values[(live - 1) // 2] + sorted_values[live // 2])


@kernel
def _price(feed, sources, votes):
    """What the sources of a feed come to; 0 when they say nothing, or are too far apart to be believed."""
    if feed.aggregation == MEDIAN:
        price = _median(sources, feed.first, feed.n_sources, votes[0])
    else:
        price = aggregate(feed, sources, votes)
    if feed.widest > 0.0 and price > 0.0 and confidence(price, feed, sources, votes) > feed.widest:
        feed.withheld += 1
        return 0.0
    return price


@kernel
def band(price, feed, sources, votes):
    """How far the sources' votes are from a price, ppm of it, rounded up."""
    return int(np.ceil(confidence(price, feed, sources, votes) * PPM - 1e-6))


@kernel
def publish(tick, noise, feeds, sources, faults, history, pending, votes, assets, instruments):
    """Read all sources, send off new prices where a deviation or heartbeat calls for it, publish those that are due.

    `history` float64[n_sources, slots] holds what each source's market said, `pending` float64[n_feeds, slots, 2] the
    prices on their way by the tick they are due at (0: none), and how wide the sources' votes are around them; both
    are rings over ticks. `votes` float64[2, 3 x most sources] is working space.
    """
    _read_sources(tick, noise, sources, faults, history, assets, instruments)
    slots = pending.shape[1]
    for row in range(feeds.shape[0]):
        feed = feeds[row]
        price = _price(feed, sources, votes)
        if price > 0.0 and (tick - feed.sent_tick >= feed.heartbeat or deviates(price, feed.sent, feed.deviation)):
            feed.sent = price
            feed.sent_tick = tick
            pending[row, (tick + feed.latency) % slots, 0] = price
            pending[row, (tick + feed.latency) % slots, 1] = band(price, feed, sources, votes)
        due = pending[row, tick % slots, 0]
        if due > 0.0:
            pending[row, tick % slots, 0] = 0.0
            wide = int(pending[row, tick % slots, 1])
            if feed.in_blocks:
                feed.due = max(1, int(np.floor(due + 0.5)))
                feed.due_band = wide
            else:
                assets[feed.asset].price = max(1, int(np.floor(due + 0.5)))
                assets[feed.asset].confidence = wide
