"""The limit order book: price-time priority over arrays, all books in one set, messages in, fills out.

State, always passed in this order (a kernel that needs fewer takes the ones it needs, same order)::

    orders, free, levels, occupied, instruments, counters, positions, accounts

* `orders` ORDER[capacity] is a pool; `free` int32[capacity] a stack of its empty slots, `counters[FREE_COUNT]` high.
  The last slot is never handed out: numba lets an index of NONE (-1) wrap to it, so a link of a neighbour that is not
  there is written to that slot and nobody reads it. That spares the branches a processor cannot predict.
* `levels` LEVEL[rows]: price p of book b is row `instruments[b].level_base + p`. Bids and asks share rows, since one
  price is only ever on one side. `occupied` uint64[rows / 64] has one bit per row, set while orders rest there.
* `instruments[b]` carries best_bid (0 for none), best_ask (n_levels - 1 for none), last, volume and net_flow.
* `positions[account, b]` carries open_bid and open_ask, `accounts[account].first_order` the list of its orders.

**Self-match rule.** An order never trades with a resting order of its own account: the resting one is cancelled when
the incoming one reaches it, and matching goes on. Accounts flagged CROWD stand for many people and do trade with
themselves.

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
    """Put an order at the end of its price's queue; return its handle, or 0, counted in REJECTED, if the pool is full.

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
def reaches(instrument, side, price):
    """Whether an order at this price would trade now."""
    opposite = instrument.best_ask if side == BUY else instrument.best_bid
    return (price - opposite) * (1 - 2 * side) >= 0


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

    `limit_price` 0 takes any price. One FILL row is appended per maker met; `last`, `volume`, the makers' open lots
    and, unless the flag NO_IMPACT is set, `net_flow` follow. Returns (lots left, rows now used in `fills`).

    Nothing is written beyond `len(fills)`: when it is full, matching stops and the lots left are returned. A batch of n
    messages makes at most `LIVE_ORDERS before it + n` fills, since every fill ends its maker or its taker.
    """
    instrument = instruments[book]
    base = instrument.level_base
    sign = 1 - 2 * side
    # Never beyond the valid prices: then the sentinel of an empty side fails the price test and needs none of its own.
    highest = instrument.n_levels - 2
    limit = max(limit_price, 1) if side == SELL else (min(limit_price, highest) if limit_price != 0 else highest)
    myself = account if accounts[account].flags & CROWD == 0 else NONE
    wanted = lots
    last = instrument.last
    while lots > 0 and reaches(instrument, side, limit):
        price = instrument.best_ask if side == BUY else instrument.best_bid
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
    row, messages, handles, fills, n_fills, orders, free, levels, occupied, instruments, counters, positions, accounts
):
    """Carry out message `row`; write the handle of the order it leaves resting into `handles[row]` (0 for none).

    Returns the rows now used in `fills`. A message that makes no sense (unknown operation, book, account or side, lots
    <= 0, LIMIT or IOC price outside 1 .. n_levels - 2) does nothing and adds one to `counters[REJECTED]`, as does an
    order that is dropped because `fills` or the pool is full. A POST_ONLY order that would reach the other side, even
    its own account's orders there, is discarded.

    A CANCEL that finds no order is no error; its sender is not checked. It may name an earlier row of the batch; a
    caller that does not carry out the rows in their order sets `handles` to 0 first, or a handle left by the batch
    before would be cancelled.
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
    instrument = instruments[book]
    if op == MARKET:
        price = instrument.n_levels - 2 if side == BUY else 1
    if reaches(instrument, side, price):
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
        if lots > 0 and reaches(instrument, side, price):
            counters[REJECTED] += 1
            return n_fills
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
    messages, n, handles, fills, orders, free, levels, occupied, instruments, counters, positions, accounts
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


@inline
def mid2(book, instruments):
    """Twice the middle of the best prices, in ticks.

    With one side empty: twice the last trade, but not beyond the side that is there, or that side's best price before
    the first trade. 0 when there is neither an order nor a trade.
    """
    instrument = instruments[book]
    bid, ask, last = instrument.best_bid, instrument.best_ask, instrument.last
    no_ask = ask == instrument.n_levels - 1
    if bid > 0 and not no_ask:
        return bid + ask
    if last == 0:
        return 2 * bid if no_ask else 2 * ask
    return 2 * max(bid, min(last, ask))


@inline
def sweep(book, side, lots, limit_price, levels, occupied, instruments):
    """What an order of `lots` on `side` would get now: (filled lots, sum of price x lots, worst price). Nothing trades.

    `limit_price` 0 takes any price; the worst price is 0 when nothing is filled. The sum is in ticks x lots. The
    taker's own resting orders are counted like anybody's.
    """
    instrument = instruments[book]
    base = instrument.level_base
    end = base + (instrument.n_levels - 1 if side == BUY else 0)
    row = base + (instrument.best_ask if side == BUY else instrument.best_bid)
    sign = 1 - 2 * side
    left, notional, worst = np.int64(lots), np.int64(0), np.int64(0)
    while left > 0 and row != end:
        price = row - base
        if limit_price != 0 and (price - limit_price) * sign > 0:
            break
        traded = min(left, levels[row].lots)
        left -= traded
        notional += traded * price
        worst = price
        row = _next_above(row, end, occupied) if side == BUY else _next_below(row, end, occupied)
    return lots - left, notional, worst


@inline
def lots_to_raise(book, value, most, limit_price, levels, occupied, instruments):
    """Fewest lots whose sale into bids at `limit_price` or above brings `value` quote quanta; `most` if too few do."""
    instrument = instruments[book]
    base = instrument.level_base
    row = base + instrument.best_bid
    lots, left = np.int64(0), np.int64(value)
    while left > 0 and row - base >= limit_price and row != base:
        each = (row - base) * instrument.tick_value
        taken = min((left + each - 1) // each, levels[row].lots)
        lots += taken
        left -= taken * each
        row = _next_below(row, base, occupied)
    return min(lots, most) if left <= 0 else most


@inline
def depth_within(book, side, centre, distances_bps, lots_out, notional_out, levels, occupied, instruments):
    """Lots, and the sum of price x lots, resting on `side` no further from `centre` than each distance.

    `centre` is a price in ticks (it need not be whole), `distances_bps` are basis points of it in rising order. Orders
    on the far side of the centre are nearer than any distance. Results go to `lots_out` and `notional_out` (int64).
    """
    instrument = instruments[book]
    base = instrument.level_base
    end = base + (0 if side == BUY else instrument.n_levels - 1)
    row = base + (instrument.best_bid if side == BUY else instrument.best_ask)
    sign = 1 - 2 * side
    lots, notional = np.int64(0), np.int64(0)
    within = 0
    while row != end and within < len(distances_bps):
        price = row - base
        if (centre - price) * sign * 10_000.0 > distances_bps[within] * centre:
            lots_out[within] = lots
            notional_out[within] = notional
            within += 1
            continue
        lots += levels[row].lots
        notional += levels[row].lots * price
        row = _next_below(row, end, occupied) if side == BUY else _next_above(row, end, occupied)
    for rest_of in range(within, len(distances_bps)):
        lots_out[rest_of] = lots
        notional_out[rest_of] = notional
