"""Lending: interest from debtors to depositors, and how much an account may take out."""

from __future__ import annotations

from market.kernels.arithmetic import multiply_divide, part
from market.kernels.jit import kernel
from market.kernels.ledger import transfer
from market.kernels.margin import initial_excess
from market.kernels.records import LIQUIDATABLE, OUTSIDE, SYSTEM, TREASURY
from market.kernels.trading import touch

GROWTH = 1_000_000_000_000
"""Growth of a debt is counted in parts per million million."""


@kernel
def totals(asset, accounts, cash):
    """(deposits, debts) of everybody but the venue and the outside world, quanta, both >= 0."""
    deposits, debts = 0, 0
    for account in range(accounts.shape[0]):
        balance = cash[account, asset]
        if not accounts[account].flags & SYSTEM:
            if balance > 0:
                deposits += balance
            else:
                debts -= balance
    return deposits, debts


@kernel
def accrue(asset, growth, reserve, accounts, cash, touched, touched_mark, counters):
    """Let every debt in an asset grow by `growth` / GROWTH; return (interest, what of it the treasury keeps), quanta.

    Each debtor's interest is rounded up. The treasury keeps `reserve` ppm of the sum, rounded down, and what is left
    over when depositors share the rest in proportion to their balances, each rounded down. A deposit that grows makes
    nobody less safe; debtors are touched.
    """
    deposits, _ = totals(asset, accounts, cash)
    interest = 0
    for account in range(accounts.shape[0]):
        balance = cash[account, asset]
        if balance < 0 and not accounts[account].flags & SYSTEM:
            due = -multiply_divide(balance, growth, GROWTH)
            transfer(cash, asset, account, TREASURY, due)
            touch(account, touched, touched_mark, counters)
            interest += due
    shared = interest - part(interest, reserve)
    paid = 0
    if interest > 0 and deposits > 0:
        for account in range(accounts.shape[0]):
            balance = cash[account, asset]
            if balance > 0 and not accounts[account].flags & SYSTEM:
                earned = multiply_divide(balance, shared, deposits)
                transfer(cash, asset, TREASURY, account, earned)
                paid += earned
    return interest, interest - paid


@kernel
def most_out(account, asset, wanted, accounts, instruments, assets, margin, positions, cash):
    """Quanta, `wanted` at most, that may leave an account while its initial margin excess stays at or above zero.

    An account without maintenance margin may take out all. Excess falls with every quantum that leaves, so halving
    finds the largest amount.
    """
    if not accounts[account].flags & LIQUIDATABLE:
        return wanted
    low, high, tried = -1, wanted + 1, wanted
    while high - low > 1:
        transfer(cash, asset, account, OUTSIDE, tried)
        allowed = initial_excess(account, instruments, assets, margin, positions, cash) >= 0
        transfer(cash, asset, OUTSIDE, account, tried)
        if allowed:
            low = tried
        else:
            high = tried
        tried = (low + high) // 2
    return max(low, 0)


@kernel
def move(account, asset, amount, cash, touched, touched_mark, counters):
    """Take `amount` quanta out to the outside world; a negative amount comes in."""
    transfer(cash, asset, account, OUTSIDE, amount)
    touch(account, touched, touched_mark, counters)
