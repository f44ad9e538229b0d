"""A position that changes hands away from the books: by auto-deleveraging, a backstop or an auction."""

from __future__ import annotations

from market.kernels.jit import kernel
from market.kernels.ledger import settle_trade
from market.kernels.records import BUY, EVENT_COUNT, SELL


@kernel
def hand_over(
    account, taker, book, lots, value, loss, kind, tick, round_, claim_tick, events, instruments, positions, cash,
    counters,
):  # fmt: skip
    """Trade signed `lots` of the account's position to the taker for `value` quote quanta, and write the event.

    `loss` is what one of the two pays against the mark, which such a trade does not move.
    """
    if lots > 0:
        settle_trade(book, taker, account, lots, value, instruments, positions, cash)
    else:
        settle_trade(book, account, taker, -lots, value, instruments, positions, cash)
    event = events[counters[EVENT_COUNT]]
    counters[EVENT_COUNT] += 1
    event.tick, event.round, event.claim_tick = tick, round_, claim_tick
    event.account, event.keeper = account, taker
    event.book, event.side, event.kind = book, SELL if lots > 0 else BUY, kind
    event.lots, event.value, event.loss = abs(lots), value, loss
    event.mark = event.touch_before = event.touch_after = instruments[book].mark
    event.mark_move = event.slow_move = event.own_move = 0.0
