"""What observers copy out of the world after a tick."""

from __future__ import annotations

import numpy as np

from market.kernels.book import depth_within
from market.kernels.jit import kernel
from market.kernels.margin import equities, maintenance_of
from market.kernels.records import BUY, LIQUIDATABLE, MAINTENANCE, SELL


@kernel
def record_tick(row, instruments):
    """Copy prices and flows of every instrument into `row` TICK[n_instruments]."""
    for book in range(instruments.shape[0]):
        instrument = instruments[book]
        tick = row[book]
        tick.mark = instrument.mark
        tick.index = instrument.index
        tick.reference = instrument.reference
        tick.best_bid = instrument.best_bid
        tick.best_ask = instrument.best_ask if instrument.best_ask < instrument.n_levels - 1 else 0
        tick.halted = instrument.halted
        tick.volume = instrument.volume
        tick.net_flow = instrument.net_flow
        tick.forced_flow = instrument.forced_flow
        tick.funding_index = instrument.funding_index
        tick.basis = instrument.basis
        tick.carry = instrument.carry


@kernel
def record_depth(distances_bps, out, levels, occupied, instruments):
    """Fill `out[n_instruments, 2, n_distances]` with quote quanta resting within each distance of the mark, bids first.

    Distances rise, in basis points.
    """
    lots = np.zeros(len(distances_bps), np.int64)
    value = np.zeros(len(distances_bps), np.int64)
    for book in range(instruments.shape[0]):
        centre = float(instruments[book].mark)
        for side in (BUY, SELL):
            depth_within(book, side, centre, distances_bps, lots, value, levels, occupied, instruments)
            for at in range(len(distances_bps)):
                out[book, side, at] = value[at] * instruments[book].tick_value


@kernel
def margin_ratio_counts(accounts, instruments, assets, margin, positions, cash, edges, counts):
    """Count customers' accounts with a maintenance requirement by margin ratio; the last count is equity <= 0.

    `edges` float64[n] rises; count i holds ratios up to edges[i], count n those above, count n + 1 the insolvent.
    """
    counts[:] = 0
    for account in range(accounts.shape[0]):
        if not accounts[account].flags & LIQUIDATABLE:
            continue
        requirement = maintenance_of(account, instruments, assets, margin, positions, cash)
        if requirement == 0:
            continue
        margin_equity, _ = equities(account, MAINTENANCE, instruments, assets, margin, positions, cash)
        if margin_equity <= 0:
            counts[len(edges) + 1] += 1
        else:
            counts[np.searchsorted(edges, requirement / margin_equity)] += 1
