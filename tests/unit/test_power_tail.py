"""Tails of sizes: laws that are what they are, laws that are not, and too few."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from experiments.counterfactual import setting, tail_command
from experiments.run import simulate
from experiments.scenario import Scenario
from experiments.statistics.power_tail import _fit, exponent, power_tail
from market.streams import Streams
from tests.cuts import CUTS


@pytest.mark.parametrize("exponent", [1.8, 2.5])
def test_a_zeta_law_is_found_with_its_exponent(exponent: float) -> None:
    sizes = Streams(3).generator("tests.zeta").zipf(exponent, 400)
    found = power_tail(np.minimum(sizes, 10**6))
    assert found.rated
    assert found.low is not None
    assert found.high is not None
    assert found.low < exponent < found.high
    assert found.high - found.low < 0.8 * exponent
    assert found.distance is not None
    assert found.distance < 0.08
    assert found.better != "lognormal"


def test_the_bootstrap_fits_as_the_package_does_and_begins_anew_in_every_resample() -> None:
    """Exponents are those of `powerlaw`; an interval that knew where the tail begins would be narrower."""
    draw = Streams(4).generator("tests.begin")
    sizes = np.concatenate([draw.integers(1, 9, 300), 7 + draw.zipf(2.2, 200)]).clip(max=10**6)
    for least in (1, 5, 8):
        tail = sizes[sizes >= least]
        assert exponent(tail, least) == pytest.approx(float(_fit(tail, least).alpha), abs=2e-3)
    found = power_tail(sizes)
    assert found.least is not None
    assert found.low is not None
    assert found.high is not None
    tail = sizes[sizes >= found.least]
    resamples = tail[draw.integers(0, len(tail), (199, len(tail)))]
    low, high = np.quantile([exponent(sample, found.least) for sample in resamples], [0.025, 0.975])
    assert found.high - found.low > 1.2 * (high - low)


def test_a_thin_tail_is_told_from_a_power_law() -> None:
    sizes = np.ceil(np.exp(3.0 + 0.4 * Streams(1).generator("tests.lognormal").standard_normal(600))).astype(np.int64)
    found = power_tail(sizes)
    assert (found.exponent or 0.0) > 3.5
    assert found.better != "power law"


@pytest.mark.parametrize("sizes", [[], [1] * 500, [1, 2, 3] * 16, [1] * 500 + [2] * 4])
def test_too_few_or_all_alike_are_not_rated(sizes: list[int]) -> None:
    found = power_tail(np.array(sizes, np.int64))
    assert not found.rated
    assert (found.n, found.exponent) == (len(sizes), None)


def test_cascades_of_seeds_and_of_a_run(tmp_path: Path) -> None:
    short = (*CUTS["flash-crash"], "population.count=600", "hours=0.12")
    world = setting("flash-crash", overrides=short)
    sizes = tail_command.sizes_of_seeds(world, seeds=[1, 2], workers=1, note=lambda *_: None)
    runs = [simulate(Scenario.load("flash-crash", overrides=short), seed=seed, twin=False) for seed in (1, 2)]
    assert sizes.tolist() == sorted((size for run in runs for size in run.causes.cascade_sizes()), reverse=True)
    runs[0].save(tmp_path / "run")
    assert tail_command.sizes_of_run(tmp_path / "run").tolist() == runs[0].causes.cascade_sizes().tolist()
    said = tail_command.as_json(sizes, power_tail(sizes))
    assert sum(row["liquidations"] * row["cascades"] for row in said["sizes"]) == sum(run.causes.n for run in runs)
    assert tail_command.lines(np.zeros(0, np.int64), power_tail(np.zeros(0, np.int64))) == [
        "Nobody was liquidated: there are no cascades."
    ]
