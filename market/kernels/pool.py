"""Positions that are closed against a pool at the oracle price, worse for who leaves the market more one-sided.

The pool is an account like others, which nobody liquidates; it holds what it took.
"""

from __future__ import annotations

import numpy as np

from market.kernels.handover import hand_over
from market.kernels.jit import kernel
from market.kernels.margin import amount_of, value_of
from market.kernels.records import FORCED_POOL, LIQUIDATABLE
from market.kernels.rules.price_impact import imbalance_impact
from market.kernels.trading import touch


@kernel
def _impact(book, lots, worth, policy, positions, accounts):
    """USD quanta that who sells signed `lots`, worth `worth` USD quanta, gets (+) or pays (-) for the imbalance of
    customers' positions that this changes."""
    if policy.impact_most == 0.0:
        return 0
    each = worth / abs(lots)
    longs, shorts = 0.0, 0.0
    for other in range(accounts.shape[0]):
        held = positions[other, book].lots
        if held != 0 and accounts[other].flags & LIQUIDATABLE:
            longs += max(held, 0) * each
            shorts -= min(held, 0) * each
    usd = 1e-6  # the factors are per USD
    change = -np.sign(lots) * worth
    impact = imbalance_impact(
        longs * usd, shorts * usd, change * usd, policy.impact_reward, policy.impact_cost, policy.impact_power
    )
    most = policy.impact_most * worth
    return int(min(max(impact / usd, -most), most))


@kernel
def pool_order(
    account, book, lots, tick, round_, claim_tick, policy, events, instruments, counters, positions, accounts, cash,
    assets, touched, touched_mark,
):  # fmt: skip
    """Hand signed `lots` of a position over to the pool at the oracle price and its impact, and write the event.

    Returns the quote quanta of the trade: what the account got or paid before fees.
    """
    instrument = instruments[book]
    quote = assets[instrument.quote]
    at_index = abs(lots) * instrument.index * instrument.tick_value
    worth = value_of(quote, at_index)
    impact = _impact(book, lots, worth, policy, positions, accounts)
    gain = amount_of(quote, impact)
    value = max(at_index + gain if lots > 0 else at_index - gain, 0)
    hand_over(
        account, policy.pool, book, lots, value, 0, FORCED_POOL, tick, round_, claim_tick, events, instruments,
        positions, cash, counters,
    )  # fmt: skip
    touch(account, touched, touched_mark, counters)
    touch(policy.pool, touched, touched_mark, counters)
    return value
