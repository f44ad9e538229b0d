"""Liquidation by seizure: a keeper repays debts out of its own balances and receives collateral at a discount."""

from __future__ import annotations

from market.kernels.arithmetic import multiply_divide, part
from market.kernels.blocks import call_fits, take_call
from market.kernels.book import cancel_account
from market.kernels.collateral import sale_fee, sale_for
from market.kernels.forced import charge_fee, note_exchange
from market.kernels.jit import kernel
from market.kernels.ledger import transfer
from market.kernels.limits import LARGEST, discount_of, fee_on, largest_collateral
from market.kernels.liquidation import appraise, best_bid
from market.kernels.margin import amount_of, ceil_ppm, value_of
from market.kernels.marks import remark
from market.kernels.records import (
    EVENT_COUNT,
    FORCED_SEIZURE,
    INSURANCE_FUND,
    NONE,
    OUTSIDE,
    PPM,
    REMARKED,
    REST_OF_MARKET,
)
from market.kernels.sizing import bid_for, debt_to_repay, next_try, ramped_share
from market.kernels.trading import touch


@kernel
def taken_at(claim, clock, asset, policy, assets):
    """ppm of the venue's price at which a keeper takes an asset over now, rounded up, for the account."""
    return max(ceil_ppm(1.0 - discount_of(claim, clock, policy, asset, True, assets)), 1)


@kernel
def allow(claim, clock, policy):
    """Let the call under way make up what the ramp of the sizing rule, where it has one, gives by now."""
    claim.allowed = ramped_share(claim, claim.missing, clock, policy)


@kernel
def due_for(claim, quote, first, price, policy, assets, margin, cash):
    """(quanta of a debt that one call repays, what a keeper pays for that with the fee on it), `first` seized first."""
    fee = fee_on(claim, assets[first], policy)
    paid = (1.0 + fee / PPM) * PPM / price
    owed = debt_to_repay(claim, quote, first, paid, policy, assets, margin, cash)
    return owed, sale_for(owed, 0, fee)


@kernel
def exchange(asset, quote, held, wanted, funds, price, assets):
    """(quanta of collateral seized, quanta of the debt's asset paid): for `wanted`, or as far as `funds` and what is
    `held` go.

    What is seized is rounded up, against the account; for all that is held the payment is rounded down.
    """
    paid = min(wanted, funds)
    if paid <= 0:
        return 0, 0
    usd = multiply_divide(value_of(assets[quote], -paid), PPM, price)
    seized = -amount_of(assets[asset], usd)
    if seized > held:
        return held, min(paid, amount_of(assets[quote], part(value_of(assets[asset], held), price)))
    return seized, paid


@kernel
def seize(
    claim, keeper, kept_back, tick, round_, clock, policy, events, instruments, counters, positions, cash, assets,
    margin, touched, touched_mark,
):  # fmt: skip
    """One call: repay what the sizing rule allows of every debt, most valuable collateral first; each for its fee.

    The keeper pays no more than it has, less `kept_back` USD quanta for the call itself. Returns the asset it repaid
    last, NONE when it could seize nothing. What its share of the fees leaves below the floor comes from the fund.
    """
    account = claim.account
    allow(claim, clock, policy)
    paid_in = NONE
    reward = 0
    for quote in range(assets.shape[0]):
        first = largest_collateral(account, quote, LARGEST, assets, cash)
        if cash[account, quote] >= 0 or first == NONE:
            continue
        price = taken_at(claim, clock, first, policy, assets)
        owed, _ = due_for(claim, quote, first, price, policy, assets, margin, cash)
        goal = cash[account, quote] + owed
        funds = cash[keeper, quote] + amount_of(assets[quote], -kept_back)
        while cash[account, quote] < goal:
            asset = largest_collateral(account, quote, LARGEST, assets, cash)
            if asset == NONE:
                break
            price = taken_at(claim, clock, asset, policy, assets)
            fee = fee_on(claim, assets[asset], policy)
            wanted = sale_for(goal - cash[account, quote], 0, fee)
            seized, paid = exchange(asset, quote, cash[account, asset], wanted, funds, price, assets)
            if paid < wanted and seized < cash[account, asset]:
                # The keeper's money ends here: one bid, which must leave nothing or enough.
                paid = int(bid_for(wanted, LARGEST, 1.0, paid, fee, policy, asset, quote, assets))
                seized, paid = exchange(asset, quote, cash[account, asset], wanted, paid, price, assets)
            if seized == 0:
                break
            transfer(cash, quote, keeper, account, paid)
            transfer(cash, asset, account, keeper, seized)
            touch(account, touched, touched_mark, counters)
            touch(keeper, touched, touched_mark, counters)
            note_exchange(
                account, keeper, asset, quote, seized, paid, FORCED_SEIZURE, tick, round_, claim.tick, events, assets,
                counters,
            )  # fmt: skip
            funds -= paid
            paid_in = quote
            reward += charge_fee(
                account, keeper, quote, sale_fee(paid, fee), policy, instruments, assets, positions, cash, touched,
                touched_mark, counters,
            )  # fmt: skip
            if cash[account, asset] > 0:
                break
    if paid_in != NONE:
        missing = amount_of(assets[paid_in], max(policy.keeper_floor - reward, 0))
        transfer(cash, paid_in, INSURANCE_FUND, keeper, max(0, min(missing, cash[INSURANCE_FUND, paid_in])))
    return paid_in


@kernel
def _pay_call(keeper, asset, amount, cash, touched, touched_mark, counters):
    """Pay for block space: to the outside world or, where nothing is left to take out, to an account on the venue."""
    payee = OUTSIDE if amount <= -cash[OUTSIDE, asset] else REST_OF_MARKET
    transfer(cash, asset, keeper, payee, amount)
    touch(keeper, touched, touched_mark, counters)


@kernel
def serve_seizures(
    claims, bids, n_bids, capacity, blocks, keepers, tick, round_, clock, next_tick_clock, policies, events,
    orders, free, levels, occupied, instruments, counters, positions, accounts, cash, assets, margin, touched,
    touched_mark,
):  # fmt: skip
    """One round's block, as `market.kernels.liquidation.serve` fills it, of calls that seize; return how many did."""
    policy = policies[0]
    block = blocks[0]
    served = 0
    for _ in range(capacity):
        best = best_bid(bids, n_bids, claims, keepers, clock)
        if best == NONE:
            break
        bid = bids[best]
        if block.limit > 0 and not call_fits(block, bid.amount):
            break
        claim = claims[bid.claim]
        keeper = keepers[bid.keeper]
        keeper.used += 1
        bid.keeper = NONE
        claim.next_try = next_tick_clock
        before = appraise(claim, instruments, assets, margin, positions, cash, policy)
        if before <= 0:
            continue
        cancel_account(claim.account, orders, free, levels, occupied, instruments, counters, positions, accounts)
        price = bid.amount + keeper.cost + block.call_fee
        paid_in = seize(
            claim, keeper.account, price, tick, round_, clock, policy, events, instruments, counters, positions, cash,
            assets, margin, touched, touched_mark,
        )  # fmt: skip
        if paid_in != NONE:
            served += 1
            if block.limit > 0:
                take_call(block, bid.amount)
            left = appraise(claim, instruments, assets, margin, positions, cash, policy)
            claim.freed += max(before - left, 0)
            if left > 0:
                claim.next_try = next_try(claim, clock, policy)
            _pay_call(
                keeper.account, paid_in, -amount_of(assets[paid_in], -price), cash, touched, touched_mark, counters
            )
    if served > 0:
        remark(instruments, policy.mark_rule)
        counters[REMARKED] = counters[EVENT_COUNT] + 1
    return served
