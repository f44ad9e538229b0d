"""Phase 4: claims on accounts below maintenance, the auction of block space, and the close-out itself."""

from __future__ import annotations

import numpy as np

from market.kernels.arithmetic import part, part_up
from market.kernels.blocks import call_fits, take_call
from market.kernels.book import cancel_account
from market.kernels.collateral import sell_collateral
from market.kernels.forced import charge_fee, forced_order, slippage_of
from market.kernels.jit import kernel
from market.kernels.ledger import transfer
from market.kernels.margin import amount_of, equities, maintenance_of, notional_of, tier_of, value_of
from market.kernels.marks import mark_of, remark
from market.kernels.records import (
    BREACH_COUNT,
    BUY,
    CLAIM_COUNT,
    CLAIMED,
    CLOSE_ALL,
    CLOSE_FACTOR,
    FEE_WITHIN_EQUITY,
    FORCED_POSITION,
    INSURANCE_FUND,
    LARGEST_FIRST,
    LIQUIDATABLE,
    MOST_LIQUID_FIRST,
    NONE,
    OUTSIDE,
    PPM,
    PRO_RATA,
    SELL,
)
from market.kernels.rules.solve import amount_to_target
from market.kernels.trading import touch


@kernel
def _appraise(claim, instruments, assets, tiers, positions, cash, policy):
    """Refresh a claim's figures at the prices of now; return its margin excess in USD quanta."""
    account = claim.account
    margin_equity, net_equity = equities(account, instruments, assets, positions, cash)
    claim.maintenance = maintenance_of(account, instruments, assets, tiers, positions)
    claim.excess = margin_equity - claim.maintenance
    claim.net_equity = net_equity
    notional = 0
    for book in range(instruments.shape[0]):
        if positions[account, book].lots != 0:
            notional += notional_of(book, positions[account, book].lots, instruments, assets)
    if notional == 0:
        for asset in range(assets.shape[0]):
            if cash[account, asset] < 0:
                notional -= value_of(assets[asset], cash[account, asset])
    claim.notional = notional
    fee = part_up(notional, policy.fee)
    if policy.fee_cap == FEE_WITHIN_EQUITY:
        fee = min(fee, max(net_equity, 0))
    claim.reward = max(part(fee, policy.keeper_share), policy.keeper_floor)
    return claim.excess


@kernel
def find_claims(
    members, count, claims, tick, round_, clock, policies, breaches, breach_lots, breach_cash, counters, accounts,
    instruments, assets, tiers, positions, cash, touched, touched_mark,
):  # fmt: skip
    """Drop cured claims, open new ones among `members[:count]`; return how many there are.

    A claim opens when margin excess is strictly negative and persists until it is cured or closed out. Old claims are
    looked at once per tick, in its first round, and again right before they are served. Claims are kept in the order
    (tick, round, account), so nothing depends on the order in which the filter lists accounts.
    """
    policy = policies[0]
    kept = 0 if round_ == 0 else counters[CLAIM_COUNT]
    for at in range(counters[CLAIM_COUNT] if round_ == 0 else 0):
        claim = claims[at]
        if _appraise(claim, instruments, assets, tiers, positions, cash, policy) < 0:
            if kept != at:
                claims[kept] = claims[at]
            kept += 1
        else:
            accounts[claim.account].claim = 0
            touch(claim.account, touched, touched_mark, counters)
    first_new = kept
    for at in range(count):
        account = members[at]
        if accounts[account].claim or not accounts[account].flags & LIQUIDATABLE:
            continue
        margin_equity, _ = equities(account, instruments, assets, positions, cash)
        if margin_equity >= maintenance_of(account, instruments, assets, tiers, positions):
            continue
        accounts[account].claim = CLAIMED
        place = kept
        while place > first_new and claims[place - 1].account > account:
            claims[place] = claims[place - 1]
            place -= 1
        claim = claims[place]
        claim.account = account
        claim.tick = tick
        claim.round = round_
        claim.next_try = clock
        _appraise(claim, instruments, assets, tiers, positions, cash, policy)
        kept += 1
    for at in range(first_new, kept):
        _note_breach(claims[at], breaches, breach_lots, breach_cash, counters, positions, cash)
    counters[CLAIM_COUNT] = kept
    return kept


@kernel
def _note_breach(claim, breaches, breach_lots, breach_cash, counters, positions, cash):
    """Keep what the account held when its claim opened: causes are worked out from it after the run."""
    row = counters[BREACH_COUNT]
    counters[BREACH_COUNT] += 1
    breach = breaches[row]
    breach.tick = claim.tick
    breach.round = claim.round
    breach.account = claim.account
    breach.excess = claim.excess
    breach.maintenance = claim.maintenance
    breach.net_equity = claim.net_equity
    for book in range(positions.shape[1]):
        breach_lots[row, book] = positions[claim.account, book].lots
    for asset in range(cash.shape[1]):
        breach_cash[row, asset] = cash[claim.account, asset]


@kernel
def _rank_positions(account, policy, rank, key, instruments, assets, tiers, levels, occupied, positions):
    """Write the books the account holds and that trade now into `rank` in closing order; return how many."""
    n = 0
    for book in range(instruments.shape[0]):
        lots = positions[account, book].lots
        if lots == 0 or instruments[book].halted:
            continue
        notional = notional_of(book, lots, instruments, assets)
        score = 0.0
        if policy.ordering == LARGEST_FIRST:
            score = -float(notional)
        elif policy.ordering != PRO_RATA:
            filled, loss = slippage_of(
                account, book, abs(lots), policy, instruments, levels, occupied, positions, assets
            )
            share = filled / abs(lots)
            cost = (loss + 1.0) / (notional * share + 1.0)
            if policy.ordering == MOST_LIQUID_FIRST:
                score = cost
            else:
                rate = tiers[tier_of(instruments[book], notional, tiers)].maintenance / PPM
                score = -rate * share / cost
        place = n
        while place > 0 and key[place - 1] > score:
            key[place] = key[place - 1]
            rank[place] = rank[place - 1]
            place -= 1
        key[place] = score
        rank[place] = book
        n += 1
    return n


@kernel
def _relief(account, book, lots, policy, instruments, assets, tiers, levels, occupied, positions):
    """USD quanta by which excess less its target rises when the whole position is closed.

    The requirement and the target that goes with it, less liquidation fee, trading fee and slippage.
    """
    notional = notional_of(book, lots, instruments, assets)
    tier = tiers[tier_of(instruments[book], notional, tiers)]
    requirement = part_up(notional, tier.maintenance) - tier.maintenance_deduction
    _, loss = slippage_of(account, book, abs(lots), policy, instruments, levels, occupied, positions, assets)
    fees = part_up(notional, policy.fee + max(instruments[book].taker_fee, 0))
    return part(requirement, PPM + policy.target) - fees - loss


@kernel
def share_to_close(needed, available):
    """Share of `available` that covers `needed`; all of it where it yields nothing."""
    return amount_to_target(needed, available, 1.0)


@kernel
def _plan(account, claim, policy, rank, amounts, n, instruments, assets, tiers, levels, occupied, positions):
    """Write the lots to close per ranked position into `amounts` under the sizing rule."""
    target = part(maintenance_of(account, instruments, assets, tiers, positions), policy.target)
    total = 0.0
    needed = 0.0
    if policy.sizing == CLOSE_FACTOR:
        needed = float(part_up(claim.notional, policy.close_factor))
    elif policy.sizing != CLOSE_ALL:
        needed = float(target - claim.excess)
    for at in range(n):
        total += _yield(account, rank[at], policy, instruments, assets, tiers, levels, occupied, positions)
    for at in range(n):
        book = rank[at]
        lots = abs(positions[account, book].lots)
        share = 1.0
        if policy.sizing != CLOSE_ALL and policy.ordering == PRO_RATA:
            share = share_to_close(needed, total)
        elif policy.sizing != CLOSE_ALL:
            own = _yield(account, book, policy, instruments, assets, tiers, levels, occupied, positions)
            share = share_to_close(needed, own) if needed > 0.0 else 0.0
            needed -= share * max(own, 0.0)
        amount = min(lots, int(np.ceil(lots * share)))
        if notional_of(book, lots - amount, instruments, assets) < policy.dust:
            amount = lots if amount > 0 else 0
        amounts[at] = amount


@kernel
def _yield(account, book, policy, instruments, assets, tiers, levels, occupied, positions):
    """What closing the whole position contributes, in the unit of the sizing rule: notional or margin relief."""
    lots = positions[account, book].lots
    if policy.sizing == CLOSE_FACTOR:
        return float(notional_of(book, lots, instruments, assets))
    if policy.sizing == CLOSE_ALL:
        return 0.0
    return float(_relief(account, book, lots, policy, instruments, assets, tiers, levels, occupied, positions))


@kernel
def has_positions(account, positions):
    """Whether any derivative position is open."""
    for book in range(positions.shape[1]):
        if positions[account, book].lots != 0:
            return True
    return False


@kernel
def close_out(
    claim, keeper, tick, round_, policy, events, rank, key, amounts, book_marks,
    message, handle, fills, orders, free, levels, occupied, instruments, counters, positions, accounts,
    cash, assets, tiers, touched, touched_mark,
):  # fmt: skip
    """One liquidation call: cancel orders, close positions, sell collateral for debts, each for its fee.

    Returns the settlement asset in which the keeper is paid, NONE when nothing could be closed or sold. What the fees
    leave below the keeper's floor comes from the fund's balance of that asset, as far as it goes.
    """
    account = claim.account
    cancel_account(account, orders, free, levels, occupied, instruments, counters, positions, accounts)
    n = _rank_positions(account, policy, rank, key, instruments, assets, tiers, levels, occupied, positions)
    _plan(account, claim, policy, rank, amounts, n, instruments, assets, tiers, levels, occupied, positions)
    reward = 0
    paid_in = NONE
    for at in range(n):
        if amounts[at] == 0:
            continue
        book = rank[at]
        side = SELL if positions[account, book].lots > 0 else BUY
        value = forced_order(
            account, keeper, book, side, amounts[at], FORCED_POSITION, tick, round_, claim.tick, policy, events,
            book_marks, message, handle, fills, orders, free, levels, occupied, instruments, counters, positions,
            accounts, cash, assets, touched, touched_mark,
        )  # fmt: skip
        if value > 0:
            paid_in = instruments[book].quote
            reward += charge_fee(
                account, keeper, paid_in, part_up(value, policy.fee), policy, instruments, assets, positions, cash,
                touched, touched_mark, counters,
            )  # fmt: skip
    if not has_positions(account, positions):
        sold_for, earned = sell_collateral(
            account, keeper, tick, round_, claim.tick, policy, events, book_marks,
            message, handle, fills, orders, free, levels, occupied, instruments, counters, positions, accounts,
            cash, assets, touched, touched_mark,
        )  # fmt: skip
        reward += earned
        if sold_for != NONE:
            paid_in = sold_for
    if paid_in != NONE:
        missing = amount_of(assets[paid_in], max(policy.keeper_floor - reward, 0))
        transfer(cash, paid_in, INSURANCE_FUND, keeper, max(0, min(missing, cash[INSURANCE_FUND, paid_in])))
    return paid_in


@kernel
def _best_bid(bids, n_bids, claims, keepers, clock):
    """Row of the highest bid that can still be served; ties go to the older claim, then to the keeper named first."""
    best = NONE
    for at in range(n_bids):
        bid = bids[at]
        if bid.keeper == NONE or claims[bid.claim].next_try > clock:
            continue
        if keepers[bid.keeper].used >= keepers[bid.keeper].throughput:
            continue
        if (
            best == NONE
            or bid.amount > bids[best].amount
            or (bid.amount == bids[best].amount and bid.claim < bids[best].claim)
        ):
            best = at
    return best


@kernel
def serve(
    claims, bids, n_bids, capacity, blocks, keepers, tick, round_, clock, next_tick_clock, policies, events, rank, key,
    amounts, book_marks, message, handle, fills, orders, free, levels, occupied, instruments, counters, positions,
    accounts, cash, assets, tiers, touched, touched_mark,
):  # fmt: skip
    """One round's block: the `capacity` highest bids are served, each bid is paid, then the marks follow the books.

    A first-price auction: a claim goes to its highest bidder. A call that fills nothing uses up its place and costs
    nothing; its claim is offered again next tick. So does a call on an account that an earlier call of this block
    cured, by filling its orders. In a shared block a bid is a priority fee: its call has a place only behind everybody
    who offers more (market/kernels/blocks.py) and pays the base fee as well, and one that fills nothing takes no
    place. Returns the number of calls that closed something.
    """
    policy = policies[0]
    block = blocks[0]
    for book in range(instruments.shape[0]):
        book_marks[book] = mark_of(instruments[book], policy.mark_rule)
    served = 0
    for _ in range(capacity):
        best = _best_bid(bids, n_bids, claims, keepers, clock)
        if best == NONE:
            break
        bid = bids[best]
        if block.limit > 0 and not call_fits(block, bid.amount):
            break
        claim = claims[bid.claim]
        keeper = keepers[bid.keeper]
        keeper.used += 1
        keeper.carried += bid.notional
        bid.keeper = NONE
        claim.next_try = next_tick_clock
        if _appraise(claim, instruments, assets, tiers, positions, cash, policy) >= 0:
            continue
        paid_in = close_out(
            claim, keeper.account, tick, round_, policy, events, rank, key, amounts, book_marks,
            message, handle, fills, orders, free, levels, occupied, instruments, counters, positions, accounts,
            cash, assets, tiers, touched, touched_mark,
        )  # fmt: skip
        if paid_in != NONE:
            served += 1
            if block.limit > 0:
                take_call(block, bid.amount)
            if _appraise(claim, instruments, assets, tiers, positions, cash, policy) < 0:
                claim.next_try = clock + 1
            cost = -amount_of(assets[paid_in], -(bid.amount + keeper.cost + block.call_fee))
            transfer(cash, paid_in, keeper.account, OUTSIDE, cost)
            touch(keeper.account, touched, touched_mark, counters)
    if served > 0:
        remark(instruments, policy.mark_rule)
    return served
