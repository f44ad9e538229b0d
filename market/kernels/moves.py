"""Who moved the books: displacements of the prices that a mark rule reads, booked to the sender of each message.

`moved` int64[n_instruments, MOVED] is kept between calls. Its first columns count, by class of sender, since the last
closing: ticks by which the averaged price moved (SLOW), by which the price that the rule takes as it is moved (OWN),
and lots of aggressive flow that move the reference (FLOW). Then come the levels of both prices and the quotes they were
worked out from. Forced orders are booked to their own events instead.
"""

from __future__ import annotations

from market.kernels.jit import inline, kernel
from market.kernels.marks import own_price, slow_price
from market.kernels.records import CANCEL, FLOWS, HANDLE_SLOT_BITS, INDEX_MARK, NONE, OPTION, UNTRACED

SLOW, OWN, FLOW = 0, FLOWS, 2 * FLOWS
"""First column of each count."""
SLOW_LEVEL, OWN_LEVEL = 3 * FLOWS, 3 * FLOWS + 1
CLOSED_COLUMNS = 3 * FLOWS + 2
"""Columns that are kept of every tick."""
BID, ASK, LAST, MARKED = range(CLOSED_COLUMNS, CLOSED_COLUMNS + 4)
MOVED = CLOSED_COLUMNS + 4

_SLOT_MASK = (1 << HANDLE_SLOT_BITS) - 1


@inline
def _same_quotes(book, moved, instruments):
    instrument = instruments[book]
    same = instrument.best_bid == moved[book, BID] and instrument.best_ask == moved[book, ASK]
    return same and instrument.last == moved[book, LAST]


@kernel
def take_move(book, rule, moved, instruments):
    """(ticks by which the slow price, and the own one, moved since the last look at this book); looks anew."""
    instrument = instruments[book]
    moved[book, BID] = instrument.best_bid
    moved[book, ASK] = instrument.best_ask
    moved[book, LAST] = instrument.last
    slow, own = slow_price(instrument, rule), own_price(instrument, rule)
    by_slow, by_own = slow - moved[book, SLOW_LEVEL], own - moved[book, OWN_LEVEL]
    moved[book, SLOW_LEVEL] = slow
    moved[book, OWN_LEVEL] = own
    return by_slow, by_own


@inline
def book_of(message, row, handles, orders):
    """Book that a message is about to change: its own, or that of the order it cancels; NONE when there is none."""
    if message.op != CANCEL:
        return message.book
    handle = message.target
    if handle < 0:
        earlier = -(handle + 1)
        handle = handles[earlier] if earlier < row else 0
    slot = handle & _SLOT_MASK
    if handle <= 0 or slot >= len(orders) or orders[slot].handle != handle:
        return NONE
    return orders[slot].book


@inline
def note_move(book, account, rule, moved, instruments, accounts):
    """Book what the message of `account` did to the prices of `book`."""
    if rule == INDEX_MARK or _same_quotes(book, moved, instruments):
        return
    by_slow, by_own = take_move(book, rule, moved, instruments)
    flow = accounts[account].flow
    moved[book, SLOW + flow] += by_slow
    moved[book, OWN + flow] += by_own


@kernel
def close_moves(tick, rule, moved, closed, instruments):
    """Before a tick's first message: keep the counts of the tick before in `closed[tick]` and start anew.

    What has moved the books since its last message, and was no forced order, is nobody's. `closed[tick]` also holds the
    levels that this tick's marks were worked out from.
    """
    for book in range(instruments.shape[0]):
        if instruments[book].kind == OPTION:
            continue
        if not _same_quotes(book, moved, instruments):
            first = moved[book, ASK] == 0
            by_slow, by_own = take_move(book, rule, moved, instruments)
            if not first:
                moved[book, SLOW + UNTRACED] += by_slow
                moved[book, OWN + UNTRACED] += by_own
        for column in range(CLOSED_COLUMNS):
            closed[tick, book, column] = moved[book, column]
        for column in range(SLOW_LEVEL):
            moved[book, column] = 0
