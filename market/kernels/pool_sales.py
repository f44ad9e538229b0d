"""Collateral sold into a pool by a liquidation call: at which price, how much, and who gets what."""

from __future__ import annotations

from market.kernels.arithmetic import multiply_divide
from market.kernels.forced import note_exchange
from market.kernels.jit import kernel
from market.kernels.ledger import transfer
from market.kernels.limits import discount_of
from market.kernels.margin import amount_of, value_of
from market.kernels.pools import amount_for, amount_to_price, run_through, side_of, swap
from market.kernels.records import (
    AT_BANKRUPTCY,
    AT_MARK,
    FILLABLE,
    FORCED_SWAP,
    INSURANCE_FUND,
    NONE,
    PPM,
    SELL,
    TO_ACCOUNT,
    TO_KEEPER,
)
from market.kernels.rules.fees import price_with_fee
from market.kernels.trading import touch


@kernel
def pool_of(asset, quote, pools):
    """The first pool of two assets; NONE when there is none."""
    for at in range(pools[0].shape[0]):
        pool = pools[0][at]
        if (pool.base == asset and pool.quote == quote) or (pool.base == quote and pool.quote == asset):
            return at
    return NONE


@kernel
def _rule_share(claim, clock, policy, asset, assets):
    """Share of the venue's price that a price rule asks for collateral; 0 when it leaves that to the slippage limit."""
    if policy.price_rule in (AT_MARK, FILLABLE, AT_BANKRUPTCY):
        return 0.0
    return max(price_with_fee(1.0, discount_of(claim, clock, policy, asset, True, assets), -1.0), 0.0)


@kernel
def settled_share(claim, clock, policy, asset, assets):
    """Share of the venue's price at which the account is settled whatever the pool gives; 0 when it gets all of it."""
    return _rule_share(claim, clock, policy, asset, assets) if policy.surplus != TO_ACCOUNT else 0.0


@kernel
def _settled(asset, quote, amount, share, assets):
    """Quote quanta for `amount` at a share of the venue's price, rounded up, for the account."""
    value = -value_of(assets[asset], -amount)
    return -amount_of(assets[quote], -multiply_divide(value, int(share * PPM + 0.5), PPM) - 1)


@kernel
def _venue_price(asset, quote, assets):
    """Quote quanta that a quantum of the asset is worth at the venue's prices, float."""
    into, out = assets[asset], assets[quote]
    worth = float(into.price) * into.multiplier / into.divisor
    return worth / (float(out.price) * out.multiplier / out.divisor)


@kernel
def _most(claim, clock, pool, side, asset, quote, policy, pools, assets):
    """Quanta that may be sold until the pool's marginal price is at the limit.

    Under a price rule what the last quantum brings after the pool's fee is still worth the rule's price; without one
    the marginal price is no further from the venue's than the slippage limit.
    """
    share = _rule_share(claim, clock, policy, asset, assets)
    if share > 0.0:
        share /= 1.0 - pools[0][pool].fee / PPM
    else:
        share = 1.0 - policy.slippage / PPM
    price = _venue_price(asset, quote, assets) * max(share, 1e-9)
    return amount_to_price(pool, side, price if side == SELL else 1.0 / price, pools)


@kernel
def _amount(claim, clock, pool, side, asset, quote, needed, policy, pools, assets, cash):
    """Quanta to sell: what raises `needed` quote quanta, within what is owned and what the limit allows."""
    share = settled_share(claim, clock, policy, asset, assets)
    if share > 0.0:
        wanted = int(needed / (_venue_price(asset, quote, assets) * share)) + 1
    else:
        wanted = amount_for(pool, side, needed, pools)
    held = cash[claim.account, asset]
    return min(wanted, held, _most(claim, clock, pool, side, asset, quote, policy, pools, assets))


@kernel
def sell_into_pool(
    claim, keeper, pool, asset, quote, needed, tick, round_, clock, policy, events, pools, assets, cash, touched,
    touched_mark, counters,
):  # fmt: skip
    """Sell collateral for at least `needed` quote quanta, if owned and allowed; return what the account got.

    Where a rule settles the account at a price, keeper or fund gets what the pool gives beyond it; the keeper bears
    what may miss, the fund does not.
    """
    account = claim.account
    side = side_of(pool, asset, pools)
    amount = _amount(claim, clock, pool, side, asset, quote, needed, policy, pools, assets, cash)
    paid, received = swap(account, pool, side, amount, 1, 0, pools, cash)
    if received == 0:
        return 0
    touch(account, touched, touched_mark, counters)
    note_exchange(
        account, keeper, asset, quote, paid, received, FORCED_SWAP, tick, round_, claim.tick, events, assets, counters,
    )  # fmt: skip
    share = settled_share(claim, clock, policy, asset, assets)
    if share == 0.0:
        return received
    own = _settled(asset, quote, paid, share, assets)
    if policy.surplus == TO_KEEPER:
        transfer(cash, quote, account, keeper, received - own)
        return own
    if own > received:
        return received
    transfer(cash, quote, account, INSURANCE_FUND, received - own)
    return own


@kernel
def gain_from_pools(claim, clock, left, policy, pools, instruments, assets, cash):
    """USD quanta that pools would give a keeper beyond the price at which it takes over collateral without a book.

    `left` is what one call may close, USD quanta.
    """
    gained = 0
    for asset in range(assets.shape[0]):
        share = settled_share(claim, clock, policy, asset, assets)
        held = cash[claim.account, asset]
        book = assets[asset].spot_book
        if held <= 0 or share == 0.0 or left <= 0:
            continue
        for quote in range(assets.shape[0]):
            if quote == asset or not assets[quote].is_settlement or cash[claim.account, quote] >= 0:
                continue
            pool = pool_of(asset, quote, pools)
            if pool == NONE or (book != NONE and instruments[book].quote == quote):
                continue
            side = side_of(pool, asset, pools)
            most = _most(claim, clock, pool, side, asset, quote, policy, pools, assets)
            amount = min(held, most, amount_of(assets[asset], int(left / share)))
            paid, received = run_through(pool, side, amount, pools, 0)
            own = _settled(asset, quote, paid, share, assets)
            gained += value_of(assets[quote], max(received - own, 0))
            left -= value_of(assets[quote], own)
    return gained
