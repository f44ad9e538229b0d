"""Phase 1 for instruments: reference and index in ticks, the mark, and how far it lies from the index."""

from __future__ import annotations

import numpy as np

from market.kernels.jit import kernel
from market.kernels.records import (
    BASIS_MARK,
    FUNDING_MARK,
    INDEX_MARK,
    LAST_BASIS_MARK,
    LAST_MARK,
    MEDIAN_MARK,
    MID_MARK,
    OPTION,
    OUTSIDE_MARK,
    PERPETUAL,
    TWAP_MARK,
)
from market.kernels.rules.funding import funding_payment
from market.kernels.rules.median import median_of_three

BOOK_AVERAGE, INDEX_AVERAGE, LAST_AVERAGE = range(3)
"""Prices that a TWAP averages."""


@kernel
def to_ticks(value, n_levels):
    """Nearest whole tick (halves up), kept inside the valid prices 1 .. n_levels - 2."""
    return min(max(int(np.floor(value + 0.5)), 1), n_levels - 2)


@kernel
def book_price(instrument):
    """Middle of the best prices, rounded down to a tick.

    With one side empty: the last trade (before the first one, the index), but not beyond the side that is there. A book
    whose bids have all been sold into is worth what the last of them paid, not what the asks hope for.
    """
    bid, ask = instrument.best_bid, instrument.best_ask
    if bid > 0 and ask < instrument.n_levels - 1:
        return (bid + ask) // 2
    last = instrument.last if instrument.last > 0 else instrument.index
    return max(bid, min(last, ask))


@kernel
def set_references(assets, instruments, usd):
    """Round the outside world's USD prices `usd[n_assets]` to asset ticks and to instrument ticks in quote units."""
    for k in range(assets.shape[0]):
        assets[k].reference = max(1, int(np.floor(usd[k] / assets[k].price_tick + 0.5)))
    for instrument in instruments:
        if instrument.kind == OPTION:
            continue
        price = usd[instrument.base] / usd[instrument.quote] / instrument.tick_size
        instrument.reference = to_ticks(price, instrument.n_levels)


@kernel
def _last_price(instrument):
    """The last trade; the index before the first one."""
    return instrument.last if instrument.last > 0 else instrument.index


@kernel
def slow_price(instrument, rule):
    """Price of the book, in ticks, whose gap to the index a mark rule averages."""
    if rule == LAST_BASIS_MARK:
        return max(instrument.best_bid, min(_last_price(instrument), instrument.best_ask))
    return book_price(instrument)


@kernel
def own_price(instrument, rule):
    """Price of the book, in ticks, that a mark rule takes as it is; where it takes none, the one it averages."""
    if rule in (LAST_MARK, FUNDING_MARK, TWAP_MARK):
        return _last_price(instrument)
    if rule in (MEDIAN_MARK, OUTSIDE_MARK):
        last = _last_price(instrument)
        bid = instrument.best_bid if instrument.best_bid > 0 else last
        ask = instrument.best_ask if instrument.best_ask < instrument.n_levels - 1 else last
        return median_of_three(bid, ask, last)
    return slow_price(instrument, rule)


@kernel
def mark_of(instrument, rule):
    """Mark price in ticks under one of the mark rules; an option's is that of the model (market/options.py)."""
    if instrument.kind == OPTION:
        return instrument.mark
    if rule == INDEX_MARK:
        return instrument.index
    if rule == MID_MARK:
        return book_price(instrument)
    if rule == LAST_MARK:
        return _last_price(instrument)
    if rule == TWAP_MARK:
        return to_ticks(instrument.average, instrument.n_levels)
    fair = to_ticks(instrument.index + instrument.basis, instrument.n_levels)
    if rule in (BASIS_MARK, LAST_BASIS_MARK):
        return fair
    if rule == FUNDING_MARK:
        carried = to_ticks(instrument.index * (1.0 + instrument.carry), instrument.n_levels)
        return median_of_three(carried, fair, own_price(instrument, rule))
    third = instrument.reference if rule == OUTSIDE_MARK else instrument.index
    return median_of_three(third, fair, own_price(instrument, rule))


@kernel
def remark(instruments, rule):
    """Set every mark from the book and index as they stand; the slow average of the basis is left alone."""
    for instrument in instruments:
        instrument.mark = mark_of(instrument, rule)


@kernel
def set_marks(assets, instruments, rule, weight, cap):
    """Start a tick: index from the venue's asset prices, basis averaged with `weight`, marks, flow counters cleared.

    `cap` bounds |basis| as a fraction of the index.
    """
    for instrument in instruments:
        instrument.net_flow = 0
        instrument.forced_flow = 0
        instrument.volume = 0
        if instrument.kind == OPTION:
            continue
        base = assets[instrument.base]
        quote = assets[instrument.quote]
        price = (base.price * base.price_tick) / (quote.price * quote.price_tick) / instrument.tick_size
        instrument.index = to_ticks(price, instrument.n_levels)
        limit = cap * instrument.index
        gap = slow_price(instrument, rule) - instrument.index
        basis = instrument.basis + weight * (gap - instrument.basis)
        instrument.basis = min(max(basis, -limit), limit)
        instrument.mark = mark_of(instrument, rule)


@kernel
def average_marks(tick, of, history, sums, instruments):
    """Set averages, and marks to them: `history` int64[ticks, n_instruments] is the window as a ring, `sums` its sums.

    Until the window is full, the average is over what there is.
    """
    slots = history.shape[0]
    count = min(tick + 1, slots)
    for book in range(instruments.shape[0]):
        instrument = instruments[book]
        price = instrument.index
        if of == BOOK_AVERAGE:
            price = book_price(instrument)
        elif of == LAST_AVERAGE:
            price = _last_price(instrument)
        sums[book] += price - history[tick % slots, book]
        history[tick % slots, book] = price
        instrument.average = sums[book] / count
        instrument.mark = mark_of(instrument, TWAP_MARK)


@kernel
def set_carry(instruments, left):
    """Set the part of the last funding rate that is still to come when a share `left` of the interval remains."""
    for instrument in instruments:
        instrument.carry = instrument.funding_rate * left


@kernel
def accrue_funding(book, rate, intervals, instruments, carried):
    """Move the cumulative funding index by rate x mark value per long lot and interval; fractions are carried over."""
    instrument = instruments[book]
    if instrument.kind == PERPETUAL:
        instrument.funding_rate = rate
        carried[book] += funding_payment(rate, intervals, instrument.mark, instrument.tick_value)
        whole = np.floor(carried[book])
        carried[book] -= whole
        instrument.funding_index += int(whole)
