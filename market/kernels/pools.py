"""Pools of an automated market maker: swaps, what they would give, and liquidity taken out. Arrays in, arrays out.

A pool is a row of POOL and, in rising order of price, its rows of RANGE: one for a constant product, one between every
two neighbouring ticks where liquidity is concentrated. Its reserves are balances of its ledger account, and only
transfers change them. `pools` is the tuple (POOL[n], RANGE[m]) that kernels pass on; in a world without pools it is
None, and everything that asks for it is compiled away.
"""

from __future__ import annotations

import numpy as np

from market.kernels.arithmetic import part
from market.kernels.jit import kernel
from market.kernels.ledger import transfer
from market.kernels.margin import initial_excess
from market.kernels.records import BUY, CROWD, NO_IMPACT, NONE, PPM, REFUSED, SELL, SPOT, SYSTEM, i4, i8
from market.kernels.rules.pools import (
    LARGEST_RESERVE,
    NO_AMOUNT,
    input_to_price,
    less_pool_fee,
    plus_pool_fee,
    pool_input,
    pool_output,
)
from market.kernels.trading import mix, touch

CONSTANT_PRODUCT, CONCENTRATED = range(2)
"""Kinds of pool: Uniswap v2 and v3."""

SWAP, WITHDRAW = range(2)
"""Messages to a pool."""

POOL = np.dtype(
    [
        ("account", i4),  # ledger row of its reserves
        ("provider", i4),  # ledger row of those who put them in
        ("base", i4),  # asset whose price it makes
        ("quote", i4),  # asset it is priced in
        ("kind", i4),
        ("first", i4),  # rows of RANGE, in rising order of price
        ("n_ranges", i4),
        ("active", i4),  # row of RANGE that trades
        ("fee", i8),  # ppm of the amount paid in
        ("fees_base", i8),  # CONCENTRATED: in the account, beside the curve; of a constant product they join it
        ("fees_quote", i8),
        # since the start of the run
        ("earned_base", i8),  # fees
        ("earned_quote", i8),
        ("paid_base", i8),  # amounts paid in by swaps
        ("paid_quote", i8),
        ("swaps", i8),
        ("net_flow", i8),  # signed base quanta that traders took this tick and that move the reference
    ]
)

RANGE = np.dtype(
    [
        ("base", i8),  # quanta that are there
        ("quote", i8),
        ("virtual_base", i8),  # what the curve adds to them; 0 for a constant product
        ("virtual_quote", i8),
    ]
)

POOL_MESSAGE = np.dtype(
    [
        ("amount", i8),  # SWAP: quanta paid in, at most; WITHDRAW: ppm of all liquidity
        ("least_out", i8),  # SWAP: nothing happens for less
        ("tag", i8),  # free for the sender
        ("paid", i8),  # SWAP: what came of it, written when it is carried out
        ("received", i8),
        ("op", i4),  # SWAP, WITHDRAW
        ("account", i4),
        ("pool", i4),
        ("asset_in", i4),
        ("flags", i4),  # NO_IMPACT
        ("done", i4),  # 1 when it was carried out
    ]
)


@kernel
def pool_price(at, pools):
    """Marginal price before the fee, quote quanta per base quantum; 0 when the pool is empty."""
    active = pools[1][pools[0][at].active]
    base = active.base + active.virtual_base
    return (active.quote + active.virtual_quote) / base if base > 0 else 0.0


@kernel
def side_of(at, asset_in, pools):
    """SELL when the base asset is paid in, BUY when the quote asset is, NONE for any other."""
    pool = pools[0][at]
    if asset_in == pool.base:
        return SELL
    return BUY if asset_in == pool.quote else NONE


@kernel
def _seen_from(row, side, ranges):
    """(what comes in, virtual part of it, what goes out, virtual part of it) of a range for a trade on a side."""
    here = ranges[row]
    if side == SELL:
        return here.base, here.virtual_base, here.quote, here.virtual_quote
    return here.quote, here.virtual_quote, here.base, here.virtual_base


@kernel
def _last_row(pool, side):
    """The range at which a trade on a side runs out of liquidity: sales lower the price."""
    return pool.first if side == SELL else pool.first + pool.n_ranges - 1


@kernel
def _step_range(pool, row, side, net, fee, out, ranges):
    """Book what one range gave: the fee stays beside the curve, or joins it when that is a constant product."""
    here = ranges[row]
    into = net
    if pool.kind == CONSTANT_PRODUCT:
        into += fee
    elif side == SELL:
        pool.fees_base += fee
    else:
        pool.fees_quote += fee
    if side == SELL:
        here.base += into
        here.quote -= out
        pool.earned_base += fee
        pool.paid_base += net + fee
    else:
        here.quote += into
        here.base -= out
        pool.earned_quote += fee
        pool.paid_quote += net + fee


@kernel
def run_through(at, side, amount, pools, effective):
    """Trade up to `amount` quanta, fee included, through the ranges; return (paid, received).

    The fee is taken from what is paid in and rounded up, what is received is rounded down. Less is paid where the
    liquidity of all ranges, or the room for reserves, is used up; nothing is taken for what would buy nothing. With
    `effective` 0 everything stays as it is: a quote. Balances are the caller's to move.
    """
    pool = pools[0][at]
    ranges = pools[1]
    fee = pool.fee
    row = np.int64(pool.active)
    last = _last_row(pool, side)
    left, received = amount, np.int64(0)
    while left > 0:
        held, virtual, there, floor = _seen_from(row, side, ranges)
        reserve = held + virtual
        if there > 0 and reserve > 0:
            offered = min(left, LARGEST_RESERVE - reserve)
            net = less_pool_fee(offered, fee)
            all_of_it = pool_input(there, reserve, there + floor)
            if net >= all_of_it:
                net, out = all_of_it, there
                paid = plus_pool_fee(net, fee)
            else:
                out = pool_output(net, reserve, there + floor)
                paid = offered
            if out <= 0:
                break
            if effective:
                _step_range(pool, row, side, net, paid - net, out, ranges)
            left -= paid
            received += out
            if out < there:
                break
        if row == last:
            break
        row += 1 if side == BUY else -1
    if effective:
        pool.active = row
    return amount - left, received


@kernel
def amount_for(at, side, wanted, pools):
    """Least amount to pay in, fee included, that brings `wanted` quanta; NO_AMOUNT where nothing does."""
    pool = pools[0][at]
    row = np.int64(pool.active)
    last = _last_row(pool, side)
    paid = np.int64(0)
    while wanted > 0:
        held, virtual, there, floor = _seen_from(row, side, pools[1])
        if there > 0 and held + virtual > 0:
            net = pool_input(min(wanted, there), held + virtual, there + floor)
            if net == NO_AMOUNT:
                return NO_AMOUNT
            paid += plus_pool_fee(net, pool.fee)
            wanted -= there
        if row == last:
            break
        row += 1 if side == BUY else -1
    return paid if wanted <= 0 else NO_AMOUNT


@kernel
def amount_to_price(at, side, price, pools):
    """Amount to pay in, fee included, that moves the marginal price to `price`, quote quanta per base quantum.

    The closed form of every range, the ranges on the way emptied; 0 when the price is there already. Rounded down.
    """
    pool = pools[0][at]
    row = np.int64(pool.active)
    last = _last_row(pool, side)
    share = 1.0 - pool.fee / PPM
    aim = price if side == SELL else 1.0 / price
    paid = 0.0
    while True:
        held, virtual, there, floor = _seen_from(row, side, pools[1])
        if there > 0 and held + virtual > 0:
            net = input_to_price(held + virtual, there + floor, aim)
            all_of_it = pool_input(there, held + virtual, there + floor)
            paid += min(net, float(all_of_it)) / share
            if net < all_of_it:
                break
        if row == last:
            break
        row += 1 if side == BUY else -1
    return np.int64(min(paid, float(LARGEST_RESERVE)))


@kernel
def _settle_swap(account, side, paid, received, flags, pool, cash):
    """Move the balances of a swap, and count it."""
    into, out = (pool.base, pool.quote) if side == SELL else (pool.quote, pool.base)
    transfer(cash, into, account, pool.account, paid)
    transfer(cash, out, pool.account, account, received)
    pool.swaps += 1
    if not flags & NO_IMPACT:
        pool.net_flow += -paid if side == SELL else received


@kernel
def swap(account, at, side, amount, least_out, flags, pools, cash):
    """Swap up to `amount` quanta of what the account owns, for `least_out` or not at all; return (paid, received).

    No margin gate: for liquidations. What is not owned is not paid.
    """
    pool = pools[0][at]
    amount = min(amount, cash[account, pool.base if side == SELL else pool.quote])
    paid, received = run_through(at, side, amount, pools, 0)
    if received <= 0 or received < least_out:
        return np.int64(0), np.int64(0)
    run_through(at, side, amount, pools, 1)
    _settle_swap(account, side, paid, received, flags, pool, cash)
    return paid, received


@kernel
def _pledged(account, asset, instruments, positions):
    """Quanta of an asset that resting spot orders promise."""
    total = np.int64(0)
    for book in range(instruments.shape[0]):
        instrument = instruments[book]
        if instrument.kind == SPOT and instrument.base == asset:
            total += positions[account, book].open_ask * instrument.lot_quanta
        elif instrument.kind == SPOT and instrument.quote == asset:
            # None of its resting bids is above the best bid.
            total += positions[account, book].open_bid * instrument.best_bid * instrument.tick_value
    return total


@kernel
def gated_swap(message, pools, instruments, assets, margin, positions, cash, accounts):
    """A swap as an order: out of what is owned beside resting orders, and for no initial margin that is needed.

    Refused whole: (0, 0). As at the books, the crowd and system accounts pass the gate, and an account confined to one
    instrument may not trade anything else.
    """
    at, account = message.pool, message.account
    side = side_of(at, message.asset_in, pools)
    if side == NONE or message.amount <= 0 or accounts[account].only_instrument != NONE:
        return np.int64(0), np.int64(0)
    if accounts[account].flags & (CROWD | SYSTEM):
        return swap(account, at, side, message.amount, message.least_out, message.flags, pools, cash)
    if cash[account, message.asset_in] < message.amount + _pledged(account, message.asset_in, instruments, positions):
        return np.int64(0), np.int64(0)
    paid, received = run_through(at, side, message.amount, pools, 0)
    before = initial_excess(account, instruments, assets, margin, positions, cash)
    pool = pools[0][at]
    asset_out = pool.quote if side == SELL else pool.base
    cash[account, message.asset_in] -= paid
    cash[account, asset_out] += received
    after = initial_excess(account, instruments, assets, margin, positions, cash)
    cash[account, message.asset_in] += paid
    cash[account, asset_out] -= received
    if after < 0 and after < before:
        return np.int64(0), np.int64(0)
    return swap(account, at, side, message.amount, message.least_out, message.flags, pools, cash)


@kernel
def withdraw(at, share, pools, cash):
    """Take `share` ppm of all liquidity, and all fees beside it, out to the provider; return (base, quote) quanta.

    What stays is rounded up, reserves and virtual reserves alike, so the price stays where it is but for rounding.
    """
    pool = pools[0][at]
    base, quote = pool.fees_base, pool.fees_quote
    pool.fees_base = 0
    pool.fees_quote = 0
    for row in range(pool.first, pool.first + pool.n_ranges):
        here = pools[1][row]
        out = part(here.base, share)
        here.base -= out
        base += out
        out = part(here.quote, share)
        here.quote -= out
        quote += out
        here.virtual_base -= part(here.virtual_base, share)
        here.virtual_quote -= part(here.virtual_quote, share)
    transfer(cash, pool.base, pool.account, pool.provider, base)
    transfer(cash, pool.quote, pool.account, pool.provider, quote)
    return base, quote


@kernel
def _arrange(messages, n, salt, keys, arrival):
    """Order of arrival by a drawn key: hash of the tick's salt, account and pool; equal keys keep their order."""
    seed = np.uint64(np.int64(salt * (1 << 53)))
    for row in range(n):
        sender = np.uint64(messages[row].account) * np.uint64(4096) + np.uint64(messages[row].pool + 1)
        key = mix(seed ^ (sender * np.uint64(0x9E3779B97F4A7C15)))
        place = row
        while place > 0 and keys[place - 1] > key:
            keys[place] = keys[place - 1]
            arrival[place] = arrival[place - 1]
            place -= 1
        keys[place] = key
        arrival[place] = row


@kernel
def carry_out(
    messages, n, salt, keys, arrival, pools, instruments, assets, margin, positions, cash, accounts, counters, touched,
    touched_mark,
):  # fmt: skip
    """Carry out n messages in drawn order, writing `paid`, `received` and `done` into each.

    What the gate, `least_out` or a withdrawal by somebody else refuses is counted in `counters[REFUSED]`.
    """
    _arrange(messages, n, salt, keys, arrival)
    for place in range(n):
        message = messages[arrival[place]]
        message.paid = 0
        message.received = 0
        if message.op == WITHDRAW:
            message.done = message.account == pools[0][message.pool].provider and 0 < message.amount <= PPM
            if message.done:
                withdraw(message.pool, message.amount, pools, cash)
        else:
            paid, received = gated_swap(message, pools, instruments, assets, margin, positions, cash, accounts)
            message.paid = paid
            message.received = received
            message.done = received > 0
        if message.done:
            touch(message.account, touched, touched_mark, counters)
        else:
            counters[REFUSED] += 1
