"""Phase 4: claims on accounts below maintenance, the auction of block space, and the close-out itself."""

from __future__ import annotations

import numpy as np

from market.kernels.arithmetic import part, part_up
from market.kernels.auction import sell_slice
from market.kernels.blocks import call_fits, take_call
from market.kernels.book import cancel_account
from market.kernels.categories import category_of, favoured
from market.kernels.collateral import sell_collateral
from market.kernels.forced import charge_fee, forced_order, slippage_of
from market.kernels.history import note_breach
from market.kernels.jit import kernel
from market.kernels.ledger import transfer
from market.kernels.limits import begin_auction, start_over, write_limits
from market.kernels.margin import (
    amount_of,
    equities,
    maintenance_excess,
    maintenance_of,
    market_gain,
    notional_of,
    relief_of,
    requirement_of,
    settlement_profit,
    target_excess,
    uncounted_of,
    value_of,
    weighted_value,
)
from market.kernels.marks import mark_of, remark
from market.kernels.moves import MARKED
from market.kernels.pool import pool_order
from market.kernels.records import (
    ABSORBED,
    AUCTION_FRACTION,
    BREACH_COUNT,
    BUY,
    BY_HEALTH,
    CLAIM_COUNT,
    CLAIMED,
    CLOSE_ALL,
    CLOSE_FACTOR,
    DRAWN,
    EVENT_COUNT,
    FEE_ABOVE_BANKRUPTCY,
    FEE_WITHIN_EQUITY,
    FIRST_SHARE,
    FORCED_POSITION,
    INSURANCE_FUND,
    LARGEST_FIRST,
    LIQUIDATABLE,
    MAINTENANCE,
    MOST_LIQUID_FIRST,
    NONE,
    OUTSIDE,
    PORTFOLIO,
    PORTION,
    PPM,
    PRO_RATA,
    REDUCE_LOSING,
    REMARKED,
    ROOM,
    SELL,
    SETTLE_PROFIT,
    TARGET,
    WINDOW,
)
from market.kernels.rules.bankruptcy import bankruptcy_quote, fund_change
from market.kernels.rules.solve import amount_to_target
from market.kernels.settle_profit import settle_profits
from market.kernels.sizing import close_share, most_lots, next_try, put_up, ramped_share
from market.kernels.slices import missing_margin
from market.kernels.trading import mix, touch


@kernel
def _weighted_debt(account, instruments, assets, margin, positions, cash):
    """USD quanta, positive, that negative balances, unrealised losses included, take off margin equity."""
    total = 0
    for asset in range(assets.shape[0]):
        balance = cash[account, asset]
        if assets[asset].is_settlement:
            balance += settlement_profit(account, asset, instruments, positions)
        if balance < 0:
            within = favoured(account, asset, MAINTENANCE, instruments, assets, positions, cash)
            total -= weighted_value(assets[asset], within, MAINTENANCE, balance, margin[1])
    return total


@kernel
def appraise(claim, instruments, assets, margin, positions, cash, policy):
    """Refresh a claim's figures at the prices of now; return what it misses until it is cured, USD quanta.

    That is its margin excess turned round, or, where liquidation goes on until the target profile is met, that under
    the target profile, or what the buffer of an auction asks for.
    """
    account = claim.account
    margin_equity, net_equity = equities(account, MAINTENANCE, instruments, assets, margin, positions, cash)
    claim.maintenance = maintenance_of(account, instruments, assets, margin, positions, cash)
    claim.excess = margin_equity - claim.maintenance
    claim.net_equity = net_equity
    claim.category = category_of(account, MAINTENANCE, instruments, assets, positions, cash)
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
    if policy.fee_cap in (FEE_WITHIN_EQUITY, FEE_ABOVE_BANKRUPTCY):
        fee = min(fee, max(net_equity, 0))
    claim.reward = max(part(fee, policy.keeper_share), policy.keeper_floor)
    if policy.price_rule == BY_HEALTH or policy.full_below > 0.0:
        claim.owed = claim.maintenance + _weighted_debt(account, instruments, assets, margin, positions, cash)
    claim.missing = -claim.excess
    if policy.sizing == AUCTION_FRACTION:
        claim.missing = missing_margin(claim, policy)
    elif policy.target_profile == TARGET:
        claim.missing = -target_excess(account, instruments, assets, margin, positions, cash)
    return claim.missing


@kernel
def find_claims(
    members, count, claims, tick, round_, clock, policies, breaches, breach_held, breach_look, held, changes, counters,
    accounts, instruments, assets, margin, positions, cash, touched, touched_mark,
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
        if appraise(claim, instruments, assets, margin, positions, cash, policy) > 0:
            start_over(claim, clock, policy, instruments, assets, positions, cash)
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
        if maintenance_excess(account, instruments, assets, margin, positions, cash) >= 0:
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
        begin_auction(claim, clock, policy, instruments, assets, positions, cash)
        claim.partial = NONE
        claim.reserved = claim.freed = claim.tab = 0
        appraise(claim, instruments, assets, margin, positions, cash, policy)
        claim.insolvent = clock if claim.net_equity < 0 else NONE
        kept += 1
    put_up(claims, kept, clock, policy, instruments, assets, positions, cash)
    for at in range(first_new, kept):
        _note_breach(claims[at], breaches, counters)
        note_breach(claims[at].account, breach_held, breach_look, held, changes, counters, positions, cash)
    counters[CLAIM_COUNT] = kept
    return kept


@kernel
def _note_breach(claim, breaches, counters):
    """Keep the figures of an account whose claim opens: causes are worked out from them after the run."""
    row = counters[BREACH_COUNT]
    counters[BREACH_COUNT] += 1
    breach = breaches[row]
    breach.tick = claim.tick
    breach.round = claim.round
    breach.account = claim.account
    breach.excess = claim.excess
    breach.maintenance = claim.maintenance
    breach.net_equity = claim.net_equity


@kernel
def _drawn(salt, clock, account, book):
    """Place of a position in an order drawn afresh for every account and round, float64 in [0, 1)."""
    key = mix(np.uint64(salt) ^ np.uint64(clock) * np.uint64(0x9E3779B97F4A7C15))
    key = mix(key ^ np.uint64(account * 4096 + book + 1))
    return np.int64(key >> np.uint64(11)) * 1.1102230246251565e-16


@kernel
def _rank_positions(
    account, phase, clock, policy, limits, rank, key, instruments, assets, margin, levels, occupied, positions, cash
):
    """Write the books of this phase that the account holds and that trade now into `rank` in closing order; return how
    many."""
    n = 0
    for book in range(instruments.shape[0]):
        lots = positions[account, book].lots
        if lots == 0 or instruments[book].halted:
            continue
        if phase == REDUCE_LOSING:
            profile = policy.target_profile
            if market_gain(account, book, profile, instruments, assets, margin[1], positions) >= 0:
                continue
        notional = notional_of(book, lots, instruments, assets)
        score = 0.0
        if policy.ordering == LARGEST_FIRST:
            score = -float(notional)
        elif policy.ordering == DRAWN:
            score = _drawn(policy.salt, clock, account, book)
        elif policy.ordering != PRO_RATA:
            filled, loss, _ = slippage_of(
                account, book, abs(lots), limits, instruments, levels, occupied, positions, assets
            )
            share = filled / abs(lots)
            cost = (loss + 1.0) / (notional * share + 1.0)
            if policy.ordering == MOST_LIQUID_FIRST:
                score = cost
            else:
                relief = relief_of(account, book, lots, instruments, assets, margin, positions, cash)
                rate = relief / (notional + 1.0)
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
def _relief(account, book, lots, policy, limits, instruments, assets, margin, levels, occupied, positions, cash):
    """USD quanta by which excess less its target rises when the whole position is closed.

    The requirement and the target that goes with it, less liquidation fee, trading fee and slippage.
    """
    notional = notional_of(book, lots, instruments, assets)
    if policy.target_profile == TARGET and margin[0][account] != PORTFOLIO:
        requirement = requirement_of(book, lots, TARGET, instruments, assets, margin[1])
        uncounted = uncounted_of(account, book, TARGET, instruments, assets, margin[1], positions)
        requirement += value_of(assets[instruments[book].quote], uncounted)
    else:
        requirement = max(0, relief_of(account, book, lots, instruments, assets, margin, positions, cash))
    _, loss, _ = slippage_of(account, book, abs(lots), limits, instruments, levels, occupied, positions, assets)
    # Who takes a position over at a price pays for the trade itself.
    trading_fee = 0 if limits[book, 1] > 0 else max(instruments[book].taker_fee, 0)
    fees = part_up(notional, policy.fee + trading_fee)
    return part(requirement, PPM + policy.target) - fees - loss


@kernel
def share_to_close(needed, available):
    """Share of `available` that covers `needed`; all of it where it yields nothing."""
    return amount_to_target(needed, available, 1.0)


@kernel
def _plan_singly(claim, clock, policy, rank, amounts, n, windows, instruments, assets, positions):
    """Write the lots to close per ranked position under a rule that looks at one position at a time."""
    left = claim.tab if policy.sizing == ROOM else policy.most
    for at in range(n):
        book = rank[at]
        lots = positions[claim.account, book].lots
        amounts[at] = most_lots(book, lots, left, claim, clock, policy, windows, instruments, assets)
        left -= notional_of(book, amounts[at], instruments, assets)


@kernel
def _plan(
    claim, clock, policy, limits, windows, rank, amounts, n, instruments, assets, margin, levels, occupied, positions,
    cash,
):  # fmt: skip
    """Write the lots to close per ranked position into `amounts` under the sizing rule."""
    if policy.sizing >= PORTION:
        _plan_singly(claim, clock, policy, rank, amounts, n, windows, instruments, assets, positions)
        return
    account = claim.account
    total = 0.0
    needed = 0.0
    if policy.sizing == CLOSE_FACTOR:
        notional = claim.notional
        share = close_share(claim, notional, np.inf, notional, policy)
        needed = float(part_up(notional, share))
    elif policy.sizing != CLOSE_ALL:
        target = part(maintenance_of(account, instruments, assets, margin, positions, cash), policy.target)
        claim.allowed = ramped_share(claim, target + claim.missing, clock, policy)
        needed = float(target + claim.missing) * claim.allowed
    for at in range(n):
        total += _yield(
            account, rank[at], policy, limits, instruments, assets, margin, levels, occupied, positions, cash
        )
    for at in range(n):
        book = rank[at]
        lots = abs(positions[account, book].lots)
        share = 1.0
        if policy.sizing != CLOSE_ALL and policy.ordering == PRO_RATA:
            share = share_to_close(needed, total)
        elif policy.sizing != CLOSE_ALL:
            own = _yield(account, book, policy, limits, instruments, assets, margin, levels, occupied, positions, cash)
            share = share_to_close(needed, own) if needed > 0.0 else 0.0
            needed -= share * max(own, 0.0)
        amount = min(lots, int(np.ceil(lots * share)))
        if notional_of(book, lots - amount, instruments, assets) < policy.dust:
            amount = lots if amount > 0 else 0
        amounts[at] = amount


@kernel
def _yield(account, book, policy, limits, instruments, assets, margin, levels, occupied, positions, cash):
    """What closing the whole position contributes, in the unit of the sizing rule: notional or margin relief."""
    lots = positions[account, book].lots
    if policy.sizing == CLOSE_FACTOR:
        return float(notional_of(book, lots, instruments, assets))
    if policy.sizing == CLOSE_ALL:
        return 0.0
    return float(
        _relief(account, book, lots, policy, limits, instruments, assets, margin, levels, occupied, positions, cash)
    )


@kernel
def has_positions(account, positions):
    """Whether any derivative position is open."""
    for book in range(positions.shape[1]):
        if positions[account, book].lots != 0:
            return True
    return False


@kernel
def _note_call(claim, book, held, wanted, clock, policy, windows, instruments, assets, positions):
    """Remember what later calls depend on: that a first share was closed, and how much in this window."""
    if policy.sizing == FIRST_SHARE and wanted < abs(held):
        claim.partial = clock
    elif policy.sizing == WINDOW:
        closed = abs(held - positions[claim.account, book].lots)
        windows[book, 1] += notional_of(book, closed, instruments, assets)


@kernel
def plan_call(
    claim, phase, clock, policy, limits, windows, rank, key, amounts, instruments, assets, margin, levels, occupied,
    positions, cash,
):  # fmt: skip
    """Write what one phase of a call would close: books in their order into `rank`, lots of each into `amounts`, and
    limit prices by book into `limits`; return how many books."""
    write_limits(claim, clock, policy, instruments, assets, margin, positions, limits)
    n = _rank_positions(
        claim.account, phase, clock, policy, limits, rank, key, instruments, assets, margin, levels, occupied,
        positions, cash,
    )  # fmt: skip
    _plan(
        claim, clock, policy, limits, windows, rank, amounts, n, instruments, assets, margin, levels, occupied,
        positions, cash,
    )  # fmt: skip
    return n


@kernel
def _released(claim, book, lots, instruments, assets, margin):
    """Maintenance margin, USD quanta, that a position has in that of the account: its own, or by notional."""
    if margin[0][claim.account] != PORTFOLIO:
        return float(requirement_of(book, lots, MAINTENANCE, instruments, assets, margin[1]))
    return claim.maintenance * notional_of(book, lots, instruments, assets) / max(float(claim.notional), 1.0)


@kernel
def _fee_on_fill(claim, book, lots, released, value, policy, instruments, assets):
    """Liquidation fee, quote quanta, on a fill of signed `lots` for `value`: of the value, or no more than what the
    fill brought above the bankruptcy price of these lots, which free `released` of maintenance margin."""
    if policy.fee_cap != FEE_ABOVE_BANKRUPTCY:
        return part_up(value, policy.fee)
    side = 1.0 if lots > 0 else -1.0
    quote = assets[instruments[book].quote]
    held = side * notional_of(book, lots, instruments, assets)
    bankrupt = bankruptcy_quote(held, released, float(claim.net_equity), float(claim.maintenance), 1.0)
    left = fund_change(side * value_of(quote, value), bankrupt, policy.fee / PPM, 1.0)
    return amount_of(quote, int(max(left, 0.0)))


@kernel
def _close(
    claim, keeper, book, amount, tick, round_, policy, limits, events, moved, message, handle, fills, orders, free,
    levels, occupied, instruments, counters, positions, accounts, cash, assets, touched, touched_mark,
):  # fmt: skip
    """Close lots of a position on its book, or against the pool; return the quote quanta of the trade."""
    held = positions[claim.account, book].lots
    if limits[book, 0] == NONE:
        return pool_order(
            claim.account, book, amount if held > 0 else -amount, tick, round_, claim.tick, policy, events, instruments,
            counters, positions, accounts, cash, assets, touched, touched_mark,
        )  # fmt: skip
    return forced_order(
        claim.account, keeper, book, SELL if held > 0 else BUY, amount, limits, FORCED_POSITION, tick, round_,
        claim.tick, policy, events, moved, message, handle, fills, orders, free, levels, occupied, instruments,
        counters, positions, accounts, cash, assets, touched, touched_mark,
    )  # fmt: skip


@kernel
def _close_positions(
    claim, phase, keeper, tick, round_, clock, policy, limits, windows, events, rank, key, amounts, moved,
    message, handle, fills, orders, free, levels, occupied, instruments, counters, positions, accounts,
    cash, assets, margin, touched, touched_mark,
):  # fmt: skip
    """One phase in which positions are closed, each for its fee: (positions it looked at, settlement asset of the last
    that closed or NONE, keeper's reward in USD quanta)."""
    account = claim.account
    n = plan_call(
        claim, phase, clock, policy, limits, windows, rank, key, amounts, instruments, assets, margin, levels, occupied,
        positions, cash,
    )  # fmt: skip
    reward = 0
    paid_in = NONE
    for at in range(n):
        if amounts[at] == 0:
            continue
        book = rank[at]
        held = positions[account, book].lots
        if policy.fee_cap == FEE_ABOVE_BANKRUPTCY and at > 0:
            appraise(claim, instruments, assets, margin, positions, cash, policy)
        released = _released(claim, book, held, instruments, assets, margin)
        value = _close(
            claim, keeper, book, amounts[at], tick, round_, policy, limits, events, moved, message, handle, fills,
            orders, free, levels, occupied, instruments, counters, positions, accounts, cash, assets, touched,
            touched_mark,
        )  # fmt: skip
        if value > 0:
            _note_call(claim, book, held, amounts[at], clock, policy, windows, instruments, assets, positions)
            paid_in = instruments[book].quote
            lots = held - positions[account, book].lots
            fee = _fee_on_fill(claim, book, lots, released * lots / held, value, policy, instruments, assets)
            reward += charge_fee(
                account, keeper, paid_in, fee, policy, instruments, assets, positions, cash, touched, touched_mark,
                counters,
            )  # fmt: skip
    return n, paid_in, reward


@kernel
def close_out(
    claim, keeper, tick, round_, clock, policy, limits, windows, events, rank, key, amounts, moved,
    message, handle, fills, orders, free, levels, occupied, instruments, counters, positions, accounts,
    cash, assets, margin, touched, touched_mark, pools,
):  # fmt: skip
    """One liquidation call: cancel orders, close positions phase by phase, sell collateral for debts, each for its fee.

    Returns the settlement asset in which the keeper is paid, NONE when nothing could be closed or sold. What the fees
    leave below the keeper's floor comes from the fund's balance of that asset, as far as it goes. Collateral that the
    venue's reserves absorb is left to them.
    """
    account = claim.account
    cancel_account(account, orders, free, levels, occupied, instruments, counters, positions, accounts)
    if policy.sizing == AUCTION_FRACTION:
        write_limits(claim, clock, policy, instruments, assets, margin, positions, limits)
        return sell_slice(
            claim, keeper, tick, round_, clock, policy, limits, events, moved, message, handle, fills, orders,
            free, levels, occupied, instruments, counters, positions, accounts, cash, assets, touched, touched_mark,
        )  # fmt: skip
    reward = n = 0
    paid_in = NONE
    phases = policy.phases
    while phases > 0:
        phase = phases & 3
        if phases != policy.phases and appraise(claim, instruments, assets, margin, positions, cash, policy) <= 0:
            break
        phases >>= 2
        if phase == SETTLE_PROFIT:
            held = 0
            paid, earned = settle_profits(
                claim, keeper, policy, instruments, assets, margin, positions, cash, counters, touched, touched_mark
            )
        else:
            held, paid, earned = _close_positions(
                claim, phase, keeper, tick, round_, clock, policy, limits, windows, events, rank, key, amounts, moved,
                message, handle, fills, orders, free, levels, occupied, instruments, counters, positions, accounts,
                cash, assets, margin, touched, touched_mark,
            )  # fmt: skip
        n += held
        reward += earned
        if paid != NONE:
            paid_in = paid
    # What misses to the target is known again, without the positions just closed, in the next call.
    absorbed = policy.price_rule == ABSORBED
    if not has_positions(account, positions) and not absorbed and not (n > 0 and policy.target_debts):
        sold_for, earned = sell_collateral(
            claim, keeper, tick, round_, clock, limits, policy, events, moved,
            message, handle, fills, orders, free, levels, occupied, instruments, counters, positions, accounts,
            cash, assets, margin, touched, touched_mark, pools,
        )  # fmt: skip
        reward += earned
        if sold_for != NONE:
            paid_in = sold_for
    if paid_in != NONE:
        missing = amount_of(assets[paid_in], max(policy.keeper_floor - reward, 0))
        transfer(cash, paid_in, INSURANCE_FUND, keeper, max(0, min(missing, cash[INSURANCE_FUND, paid_in])))
    return paid_in


@kernel
def best_bid(bids, n_bids, claims, keepers, clock):
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
    claims, bids, n_bids, capacity, blocks, keepers, tick, round_, clock, next_tick_clock, policies, limits, windows,
    events, rank, key, amounts, moved, message, handle, fills, orders, free, levels, occupied, instruments,
    counters, positions, accounts, cash, assets, margin, touched, touched_mark, pools,
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
        moved[book, MARKED] = mark_of(instruments[book], policy.mark_rule)
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
        keeper.carried += bid.notional
        bid.keeper = NONE
        claim.next_try = next_tick_clock
        before = appraise(claim, instruments, assets, margin, positions, cash, policy)
        notional = claim.notional
        if before <= 0:
            continue
        paid_in = close_out(
            claim, keeper.account, tick, round_, clock, policy, limits, windows, events, rank, key, amounts, moved,
            message, handle, fills, orders, free, levels, occupied, instruments, counters, positions, accounts,
            cash, assets, margin, touched, touched_mark, pools,
        )  # fmt: skip
        if paid_in != NONE:
            served += 1
            if block.limit > 0:
                take_call(block, bid.amount)
            left = appraise(claim, instruments, assets, margin, positions, cash, policy)
            claim.freed += max(before - left, 0)
            claim.tab = max(claim.tab - max(notional - claim.notional, 0), 0)
            if left > 0:
                claim.next_try = next_try(claim, clock, policy)
            cost = -amount_of(assets[paid_in], -(bid.amount + keeper.cost + block.call_fee))
            transfer(cash, paid_in, keeper.account, OUTSIDE, cost)
            touch(keeper.account, touched, touched_mark, counters)
    if served > 0:
        remark(instruments, policy.mark_rule)
        counters[REMARKED] = counters[EVENT_COUNT] + 1
    return served
