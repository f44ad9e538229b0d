"""The contagion graph of accounts and assets, with money on every edge."""

from __future__ import annotations

from typing import TYPE_CHECKING

import networkx as nx
import pandas as pd

from experiments.contagion import store
from experiments.contagion.cascades import Contagion

if TYPE_CHECKING:
    from market.world import World


def graph(found: Contagion, world: World) -> nx.DiGraph:
    """Accounts and assets as nodes; edges account -> account by caused loss, account -> asset by forced sales."""
    made = store.tables(found, world)
    return graph_of(made[store.CAUSES_FILE], made[store.FORCED_FILE], world.asset_symbols)


def graph_of(liquidations: pd.DataFrame, forced: pd.DataFrame, symbols: tuple[str, ...]) -> nx.DiGraph:
    """The same from the tables of a run's folder (store.py).

    Forced sales below 0.1 % of a loss make no edge, nor does what an account did to itself at an earlier liquidation.
    A helpful edge has a negative loss.
    """
    made = nx.DiGraph()
    nodes = [f"account:{name}" for name in liquidations["account"].tolist()]
    loss = liquidations[f"loss{store.UNIT}"].to_numpy()
    share = liquidations[f"forced_sales{store.UNIT}"].to_numpy() / loss.clip(min=1)
    columns = [liquidations[name].tolist() for name in ("seconds", "generation", "cascade", "notional_usd")]
    for row, (node, first, generation, cascade, notional) in enumerate(zip(nodes, *columns, strict=True)):
        if node not in made:
            made.add_node(
                node, kind="account", first_seconds=first, generation=generation, cascade=cascade, notional_usd=0.0,
                loss_usd=0.0, forced_share=float(min(max(share[row], 0.0), 1.0)),
            )  # fmt: skip
        made.nodes[node]["notional_usd"] += notional
        made.nodes[node]["loss_usd"] += float(loss[row]) / 1e6
    for source, target, part in store.pairs(forced):
        one, other = nodes[source], nodes[target]
        if one != other:
            before = made.get_edge_data(one, other, default={"share": 0.0, "loss_usd": 0.0})
            own = part / max(int(loss[target]), 1)
            made.add_edge(
                one, other, share=before["share"] + own, loss_usd=before["loss_usd"] + part / 1e6, kind="loss"
            )
    for symbol in symbols:
        sold = liquidations[f"sold_{symbol}_usd"].to_numpy()
        for row in (sold > 0.0).nonzero()[0].tolist():
            node = f"asset:{symbol}"
            made.add_node(node, kind="asset")
            before = made.get_edge_data(nodes[row], node, default={"notional_usd": 0.0})
            made.add_edge(nodes[row], node, notional_usd=before["notional_usd"] + float(sold[row]), kind="forced")
    return made
