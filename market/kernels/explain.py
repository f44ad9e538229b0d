"""One account's assessment taken apart: the lines whose sums are what market/kernels/margin.py says."""

from __future__ import annotations

from market.kernels.categories import favoured
from market.kernels.jit import kernel
from market.kernels.limits import begin_auction
from market.kernels.liquidation import appraise, plan_call
from market.kernels.margin import (
    equities,
    initial_excess,
    maintenance_excess,
    requirement_of,
    settlement_profit,
    target_excess,
    uncounted_profit,
    value_of,
    weighted_value,
    worse_value,
)
from market.kernels.records import INITIAL, MAINTENANCE, NONE, SETTLE_PROFIT, TARGET


@kernel
def account_totals(account, instruments, assets, margin, positions, cash, out):
    """Fill `out[3, 3]`, a row per profile: margin equity, excess over the requirement, net equity, USD quanta."""
    for profile in (MAINTENANCE, TARGET, INITIAL):
        margin_equity, net_equity = equities(account, profile, instruments, assets, margin, positions, cash)
        out[profile, 0] = margin_equity
        out[profile, 2] = net_equity
    out[MAINTENANCE, 1] = maintenance_excess(account, instruments, assets, margin, positions, cash)
    out[TARGET, 1] = target_excess(account, instruments, assets, margin, positions, cash)
    out[INITIAL, 1] = initial_excess(account, instruments, assets, margin, positions, cash)


EQUITY_COLUMNS = 8
"""Figures of `equity_lines`; kernels do not look whether what they write into is wide enough."""


@kernel
def equity_lines(account, profile, instruments, assets, margin, positions, cash, out):
    """Fill `out[n_assets, EQUITY_COLUMNS]`: balance, open profit settled in the asset, and what of it does not count
    under the profile, in quanta of the asset; value before haircut and what margin equity counts, in USD quanta; 1
    where that is at the weights of the asset's category; value before haircut, without profit that does not count, at
    the venue's price and at the price that counts."""
    for asset in range(assets.shape[0]):
        profit = left_out = 0
        if assets[asset].is_settlement:
            profit = settlement_profit(account, asset, instruments, positions)
            if profile != MAINTENANCE:
                left_out = uncounted_profit(account, asset, profile, instruments, assets, margin[1], positions)
        held = cash[account, asset] + profit
        out[asset, 0] = cash[account, asset]
        out[asset, 1] = profit
        out[asset, 2] = left_out
        out[asset, 3] = value_of(assets[asset], held)
        within = favoured(account, asset, profile, instruments, assets, positions, cash)
        out[asset, 4] = weighted_value(assets[asset], within, profile, held - left_out, margin[1])
        out[asset, 5] = within
        counted = held - left_out
        out[asset, 6] = value_of(assets[asset], counted)
        out[asset, 7] = worse_value(assets[asset], profile, counted, out[asset, 6])


@kernel
def requirements(account, profile, instruments, assets, margin, positions, out):
    """Fill `out[n_instruments]`: what each position needs by itself under the profile, USD quanta."""
    for book in range(instruments.shape[0]):
        lots = positions[account, book].lots
        out[book] = requirement_of(book, lots, profile, instruments, assets, margin[1]) if lots != 0 else 0


@kernel
def first_call(
    account, claims, policies, limits, windows, rank, key, amounts, instruments, assets, margin, levels, occupied,
    positions, cash,
):  # fmt: skip
    """What a liquidation of `account` would begin with at the prices of now: as `plan_call`, of a claim just opened.

    `claims` CLAIM[1] is filled with the account's figures.
    """
    claim = claims[0]
    claim.account = account
    begin_auction(claim, 0, policies[0], instruments, assets, positions, cash)
    claim.partial = NONE
    claim.tab = (1 << 62) - 1
    appraise(claim, instruments, assets, margin, positions, cash, policies[0])
    phases = policies[0].phases
    n = 0
    while phases > 0 and n == 0:
        if phases & 3 != SETTLE_PROFIT:
            n = plan_call(
                claim, phases & 3, 0, policies[0], limits, windows, rank, key, amounts, instruments, assets, margin,
                levels, occupied, positions, cash,
            )  # fmt: skip
        phases >>= 2
    return n
