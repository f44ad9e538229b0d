"""Who would break at other prices, and what would be closed then: margin rules alone, nothing is simulated."""

from __future__ import annotations

from market.kernels.jit import kernel
from market.kernels.margin import maintenance_excess, notional_of, settlement_profit, value_of
from market.kernels.records import NONE, OPTION


@kernel
def newly_broken(members, broken, sells, buys, instruments, assets, margin, positions, cash):
    """Assess the accounts `members` int64[m] at the prices of `instruments` and `assets`; return how many break.

    They are marked in `broken` bool[n_accounts], and what they would have to close is added to `sells` and `buys`
    int64[n_instruments], USD quanta at these prices: longs and collateral to `sells`, shorts to `buys`. Options, which
    do not trade on books, are left out.
    """
    found = 0
    for account in members:
        if maintenance_excess(account, instruments, assets, margin, positions, cash) >= 0:
            continue
        broken[account] = True
        found += 1
        for book in range(instruments.shape[0]):
            lots = positions[account, book].lots if instruments[book].kind != OPTION else 0
            if lots > 0:
                sells[book] += notional_of(book, lots, instruments, assets)
            elif lots < 0:
                buys[book] += notional_of(book, lots, instruments, assets)
        _collateral(account, sells, instruments, assets, positions, cash)
    return found


@kernel
def _collateral(account, sells, instruments, assets, positions, cash):
    """Add the collateral that must be sold, most valuable first, once all positions are closed at their marks."""
    owed = 0
    for asset in range(assets.shape[0]):
        if assets[asset].is_settlement:
            balance = cash[account, asset] + settlement_profit(account, asset, instruments, positions)
            if balance < 0:
                owed -= value_of(assets[asset], balance)
    last_value, last = -1, NONE
    for _ in range(assets.shape[0]):
        if owed <= 0:
            return
        best_value, best = 0, NONE
        for asset in range(assets.shape[0]):
            if assets[asset].is_settlement or cash[account, asset] <= 0:
                continue
            value = value_of(assets[asset], cash[account, asset])
            served = last != NONE and (value > last_value or (value == last_value and asset <= last))
            if not served and value > best_value:
                best_value, best = value, asset
        if best == NONE:
            return
        if assets[best].spot_book != NONE:
            sells[assets[best].spot_book] += min(best_value, owed)
        owed -= best_value
        last_value, last = best_value, best
