"""Take-over by a backstop: positions and balances of accounts that are deep under water but still worth something."""

from __future__ import annotations

from market.kernels.arithmetic import part
from market.kernels.book import cancel_account
from market.kernels.handover import hand_over
from market.kernels.jit import kernel
from market.kernels.ledger import transfer
from market.kernels.liquidation import has_positions
from market.kernels.margin import equities, maintenance_excess, maintenance_of
from market.kernels.records import CLAIM_COUNT, FORCED_TAKE_OVER, MAINTENANCE
from market.kernels.trading import touch


@kernel
def _hand_over(claim, vault, tick, events, instruments, positions, cash, counters):
    """Trade every position to the vault at its mark, then give it all balances, debts too; one event per position."""
    account = claim.account
    for book in range(instruments.shape[0]):
        lots = positions[account, book].lots
        if lots == 0:
            continue
        value = abs(lots) * instruments[book].mark * instruments[book].tick_value
        hand_over(
            account, vault, book, lots, value, 0, FORCED_TAKE_OVER, tick, 0, claim.tick, events, instruments,
            positions, cash, counters,
        )  # fmt: skip
    for asset in range(cash.shape[1]):
        transfer(cash, asset, account, vault, cash[account, asset])


@kernel
def take_over(
    claims, vault, below, tick, events, orders, free, levels, occupied, instruments, counters, positions, accounts,
    cash, assets, margin, touched, touched_mark,
):  # fmt: skip
    """Move accounts whose margin equity is below `below` ppm of maintenance, and net equity not below 0, to the vault.

    Whole accounts with positions, in the order of their claims, as long as the vault's margin excess, theirs added,
    stays at 0 or above. Returns how many.
    """
    taken = 0
    for at in range(counters[CLAIM_COUNT]):
        account = claims[at].account
        if account == vault or not has_positions(account, positions):
            continue
        margin_equity, net_equity = equities(account, MAINTENANCE, instruments, assets, margin, positions, cash)
        needed = maintenance_of(account, instruments, assets, margin, positions, cash)
        if net_equity < 0 or margin_equity >= part(needed, below):
            continue
        if maintenance_excess(vault, instruments, assets, margin, positions, cash) + margin_equity - needed < 0:
            continue
        cancel_account(account, orders, free, levels, occupied, instruments, counters, positions, accounts)
        _hand_over(claims[at], vault, tick, events, instruments, positions, cash, counters)
        touch(account, touched, touched_mark, counters)
        touch(vault, touched, touched_mark, counters)
        taken += 1
    return taken
