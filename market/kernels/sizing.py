"""How much one liquidation call may close: of positions in lots, of debts in quanta."""

from __future__ import annotations

import numpy as np

from market.kernels.arithmetic import part_up
from market.kernels.jit import kernel
from market.kernels.limits import LARGEST, begin_auction
from market.kernels.margin import amount_of, notional_of, value_of, weighted_value
from market.kernels.records import (
    AUCTION_FRACTION,
    CLOSE_FACTOR,
    FIRST_SHARE,
    NONE,
    PORTION,
    PPM,
    ROOM,
    TO_TARGET,
    WINDOW,
)
from market.kernels.rules.close_factor import leaves_dust, repayable_debt
from market.kernels.rules.dutch_auction import auctioned_debt, bid_taken
from market.kernels.rules.health import health_factor
from market.kernels.rules.keeper import window_room
from market.kernels.rules.portion import portion_to_close
from market.kernels.rules.sizing import allowed_share, exchange_gain
from market.kernels.rules.solve import amount_to_target
from market.kernels.slices import largest_share


@kernel
def close_share(claim, debt, collateral, total_debt, policy):
    """ppm of a debt, or of the notional of positions, that a close factor lets one call close; USD quanta."""
    # A claim is open, so the health factor is below 1; how far below matters to rules with a threshold only.
    health = 0.5
    if policy.full_below > 0.0:
        health = min(health_factor(float(claim.excess + claim.owed), float(claim.owed)), 1.0 - 1e-12)
    debt = max(float(debt), 1.0)
    repaid = repayable_debt(
        health, collateral, debt, max(float(total_debt), debt), policy.close_factor / PPM, policy.full_below,
        float(policy.smallest), policy.per_debt == 1,
    )  # fmt: skip
    return min(PPM, int(np.ceil(repaid / debt * PPM - 1e-6)))


@kernel
def first_share_due(claim, clock, policy):
    """FIRST_SHARE: whether the next call closes the first share of a large position rather than all of it.

    That is so once, before a cool-down in which nothing is closed; or, where all is closed in it, whenever none runs.
    """
    return claim.partial == NONE or (not policy.waits and clock - claim.partial >= policy.rounds)


@kernel
def next_try(claim, clock, policy):
    """Round in which a claim that is still open after a call is offered again."""
    if policy.sizing == FIRST_SHARE and policy.waits and claim.partial == clock:
        return clock + policy.rounds
    return clock + 1


@kernel
def ramped_share(claim, missing, clock, policy):
    """TO_TARGET: share of what is missing to the target, USD quanta, that calls may have made up by now."""
    if policy.ramp == 0.0:
        return 1.0
    elapsed = (clock - claim.opened) * policy.round_seconds
    return allowed_share(elapsed, policy.ramp, policy.first, float(missing), float(claim.freed), float(policy.at_once))


@kernel
def put_up(claims, count, clock, policy, instruments, assets, positions, cash):
    """ROOM: put claims up, the older first, as long as there is room; those without wait, and their price with them.

    There is room for all together and, where an asset says so, for what is put up against it. What is put up of an
    account is a part of its notional, `claim.tab`; with the penalty it uses up room, of each asset by its share in what
    the account has.
    """
    if policy.sizing != ROOM:
        return
    penalty = 1.0 + policy.fee / PPM
    room = float(policy.most)
    rooms = np.full(assets.shape[0], np.inf)
    for at in range(assets.shape[0]):
        if assets[at].room >= 0:
            rooms[at] = float(assets[at].room)
    shares = np.zeros(assets.shape[0])
    for at in range(count):
        claims[at].tab = min(claims[at].tab, claims[at].notional)
        if claims[at].tab > 0:
            room -= claims[at].tab * penalty
            _share_out(claims[at].account, shares, instruments, assets, positions, cash)
            rooms -= shares * (claims[at].tab * penalty)
    for at in range(count):
        claim = claims[at]
        if claim.tab > 0:
            continue
        begin_auction(claim, clock, policy, instruments, assets, positions, cash)
        _share_out(claim.account, shares, instruments, assets, positions, cash)
        free = room
        for asset in range(assets.shape[0]):
            if shares[asset] > 0.0:
                free = min(free, rooms[asset] / shares[asset])
        least = least_alone(policy, assets[claim.main]) if claim.main != NONE else policy.least
        part = auctioned_debt(float(claim.notional), 1.0, penalty, free, float(least))
        if part <= 0.0:
            claim.next_try = max(claim.next_try, clock + 1)
            continue
        claim.tab = int(part)
        room -= claim.tab * penalty
        rooms -= shares * (claim.tab * penalty)


@kernel
def least_alone(policy, asset):
    """ROOM: what may stand alone against an asset, a record, USD quanta."""
    return asset.least if asset.least >= 0 else policy.least


@kernel
def _share_out(account, shares, instruments, assets, positions, cash):
    """Fill `shares[n_assets]` with each asset's share of an account's positions; without any, of what it owns."""
    shares[:] = 0.0
    for book in range(instruments.shape[0]):
        lots = positions[account, book].lots
        if lots != 0:
            shares[instruments[book].base] += notional_of(book, lots, instruments, assets)
    total = shares.sum()
    if total == 0.0:
        for asset in range(assets.shape[0]):
            if cash[account, asset] > 0:
                shares[asset] = value_of(assets[asset], cash[account, asset])
        total = shares.sum()
    if total > 0.0:
        shares /= total


@kernel
def bid_for(debt, lot, each, wanted, fee, policy, asset, quote, assets):
    """Units, `wanted` at most and each for `each` quanta of a debt's asset, that one bid may take of a `lot`.

    ROOM: what a bid leaves of what is still to be raised, `debt`, is nothing or as much as may stand alone with the fee
    on it, unless it takes the whole lot: it is cut, or refused. `wanted` under other rules.
    """
    if policy.sizing != ROOM:
        return float(wanted)
    smallest = amount_of(assets[quote], part_up(least_alone(policy, assets[asset]), PPM + fee))
    bought, paid = bid_taken(float(debt), float(lot), float(each), float(wanted), float(smallest))
    return float(wanted) if paid >= debt else max(bought, 0.0)


@kernel
def open_window(book, clock, policy, windows):
    """Turn to the window of now; `windows` int64[n_instruments, 2]: its number, USD quanta closed in it."""
    if windows[book, 0] != clock // policy.rounds:
        windows[book, 0] = clock // policy.rounds
        windows[book, 1] = 0


@kernel
def most_lots(book, lots, most, claim, clock, policy, windows, instruments, assets):
    """Lots of a position that one call may close, and that all together may not be worth more than `most` USD quanta.

    For rules that look at one position at a time: PORTION, FIRST_SHARE, WINDOW, AUCTION_FRACTION, ROOM; all lots for
    others.
    """
    held = abs(lots)
    notional = notional_of(book, lots, instruments, assets)
    each = notional / held
    if policy.sizing == PORTION:
        if most <= 0:
            return 0
        delta = portion_to_close(
            float(held), each, policy.close_factor / PPM, float(policy.least), float(most), 1.0, 0.0
        )
        return int(abs(delta) + 0.5)
    if policy.sizing == FIRST_SHARE and notional > policy.above and first_share_due(claim, clock, policy):
        return part_up(held, policy.close_factor)
    if policy.sizing == AUCTION_FRACTION:
        return min(held, part_up(held, int(np.ceil(largest_share(claim, clock, policy) * PPM - 1e-6))))
    if policy.sizing == ROOM:
        return min(held, int(np.ceil(max(float(most), 0.0) / max(each, 1e-9) - 1e-9)))
    if policy.sizing == WINDOW:
        open_window(book, clock, policy, windows)
        return min(held, int(window_room(float(policy.most), float(windows[book, 1])) / max(each, 1e-9)))
    return held


@kernel
def _total_debt(account, assets, cash):
    total = 0
    for asset in range(assets.shape[0]):
        if cash[account, asset] < 0:
            total -= value_of(assets[asset], cash[account, asset])
    return total


@kernel
def _debt_to_target(claim, quote, owed, collateral, paid, policy, assets, margin, cash):
    """Quanta of a debt whose repayment with `collateral`, `paid` per unit of value, brings an account to its target."""
    profile = policy.target_profile
    held = cash[claim.account, collateral]
    owed_within = claim.category != 0 and assets[quote].category == claim.category
    held_within = claim.category != 0 and assets[collateral].category == claim.category
    debt_weight = weighted_value(assets[quote], owed_within, profile, -owed, margin[1])
    debt_weight /= min(value_of(assets[quote], -owed), -1)
    kept_weight = weighted_value(assets[collateral], held_within, profile, held, margin[1])
    kept_weight /= max(value_of(assets[collateral], held), 1)
    gain = exchange_gain(1.0, debt_weight, kept_weight, paid, 1.0, 0.0)
    missing = claim.missing * claim.allowed
    share = amount_to_target(missing, gain, LARGEST * 1.0) / max(value_of(assets[quote], owed), 1)
    return owed if share >= 1.0 else part_up(owed, int(np.ceil(share * PPM - 1e-6)))


@kernel
def debt_to_repay(claim, quote, collateral, paid, policy, assets, margin, cash):
    """Quanta of a negative balance that one call repays: all of it, a close factor's share, or as much as is needed.

    `collateral` is what is sold first (NONE: nothing is owned), `paid` the value of it that one unit of value repaid
    takes: fee and discount.
    """
    owed = max(0, -cash[claim.account, quote])
    if owed == 0 or collateral == NONE:
        return owed
    if policy.sizing == TO_TARGET and policy.target_debts:
        return _debt_to_target(claim, quote, owed, collateral, paid, policy, assets, margin, cash)
    if policy.sizing == ROOM:
        put_up_share = claim.tab / max(_total_debt(claim.account, assets, cash), 1)
        return owed if put_up_share >= 1.0 else part_up(owed, int(put_up_share * PPM))
    if policy.sizing != CLOSE_FACTOR:
        return owed
    debt = float(value_of(assets[quote], owed))
    held = float(value_of(assets[collateral], cash[claim.account, collateral]))
    total = _total_debt(claim.account, assets, cash)
    ppm = close_share(claim, debt, held, total, policy)
    share = part_up(owed, ppm)
    left = value_of(assets[quote], owed - share)
    repaid = debt - left
    if left < policy.dust or leaves_dust(debt, held, repaid, repaid * paid, float(policy.least_left)):
        return owed
    return share
