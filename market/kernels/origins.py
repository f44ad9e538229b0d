"""Where the level of a price comes from: additive parts by origin, and how much of it one forced order still makes.

A price of the book is the instrument's reference plus a gap. Whoever displaces the book adds to the gap; who moves it
against a displacement that is there *refills* it. Of those who make and arbitrage markets only what they do beyond
following the reference counts. What is left of a displacement at some moment is what it still moves.
"""

from __future__ import annotations

import numpy as np

from market.kernels.jit import kernel
from market.kernels.records import BACKGROUND, LIQUIDITY, RESALES, TRADERS, UNTRACED

OUTSIDE_WORLD, ORACLE, OF_CLAIM, FORCED_SALES, BY_TRADERS, BY_BACKGROUND, BY_LIQUIDITY, NOBODY, BY_FUNDING = range(9)
"""Origins of a price; OF_CLAIM: what stands behind an asset that is a claim."""
ORIGINS = 9

ORDERS = np.dtype(
    [
        ("tick", "<i4"),
        ("event", "<i4"),  # row of the event log; NONE for an order on another venue
        ("book", "<i4"),  # NONE for an order on another venue, and for what was sold without a book
        ("asset", "<i4"),  # that it sold or bought: its flow moves the reference of it
        ("liquidation", "<i4"),  # to which it belongs
        ("venue", "<i4"),
        ("slow_move", "<f8"),  # ticks, as in EVENT
        ("own_move", "<f8"),
        ("impact", "<f8"),  # log move of the asset's reference from the next tick on
    ]
)
"""Forced orders as causes, by time."""

_FIRST = FORCED_SALES
"""Origins from here to NOBODY can displace a book."""
_GAPS = NOBODY - FORCED_SALES + 1

OF_BOOK, OF_INDEX, OF_LAST = range(3)
"""Prices that a time-weighted average is of, as in market/kernels/marks.py."""
TOOK_INDEX, TOOK_FAIR, TOOK_OWN, TOOK_REFERENCE, TOOK_CARRIED, TOOK_AVERAGE = range(6)
"""Which candidate a mark is: the index, index plus averaged gap, a price of the book, the reference, the index carried
to the next payment of funding, a time-weighted average."""


@kernel
def _displace(gaps, origin, ticks):
    gaps[origin - _FIRST, 1 if ticks > 0.0 else 0] += ticks


@kernel
def _move(gaps, origin, ticks, left):
    """Book what messages of one class did: first it takes back what it has displaced the other way itself, then it
    refills what others have, in proportion; only what is left is a displacement of its own.

    `left[2]`, the part that is left of forced displacements down and up, shrinks with it.
    """
    against = 0 if ticks > 0.0 else 1
    size = abs(ticks)
    mine = abs(gaps[origin - _FIRST, against])
    if mine > 0.0:
        gaps[origin - _FIRST, against] *= 0.0 if size >= mine else 1.0 - size / mine
        size -= min(size, mine)
    there = 0.0
    for other in range(_GAPS):
        if other != origin - _FIRST:
            there += abs(gaps[other, against])
    if size > 0.0 and there > 0.0:
        factor = 0.0 if size >= there else 1.0 - size / there
        for other in range(_GAPS):
            if other != origin - _FIRST:
                gaps[other, against] *= factor
        left[against] *= factor
        size -= min(size, there)
    if size > 0.0:
        _displace(gaps, origin, size if ticks > 0.0 else -size)


@kernel
def _sum(gaps, out):
    for origin in range(_GAPS):
        out[_FIRST + origin] = gaps[origin, 0] + gaps[origin, 1]


@kernel
def gap_parts(first, moved, reference, books, ticks_of, moves, before, traded, closed, left):
    """Parts of the gap between a book's price and its reference, tick by tick.

    `first` int64[n_books] levels before tick 0, `moved` int64[n_ticks, n_books, FLOWS] what messages did to them
    (RESALES among them, which displace like forced orders, after all others), `reference` int64[n_ticks, n_books];
    forced orders: `books` (NONE: elsewhere), `ticks_of` int64[n], `moves` float64[n], in order of time.
    Written: `before` float64[n_books, ORIGINS], `traded` and `closed` float64[n_ticks, n_books, ORIGINS] after messages
    and after forced orders, `left` float64[n_ticks, n_books, 2] the factor of displacements down and up.
    """
    n_ticks, n_books = reference.shape
    for book in range(n_books):
        gaps = np.zeros((_GAPS, 2))
        before[book, :] = 0.0
        _displace(gaps, NOBODY, float(first[book] - reference[0, book]))
        _sum(gaps, before[book])
        event = 0
        for tick in range(n_ticks):
            follows = reference[tick, book] - reference[tick - 1, book] if tick > 0 else 0
            parts = left[tick, book]
            parts[0] = parts[1] = 1.0
            _move(gaps, BY_LIQUIDITY, float(moved[tick, book, LIQUIDITY] - follows), parts)
            _move(gaps, BY_TRADERS, float(moved[tick, book, TRADERS]), parts)
            _move(gaps, BY_BACKGROUND, float(moved[tick, book, BACKGROUND]), parts)
            _move(gaps, NOBODY, float(moved[tick, book, UNTRACED]), parts)
            _displace(gaps, FORCED_SALES, float(moved[tick, book, RESALES]))
            _sum(gaps, traded[tick, book])
            while event < len(books) and ticks_of[event] <= tick:
                if books[event] == book and ticks_of[event] == tick:
                    _displace(gaps, FORCED_SALES, moves[event])
                event += 1
            _sum(gaps, closed[tick, book])


@kernel
def basis_parts(weight, cap, reference, before, closed, index, levels, parts, kept):
    """Parts of the slow average of (price of the book - index), `parts` float64[n_ticks, n_books, ORIGINS].

    `reference` and `index` float64[n_ticks, n_books, ORIGINS] are parts of those prices, `before` and `closed` of the
    gap, `levels` int64[n_ticks, n_books] the index itself. `kept` float64[n_ticks, n_books] becomes the factor by which
    the bound `cap` scaled everything.
    """
    n_ticks, n_books = levels.shape
    for book in range(n_books):
        for tick in range(n_ticks):
            total = 0.0
            for origin in range(ORIGINS):
                if tick > 0:
                    seen = reference[tick - 1, book, origin] + closed[tick - 1, book, origin]
                    old = parts[tick - 1, book, origin]
                else:
                    seen = reference[0, book, origin] + before[book, origin]
                    old = 0.0
                parts[tick, book, origin] = old + weight * (seen - index[tick, book, origin] - old)
                total += parts[tick, book, origin]
            limit = cap * levels[tick, book]
            kept[tick, book] = 1.0
            if abs(total) > limit:
                kept[tick, book] = limit / abs(total)
                for origin in range(ORIGINS):
                    parts[tick, book, origin] *= kept[tick, book]


@kernel
def _sources(tick, remarked, took, weight, since, carry, average_of, slots, at):
    """Write the weight of one mark into `at[since ...]`: what it takes, at which tick and after how many orders."""
    row = tick - since
    if row < 0:
        return  # a mark from before the first order that is asked about
    if took == TOOK_INDEX:
        at[row, 0] += weight
    elif took == TOOK_CARRIED:
        at[row, 0] += weight * (1.0 + carry)
    elif took == TOOK_FAIR:
        at[row, 1] += weight
    elif took == TOOK_REFERENCE:
        at[row, 4] += weight
    elif took == TOOK_OWN:
        if remarked > 0:
            at[row, 2] += weight
        else:
            at[row, 3] += weight
    else:
        count = min(tick + 1, slots)
        for back in range(count):
            if row - back < 0:
                break
            if average_of == OF_INDEX:
                at[row - back, 0] += weight / count
            elif average_of == OF_BOOK:
                at[row - back, 5] += weight / count
            else:
                at[row - back, 3] += weight / count


@kernel
def trace_back(
    book, since, ticks_at, remarked, took, weights, carry, average_of, slots, filter_weight, kept, left_slow, left_own,
    at, back,
):  # fmt: skip
    """How much of a sum of marks, each times its weight, a unit of each displacement makes: backwards through the rule.

    The marks: `ticks_at`, `remarked`, `took` int64[n], `weights` float64[n], of one instrument. `at`
    float64[n_ticks, 6] is cleared working space for ticks from `since` on. Written, by tick from `since` on:
    `back[:, 0]` of a displacement down of the averaged price at the end of the tick, `[:, 1]` of one up, `[:, 2]` and
    `[:, 3]` of the price taken as it is, `[:, 4]` of the index from this tick on, `[:, 5]` of the reference.
    """
    for place in range(len(ticks_at)):
        tick = ticks_at[place]
        _sources(tick, remarked[place], took[place], weights[place], since, carry[tick, book], average_of, slots, at)
    n = at.shape[0]
    smoothed = 0.0
    slow_down = slow_up = own_down = own_up = index_from = reference_from = 0.0
    # What the marks of the tick after read of this tick's close, while going back.
    next_seen = next_own = next_traded = 0.0
    for row in range(n - 1, -1, -1):
        tick = since + row
        if row + 1 < n:
            slow = left_slow[tick + 1, book]
            own = left_own[tick + 1, book]
            slow_down = next_seen + slow[0] * slow_down
            slow_up = next_seen + slow[1] * slow_up
            own_down = next_own + own[0] * (next_traded + own_down)
            own_up = next_own + own[1] * (next_traded + own_up)
        back[row, 0], back[row, 1], back[row, 2], back[row, 3] = slow_down, slow_up, own_down, own_up
        factor = kept[tick + 1, book] if row + 1 < n else 1.0
        smoothed = at[row, 1] + (1.0 - filter_weight) * factor * smoothed
        seen = filter_weight * kept[tick, book] * smoothed
        index_from += at[row, 0] + at[row, 1] - seen
        reference_from += at[row, 2] + at[row, 4] + next_seen + next_own
        back[row, 4], back[row, 5] = index_from, reference_from
        next_seen, next_own, next_traded = seen + at[row, 5], at[row, 3], at[row, 2]


@kernel
def event_parts(
    book, since, first, last, orders, base, quote, arrives, index_unit, reference_unit, marks_at, marks_remarked,
    marks_took, weights, back, out,
):  # fmt: skip
    """Add to `out[row - first]` what each forced order `first .. last - 1` makes of the marks behind `back`.

    `orders` ORDERS, by time; `arrives` int64[n_ticks, n_assets] the tick in which a move of an asset's reference in
    this one comes to the venue's price; `index_unit` and `reference_unit` float64[n_ticks, n_instruments] ticks per log
    move.
    Marks of the order's own tick, taken after it, count directly.
    """
    n = back.shape[0]
    for row in range(first, last):
        order = orders[row]
        at = order.tick - since
        if at < 0 or at >= n:
            continue
        if order.book == book:
            slow, own = order.slow_move, order.own_move
            made = slow * back[at, 1 if slow > 0.0 else 0] + own * back[at, 3 if own > 0.0 else 2]
            for place in range(len(marks_at)):
                same = marks_at[place] == order.tick and marks_took[place] == TOOK_OWN
                if same and marks_remarked[place] - 1 > order.event:
                    made += own * weights[place]
            out[row - first] += made
        if order.impact != 0.0 and at + 1 < n:
            sign = 1.0 if order.asset == base else (-1.0 if order.asset == quote else 0.0)
            if sign != 0.0:
                next_tick = order.tick + 1
                unit = reference_unit[next_tick, book] * back[at + 1, 5]
                seen = arrives[next_tick, order.asset]
                if seen - since < n:
                    unit += index_unit[seen, book] * back[seen - since, 4]
                out[row - first] += sign * order.impact * unit
