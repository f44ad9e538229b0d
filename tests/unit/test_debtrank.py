"""DebtRank by hand, its bounds on random networks, and input it refuses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from experiments.network.debtrank import continuous, each_alone, walk_once
from market.errors import InputError

PAIR = [[0.0, 5.0], [2.0, 0.0]]
"""0 has a claim of 5 on 1, 1 one of 2 on 0."""
TEN = [10.0, 10.0]


def test_walk_once_by_hand() -> None:
    found = walk_once(PAIR, TEN, [1.0, 0.0])
    # 0 takes 2 of 10 from 1, which passes on to 0, ruined already; weights 5/7 and 2/7
    assert found.distress == pytest.approx([1.0, 0.2])
    assert found.value == pytest.approx(0.2 * 2 / 7)
    half = walk_once(PAIR, TEN, [0.5, 0.0])
    assert half.distress == pytest.approx([0.5 + 0.5 * 0.1, 0.1])


def test_continuous_by_hand() -> None:
    """Losses go round: 0.5 (1 + 0.1 + 0.01 + ...)."""
    found = continuous(PAIR, TEN, [0.5, 0.0])
    assert found.distress == pytest.approx([0.5 / 0.9, 0.1 / 0.9])
    assert found.value == pytest.approx(0.5 * (0.5 / 0.9 - 0.5 + 0.1 / 0.9))


def test_a_walk_stops_where_the_continuous_version_goes_on() -> None:
    ring = np.zeros((3, 3))
    ring[1, 0] = ring[2, 1] = ring[0, 2] = 5.0
    once, whole = walk_once(ring, [10.0] * 3, [0.4, 0, 0]), continuous(ring, [10.0] * 3, [0.4, 0, 0])
    assert once.distress == pytest.approx([0.4 + 0.05, 0.2, 0.1])
    assert whole.distress == pytest.approx(np.array([0.4, 0.2, 0.1]) / (1 - 0.125))


def test_more_leverage_than_equity_ruins_everybody() -> None:
    found = continuous([[0, 20.0], [20.0, 0]], TEN, [0.01, 0.0])
    assert found.distress == pytest.approx([1.0, 1.0])
    assert found.value == pytest.approx(1.0 - 0.005)


def test_weights_and_no_claims() -> None:
    assert walk_once(PAIR, TEN, [1.0, 0.0], weights=[0.0, 3.0]).value == pytest.approx(0.2)
    assert walk_once(np.zeros((2, 2)), TEN, [1.0, 0.0]).value == 0.0


SIZE = st.sampled_from([0.0, 0.0, 0.5, 1.0, 4.0])


@settings(deadline=None, max_examples=60, derandomize=True)
@given(st.data(), st.integers(1, 6))
def test_bounded_and_rising_in_the_shock(data: Any, n: int) -> None:
    claims = np.array(data.draw(st.lists(SIZE, min_size=n * n, max_size=n * n))).reshape(n, n)
    np.fill_diagonal(claims, 0.0)
    equity = data.draw(st.lists(st.sampled_from([0.5, 1.0, 3.0]), min_size=n, max_size=n))
    shock = np.array(data.draw(st.lists(st.floats(0.0, 1.0), min_size=n, max_size=n)))
    shocks = np.column_stack([0.5 * shock, shock])
    once, whole = walk_once(claims, equity, shocks), continuous(claims, equity, shocks)
    for found in (once, whole):
        assert (found.distress >= shocks).all()
        assert (found.distress <= 1.0).all()
        assert ((found.value >= -1e-12) & (found.value <= 1.0)).all()
    assert (whole.distress[:, 0] <= whole.distress[:, 1] + 1e-9).all()
    assert (once.distress[:, 0] <= once.distress[:, 1] + 1e-9).all()
    for column in range(2):
        assert continuous(claims, equity, shocks[:, column]).distress == pytest.approx(
            whole.distress[:, column], abs=1e-9
        )


def test_each_alone_and_ten_thousand_members() -> None:
    assert walk_once(PAIR, TEN, each_alone(2)).distress == pytest.approx(np.array([[1.0, 0.5], [0.2, 1.0]]))
    rng = np.random.default_rng(2)
    n, links = 10_000, 50_000
    rows, columns = rng.integers(n, size=(2, links))
    apart = rows != columns
    claims = sparse.coo_array((0.1 * rng.random(apart.sum()), (rows[apart], columns[apart])), shape=(n, n))
    shock = np.where(np.arange(n) < 50, 1.0, 0.0)
    for rank in (walk_once, continuous):
        found = rank(claims, np.ones(n), shock)
        assert 0.0 < found.value < 1.0


@pytest.mark.parametrize(
    ("exposures", "equity", "shock", "said"),
    [
        (PAIR, [10.0, 0.0], [1.0, 0.0], "not above 0"),
        (PAIR, TEN, [1.5, 0.0], "shock"),
        (PAIR, TEN, [float("nan"), 0.0], "shock"),
        (PAIR, TEN, [1.0], "shape"),
        (PAIR, TEN, ["x", 0.0], "not numbers"),
        (PAIR, [10.0], [1.0, 0.0], "shape"),
        ([[0, -1], [0, 0]], TEN, [1.0, 0.0], "negative"),
    ],
)
def test_bad_input(exposures: Any, equity: Any, shock: Any, said: str) -> None:
    for rank in (walk_once, continuous):
        with pytest.raises(InputError, match=said):
            rank(exposures, equity, shock)


def test_no_convergence() -> None:
    with pytest.raises(InputError, match="not converged"):
        continuous([[0, 9.9], [9.9, 0]], TEN, [1e-6, 0.0], most_rounds=5)
