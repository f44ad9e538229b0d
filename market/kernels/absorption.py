"""Accounts that a lending protocol absorbs: its reserves take all collateral at a fixed discount and pay all debts,
then sell what they took on the spot books.

The reserves are the insurance fund's account. They may pay more than they have: what they took is still to be sold.
"""

from __future__ import annotations

import numpy as np

from market.kernels.arithmetic import part
from market.kernels.book import cancel_account, sweep
from market.kernels.forced import forced_order
from market.kernels.jit import kernel
from market.kernels.ledger import transfer
from market.kernels.limits import settle_at
from market.kernels.liquidation import appraise, has_positions
from market.kernels.margin import amount_of, value_of
from market.kernels.marks import mark_of, remark
from market.kernels.moves import MARKED
from market.kernels.records import (
    CLAIM_COUNT,
    EVENT_COUNT,
    FORCED_ABSORPTION,
    FORCED_RESALE,
    INSURANCE_FUND,
    NONE,
    OUTSIDE,
    PPM,
    REMARKED,
    SELL,
)
from market.kernels.rules.discounts import store_price
from market.kernels.trading import touch

STOCK = np.dtype([("account", "<i8"), ("claim_tick", "<i8"), ("asset", "<i8"), ("left", "<i8")])
"""Collateral that the reserves took: whose it was, the tick in which the claim on it opened, quanta not sold yet."""


@kernel
def _note(claim, book, lots, value, tick, round_, events, instruments, counters):
    """Write the event of collateral that went to the reserves; it moves no price."""
    event = events[counters[EVENT_COUNT]]
    counters[EVENT_COUNT] += 1
    event.tick, event.round, event.claim_tick = tick, round_, claim.tick
    event.account, event.keeper = claim.account, INSURANCE_FUND
    event.book, event.side, event.kind = book, SELL, FORCED_ABSORPTION
    event.lots, event.value, event.loss = lots, value, 0
    event.mark = event.touch_before = event.touch_after = instruments[book].mark
    event.mark_move = event.slow_move = event.own_move = 0.0


@kernel
def _absorb(claim, tick, round_, factors, stock, n_stock, events, instruments, counters, cash, assets):
    """Let the reserves pay every debt out of what they pay for the collateral; return the rows of stock now in use.

    `factors` ppm of its value are paid for an asset, rounded down. What that leaves of a debt is left to the waterfall.
    """
    account = claim.account
    for quote in range(assets.shape[0]):
        if not assets[quote].is_settlement or cash[account, quote] >= 0:
            continue
        for asset in range(assets.shape[0]):
            held = cash[account, asset]
            if asset == quote or held <= 0:
                continue
            paid = part(value_of(assets[asset], held), factors[asset])
            transfer(cash, asset, account, INSURANCE_FUND, held)
            transfer(cash, quote, INSURANCE_FUND, account, amount_of(assets[quote], paid))
            book = assets[asset].spot_book
            if book == NONE:
                continue
            row = stock[n_stock]
            row.account, row.claim_tick, row.asset, row.left = account, claim.tick, asset, held
            n_stock += 1
            lots = held // instruments[book].lot_quanta
            if lots > 0:
                value = amount_of(assets[instruments[book].quote], paid)
                _note(claim, book, lots, value, tick, round_, events, instruments, counters)
    return n_stock


@kernel
def absorb_accounts(
    claims, room, tick, round_, clock, policies, factors, stock, n_stock, events, orders, free, levels, occupied,
    instruments, counters, positions, accounts, cash, assets, margin, touched, touched_mark,
):  # fmt: skip
    """Absorb up to `room` accounts with debts, collateral and no positions, in the order of their claims.

    Returns (accounts absorbed, rows of `stock` now in use). `factors` int64[n_assets], ppm.
    """
    taken = 0
    for at in range(counters[CLAIM_COUNT]):
        claim = claims[at]
        account = claim.account
        if taken == room:
            break
        if claim.next_try > clock or has_positions(account, positions):
            continue
        if appraise(claim, instruments, assets, margin, positions, cash, policies[0]) <= 0:
            continue
        before = n_stock
        cancel_account(account, orders, free, levels, occupied, instruments, counters, positions, accounts)
        n_stock = _absorb(claim, tick, round_, factors, stock, n_stock, events, instruments, counters, cash, assets)
        touch(account, touched, touched_mark, counters)
        taken += n_stock > before
    return taken, n_stock


@kernel
def _buyer(keepers):
    """Row of the fastest keeper that is online and may still call; NONE without one."""
    for k in range(keepers.shape[0]):
        if keepers[k].online and keepers[k].used < keepers[k].throughput:
            return k
    return NONE


@kernel
def sell_stock(
    row, passed_on, target, factors, keepers, tick, round_, policies, limits, events, moved, message, handle,
    fills, orders, free, levels, occupied, instruments, counters, positions, accounts, cash, assets, touched,
    touched_mark,
):  # fmt: skip
    """Sell what is left of one row of STOCK, at the store's price, to the fastest keeper, who sells it on at once.

    It buys as much as the spot book gives at that price or better, if that earns more than its cost. No more is sold
    than brings the reserves to `target` USD quanta. Returns the lots sold.
    """
    policy = policies[0]
    book = assets[row.asset].spot_book
    instrument = instruments[book]
    have = value_of(assets[instrument.quote], cash[INSURANCE_FUND, instrument.quote])
    k = _buyer(keepers)
    if k == NONE or instrument.halted or have >= target:
        return 0
    price = store_price(float(instrument.index), factors[row.asset] / PPM, passed_on)
    settle_at(book, price, SELL, instruments, limits)
    each = limits[book, 1] * instrument.tick_value
    wanted = -(-row.left // instrument.lot_quanta)
    wanted = min(wanted, cash[INSURANCE_FUND, row.asset] // instrument.lot_quanta)
    wanted = min(wanted, (target - have) // max(value_of(assets[instrument.quote], each), 1) + 1)
    if wanted <= 0:
        return 0
    filled, paid, _ = sweep(book, SELL, wanted, limits[book, 0], levels, occupied, instruments)
    beyond = part(paid * instrument.tick_value, PPM - max(instrument.taker_fee, 0)) - filled * each
    keeper = keepers[k]
    if filled == 0 or value_of(assets[instrument.quote], beyond) <= keeper.cost:
        return 0
    moved[book, MARKED] = mark_of(instrument, policy.mark_rule)
    if forced_order(
        INSURANCE_FUND, keeper.account, book, SELL, filled, limits, FORCED_RESALE, tick, round_, row.claim_tick, policy,
        events, moved, message, handle, fills, orders, free, levels, occupied, instruments, counters, positions,
        accounts, cash, assets, touched, touched_mark,
    ) == 0:  # fmt: skip
        return 0
    event = events[counters[EVENT_COUNT] - 1]
    event.account = row.account  # whose liquidation it belongs to
    keeper.used += 1
    transfer(cash, instrument.quote, keeper.account, OUTSIDE, -amount_of(assets[instrument.quote], -keeper.cost))
    row.left -= event.lots * instrument.lot_quanta
    remark(instruments, policy.mark_rule)
    counters[REMARKED] = counters[EVENT_COUNT] + 1
    touch(keeper.account, touched, touched_mark, counters)
    return event.lots
