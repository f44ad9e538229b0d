"""Market makers: one pass over all makers of all books, each an Avellaneda-Stoikov ladder that can leave."""

from __future__ import annotations

import numpy as np

from agents.kernels.orders import put_cancel, put_order, rests, slot_of, usd_per_tick
from agents.kernels.references import reference_seen, remember_references
from market.kernels.jit import inline, kernel
from market.kernels.margin import maintenance_of, requirement_of, unrealised
from market.kernels.records import BUY, INITIAL, LIMIT, POST_ONLY, SELL, SPOT, f8, i4, i8

MAKER = np.dtype(
    [
        ("account", i4),
        ("book", i4),
        ("latency", i4),  # ticks
        ("levels", i4),  # per side
        ("cooloff", i4),  # ticks
        ("away_until", i4),  # state: tick of return
        ("pace", i4),  # ticks between two looks
        ("unused", i4),
        ("initial_base", i8),  # spot: base quanta it started with and calls no inventory
        ("risk_aversion", f8),  # 1/bps per unit of inventory; one unit is one side of its ladder
        ("anticipates", i8),  # 1: quotes through the other side as it stands
        ("decay", f8),  # 1/bps: fills fall like exp(-decay x distance)
        ("horizon", f8),  # s
        ("narrowest", f8),  # bounds on the half-spread, bps
        ("widest", f8),
        ("reference_weight", f8),  # of the reference in its fair price; the rest is the book's middle
        ("trusted_spread", f8),  # bps: the middle of a wider spread counts less
        ("spacing", f8),  # bps from the first to the second level
        ("spacing_growth", f8),
        ("ladder", f8),  # USD on one side per USD of equity
        ("inventory_limit", f8),  # USD of inventory per USD of equity
        ("calm", f8),  # bps per sqrt(s): no smaller size below this volatility
        ("elasticity", f8),  # size falls like (calm / volatility) ** elasticity
        ("memory", f8),  # weight of the newest squared return
        ("volatility_limit", f8),  # bps per sqrt(s)
        ("drawdown_limit", f8),  # share of its peak equity
        ("margin_limit", f8),  # maintenance margin as a share of equity
        ("tolerance", f8),  # bps that an order may be off before it is moved
        ("tolerance_growth", f8),  # more per bps of distance from the best level
        ("resize", f8),  # share by which an order's size may be off
        ("least_equity", f8),  # USD, below it never comes back
        # state
        ("variance", f8),  # bps^2 per s
        ("last_fair", f8),  # ticks, 0 before the first
        ("peak", f8),  # USD, highest equity since it last came in
        ("size_factor", f8),  # share of its full size that it last quoted; 0 while away
    ]
)


@kernel
def reservation_and_half_spread(price, inventory, risk_aversion, variance_left, decay):
    """Avellaneda and Stoikov (2008), eqs. 3.17 and 3.18: `variance_left` is sigma^2 (T - t).

    Without risk aversion the half-spread is its limit 1 / decay.
    """
    reservation = price - inventory * risk_aversion * variance_left
    if risk_aversion == 0.0:
        return reservation, 1.0 / decay
    return reservation, 0.5 * risk_aversion * variance_left + np.log(1.0 + risk_aversion / decay) / risk_aversion


@inline
def _put_away(n, messages, at, makers, handles, orders):
    """Cancel whatever of the maker's orders rests."""
    maker = makers[at]
    maker.size_factor = 0.0
    for k in range(2 * maker.levels):
        if rests(handles[at, k], orders):
            n = put_cancel(messages, n, maker.book, handles[at, k], maker.account)
        handles[at, k] = 0
    return n


@kernel
def _fair_price(maker, tick, dt, instrument, ring, known):
    """Fair price in ticks, from the reference it sees and the book; its volatility estimate follows."""
    seen = float(reference_seen(tick, maker.latency, maker.book, ring, known))
    fair = seen
    if instrument.best_bid > 0 and instrument.best_ask < instrument.n_levels - 1:
        middle = 0.5 * (instrument.best_bid + instrument.best_ask)
        spread = (instrument.best_ask - instrument.best_bid) * 1e4 / middle
        trust = (1.0 - maker.reference_weight) * min(1.0, maker.trusted_spread / spread)
        fair = seen + trust * (middle - seen)
    if maker.last_fair > 0.0:
        move = 1e4 * np.log(fair / maker.last_fair)
        maker.variance += maker.memory * (move * move / dt - maker.variance)
    maker.last_fair = fair
    return fair


@kernel
def _standing(maker, fair, unit, instruments, assets, margin, positions, cash):
    """(inventory in lots, equity in USD, maintenance and initial margin of the position as shares of equity)."""
    book = maker.book
    account = maker.account
    instrument = instruments[book]
    quote = assets[instrument.quote]
    usd = quote.reference * quote.multiplier / quote.divisor * 1e-6
    if instrument.kind == SPOT:
        lots = (cash[account, instrument.base] - maker.initial_base) / instrument.lot_quanta
        return lots, cash[account, instrument.quote] * usd + lots * fair * unit, 0.0, 0.0
    held = positions[account, book].lots
    equity = (cash[account, instrument.quote] + unrealised(account, book, instruments, positions)) * usd
    if held == 0 or equity <= 0.0:
        return float(held), equity, 0.0, 0.0
    maintenance = maintenance_of(account, instruments, assets, margin, positions, cash) * 1e-6
    initial = requirement_of(book, held, INITIAL, instruments, assets, margin[1]) * 1e-6
    return float(held), equity, maintenance / equity, initial / equity


@kernel
def _size_factor(maker, equity, initial):
    """Share of its full size: falls with volatility, drawdown and the margin already in use."""
    volatility = np.sqrt(maker.variance)
    factor = 1.0
    if volatility > maker.calm:
        factor = (maker.calm / volatility) ** maker.elasticity
    drawdown = 1.0 - equity / maker.peak
    return factor * max(0.0, 1.0 - drawdown / maker.drawdown_limit) * max(0.0, 1.0 - initial)


@kernel
def _stays_out(maker, tick, equity, maintenance):
    """Whether the maker is away; crossing a limit sends it away for its cool-off, and it may come back smaller."""
    if equity < maker.least_equity:
        return True
    turbulent = maker.variance > maker.volatility_limit * maker.volatility_limit
    if tick < maker.away_until:
        return True
    if maker.away_until > 0 and not turbulent:
        maker.peak = equity
        maker.away_until = 0
    maker.peak = max(maker.peak, equity)
    beaten = equity < (1.0 - maker.drawdown_limit) * maker.peak
    if turbulent or beaten or maintenance > maker.margin_limit:
        maker.away_until = tick + maker.cooloff
        return True
    return False


@kernel
def _affordable(maker, side, fair, instrument, cash):
    """Lots that a spot maker's balance covers on one side; perpetuals are bounded by margin instead."""
    if instrument.kind != SPOT:
        return 1e18
    if side == SELL:
        return float(cash[maker.account, instrument.base] // instrument.lot_quanta)
    return 0.99 * cash[maker.account, instrument.quote] / (fair * instrument.tick_value)


@inline
def _quote_side(n, messages, at, side, fair, lots_full, makers, handles, orders, instruments, centre, half):
    """Move, place or take away the orders of one side; return the next free row."""
    maker = makers[at]
    instrument = instruments[maker.book]
    sign = 1.0 - 2.0 * side
    offset = 0.0
    step = maker.spacing
    for level in range(maker.levels):
        place = side * maker.levels + level
        wanted = fair * (1.0 + 1e-4 * (centre - sign * (half + offset)))
        price = int(np.floor(wanted)) if side == BUY else int(np.ceil(wanted))
        # Never through the other side as it stands: it would pay the taker's fee to earn a fraction of it. Who
        # anticipates that cancels go first leaves that to POST_ONLY.
        if maker.anticipates == 0:
            price = min(price, instrument.best_ask - 1) if side == BUY else max(price, instrument.best_bid + 1)
        price = min(max(price, 1), instrument.n_levels - 2)
        lots = int(lots_full / maker.levels)
        handle = handles[at, place]
        keep = False
        if rests(handle, orders):
            order = orders[slot_of(handle)]
            off = abs(order.price - price) * 1e4 / fair
            near = off <= maker.tolerance + maker.tolerance_growth * offset
            keep = lots > 0 and near and abs(order.lots - lots) <= maker.resize * lots
            if not keep:
                n = put_cancel(messages, n, maker.book, handle, maker.account)
        if not keep:
            handles[at, place] = 0
            if lots > 0:
                tag = at * handles.shape[1] + place
                n = put_order(messages, n, LIMIT, maker.book, side, price, lots, maker.account, POST_ONLY, tag)
        offset += step
        step *= maker.spacing_growth
    return n


@kernel
def decide(
    messages,
    n,
    sent,
    sent_handles,
    first,
    count,
    makers,
    handles,
    ring,
    known,
    tick,
    dt,
    orders,
    instruments,
    assets,
    margin,
    positions,
    cash,
    accounts,
):
    """Append cancellations and new orders of the makers that look now; return (messages in use, known rows of `ring`).

    `handles[maker, side x levels + level]` int64 holds what it believes to rest; `ring` int64[ticks, n_instruments]
    past references, of which `known` rows are filled.
    """
    known = remember_references(tick, instruments, ring, known)
    for row in range(first, first + count):
        if sent[row].op == LIMIT:
            tag = sent[row].tag
            handles[tag // handles.shape[1], tag % handles.shape[1]] = sent_handles[row]
    for at in range(makers.shape[0]):
        maker = makers[at]
        if tick % maker.pace != 0:
            continue
        instrument = instruments[maker.book]
        fair = _fair_price(maker, tick, dt * maker.pace, instrument, ring, known)
        unit = usd_per_tick(instrument, assets)
        lots, equity, maintenance, initial = _standing(maker, fair, unit, instruments, assets, margin, positions, cash)
        claimed = accounts[maker.account].claim != 0
        if claimed:
            maker.away_until = tick + maker.cooloff
        if _stays_out(maker, tick, equity, maintenance) or claimed:
            n = _put_away(n, messages, at, makers, handles, orders)
            continue
        factor = _size_factor(maker, equity, initial)
        maker.size_factor = factor
        side_lots = equity * maker.ladder / (fair * unit)
        most_lots = equity * maker.inventory_limit / (fair * unit)
        centre, half = reservation_and_half_spread(
            0.0, lots / side_lots, maker.risk_aversion, maker.variance * maker.horizon, maker.decay
        )
        centre = min(max(centre, -maker.widest), maker.widest)
        half = min(max(half, maker.narrowest), maker.widest)
        for side in range(2):
            signed = lots * (1.0 - 2.0 * side)
            room = 1.0 - max(signed, 0.0) / most_lots
            wanted = min(side_lots * factor * max(room, 0.0), _affordable(maker, side, fair, instrument, cash))
            n = _quote_side(n, messages, at, side, fair, wanted, makers, handles, orders, instruments, centre, half)
    return n, known
