"""Where a network is thick and where it hangs by a thread: eigenvector centrality, k-core, bridges; by networkx.

All take the network without directions: a link is there if either side has a claim on the other. A graph of balance
sheets becomes one by `simple`; others raise InputError.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import networkx as nx
import numpy as np

from experiments.network.inputs import Matrix, square
from market.errors import InputError


def undirected(exposures: Matrix, names: Sequence[Hashable] | None = None) -> nx.Graph:
    """Links with `weight`: claims both ways added up. Nodes are `names`, by default 0 .. n - 1, unlinked ones too."""
    claims = square("exposures", exposures)
    n = claims.shape[0]
    labels = list(range(n)) if names is None else list(names)
    if len(labels) != n or len(set(labels)) != n:
        raise InputError(f"names: {len(set(labels))} different ones for {n} members")
    found = nx.Graph()
    found.add_nodes_from(labels)
    both = (claims + claims.T).tocoo()
    upper = both.row < both.col
    links = zip(both.row[upper].tolist(), both.col[upper].tolist(), both.data[upper].tolist(), strict=True)
    found.add_weighted_edges_from((labels[row], labels[column], weight) for row, column, weight in links)
    return found


def simple(graph: nx.Graph, *, weight: str = "usd") -> nx.Graph:
    """A graph of balance sheets without directions: parallel links added up, with their sum as `weight`."""
    found = nx.Graph()
    found.add_nodes_from(graph.nodes(data=True))
    for one, other, usd in graph.edges(data=weight, default=0.0):
        if one != other:
            before = found.get_edge_data(one, other, {}).get("weight", 0.0)
            found.add_edge(one, other, weight=before + usd)
    return found


def eigenvector(graph: nx.Graph, *, tolerance: float = 1e-10, most_rounds: int = 100_000) -> dict[Hashable, float]:
    """Being linked to the well linked: largest eigenvector of the weights, not negative, of length 1.

    In a network of several pieces only the heaviest have any. All 0 without links. By power iteration from equal values
    on sparse arrays (networkx's own takes ten seconds for 50,000 links), until no value moves by `tolerance`. Raises
    InputError for negative or not finite weights, and when it has not stopped after `most_rounds`.
    """
    _check(graph)
    links = square("graph", nx.to_scipy_sparse_array(graph)) if len(graph) else None
    if links is None or links.nnz == 0:
        return dict.fromkeys(graph, 0.0)
    found = np.full(len(graph), len(graph) ** -0.5)
    for _ in range(most_rounds):
        passed = links @ found
        # The shift keeps networks of two sides, whose smallest eigenvalue is minus the largest, from oscillating.
        after = passed + (found @ passed) * found
        after /= np.linalg.norm(after)
        if np.abs(after - found).max() <= tolerance:
            return dict(zip(graph, after.tolist(), strict=True))
        found = after
    raise InputError(f"eigenvector centrality has not converged after {most_rounds:,} rounds")


def core_numbers(graph: nx.Graph) -> dict[Hashable, int]:
    """Largest k for which a node belongs to a k-core: a part in which everybody has k links within the part."""
    _check(graph)
    return dict(nx.core_number(graph))


def bridges(graph: nx.Graph) -> list[tuple[Hashable, Hashable]]:
    """Links whose loss would cut the network into more pieces."""
    _check(graph)
    return list(nx.bridges(graph))


def _check(graph: nx.Graph) -> None:
    if graph.is_directed() or graph.is_multigraph() or nx.number_of_selfloops(graph):
        raise InputError("graph: has directions, parallel links or loops; `simple` makes one without")
