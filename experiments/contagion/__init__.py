"""Who brought down whom: the causes of every liquidation, exactly, and the graph they make (docs/contagion.md)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from experiments.contagion.attribution import CAUSES, EDGE, Attributor
from experiments.contagion.cascades import CHILD_SHARE, FORCED, Contagion, family
from experiments.contagion.graph import graph
from experiments.contagion.levels import levels
from experiments.contagion.records import Records, records
from experiments.contagion.tables import Tables
from experiments.contagion.windows import LOOKBACK_SECONDS, SAFE_BUFFER, Scratch, exposures, needs_tables, window
from market.instruments import USD_QUANTA
from market.kernels.history import LOOK_TICK

if TYPE_CHECKING:
    from experiments.run import Trace
    from market.world import World


def contagion(trace: Trace) -> Contagion:
    """Work out causes from the record of a run."""
    return causes_of(records(trace), world=trace.built.world)


def causes_of(found: Records, *, world: World | None = None) -> Contagion:
    """The same from records alone; accounts under portfolio margin or with options need the tables of their `world`."""
    made = levels(found)
    attributor, scratch = Attributor(found, made), Scratch(found)
    n, n_assets = found.n, len(found.assets)
    safe, loss = np.zeros((2, n), np.int64)
    causes, lost_on = np.zeros((n, len(CAUSES)), np.int64), np.zeros((n, n_assets), np.int64)
    edges: list[tuple[int, int, int, int, int]] = []
    by_source: list[dict[int, int]] = []
    slow = needs_tables(found)
    tables = Tables(found, world, np.flatnonzero(slow)) if world is not None and slow.any() else None
    for row in range(n):
        own = window(found, row, tables if tables is not None and slow[row] else scratch)
        safe[row] = found.looks[own.safe, LOOK_TICK]
        loss[row] = own.excess - int(found.breaches["excess"][row])
        causes[row], lost_on[row], mine, sources = attributor.causes(row, own)
        edges += [(order, source, row, asset, part) for order, source, asset, part in mine]
        by_source.append(sources)
    if tables is not None and world is not None:
        world.revalue()
    parent, generation, root = family(loss, causes[:, FORCED], by_source)
    pairs = [
        (source, row, part / max(int(loss[row]), 1), part / USD_QUANTA)
        for row, sources in enumerate(by_source)
        for source, part in sources.items()
        if source >= 0 and part != 0
    ]
    return Contagion(
        account=found.breaches["account"].astype(np.int64),
        tick=found.breaches["tick"].astype(np.int64),
        safe_tick=safe,
        notional_usd=found.sold_usd.sum(axis=1),
        loss=loss,
        causes=causes,
        lost_on=lost_on,
        parent=parent,
        generation=generation,
        root=root,
        edges=np.array(pairs, np.float64).reshape(-1, 4),
        order_edges=np.array(edges, EDGE),
        orders=found.orders,
        asset_sold_usd=found.sold_usd,
        exposure_usd=exposures(found),
    )


__all__ = [
    "CAUSES", "CHILD_SHARE", "EDGE", "FORCED", "LOOKBACK_SECONDS", "SAFE_BUFFER", "Contagion", "causes_of",
    "contagion", "graph",
]  # fmt: skip
