"""Liquidation of accounts that hold options: an order that hedges their delta, and slices of their book handed over."""

from __future__ import annotations

from market.kernels.forced import forced_order
from market.kernels.handover import hand_over
from market.kernels.jit import kernel
from market.kernels.ledger import transfer
from market.kernels.limits import mark_limit
from market.kernels.margin import relief_of
from market.kernels.marks import mark_of, remark
from market.kernels.moves import MARKED
from market.kernels.records import BUY, EVENT_COUNT, FORCED_AUCTION, FORCED_HEDGE, REMARKED, SELL
from market.kernels.trading import touch


@kernel
def hedge_delta(
    account, keeper, book, lots, tick, round_, claim_tick, policies, limits, events, moved, message, handle,
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
    limits[book, 0] = mark_limit(side, policy, instrument)
    limits[book, 1] = 0
    moved[book, MARKED] = mark_of(instrument, policy.mark_rule)
    value = forced_order(
        account, keeper, book, side, abs(lots), limits, FORCED_HEDGE, tick, round_, claim_tick, policy, events,
        moved, message, handle, fills, orders, free, levels, occupied, instruments, counters, positions,
        accounts, cash, assets, touched, touched_mark,
    )  # fmt: skip
    remark(instruments, policy.mark_rule)
    counters[REMARKED] = counters[EVENT_COUNT] + 1
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
        value = abs(size) * instruments[book].mark * instruments[book].tick_value
        hand_over(
            account, dealer, book, size, value, due, FORCED_AUCTION, tick, round_, claim_tick, events, instruments,
            positions, cash, counters,
        )  # fmt: skip
        due = 0
    transfer(cash, quote, account, dealer, paid)
    touch(account, touched, touched_mark, counters)
    touch(dealer, touched, touched_mark, counters)
