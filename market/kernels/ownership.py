"""Transfers between accounts of one owner: a cure before liquidation, and recourse after it."""

from __future__ import annotations

from market.kernels.arithmetic import multiply_divide, part, part_up
from market.kernels.categories import favoured
from market.kernels.jit import kernel
from market.kernels.ledger import transfer
from market.kernels.margin import (
    amount_of,
    initial_excess,
    maintenance_excess,
    maintenance_of,
    net_equity_of,
    value_of,
)
from market.kernels.records import CLAIM_COUNT, INITIAL, PPM
from market.kernels.trading import touch

MOVED_COUNT, MOVED_VALUE, CURED_COUNT, RECOURSE_COUNT, RECOURSE_VALUE = range(5)
"""Slots of the tally: values in USD quanta."""


@kernel
def _move(payer, payee, quote, amount, cash, touched, touched_mark, counters):
    transfer(cash, quote, payer, payee, amount)
    touch(payer, touched, touched_mark, counters)
    touch(payee, touched, touched_mark, counters)


@kernel
def _cure(
    account, buffer, first, members, owners, tally, accounts, instruments, assets, margin, positions, cash,
    counters, touched, touched_mark,
):  # fmt: skip
    """Move free settlement balances of the owner's other accounts here until excess is back at the buffer."""
    owner = owners[account]
    for at in range(first[owner], first[owner + 1]):
        other = members[at]
        if other == account or accounts[other].claim:
            continue
        for quote in range(assets.shape[0]):
            if not assets[quote].is_settlement or cash[other, quote] <= 0:
                continue
            needed = part_up(maintenance_of(account, instruments, assets, margin, positions, cash), buffer)
            needed -= maintenance_excess(account, instruments, assets, margin, positions, cash)
            free = min(initial_excess(other, instruments, assets, margin, positions, cash), needed)
            haircut = assets[quote].haircut
            if favoured(other, quote, INITIAL, instruments, assets, positions, cash):
                haircut = min(haircut, assets[quote].category_haircut)
            if free <= 0 or haircut >= PPM:
                continue
            # What is free, or needed, is after haircut, at the price that counts; what is moved is before it.
            counted = part(PPM - haircut, PPM - assets[quote].below)
            if counted <= 0:
                continue
            value = multiply_divide(free, PPM, counted)
            amount = min(amount_of(assets[quote], value) + (1 if free == needed else 0), cash[other, quote])
            if amount > 0:
                _move(other, account, quote, amount, cash, touched, touched_mark, counters)
                tally[MOVED_COUNT] += 1
                tally[MOVED_VALUE] += value_of(assets[quote], amount)


@kernel
def cure_claims(
    claims, buffer, first, members, owners, tally, accounts, instruments, assets, margin, positions, cash,
    counters, touched, touched_mark,
):  # fmt: skip
    """Try to cure every open claim out of its owner's other accounts; return how many claims are left.

    `first` int64[n_owners + 1] and `members` int64[n_accounts] list the rows of every owner, `owners` int64[n_accounts]
    is the owner's number. Claims keep their order.
    """
    kept = 0
    for at in range(counters[CLAIM_COUNT]):
        account = claims[at].account
        _cure(
            account, buffer, first, members, owners, tally, accounts, instruments, assets, margin, positions, cash,
            counters, touched, touched_mark,
        )  # fmt: skip
        if maintenance_excess(account, instruments, assets, margin, positions, cash) >= 0:
            accounts[account].claim = 0
            touch(account, touched, touched_mark, counters)
            tally[CURED_COUNT] += 1
            continue
        if kept != at:
            claims[kept] = claims[at]
        kept += 1
    counters[CLAIM_COUNT] = kept
    return kept


@kernel
def take_recourse(
    claims, share, first, members, owners, tally, instruments, assets, positions, cash, counters, touched, touched_mark
):
    """Let the owner's other accounts pay for claimed accounts that are worth less than nothing.

    Each gives at most `share` ppm of every positive settlement balance; that may break it in turn.
    """
    for at in range(counters[CLAIM_COUNT]):
        account = claims[at].account
        owed = -net_equity_of(account, instruments, assets, positions, cash)
        owner = owners[account]
        for place in range(first[owner], first[owner + 1]):
            other = members[place]
            for quote in range(assets.shape[0]):
                if other == account or owed <= 0 or not assets[quote].is_settlement or cash[other, quote] <= 0:
                    continue
                amount = min(amount_of(assets[quote], owed) + 1, part(cash[other, quote], share))
                if amount > 0:
                    _move(other, account, quote, amount, cash, touched, touched_mark, counters)
                    tally[RECOURSE_COUNT] += 1
                    tally[RECOURSE_VALUE] += value_of(assets[quote], amount)
                    owed -= value_of(assets[quote], amount)
