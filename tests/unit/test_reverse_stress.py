"""Reverse stress on losses whose nearest point is known, and once on real runs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from statistics import NormalDist

import numpy as np
import pytest
from numpy.typing import NDArray

from experiments.statistics import intervals
from experiments.statistics.intervals import Interval
from experiments.stress.reverse import Reverse, find_shock
from experiments.stress.reverse_command import as_data, perform, rows, sentence
from experiments.stress.shocks import ShockSpace, shock_space
from experiments.study.check import check
from experiments.study.load import Loaded, load_study
from experiments.study.model import Seeds, Stress
from experiments.sweep.command import Call
from market.errors import InputError
from market.streams import Streams
from tests.sweeps import short_study

Floats = NDArray[np.float64]

STUDY = short_study(
    """
[stress]
measure = {kind = "mean", kpi = "liquidated_notional_usd"}
at_least = 10.0
directions = 8
tolerance = 0.02
confirm = {first = 1001, count = 50}
[stress.shocks.prices]
one_sigma.reference.crash_log_return = -0.07
most = 6.0
[stress.shocks.depth]
one_sigma.agents.background.default.limit_size_usd = 32500.0
scale = "log"
most = 6.0
""",
    seeds=20,
    reference__crash_log_return=-0.02,
)
CORRELATED = 'correlations = [["prices", "depth", 0.6]]\n[stress.shocks.prices]'


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], Loaded]:
    def written(text: str) -> Loaded:
        (tmp_path / "study.toml").write_text(text)
        return load_study(tmp_path / "study.toml")

    return written


def sampler(loss: Callable[[Floats], float], *, noise: float = 0.0) -> Callable[..., Interval]:
    def sample(sizes: Floats, seeds: Seeds, level: float) -> Interval:
        drawn = [Streams(seed).generator("loss").normal() for seed in range(seeds.first, seeds.first + seeds.count)]
        return intervals.mean(loss(sizes) + noise * np.array(drawn), level=level)

    return sample


def search(
    loaded: Loaded, loss: Callable[[Floats], float], *, noise: float = 0.0
) -> tuple[Reverse, ShockSpace, Stress]:
    stress = loaded.study.stress
    assert stress is not None
    space = shock_space(loaded, stress)
    return find_shock(space, stress, loaded.study.seeds, sampler(loss, noise=noise)), space, stress


def plane(sizes: Floats) -> float:
    """Reaches 10 at 5 / sqrt(2) = 2.5 sd along (0.6, 0.8) when sizes are independent."""
    return float(4.0 * (0.6 * sizes[0] + 0.8 * sizes[1]))


def test_the_nearest_point_of_a_plane_is_found(write: Callable[[str], Loaded]) -> None:
    found, space, stress = search(write(STUDY), plane)
    assert found.nearest is not None
    assert 2.5 <= found.nearest.distance < 2.55
    assert found.nearest.sizes == pytest.approx((1.5, 2.0), abs=0.35)
    assert [point and round(point.distance, 1) for point in found.alone] == [4.2, 3.1]
    assert found.probability == pytest.approx(NormalDist().cdf(-found.nearest.distance))
    assert found.confirmed is not None
    assert found.confirmed.value == pytest.approx(10.0, abs=0.2)
    assert found.surely is not None
    assert found.surely.sizes == found.nearest.sizes  # without noise what is reached once is reached always
    assert "it surely reaches it" in sentence(found, space, stress)


def test_correlated_shocks_are_likelier_together(write: Callable[[str], Loaded]) -> None:
    apart, *_ = search(write(STUDY), plane)
    found, space, _ = search(write(STUDY.replace("[stress.shocks.prices]", CORRELATED)), plane)
    assert found.nearest is not None
    # the nearest point of a x = b is R a b / (a' R a), its distance b / sqrt(a' R a)
    correlation = np.array([[1.0, 0.6], [0.6, 1.0]])
    spread = float(np.sqrt(np.array([0.6, 0.8]) @ correlation @ np.array([0.6, 0.8])))
    assert found.nearest.distance == pytest.approx(2.5 / spread, abs=0.04)
    assert apart.nearest is not None
    assert found.nearest.distance < apart.nearest.distance
    assert space.distance(np.array([0.0, 1.0])) == pytest.approx(1.0 / np.sqrt(1.0 - 0.36))


def test_noise_asks_to_go_further_out(write: Callable[[str], Loaded]) -> None:
    found, space, stress = search(write(STUDY), plane, noise=4.0)
    assert found.nearest is not None
    assert found.surely is not None
    assert found.surely.distance > found.nearest.distance
    assert found.surely.loss.low is not None
    assert found.surely.loss.low >= 10.0
    assert "surely reached from" in sentence(found, space, stress)
    assert len({row[0] for row in rows(found, space)}) == 2


@pytest.mark.parametrize(
    ("loss", "said"),
    [(lambda _: 3.0, "No shock within reach"), (lambda _: 12.0, "without any shock")],
)
def test_none_is_needed_or_none_is_enough(
    write: Callable[[str], Loaded], loss: Callable[[Floats], float], said: str
) -> None:
    found, space, stress = search(write(STUDY), loss)
    assert said in sentence(found, space, stress)
    assert as_data(found, space)["surely"] is None


def test_one_shock_may_do_nothing(write: Callable[[str], Loaded]) -> None:
    found, *_ = search(write(STUDY), lambda sizes: float(5.0 * sizes[1]))
    assert found.alone[0] is None
    assert found.nearest is not None
    assert found.nearest.sizes == pytest.approx((0.0, 2.0), abs=0.05)


def test_values_lie_on_their_scale(write: Callable[[str], Loaded]) -> None:
    loaded = write(STUDY)
    assert isinstance(loaded.study.stress, Stress)
    space = shock_space(loaded, loaded.study.stress)
    assert space.values(np.array([2.0, 3.0])) == {
        "reference.crash_log_return": pytest.approx(-0.12),
        "agents.background.default.limit_size_usd": pytest.approx(65_000.0 / 8.0),
    }
    assert space.values(np.zeros(2)) == {}


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("-0.07", "-0.02", "the base's own value"),
        ("32500.0", "-1.0", "no logarithm"),
        ("reference.crash_log_return = -0.07", 'reference.kind = "model"', "no number to start from"),
        ("[stress.shocks.prices]", CORRELATED.replace("0.6", "1.0"), "no joint law"),
        ("[stress.shocks.prices]", CORRELATED.replace('"depth"', '"deep"'), "no shock 'deep'"),
        ("one_sigma.reference.crash_log_return = -0.07", "one_sigma.population.collateral_users = 0.7", "largest size"),
        ("first = 1001", "first = 11", "expected fresh ones"),
    ],
)
def test_bad_shocks_are_told(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert old in STUDY

    (tmp_path / "bad.toml").write_text(STUDY.replace(old, new, 1))
    with pytest.raises(InputError, match=said):
        check(tmp_path / "bad.toml")


def test_real_runs_through_the_store(
    write: Callable[[str], Loaded], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = STUDY.replace("count = 20", "count = 2").replace("at_least = 10.0", "at_least = 2e5")
    loaded = write(text.replace("tolerance = 0.02", "tolerance = 1.0").replace("count = 50", "count = 6"))
    call = Call(study=str(loaded.file), store=str(tmp_path / "store"), workers=1)
    perform(call, as_json=True)
    found = json.loads(capsys.readouterr().out)
    assert found["nearest"]["loss"]["value"] >= 2e5
    assert found["alone"]["prices"]["distance"] >= found["nearest"]["distance"]
    perform(call, as_json=True)
    again = capsys.readouterr()
    assert json.loads(again.out) == found
