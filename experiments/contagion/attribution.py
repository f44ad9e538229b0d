"""The loss behind every liquidation as a sum of causes, to the quantum, and the forced orders among them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from experiments.contagion.levels import Levels, mark_parts
from experiments.contagion.records import Array, Integers, Records
from experiments.contagion.windows import Window
from market.kernels.history import AT_LOSSES, AT_ROUND, LOOK_KIND, LOOK_REMARKED, LOOK_TICK
from market.kernels.origins import FORCED_SALES, NOBODY, ORIGINS, event_parts, trace_back

CAUSES = (
    "outside_world", "oracle", "forced_sales", "traders", "background", "liquidity", "untraced", "funding",
    "margin_rules", "option_terms", "own_trades", "transfers", "own_liquidation", "losses_shared",
)  # fmt: skip
"""Names of the causes; the first ORIGINS are those of prices (market/kernels/origins.py)."""
MARGIN_RULES, OPTION_TERMS, OWN_TRADES, TRANSFERS, OWN_LIQUIDATION, LOSSES_SHARED = range(ORIGINS, ORIGINS + 6)

LEAST_SHARE = 0.001
"""Share of the loss from which a forced order has an edge of its own; smaller ones are summed."""

Named = tuple[int, int, int, int]
"""(order, liquidation it belongs to, asset, loss) of one forced order as a cause, as in EDGE."""

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

    safe: Integers
    """int64[n]: tick at which it was last safe."""
    loss: Integers
    """int64[n]: fall of margin excess since then, USD quanta; the sum of `causes` over its row."""
    causes: Integers
    """int64[n, len(CAUSES)]; negative where something helped."""
    lost_on: Integers
    """int64[n, n_assets]: by the asset whose price moved; what no price did is left out."""
    edges: NDArray[np.void]
    """EDGE, by target; over a target they sum to its cause "forced_sales"."""
    by_source: list[dict[int, int]]
    """Per liquidation: earlier liquidation -> quanta of its loss, the small ones too."""


def apportion(total: int, parts: Array) -> Integers:
    """Whole numbers in proportion to `parts`, whose sum is `total` but for rounding; the rest goes to the largest."""
    whole = np.rint(parts).astype(np.int64)
    if len(whole):
        whole[np.argmax(np.abs(parts))] += total - int(whole.sum())
    return whole


class Attributor:
    """Works out the causes of one liquidation after the other."""

    def __init__(self, found: Records, made: Levels) -> None:
        self.found, self.levels = found, made
        self.n_books, self.n_assets = len(found.instruments), len(found.assets)
        self._ticks = found.orders["tick"]
        self._own_ticks = _ticks_by_account(found)
        self._impact = np.flatnonzero(found.orders["impact"] != 0.0)

    def causes(self, row: int, window: Window) -> tuple[Integers, Integers, list[Named], dict[int, int]]:
        """(causes, loss by asset, edges as (order, source, asset, loss), loss by source) of one liquidation."""
        found = self.found
        causes, lost_on = np.zeros(len(CAUSES), np.int64), np.zeros(self.n_assets, np.int64)
        first = int(np.searchsorted(self._ticks, self._since(window)))
        last = int(np.searchsorted(self._ticks, found.looks[window.breach, LOOK_TICK], side="right"))
        forced: list[tuple[int, int, Array]] = []
        losses = -window.effects.sum(axis=0)
        moved = (window.effects != 0).any(axis=0) | (window.slopes != 0.0).any(axis=0)
        for component in np.flatnonzero(moved).tolist():
            loss = int(losses[component])
            if component >= self.n_books + self.n_assets:
                causes[ORIGINS - 1 + component - self.n_books - self.n_assets] += loss
                continue
            parts, orders = self._price(component, window, first, last)
            whole = apportion(loss, parts)
            causes[:ORIGINS] += whole
            asset = self._asset_of(component)
            lost_on[asset] += loss
            if whole[FORCED_SALES] or orders.any():
                forced.append((asset, int(whole[FORCED_SALES]), orders))
        self._jumps(row, window, causes)
        # What an assessment at the recorded prices cannot reproduce would show up here.
        total = window.excess - int(found.breaches["excess"][row])
        causes[NOBODY] += total - int(causes.sum())
        edges, by_source = self._edges(forced, first, total)
        return causes, lost_on, edges, by_source

    def _since(self, window: Window) -> int:
        """First tick whose forced orders are looked at: as long before the window as it is reached back."""
        tick, breach = (int(self.found.looks[look, LOOK_TICK]) for look in (window.safe, window.breach))
        return max(0, tick - max(60, 2 * (breach - tick)))

    def _asset_of(self, component: int) -> int:
        return int(self.found.instruments["base"][component]) if component < self.n_books else component - self.n_books

    def _price(self, component: int, window: Window, first: int, last: int) -> tuple[Array, Array]:
        """(parts of the loss on one price by origin, by forced order `first` .. `last` - 1), USD quanta."""
        weights, looks = _weights(window, component)
        if component >= self.n_books:
            return self._asset_price(component - self.n_books, looks, weights, first, last)
        found, made = self.found, self.levels
        parts, took = mark_parts(found, made, looks, np.full(len(looks), component))
        orders = np.zeros(last - first)
        if last > first:
            at, remarked = found.looks[looks, LOOK_TICK], found.looks[looks, LOOK_REMARKED]
            since = int(self._ticks[first])
            back = np.zeros((int(at.max()) - since + 1, 6))
            trace_back(
                component, since, at, remarked, took, weights, found.carry, found.mark.average_of, found.mark.slots,
                found.mark.weight, made.kept, made.left_slow, made.left_own, np.zeros_like(back), back,
            )  # fmt: skip
            base, quote = (int(found.instruments[name][component]) for name in ("base", "quote"))
            event_parts(
                component, since, first, last, found.orders, base, quote, made.index_unit, made.reference_unit, at,
                remarked, took, weights, back, orders,
            )  # fmt: skip
        return weights @ parts, orders

    def _asset_price(self, asset: int, looks: Integers, weights: Array, first: int, last: int) -> tuple[Array, Array]:
        found, made = self.found, self.levels
        at = found.looks[looks, LOOK_TICK]
        orders = np.zeros(last - first)
        mine = self._impact[np.searchsorted(self._impact, first) : np.searchsorted(self._impact, last)]
        mine = mine[(found.orders["asset"][mine] == asset) & (self._ticks[mine] + 1 < found.ticks)]
        if len(mine):
            # Weight of all moments from a tick on, which is when an order of the tick before counts.
            order = np.argsort(at, kind="stable")
            later = np.concatenate([np.cumsum(weights[order][::-1])[::-1], [0.0]])
            effective = self._ticks[mine] + 1
            unit = made.price_unit[effective, asset] * later[np.searchsorted(at[order], effective)]
            orders[mine - first] = found.orders["impact"][mine] * unit
        return weights @ made.price[at, asset], orders

    def _jumps(self, row: int, window: Window, causes: Integers) -> None:
        """Book changes of holdings to who made them."""
        looks, account = self.found.looks, int(self.found.breaches["account"][row])
        for look, effect, lots_changed, slots in window.jumps.tolist():
            if look < 0:
                continue
            kind, tick = int(looks[look, LOOK_KIND]), int(looks[look, LOOK_TICK])
            if kind == AT_LOSSES:
                cause = LOSSES_SHARED
            elif kind == AT_ROUND and tick in self._own_ticks.get(account, ()):
                cause = OWN_LIQUIDATION
            else:
                cause = OWN_TRADES if lots_changed or slots > 1 else TRANSFERS
            causes[cause] -= effect

    def _edges(
        self, forced: list[tuple[int, int, Array]], first: int, total: int
    ) -> tuple[list[Named], dict[int, int]]:
        found = self.found
        edges: list[Named] = []
        by_source: dict[int, int] = {}
        least = max(1.0, LEAST_SHARE * abs(total))
        for asset, loss, orders in forced:
            rest = loss
            large = np.flatnonzero(np.abs(orders) >= least)
            if len(large):
                rows, whole = first + large, np.rint(orders[large]).astype(np.int64)
                sources = found.orders["liquidation"][rows]
                edges += zip(rows.tolist(), sources.tolist(), [asset] * len(large), whole.tolist(), strict=True)
                rest -= int(whole.sum())
            if rest:
                edges.append((-1, -1, asset, rest))
            some = np.flatnonzero(orders)
            if len(some):
                sources, place = np.unique(found.orders["liquidation"][first + some], return_inverse=True)
                sums = np.bincount(place, weights=orders[some])
                for source, value in zip(sources.tolist(), np.rint(sums).astype(np.int64).tolist(), strict=True):
                    by_source[source] = by_source.get(source, 0) + value
        return edges, by_source


def _weights(window: Window, component: int) -> tuple[Array, Integers]:
    """(USD quanta of loss per tick of the price, at each end of every segment; the looks of these ends)."""
    slopes = window.slopes[:, component]
    used = np.flatnonzero((slopes != 0.0) & (window.ends[:, 0] != window.ends[:, 1]))
    looks = window.ends[used].ravel()
    return np.column_stack([slopes[used], -slopes[used]]).ravel(), looks


def _ticks_by_account(found: Records) -> dict[int, set[int]]:
    """Account -> ticks in which it was traded out of by force."""
    own: dict[int, set[int]] = {}
    local = found.orders[found.orders["event"] >= 0]
    accounts = found.breaches["account"][local["liquidation"]]
    for account, tick in zip(accounts.tolist(), local["tick"].tolist(), strict=True):
        own.setdefault(account, set()).add(tick)
    return own
