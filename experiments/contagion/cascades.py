"""Liquidations as parents and children: who is the child of whom, generations, trees."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from experiments.contagion.attribution import CAUSES
from experiments.contagion.records import Array, Integers
from market.instruments import USD_QUANTA

CHILD_SHARE = 0.5
"""Share of a loss that forced sales of others must make for the liquidation to be a child."""
FORCED = CAUSES.index("forced_sales")


@dataclass(frozen=True, kw_only=True)
class Contagion:
    """Liquidations in order of their claims, what caused each, and by which they brought down each other.

    All arrays have one entry per liquidation. `parent` is -1 for roots; `edges` rows are (from, to, share, USD), shares
    of the loss of `to`.
    """

    account: Integers
    tick: Integers
    safe_tick: Integers
    """When it was last safe."""
    notional_usd: Array
    loss: Integers
    """Fall of margin excess since it was last safe, USD quanta."""
    causes: Integers
    """int64[n, len(CAUSES)]: that loss by cause, USD quanta; rows sum to `loss`."""
    lost_on: Integers
    """int64[n, n_assets]: that loss by the asset whose price made it, USD quanta."""
    repriced: Integers
    """int64[n, n_assets]: part of it because what stands behind the asset, a claim, was worth less."""
    parent: Integers
    abroad: Integers
    """Number of the parent where it is on another venue, counted as in the records (systems/causes.py); -1 elsewhere.
    Such a child is a root here."""
    generation: Integers
    root: Integers
    edges: Array
    order_edges: NDArray[np.void]
    """EDGE (attribution.py): forced order -> liquidation."""
    orders: NDArray[np.void]
    """ORDERS (market/kernels/origins.py)."""
    asset_sold_usd: Array
    """float64[n_liquidations, n_assets]: forced notional by underlying asset."""
    exposure_usd: Array
    """float64[n_liquidations, n_assets]: positions and balances when the claim opened, signed, by underlying asset."""

    @property
    def n(self) -> int:
        """Number of liquidations."""
        return len(self.account)

    @property
    def loss_usd(self) -> Array:
        """float64[n]."""
        return np.asarray(self.loss / USD_QUANTA)

    @property
    def forced_share(self) -> Array:
        """float64[n]: share of each loss that forced sales made, in [0, 1]; 0 for a loss of nothing."""
        share = self.causes[:, FORCED] / np.maximum(self.loss, 1)
        return np.asarray(np.clip(share, 0.0, 1.0))

    def cascade_sizes(self) -> Integers:
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

    def generations(self) -> Integers:
        """Liquidations per causal generation, roots first."""
        return np.bincount(self.generation) if self.n else np.zeros(0, np.int64)


def family(loss: Integers, forced: Integers, costliest: Integers) -> tuple[Integers, Integers, Integers, Integers]:
    """(parent, parent on another venue, generation, root) of every liquidation.

    A child lost at least `CHILD_SHARE` to forced sales; its parent is the liquidation whose sales cost it most, -1 of
    roots. One on another venue, whose number is n or more, makes a root of this venue.
    """
    n = len(loss)
    parent = np.where((loss > 0) & (forced >= CHILD_SHARE * loss), costliest, -1)
    abroad = np.where(parent >= n, parent, -1)
    parent = np.where(parent >= n, -1, parent)
    generation, root = np.zeros(n, np.int64), np.arange(n)
    for row in np.flatnonzero(parent >= 0).tolist():
        generation[row], root[row] = generation[parent[row]] + 1, root[parent[row]]
    return parent, abroad, generation, root
