"""Who brought down whom: the causes of every liquidation, exactly, and the graph they make (docs/contagion.md)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from experiments.contagion.attribution import CAUSES, EDGE, attribute
from experiments.contagion.cascades import CHILD_SHARE, FORCED, Contagion, family
from experiments.contagion.graph import graph
from experiments.contagion.levels import levels
from experiments.contagion.records import Records, records
from experiments.contagion.tables import Tables
from experiments.contagion.windows import (
    LOOKBACK_SECONDS,
    SAFE_BUFFER,
    Scratch,
    Window,
    exposures,
    needs_tables,
    window,
)
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
    windows = windows_of(found, range(found.n), world=world)
    safe = np.array([own.safe for own in windows.values()], np.int64)
    loss = np.array([own.excess for own in windows.values()], np.int64) - found.breaches["excess"]
    split = attribute(found, levels(found), windows)
    parent, abroad, generation, root = family(loss, split.causes[:, FORCED], split.parent)
    source, target, part = split.edges.T
    share = part / np.maximum(loss[target.astype(np.int64)], 1)
    return Contagion(
        account=found.breaches["account"].astype(np.int64),
        tick=found.breaches["tick"].astype(np.int64),
        safe_tick=found.looks[safe, LOOK_TICK],
        notional_usd=found.sold_usd.sum(axis=1),
        loss=loss,
        causes=split.causes,
        lost_on=split.lost_on,
        repriced=split.repriced,
        parent=parent,
        abroad=abroad,
        generation=generation,
        root=root,
        edges=np.column_stack([source, target, share, part / USD_QUANTA]),
        order_edges=split.order_edges,
        orders=found.orders,
        asset_sold_usd=found.sold_usd,
        exposure_usd=exposures(found),
    )


def windows_of(found: Records, rows: Iterable[int], *, world: World | None) -> dict[int, Window]:
    """The windows of some liquidations."""
    scratch, slow = Scratch(found), needs_tables(found)
    slow &= np.isin(np.arange(found.n), rows := list(rows))
    tables = Tables(found, world, np.flatnonzero(slow)) if world is not None and slow.any() else None
    made = {row: window(found, row, tables if tables is not None and slow[row] else scratch) for row in rows}
    if tables is not None and world is not None:
        world.revalue()
    return made


__all__ = [
    "CAUSES", "CHILD_SHARE", "EDGE", "FORCED", "LOOKBACK_SECONDS", "SAFE_BUFFER", "Contagion", "causes_of",
    "contagion", "graph", "windows_of",
]  # fmt: skip
