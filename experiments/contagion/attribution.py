"""The loss behind every liquidation as a sum of causes, to the quantum, and the forced orders among them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from experiments.contagion.levels import Levels, mark_parts
from experiments.contagion.records import Array, Integers, Records
from experiments.contagion.windows import Window
from market.kernels.history import AT_LOSSES, AT_ROUND, LOOK_KIND, LOOK_REMARKED, LOOK_TICK
from market.kernels.origins import FORCED_SALES, NOBODY, OF_CLAIM, ORIGINS, event_parts, trace_back

CAUSES = (
    "outside_world", "oracle", "claim", "forced_sales", "traders", "background", "liquidity", "untraced", "funding",
    "margin_rules", "option_terms", "own_trades", "transfers", "own_liquidation", "losses_shared",
)  # fmt: skip
"""Names of the causes; the first ORIGINS are those of prices (market/kernels/origins.py)."""
MARGIN_RULES, OPTION_TERMS, OWN_TRADES, TRANSFERS, OWN_LIQUIDATION, LOSSES_SHARED = range(ORIGINS, ORIGINS + 6)

LEAST_SHARE = 0.001
"""Share of the loss from which a forced order, or a liquidation, has an edge of its own; smaller ones are summed."""

EDGE = np.dtype(
    [
        ("order", "<i4"),  # row of Records.orders; -1 for the sum of those too small to be named
        ("source", "<i4"),  # liquidation it belongs to; -1 for that sum
        ("target", "<i4"),  # liquidation that it helped to cause
        ("asset", "<i4"),  # asset whose price moved: that on which the target lost
        ("loss", "<i8"),  # USD quanta; negative where the order helped
    ]
)


@dataclass(frozen=True, kw_only=True)
class Attribution:
    """Causes of every liquidation, in integers."""

    causes: Integers
    """int64[n, len(CAUSES)], USD quanta; negative where something helped. Rows sum to the losses."""
    lost_on: Integers
    """int64[n, n_assets]: by the asset whose price moved; what no price did is left out."""
    repriced: Integers
    """int64[n, n_assets]: part of it because what stands behind the asset, a claim, was worth less."""
    order_edges: NDArray[np.void]
    """EDGE, by target; over a target they sum to its cause "forced_sales"."""
    edges: Array
    """float64[n_edges, 3]: (from, to, USD quanta) between liquidations, from `LEAST_SHARE` of the loss on."""
    parent: Integers
    """int64[n]: the liquidation whose orders cost most, the earlier one of two; -1 where none cost anything. Those of
    other venues have numbers of n or more."""


def apportion(total: int, parts: Array) -> Integers:
    """Whole numbers in proportion to `parts`, whose sum is `total` but for rounding; the rest goes to the largest."""
    whole = np.rint(parts).astype(np.int64)
    if len(whole):
        whole[np.argmax(np.abs(parts))] += total - int(whole.sum())
    return whole


@dataclass(frozen=True, kw_only=True)
class _Items:
    """Losses on one price each: of all liquidations, their looks and weights one after the other."""

    row: Integers
    component: Integers
    loss: Integers
    begin: Integers
    """int64[n_items + 1]: whose looks and weights are where."""
    looks: Integers
    weights: Array
    """USD quanta of loss per tick of the price at that look."""
    parts: Array
    """float64[n_items, ORIGINS]: the loss by origin."""
    took: Integers


def attribute(found: Records, made: Levels, windows: Mapping[int, Window]) -> Attribution:
    """Work out the causes of the liquidations whose windows these are, in rising order; those of others stay 0."""
    n_books, n_assets = len(found.instruments), len(found.assets)
    causes, (lost_on, repriced) = np.zeros((found.n, len(CAUSES)), np.int64), np.zeros((2, found.n, n_assets), np.int64)
    items = _items(found, made, windows)
    own_ticks = _ticks_by_account(found)
    tracer = _Tracer(found, made, items)
    at = 0
    order_edges, edges, parent = [], [], np.full(found.n, -1)
    for row, window in windows.items():
        losses = -window.effects.sum(axis=0)
        # Funding, margin rules, what options are marked with.
        causes[row, ORIGINS - 1 : OWN_TRADES] += losses[n_books + n_assets :]
        tracer.begin(row, window)
        while at < len(items.row) and items.row[at] == row:
            whole = apportion(int(items.loss[at]), items.parts[at])
            causes[row, :ORIGINS] += whole
            component = int(items.component[at])
            asset = int(found.instruments["base"][component]) if component < n_books else component - n_books
            lost_on[row, asset] += items.loss[at]
            repriced[row, asset] += whole[OF_CLAIM]
            tracer.add(at, asset, int(whole[FORCED_SALES]))
            at += 1
        _jumps(found, own_ticks, row, window, causes[row])
        # What an assessment at the recorded prices cannot reproduce would show up here.
        total = window.excess - int(found.breaches["excess"][row])
        causes[row, NOBODY] += total - int(causes[row].sum())
        mine, pairs, parent[row] = tracer.end(total)
        order_edges += mine
        edges.append(pairs)
    return Attribution(
        causes=causes,
        lost_on=lost_on,
        repriced=repriced,
        order_edges=_edge_records(order_edges),
        edges=np.concatenate(edges) if edges else np.zeros((0, 3)),
        parent=parent,
    )


def _edge_records(columns: list[Integers]) -> NDArray[np.void]:
    made = np.zeros(sum(len(part) for part in columns), EDGE)
    if len(made):
        together = np.concatenate(columns)
        for column, name in enumerate(EDGE.names or ()):
            made[name] = together[:, column]
    return made


def _items(found: Records, made: Levels, windows: Mapping[int, Window]) -> _Items:
    n_books, n_prices = len(found.instruments), len(found.instruments) + len(found.assets)
    rows: list[int] = []
    components: list[int] = []
    losses: list[int] = []
    looks: list[Integers] = []
    weights: list[Array] = []
    for row, window in windows.items():
        effects, slopes = window.effects[:, :n_prices], window.slopes[:, :n_prices]
        for price in np.flatnonzero((effects != 0).any(axis=0) | (slopes != 0.0).any(axis=0)).tolist():
            rows.append(row)
            components.append(price)
            losses.append(-int(effects[:, price].sum()))
            used = (slopes[:, price] != 0.0) & (window.ends[:, 0] != window.ends[:, 1])
            looks.append(window.ends[used].ravel())
            slope = slopes[used, price]
            weights.append(np.column_stack([slope, -slope]).ravel())
    component = np.array(components, np.int64)
    begin = np.concatenate([[0], np.cumsum([len(part) for part in looks])]).astype(np.int64)
    look = np.concatenate(looks) if looks else np.zeros(0, np.int64)
    weight = np.concatenate(weights) if weights else np.zeros(0)
    of = np.repeat(component, np.diff(begin))
    parts, took = np.zeros((len(look), ORIGINS)), np.zeros(len(look), np.int64)
    marks = of < n_books
    parts[marks], took[marks] = mark_parts(found, made, look[marks], of[marks])
    parts[~marks] = made.price[found.looks[look[~marks], LOOK_TICK], of[~marks] - n_books]
    summed = np.zeros((len(component), ORIGINS))
    np.add.at(summed, np.repeat(np.arange(len(component)), np.diff(begin)), parts * weight[:, None])
    return _Items(
        row=np.array(rows, np.int64), component=component, loss=np.array(losses, np.int64), begin=begin, looks=look,
        weights=weight, parts=summed, took=took,
    )  # fmt: skip


class _Tracer:
    """Which forced orders made how much of the losses of one liquidation after the other."""

    def __init__(self, found: Records, made: Levels, items: _Items) -> None:
        self._found, self._levels, self._items = found, made, items
        self._ticks = found.orders["tick"].astype(np.int64)
        self._liquidation = found.orders["liquidation"].astype(np.int64)
        self._impact = np.flatnonzero(found.orders["impact"] != 0.0)
        self._base, self._quote = (found.instruments[name].astype(np.int64) for name in ("base", "quote"))

    def begin(self, row: int, window: Window) -> None:
        """Turn to a liquidation: orders from as long before its window as that is long, and a minute at least."""
        looks, seconds = self._found.looks, self._found.tick_seconds
        safe, breach = int(looks[window.safe, LOOK_TICK]), int(looks[window.breach, LOOK_TICK])
        reach = max(int(np.ceil(60.0 / seconds)), breach - safe)
        self._first = int(np.searchsorted(self._ticks, max(0, safe - reach)))
        self._last = int(np.searchsorted(self._ticks, breach, side="right"))
        self._row = row
        self._lost: list[tuple[int, int, Array]] = []

    def add(self, item: int, asset: int, loss: int) -> None:
        """Trace one of its losses, of which forced orders made `loss`."""
        orders = np.zeros(self._last - self._first)
        if len(orders):
            begin, end = self._items.begin[item : item + 2]
            component = int(self._items.component[item])
            trace = self._mark if component < len(self._base) else self._price
            trace(component, slice(int(begin), int(end)), orders)
        if loss or orders.any():
            self._lost.append((asset, loss, orders))

    def end(self, total: int) -> tuple[list[Integers], Array, int]:
        """(columns of EDGE, edges between liquidations, the one that cost it most) of the liquidation."""
        least = max(1.0, LEAST_SHARE * abs(total))
        made: list[Integers] = []
        low = int(self._liquidation[self._first : self._last].min(initial=self._row))
        by_source = np.zeros(self._row - low)
        abroad: dict[int, float] = {}
        for asset, loss, orders in self._lost:
            rows = np.flatnonzero(np.abs(orders) >= least)
            whole = np.rint(orders[rows]).astype(np.int64)
            rest = loss - int(whole.sum())
            edges = np.empty((len(rows) + (rest != 0), len(EDGE.names or ())), np.int64)
            edges[: len(rows), 0], edges[: len(rows), 4] = self._first + rows, whole
            edges[: len(rows), 1] = self._liquidation[self._first + rows]
            if rest:
                edges[-1, [0, 1, 4]] = -1, -1, rest
            edges[:, 2], edges[:, 3] = self._row, asset
            made.append(edges)
            sources = self._liquidation[self._first : self._last] - low
            earlier = (sources >= 0) & (sources < len(by_source))
            by_source += np.bincount(sources[earlier], weights=orders[earlier], minlength=len(by_source))
            for elsewhere in np.flatnonzero(sources >= self._found.n - low).tolist():
                source = int(sources[elsewhere]) + low
                abroad[source] = abroad.get(source, 0.0) + float(orders[elsewhere])
        large = np.flatnonzero(np.abs(by_source) >= least)
        pairs = np.column_stack([low + large, np.full(len(large), self._row), by_source[large]]).astype(np.float64)
        best, cost = -1, 0.0
        if len(by_source) and by_source.max() > 0.0:
            best, cost = low + int(np.argmax(by_source)), float(by_source.max())
        for source, usd in abroad.items():
            if usd > cost:
                best, cost = source, usd
        return made, pairs, best

    def _mark(self, book: int, mine: slice, orders: Array) -> None:
        found, made, items = self._found, self._levels, self._items
        looks, weights, took = items.looks[mine], items.weights[mine], items.took[mine]
        at, remarked = found.looks[looks, LOOK_TICK], found.looks[looks, LOOK_REMARKED]
        since = int(self._ticks[self._first])
        back = np.zeros((2, max(int(at.max(initial=since)) - since + 1, 1), 6))
        trace_back(
            book, since, at, remarked, took, weights, found.carry, found.mark.average_of, found.mark.slots,
            found.mark.weight, made.kept, made.left_slow, made.left_own, back[0], back[1],
        )  # fmt: skip
        event_parts(
            book, since, self._first, self._last, found.orders, int(self._base[book]), int(self._quote[book]),
            made.arrives, made.index_unit, made.reference_unit, at, remarked, took, weights, back[1], orders,
        )  # fmt: skip

    def _price(self, component: int, mine: slice, orders: Array) -> None:
        """Only what moves its reference moves the price of an asset, from when the oracle has read it on."""
        found, asset = self._found, component - len(self._base)
        impact = self._impact[np.searchsorted(self._impact, self._first) : np.searchsorted(self._impact, self._last)]
        impact = impact[(found.orders["asset"][impact] == asset) & (self._ticks[impact] + 1 < found.ticks)]
        if len(impact):
            at = found.looks[self._items.looks[mine], LOOK_TICK]
            order = np.argsort(at, kind="stable")
            later = np.concatenate([np.cumsum(self._items.weights[mine][order][::-1])[::-1], [0.0]])
            effective = self._levels.arrives[self._ticks[impact] + 1, asset]
            impact, effective = impact[effective < found.ticks], effective[effective < found.ticks]
            unit = self._levels.price_unit[effective, asset] * later[np.searchsorted(at[order], effective)]
            orders[impact - self._first] = found.orders["impact"][impact] * unit


def _jumps(found: Records, own_ticks: dict[int, set[int]], row: int, window: Window, causes: Integers) -> None:
    """Book changes of holdings to who made them."""
    looks, account = found.looks, int(found.breaches["account"][row])
    for look, effect, lots_changed, slots in window.jumps[window.jumps[:, 0] >= 0].tolist():
        kind, tick = int(looks[look, LOOK_KIND]), int(looks[look, LOOK_TICK])
        if kind == AT_LOSSES:
            cause = LOSSES_SHARED
        elif kind == AT_ROUND and tick in own_ticks.get(account, ()):
            cause = OWN_LIQUIDATION
        else:
            cause = OWN_TRADES if lots_changed or slots > 1 else TRANSFERS
        causes[cause] -= effect


def _ticks_by_account(found: Records) -> dict[int, set[int]]:
    """Account -> ticks in which it was traded out of by force."""
    own: dict[int, set[int]] = {}
    local = found.orders[found.orders["event"] >= 0]
    accounts = found.breaches["account"][local["liquidation"]]
    for account, tick in zip(accounts.tolist(), local["tick"].tolist(), strict=True):
        own.setdefault(account, set()).add(tick)
    return own
