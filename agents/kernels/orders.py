"""What every deciding kernel needs: writing messages, the value of a lot, draws from uniforms."""

from __future__ import annotations

import numpy as np

from market.kernels.jit import inline, kernel
from market.kernels.pools import SWAP
from market.kernels.records import BUY, CANCEL, HANDLE_SLOT_BITS

_SLOT_MASK = (1 << HANDLE_SLOT_BITS) - 1


@inline
def put_order(messages, n, op, book, side, price, lots, account, flags, tag):
    """Write an order into row n; return the next row."""
    message = messages[n]
    message.op = op
    message.book = book
    message.side = side
    message.price = price
    message.lots = lots
    message.account = account
    message.flags = flags
    message.tag = tag
    message.target = 0
    return n + 1


@inline
def put_cancel(messages, n, book, handle, account):
    """Write a cancellation into row n; return the next row."""
    message = messages[n]
    message.op = CANCEL
    message.book = book
    message.side = BUY
    message.price = 0
    message.lots = 0
    message.account = account
    message.flags = 0
    message.tag = 0
    message.target = handle
    return n + 1


@inline
def put_swap(messages, n, account, pool, asset_in, amount, least_out, flags):
    """Write a swap into row n of a pool market's messages; return the next row."""
    message = messages[n]
    message.op = SWAP
    message.account = account
    message.pool = pool
    message.asset_in = asset_in
    message.amount = amount
    message.least_out = least_out
    message.flags = flags
    message.tag = 0
    return n + 1


@inline
def usd_per_quantum(asset):
    """USD that a quantum of an asset is worth at its reference price."""
    return asset.reference * (asset.multiplier / asset.divisor) * 1e-6


@inline
def rests(handle, orders):
    """Whether the order with this handle still rests; its slot carries another handle once it is gone."""
    return handle > 0 and orders[handle & _SLOT_MASK].handle == handle


@inline
def slot_of(handle):
    """Slot of an order."""
    return handle & _SLOT_MASK


@inline
def usd_per_tick(instrument, assets):
    """USD that one tick of price is worth per lot, at the reference price of the quote asset."""
    quote = assets[instrument.quote]
    return instrument.tick_value * (quote.reference * quote.multiplier / quote.divisor) * 1e-6


@kernel
def poisson(uniform, mean, most):
    """Poisson number with the given mean, by inversion of one uniform; never above `most`.

    Above a mean of 500, where the noise is below 5 % and exp(-mean) soon underflows, the mean rounded at random.
    """
    if mean > 500.0:
        return min(int(mean + uniform), most)
    probability = np.exp(-mean)
    below = probability
    count = 0
    while uniform >= below and count < most:
        count += 1
        probability *= mean / count
        below += probability
    return count
