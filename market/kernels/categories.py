"""Categories of correlated assets: who counts at the weights of one (market/margin/collateral.py, `CategoryRule`)."""

from __future__ import annotations

from market.kernels.jit import inline, kernel
from market.kernels.records import INITIAL, SPOT


@kernel
def debts_within(account, category, profile, instruments, assets, positions, cash):
    """Whether all debts of an account, and it has some, are in one category of correlated assets.

    A position may turn into a debt at any moment, so an account that has one outside spot is in no category, nor, under
    the initial profile, one with orders that could open one. Hence prices alone never change the answer.
    """
    owing = False
    for asset in range(assets.shape[0]):
        if cash[account, asset] < 0:
            owing = True
            if assets[asset].category != category:
                return False
    if not owing:
        return False
    for book in range(instruments.shape[0]):
        position = positions[account, book]
        if position.lots != 0:
            return False
        resting = position.open_bid != 0 or position.open_ask != 0
        if profile == INITIAL and resting and instruments[book].kind != SPOT:
            return False
    return True


@inline
def favoured(account, asset, profile, instruments, assets, positions, cash):
    """Whether an asset counts at the weights of its category for an account."""
    category = assets[asset].category
    return category != 0 and debts_within(account, category, profile, instruments, assets, positions, cash)


@kernel
def category_of(account, profile, instruments, assets, positions, cash):
    """Number of the category of correlated assets at whose weights an account counts; 0: none."""
    for asset in range(assets.shape[0]):
        category = assets[asset].category
        if cash[account, asset] < 0:
            within = favoured(account, asset, profile, instruments, assets, positions, cash)
            return category if within else 0
    return 0
