"""Keepers: which claims they see, what closing one would earn against the book, and what they offer for block space."""

from __future__ import annotations

import numpy as np

from market.kernels.arithmetic import part, part_up
from market.kernels.auction import best_slice
from market.kernels.forced import slippage_of
from market.kernels.jit import kernel
from market.kernels.limits import write_limits
from market.kernels.margin import notional_of, value_of
from market.kernels.pool_sales import gain_from_pools
from market.kernels.records import (
    ABSORBED,
    AUCTION_FRACTION,
    CLOSE_FACTOR,
    INSURANCE_FUND,
    NONE,
    PPM,
    ROOM,
    SPOT,
    TO_KEEPER,
)
from market.kernels.sizing import most_lots, ramped_share

TRAITS = np.dtype(
    [
        ("calls_per_tick", "<f8"),
        ("least_profit", "<i8"),  # USD quanta
        ("attention", "<f8"),  # chance of being online in a tick
        ("bid_share", "<f8"),  # mean part of the expected profit that it bids
        ("bid_noise", "<f8"),  # half-width of that part's uniform variation over ticks
    ]
)
"""What a keeper's KEEPER record does not say."""

OUTAGE = np.dtype([("keepers", "<i4"), ("start", "<i4"), ("end", "<i4")])
"""The first `keepers` rows are offline while start <= tick < end."""


@kernel
def begin_tick(tick, row, keepers, traits, outages):
    """Clear last tick's use; set calls per tick (whole ones, the fraction is carried over time), bids, who is online.

    `row` float64[2 n_keepers]: uniform draws for attention, then for bids.
    """
    n = keepers.shape[0]
    for k in range(n):
        keeper = keepers[k]
        keeper.used = 0
        keeper.carried = 0
        rate = traits[k].calls_per_tick
        phase = k / n
        keeper.throughput = int(np.floor(rate * (tick + 1) + phase)) - int(np.floor(rate * tick + phase))
        keeper.online = 1 if row[k] < traits[k].attention else 0
        share = traits[k].bid_share + traits[k].bid_noise * (2.0 * row[n + k] - 1.0)
        keeper.bid_share = int(min(max(share, 0.0), 1.0) * PPM + 0.5)
    for outage in outages:
        if outage.start <= tick < outage.end:
            for k in range(min(outage.keepers, n)):
                keepers[k].online = 0


@kernel
def _ahead(claims, a, b):
    """Whether claim `a` is wanted more than `b`: more reward, then older, then the lower account."""
    if claims[a].reward != claims[b].reward:
        return claims[a].reward > claims[b].reward
    if claims[a].tick != claims[b].tick:
        return claims[a].tick < claims[b].tick
    if claims[a].round != claims[b].round:
        return claims[a].round < claims[b].round
    return claims[a].account < claims[b].account


@kernel
def see(claims, first, n_claims, newest, clock, shortlist, listed):
    """Add the claims opened up to tick `newest` to the shortlist of the most wanted; return (next claim, length)."""
    at = first
    while at < n_claims and claims[at].tick <= newest:
        if claims[at].next_try <= clock:
            place = listed
            if listed == shortlist.shape[0]:
                place = listed - 1
            if listed < shortlist.shape[0] or _ahead(claims, at, shortlist[place]):
                while place > 0 and _ahead(claims, at, shortlist[place - 1]):
                    shortlist[place] = shortlist[place - 1]
                    place -= 1
                shortlist[place] = at
                listed = min(listed + 1, shortlist.shape[0])
        at += 1
    return at, listed


@kernel
def _lots_of_call(claim, book, left, clock, policy, limits, windows, instruments, assets, positions, cash):
    """Lots that a call would close of a position or, without any, sell of collateral; `left` USD quanta being left of
    what it may close. What a target needs is not reckoned."""
    instrument = instruments[book]
    lots = positions[claim.account, book].lots
    if lots != 0:
        if policy.sizing == CLOSE_FACTOR:
            return part_up(abs(lots), policy.close_factor)
        return most_lots(book, lots, left, claim, clock, policy, windows, instruments, assets)
    held = cash[claim.account, instrument.base]
    if instrument.kind != SPOT or limits[book, 1] == 0 or held <= 0 or left <= 0:
        return 0
    each = value_of(assets[instrument.quote], limits[book, 1] * instrument.tick_value)
    return min(held // instrument.lot_quanta, left // max(each, 1) + 1)


@kernel
def expected_profit(
    claim, clock, policy, limits, windows, instruments, assets, margin, positions, cash, levels, occupied, pools
):
    """USD quanta a call would earn before its cost: the keeper's share of the fee, at least the floor, and what the
    book, or a pool, gives beyond the price at which it takes over.

    0 when the book would fill nothing. The fee is charged on what the book would take, and only while the account is
    worth something after the slippage.
    """
    account = claim.account
    if policy.sizing == AUCTION_FRACTION:
        write_limits(claim, clock, policy, instruments, assets, margin, positions, limits)
        _, gained = best_slice(claim, clock, policy, limits, instruments, assets, levels, occupied, positions, cash)
        return gained
    closed, slippage, gained = 0, 0, 0
    quote = NONE
    for book in range(instruments.shape[0]):
        if positions[account, book].lots != 0:
            quote = instruments[book].quote
    if quote == NONE and policy.price_rule == ABSORBED:
        return 0
    if quote == NONE and policy.surplus != TO_KEEPER:
        return claim.reward
    if ramped_share(claim, claim.missing, clock, policy) == 0.0:
        return 0
    left = claim.tab if policy.sizing == ROOM else policy.most
    if quote == NONE and policy.sizing != ROOM:
        left = claim.notional if policy.sizing != CLOSE_FACTOR else part_up(claim.notional, policy.close_factor)
    write_limits(claim, clock, policy, instruments, assets, margin, positions, limits)
    for book in range(instruments.shape[0]):
        if instruments[book].halted or (quote != NONE and positions[account, book].lots == 0):
            continue
        lots = _lots_of_call(claim, book, left, clock, policy, limits, windows, instruments, assets, positions, cash)
        if lots == 0:
            continue
        filled, lost, beyond = slippage_of(
            account, book, lots, limits, instruments, levels, occupied, positions, assets
        )
        value = notional_of(book, filled, instruments, assets)
        closed += value
        left -= value
        slippage += lost
        gained += beyond
    if policy.surplus != TO_KEEPER:
        gained = 0
    if quote == NONE:
        if pools is not None:
            gained += gain_from_pools(claim, clock, left, policy, pools, instruments, assets, cash)
        return claim.reward + gained
    if closed == 0:
        return 0
    fee = min(part_up(closed, policy.fee), max(claim.net_equity - slippage, 0))
    fund = value_of(assets[quote], max(cash[INSURANCE_FUND, quote], 0))
    share = part(fee, policy.keeper_share)
    return max(share, min(policy.keeper_floor, share + fund)) + gained


@kernel
def _capital(account, assets, cash):
    """USD quanta of the keeper's settlement balances."""
    total = 0
    for asset in range(assets.shape[0]):
        if assets[asset].is_settlement:
            total += value_of(assets[asset], cash[account, asset])
    return total


@kernel
def _offer(k, claims, shortlist, listed, profits, bids, n_bids, call_fee, keepers, traits, assets, cash):
    """Bid, from the end of `bids` on, for the shortlisted claims that pay and that its capital can carry at once.

    `call_fee` is the base fee of a call, USD quanta.
    """
    keeper = keepers[k]
    capital = _capital(keeper.account, assets, cash)
    carried = keeper.carried
    for place in range(listed):
        at = shortlist[place]
        profit = profits[at] - keeper.cost - call_fee
        notional = claims[at].notional
        if profit <= 0 or profit < traits[k].least_profit or part_up(carried + notional, keeper.carry) > capital:
            continue
        carried += notional
        bid = bids[bids.shape[0] - 1 - n_bids]
        bid.amount = part(profit, keeper.bid_share)
        bid.notional = notional
        bid.claim = at
        bid.keeper = k
        n_bids += 1
    return n_bids


@kernel
def bid(
    tick, clock, new_tick, row, keepers, traits, outages, shortlist, profits, claims, n_claims, bids, blocks, policies,
    limits, windows, instruments, assets, margin, positions, cash, levels, occupied, pools,
):  # fmt: skip
    """Write every keeper's offers for the open claims into `bids`; return how many.

    Keepers stand in order of latency, the fastest first, and so do their bids: that decides ties. Claims stand in the
    order they opened, so what a slower keeper sees is the beginning of what a faster one sees; one pass over the claims
    keeps the shortlist, which keepers read from the slowest to the fastest. `shortlist` int64[n] with n x keepers no
    more than `bids` holds, and `profits` int64[n_accounts], are working space.
    """
    if new_tick:
        begin_tick(tick, row, keepers, traits, outages)
    policy = policies[0]
    n_bids, seen, listed = np.int64(0), np.int64(0), np.int64(0)
    profits[:n_claims] = -1
    for k in range(keepers.shape[0] - 1, -1, -1):
        keeper = keepers[k]
        if not keeper.online or keeper.used >= keeper.throughput:
            continue
        seen, listed = see(claims, seen, n_claims, tick - keeper.latency, clock, shortlist, listed)
        for place in range(listed):
            at = shortlist[place]
            if profits[at] < 0:
                profits[at] = expected_profit(
                    claims[at], clock, policy, limits, windows, instruments, assets, margin, positions, cash, levels,
                    occupied, pools,
                )  # fmt: skip
        n_bids = _offer(
            k, claims, shortlist, listed, profits, bids, n_bids, blocks[0].call_fee, keepers, traits, assets, cash
        )
    start = bids.shape[0] - n_bids
    for at in range(n_bids):
        bids[at] = bids[start + at]
    return n_bids
