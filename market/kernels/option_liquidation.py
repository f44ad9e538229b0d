"""Liquidation of accounts that hold options: an order that hedges their delta, and slices of their book handed over."""

from __future__ import annotations

from market.kernels.arithmetic import part
from market.kernels.book import cancel_account
from market.kernels.forced import forced_order
from market.kernels.jit import kernel
from market.kernels.ledger import settle_trade, transfer
from market.kernels.margin import relief_of
from market.kernels.marks import mark_of, remark
from market.kernels.records import BUY, EVENT_COUNT, FORCED_AUCTION, FORCED_HEDGE, SELL
from market.kernels.trading import touch


@kernel
def cancel_all(account, orders, free, levels, occupied, instruments, counters, positions, accounts):
    """Cancel every resting order of the account."""
    return cancel_account(account, orders, free, levels, occupied, instruments, counters, positions, accounts)


@kernel
def hedge_delta(
    account, keeper, book, lots, tick, round_, claim_tick, policies, limits, events, book_marks, message, handle,
    fills, orders, free, levels, occupied, instruments, counters, positions, accounts, cash, assets, margin, touched,
    touched_mark,
):  # fmt: skip
    """Trade signed `lots` of the hedge's book for the account if that lowers its requirement; return quote quanta.

    One immediate-or-cancel order inside the slippage limit; the marks follow it.
    """
    policy = policies[0]
    if lots == 0 or relief_of(account, book, -lots, instruments, assets, margin, positions, cash) <= 0:
        return 0
    instrument = instruments[book]
    side = BUY if lots > 0 else SELL
    room = part(instrument.mark, policy.slippage) * (1 - 2 * side)
    limits[book, 0] = min(max(instrument.mark + room, 1), instrument.n_levels - 2)
    if instrument.band_high > 0:
        limits[book, 0] = min(max(limits[book, 0], instrument.band_low), instrument.band_high)
    limits[book, 1] = 0
    book_marks[book] = mark_of(instrument, policy.mark_rule)
    value = forced_order(
        account, keeper, book, side, abs(lots), limits, FORCED_HEDGE, tick, round_, claim_tick, policy, events,
        book_marks, message, handle, fills, orders, free, levels, occupied, instruments, counters, positions,
        accounts, cash, assets, touched, touched_mark,
    )  # fmt: skip
    remark(instruments, policy.mark_rule)
    return value


@kernel
def hand_over_slice(
    account, dealer, lots, quote, paid, tick, round_, claim_tick, events, instruments, positions, cash, counters,
    touched, touched_mark,
):  # fmt: skip
    """Trade signed `lots[n_instruments]` of the account's positions to the dealer at their marks, for `paid` quanta.

    One event per position; what the account pays for being rid of them stands as the loss of the first one.
    """
    due = paid
    for book in range(instruments.shape[0]):
        size = lots[book]
        if size == 0:
            continue
        instrument = instruments[book]
        value = abs(size) * instrument.mark * instrument.tick_value
        if size > 0:
            settle_trade(book, dealer, account, size, value, instruments, positions, cash)
        else:
            settle_trade(book, account, dealer, -size, value, instruments, positions, cash)
        event = events[counters[EVENT_COUNT]]
        counters[EVENT_COUNT] += 1
        event.tick, event.round, event.claim_tick = tick, round_, claim_tick
        event.account, event.keeper = account, dealer
        event.book, event.side, event.kind = book, SELL if size > 0 else BUY, FORCED_AUCTION
        event.lots, event.value, event.loss = abs(size), value, due
        event.mark = event.touch_before = event.touch_after = instrument.mark
        event.mark_move = 0.0
        due = 0
    transfer(cash, quote, account, dealer, paid)
    touch(account, touched, touched_mark, counters)
    touch(dealer, touched, touched_mark, counters)
