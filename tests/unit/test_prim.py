"""PRIM on outcomes whose box is known."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import qmc

from experiments.statistics.prim import find_boxes, inside
from market.streams import Streams

POINTS: NDArray[np.float64] = np.asarray(qmc.Sobol(d=4, rng=1).random(512))
NOISE = Streams(1).generator("prim").random(512)


def corner() -> NDArray[np.bool_]:
    return (POINTS[:, 0] > 0.6) & (POINTS[:, 2] < 0.4)


def test_a_corner_is_found_and_nothing_else() -> None:
    (box,) = find_boxes(POINTS, corner().astype(float))
    assert set(box.limits) == {0, 2}
    assert box.limits[0][0] == pytest.approx(0.6, abs=0.05)
    assert box.limits[2][1] == pytest.approx(0.4, abs=0.05)
    assert (box.limits[0][1], box.limits[2][0]) == (np.inf, -np.inf)
    assert box.coverage > 0.85
    assert box.density.value is not None
    assert box.density.value > 0.9
    assert box.elsewhere == pytest.approx(0.16, abs=0.02)
    assert box.mass == pytest.approx(float(inside(POINTS, box.limits).mean()), abs=0.04)


def test_a_second_corner_is_found_in_what_the_first_leaves() -> None:
    other = (POINTS[:, 1] > 0.6) & (POINTS[:, 3] > 0.6) & ~corner()
    boxes = find_boxes(POINTS, (corner() | other).astype(float))
    assert [set(box.limits) <= columns for box, columns in zip(boxes, ({0, 2}, {1, 3}), strict=True)] == [True, True]


def test_shares_of_noisy_outcomes_will_do() -> None:
    outcome = np.where(corner(), 0.7, 0.1) + 0.2 * NOISE
    (box, *_) = find_boxes(POINTS, outcome)
    assert set(box.limits) == {0, 2}
    assert box.density.low is not None
    assert box.density.low > 0.5


def test_noise_has_hardly_ever_a_box() -> None:
    """What peeling makes of noise on its own half is not there on the other: one in forty 95 % intervals says so."""
    found = [
        find_boxes(POINTS, (Streams(seed).generator("prim").random(512) < 0.2).astype(float)) for seed in range(40)
    ]
    assert sum(map(bool, found)) <= 4


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_what_happens_never_or_always_has_none(value: float) -> None:
    assert find_boxes(POINTS, np.full(512, value)) == ()


@pytest.mark.parametrize("n", [16, 20, 32])
def test_few_points_are_peeled_to_a_few(n: int) -> None:
    assert all(box.better for box in find_boxes(POINTS[:n], (POINTS[:n, 0] > 0.5).astype(float)))


def test_few_points_say_nothing() -> None:
    assert find_boxes(POINTS[:12], corner()[:12].astype(float)) == ()
