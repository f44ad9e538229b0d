"""Options of an account by themselves, and what those of one expiry need less when they are taken together.

Which options are taken together, and at what charge, is in the INSTRUMENT records; market/margin/option_expiries.py
writes them. One by one they add up; `expiry_relief` is what comes off that sum.
"""

from __future__ import annotations

import numpy as np

from market.kernels.arithmetic import multiply_divide, part_up
from market.kernels.jit import allocating, kernel
from market.kernels.records import MAINTENANCE, PPM
from market.kernels.rules.option_margin import expiry_requirement, largest_loss, unpaired_calls


@kernel
def option_needed(instrument, value, lots, profile):
    """What an option worth `value` >= 0 needs: long, what of it does not count as equity; short, so much a lot."""
    if lots > 0:
        return part_up(value, PPM - instrument.long_weight)
    return -lots * (instrument.short_maintenance if profile == MAINTENANCE else instrument.short_initial)


@kernel
def _load(account, book, extra, instruments, assets, positions, strikes, is_call, sizes, chosen):
    """Fill the columns that market/kernels/rules/option_margin.py reads; sizes are USD quanta per unit of price."""
    for row in range(instruments.shape[0]):
        instrument = instruments[row]
        lots = positions[account, row].lots + (extra if row == book else 0)
        chosen[row] = instrument.expiry_group if lots != 0 else 0
        if chosen[row] != 0:
            quote = assets[instrument.quote]
            strikes[row] = instrument.strike
            is_call[row] = instrument.is_call
            sizes[row] = lots * (instrument.tick_value / instrument.tick_size)
            sizes[row] *= quote.price * quote.multiplier / quote.divisor


@kernel
def _seen(chosen, row):
    """Whether an option before `row` is of the same expiry, so that this one has been counted."""
    for other in range(row):
        if chosen[other] == chosen[row]:
            return True
    return False


@kernel
def _alone(account, group, book, extra, profile, chosen, instruments, assets, positions):
    """(what the options of one expiry need one by one, their value), USD quanta."""
    needed = total = 0
    for row in range(instruments.shape[0]):
        if chosen[row] != group:
            continue
        instrument = instruments[row]
        quote = assets[instrument.quote]
        lots = positions[account, row].lots + (extra if row == book else 0)
        amount = abs(lots) * instrument.mark * instrument.tick_value
        value = multiply_divide(amount, quote.price * quote.multiplier, quote.divisor)
        needed += option_needed(instrument, value, lots, profile)
        total += value if lots > 0 else -value
    return needed, total


@allocating
def expiry_relief(account, profile, book, extra, instruments, assets, positions):
    """USD quanta that an account's options need less than one by one, with `extra` signed lots of `book` beside.

    Of each expiry: where its largest loss, and the charge for calls without a pair, is less than what short options
    need with their value, which then counts neither way. Never more than they need one by one.
    """
    n = instruments.shape[0]
    strikes = np.zeros(n)
    sizes = np.zeros(n)
    is_call = np.zeros(n, np.int64)
    chosen = np.zeros(n, np.int64)
    _load(account, book, extra, instruments, assets, positions, strikes, is_call, sizes, chosen)
    relief = 0
    for row in range(n):
        group = chosen[row]
        if group == 0 or _seen(chosen, row):
            continue
        instrument = instruments[row]
        needed, value = _alone(account, group, book, extra, profile, chosen, instruments, assets, positions)
        factor = instrument.unpaired_maintenance if profile == MAINTENANCE else instrument.unpaired_initial
        # An account's equity has the value of its options in it; the venue's rule is of accounts without.
        isolated = float(needed - value)
        together = expiry_requirement(
            isolated,
            largest_loss(strikes, is_call, sizes, chosen, group),
            unpaired_calls(is_call, sizes, chosen, group),
            instrument.forward_price * instrument.tick_size,
            factor,
        )
        relief += min(int(np.floor(isolated - together)), needed)
    return relief


@allocating
def expiry_exposure(account, instruments, assets, positions):
    """What taking expiries together adds to the bound on |change of excess| per unit of relative move, USD quanta.

    The larger of two requirements' changes is no more than both: the options' own bounds hold for their values in
    either, here is that of the loss and of the charge for calls without a pair.
    """
    n = instruments.shape[0]
    strikes = np.zeros(n)
    sizes = np.zeros(n)
    is_call = np.zeros(n, np.int64)
    chosen = np.zeros(n, np.int64)
    _load(account, 0, 0, instruments, assets, positions, strikes, is_call, sizes, chosen)
    total = 0.0
    for row in range(n):
        if chosen[row] == 0 or _seen(chosen, row):
            continue
        instrument = instruments[row]
        forward = instrument.forward_price * instrument.tick_size
        charge = unpaired_calls(is_call, sizes, chosen, chosen[row]) * forward * instrument.unpaired_maintenance
        if assets[instrument.quote].fixed:
            total += charge
        else:  # both move with the quote asset as well
            total += 2.2 * charge + largest_loss(strikes, is_call, sizes, chosen, chosen[row])
    return total
