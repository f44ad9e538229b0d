"""Standard margin of options: what a short position must hold by itself, and the largest loss at expiry.

Sizes are signed, requirements are positive amounts of the quote asset; `mark` is the option's price per unit.
"""

from __future__ import annotations

import numpy as np

from market.kernels.jit import kernel
from market.kernels.rules.options import intrinsic


@kernel
def out_of_the_money(is_call, spot, strike):
    """How far the option is out of the money: strike - spot for a call, spot - strike for a put, at least zero."""
    return max(strike - spot, 0.0) if is_call else max(spot - strike, 0.0)


@kernel
def moneyness_rate(is_call, spot, strike, highest, lowest):
    """Share of spot that a short option must hold: highest - out-of-the-money share, at least lowest.

    Deribit standard margin, Derive Standard Manager (initial margin).
    """
    return max(highest - out_of_the_money(is_call, spot, strike) / spot, lowest)


@kernel
def short_call_maintenance(spot, mark, rate):
    """mark + rate x spot, per unit short (Deribit standard, Derive Standard Manager)."""
    return mark + rate * spot


@kernel
def short_put_maintenance(spot, mark, spot_rate, mark_rate):
    """mark + max(rate x spot, rate x mark), per unit short (Deribit standard, Derive Standard Manager)."""
    return mark + max(spot_rate * spot, mark_rate * mark)


@kernel
def short_call_initial(spot, strike, mark, highest, lowest):
    """mark + max(highest - out-of-the-money share, lowest) x spot, per unit short."""
    return mark + moneyness_rate(True, spot, strike, highest, lowest) * spot


@kernel
def short_put_initial(spot, strike, mark, highest, lowest, maintenance, maintenance_factor):
    """As for a call, but at least `maintenance_factor` x maintenance, per unit short.

    Factor 1: Deribit standard. 1.05: Derive Standard Manager.
    """
    return max(mark + moneyness_rate(False, spot, strike, highest, lowest) * spot, maintenance_factor * maintenance)


@kernel
def _payoff_at(settlement, strikes, is_call, sizes, chosen, group):
    total = 0.0
    for option in range(strikes.shape[0]):
        if chosen[option] == group:
            total += sizes[option] * intrinsic(is_call[option] != 0, settlement, strikes[option])
    return total


@kernel
def largest_loss(strikes, is_call, sizes, chosen, group):
    """Largest loss at expiry over every settlement price, calls naked above the last strike apart; at least zero.

    The payoff of options of one expiry is linear between strikes, so its minimum is at zero or at a strike. Arrays over
    options; those with `chosen == group` are one expiry. Derive Standard Manager (derivexyz/v2-core@7736900d).
    """
    worst = min(0.0, _payoff_at(0.0, strikes, is_call, sizes, chosen, group))
    for option in range(strikes.shape[0]):
        if chosen[option] == group:
            worst = min(worst, _payoff_at(strikes[option], strikes, is_call, sizes, chosen, group))
    return -worst


@kernel
def unpaired_calls(is_call, sizes, chosen, group):
    """Net short calls of one expiry: what loses without bound as the price rises; at least zero."""
    net = 0.0
    for option in range(sizes.shape[0]):
        if chosen[option] == group and is_call[option] != 0:
            net += sizes[option]
    return max(0.0, -net)


@kernel
def expiry_requirement(isolated, loss, unpaired, forward, unpaired_factor):
    """Requirement of one expiry: the lesser of its options taken alone and its largest loss.

    Every net short call adds `unpaired_factor` x forward to that loss (Derive Standard Manager).
    """
    return min(isolated, loss + unpaired * forward * unpaired_factor)


STANDARD = np.dtype(
    [
        ("highest", "<f8"),  # initial: share of spot before the out-of-the-money share is taken off
        ("lowest", "<f8"),  # initial: least share of spot
        ("call_rate", "<f8"),  # maintenance of a call: share of spot
        ("put_rate", "<f8"),  # maintenance of a put: share of spot ...
        ("put_mark_rate", "<f8"),  # ... or of its mark, whichever is more
        ("put_factor", "<f8"),  # initial of a put: at least this x its maintenance
        ("unpaired_initial", "<f8"),  # net short calls: share of the forward added to the largest loss
        ("unpaired_maintenance", "<f8"),
    ]
)
"""Standard margin of options, one row per underlying."""


@kernel
def short_option(is_call, spot, strike, mark, initial, rule):
    """Requirement per unit short under `rule` (a row of STANDARD), initial or maintenance."""
    if is_call:
        if initial:
            return short_call_initial(spot, strike, mark, rule.highest, rule.lowest)
        return short_call_maintenance(spot, mark, rule.call_rate)
    maintenance = short_put_maintenance(spot, mark, rule.put_rate, rule.put_mark_rate)
    if initial:
        return short_put_initial(spot, strike, mark, rule.highest, rule.lowest, maintenance, rule.put_factor)
    return maintenance


@kernel
def standard_requirement(strikes, is_call, sizes, marks, chosen, group, spot, forward, initial, rule):
    """Requirement of the options of one expiry: shorts one by one, longs for nothing, or the largest loss if less.

    Arrays over options, those with `chosen == group` are of the expiry. Derive Standard Manager.
    """
    isolated = 0.0
    for option in range(sizes.shape[0]):
        if chosen[option] == group and sizes[option] < 0.0:
            unit = short_option(is_call[option] != 0, spot, strikes[option], marks[option], initial, rule)
            isolated -= sizes[option] * unit
    loss = largest_loss(strikes, is_call, sizes, chosen, group)
    unpaired = unpaired_calls(is_call, sizes, chosen, group)
    factor = rule.unpaired_initial if initial else rule.unpaired_maintenance
    return expiry_requirement(isolated, loss, unpaired, forward, factor)
