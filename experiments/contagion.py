"""Who brought down whom: earlier forced fills as causes of later liquidations.

First version. A *liquidation* is an account from the opening of its claim to its cure or close-out. Its loss is the
fall of its margin excess since it was last *safe*: the last moment within an hour when, at the prices of then and with
what it held when its claim opened, excess was at least `SAFE_BUFFER` of maintenance. A forced fill explains the part
of that loss that its displacement made on the account's holdings:

* its share of the mark's move within its round, which fades with `FADE_SECONDS` as the book refills;
* the permanent move of the reference that its flow made, on everything priced off the same asset.

Shares that add to more than one are scaled down to one; what is left over belongs to the outside world, voluntary flow
and the withdrawal of liquidity. A liquidation whose forced share is at least one half is a child of the liquidation
with the largest share; the others are roots. A cascade is a tree of that relation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import networkx as nx
import numpy as np
from numpy.typing import NDArray

from experiments.frames import by_book, fill_asset, fill_usd, quote_usd
from market.instruments import USD_QUANTA
from market.kernels.records import FORCED_RESALE, ON_BOOK, PPM, SELL
from market.world import World

if TYPE_CHECKING:
    from experiments.run import Trace

SAFE_BUFFER = 0.25
LOOKBACK_SECONDS = 3600.0
FADE_SECONDS = 30.0
CHILD_SHARE = 0.5
LEAST_SHARE = 0.01
"""Edges below this share are left out of the graph."""

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Contagion:
    """Liquidations in order of their claims, and the shares by which they explain each other.

    All arrays have one entry per liquidation. `parent` is -1 for roots; `edges` rows are (from, to, share, USD).
    """

    account: NDArray[np.int64]
    tick: NDArray[np.int64]
    notional_usd: Array
    loss_usd: Array
    forced_share: Array
    parent: NDArray[np.int64]
    generation: NDArray[np.int64]
    root: NDArray[np.int64]
    edges: Array
    asset_sold_usd: Array
    """float64[n_liquidations, n_assets]: forced notional by underlying asset."""

    @property
    def n(self) -> int:
        """Number of liquidations."""
        return len(self.account)

    def cascade_sizes(self) -> NDArray[np.int64]:
        """Liquidations per cascade, largest first."""
        return np.sort(np.bincount(self.root, minlength=self.n)[np.unique(self.root)])[::-1]

    def cascade_depths(self) -> tuple[int, int]:
        """Generations of the deepest cascade and of the largest one, its root counted; 0 without liquidations."""
        if self.n == 0:
            return 0, 0
        largest = next(iter(self.cascade_ranks()))
        return int(self.generation.max()) + 1, int(self.generation[self.root == largest].max()) + 1

    def cascade_ranks(self) -> dict[int, int]:
        """Root liquidation -> rank of its cascade by number of liquidations, then notional; in order, 0 the largest."""
        roots, inverse, sizes = np.unique(self.root, return_inverse=True, return_counts=True)
        usd = np.bincount(inverse, weights=self.notional_usd, minlength=len(roots))
        order = np.lexsort((roots, -usd, -sizes))
        return {int(roots[place]): rank for rank, place in enumerate(order)}

    def generations(self) -> NDArray[np.int64]:
        """Liquidations per causal generation, roots first."""
        return np.bincount(self.generation) if self.n else np.zeros(0, np.int64)


def contagion(trace: Trace) -> Contagion:
    """Work out causes from the record of a run."""
    world = trace.built.world
    events = world.events[: world.n_events]
    breach_rows, event_owner = _liquidations(world, events)
    n = len(breach_rows)
    forced = np.isin(events["kind"], ON_BOOK)
    value = fill_usd(world, events)
    base = fill_asset(world, events)
    sold = np.zeros((n, len(world.assets)))
    np.add.at(sold, (event_owner, base), np.where(events["kind"] == FORCED_RESALE, 0.0, value))
    moves = _Moves(trace, events, event_owner, forced)
    loss, share_of, edges = np.zeros(n), np.zeros(n), []
    parent = np.full(n, -1)
    for row, breach_row in enumerate(breach_rows):
        loss[row], shares = moves.shares(int(breach_row))
        own = np.bincount(event_owner[moves.window], weights=shares, minlength=n) if len(shares) else np.zeros(n)
        own[row:] = 0.0  # later claims, and the account's own sales, are no cause of this one
        share_of[row] = own.sum()
        for source in np.flatnonzero(own >= LEAST_SHARE):
            edges.append((source, row, own[source], own[source] * loss[row]))
        if share_of[row] >= CHILD_SHARE:
            parent[row] = np.argmax(own)
    generation, root = np.zeros(n, np.int64), np.arange(n)
    for row in range(n):
        if parent[row] >= 0:
            generation[row], root[row] = generation[parent[row]] + 1, root[parent[row]]
    breaches = world.breaches[breach_rows]
    return Contagion(
        account=breaches["account"].astype(np.int64),
        tick=breaches["tick"].astype(np.int64),
        notional_usd=sold.sum(axis=1),
        loss_usd=loss,
        forced_share=share_of,
        parent=parent,
        generation=generation,
        root=root,
        edges=np.array(edges).reshape(-1, 4),
        asset_sold_usd=sold,
    )


def _liquidations(world: World, events: NDArray[np.void]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows of the breach log that led to forced fills, in order, and for every event the liquidation it belongs to."""
    breaches = world.breaches[: world.n_breaches]
    row_of = {(int(b["account"]), int(b["tick"])): row for row, b in enumerate(breaches)}
    rows = [row_of[int(event["account"]), int(event["claim_tick"])] for event in events]
    kept, owner = np.unique(np.array(rows, np.int64), return_inverse=True)
    return kept, owner.astype(np.int64)


class _Moves:
    """Displacements by event, and the recorded prices that losses are measured on."""

    def __init__(
        self, trace: Trace, events: NDArray[np.void], owner: NDArray[np.int64], forced: NDArray[np.bool_]
    ) -> None:
        world = trace.built.world
        self.world, self.recorder = world, trace.recorder
        self.events, self.owner = events, owner
        self.window = np.zeros(0, np.int64)
        self.usd = quote_usd(world)
        self.marks = trace.recorder.ticks["mark"][: trace.recorder.n].astype(np.float64)
        self.prices = trace.recorder.asset_price[: trace.recorder.n].astype(np.float64)
        sign = np.where(events["side"] == SELL, -1.0, 1.0)
        books = events["book"]
        self.mark_ticks = np.where(forced, events["mark_move"], 0.0)
        # Log move of the reference of the book's base asset.
        self.reference_move = np.where(forced, sign * events["value"] * by_book(world.impact_per_quanta, books), 0.0)
        self.base = fill_asset(world, events)
        self.per_tick_usd = world.instruments["tick_value"] * self.usd
        assets = world.assets
        self.asset_usd = assets["multiplier"] / assets["divisor"] / USD_QUANTA
        self.rate = np.maximum(0.0, 1.0 - assets["haircut"] / PPM)
        self.look = max(1, world.ticks(LOOKBACK_SECONDS))
        self.fade = np.log(2.0) * world.tick_seconds / FADE_SECONDS

    def shares(self, breach_row: int) -> tuple[float, Array]:
        """(loss since last safe in USD, share of it explained by each event of `self.window`)."""
        world = self.world
        breach = world.breaches[breach_row]
        tick = int(breach["tick"])
        lots = world.breach_lots[breach_row].astype(np.float64)
        cash = world.breach_cash[breach_row].astype(np.float64)
        held = cash * self.asset_usd * np.where(cash > 0, self.rate, 1.0)
        per_mark = lots * self.per_tick_usd
        first = max(0, tick - self.look)
        now = (self.marks[tick], self.prices[tick])
        # A position's own tick is recorded after its close-out round; the tick before is the newest price untouched.
        reach = slice(first, tick + 1)
        change = (self.marks[reach] - now[0]) @ per_mark + (self.prices[reach] - now[1]) @ held
        excess = float(breach["excess"]) / USD_QUANTA + change
        safe = np.flatnonzero(excess >= SAFE_BUFFER * float(breach["maintenance"]) / USD_QUANTA)
        at = first + int(safe[-1]) if len(safe) else first + int(np.argmax(excess))
        loss = float(excess[at - first]) - float(breach["excess"]) / USD_QUANTA
        low = int(np.searchsorted(self.events["tick"], at, side="right"))
        high = int(np.searchsorted(self.events["tick"], tick, side="right"))
        same_tick = self.events["tick"][low:high] == tick
        before = ~same_tick | (self.events["round"][low:high] < breach["round"])
        self.window = np.arange(low, high)[before]
        if loss <= 0.0 or len(self.window) == 0:
            return max(loss, 0.0), np.zeros(len(self.window))
        return loss, self._explained(tick, lots, held, loss)

    def _explained(self, tick: int, lots: Array, held: Array, loss: float) -> Array:
        """Share of `loss` that each event of the window explains; at most one in total."""
        at = self.window
        books = self.events["book"][at]
        faded = np.exp(-self.fade * (tick - self.events["tick"][at]))
        own_mark = self.mark_ticks[at] * faded * by_book(lots * self.per_tick_usd, books)
        # Everything priced off the same asset moves with its reference.
        exposure = np.zeros(len(self.world.assets))
        np.add.at(exposure, self.world.instruments["base"], lots * self.per_tick_usd * self.marks[tick])
        exposure += held * self.prices[tick]
        hurt = np.maximum(0.0, -(own_mark + self.reference_move[at] * exposure[self.base[at]]))
        shares: Array = hurt / loss
        total = shares.sum()
        return shares / total if total > 1.0 else shares


def graph(found: Contagion, world: World) -> nx.DiGraph:
    """Accounts and assets as nodes; edges account -> account by explained loss, account -> asset by forced sales."""
    made = nx.DiGraph()
    names = [f"account:{world.ledger.names[account]}" for account in found.account]
    for row, name in enumerate(names):
        if name not in made:
            made.add_node(
                name,
                kind="account",
                first_tick=int(found.tick[row]),
                generation=int(found.generation[row]),
                cascade=int(found.root[row]),
                notional_usd=0.0,
                forced_share=float(found.forced_share[row]),
            )
        made.nodes[name]["notional_usd"] += float(found.notional_usd[row])
    for source, target, share, usd in found.edges:
        one, other = names[int(source)], names[int(target)]
        if one != other:
            before = made.get_edge_data(one, other, default={"share": 0.0, "loss_usd": 0.0})
            made.add_edge(
                one, other, share=before["share"] + float(share), loss_usd=before["loss_usd"] + float(usd), kind="loss"
            )
    for column, symbol in enumerate(world.asset_symbols):
        for row in map(int, np.flatnonzero(found.asset_sold_usd[:, column] > 0.0)):
            node = f"asset:{symbol}"
            made.add_node(node, kind="asset")
            before = made.get_edge_data(names[row], node, default={"notional_usd": 0.0})
            total = before["notional_usd"] + float(found.asset_sold_usd[row, column])
            made.add_edge(names[row], node, notional_usd=total, kind="forced")
    return made
