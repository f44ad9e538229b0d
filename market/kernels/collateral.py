"""Sale of collateral for debts: on the spot book, else into a pool, to the outside world where there is neither."""

from __future__ import annotations

from market.kernels.arithmetic import multiply_divide, part
from market.kernels.book import lots_to_raise, sweep
from market.kernels.categories import category_of
from market.kernels.forced import charge_fee, forced_order
from market.kernels.jit import kernel
from market.kernels.ledger import transfer
from market.kernels.limits import LARGEST, fee_on, largest_collateral
from market.kernels.margin import amount_of, value_of
from market.kernels.pool_sales import pool_of, sell_into_pool, settled_share
from market.kernels.records import FORCED_COLLATERAL, MAINTENANCE, NONE, OUTSIDE, PPM, ROOM, SELL
from market.kernels.sizing import bid_for, debt_to_repay
from market.kernels.trading import touch


@kernel
def sell_outside(account, asset, quote, amount, policy, assets, cash):
    """Sell `amount` to the outside world at the venue's price less the conversion loss; return the proceeds.

    Rounded down, against the account; proceeds are in quanta of `quote`.
    """
    usd = part(value_of(assets[asset], amount), PPM - policy.conversion)
    proceeds = amount_of(assets[quote], usd)
    transfer(cash, asset, account, OUTSIDE, amount)
    transfer(cash, quote, OUTSIDE, account, proceeds)
    return proceeds


@kernel
def _amount_to_raise(asset, quote, value, policy, assets):
    """Least quanta of `asset` whose sale outside brings at least `value` quanta of `quote`."""
    if policy.conversion >= PPM:
        return LARGEST
    usd = value_of(assets[quote], -value)
    return -amount_of(assets[asset], multiply_divide(usd, PPM, PPM - policy.conversion))


@kernel
def sale_fee(value, fee):
    """Liquidation fee in a sale of collateral for `value`: the debt it repays is value / (1 + fee ppm); the rest is
    fee."""
    return value - multiply_divide(value, PPM, PPM + fee)


@kernel
def sale_for(owed, taker_fee, fee):
    """Least value of a sale that repays `owed` after trading fee and liquidation fee, ppm, both rounded up."""
    rounding = 2 if taker_fee > 0 else 0
    left = PPM * PPM - max(taker_fee, 0) * (PPM + fee)
    return -multiply_divide(-(owed + rounding), PPM * (PPM + fee), left)


@kernel
def _lots_to_sell(book, owed, most, limits, fee, policy, asset, levels, occupied, instruments, assets):
    """Lots, `most` at most, whose sale repays `owed` quote quanta: at the book's prices, or at the price settled.

    Settled, it is one bid; as large as the book lets it be, where the rule asks that it leaves nothing or enough.
    """
    instrument = instruments[book]
    if limits[book, 1] > 0:
        each = limits[book, 1] * instrument.tick_value
        needed = sale_for(owed, 0, fee)
        wanted = min(most, -(-needed // each))
        if policy.sizing != ROOM:
            return wanted
        filled, _, _ = sweep(book, SELL, wanted, limits[book, 0], levels, occupied, instruments)
        return int(bid_for(needed, most, each, filled, fee, policy, asset, instrument.quote, assets) + 1e-9)
    needed = sale_for(owed, instrument.taker_fee, fee)
    return lots_to_raise(book, needed, most, limits[book, 0], levels, occupied, instruments)


@kernel
def _paid_per_debt(claim, clock, asset, quote, limits, policy, instruments, assets, pools):
    """Value, at the venue's prices, of the collateral that repaying a debt of 1 takes: its fee, and its discount."""
    if asset == NONE:
        return 1.0 + policy.fee / PPM
    paid = 1.0 + fee_on(claim, assets[asset], policy) / PPM
    book = assets[asset].spot_book
    if book != NONE and instruments[book].quote == quote and limits[book, 1] > 0:
        return paid * instruments[book].index / limits[book, 1]
    if pools is not None:
        share = settled_share(claim, clock, policy, asset, assets)
        if share > 0.0 and pool_of(asset, quote, pools) != NONE:
            return paid / share
    return paid


@kernel
def sell_collateral(
    claim, keeper, tick, round_, clock, limits, policy, events, moved,
    message, handle, fills, orders, free, levels, occupied, instruments, counters, positions, accounts,
    cash, assets, margin, touched, touched_mark, pools,
):  # fmt: skip
    """Sell collateral, most valuable first, until the debts to repay in this call are paid or the books give no more.

    The account has no positions. What has no book, and less than a lot, goes into a pool of the two assets, or outside
    where there is none, rounded against the account.
    Returns (settlement asset of the sales or NONE, keeper's reward in USD quanta).
    """
    account = claim.account
    claim.category = category_of(account, MAINTENANCE, instruments, assets, positions, cash)
    paid_in = NONE
    reward = 0
    for quote in range(assets.shape[0]):
        if not assets[quote].is_settlement:
            continue
        first = largest_collateral(account, quote, LARGEST, assets, cash)
        paid = _paid_per_debt(claim, clock, first, quote, limits, policy, instruments, assets, pools)
        owed = debt_to_repay(claim, quote, first, paid, policy, assets, margin, cash)
        goal = cash[account, quote] + owed
        below = LARGEST
        while cash[account, quote] < goal:
            asset = largest_collateral(account, quote, below, assets, cash)
            if asset == NONE:
                break
            held = cash[account, asset]
            fee = fee_on(claim, assets[asset], policy)
            book = assets[asset].spot_book
            on_book = book != NONE and instruments[book].quote == quote and held >= instruments[book].lot_quanta
            pool = NONE
            if pools is not None:
                pool = NONE if on_book else pool_of(asset, quote, pools)
            if on_book:
                wanted = _lots_to_sell(
                    book, goal - cash[account, quote], held // instruments[book].lot_quanta, limits, fee, policy, asset,
                    levels, occupied, instruments, assets,
                )  # fmt: skip
                value = forced_order(
                    account, keeper, book, SELL, wanted, limits, FORCED_COLLATERAL, tick, round_, claim.tick, policy,
                    events, moved, message, handle, fills, orders, free, levels, occupied, instruments, counters,
                    positions, accounts, cash, assets, touched, touched_mark,
                )  # fmt: skip
            elif pool != NONE:
                value = 0
                if pools is not None:
                    needed = sale_for(goal - cash[account, quote], 0, fee)
                    value = sell_into_pool(
                        claim, keeper, pool, asset, quote, needed, tick, round_, clock, policy, events, pools, assets,
                        cash, touched, touched_mark, counters,
                    )  # fmt: skip
            else:
                needed = sale_for(goal - cash[account, quote], 0, fee)
                amount = min(held, _amount_to_raise(asset, quote, needed, policy, assets))
                value = sell_outside(account, asset, quote, amount, policy, assets, cash)
                touch(account, touched, touched_mark, counters)
            if value > 0:
                paid_in = quote
                reward += charge_fee(
                    account, keeper, quote, sale_fee(value, fee), policy, instruments, assets, positions, cash,
                    touched, touched_mark, counters,
                )  # fmt: skip
            if pool != NONE or (on_book and cash[account, asset] >= instruments[book].lot_quanta):
                # Its book or pool gives no more: on to the next asset.
                below = value_of(assets[asset], cash[account, asset])
    return paid_in, reward
