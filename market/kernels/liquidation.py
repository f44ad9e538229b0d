"""Phase 4: claims on accounts below maintenance, the auction of block space, and the close-out itself."""

from __future__ import annotations

import numpy as np

from market.kernels.arithmetic import multiply_divide, part, part_up
from market.kernels.book import cancel_account, submit, sweep
from market.kernels.jit import kernel
from market.kernels.ledger import settle_fill, transfer
from market.kernels.margin import equities, maintenance_of, notional_of, tier_of, value_of
from market.kernels.marks import remark
from market.kernels.records import (
    BREACH_COUNT,
    BUY,
    CLAIM_COUNT,
    CLOSE_ALL,
    CLOSE_FACTOR,
    EVENT_COUNT,
    FORCED,
    FORCED_COLLATERAL,
    FORCED_POSITION,
    INSURANCE_FUND,
    IOC,
    LARGEST_FIRST,
    MOST_LIQUID_FIRST,
    NONE,
    OUTSIDE,
    PPM,
    PRO_RATA,
    SELL,
)
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
    fee = min(part_up(notional, policy.fee), max(net_equity, 0))
    claim.reward = max(part(fee, policy.keeper_share), policy.keeper_floor)
    return claim.excess


@kernel
def find_claims(
    members, count, claims, tick, round_, clock, policies, breaches, breach_lots, breach_cash, counters, accounts,
    instruments, assets, tiers, positions, cash,
):  # fmt: skip
    """Drop cured claims, open new ones among `members[:count]`; return how many there are.

    A claim opens when margin excess is strictly negative and persists until it is cured or closed out. Claims are kept
    in the order (tick, round, account), so nothing depends on the order in which the filter lists accounts.
    """
    policy = policies[0]
    kept = 0
    for at in range(counters[CLAIM_COUNT]):
        claim = claims[at]
        if _appraise(claim, instruments, assets, tiers, positions, cash, policy) < 0:
            if kept != at:
                claims[kept] = claims[at]
            kept += 1
        else:
            accounts[claim.account].claim = 0
    first_new = kept
    for at in range(count):
        account = members[at]
        if accounts[account].claim:
            continue
        margin_equity, _ = equities(account, instruments, assets, positions, cash)
        if margin_equity >= maintenance_of(account, instruments, assets, tiers, positions):
            continue
        accounts[account].claim = 1
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
def _limit_price(book, side, policy, instruments):
    """Worst price a forced order may take: the mark less or plus the slippage limit."""
    instrument = instruments[book]
    room = part(instrument.mark, policy.slippage)
    price = instrument.mark + room if side == BUY else instrument.mark - room
    return min(max(price, 1), instrument.n_levels - 2)


@kernel
def slippage_of(account, book, lots, policy, instruments, levels, occupied, positions, assets):
    """(fillable lots, USD quanta lost against the mark) of closing `lots` of a position on the book as it stands."""
    instrument = instruments[book]
    side = SELL if positions[account, book].lots > 0 else BUY
    limit = _limit_price(book, side, policy, instruments)
    filled, paid, _ = sweep(book, side, lots, limit, levels, occupied, instruments)
    gap = (filled * instrument.mark - paid) * (1 - 2 * (side == BUY))
    return filled, value_of(assets[instrument.quote], max(gap, 0) * instrument.tick_value)


@kernel
def _rank_positions(account, policy, rank, key, instruments, assets, tiers, levels, occupied, positions):
    """Write the books the account holds into `rank` in closing order; return how many."""
    n = 0
    for book in range(instruments.shape[0]):
        lots = positions[account, book].lots
        if lots == 0:
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
    """USD quanta by which margin excess rises when the whole position is closed: requirement less fee and slippage."""
    notional = notional_of(book, lots, instruments, assets)
    tier = tiers[tier_of(instruments[book], notional, tiers)]
    requirement = part_up(notional, tier.maintenance) - tier.maintenance_deduction
    _, loss = slippage_of(account, book, abs(lots), policy, instruments, levels, occupied, positions, assets)
    return requirement - part_up(notional, policy.fee) - loss


@kernel
def share_to_close(needed, available):
    """The clamped linear solve behind every "back to target": the share of `available` that covers `needed`."""
    if available <= 0:
        return 1.0
    return min(max(needed / available, 0.0), 1.0)


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
def _touch_price(book, side, instruments):
    """Best price on the side an order of `side` takes from; 0 when there is none."""
    instrument = instruments[book]
    if side == SELL:
        return instrument.best_bid
    return instrument.best_ask if instrument.best_ask < instrument.n_levels - 1 else 0


@kernel
def _forced_order(
    account, keeper, book, side, lots, kind, tick, round_, claim_tick, policy, events,
    message, handle, fills, orders, free, levels, occupied, instruments, counters, positions, accounts,
    cash, touched, touched_mark,
):  # fmt: skip
    """Send one immediate-or-cancel order inside the slippage limit, settle it, write its event; return quote quanta."""
    order = message[0]
    order.op = IOC
    order.book = book
    order.side = side
    order.price = _limit_price(book, side, policy, instruments)
    order.lots = lots
    order.account = account
    order.flags = FORCED
    order.tag = counters[EVENT_COUNT]
    before = _touch_price(book, side, instruments)
    n_fills = submit(
        0, message, handle, fills, 0, orders, free, levels, occupied, instruments, counters, positions, accounts
    )
    filled = 0
    value = 0
    for at in range(n_fills):
        fill = fills[at]
        settle_fill(fill, instruments, positions, cash)
        touch(fill.maker, touched, touched_mark, counters)
        filled += fill.lots
        value += fill.lots * fill.price * instruments[book].tick_value
    if filled == 0:
        return 0
    touch(account, touched, touched_mark, counters)
    instruments[book].forced_flow += filled * (1 - 2 * side)
    event = events[counters[EVENT_COUNT]]
    counters[EVENT_COUNT] += 1
    event.tick = tick
    event.round = round_
    event.account = account
    event.keeper = keeper
    event.book = book
    event.side = side
    event.kind = kind
    event.claim_tick = claim_tick
    event.lots = filled
    event.value = value
    event.loss = 0
    event.mark = instruments[book].mark
    event.touch_before = before
    after = _touch_price(book, side, instruments)
    event.touch_after = after if after > 0 else fills[n_fills - 1].price
    event.mark_move = 0.0
    return value


@kernel
def _charge_fee(account, keeper, quote, value, policy, instruments, assets, positions, cash):
    """Liquidation fee on closed value, at most what the account is still worth; split between keeper and fund."""
    _, net_equity = equities(account, instruments, assets, positions, cash)
    asset = assets[quote]
    worth = multiply_divide(max(net_equity, 0), asset.divisor, asset.price * asset.multiplier)
    fee = min(part_up(value, policy.fee), worth)
    reward = part(fee, policy.keeper_share)
    transfer(cash, quote, account, keeper, reward)
    transfer(cash, quote, account, INSURANCE_FUND, fee - reward)
    return reward


@kernel
def has_positions(account, positions):
    """Whether any derivative position is open."""
    for book in range(positions.shape[1]):
        if positions[account, book].lots != 0:
            return True
    return False


@kernel
def sell_outside(account, asset, quote, policy, assets, cash):
    """Sell a whole balance to the outside world at the venue's price less the conversion loss, rounded down."""
    amount = cash[account, asset]
    usd = part(value_of(assets[asset], amount), PPM - policy.conversion)
    price = assets[quote]
    proceeds = multiply_divide(usd, price.divisor, price.price * price.multiplier)
    transfer(cash, asset, account, OUTSIDE, amount)
    transfer(cash, quote, OUTSIDE, account, proceeds)


@kernel
def _largest_collateral(account, assets, cash):
    """Asset other than settlement assets of which the account owns the most value; NONE when it owns none."""
    best = NONE
    best_value = -1
    for asset in range(assets.shape[0]):
        if not assets[asset].is_settlement and cash[account, asset] > 0:
            value = value_of(assets[asset], cash[account, asset])
            if value > best_value:
                best, best_value = asset, value
    return best


@kernel
def _sell_collateral(
    account, keeper, tick, round_, claim_tick, policy, events,
    message, handle, fills, orders, free, levels, occupied, instruments, counters, positions, accounts,
    cash, assets, touched, touched_mark,
):  # fmt: skip
    """Sell collateral, most valuable first, until no settlement balance is negative or a book gives no more.

    Less than a lot cannot be sold on a book: it goes outside, rounded against the account. Returns quote quanta sold.
    """
    sold = 0
    for quote in range(assets.shape[0]):
        if not assets[quote].is_settlement:
            continue
        while cash[account, quote] < 0:
            asset = _largest_collateral(account, assets, cash)
            if asset == NONE:
                break
            touch(account, touched, touched_mark, counters)
            book = assets[asset].spot_book
            if book == NONE or instruments[book].quote != quote or cash[account, asset] < instruments[book].lot_quanta:
                sell_outside(account, asset, quote, policy, assets, cash)
                continue
            held = cash[account, asset] // instruments[book].lot_quanta
            price = max(1, _limit_price(book, SELL, policy, instruments))
            owed = -cash[account, quote]
            per_lot = price * instruments[book].tick_value
            net_per_lot = max(1, per_lot - part_up(per_lot, policy.fee + max(instruments[book].taker_fee, 0)))
            wanted = min(held, (owed + net_per_lot - 1) // net_per_lot)
            value = _forced_order(
                account, keeper, book, SELL, wanted, FORCED_COLLATERAL, tick, round_, claim_tick, policy, events,
                message, handle, fills, orders, free, levels, occupied, instruments, counters, positions, accounts,
                cash, touched, touched_mark,
            )  # fmt: skip
            if value == 0:
                return sold
            sold += value
    return sold


@kernel
def close_out(
    claim, keeper, tick, round_, policy, events, rank, key, amounts,
    message, handle, fills, orders, free, levels, occupied, instruments, counters, positions, accounts,
    cash, assets, tiers, touched, touched_mark,
):  # fmt: skip
    """One liquidation call: cancel orders, close positions, sell collateral for debts, charge the fee.

    Returns the keeper's reward in settlement quanta, or -1 when the books gave nothing inside the slippage limit.
    """
    account = claim.account
    cancel_account(account, orders, free, levels, occupied, instruments, counters, positions, accounts)
    first_event = counters[EVENT_COUNT]
    n = _rank_positions(account, policy, rank, key, instruments, assets, tiers, levels, occupied, positions)
    _plan(account, claim, policy, rank, amounts, n, instruments, assets, tiers, levels, occupied, positions)
    reward = 0
    quote = NONE
    for at in range(n):
        if amounts[at] == 0:
            continue
        book = rank[at]
        side = SELL if positions[account, book].lots > 0 else BUY
        quote = instruments[book].quote
        value = _forced_order(
            account, keeper, book, side, amounts[at], FORCED_POSITION, tick, round_, claim.tick, policy, events,
            message, handle, fills, orders, free, levels, occupied, instruments, counters, positions, accounts,
            cash, touched, touched_mark,
        )  # fmt: skip
        reward += _charge_fee(account, keeper, quote, value, policy, instruments, assets, positions, cash)
    if not has_positions(account, positions):
        value = _sell_collateral(
            account, keeper, tick, round_, claim.tick, policy, events,
            message, handle, fills, orders, free, levels, occupied, instruments, counters, positions, accounts,
            cash, assets, touched, touched_mark,
        )  # fmt: skip
        if value > 0 and quote == NONE:
            quote = instruments[events[first_event].book].quote
            reward += _charge_fee(account, keeper, quote, value, policy, instruments, assets, positions, cash)
    if counters[EVENT_COUNT] == first_event:
        return -1
    missing = min(policy.keeper_floor - reward, cash[INSURANCE_FUND, quote])
    if missing > 0:
        transfer(cash, quote, INSURANCE_FUND, keeper, missing)
        reward += missing
    return reward


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
def _spread_mark_moves(events, first, counters, marks_before, instruments):
    """Divide each mark's move of the round among its forced orders on that book, by displacement of the touch."""
    for book in range(instruments.shape[0]):
        moved = instruments[book].mark - marks_before[book]
        if moved == 0:
            continue
        total = 0
        for at in range(first, counters[EVENT_COUNT]):
            if events[at].book == book:
                total += abs(events[at].touch_after - events[at].touch_before)
        for at in range(first, counters[EVENT_COUNT]):
            if events[at].book == book and total > 0:
                events[at].mark_move = moved * abs(events[at].touch_after - events[at].touch_before) / total


@kernel
def serve(
    claims, bids, n_bids, keepers, tick, round_, clock, next_tick_clock, policies, events, rank, key, amounts,
    marks_before, message, handle, fills, orders, free, levels, occupied, instruments, counters, positions, accounts,
    cash, assets, tiers, touched, touched_mark,
):  # fmt: skip
    """One round's block: the highest bids that fit are served, each bid is paid, then the marks follow the books.

    A first-price auction: a claim goes to its highest bidder. A call that fills nothing uses up its place; its claim is
    offered again next tick. Returns the number of calls that closed something.
    """
    policy = policies[0]
    first = counters[EVENT_COUNT]
    for book in range(instruments.shape[0]):
        marks_before[book] = instruments[book].mark
    served = 0
    for _ in range(policy.capacity):
        best = _best_bid(bids, n_bids, claims, keepers, clock)
        if best == NONE:
            break
        bid = bids[best]
        claim = claims[bid.claim]
        keeper = keepers[bid.keeper]
        keeper.used += 1
        keeper.carried += bid.notional
        reward = close_out(
            claim, keeper.account, tick, round_, policy, events, rank, key, amounts,
            message, handle, fills, orders, free, levels, occupied, instruments, counters, positions, accounts,
            cash, assets, tiers, touched, touched_mark,
        )  # fmt: skip
        bid.keeper = NONE
        claim.next_try = next_tick_clock
        if reward >= 0:
            served += 1
            claim.next_try = clock + 1
            quote = instruments[events[counters[EVENT_COUNT] - 1].book].quote
            transfer(cash, quote, keeper.account, OUTSIDE, bid.amount + keeper.cost)
    if served > 0:
        remark(instruments, policy.mark_rule)
        _spread_mark_moves(events, first, counters, marks_before, instruments)
    return served
