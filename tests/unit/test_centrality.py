"""Centrality of small networks with known answers."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest

from experiments.network.centrality import bridges, core_numbers, eigenvector, simple, undirected
from market.errors import InputError

# A triangle 0 1 2 with a tail 2 - 3 - 4, claims in either direction.
CLAIMS = np.zeros((5, 5))
CLAIMS[0, 1] = CLAIMS[1, 2] = CLAIMS[2, 0] = CLAIMS[3, 2] = CLAIMS[3, 4] = 1.0


def test_core_and_bridges() -> None:
    graph = undirected(CLAIMS, "abcde")
    assert core_numbers(graph) == {"a": 2, "b": 2, "c": 2, "d": 1, "e": 1}
    assert {frozenset(link) for link in bridges(graph)} == {frozenset("cd"), frozenset("de")}


def test_eigenvector_of_a_star_and_of_two_pieces() -> None:
    """A star of four leaves has 1 : 2; two sides must not make it oscillate."""
    star = undirected([[0, 1, 1, 1, 1], *([[0] * 5] * 4)])
    assert list(eigenvector(star).values()) == pytest.approx([0.5**0.5, *[8**-0.5] * 4])
    pairs = np.zeros((5, 5))
    pairs[0, 1], pairs[2, 3] = 3e9, 1e9
    assert list(eigenvector(undirected(pairs)).values()) == pytest.approx([0.5**0.5, 0.5**0.5, 0.0, 0.0, 0.0], abs=1e-6)
    pairs[2, 3] = 3e9
    assert list(eigenvector(undirected(pairs)).values()) == pytest.approx([0.5, 0.5, 0.5, 0.5, 0.0], abs=1e-6)


def test_eigenvector_is_that_of_networkx() -> None:
    graph = undirected(CLAIMS * 1e6)
    assert eigenvector(graph) == pytest.approx(nx.eigenvector_centrality_numpy(graph, weight="weight"), abs=1e-8)


def test_claims_both_ways_and_parallel_links_add_up() -> None:
    assert undirected([[0, 2.0], [3.0, 0]])[0][1]["weight"] == 5.0
    many = nx.MultiDiGraph()
    many.add_edge("a", "b", usd=2.0)
    many.add_edge("b", "a", usd=3.0)
    many.add_edge("a", "a", usd=9.0)
    assert list(simple(many).edges(data="weight")) == [("a", "b", 5.0)]


def test_nothing_and_bad_input() -> None:
    assert eigenvector(undirected(np.zeros((2, 2)))) == {0: 0.0, 1: 0.0}
    assert eigenvector(nx.Graph()) == {}
    with pytest.raises(InputError, match="names"):
        undirected(CLAIMS, "aacde")
    with pytest.raises(InputError, match="negative"):
        undirected([[0, -1], [0, 0]])
    for measure in (eigenvector, core_numbers, bridges):
        for wrong in (nx.DiGraph([(0, 1)]), nx.MultiGraph([(0, 1)]), nx.Graph([(0, 0)])):
            with pytest.raises(InputError, match="simple"):
                measure(wrong)
    with pytest.raises(InputError, match="not converged"):
        eigenvector(undirected(CLAIMS), most_rounds=3)
