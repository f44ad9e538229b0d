"""Keepers where they seize collateral: what repaying debts would earn, and what they offer for block space."""

from __future__ import annotations

import numpy as np

from agents.kernels.keeper import begin_tick, see
from market.kernels.arithmetic import multiply_divide, part
from market.kernels.collateral import sale_fee
from market.kernels.jit import kernel
from market.kernels.limits import LARGEST, fee_on, largest_collateral
from market.kernels.margin import amount_of, value_of
from market.kernels.records import INSURANCE_FUND, NONE, PPM
from market.kernels.seizure import allow, due_for, exchange, taken_at


@kernel
def _worth(asset, amount):
    """USD quanta at the outside world's price, which is where keepers sell."""
    return multiply_divide(amount, asset.reference * asset.multiplier, asset.divisor)


@kernel
def seizure_profit(claim, keeper, clock, policy, sale_cost, spent, wanted, assets, margin, cash):
    """USD quanta a call would earn before its cost: collateral at the reference less the cost of selling, and the
    keeper's share of the fee, less what it repays.

    For every debt the largest collateral alone is reckoned. `sale_cost[n_assets]` is in ppm of what is sold.
    `spent[n_assets]` is what the keeper has offered to pay
    elsewhere; what this call would pay is written into `wanted[n_assets]`.
    """
    account = claim.account
    allow(claim, clock, policy)
    profit = 0
    for quote in range(assets.shape[0]):
        wanted[quote] = 0
        first = largest_collateral(account, quote, LARGEST, assets, cash)
        if cash[account, quote] >= 0 or first == NONE:
            continue
        price = taken_at(claim, clock, first, policy, assets)
        _, needed = due_for(claim, quote, first, price, policy, assets, margin, cash)
        funds = cash[keeper.account, quote] - spent[quote] + amount_of(assets[quote], -keeper.cost)
        seized, paid = exchange(first, quote, cash[account, first], needed, funds, price, assets)
        if seized == 0:
            continue
        wanted[quote] = paid
        share = part(sale_fee(paid, fee_on(claim, assets[first], policy)), policy.keeper_share)
        floor = amount_of(assets[quote], policy.keeper_floor)
        fund = max(cash[INSURANCE_FUND, quote], 0)
        profit += part(_worth(assets[first], seized), PPM - sale_cost[first]) - _worth(assets[quote], paid)
        profit += value_of(assets[quote], max(share, min(floor, share + fund)))
    return profit


@kernel
def bid_to_seize(
    tick, clock, new_tick, row, keepers, traits, outages, shortlist, sale_cost, spent, claims, n_claims, bids, blocks,
    policies, assets, margin, cash,
):  # fmt: skip
    """Write every keeper's offers for the open claims into `bids`, as `bid` does; return how many.

    A keeper goes on offering while it has money left for what it would repay.
    """
    if new_tick:
        begin_tick(tick, row, keepers, traits, outages)
    policy = policies[0]
    wanted = np.zeros_like(spent)
    n_bids, seen, listed = np.int64(0), np.int64(0), np.int64(0)
    for k in range(keepers.shape[0] - 1, -1, -1):
        keeper = keepers[k]
        if not keeper.online or keeper.used >= keeper.throughput:
            continue
        seen, listed = see(claims, seen, n_claims, tick - keeper.latency, clock, shortlist, listed)
        spent[:] = 0
        for place in range(listed):
            claim = claims[shortlist[place]]
            gained = seizure_profit(claim, keeper, clock, policy, sale_cost, spent, wanted, assets, margin, cash)
            profit = gained - keeper.cost - blocks[0].call_fee
            if profit <= 0 or profit < traits[k].least_profit:
                continue
            spent += wanted
            bid = bids[bids.shape[0] - 1 - n_bids]
            bid.amount = part(profit, keeper.bid_share)
            bid.notional = claim.notional
            bid.claim = shortlist[place]
            bid.keeper = k
            n_bids += 1
    start = bids.shape[0] - n_bids
    for at in range(n_bids):
        bids[at] = bids[start + at]
    return n_bids
