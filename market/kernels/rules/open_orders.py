"""Resting orders at their worst: what the account would be if the wrong side filled.

Sizes of bids and asks are not negative, both in units of the base.
"""

from __future__ import annotations

from market.kernels.jit import kernel
from market.kernels.rules.weights import own_asset_weight, own_liability_weight, size_discount, size_premium


@kernel
def worst_size(position, bids, asks):
    """Signed position of the largest size that either all bids or all asks lead to."""
    bought = position + bids
    sold = position - asks
    return bought if abs(bought) > abs(sold) else sold


@kernel
def _filled(position, change, order_price, low, high, asset_weight, liability_weight):
    after = position + change
    value = after * high * liability_weight if after < 0.0 else after * low * asset_weight
    return value - change * order_price


@kernel
def worst_position_value(position, bids, asks, low, high, asset_weight, liability_weight):
    """Weighted value of a position less what its orders pay, at the worse of all bids filled and all asks filled.

    Bids pay `high`, asks get `low`. Source: Mango v4 PerpInfo (blockworks-foundation/mango-v4@1303a4a1).
    """
    return min(
        _filled(position, bids, high, low, high, asset_weight, liability_weight),
        _filled(position, -asks, low, low, high, asset_weight, liability_weight),
    )


@kernel
def _weighted(size, value, asset_weight, liability_weight, factor, step, own_ratio):
    if value > 0.0:
        return value * own_asset_weight(size_discount(asset_weight, size, factor, step), own_ratio)
    return value * own_liability_weight(size_premium(liability_weight, size, factor, step), own_ratio)


@kernel
def worst_balance(amount, bids, asks, low, high, asset_weight, liability_weight, factor, step, own_ratio):
    """(value, weighted value, money of the orders) of a balance at the worse of all bids filled and all asks filled.

    Money is negative when the orders pay. Fills are valued at `high`; the worse side is the one with the lower weighted
    value plus money, before the account's own margin ratio `own_ratio` (0: none) is applied. `factor` and `step` are
    those of the weight curves. Source: Drift v2 get_worst_case_fill_simulation (drift-labs/protocol-v2@0ae3e3b1).
    """
    value = amount * high if amount < 0.0 else amount * low
    bought = value + bids * high
    sold = value - asks * high
    bid = _weighted(amount + bids, bought, asset_weight, liability_weight, factor, step, 0.0) - bids * high
    ask = _weighted(amount - asks, sold, asset_weight, liability_weight, factor, step, 0.0) + asks * high
    if ask <= bid:
        size, value, money = amount - asks, sold, asks * high
    else:
        size, value, money = amount + bids, bought, -bids * high
    return value, _weighted(size, value, asset_weight, liability_weight, factor, step, own_ratio), money


@kernel
def reserved_as_base(reserved_base, reserved_quote, quote_price, base_price, highest_bid):
    """Base if all reserved quote buys base, at the oracle or at the highest bid if that is dearer (0: unknown)."""
    price = base_price / quote_price
    return reserved_base + reserved_quote / (price if highest_bid <= 0.0 else max(price, highest_bid))


@kernel
def reserved_as_quote(reserved_base, reserved_quote, quote_price, base_price, lowest_ask):
    """Quote if all reserved base is sold, at the oracle or at the lowest ask if that is cheaper (0: unknown)."""
    price = base_price / quote_price
    return reserved_quote + reserved_base * (price if lowest_ask <= 0.0 else min(price, lowest_ask))


@kernel
def last_addition(balance, added, asset_value, liability_value):
    """Health that `added` units bring when they are the last to arrive in `balance`, which holds them already.

    `asset_value` and `liability_value` are price x weight per unit. Source: Mango v4 Serum3Info.health_contribution.
    """
    as_asset = min(max(balance, 0.0), added)
    return as_asset * asset_value + (added - as_asset) * liability_value
