"""Arbitrageurs of pools: hedge what they hold outside, then trade the pool to where no more is to be earned."""

from __future__ import annotations

import numpy as np

from agents.kernels.orders import put_swap, usd_per_quantum
from market.kernels.jit import kernel
from market.kernels.ledger import transfer
from market.kernels.pools import amount_to_price, pool_price, run_through
from market.kernels.records import BUY, NO_IMPACT, OUTSIDE, PPM, SELL, f8, i4, i8
from market.kernels.trading import touch

POOL_ARBITRAGEUR = np.dtype(
    [
        ("account", i4),
        ("pool", i4),
        ("latency", i4),  # ticks
        ("pace", i4),  # ticks between two swaps
        ("initial_base", i8),  # quanta it started with and calls no inventory
        ("hedge_cost", f8),  # fraction of the reference
        ("hedge_usd", f8),  # per tick
        ("least_profit", f8),  # USD
        ("order_usd", f8),  # largest swap
    ]
)


@kernel
def _hedge(own, pool, assets, cash, touched, touched_mark, counters):
    """Pass inventory to the outside world at the reference price less the cost, rounded against the arbitrageur."""
    held = cash[own.account, pool.base] - own.initial_base
    worth = usd_per_quantum(assets[pool.base])
    price = worth / usd_per_quantum(assets[pool.quote])
    amount = min(abs(held), int(own.hedge_usd / worth))
    if amount == 0:
        return
    if held > 0:
        value = -int(np.floor(amount * price * (1.0 - own.hedge_cost)))
    else:
        value = int(np.ceil(amount * price * (1.0 + own.hedge_cost)))
        amount = -amount
        if value > cash[own.account, pool.quote]:
            return
    transfer(cash, pool.base, own.account, OUTSIDE, amount)
    transfer(cash, pool.quote, own.account, OUTSIDE, value)
    touch(own.account, touched, touched_mark, counters)


@kernel
def best_swap(at, price, cost, pools):
    """(side, amount) of the swap that earns most when base is worth `price` quote quanta outside, less `cost` of it.

    What the last quantum paid in brings, after the pool's fee, is what it is worth: the marginal price is moved to
    price (1 + cost) / (1 - fee) by a sale, whose base must be bought outside, or price (1 - cost) (1 - fee) by a
    purchase. An amount of 0 when the gap is within fee and cost.
    """
    share = 1.0 - pools[0][at].fee / PPM
    amount = amount_to_price(at, SELL, price * (1.0 + cost) / share, pools)
    if amount > 0:
        return SELL, amount
    return BUY, amount_to_price(at, BUY, price * (1.0 - cost) * share, pools)


@kernel
def decide(
    messages, n, arbitrageurs, ring, known, tick, pools, assets, cash, accounts, counters, touched, touched_mark
):
    """Hedge, then append at most one swap per arbitrageur; return (messages now in use, known rows of `ring`).

    `ring` float64[ticks, n_pools]: past outside prices, quote quanta per base quantum, of which `known` rows are
    filled. A swap carries as `least_out` what it must bring to be worth the while, so one that comes too late fails.
    """
    slots = ring.shape[0]
    for at in range(pools[0].shape[0]):
        pool = pools[0][at]
        ring[tick % slots, at] = usd_per_quantum(assets[pool.base]) / usd_per_quantum(assets[pool.quote])
    known = min(known + 1, slots)
    for row in range(arbitrageurs.shape[0]):
        own = arbitrageurs[row]
        if accounts[own.account].claim != 0:
            continue
        pool = pools[0][own.pool]
        _hedge(own, pool, assets, cash, touched, touched_mark, counters)
        if tick % own.pace != 0 or pool_price(own.pool, pools) == 0.0:
            continue
        seen = ring[(tick - min(own.latency, known - 1)) % slots, own.pool]
        side, amount = best_swap(own.pool, seen, own.hedge_cost, pools)
        into = pool.base if side == SELL else pool.quote
        amount = min(amount, cash[own.account, into], int(own.order_usd / usd_per_quantum(assets[into])))
        if amount <= 0:
            continue
        paid, received = run_through(own.pool, side, amount, pools, 0)
        profit = own.least_profit / usd_per_quantum(assets[pool.quote])
        if side == SELL:
            least = paid * seen * (1.0 + own.hedge_cost) + profit
        else:
            least = (paid + profit) / (seen * (1.0 - own.hedge_cost))
        if received >= least:
            n = put_swap(messages, n, own.account, own.pool, into, paid, int(np.ceil(least)), NO_IMPACT)
    return n, known
