"""Which accounts need a look: the safe-distance filter, nested rings of accounts by how far prices may move.

Every account has a safe distance: no liquidation while all prices stay within that fraction of a base vector.
Ring 0 holds everybody; ring k + 1 holds those of ring k whose distance, measured from ring k's base, is below REACH[k].
When prices have moved REACH[k] away from ring k's base, ring k is measured afresh and the rings inside it are rebuilt.
The innermost ring is assessed at every look. So a calm tick costs the handful of accounts near the edge, whatever the
population, and the answer is the same as that of a full assessment, which a test holds.

A ring keeps copies of all instruments and assets as its base. Moves of marks and of cumulative funding count, of the
venue's asset prices, of what balances and debts count at beside them, and of what portfolio margin reads
(market/kernels/displacement.py). For options by themselves: an option's value moves by no more than its forward does,
plus the forward times the density's peak times the move of its deviation (market/kernels/rules/scenario_bounds.py), so
both count as one move.
"""

from __future__ import annotations

import numpy as np

from market.kernels.displacement import keep_tables, portfolio_displacement, renew_exposures
from market.kernels.history import AT_ROUND, AT_TRADING, note_look
from market.kernels.jit import kernel
from market.kernels.records import LIQUIDATABLE, OPTION, PPM, SPOT, TOUCHED_COUNT
from market.kernels.rules.options import NORMAL_PEAK
from market.kernels.safe_distance import safe_distance

RINGS = 4
REACH = np.array([0.06, 0.015, 0.004, 0.001])
"""Outer to inner: a ring is measured afresh when a price has moved this fraction from its base."""


@kernel
def _relative(now, before):
    """Relative move of a price that may have been nothing."""
    if before > 0.0:
        return abs(now - before) / before
    return 1e9 if now > 0.0 else 0.0


@kernel
def _displacement(ring, base, kept, instruments, assets, margin):
    """Largest relative move of any price since the ring was measured, funding counted as a move of the mark."""
    before, before_assets = base
    largest = portfolio_displacement(ring, kept, before, instruments, assets, margin)
    for book in range(instruments.shape[0]):
        instrument, then = instruments[book], before[ring, book]
        if instrument.kind == OPTION:
            bent = NORMAL_PEAK * abs(instrument.deviation - then.deviation)
            largest = max(largest, abs(instrument.forward_price - then.forward_price) / then.forward_price + bent)
        elif instrument.kind != SPOT:
            funding = abs(instrument.funding_index - then.funding_index) / (float(then.mark) * instrument.tick_value)
            largest = max(largest, abs(instrument.mark - then.mark) / float(then.mark) + funding)
    for k in range(assets.shape[0]):
        if not assets[k].fixed:
            now, was = assets[k], before_assets[ring, k]
            price = float(was.price)
            largest = max(largest, abs(now.price - price) / price)
            if now.below | now.above | was.below | was.above:
                low, was_low = now.price * float(PPM - now.below), was.price * float(PPM - was.below)
                high, was_high = now.price * float(PPM + now.above), was.price * float(PPM + was.above)
                largest = max(largest, _relative(low, was_low), _relative(high, was_high))
    return largest


@kernel
def _take_base(ring, base, kept, instruments, assets, margin):
    before, before_assets = base
    for book in range(instruments.shape[0]):
        before[ring, book] = instruments[book]
    for k in range(assets.shape[0]):
        before_assets[ring, k] = assets[k]
    keep_tables(ring, kept, margin)


@kernel
def _measure(ring, members, counts, depth, base, kept, accounts, instruments, assets, margin, positions, cash):
    """Measure ring `ring` at the prices of now and rebuild every ring inside it."""
    if ring == 0:
        renew_exposures(kept, instruments, assets, margin)
    for inner in range(ring, RINGS):
        _take_base(inner, base, kept, instruments, assets, margin)
        counts[inner + 1] = 0
    population = accounts.shape[0] if ring == 0 else counts[ring]
    for at in range(population):
        account = at if ring == 0 else members[ring, at]
        # An account with an open claim is looked at as a claim; it comes back through `touched` when it is cured.
        if not accounts[account].flags & LIQUIDATABLE or accounts[account].claim:
            depth[account] = ring
            continue
        distance = safe_distance(account, instruments, assets, margin, positions, cash, REACH[0])
        depth[account] = ring
        for inner in range(ring, RINGS):
            if distance >= REACH[inner]:
                break
            members[inner + 1, counts[inner + 1]] = account
            counts[inner + 1] += 1
            depth[account] = inner + 1


@kernel
def _admit(account, displacement, members, counts, depth, instruments, assets, margin, positions, cash):
    """Put an account whose balances changed into the rings its new distance calls for; it leaves none here."""
    distance = safe_distance(account, instruments, assets, margin, positions, cash, REACH[0])
    for ring in range(RINGS):
        # Safe within `distance` of the prices of now, hence at least so far around the ring's own base: both from there
        # to here and from there on, what it holds loses no more than its exposure x the displacement.
        if distance * (1.0 - displacement[ring]) - displacement[ring] >= REACH[ring]:
            return
        if depth[account] <= ring:
            members[ring + 1, counts[ring + 1]] = account
            counts[ring + 1] += 1
            depth[account] = ring + 1


@kernel
def watch(
    members, counts, depth, base, kept, touched, touched_mark, tick, round_, looks, held, changes, counters, accounts,
    instruments, assets, margin, positions, cash,
):  # fmt: skip
    """Bring the rings up to date; return how many accounts of `members[RINGS]` must be assessed now.

    Whoever was touched goes into the history of holdings first: `looks`, `held`, `changes` (market/kernels/history.py).

    `members` int32[RINGS + 1, n_accounts], `counts` int64[RINGS + 1], `depth` int32[n_accounts] (innermost ring an
    account is in), `base` (INSTRUMENT[RINGS, n_instruments], ASSET[RINGS, n_assets]), `kept` the tables of portfolio
    margin (market/kernels/displacement.py). Set `counts[0]` to -1 to force a full measure.
    """
    note_look(
        tick, round_, AT_TRADING if round_ == 0 else AT_ROUND, counts[0] < 0, looks, held, changes, touched, counters,
        accounts, instruments, positions, cash,
    )  # fmt: skip
    displacement = np.empty(RINGS)
    outermost = RINGS
    for ring in range(RINGS - 1, -1, -1):
        displacement[ring] = 1e9 if counts[0] < 0 else _displacement(ring, base, kept, instruments, assets, margin)
        if displacement[ring] >= REACH[ring] * (1.0 - 1e-9):
            outermost = ring
    if outermost < RINGS:
        _measure(outermost, members, counts, depth, base, kept, accounts, instruments, assets, margin, positions, cash)
        counts[0] = accounts.shape[0]
        displacement[outermost:] = 0.0
    for at in range(counters[TOUCHED_COUNT]):
        account = touched[at]
        touched_mark[account] = 0
        if accounts[account].flags & LIQUIDATABLE and not accounts[account].claim:
            _admit(account, displacement, members, counts, depth, instruments, assets, margin, positions, cash)
    counters[TOUCHED_COUNT] = 0
    return counts[RINGS]
