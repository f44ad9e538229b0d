"""Intervals cover what they promise to cover: by simulation, with fixed seeds."""

from __future__ import annotations

import numpy as np
import pytest

from experiments.statistics.intervals import (
    FEWEST_TAIL_EVENTS,
    Interval,
    clopper_pearson,
    expected_shortfall,
    mean,
    probability,
    quantile,
    rule_of_three,
    wilson,
)

REPEATS = 400


def covered(intervals: list[Interval], truth: float) -> float:
    return float(
        np.mean(
            [
                (found.low is None or found.low <= truth) and (found.high is None or truth <= found.high)
                for found in intervals
            ]
        )
    )


@pytest.mark.parametrize(("n", "p"), [(50, 0.02), (50, 0.1), (200, 0.05), (200, 0.5)])
def test_probabilities(n: int, p: float) -> None:
    draws = np.random.default_rng(1).random((REPEATS, n))
    found = [probability(-row, above=-p) for row in draws]
    assert covered(found, p) >= 0.93


@pytest.mark.parametrize(("n", "p"), [(400, 0.5), (1000, 0.95), (2000, 0.95)])
def test_quantiles(n: int, p: float) -> None:
    draws = np.random.default_rng(2).exponential(size=(REPEATS, n))
    found = [quantile(row, p=p) for row in draws]
    assert 0.93 <= covered(found, -np.log(1.0 - p)) <= 0.985


@pytest.mark.parametrize("n", [20, 60, 200])
def test_means_of_skewed_figures(n: int) -> None:
    draws = np.random.default_rng(3).exponential(size=(REPEATS, n))
    assert 0.92 <= covered([mean(row) for row in draws], 1.0) <= 0.98


def test_means_of_figures_that_are_mostly_zero() -> None:
    rng = np.random.default_rng(4)
    draws = rng.exponential(size=(REPEATS, 200)) * (rng.random((REPEATS, 200)) < 0.2)
    assert 0.92 <= covered([mean(row) for row in draws], 0.2) <= 0.98


def test_expected_shortfall() -> None:
    draws = np.random.default_rng(5).exponential(size=(REPEATS, 1200))
    found = [expected_shortfall(row, p=0.95) for row in draws]
    assert all(item.rated for item in found)
    assert 0.92 <= covered(found, 1.0 - np.log(0.05)) <= 0.98


def test_paired_differences_are_much_sharper_than_two_means() -> None:
    rng = np.random.default_rng(6)
    common = rng.exponential(size=(REPEATS, 40)) * 10.0
    now, proposed = common + rng.normal(size=common.shape), common * 0.98 + rng.normal(size=common.shape)
    found = [mean(a - b) for a, b in zip(proposed, now, strict=True)]
    assert 0.92 <= covered(found, -0.2) <= 0.98
    widths = [(a.high or 0.0) - (a.low or 0.0) for a in found]
    apart = mean(proposed[0])
    assert np.mean(widths) < 0.25 * ((apart.high or 0.0) - (apart.low or 0.0))


def test_too_little_is_said_and_nothing_is_a_bare_zero() -> None:
    none = probability(np.zeros(100), above=0.0)
    assert (none.value, none.low, none.events) == (0.0, 0.0, 0)
    assert none.high == rule_of_three(100) == pytest.approx(3.0 / 100, rel=0.02)
    everything = probability(np.ones(100), above=0.0)
    assert (everything.low, everything.high) == (1.0 - rule_of_three(100), 1.0)
    still = mean(np.zeros(30))
    assert (still.value, still.low, still.unseen) == (0.0, None, rule_of_three(30))
    assert not mean(np.array([0.0] * 96 + [1.0] * 4)).rated
    assert not mean(np.arange(5.0)).rated
    for n, rated in ((20 * FEWEST_TAIL_EVENTS, True), (20 * FEWEST_TAIL_EVENTS - 20, False)):
        for figure in (quantile(np.arange(float(n)), p=0.95), expected_shortfall(np.arange(float(n)), p=0.95)):
            assert (figure.rated, figure.events) == (rated, n // 20)
    for nothing in (probability(np.zeros(0), above=0.0), mean(np.zeros(0)), quantile(np.zeros(0), p=0.5)):
        assert nothing.value is None
        assert not nothing.rated


def test_known_values() -> None:
    assert wilson(8, 10) == pytest.approx((0.4902, 0.9433), abs=1e-4)
    assert clopper_pearson(8, 10) == pytest.approx((0.4439, 0.9748), abs=1e-4)
    assert clopper_pearson(0, 10)[0] == 0.0
    found = quantile(np.arange(1.0, 101.0), p=0.5)
    assert (found.value, found.low, found.high) == (50.0, 40.0, 61.0)
    assert expected_shortfall(np.arange(1.0, 2001.0), p=0.95).value == pytest.approx(1950.5)
