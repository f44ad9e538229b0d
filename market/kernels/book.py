"""The limit order book: price-time priority over arrays, all books in one set, messages in, fills out.

State, always passed in this order (a kernel that needs fewer takes the ones it needs, same order)::

    orders, free, levels, occupied, instruments, counters, positions, accounts

* `orders` ORDER[capacity] is a pool; `free` int32[capacity] a stack of its empty slots, of height `counters[FREE_COUNT]`.
  The last slot is never handed out: numba lets an index of NONE (-1) wrap to it, so a link of a neighbour that is not
  there is written to that slot and nobody reads it. That spares the branches a processor cannot predict.
* `levels` LEVEL[rows]: price p of book b is row `instruments[b].level_base + p`. Bids and asks share the rows, one price
  is only ever on one side. `occupied` uint64[rows / 64] has one bit per row, set while orders rest there.
* `instruments[b]` carries best_bid (0 for none), best_ask (n_levels - 1 for none), last, volume and net_flow.
* `positions[account, b]` carries open_bid and open_ask, `accounts[account].first_order` the list of its orders.

**Self-match rule.** An order never trades with a resting order of its own account: the resting one is cancelled when the
incoming one reaches it, and matching goes on. Accounts flagged CROWD stand for many people and do trade with themselves.

Money does not move here; whoever calls settles the fills.
"""

from __future__ import annotations

import numpy as np

from market.kernels.jit import inline, kernel
from market.kernels.records import (
    BUY,
    CANCEL,
    CROWD,
    FREE_COUNT,
    HANDLE_SLOT_BITS,
    LIMIT,
    LIVE_ORDERS,
    MARKET,
    NO_IMPACT,
    NONE,
    POST_ONLY,
    REJECTED,
    SELL,
    SEQUENCE,
)

_SLOT_MASK = (1 << HANDLE_SLOT_BITS) - 1
_ONE, _SIX, _LOW_SIX = np.uint64(1), np.uint64(6), np.uint64(63)
_ALL = np.uint64(0xFFFF_FFFF_FFFF_FFFF)


@inline
def _highest_bit(word):
    """Position of the highest set bit of a non-zero uint64."""
    position = 0
    for shift in (32, 16, 8, 4, 2, 1):
        upper = word >> np.uint64(shift)
        if upper != 0:
            word = upper
            position += shift
    return position


@inline
def _next_below(row, first, occupied):
    """Highest occupied row below `row` and not below `first` (a multiple of 64); `first` when there is none."""
    at = np.uint64(row)
    word = np.int64(at >> _SIX)
    bits = occupied[word] & ((_ONE << (at & _LOW_SIX)) - _ONE)
    lowest = first >> 6
    while bits == 0:
        word -= 1
        if word < lowest:
            return first
        bits = occupied[word]
    return (word << 6) + _highest_bit(bits)


@inline
def _next_above(row, last, occupied):
    """Lowest occupied row above `row` and not above `last` (63 modulo 64); `last` when there is none."""
    at = np.uint64(row)
    word = np.int64(at >> _SIX)
    bits = occupied[word] & ~((_ONE << (at & _LOW_SIX)) | ((_ONE << (at & _LOW_SIX)) - _ONE))
    highest = last >> 6
    while bits == 0:
        word += 1
        if word > highest:
            return last
        bits = occupied[word]
    return (word << 6) + _highest_bit(bits & (~bits + _ONE))


@inline
def _level_emptied(book, row, occupied, instruments):
    """Clear the level's bit and, where it was the best price, find the next best."""
    at = np.uint64(row)
    occupied[at >> _SIX] &= ~(_ONE << (at & _LOW_SIX))
    instrument = instruments[book]
    base = instrument.level_base
    if row == base + instrument.best_bid:
        instrument.best_bid = _next_below(row, base, occupied) - base
    elif row == base + instrument.best_ask:
        instrument.best_ask = _next_above(row, base + instrument.n_levels - 1, occupied) - base


@inline
def rest(
    book, side, price, lots, account, tag, orders, free, levels, occupied, instruments, counters, positions, accounts
):
    """Put an order at the end of its price's queue; return its handle, or 0 (counted in REJECTED) when the pool is full.

    The caller has made sure that the price is valid and does not cross the book.
    """
    top = counters[FREE_COUNT] - 1
    if top < 0:
        counters[REJECTED] += 1
        return np.int64(0)
    counters[FREE_COUNT] = top
    slot = np.int64(free[top])
    sequence = counters[SEQUENCE] + 1
    counters[SEQUENCE] = sequence
    counters[LIVE_ORDERS] += 1
    handle = (sequence << HANDLE_SLOT_BITS) | slot

    instrument = instruments[book]
    row = instrument.level_base + price
    level = levels[row]
    tail = level.tail
    head = level.head
    owner = accounts[account]
    first = owner.first_order

    order = orders[slot]
    order.handle = handle
    order.tag = tag
    order.lots = lots
    order.price = price
    order.account = account
    order.book = book
    order.side = side
    order.next = NONE
    order.prev = tail
    order.account_next = first
    order.account_prev = NONE
    orders[tail].next = slot
    orders[first].account_prev = slot
    owner.first_order = slot
    level.tail = slot
    level.head = slot if tail == NONE else head
    level.lots += lots
    at = np.uint64(row)
    occupied[at >> _SIX] |= _ONE << (at & _LOW_SIX)

    position = positions[account, book]
    position.open_bid += lots * (1 - side)
    position.open_ask += lots * side
    instrument.best_bid = max(instrument.best_bid, price if side == BUY else 0)
    instrument.best_ask = min(instrument.best_ask, price if side == SELL else instrument.n_levels - 1)
    return handle


@inline
def remove(slot, orders, free, levels, occupied, instruments, counters, positions, accounts):
    """Take the order in `slot` off its queue and its account's list, and free the slot."""
    order = orders[slot]
    book = order.book
    side = order.side
    lots = order.lots
    before, after = order.prev, order.next
    newer, older = order.account_prev, order.account_next
    row = instruments[book].level_base + order.price
    level = levels[row]
    head = after if before == NONE else level.head
    orders[before].next = after
    orders[after].prev = before
    level.head = head
    level.tail = before if after == NONE else level.tail
    level.lots -= lots

    owner = accounts[order.account]
    orders[newer].account_next = older
    orders[older].account_prev = newer
    owner.first_order = older if newer == NONE else owner.first_order
    position = positions[order.account, book]
    position.open_bid -= lots * (1 - side)
    position.open_ask -= lots * side

    order.handle = 0
    top = counters[FREE_COUNT]
    free[top] = slot
    counters[FREE_COUNT] = top + 1
    counters[LIVE_ORDERS] -= 1
    if head == NONE:
        _level_emptied(book, row, occupied, instruments)


@inline
def cancel(handle, orders, free, levels, occupied, instruments, counters, positions, accounts):
    """Cancel the order with this handle; False when it is gone (or never was): a stale handle hits nobody."""
    slot = handle & _SLOT_MASK
    if handle <= 0 or slot >= len(orders) or orders[slot].handle != handle:
        return False
    remove(slot, orders, free, levels, occupied, instruments, counters, positions, accounts)
    return True


@inline
def cancel_account(account, orders, free, levels, occupied, instruments, counters, positions, accounts):
    """Cancel every resting order of the account, on all books; return how many there were."""
    cancelled = 0
    slot = accounts[account].first_order
    while slot != NONE:
        after = orders[slot].account_next
        remove(slot, orders, free, levels, occupied, instruments, counters, positions, accounts)
        cancelled += 1
        slot = after
    return cancelled


@inline
def cancel_account_book(account, book, orders, free, levels, occupied, instruments, counters, positions, accounts):
    """Cancel the account's resting orders on one book; return how many there were."""
    cancelled = 0
    slot = accounts[account].first_order
    while slot != NONE:
        after = orders[slot].account_next
        if orders[slot].book == book:
            remove(slot, orders, free, levels, occupied, instruments, counters, positions, accounts)
            cancelled += 1
        slot = after
    return cancelled


@inline
def match(
    book,
    side,
    lots,
    limit_price,
    account,
    tag,
    message_row,
    flags,
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
):
    """Trade up to `lots` against the other side, best price first, oldest order first, at the makers' prices.

    `limit_price` 0 takes any price. One FILL row is appended per maker met; `last`, `volume`, the makers' open lots and,
    unless the flag NO_IMPACT is set, `net_flow` follow. Returns (lots left, rows now used in `fills`).

    Nothing is written beyond `len(fills)`: when it is full, matching stops and the lots left are returned. A batch of n
    messages makes at most `LIVE_ORDERS before it + n` fills, since every fill ends its maker or its taker.
    """
    instrument = instruments[book]
    base = instrument.level_base
    sign = 1 - 2 * side
    # One tick inside the sentinel, so that an empty side is never reached and needs no test of its own.
    limit = limit_price
    if limit_price == 0:
        limit = instrument.n_levels - 2 if side == BUY else 1
    myself = account if accounts[account].flags & CROWD == 0 else NONE
    wanted = lots
    last = instrument.last
    while lots > 0:
        price = instrument.best_ask if side == BUY else instrument.best_bid
        if (price - limit) * sign > 0:
            break
        level = levels[base + price]
        slot = level.head
        order = orders[slot]
        maker = order.account
        if maker == myself:
            remove(slot, orders, free, levels, occupied, instruments, counters, positions, accounts)
            continue
        if n_fills >= len(fills):
            break
        resting = order.lots
        traded = min(lots, resting)
        fill = fills[n_fills]
        fill.lots = traded
        fill.maker_tag = order.tag
        fill.taker_tag = tag
        fill.book = book
        fill.price = price
        fill.maker = maker
        fill.taker = account
        fill.side = side
        fill.message = message_row
        n_fills += 1
        last = price
        lots -= traded
        if traded == resting:
            remove(slot, orders, free, levels, occupied, instruments, counters, positions, accounts)
        else:
            order.lots = resting - traded
            level.lots -= traded
            position = positions[maker, book]
            position.open_bid -= traded * side
            position.open_ask -= traded * (1 - side)
    done = wanted - lots
    instrument.last = last
    instrument.volume += done
    if flags & NO_IMPACT == 0:
        instrument.net_flow += done * sign
    return lots, n_fills


@inline
def submit(
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
):
    """Carry out message `row`; write the handle of the order it leaves resting into `handles[row]` (0 for none).

    Returns the rows now used in `fills`. A message that makes no sense (unknown operation, book, account or side, lots
    <= 0, LIMIT or IOC price outside 1 .. n_levels - 2) does nothing and adds one to `counters[REJECTED]`, as does an
    order whose lots cannot rest because `fills` or the pool is full. A CANCEL that finds no order is no error; its sender
    is not checked. A POST_ONLY order that would reach the other side, even its own account's orders, is discarded.
    """
    message = messages[row]
    handles[row] = 0
    op = message.op
    if op == CANCEL:
        handle = message.target
        if handle < 0:
            earlier = -(handle + 1)
            handle = handles[earlier] if earlier < row else np.int64(0)
        cancel(handle, orders, free, levels, occupied, instruments, counters, positions, accounts)
        return n_fills
    book = message.book
    side = message.side
    price = message.price
    lots = message.lots
    account = message.account
    if (
        book < 0
        or book >= len(instruments)
        or account < 0
        or account >= len(accounts)
        or side & ~1 != 0
        or lots <= 0
        or op & ~3 != 0
        or (op != MARKET and (price < 1 or price > instruments[book].n_levels - 2))
    ):
        counters[REJECTED] += 1
        return n_fills
    if op == MARKET:
        price = 0
    instrument = instruments[book]
    opposite = instrument.best_ask if side == BUY else instrument.best_bid
    crosses = op == MARKET or (price - opposite) * (1 - 2 * side) >= 0
    if crosses:
        if op == LIMIT and message.flags & POST_ONLY != 0:
            return n_fills
        lots, n_fills = match(
            book,
            side,
            lots,
            price,
            account,
            message.tag,
            row,
            message.flags,
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
    if op == LIMIT and lots > 0:
        handles[row] = rest(
            book,
            side,
            price,
            lots,
            account,
            message.tag,
            orders,
            free,
            levels,
            occupied,
            instruments,
            counters,
            positions,
            accounts,
        )
    return n_fills


@kernel
def process_batch(
    messages,
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
):
    """Carry out messages 0 .. n - 1 in order; return the number of fills."""
    n_fills = 0
    for row in range(n):
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
    return n_fills
