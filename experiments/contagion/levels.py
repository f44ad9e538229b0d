"""Every price as a sum of parts by origin, at every tick: what the difference of two moments is made of.

Parts are in ticks and add up to the price. References and indices are products, so each tick's step is split by
logarithmic shares (the logarithmic mean Divisia index) and the steps are added up; prices of books, averages and marks
are sums and medians, and take over the parts of what they are made of.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from experiments.contagion.records import Array, Integers, Records
from market.kernels.history import LOOK_REMARKED, LOOK_TICK
from market.kernels.moves import OWN, SLOW
from market.kernels.origins import (
    BY_BACKGROUND,
    BY_FUNDING,
    BY_LIQUIDITY,
    BY_TRADERS,
    FORCED_SALES,
    NOBODY,
    OF_CLAIM,
    OF_INDEX,
    OF_LAST,
    ORACLE,
    ORIGINS,
    OUTSIDE_WORLD,
    TOOK_AVERAGE,
    TOOK_CARRIED,
    TOOK_FAIR,
    TOOK_INDEX,
    TOOK_OWN,
    TOOK_REFERENCE,
    basis_parts,
    gap_parts,
)
from market.kernels.records import (
    BACKGROUND,
    BASIS_MARK,
    FLOWS,
    FUNDING_MARK,
    INDEX_MARK,
    LAST_BASIS_MARK,
    LAST_MARK,
    LIQUIDITY,
    MEDIAN_MARK,
    MID_MARK,
    NONE,
    OUTSIDE_MARK,
    TRADERS,
    TWAP_MARK,
)

_FLOW_ORIGIN = {TRADERS: BY_TRADERS, BACKGROUND: BY_BACKGROUND, LIQUIDITY: BY_LIQUIDITY}


@dataclass(frozen=True, kw_only=True)
class Levels:
    """Parts of all prices; the last axis of the first five is the origin."""

    price: Array
    """float64[n_ticks, n_assets, ORIGINS]: the venue's price of an asset, ticks of the asset."""
    index: Array
    """float64[n_ticks, n_instruments, ORIGINS]; likewise `reference`."""
    reference: Array
    slow_gap: tuple[Array, Array, Array]
    """Averaged price less reference: before the run [n_instruments, ORIGINS], and per tick after messages and after
    forced orders [n_ticks, n_instruments, ORIGINS]."""
    own_gap: tuple[Array, Array, Array]
    basis: Array
    average: Array
    left_slow: Array
    """float64[n_ticks, n_instruments, 2]: factor that refill leaves of displacements down and up."""
    left_own: Array
    kept: Array
    """float64[n_ticks, n_instruments]: factor of the bound on the basis."""
    arrives: Integers
    """int64[n_ticks, n_assets]: tick in which the venue's price takes in what its reference did in this one; n_ticks
    where it never does."""
    price_unit: Array
    """float64[n_ticks, n_assets]: ticks per log move of the step into this tick; likewise by instrument."""
    index_unit: Array
    reference_unit: Array


def log_mean(one: Array, other: Array) -> Array:
    """(one - other) / (log one - log other); where they are equal, themselves."""
    gap = np.log(one) - np.log(other)
    return np.asarray(np.where(np.abs(gap) < 1e-12, one, (one - other) / np.where(gap == 0.0, 1.0, gap)))


def levels(found: Records) -> Levels:
    """Work out the parts of every price of a run."""
    flows = _reference_moves(found)
    read = _read_at(found)
    whole = np.cumsum(flows, axis=0)
    steps = np.diff(np.take_along_axis(whole, read[:, :, None], axis=0), axis=0, prepend=whole[:1])
    steps[:, :, ORACLE] += _log_steps(found.price) - steps.sum(axis=2)
    price_unit, price = _products(found.price, steps)
    base, quote = found.instruments["base"], found.instruments["quote"]
    index_unit, index = _products(found.index, steps[:, base] - steps[:, quote])
    reference_unit, reference = _products(found.reference, flows[:, base] - flows[:, quote])
    slow_gap, left_slow = _gaps(found, SLOW // FLOWS, "slow_move")
    own_gap, left_own = _gaps(found, OWN // FLOWS, "own_move")
    basis, kept = np.zeros(index.shape), np.ones(found.index.shape)
    basis_parts(found.mark.weight, found.mark.cap, reference, slow_gap[0], slow_gap[2], index, found.index, basis, kept)
    made = Levels(
        price=price, index=index, reference=reference, slow_gap=slow_gap, own_gap=own_gap, basis=basis,
        average=np.zeros(0), left_slow=left_slow, left_own=left_own, kept=kept, arrives=_arrivals(read),
        price_unit=price_unit,
        index_unit=index_unit, reference_unit=reference_unit,
    )  # fmt: skip
    return made if found.mark.code != TWAP_MARK else Levels(**{**vars(made), "average": _average(found, made)})


def _read_at(found: Records) -> Integers:
    """int64[n_ticks, n_assets]: tick of the outside world that the venue's price of an asset was read at.

    A price that has not changed since still says what it said then: what the outside world has done meanwhile is not in
    it yet, and comes with the next one.
    """
    ticks = np.arange(found.ticks)[:, None]
    changed = np.diff(found.price, axis=0, prepend=found.price[:1]) != 0
    read = np.where(changed, np.maximum(ticks - found.delay, 0), 0)
    return np.asarray(np.maximum.accumulate(read, axis=0), np.int64)


def _arrivals(read: Integers) -> Integers:
    """int64[n_ticks, n_assets]: first tick at which what is read is of this tick or a later one; n_ticks: none."""
    n = len(read)
    return np.stack([np.searchsorted(column, np.arange(n)) for column in read.T], axis=1).astype(np.int64)


def _log_steps(prices: Integers) -> Array:
    """float64[n_ticks, n]: log move of each tick; 0 in the first."""
    return np.asarray(np.diff(np.log(np.maximum(prices, 1)), axis=0, prepend=np.log(np.maximum(prices[:1], 1))))


def _reference_moves(found: Records) -> Array:
    """float64[n_ticks, n_assets, ORIGINS]: log move of each asset's reference by origin, tick by tick."""
    moves = np.zeros((*found.price.shape, ORIGINS))
    orders, impacts = found.orders, found.impacts
    last = found.ticks - 1
    inside = (orders["tick"] < last) & (orders["impact"] != 0.0)
    at = orders[inside]
    np.add.at(moves, (at["tick"] + 1, at["asset"], FORCED_SALES), at["impact"])
    at = impacts[impacts["tick"] < last]
    for flow, origin in _FLOW_ORIGIN.items():
        mine = at[at["flow"] == flow]
        np.add.at(moves, (mine["tick"] + 1, mine["asset"], origin), mine["move"])
    for asset in np.flatnonzero(found.claim_on != NONE).tolist():
        # What moves the price of what stands behind a claim is among its own orders and flow already (claims.py).
        rates = np.log(np.maximum(found.claim_rates[:, asset], 1e-12))
        moves[:, asset, OF_CLAIM] += np.diff(rates, prepend=rates[:1]) + moves[:, found.claim_on[asset], OF_CLAIM]
    moves[:, :, OUTSIDE_WORLD] = _log_steps(found.asset_reference) - moves.sum(axis=2)
    return moves


def _products(prices: Integers, steps: Array) -> tuple[Array, Array]:
    """(ticks per log move [n_ticks, n], parts [n_ticks, n, ORIGINS]); what rounding leaves is the outside world's."""
    seen = np.maximum(prices, 1).astype(np.float64)
    unit = log_mean(seen, np.concatenate([seen[:1], seen[:-1]]))
    parts = steps * unit[:, :, None]
    moves = np.diff(seen, axis=0, prepend=seen[:1])
    parts[:, :, OUTSIDE_WORLD] += moves - parts.sum(axis=2)
    parts[0] = 0.0
    parts[0, :, OUTSIDE_WORLD] = seen[0]
    return unit, np.cumsum(parts, axis=0)


def _gaps(found: Records, count: int, name: str) -> tuple[tuple[Array, Array, Array], Array]:
    shape = (*found.index.shape, ORIGINS)
    before, traded, closed = np.zeros(shape[1:]), np.zeros(shape), np.zeros(shape)
    left = np.ones((*found.index.shape, 2))
    # Keepers' orders with what they seized elsewhere are among the messages.
    book = np.where(found.orders["event"] == NONE, NONE, found.orders["book"]).astype(np.int64)
    gap_parts(
        found.first_levels[:, count].copy(), np.ascontiguousarray(found.moved[:, :, count]), found.reference, book,
        found.orders["tick"].astype(np.int64), found.orders[name].copy(), before, traded, closed, left,
    )  # fmt: skip
    return (before, traded, closed), left


def _shifted(made: Levels, gap: tuple[Array, Array, Array]) -> Array:
    """float64[n_ticks, n_instruments, ORIGINS]: parts of a price of the book as each tick begins."""
    first = made.reference[:1] + gap[0]
    return np.concatenate([first, (made.reference + gap[2])[:-1]])


def _average(found: Records, made: Levels) -> Array:
    if found.mark.average_of == OF_INDEX:
        seen = made.index
    else:
        seen = _shifted(made, made.own_gap if found.mark.average_of == OF_LAST else made.slow_gap)
    sums, slots = np.cumsum(seen, axis=0), found.mark.slots
    sums[slots:] -= sums[:-slots].copy() if slots < len(sums) else 0.0
    count = np.minimum(np.arange(found.ticks) + 1, slots)
    return np.asarray(sums / count[:, None, None])


def mark_parts(found: Records, made: Levels, looks: Integers, books: Integers) -> tuple[Array, NDArray[np.int64]]:
    """(float64[n, ORIGINS] parts of the mark of each look and instrument, int64[n] the candidate that it took)."""
    tick, remarked = found.looks[looks, LOOK_TICK], found.looks[looks, LOOK_REMARKED]
    mark = found.marks[looks, books]
    took = _taken(found, tick, books, mark)
    parts = np.zeros((len(looks), ORIGINS))
    for candidate in np.unique(took).tolist():
        at = took == candidate
        parts[at] = _candidate(found, made, candidate, tick[at], remarked[at], books[at])
    parts[:, NOBODY] += mark - parts.sum(axis=1)
    return parts, took


def _taken(found: Records, tick: Integers, books: Integers, mark: Integers) -> Integers:
    """Which candidate each mark is; where several agree, the one that books have least to do with."""
    always = {
        INDEX_MARK: TOOK_INDEX, MID_MARK: TOOK_OWN, LAST_MARK: TOOK_OWN, BASIS_MARK: TOOK_FAIR,
        LAST_BASIS_MARK: TOOK_FAIR, TWAP_MARK: TOOK_AVERAGE,
    }  # fmt: skip
    code = found.mark.code
    if code in always:
        return np.full(len(mark), always[code], np.int64)
    highest = found.instruments["n_levels"][books] - 2
    index = found.index[tick, books]
    fair = np.clip(np.floor(index + found.basis[tick, books] + 0.5), 1, highest)
    third, name = index.astype(np.float64), TOOK_INDEX
    if code == OUTSIDE_MARK:
        third, name = found.reference[tick, books].astype(np.float64), TOOK_REFERENCE
    elif code == FUNDING_MARK:
        third, name = np.clip(np.floor(index * (1.0 + found.carry[tick, books]) + 0.5), 1, highest), TOOK_CARRIED
    assert code in (MEDIAN_MARK, OUTSIDE_MARK, FUNDING_MARK), code
    return np.where(mark == third, name, np.where(mark == fair, TOOK_FAIR, TOOK_OWN)).astype(np.int64)


def _candidate(
    found: Records, made: Levels, candidate: int, tick: Integers, remarked: Integers, books: Integers
) -> Array:
    if candidate == TOOK_INDEX:
        return made.index[tick, books]
    if candidate == TOOK_CARRIED:
        parts = made.index[tick, books].copy()
        parts[:, BY_FUNDING] += found.index[tick, books] * found.carry[tick, books]
        return parts
    if candidate == TOOK_FAIR:
        return np.asarray(made.index[tick, books] + made.basis[tick, books])
    if candidate == TOOK_REFERENCE:
        return made.reference[tick, books]
    if candidate == TOOK_AVERAGE:
        return made.average[tick, books]
    before, traded, closed = made.own_gap
    earlier = np.maximum(tick - 1, 0)
    opening = np.where((tick == 0)[:, None], before[books], closed[earlier, books])
    parts = made.reference[earlier, books] + opening
    anew = remarked > 0
    parts[anew] = made.reference[tick[anew], books[anew]] + traded[tick[anew], books[anew]]
    for book in np.unique(books[anew]).tolist():
        at = anew & (books == book)
        parts[at, FORCED_SALES] += _forced_before(found, tick[at], book, remarked[at] - 1)
    return parts


def _forced_before(found: Records, tick: Integers, book: int, events: Integers) -> Array:
    """Ticks by which forced orders of a tick among the first `events` of the run moved the book's own price."""
    mine = found.orders[(found.orders["book"] == book) & (found.orders["event"] != NONE)]
    moved = np.concatenate([[0.0], np.cumsum(mine["own_move"])])
    return np.asarray(moved[np.searchsorted(mine["event"], events)] - moved[np.searchsorted(mine["tick"], tick)])
