"""Liquidation of a position whose unrealised gain counts less than cash: reduce, settle the gain, reduce on.

Source: Mango v4 perp_liq_base_or_positive_pnl.rs (blockworks-foundation/mango-v4@1303a4a1), five steps: (1) reduce the
position while its weighted profit is negative, (2) let the liquidator take over positive profit, (3) reduce further as
far as profit to be taken over allows, (4) take that over, (5) reduce on while unsettled profit counts at all. Each step
ends as soon as health is 0.
"""

from __future__ import annotations

import numpy as np

from market.kernels.jit import kernel
from market.kernels.rules.health import weighted_balance
from market.kernels.rules.sizing import received_to_zero, whole_lots


@kernel
def _change(health, balance, added, asset_value, liability_value):
    before = weighted_balance(balance, asset_value, liability_value)
    return health - before + weighted_balance(balance + added, asset_value, liability_value)


@kernel
def _close(limit, expected, actual, left, health, balance, asset_value, liability_value):
    """(lots, health, balance) after closing as many lots as health needs when each will have brought `expected`."""
    needed = min(received_to_zero(health, balance, asset_value, liability_value), limit)
    lots = whole_lots(needed, expected, left)
    return lots, _change(health, balance, lots * actual, asset_value, liability_value), balance + lots * actual


@kernel
def profit_to_take(net, left, profit, health, balance, asset_value, liability_value):
    """Profit to be taken over, `left` at most, of which each unit adds `net` to a balance that health looks at."""
    if net <= 0.0 or profit <= 0.0:
        return 0.0
    needed = received_to_zero(health, balance, asset_value, liability_value) / net
    return max(0.0, min(min(needed, left), profit))


@kernel
def _take(net, left, profit, health, balance, asset_value, liability_value):
    """(profit, health, balance) after as much profit is taken over as health needs, each unit worth `net` to it."""
    part = profit_to_take(net, left, profit, health, balance, asset_value, liability_value)
    return part, _change(health, balance, part * net, asset_value, liability_value), balance + part * net


@kernel
def reduce_and_settle(
    profit, balance, other_health, lots, max_profit, per_lot, weight, paid, slack, asset_value, liability_value
):
    """(lots closed, profit taken over) that bring health to 0 as far as the limits allow.

    `profit` is quote and weighted base of the position, in units of the settlement token; `balance` the token's spot
    balance; `other_health` what everything else adds. At most `lots` are closed, each raising profit by `per_lot`.
    Positive profit counts at `weight`; one unit taken over pays `paid` in cash. Lots are whole, rounded up; the last
    step starts only when health is below -`slack`. `asset_value` and `liability_value` are price x weight of the
    settlement token.
    """
    balance += profit * (weight if profit > 0.0 else 1.0)
    health = other_health + weighted_balance(balance, asset_value, liability_value)
    net = paid - weight
    closed = 0.0
    if profit < 0.0:
        closed, health, balance = _close(-profit, per_lot, per_lot, lots, health, balance, asset_value, liability_value)
        profit += closed * per_lot
    taken, health, balance = _take(net, max_profit, profit, health, balance, asset_value, liability_value)
    profit -= taken
    if profit >= 0.0 and taken < max_profit:
        # These lots are closed for the cash that taking over their profit will bring, in the next step.
        more, health, balance = _close(
            max_profit - taken, per_lot * paid, per_lot * weight, lots - closed,
            health, balance, asset_value, liability_value,
        )  # fmt: skip
        closed += more
        profit += more * per_lot
    more, health, balance = _take(net, max_profit - taken, profit, health, balance, asset_value, liability_value)
    taken += more
    if health < -slack and weight > 0.0:
        more, health, balance = _close(
            np.inf, per_lot * weight, per_lot * weight, lots - closed, health, balance, asset_value, liability_value
        )
        closed += more
    return closed, taken
