"""Phase 3: arrange a tick's messages, let each through the initial-margin gate, match it, settle its fills."""

from __future__ import annotations

import numpy as np

from market.kernels.arithmetic import part_up
from market.kernels.book import submit
from market.kernels.jit import kernel
from market.kernels.ledger import settle_fill
from market.kernels.margin import (
    equities,
    initial_of,
    initial_requirement,
    value_of,
    weighted_value,
    worst_lots,
)
from market.kernels.records import (
    BUY,
    CANCEL,
    CROWD,
    FORCED,
    IOC,
    LIMIT,
    NONE,
    REDUCE_ONLY,
    REFUSED,
    SPOT,
    SYSTEM,
    TOUCHED_COUNT,
)

_BUCKETS = 256


@kernel
def _mix(value):
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
            keys[row] = _mix(seed ^ (sender * np.uint64(0x9E3779B97F4A7C15)))
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
def _spot_covered(message, price, instruments, positions, cash):
    """Whether the sender owns what the order would deliver, beside what its resting orders already promise."""
    instrument = instruments[message.book]
    position = positions[message.account, message.book]
    if message.side == BUY:
        pledged = (position.open_bid + message.lots) * price * instrument.tick_value
        fee = part_up(message.lots * price * instrument.tick_value, instrument.taker_fee)
        return cash[message.account, instrument.quote] >= pledged + fee
    return cash[message.account, instrument.base] >= (position.open_ask + message.lots) * instrument.lot_quanta


@kernel
def _order_cost(message, price, instruments, assets, tiers, positions):
    """USD quanta by which the order could worsen the initial margin excess: requirement, price against mark, fee.

    Negative or zero for an order that can only reduce exposure at a price no worse than the mark.
    """
    book = message.book
    instrument = instruments[book]
    quote = assets[instrument.quote]
    value = message.lots * price * instrument.tick_value
    fee = value_of(quote, part_up(value, max(instrument.taker_fee, 0)))
    worse = (price - instrument.mark) * (1 - 2 * message.side)
    against_mark = value_of(quote, message.lots * max(worse, 0) * instrument.tick_value)
    if instrument.kind == SPOT:
        base = assets[instrument.base]
        amount = message.lots * instrument.lot_quanta
        if message.side == BUY:
            return value_of(quote, value) - weighted_value(base, amount) + fee
        return weighted_value(base, amount) - value_of(quote, value) + fee
    position = positions[message.account, book]
    bid = message.lots if message.side == BUY else 0
    before = worst_lots(position, 0, 0)
    after = worst_lots(position, bid, message.lots - bid)
    if after <= before:
        return 0
    requirement = initial_requirement(book, after, instruments, assets, tiers)
    if before != 0:
        requirement -= initial_requirement(book, before, instruments, assets, tiers)
    return requirement + against_mark + fee


@kernel
def admitted(message, instruments, assets, tiers, positions, cash, accounts):
    """The gate every order passes: reduce-only is cut, isolation holds, and initial margin must be there."""
    book = message.book
    if message.account < 0 or message.account >= accounts.shape[0]:
        return True  # `submit` counts it as malformed
    account = accounts[message.account]
    if book < 0 or book >= instruments.shape[0] or message.lots <= 0:
        return True  # `submit` counts it as malformed
    instrument = instruments[book]
    if message.flags & REDUCE_ONLY:
        held = positions[message.account, book].lots
        closing = held if message.side != BUY else -held
        if closing <= 0:
            return False
        message.lots = min(message.lots, closing)
    if message.flags & (FORCED | REDUCE_ONLY) or account.flags & (CROWD | SYSTEM):
        return True
    if account.only_instrument != NONE and account.only_instrument != book:
        return False
    price = message.price
    if message.op != LIMIT and message.op != IOC:
        price = instrument.best_ask if message.side == BUY else instrument.best_bid
    elif message.side != BUY:
        price = max(price, instrument.best_bid) if instrument.best_bid > 0 else price
    if instrument.kind == SPOT and not _spot_covered(message, price, instruments, positions, cash):
        return False
    cost = _order_cost(message, price, instruments, assets, tiers, positions)
    if cost <= 0:
        return True
    margin_equity, _ = equities(message.account, instruments, assets, positions, cash)
    return margin_equity - initial_of(message.account, instruments, assets, tiers, positions) >= cost


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
    tiers,
    touched,
    touched_mark,
):
    """Carry out n messages in the given order and settle every fill at once; return the number of fills.

    Orders that the gate refuses get handle 0 and are counted in `counters[REFUSED]`.
    """
    n_fills = 0
    handles[:n] = 0  # the buffer still holds the handles of two ticks ago
    for place in range(n):
        row = arrival[place]
        message = messages[row]
        if message.op != CANCEL and not admitted(message, instruments, assets, tiers, positions, cash, accounts):
            counters[REFUSED] += 1
            continue
        before = n_fills
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
