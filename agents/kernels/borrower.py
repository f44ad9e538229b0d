"""What borrowers see when they look at their accounts."""

from __future__ import annotations

from market.kernels.categories import favoured
from market.kernels.jit import kernel
from market.kernels.margin import weighted_value
from market.kernels.records import MAINTENANCE


@kernel
def look(rows, accounts, collateral, debts, instruments, assets, tiers, positions, cash):
    """Write weighted collateral and weighted debts, USD, of the accounts `accounts[rows]` into `collateral`, `debts`.

    Maintenance profile: health is the one over the other. All arrays have one entry per row of `rows`.
    """
    for at in range(rows.shape[0]):
        account = accounts[rows[at]]
        held, owed = 0, 0
        for asset in range(assets.shape[0]):
            balance = cash[account, asset]
            if balance != 0:
                within = favoured(account, asset, MAINTENANCE, instruments, assets, positions, cash)
                value = weighted_value(assets[asset], within, MAINTENANCE, balance, tiers)
                if balance > 0:
                    held += value
                else:
                    owed -= value
        collateral[at] = held * 1e-6
        debts[at] = owed * 1e-6
