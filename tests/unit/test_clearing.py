"""Clearing vectors worked out by hand, large networks, and input that cannot be cleared."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import sparse

from experiments.network.clearing import Obligations, clear, iterate
from market.errors import InputError

CHAIN = [[0.0, 10.0, 0.0], [0.0, 0.0, 10.0], [0.0, 0.0, 0.0]]
"""0 owes 1, 1 owes 2."""


def test_a_chain_of_defaults() -> None:
    found = clear(Obligations(CHAIN, [4.0, 1.0, 0.0]))
    assert found.payments == pytest.approx([4.0, 5.0, 0.0])
    assert found.equity == pytest.approx([-6.0, -5.0, 5.0])
    assert found.defaults.tolist() == [True, True, False]


def test_default_costs_are_taken_at_every_default() -> None:
    found = clear(Obligations(CHAIN, [4.0, 1.0, 0.0], external_recovery=0.5, network_recovery=0.25))
    assert found.payments == pytest.approx([0.5 * 4.0, 0.5 * 1.0 + 0.25 * 2.0, 0.0])


def test_default_costs_make_two_ends() -> None:
    """Two that owe each other 1 and own 0.5: they can pay in full, or not at all believe in each other."""
    network = Obligations([[0, 1], [1, 0]], [0.5, 0.5], external_recovery=0.0, network_recovery=0.0)
    assert clear(network).payments == pytest.approx([1.0, 1.0])
    assert clear(network, "least").payments == pytest.approx([0.0, 0.0])


def test_rank_of_external_debts() -> None:
    debts = [6.0, 0.0]
    equal = clear(Obligations([[0, 4], [0, 0]], [5.0, 0.0], external_debts=debts))
    assert (equal.payments[0], equal.external_payments[0]) == (pytest.approx(2.0), pytest.approx(3.0))
    senior = clear(Obligations([[0, 4], [0, 0]], [5.0, 0.0], external_debts=debts, priority="senior"))
    assert (senior.payments[0], senior.external_payments[0]) == (pytest.approx(0.0), pytest.approx(5.0))


def test_a_circle_is_paid_only_as_far_as_money_reaches_it() -> None:
    """1 and 2 owe each other 1 and own nothing; 0 pays 1 half a dollar."""
    network = Obligations([[0, 0.5, 0], [0, 0, 1], [0, 1, 0]], [0.5, 0.0, 0.0])
    assert clear(network, "least").payments == pytest.approx([0.5, 1.0, 1.0])
    broke = Obligations([[0, 0.5, 0], [0, 0, 1], [0, 1, 0]], [0.0, 0.0, 0.0])
    assert clear(broke, "least").payments == pytest.approx([0.0, 0.0, 0.0])
    assert clear(broke).payments == pytest.approx([0.0, 1.0, 1.0])


def test_nobody_and_nothing_owed() -> None:
    assert clear(Obligations(np.zeros((0, 0)), [])).payments.shape == (0,)
    found = clear(Obligations(np.zeros((2, 2)), [1.0, 0.0]), "least")
    assert not found.defaults.any()
    assert found.equity == pytest.approx([1.0, 0.0])


def test_ten_thousand_members() -> None:
    rng = np.random.default_rng(4)
    n, links = 10_000, 50_000
    rows, columns = rng.integers(n, size=(2, links))
    apart = rows != columns
    debts = sparse.coo_array((rng.random(apart.sum()), (rows[apart], columns[apart])), shape=(n, n))
    network = Obligations(debts, 0.5 * rng.random(n), external_debts=0.5 * rng.random(n), network_recovery=0.9)
    greatest, least = iterate(network), iterate(network, "least")
    assert 0 < greatest.defaults.sum() < n
    assert np.abs(network.respond(greatest.payments) - greatest.payments).max() < 1e-9
    assert (least.payments <= greatest.payments + 1e-9).all()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"liabilities": [[0, -1], [0, 0]]}, "negative"),
        ({"liabilities": [[0, float("nan")], [0, 0]]}, "not all finite"),
        ({"liabilities": [[0, 1, 0], [0, 0, 0]]}, "not square"),
        ({"liabilities": [0, 1]}, "dimensions"),
        ({"liabilities": [[0, "x"], [0, 0]]}, "not a matrix"),
        ({"liabilities": [[1, 0], [0, 0]]}, "diagonal"),
        ({"external_assets": [1.0]}, "shape"),
        ({"external_assets": [1.0, -1.0]}, "negative"),
        ({"external_assets": [1.0, float("inf")]}, "not all finite"),
        ({"external_debts": [1.0, "x"]}, "not a vector"),
        ({"priority": "junior"}, "priority"),
        ({"external_recovery": 1.5}, "external_recovery"),
        ({"external_recovery": "x"}, "not a number"),
        ({"network_recovery": float("nan")}, "network_recovery"),
    ],
)
def test_bad_input(change: dict[str, Any], said: str) -> None:
    given: dict[str, Any] = {"liabilities": [[0, 1], [0, 0]], "external_assets": [1.0, 1.0]} | change
    with pytest.raises(InputError, match=said):
        Obligations(given.pop("liabilities"), given.pop("external_assets"), **given)


def test_unknown_end_and_no_convergence() -> None:
    network = Obligations([[0, 1], [2, 0]], [0.0, 0.01], external_debts=[0.1, 0.0])
    largest: Any = "largest"
    for way in (clear, iterate):
        with pytest.raises(InputError, match="greatest"):
            way(network, largest)
    with pytest.raises(InputError, match="not converged"):
        iterate(network, most_rounds=2)
