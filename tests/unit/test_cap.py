"""The largest cap: bisection on a noisy loss whose answer is known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from experiments.study.model import Cap, Mean, Seeds
from experiments.tune.cap import ABOVE, BELOW, between, find_cap, sentence
from experiments.tune.evaluate import Figures
from market.streams import Streams

SEEDS = Seeds(first=1, count=200)


def cap(**said: Any) -> Cap:
    return Cap(**{"path": "x", "range": (0.0, 10.0), "measure": Mean(kpi="loss"), "at_most": 25.0, **said})


class Loss:
    """x squared, and noise that is the same for every x."""

    def __init__(self, noise: float = 5.0) -> None:
        self.noise, self.runs = noise, set[tuple[float, int]]()

    def __call__(self, value: float, seeds: Seeds) -> Figures:
        drawn = range(seeds.first, seeds.first + seeds.count)
        self.runs |= {(value, seed) for seed in drawn}
        noise = np.array([Streams(seed).generator("loss").normal() for seed in drawn])
        return {"loss": value**2 + self.noise * noise}


def test_the_cap_is_found_on_the_safe_side() -> None:
    loss = Loss()
    found = find_cap(cap(), SEEDS, loss)
    assert found.cap is not None
    assert 4.5 < found.cap <= 5.0
    assert found.surely_too_large is not None
    assert 5.0 < found.surely_too_large < 5.7
    assert found.monotone
    assert len(loss.runs) < 0.8 * len(found.points) * SEEDS.count  # far values need few seeds


def test_more_noise_asks_for_more_caution() -> None:
    quiet, loud = (find_cap(cap(), SEEDS, Loss(noise)).cap or 0.0 for noise in (1.0, 30.0))
    assert loud < quiet


@pytest.mark.parametrize(("at_most", "expected"), [(-50.0, None), (1e3, 10.0)])
def test_the_range_may_end_before(at_most: float, expected: float | None) -> None:
    found = find_cap(cap(at_most=at_most), SEEDS, Loss())
    assert found.cap == expected
    assert found.whole_range == (expected is not None)
    assert ("No value" if expected is None else "may lie beyond") in sentence(found, cap(at_most=at_most))


def test_what_stays_undecided_counts_as_too_large() -> None:
    found = find_cap(cap(), Seeds(first=1, count=4), Loss())
    assert found.cap is None  # four seeds are too few to rate
    assert {point.verdict for point in found.points}.isdisjoint({BELOW, ABOVE})


def test_a_loss_that_falls_is_told() -> None:
    def bump(value: float, seeds: Seeds) -> Figures:
        return {"loss": Loss()(value, seeds)["loss"] + (60.0 if 2.0 < value < 6.0 else 0.0)}

    wanted = cap(at_most=80.0)
    found = find_cap(wanted, SEEDS, bump)
    assert not found.monotone
    assert "there may be other answers" in sentence(found, wanted)


def test_middles_are_on_the_scale_of_the_range() -> None:
    assert between(1.0, 100.0, "log") == pytest.approx(10.0)
    assert (between(1, 4, "whole"), between(1, 2, "whole")) == (2.0, 1.0)
    whole = find_cap(cap(range=(1, 10, "whole")), SEEDS, Loss())
    assert whole.cap == 4.0
