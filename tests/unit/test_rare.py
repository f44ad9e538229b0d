"""Rare losses: importance sampling on a law whose answer plain sampling can reach, and seeds until it is known."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from experiments.scenario import Scenario
from experiments.statistics import intervals
from experiments.statistics.importance import weighted_mean, weights
from experiments.statistics.intervals import Interval
from experiments.stress import rare, until
from experiments.study.load import load_study
from experiments.study.model import Mean, Seeds, Stop
from experiments.sweep.command import Call
from market.errors import InputError
from market.reference.model import ModelAsset, ModelPrices
from market.streams import Streams
from tests.sweeps import short_study

STUDY = short_study(
    """
[rare]
measure = {kind = "mean", kpi = "liquidated_notional_usd"}
tilt = {jump_rate = 2.0, jump_size = 0.4}
[stop]
measure = {kind = "mean", kpi = "market_maker_profit_usd"}
half_width = 1e9
first = 8
""",
    seeds=20,
    reference__crash_at_seconds=1e6,
    reference__common_jumps_per_year=4e5,
)

JUMPY = ModelPrices(
    assets=(ModelAsset(symbol="BTC", price=100.0, volatility=0.2),),
    common_jumps_per_year=30_000.0,
    own_jumps_per_year=0.0,
    crashes_per_year=0.0,
    fast_spread=0.0,
    slow_spread=0.0,
)
TILTED = replace(JUMPY, jump_rate_tilt=1.3, jump_size_tilt=0.3)
FALL, TICKS, DEFENSIVE = -0.05, 255, 0.2


def paths(model: ModelPrices, seeds: range) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Whether the price falls by so much, and log(law / tilted law)."""
    falls, ratios = [], []
    for seed in seeds:
        path = model.path(streams=Streams(seed), tick_seconds=30.0, proposal=TILTED)
        falls.append(math.log(path.row(TICKS)[0] / 100.0) < FALL)
        ratios.append(path.log_likelihood_ratio(TICKS))
    return np.array(falls, float), np.array(ratios)


@pytest.fixture(scope="module")
def drawn() -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """4,000 paths of each law."""
    return (*paths(JUMPY, range(10_000, 14_000)), *paths(TILTED, range(4_000, 8_000)))


def mixture(drawn: Any, n: int, repeat: int) -> Any:
    """The n draws of one repetition: a fifth plain, the rest tilted."""
    count = round(DEFENSIVE * n)
    plain, other = slice(repeat * count, (repeat + 1) * count), slice(repeat * (n - count), (repeat + 1) * (n - count))
    values = np.concatenate([drawn[0][plain], drawn[2][other]])
    return weighted_mean(values, np.concatenate([drawn[1][plain], drawn[3][other]]), plain=count)


def test_ratios_of_another_law_are_those_of_the_density(drawn: Any) -> None:
    known = drawn[1] > -3.0  # where the mean of q / p under p has a variance to speak of, both laws agree on it
    tilted = drawn[3] > -3.0
    assert np.exp(-drawn[1][known]).sum() / 4_000 == pytest.approx(tilted.mean(), abs=0.05)
    assert np.exp(drawn[3]).mean() == pytest.approx(1.0, abs=0.1)  # the mean of p / q under q
    own = TILTED.path(streams=Streams(4_000), tick_seconds=30.0)
    assert own.log_likelihood_ratio(TICKS) == drawn[3][0]


def test_weighted_runs_say_the_same_as_plain_ones_and_more(drawn: Any) -> None:
    found = mixture(drawn, 4_000, 0)
    plain = intervals.probability(drawn[0], above=0.5)
    assert plain.low is not None
    assert plain.high is not None
    assert plain.low < found.found.value < plain.high
    assert found.total_weight.low < 1.0 < found.total_weight.high
    squeezed = (plain.high - plain.low) / (found.found.high - found.found.low)
    assert found.gain == pytest.approx(squeezed**2, rel=0.5)
    assert found.gain > 4.0


def test_intervals_of_weighted_runs_cover(drawn: Any) -> None:
    truth = 0.015  # 30,000 plain paths: 0.0146 [0.0133, 0.0160]; 10,000 weighted: 0.0155 [0.0147, 0.0163]
    found = [mixture(drawn, 100, repeat).found for repeat in range(40)]
    assert np.mean([item.low <= truth <= item.high for item in found]) >= 0.88  # 40 x 95 %, less two deviations


def test_no_weight_exceeds_the_inverse_of_the_defensive_share() -> None:
    each = weights(np.array([-800.0, -1.0, 0.0, 1.0, 800.0]), defensive=0.25)
    assert each == pytest.approx([0.0, 1 / (0.25 + 0.75 * math.e), 1.0, 1 / (0.25 + 0.75 / math.e), 4.0])


def test_what_hardly_happens_is_not_rated() -> None:
    values = np.zeros(100)
    values[3] = 1.0
    found = weighted_mean(values, np.zeros(100), plain=20)
    assert found.gain is None
    assert not found.found.rated


@pytest.fixture
def call(tmp_path: Path) -> Call:
    (tmp_path / "study.toml").write_text(STUDY)
    return Call(study=str(tmp_path / "study.toml"), store=str(tmp_path / "store"), workers=1)


def test_real_runs_are_weighted(call: Call, capsys: pytest.CaptureFixture[str]) -> None:
    rare.perform(call, as_json=True)
    found = json.loads(capsys.readouterr().out)
    assert found["found"]["n"] == 20
    assert found["plain"]["n"] == 4
    assert 1.0 < found["effective"] <= 20.0
    loaded = load_study(call.study)
    assert loaded.study.rare is not None
    scenario = loaded.resolver.base().scenario
    assert isinstance(scenario, Scenario)
    model = rare.model_of(scenario, loaded)
    assert rare.log_ratios(scenario, model, model, Seeds(count=3)).tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("tilt = {jump_rate = 2.0, jump_size = 0.4}", "tilt = {jump_rate = 1.0}", "changes nothing"),
        ("jump_size = 0.4", "jump_size = 1.0", "strictly between"),
        ("[rare]", "[rare]\ndefensive = 1.0", "between 0 and 1"),
        ("count = 20", "count = 1", "cannot be parted"),
        ('"flash-crash"', '"may-2021"', "have no law"),
    ],
)
def test_what_cannot_be_weighted_is_told(call: Call, old: str, new: str, said: str) -> None:
    assert old in STUDY
    text = STUDY.replace(old, new)
    if "may-2021" in new:
        text = "\n".join(line for line in text.splitlines() if not line.startswith("set.reference"))
    Path(call.study).write_text(text)
    with pytest.raises(InputError, match=said):
        rare.perform(call, as_json=True)


STOP = Stop(measure=Mean(kpi="loss"), half_width=0.2, first=8)


def noisy(spread: float) -> Any:
    def measure(changes: Mapping[str, Any], seeds: Seeds, level: float) -> Interval:
        start = int(changes.get("start", 0))
        values = Streams(start).generator("until").normal(1.0, spread, seeds.count)
        return intervals.mean(values, level=level)

    return measure


def test_seeds_are_added_until_it_is_known() -> None:
    seeds = Seeds(count=1_000)
    assert until.looks(STOP, seeds) == [8, 16, 32, 64, 128, 256, 512, 1_000]
    assert until.looks(STOP, Seeds(count=5)) == [5]
    quiet, loud, hopeless = (until.until({}, STOP, seeds, noisy(spread)) for spread in (0.1, 1.0, 30.0))
    assert quiet.found.n < loud.found.n < 1_000
    assert quiet.enough
    assert loud.enough
    assert (hopeless.enough, hopeless.found.n, hopeless.looks) == (False, 1_000, 8)
    assert "not narrow enough" in until.rows([hopeless], ())[0]


def test_the_interval_it_stops_at_covers() -> None:
    """Stopping where the interval happens to be narrow would cost coverage, were every look held at 95 % alone."""
    found = [until.until({"start": start}, STOP, Seeds(count=256), noisy(1.0)) for start in range(300)]
    covered = [item.found.low <= 1.0 <= item.found.high for item in found if item.found.low and item.found.high]
    assert len(covered) == 300
    assert np.mean(covered) >= 0.95
    assert len({item.looks for item in found}) > 1


def test_real_runs_stop_when_they_may(call: Call, capsys: pytest.CaptureFixture[str]) -> None:
    assert until.perform(call, as_json=True)
    (design,) = json.loads(capsys.readouterr().out)["designs"]
    assert (design["found"]["n"], design["looks"]) == (8, 1)
    Path(call.study).write_text(STUDY.replace("half_width = 1e9", "half_width = 1e-9"))
    assert not until.perform(call, as_json=False)
    assert "not narrow enough" in capsys.readouterr().out
