"""Phase 3: arrange a tick's messages, let each through the initial-margin gate, match it, settle its fills."""

from __future__ import annotations

import numpy as np

from market.kernels.arithmetic import part_up
from market.kernels.book import reaches, submit, sweep
from market.kernels.categories import favoured
from market.kernels.jit import kernel
from market.kernels.ledger import settle_fill
from market.kernels.margin import (
    initial_excess,
    lost_with_category,
    ordered_requirement,
    unordered_requirement,
    value_of,
    weighted_value,
    worst_lots,
)
from market.kernels.moves import FLOW, book_of, close_moves, note_move
from market.kernels.records import (
    BUY,
    CANCEL,
    CLOSED,
    CROWD,
    FORCED,
    INITIAL,
    LIMIT,
    MARKET,
    NONE,
    PORTFOLIO,
    REDUCE_ONLY,
    REFUSED,
    SPOT,
    SYSTEM,
    TOUCHED_COUNT,
)

_BUCKETS = 256
LARGEST_ORDER = 2.0**60
"""Quote quanta, at the highest price of the book: beyond it sums could leave 64 bits."""


@kernel
def mix(value):
    """SplitMix64 finaliser: a 64-bit hash that spreads every input bit."""
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))


@kernel
def arrange(messages, n, salt, keys, arrival):
    """Write the order of arrival of messages 0 .. n - 1 into `arrival`: cancels first, then by a drawn key.

    The key is a hash of the tick's salt (a uniform draw), the account and the book, so one account's messages to one
    book keep their order, and adding an account changes nobody else's place relative to the others.
    """
    at = 0
    seed = np.uint64(np.int64(salt * (1 << 53)))
    starts = np.zeros(_BUCKETS + 1, np.int64)
    for row in range(n):
        message = messages[row]
        if message.op == CANCEL:
            arrival[at] = row
            at += 1
        else:
            sender = np.uint64(message.account) * np.uint64(4096) + np.uint64(message.book + 1)
            keys[row] = mix(seed ^ (sender * np.uint64(0x9E3779B97F4A7C15)))
            starts[np.int64(keys[row] >> np.uint64(56)) + 1] += 1
    starts[0] = at
    for bucket in range(_BUCKETS):
        starts[bucket + 1] += starts[bucket]
    ends = starts.copy()
    for row in range(n):
        if messages[row].op != CANCEL:
            bucket = np.int64(keys[row] >> np.uint64(56))
            place = ends[bucket]
            ends[bucket] += 1
            # Insertion within the bucket: few share one, and equal keys keep their order.
            while place > starts[bucket] and keys[arrival[place - 1]] > keys[row]:
                arrival[place] = arrival[place - 1]
                place -= 1
            arrival[place] = row


@kernel
def _worst_execution(message, levels, occupied, instruments):
    """(lots, sum of price x lots) the order can come to: what it takes from the book now, and the rest of a LIMIT."""
    op, side = message.op, message.side
    limit = 0 if op == MARKET else message.price
    filled, paid = np.int64(0), np.int64(0)
    if op != LIMIT or reaches(instruments[message.book], side, limit):
        filled, paid, _ = sweep(message.book, side, message.lots, limit, levels, occupied, instruments)
    if op != LIMIT:
        return filled, paid
    return message.lots, paid + (message.lots - filled) * message.price


@kernel
def _spot_covered(message, lots, value, instruments, positions, cash):
    """Whether the sender owns what the order would deliver, beside what its resting orders already promise."""
    instrument = instruments[message.book]
    position = positions[message.account, message.book]
    if message.side == BUY:
        # None of its resting bids is above the best bid.
        pledged = value + position.open_bid * instrument.best_bid * instrument.tick_value
        fee = part_up(pledged, max(instrument.taker_fee, instrument.maker_fee, 0))
        return cash[message.account, instrument.quote] >= pledged + fee
    return cash[message.account, instrument.base] >= (position.open_ask + lots) * instrument.lot_quanta


@kernel
def _order_cost(message, lots, paid, instruments, assets, margin, positions, cash):
    """USD quanta by which the order could worsen the initial margin excess: requirement, price against mark, fee.

    `lots` and `paid` are its worst execution. Zero for a derivative order that cannot raise the worst exposure so far,
    whatever its price; may be negative for spot.
    """
    book = message.book
    instrument = instruments[book]
    quote = assets[instrument.quote]
    value = value_of(quote, paid * instrument.tick_value)
    fee = value_of(quote, part_up(paid * instrument.tick_value, max(instrument.taker_fee, 0)))
    account = message.account
    if instrument.kind == SPOT:
        within = favoured(account, instrument.base, INITIAL, instruments, assets, positions, cash)
        base = weighted_value(assets[instrument.base], within, INITIAL, lots * instrument.lot_quanta, margin[1])
        return (value - base) * (1 - 2 * message.side) + fee
    position = positions[account, book]
    bid = lots if message.side == BUY else 0
    before = worst_lots(position, 0, 0)
    after = worst_lots(position, bid, lots - bid)
    # Under portfolio margin less of a position may need more: it may have been a hedge.
    if after <= before and margin[0][account] != PORTFOLIO:
        return 0
    against_mark = max(0, (paid - lots * instrument.mark) * (1 - 2 * message.side)) * instrument.tick_value
    now = unordered_requirement(account, instruments, margin, positions, cash)
    requirement = ordered_requirement(account, book, bid, lots - bid, now, instruments, assets, margin, positions, cash)
    if before != 0:
        requirement -= ordered_requirement(account, book, 0, 0, now, instruments, assets, margin, positions, cash)
    requirement += lost_with_category(account, instruments, assets, margin, positions, cash)
    return requirement + value_of(quote, against_mark) + fee


@kernel
def admitted(message, levels, occupied, instruments, assets, margin, positions, cash, accounts):
    """The gate every order passes: reduce-only is cut, isolation holds, and initial margin must be there.

    A reduce-only order that cannot rest passes whatever the margin; one that can rest, and fill when the position is
    gone, must be covered like any other, which costs nothing unless resting orders promise more than the position.
    """
    book = message.book
    if message.account < 0 or message.account >= accounts.shape[0]:
        return True  # `submit` counts it as malformed
    account = accounts[message.account]
    if book < 0 or book >= instruments.shape[0] or message.lots <= 0:
        return True  # `submit` counts it as malformed
    instrument = instruments[book]
    if instrument.halted == CLOSED:
        return False
    if float(message.lots) * instrument.n_levels * instrument.tick_value > LARGEST_ORDER:
        return False
    if message.flags & REDUCE_ONLY:
        held = positions[message.account, book].lots
        closing = held if message.side != BUY else -held
        if closing <= 0:
            return False
        message.lots = min(message.lots, closing)
        if message.op != LIMIT:
            return True
    if message.flags & FORCED or account.flags & (CROWD | SYSTEM):
        return True
    if account.only_instrument != NONE and account.only_instrument != book:
        return False
    lots, paid = _worst_execution(message, levels, occupied, instruments)
    value = paid * instrument.tick_value
    if instrument.kind == SPOT and not _spot_covered(message, lots, value, instruments, positions, cash):
        return False
    cost = _order_cost(message, lots, paid, instruments, assets, margin, positions, cash)
    if cost <= 0:
        return True
    return initial_excess(message.account, instruments, assets, margin, positions, cash) >= cost


@kernel
def touch(account, touched, touched_mark, counters):
    """Note that the account's balances or positions changed; the safe-distance filter looks at it again."""
    if touched_mark[account] == 0:
        touched_mark[account] = 1
        touched[counters[TOUCHED_COUNT]] = account
        counters[TOUCHED_COUNT] += 1


@kernel
def trade(
    messages,
    arrival,
    n,
    handles,
    fills,
    orders,
    free,
    levels,
    occupied,
    instruments,
    counters,
    positions,
    accounts,
    cash,
    assets,
    margin,
    touched,
    touched_mark,
    tick,
    rule,
    moved,
    closed,
):
    """Carry out n messages in the given order and settle every fill at once; return the number of fills.

    Orders that the gate refuses get handle 0 and are counted in `counters[REFUSED]`. What each message does to the
    prices that the mark rule reads is booked to the class of its sender (market/kernels/moves.py).
    """
    close_moves(tick, rule, moved, closed, instruments)
    n_fills = 0
    handles[:n] = 0  # the buffer still holds the handles of two ticks ago
    for place in range(n):
        row = arrival[place]
        message = messages[row]
        if message.op != CANCEL and not admitted(
            message, levels, occupied, instruments, assets, margin, positions, cash, accounts
        ):
            counters[REFUSED] += 1
            continue
        before = n_fills
        book = book_of(message, row, handles, orders)
        if book < 0 or book >= instruments.shape[0]:
            book = 0  # a message that does nothing
        flow = instruments[book].net_flow
        n_fills = submit(
            row,
            messages,
            handles,
            fills,
            n_fills,
            orders,
            free,
            levels,
            occupied,
            instruments,
            counters,
            positions,
            accounts,
        )
        if 0 <= message.account < accounts.shape[0]:
            note_move(book, message.account, rule, moved, instruments, accounts)
            moved[book, FLOW + accounts[message.account].flow] += instruments[book].net_flow - flow
        for at in range(before, n_fills):
            settle_fill(fills[at], instruments, positions, cash)
            touch(fills[at].maker, touched, touched_mark, counters)
            touch(fills[at].taker, touched, touched_mark, counters)
    return n_fills


@kernel
def permanent_impact(instruments, per_quanta, impact):
    """Move `impact[base]` by each instrument's net aggressive flow of the tick, valued at the mark."""
    for book in range(instruments.shape[0]):
        instrument = instruments[book]
        if instrument.net_flow != 0 and per_quanta[book] != 0.0:
            value = float(instrument.net_flow) * instrument.mark * instrument.tick_value
            impact[instrument.base] += per_quanta[book] * value
