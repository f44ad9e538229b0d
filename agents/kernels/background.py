"""Zero-intelligence flow: what the crowd sends to each book in a tick."""

from __future__ import annotations

import numpy as np

from agents.kernels.orders import poisson, put_cancel, put_order, rests, usd_per_tick
from market.kernels.book import rest
from market.kernels.jit import inline, kernel
from market.kernels.records import BUY, CLOSED, CROWD_ACCOUNT, LIMIT, MARKET, NONE, SELL, f8, i4, i8

FROM_FAIR, FROM_MID, FROM_OPPOSITE = range(3)

FLOW = np.dtype(
    [
        ("book", i4),
        ("centre", i4),  # where distances count from: FROM_FAIR, FROM_MID, FROM_OPPOSITE
        ("most_limits", i4),  # per tick
        ("most_markets", i4),
        ("uniform_at", i4),  # first column of its uniforms: five for counts and choices, one per order
        ("normal_at", i4),  # first column of its normals: one per order
        ("limits", f8),  # mean number per tick
        ("markets", f8),
        ("hazard", f8),  # of a resting order, per tick
        ("scale", f8),  # median distance if there were no cap, fraction of the price
        ("inverse_tail", f8),
        ("cap_odds", f8),  # odds of a distance below the cap
        ("limit_mean_log", f8),  # log USD
        ("limit_sigma", f8),
        ("market_mean_log", f8),
        ("market_sigma", f8),
        ("stale_hazard", f8),  # of an order on the wrong side of the reference, per tick
        ("thinning", f8),  # per unit of log return
        ("slow_weight", f8),  # weight of the newest price in the slow average
        ("calming", f8),  # share of stress that is left after a tick
        # state
        ("slow", f8),  # slow average of the log price; 0 before the first tick
        ("stress", f8),  # |log return| that the crowd remembers
        ("n_handles", i8),
    ]
)

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


@inline
def _hash(value):
    """SplitMix64: a 64-bit hash that spreads every input bit."""
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))


@inline
def _fair(instrument):
    """The price nearest to the reference at which somebody would trade: in a wide spread the middle is noise."""
    return float(max(instrument.best_bid, min(instrument.reference, instrument.best_ask)))


@inline
def _middle(instrument, centre):
    """Where the crowd believes the market to be, in ticks; the mark when a side is empty."""
    if instrument.best_bid == 0 or instrument.best_ask == instrument.n_levels - 1:
        return float(instrument.mark)
    if centre == FROM_FAIR:
        return _fair(instrument)
    return 0.5 * (instrument.best_bid + instrument.best_ask)


@inline
def _distance(uniform, scale, inverse_tail, cap_odds):
    """Log-logistic distance below the cap: F(d) = 1 / (1 + (d / scale) ** -tail), cut off where F's odds are the cap's.

    Its density has a hump at a few bps and a power-law tail, as measured books do.
    """
    probability = uniform * cap_odds / (1.0 + cap_odds)
    return scale * (probability / (1.0 - probability)) ** inverse_tail


@inline
def _price(side, distance, centre, instrument, middle):
    """Valid price in ticks at a relative distance, never through the point it counts from."""
    start = middle
    if centre == FROM_OPPOSITE and side == BUY and instrument.best_ask < instrument.n_levels - 1:
        start = float(instrument.best_ask)
    elif centre == FROM_OPPOSITE and side == SELL and instrument.best_bid > 0:
        start = float(instrument.best_bid)
    if side == BUY:
        price = int(np.ceil(start * (1.0 - distance))) - 1
    else:
        price = int(np.floor(start * (1.0 + distance))) + 1
    return min(max(price, 1), instrument.n_levels - 2)


@inline
def _lots(normal, mean_log, sigma, usd_per_lot):
    """Lognormal size in whole lots, at least one."""
    return max(1, int(np.exp(mean_log + sigma * normal) / usd_per_lot + 0.5))


@kernel
def collect(messages, handles, first, count, flows, own):
    """Note the handles of last tick's orders that came to rest."""
    for row in range(first, first + count):
        if handles[row] > 0:
            flow = flows[messages[row].tag]
            if flow.n_handles < own.shape[1]:
                own[messages[row].tag, flow.n_handles] = handles[row]
                flow.n_handles += 1


@inline
def _remember(flow, instrument):
    """Follow the price; return the factor by which orders come slower and go faster."""
    now = np.log(_fair(instrument))
    if flow.slow == 0.0:
        flow.slow = now
    flow.stress = max(abs(now - flow.slow), flow.stress * flow.calming)
    flow.slow += flow.slow_weight * (now - flow.slow)
    return 1.0 + flow.thinning * flow.stress


@inline
def _uniform(seed, k):
    """The k-th number in [0, 1) that a seed stands for."""
    return np.int64(_hash(seed + np.uint64(k + 1) * _GOLDEN) >> np.uint64(11)) * 1.1102230246251565e-16


@kernel
def _cancel_some(messages, n, at, factor, uniform, flows, own, orders):
    """Cancel at the hazard every order has: a Poisson number of handles, chosen uniformly."""
    flow = flows[at]
    leaving = 1.0 - np.exp(-flow.hazard * factor)
    cancels = poisson(uniform, flow.n_handles * leaving, flow.n_handles)
    seed = np.uint64(uniform * 9007199254740992.0)
    for k in range(cancels):
        chosen = int(_uniform(seed, k) * flow.n_handles)
        handle = own[at, chosen]
        flow.n_handles -= 1
        own[at, chosen] = own[at, flow.n_handles]
        if rests(handle, orders):
            n = put_cancel(messages, n, flow.book, handle, CROWD_ACCOUNT)
    return n


@kernel
def _cancel_stale(messages, n, flow, side, uniform, orders, levels, instruments):
    """Cancel, with some probability each, the crowd's orders on one side that lie through the reference price."""
    instrument = instruments[flow.book]
    price = instrument.best_bid if side == BUY else instrument.best_ask
    step = -1 if side == BUY else 1
    leaving = 1.0 - np.exp(-flow.stale_hazard)
    seed = np.uint64(uniform * 9007199254740992.0)
    if price == 0 or price == instrument.n_levels - 1:
        return n
    seen = 0
    while (instrument.reference - price) * step > 0:
        slot = levels[instrument.level_base + price].head
        while slot != NONE:
            order = orders[slot]
            if order.account == CROWD_ACCOUNT:
                if _uniform(seed, seen) < leaving:
                    n = put_cancel(messages, n, flow.book, order.handle, CROWD_ACCOUNT)
                seen += 1
            slot = order.next
        price += step
    return n


@kernel
def decide(
    messages,
    n,
    sent,
    sent_handles,
    first,
    count,
    flows,
    own,
    uniforms,
    normals,
    orders,
    levels,
    instruments,
    assets,
):
    """Append each book's cancellations, limit and market orders of a tick; return the messages now in use.

    `sent`, `sent_handles`, `first`, `count`: last tick's messages and their handles. `own[flow]` holds the handles of
    the flow's orders; those that have traded stay in it until a cancellation picks them, so every order that does rest
    is cancelled at the same hazard.
    """
    collect(sent, sent_handles, first, count, flows, own)
    for at in range(flows.shape[0]):
        flow = flows[at]
        book = flow.book
        instrument = instruments[book]
        if instrument.halted == CLOSED:
            continue
        middle = _middle(instrument, flow.centre)
        factor = _remember(flow, instrument)
        draw = flow.uniform_at

        n = _cancel_some(messages, n, at, factor, uniforms[draw], flows, own, orders)
        n = _cancel_stale(messages, n, flow, BUY, uniforms[draw + 1], orders, levels, instruments)
        n = _cancel_stale(messages, n, flow, SELL, uniforms[draw + 2], orders, levels, instruments)

        unit = max(usd_per_tick(instrument, assets) * middle, 1e-300)
        limits = poisson(uniforms[draw + 3], flow.limits / factor, flow.most_limits)
        for k in range(limits):
            uniform = 2.0 * uniforms[draw + 5 + k]
            side = BUY if uniform < 1.0 else SELL
            distance = _distance(uniform - side, flow.scale, flow.inverse_tail, flow.cap_odds)
            price = _price(side, distance, flow.centre, instrument, middle)
            lots = _lots(normals[flow.normal_at + k], flow.limit_mean_log, flow.limit_sigma, unit)
            n = put_order(messages, n, LIMIT, book, side, price, lots, CROWD_ACCOUNT, 0, at)

        draw += 5 + flow.most_limits
        markets = poisson(uniforms[flow.uniform_at + 4], flow.markets, flow.most_markets)
        for k in range(markets):
            side = BUY if uniforms[draw + k] < 0.5 else SELL
            normal = normals[flow.normal_at + flow.most_limits + k]
            lots = _lots(normal, flow.market_mean_log, flow.market_sigma, unit)
            n = put_order(messages, n, MARKET, book, side, 0, lots, CROWD_ACCOUNT, 0, at)
    return n


@kernel
def fill_book(
    at,
    uniforms,
    normals,
    flows,
    own,
    assets,
    orders,
    free,
    levels,
    occupied,
    instruments,
    counters,
    positions,
    accounts,
):
    """Rest as many orders as there are draws around the mark, as if the flow had gone on for ever."""
    flow = flows[at]
    instrument = instruments[flow.book]
    middle = float(instrument.mark)
    unit = usd_per_tick(instrument, assets) * middle
    for k in range(uniforms.shape[0]):
        uniform = 2.0 * uniforms[k]
        side = BUY if uniform < 1.0 else SELL
        distance = _distance(uniform - side, flow.scale, flow.inverse_tail, flow.cap_odds)
        price = _price(side, distance, FROM_MID, instrument, middle)
        lots = _lots(normals[k], flow.limit_mean_log, flow.limit_sigma, unit)
        handle = rest(
            flow.book,
            side,
            price,
            lots,
            CROWD_ACCOUNT,
            at,
            orders,
            free,
            levels,
            occupied,
            instruments,
            counters,
            positions,
            accounts,
        )
        own[at, flow.n_handles] = handle
        flow.n_handles += 1
