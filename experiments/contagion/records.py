"""What a run has left behind for the question of causes, taken out of the world so that no run is needed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from agents.claim_oracle import ClaimOracle
from agents.kernels.oracle import REFERENCE_SOURCE
from agents.oracle import OracleCohort
from experiments.frames import fill_asset, fill_usd
from market.kernels.history import LOOK_COLUMNS
from market.kernels.marks import BOOK_AVERAGE, INDEX_AVERAGE, LAST_AVERAGE
from market.kernels.moves import CLOSED_COLUMNS, FLOW, OWN_LEVEL, SLOW_LEVEL
from market.kernels.origins import OF_BOOK, OF_INDEX, OF_LAST, ORDERS
from market.kernels.records import BACKGROUND, FLOWS, FORCED_RESALE, LIQUIDITY, NONE, ON_BOOK, OPTION, SELL, TRADERS
from market.marks import Twap
from market.venue import basis_weight

if TYPE_CHECKING:
    from experiments.run import Trace
    from market.world import World

Array = NDArray[np.float64]
Integers = NDArray[np.int64]

IMPACT = np.dtype([("tick", "<i4"), ("asset", "<i4"), ("flow", "<i4"), ("venue", "<i4"), ("move", "<f8")])
"""Flow that moved the reference of an asset for good, from the next tick on: `flow` TRADERS, BACKGROUND, LIQUIDITY."""

_AVERAGE_OF = {BOOK_AVERAGE: OF_BOOK, INDEX_AVERAGE: OF_INDEX, LAST_AVERAGE: OF_LAST}


ELSEWHERE = 1 << 30
"""Liquidations of other venues are counted from here, beyond any of the venue itself."""


@dataclass(frozen=True, kw_only=True)
class MarkFigures:
    """The mark rule of a venue as its kernels know it."""

    code: int
    weight: float
    """Of the newest observation in the slow average of the basis."""
    cap: float
    """Bound on it, as a share of the index."""
    slots: int = 1
    """Ticks of a time-weighted average, and what it is of."""
    average_of: int = OF_BOOK


@dataclass(frozen=True, kw_only=True)
class Records:
    """Prices, holdings and forced orders of a run; ticks count from 0, prices are in ticks of their kind.

    `looks`, `held`, `kept` as in market/kernels/history.py. Arrays over ticks are [n_ticks, n_instruments] or
    [n_ticks, n_assets]. Orders and flow of other venues that move the same references may be among `orders` and
    `impacts`.
    """

    tick_seconds: float
    mark: MarkFigures
    instruments: NDArray[np.void]
    assets: NDArray[np.void]
    haircuts: Integers
    """int64[n_versions, 3, n_assets]: of the margin rules, and how far below and above the price balances and debts
    count; likewise `stresses`, `ladders`."""
    stresses: Integers
    ladders: NDArray[np.void]
    index: Integers
    reference: Integers
    basis: Array
    carry: Array
    funding: Integers
    price: Integers
    asset_reference: Integers
    delay: Integers
    """int64[n_assets]: ticks from a price of the outside world to the venue's, by its oracle's sources and sending."""
    first_levels: Integers
    """int64[n_instruments, 2]: averaged price and own price of the books before the first tick."""
    moved: Integers
    """int64[n_ticks, n_instruments, 3, FLOWS]: by messages, market/kernels/moves.py."""
    looks: Integers
    breaches: NDArray[np.void]
    """BREACH: the breaches that led to a liquidation, in order; `breach_held`, `breach_look` beside them."""
    breach_held: Integers
    breach_look: Integers
    kept: NDArray[np.void]
    """CHANGE by breach, newest first; `kept_from` int64[n_breaches + 1] says whose are where."""
    kept_from: Integers
    orders: NDArray[np.void]
    impacts: NDArray[np.void]
    modes: NDArray[np.int64]
    """int64[n_breaches]: margin mode of the account."""
    sold_usd: Array
    """float64[n_breaches, n_assets]: closed by force, all kinds, by underlying asset."""
    claim_on: Integers
    """int64[n_assets]: asset that an asset is a claim on; NONE for what is no claim."""
    claim_rates: Array
    """float64[n_ticks, n_assets]: units of that which a claim is worth."""

    @property
    def n(self) -> int:
        """Number of liquidations."""
        return len(self.breaches)

    @property
    def ticks(self) -> int:
        """Number of ticks."""
        return len(self.index)

    @property
    def marks(self) -> Integers:
        """int64[n_looks, n_instruments]."""
        return self.looks[:, LOOK_COLUMNS:]


@dataclass(frozen=True, kw_only=True)
class Joined:
    """Records of one venue, with what reached it from the other venues of its system laid among its own."""

    records: Records
    orders: NDArray[np.void]
    """ORDERS: its own and the others', each once."""
    order_of: Integers
    """Row of `orders` behind each of `records.orders`."""
    elsewhere: tuple[tuple[str, int], ...] = ()
    """(venue, its number there) of the liquidations that are counted from ELSEWHERE on."""
    claims: Mapping[int, str] = field(default_factory=dict)
    """Row of an asset that is a claim on another venue -> that venue."""


def alone(found: Records) -> Joined:
    """The records of a venue that nothing reaches from others."""
    return Joined(records=found, orders=found.orders, order_of=np.arange(len(found.orders)))


def records(trace: Trace) -> Records:
    """Take everything out of a finished run."""
    world, recorder = trace.built.world, trace.recorder
    history, ticks = world.history, recorder.ticks[: recorder.n]
    rows, owner = liquidations_of(world)
    kept, kept_from = _kept(world, rows)
    n_books = len(world.instruments)
    closed = history.closed[: recorder.n + 1].copy()
    # The tick that has just ended is closed by the next one.
    closed[recorder.n :] = history.moved[:, :CLOSED_COLUMNS]
    if len(closed) == recorder.n:
        closed = np.concatenate([closed, history.moved[None, :, :CLOSED_COLUMNS]])
    moved = closed[1:, :, : 3 * FLOWS].reshape(recorder.n, n_books, 3, FLOWS)
    orders = _orders(world, ticks, owner)
    if not history.rules:
        history.note_rules(world)
    rules = history.rules
    accounts = world.breaches["account"][rows]
    sold = np.zeros((len(rows), len(world.assets)))
    events = world.events[: world.n_events]
    # What reserves sell on was closed by force once, when they took it.
    value = np.where(events["kind"] == FORCED_RESALE, 0.0, fill_usd(world, events))
    np.add.at(sold, (owner, fill_asset(world, events)), value)
    return Records(
        tick_seconds=world.tick_seconds,
        mark=_mark(trace),
        instruments=world.instruments.copy(),
        assets=world.assets.copy(),
        haircuts=np.array([(version.haircut, version.below, version.above) for version in rules], np.int64),
        stresses=np.array([version.stress for version in rules], np.int64),
        ladders=np.array([version.tiers for version in rules]),
        index=ticks["index"].astype(np.int64),
        reference=ticks["reference"].astype(np.int64),
        basis=ticks["basis"].copy(),
        carry=ticks["carry"].copy(),
        funding=ticks["funding_index"].copy(),
        price=recorder.asset_price[: recorder.n],
        asset_reference=recorder.asset_reference[: recorder.n],
        delay=_delays(trace),
        first_levels=closed[0, :, [SLOW_LEVEL, OWN_LEVEL]].T.copy(),
        moved=np.ascontiguousarray(moved),
        looks=history.looks[: history.n_looks(world)],
        breaches=world.breaches[rows],
        breach_held=history.breach_held[rows],
        breach_look=history.breach_look[rows],
        kept=kept,
        kept_from=kept_from,
        orders=orders,
        impacts=_impacts(world, ticks, moved),
        modes=world.ledger.accounts["mode"][accounts].astype(np.int64),
        sold_usd=sold,
        claim_on=np.full(len(world.assets), NONE),
        claim_rates=np.ones((recorder.n, len(world.assets))),
    )


def liquidations_of(world: World) -> tuple[Integers, Integers]:
    """Rows of the breach log that led to forced fills, in order, and for every event the liquidation it belongs to."""
    breaches, events = world.breaches[: world.n_breaches], world.events[: world.n_events]
    if not len(events):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    opened = breaches["account"].astype(np.int64) << 32 | breaches["tick"]
    wanted = events["account"].astype(np.int64) << 32 | events["claim_tick"]
    order = np.argsort(opened, kind="stable")
    # An account breaks once a tick at most; were there two rows, the later one would hold.
    rows = order[np.searchsorted(opened[order], wanted, side="right") - 1]
    kept, owner = np.unique(rows, return_inverse=True)
    return kept.astype(np.int64), owner.astype(np.int64)


def _kept(world: World, rows: Integers) -> tuple[NDArray[np.void], Integers]:
    history = world.history
    kept = history.kept[: history.n_kept]
    if not len(rows):
        return kept[:0], np.zeros(1, np.int64)
    place = np.searchsorted(rows, kept["owner"])
    mine = (place < len(rows)) & (rows[np.minimum(place, len(rows) - 1)] == kept["owner"])
    kept = kept[mine].copy()
    kept["owner"] = place[mine]
    return kept, np.searchsorted(kept["owner"], np.arange(len(rows) + 1)).astype(np.int64)


def _orders(world: World, ticks: NDArray[np.void], owner: Integers) -> NDArray[np.void]:
    """ORDERS of this venue, by tick: what was forced on a book, into a pool or on the outside world."""
    events = world.events[: world.n_events]
    number = np.flatnonzero(np.isin(events["kind"], ON_BOOK))
    events = events[number]
    books, at = events["book"], events["tick"]
    made = np.zeros(len(events), ORDERS)
    made["tick"], made["event"], made["book"] = at, number, books
    made["asset"], made["liquidation"] = world.instruments["base"][books], owner[number]
    made["slow_move"], made["own_move"] = events["slow_move"], events["own_move"]
    sign = np.where(events["side"] == SELL, -1.0, 1.0)
    worth = events["lots"] * ticks["mark"][at, books] * world.instruments["tick_value"][books].astype(np.float64)
    made["impact"] = sign * worth * world.impact_per_quanta[books]
    pressed = world.pressure.rows
    pressed = pressed[pressed["event"] != NONE]
    off_book = np.zeros(len(pressed), ORDERS)
    off_book["tick"], off_book["event"], off_book["book"] = pressed["tick"], pressed["event"], NONE
    off_book["asset"], off_book["liquidation"] = pressed["asset"], owner[pressed["event"]]
    off_book["impact"] = pressed["move"]
    return in_time(np.concatenate([made, off_book])) if len(pressed) else made


def in_time(orders: NDArray[np.void]) -> NDArray[np.void]:
    """The same by tick."""
    return orders[np.argsort(orders["tick"], kind="stable")]


def _impacts(world: World, ticks: NDArray[np.void], moved: Integers) -> NDArray[np.void]:
    """IMPACT of voluntary flow."""
    unit = ticks["mark"] * world.instruments["tick_value"].astype(np.float64) * world.impact_per_quanta
    parts = []
    for flow in (TRADERS, BACKGROUND, LIQUIDITY):
        moves = moved[:, :, FLOW // FLOWS, flow] * unit
        tick, book = np.nonzero(moves)
        rows = np.zeros(len(tick), IMPACT)
        rows["tick"], rows["asset"], rows["flow"] = tick, world.instruments["base"][book], flow
        rows["move"] = moves[tick, book]
        parts.append(rows)
    pressed = world.pressure.rows
    pressed = pressed[pressed["event"] == NONE]
    rows = np.zeros(len(pressed), IMPACT)
    for name in ("tick", "asset", "flow", "move"):
        rows[name] = pressed[name]
    return np.concatenate([*parts, rows])


def _delays(trace: Trace) -> Integers:
    """By the median source of each feed, as the oracles ended; a claim priced by its contract has its underlying's."""
    delay = np.zeros(len(trace.built.world.assets), np.int64)
    for oracle in trace.built.cast.oracles:
        if isinstance(oracle, OracleCohort):
            for feed in oracle.feeds:
                sources = oracle.sources[feed["first"] : feed["first"] + feed["n_sources"]]
                read = np.sort(sources["latency"][sources["kind"] == REFERENCE_SOURCE])
                delay[feed["asset"]] = int(feed["latency"]) + (int(read[(len(read) - 1) // 2]) if len(read) else 0)
        elif isinstance(oracle, ClaimOracle):
            delay[oracle.claims] = delay[oracle.underlying]
    return delay


def _mark(trace: Trace) -> MarkFigures:
    world, rule = trace.built.world, trace.built.rules.venue.mark
    slots, average_of = 1, OF_BOOK
    if isinstance(world.mark_state, Twap):
        slots, average_of = world.mark_state.slots, _AVERAGE_OF[world.mark_state.of]
    return MarkFigures(
        code=world.history.rule, weight=basis_weight(rule, world.tick_seconds), cap=rule.cap_bps / 10_000, slots=slots,
        average_of=average_of,
    )  # fmt: skip


def has_book(found: Records) -> NDArray[np.bool_]:
    """bool[n_instruments]: all but options."""
    return np.asarray(found.instruments["kind"] != OPTION)
