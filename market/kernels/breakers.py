"""Circuit breakers: when they trip, which messages they let through, which claims they hold back."""

from __future__ import annotations

import numpy as np

from market.kernels.jit import kernel
from market.kernels.records import (
    BUY,
    CANCEL,
    CLAIM_HELD,
    CLAIMED,
    CLOSED,
    CROWD,
    HALTED,
    INSURANCE_FUND,
    IOC,
    MARKET,
    PERPETUAL,
    POST_ONLY,
    REDUCE_ONLY,
    SYSTEM,
    THROTTLE_ROOM,
    THROTTLED,
)

BREAKER = np.dtype(
    [
        ("halt_move", "<f8"),  # share; 0: no halts
        ("halt_window", "<i8"),  # ticks
        ("halt_length", "<i8"),  # ticks
        ("halt_venue", "<i8"),  # 1: the move of one instrument stops all
        ("band", "<f8"),  # share; 0: no band
        ("band_on_mark", "<i8"),  # 1: around the mark; 0: around the index
        ("band_caps", "<i8"),  # 1: orders are moved to the edge; 0: refused
        ("throttle_room", "<i8"),  # USD quanta a window; 0: no throttle
        ("throttle_window", "<i8"),  # ticks
        ("reduce_move", "<f8"),  # share; 0: no move trips reduce-only
        ("reduce_window", "<i8"),  # ticks
        ("reduce_fund", "<i8"),  # quanta of `fund_asset` below which reduce-only is in force; 0: never
        ("reduce_length", "<i8"),  # ticks
        ("fund_asset", "<i8"),
        ("reduce_until", "<i8"),  # state: tick at which reduce-only is over
    ]
)

HALTS, HALTED_TICKS, REDUCE_ONLY_TICKS, REFUSED_HALT, REFUSED_BAND = range(5)
CAPPED, REFUSED_REDUCE_ONLY, HELD, STOPPED, FORCED_STOPPED = range(5, 10)
"""Slots of the tally: what breakers have cost. HALTED_TICKS are ticks x instruments, HELD counts claims, STOPPED market
orders that find nothing inside the band when they arrive, FORCED_STOPPED the claims among HELD that a band stops."""
N_TALLY = 10


@kernel
def _moved(history, tick, window, since, book, mark):
    """Largest |mark / earlier mark - 1| over the `window` ticks before `tick`, from tick `since` on."""
    lowest = highest = mark
    for at in range(max(since, tick - window), tick):
        before = history[at % history.shape[0], book]
        lowest = min(lowest, before)
        highest = max(highest, before)
    return max(mark / lowest - 1.0, 1.0 - mark / highest)


@kernel
def _halt(tick, rule, history, until, since, tally, instruments):
    """Stop books whose mark has moved too fast, let those resume whose halt is over."""
    tripped = False
    for book in range(instruments.shape[0]):
        instrument = instruments[book]
        if instrument.halted == CLOSED:
            continue
        if instrument.halted and until[book] <= tick:
            instrument.halted = 0
            since[book] = tick
        if (
            instrument.halted
            or _moved(history, tick, rule.halt_window, since[book], book, instrument.mark) < rule.halt_move
        ):
            continue
        tripped = True
        instrument.halted = HALTED
        until[book] = tick + rule.halt_length
        if not rule.halt_venue:
            tally[HALTS] += 1
    if tripped and rule.halt_venue:
        tally[HALTS] += 1
        until[:] = tick + rule.halt_length
        for instrument in instruments:
            instrument.halted = max(instrument.halted, HALTED)
    for instrument in instruments:
        tally[HALTED_TICKS] += instrument.halted == HALTED


@kernel
def _set_bands(rule, instruments):
    """Edges of every book's band, whole ticks inside it."""
    for instrument in instruments:
        middle = instrument.mark if rule.band_on_mark else instrument.index
        last = instrument.n_levels - 2
        instrument.band_low = min(max(int(np.ceil(middle * (1.0 - rule.band))), 1), last)
        instrument.band_high = min(max(int(np.floor(middle * (1.0 + rule.band))), 1), last)


@kernel
def _reduce_only(tick, rule, history, tally, instruments, cash):
    """Put reduce-only into force, or keep it there, when its trigger calls for it."""
    if rule.reduce_move > 0.0:
        for book in range(instruments.shape[0]):
            if instruments[book].kind == PERPETUAL and rule.reduce_move <= _moved(
                history, tick, rule.reduce_window, 0, book, instruments[book].mark
            ):
                rule.reduce_until = tick + rule.reduce_length
    if cash[INSURANCE_FUND, rule.fund_asset] < rule.reduce_fund:
        rule.reduce_until = tick + rule.reduce_length
    if tick < rule.reduce_until:
        tally[REDUCE_ONLY_TICKS] += 1


@kernel
def trip(tick, rules, history, until, since, tally, instruments, cash, counters):
    """Start a tick: look at the marks, set halts, bands, reduce-only and the throttle's room.

    `history` int64[ticks, n_instruments] is a ring of marks as they stood at the beginning of earlier ticks; `until`
    and `since` int64[n_instruments] say when a halt ends and from when on marks are compared.
    """
    rule = rules[0]
    if rule.halt_move > 0.0:
        _halt(tick, rule, history, until, since, tally, instruments)
    if rule.band > 0.0:
        _set_bands(rule, instruments)
    _reduce_only(tick, rule, history, tally, instruments, cash)
    if rule.throttle_room > 0:
        counters[THROTTLED] = 1
        if tick % rule.throttle_window == 0:
            counters[THROTTLE_ROOM] = rule.throttle_room
    for book in range(instruments.shape[0]):
        history[tick % history.shape[0], book] = instruments[book].mark


@kernel
def _inside_band(message, instrument, caps, tally):
    """Whether the order may come in as it is now: it is moved to the edge of the band, or refused, if it is beyond."""
    edge = instrument.band_high if message.side == BUY else instrument.band_low
    if message.op == MARKET:
        message.op = IOC
        message.price = edge
        nearest = instrument.best_ask if message.side == BUY else instrument.best_bid
        tally[STOPPED] += (nearest - edge) * (1 - 2 * message.side) > 0
        return True
    beyond = message.price > edge if message.side == BUY else message.price < edge
    if not beyond:
        return True
    if caps:
        message.price = edge
        tally[CAPPED] += 1
        return True
    tally[REFUSED_BAND] += 1
    return False


@kernel
def _passes(message, rule, reduce_only, tally, instruments, positions, accounts):
    """Whether no breaker stops the message, whose price and flags may change; nonsense is left to the gate."""
    book = message.book
    account = message.account
    if message.op == CANCEL or not 0 <= book < instruments.shape[0] or not 0 <= account < accounts.shape[0]:
        return True
    instrument = instruments[book]
    if instrument.halted:
        tally[REFUSED_HALT] += 1
        return False
    if instrument.band_high > 0 and not _inside_band(message, instrument, rule.band_caps, tally):
        return False
    spared = message.flags & POST_ONLY or accounts[account].flags & (CROWD | SYSTEM)
    if reduce_only and instrument.kind == PERPETUAL and not spared:
        held = positions[account, book].lots
        if (held if message.side != BUY else -held) <= 0:
            tally[REFUSED_REDUCE_ONLY] += 1
            return False
        message.flags |= REDUCE_ONLY
    return True


@kernel
def restrict(tick, messages, arrival, n, rules, tally, instruments, positions, accounts):
    """Take the messages that a breaker stops out of `arrival[:n]`; the others keep their order. Return how many."""
    rule = rules[0]
    reduce_only = tick < rule.reduce_until
    kept = 0
    for place in range(n):
        row = arrival[place]
        if _passes(messages[row], rule, reduce_only, tally, instruments, positions, accounts):
            arrival[kept] = row
            kept += 1
    return kept


@kernel
def _nobody_inside(lots, instrument):
    """Whether whoever would take the other side of closing `lots` is beyond the band."""
    if instrument.band_high == 0:
        return False
    if lots < 0:
        return instrument.band_high < instrument.best_ask < instrument.n_levels - 1
    return 0 < instrument.best_bid < instrument.band_low


@kernel
def _stopped(account, instruments, positions):
    """(whether none of the account's positions can trade, whether that is so because of a band)."""
    stopped, by_band = False, False
    for book in range(instruments.shape[0]):
        lots = positions[account, book].lots
        if lots == 0:
            continue
        outside = _nobody_inside(lots, instruments[book])
        stopped = instruments[book].halted == HALTED or outside
        by_band = by_band or outside
        if not stopped:
            break
    return stopped, stopped and by_band


@kernel
def hold_claims(claims, n_claims, tally, instruments, counters, positions, accounts):
    """Note, once for each, the claims that cannot be served now because of a breaker; return how many there are.

    All of them when the throttle has nothing left, else those whose positions are all on books that are halted or have
    nobody inside their band.
    """
    spent = counters[THROTTLED] == 1 and counters[THROTTLE_ROOM] == 0
    held = 0
    for at in range(n_claims):
        account = claims[at].account
        stopped, by_band = _stopped(account, instruments, positions)
        if spent or stopped:
            held += 1
            if accounts[account].claim == CLAIMED:
                accounts[account].claim = CLAIM_HELD
                tally[HELD] += 1
                tally[FORCED_STOPPED] += by_band and not spent
    return held
