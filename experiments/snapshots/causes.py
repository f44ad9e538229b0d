"""Contagion as it spreads: the causes of liquidations worked out while the run goes on, each once, exactly."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.contagion import FORCED, windows_of
from experiments.contagion.attribution import Attribution, attribute
from experiments.contagion.cascades import CHILD_SHARE
from experiments.contagion.levels import levels
from experiments.contagion.records import ELSEWHERE, Joined, Records, liquidations_of
from experiments.run import VenueRun
from market.instruments import USD_QUANTA

OUTSIDE = -1
"""Source of what no other account's forced orders did."""
MOST_AT_ONCE = 160
"""Liquidations explained in one call; the rest wait for the next."""
SOURCES = 6
"""Accounts named as sources of one liquidation, those that cost it most."""


@dataclass
class Spread:
    """Who brought down whom so far."""

    asset_usd: NDArray[np.float64]
    """float64[n_assets, n_assets]: USD lost on the column's asset through forced sales of the row's asset."""
    crossings: dict[str, list[float]] = field(default_factory=dict)
    """By venue, "" for the same one: USD lost through forced sales on it, and through claims on it."""
    pending: int = 0
    """Liquidations whose causes are still to be worked out."""
    cascade_of: dict[int, int] = field(default_factory=dict)
    """Row of the breach log of each explained liquidation -> that of the root of its cascade."""

    @classmethod
    def of(cls, n_assets: int) -> Spread:
        """Nothing yet."""
        return cls(asset_usd=np.zeros((n_assets, n_assets)))

    def follow(self, session: VenueRun) -> dict[str, Any]:
        """Explain what has not been explained yet, `MOST_AT_ONCE` at most, and return its edges between accounts.

        {"source", "target", "usd", "tick"}: USD of the target's fall of margin excess that the source's forced orders
        made; OUTSIDE for all the rest of that fall. Of the sources the `SOURCES` largest are told.
        """
        world = session.built.world
        edges: dict[str, Any] = {"source": [], "target": [], "usd": [], "tick": []}
        log, _ = liquidations_of(world)
        unknown = [row for row, number in enumerate(log.tolist()) if number not in self.cascade_of]
        new, self.pending = unknown[:MOST_AT_ONCE], max(0, len(unknown) - MOST_AT_ONCE)
        if not new:
            return edges
        joined = session.joined()
        found = joined.records
        windows = windows_of(found, new, world=world)
        split = attribute(found, levels(found), windows)
        elsewhere = _elsewhere(split, found.n)
        for row in new:
            loss = windows[row].excess - int(found.breaches["excess"][row])
            forced = int(split.causes[row, FORCED])
            child = loss > 0 and forced >= CHILD_SHARE * loss and split.parent[row] >= 0
            number = int(log[row])
            self.cascade_of[number] = self.cascade_of.get(int(log[split.parent[row]]), number) if child else number
            _add_edges(edges, found, split, row, loss - forced + int(elsewhere[row]))
        self._add_assets(joined, split)
        self._add_crossings(joined, split, new)
        return edges

    def _add_assets(self, joined: Joined, split: Attribution) -> None:
        edges = split.order_edges[split.order_edges["order"] >= 0]
        source = joined.orders["asset"][joined.order_of[edges["order"]]]
        np.add.at(self.asset_usd, (source, edges["asset"]), edges["loss"] / USD_QUANTA)

    def _add_crossings(self, joined: Joined, split: Attribution, rows: list[int]) -> None:
        forced: dict[str, int] = {}
        edges = split.order_edges
        foreign = edges["source"] >= ELSEWHERE
        for source, loss in zip(edges["source"][foreign].tolist(), edges["loss"][foreign].tolist(), strict=True):
            venue = joined.elsewhere[source - ELSEWHERE][0]
            forced[venue] = forced.get(venue, 0) + loss
        within = int(split.causes[rows, FORCED].sum()) - sum(forced.values())
        for venue, loss in ({"": within} | forced).items():
            self.crossings.setdefault(venue, [0.0, 0.0])[0] += loss / USD_QUANTA
        for asset, venue in joined.claims.items():
            self.crossings.setdefault(venue, [0.0, 0.0])[1] += int(split.repriced[rows, asset].sum()) / USD_QUANTA

    @property
    def cascade_sizes(self) -> NDArray[np.int64]:
        """Liquidations per cascade, largest first."""
        _, sizes = np.unique(np.fromiter(self.cascade_of.values(), np.int64), return_counts=True)
        return np.sort(sizes)[::-1].astype(np.int64)

    def asset_edges(self, symbols: tuple[str, ...]) -> dict[str, Any]:
        """{"source", "target", "usd"}: by asset, what is above zero so far."""
        source, target = np.nonzero(self.asset_usd > 0.5)
        return {
            "source": [symbols[row] for row in source.tolist()],
            "target": [symbols[row] for row in target.tolist()],
            "usd": np.round(self.asset_usd[source, target]).tolist(),
        }


def _elsewhere(split: Attribution, n: int) -> NDArray[np.int64]:
    """int64[n]: USD quanta that forced sales on other venues made of the loss of each liquidation."""
    made = np.zeros(n, np.int64)
    foreign = split.order_edges["source"] >= ELSEWHERE
    np.add.at(made, split.order_edges["target"][foreign], split.order_edges["loss"][foreign])
    return made


def _add_edges(edges: dict[str, Any], found: Records, split: Attribution, row: int, outside: int) -> None:
    """Add what brought down one liquidation; `outside` USD quanta are what no order of the same venue did."""
    accounts, own = found.breaches["account"], split.edges[split.edges[:, 1] == row]
    target = int(accounts[row])
    by_account: dict[int, float] = {}
    for source, _, part in own.tolist():
        by_account[int(accounts[int(source)])] = by_account.get(int(accounts[int(source)]), 0.0) + part
    by_account.pop(target, None)
    largest = sorted(by_account.items(), key=lambda pair: (-pair[1], pair[0]))[:SOURCES]
    told = [(OUTSIDE, float(outside)), *largest]
    for account, part in told:
        if part > 0.0:
            edges["source"].append(account)
            edges["target"].append(target)
            edges["usd"].append(round(part / USD_QUANTA, 2))
            edges["tick"].append(int(found.breaches["tick"][row]) + 1)
