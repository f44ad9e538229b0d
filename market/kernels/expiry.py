"""Expiry: a book is emptied, and every position is settled in cash at one price, exactly."""

from __future__ import annotations

from market.kernels.book import cancel_account_book
from market.kernels.jit import kernel
from market.kernels.ledger import settle_funding, transfer
from market.kernels.records import CLEARING, CLOSED
from market.kernels.trading import touch


@kernel
def settle_expiry(
    book, price, orders, free, levels, occupied, instruments, counters, positions, accounts, cash, touched, touched_mark
):
    """Cancel all orders, pay every holder lots x `price` ticks less what the position cost, close the book for good.

    `price` is the settlement price of a future or the payoff of an option. The clearing account holds minus the sum of
    all costs, and lots sum to zero, so it ends where it was before the first trade. Returns the lots that were long.
    """
    instrument = instruments[book]
    long = 0
    for account in range(accounts.shape[0]):
        position = positions[account, book]
        if position.open_bid != 0 or position.open_ask != 0:
            cancel_account_book(
                account, book, orders, free, levels, occupied, instruments, counters, positions, accounts
            )
        if position.lots == 0:
            continue
        settle_funding(account, book, instruments, positions, cash)
        long += max(position.lots, 0)
        profit = position.lots * price * instrument.tick_value - position.cost
        transfer(cash, instrument.quote, CLEARING, account, profit)
        position.lots = 0
        position.cost = 0
        touch(account, touched, touched_mark, counters)
    instrument.halted = CLOSED
    return long
