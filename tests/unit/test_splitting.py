"""Splitting: on a walk whose law is known exactly, and on runs that are done again from a tick on."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from experiments.build import build
from experiments.run import Session
from experiments.scenario import Scenario
from experiments.statistics import intervals
from experiments.statistics.splitting import Branch, Passage, Repetition, combined, repeat
from experiments.stress import splitting
from experiments.study.load import load_study
from experiments.sweep.command import Call
from market.errors import InputError
from market.reference.model import ModelAsset, ModelPrices
from market.streams import BLOCK_TICKS, Splices, Streams
from market.world import World
from tests.sweeps import short_study

STEPS, HIGH = 300, 64

STUDY = short_study(
    """
[splitting]
measure = {kind = "probability", kpi = "liquidated_notional_usd", above = 1e4}
levels = [0.08, 0.12]
runs = 5
repetitions = 2
""",
    seeds=20,
    hours=0.02,
    reference__crash_at_seconds=10.0,
    reference__crash_duration_seconds=40.0,
    reference__crash_log_return=-0.1,
)


def walk(branch: Branch) -> tuple[int, int | None]:
    """(highest place of a simple walk, first tick after it reached the branch's level)."""
    stream = Streams(branch.seed, splices=branch.splices).stream("walk", width=1)
    draws = np.concatenate([stream.block(index)[:, 0] for index in range(-(-STEPS // BLOCK_TICKS))])[:STEPS]
    place = np.cumsum(np.where(draws < 0.5, -1, 1))
    if branch.entered is not None:
        assert int(np.argmax(place >= branch.entered)) + 1 == branch.splices[-1][0], "the same up to there"
    reached = branch.level is not None and place.max() >= branch.level
    return max(0, int(place.max())), int(np.argmax(place >= branch.level)) + 1 if reached else None


def beyond(a: int) -> float:
    """P(the walk reaches a), by reflection: P(S >= a) + P(S > a)."""
    ends = [math.comb(STEPS, ups) / 2.0**STEPS for ups in range(STEPS + 1)]
    return sum(p * ((2 * ups - STEPS >= a) + (2 * ups - STEPS > a)) for ups, p in enumerate(ends))


def rare(branches: Sequence[Branch]) -> list[Passage]:
    """Whether it gets to `HIGH`."""
    return [Passage(value=float(high >= HIGH), tick=tick) for high, tick in map(walk, branches)]


def highest(branches: Sequence[Branch]) -> list[Passage]:
    """How far it gets: those that fail count as well."""
    return [Passage(value=float(high), tick=tick) for high, tick in map(walk, branches)]


def test_a_walk_gets_as_far_as_its_law_says() -> None:
    made = [repeat(rare, levels=(18, 34, 50), runs=60, first_seed=60 * at) for at in range(40)]
    means = np.array([each.mean for each in made])
    exact = beyond(HIGH)
    assert 1e-4 < exact < 3e-4
    assert abs(means.mean() - exact) < 4.0 * means.std(ddof=1) / math.sqrt(40)
    assert means.std(ddof=1) / math.sqrt(40) < 0.3 * exact, "plain runs as many would be off by 70 %"
    found = combined(made, plain=intervals.probability(np.concatenate([each.plain for each in made]), above=0.5))
    assert found.found.low is not None
    assert found.found.high is not None
    assert found.found.low < exact < found.found.high
    assert found.gain is not None
    assert found.gain > 3.0
    for at, (low, high) in enumerate([(0, 18), (18, 34), (34, 50)]):
        assert found.shares[at] == pytest.approx(beyond(high) / (beyond(low) if low else 1.0), rel=0.25)


def test_runs_that_fail_count_in_a_mean() -> None:
    made = [repeat(highest, levels=(10, 25), runs=40, first_seed=10_000 + 40 * at) for at in range(40)]
    means, squares = (np.array([getattr(each, name) for each in made]) for name in ("mean", "square"))
    exact = sum(beyond(a) for a in range(1, STEPS + 1))
    second = sum((2 * a - 1) * beyond(a) for a in range(1, STEPS + 1))
    assert abs(means.mean() - exact) < 4.0 * means.std(ddof=1) / math.sqrt(40)
    assert abs(squares.mean() - second) < 4.0 * squares.std(ddof=1) / math.sqrt(40)
    assert means.std(ddof=1) < 0.2 * exact


def test_a_level_that_nobody_reaches_ends_it() -> None:
    found = repeat(highest, levels=(10, 10_000, 20_000), runs=8, first_seed=1)
    assert found.shares[1:] == (0.0,)
    assert found.runs == 16
    assert found.mean > 0.0
    none = combined(
        [Repetition(mean=0.0, square=0.0, shares=(0.0,), plain=np.zeros(8), runs=8)] * 12,
        plain=intervals.probability(np.zeros(96), above=0.5),
    )
    assert none.found.unseen is not None, "never a bare zero"
    assert none.gain is None


def test_a_splice_changes_what_comes_after_it_and_nothing_before() -> None:
    ticks = range(3 * BLOCK_TICKS)
    for splices in (((300, 9),), ((256, 9),), ((10, 9), (10, 8), (300, 7))):
        rows = {}
        for name, streams in (("one", Streams(1)), ("spliced", Streams(1, splices=splices))):
            stream = streams.stream("a", width=2, kind="normal")
            rows[name] = np.array([stream.row(tick).copy() for tick in ticks])
        at = splices[0][0]
        assert np.array_equal(rows["one"][:at], rows["spliced"][:at])
        assert (rows["one"][at:] != rows["spliced"][at:]).all()
        last, seed = splices[-1]
        own = Streams(seed).stream("a", width=2, kind="normal")
        assert np.array_equal(rows["spliced"][last:], np.array([own.row(tick) for tick in ticks][last:]))
    with pytest.raises(ValueError, match="order of their ticks"):
        Streams(1, splices=((5, 1), (4, 1)))


def test_prices_with_jumps_do_not_look_ahead() -> None:
    model = ModelPrices(
        assets=(ModelAsset(symbol="BTC", price=100.0, volatility=0.5),), common_jumps_per_year=3e5, crashes_per_year=1e4
    )
    one = model.path(streams=Streams(1), tick_seconds=10.0)
    other = model.path(streams=Streams(1, splices=((400, 2),)), tick_seconds=10.0)
    logs = [np.log([path.row(tick)[0] for tick in range(1200)]) for path in (one, other)]
    assert np.array_equal(logs[0][:400], logs[1][:400])
    moves = [np.diff(each) for each in logs]
    assert (moves[0][400:] != moves[1][400:]).all()
    jumps = [set(np.flatnonzero(np.abs(each[520:]) > 0.004)) for each in moves]
    assert jumps[0] != jumps[1], "jumps of later blocks are others as well"


@pytest.fixture
def study(tmp_path: Path) -> str:
    file = tmp_path / "study.toml"
    file.write_text(STUDY)
    return str(file)


def marks_of(scenario: Scenario, splices: Splices = ()) -> NDArray[np.int32]:
    session = Session(scenario, seed=3, splices=splices)
    session.advance(session.ticks_left)
    return np.array(session.recorder.ticks["mark"][: session.recorder.n])


def test_a_run_done_again_is_the_same_up_to_the_splice(study: str) -> None:
    scenario = load_study(study).resolver.base().scenario
    one, other = marks_of(scenario), marks_of(scenario, splices=((30, 77),))
    assert np.array_equal(one[:30], other[:30])
    assert not np.array_equal(one[30:40], other[30:40])
    assert np.array_equal(one, marks_of(scenario, splices=((30, 3),))), "its own seed again changes nothing"


def test_the_command_says_how_sure_it_is(study: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call = Call(study=study, store=str(tmp_path / "store"), workers=1)
    splitting.perform(call, as_json=True)
    found = json.loads(capsys.readouterr().out)
    assert found["found"]["n"] == 2
    assert found["found"]["low"] is None, "two repetitions are too few"
    assert found["plain"]["n"] == 10
    assert 10 <= found["runs"] <= 30
    assert 0.0 <= found["found"]["value"] <= 1.0
    splitting.perform(call, as_json=False)
    assert "plain runs alone" in capsys.readouterr().out


def test_scores_follow_marks_and_forced_fills(study: str) -> None:
    loaded = load_study(study)
    session = Session(loaded.resolver.base().scenario, seed=2)
    fall, closed = splitting.Fall(session.built.world), splitting.Closed(session.built.world)
    seen: list[tuple[float, float]] = []

    def look(world: World) -> None:
        for score in (fall, closed):
            score.look(world)
        seen.append((fall.value, closed.value))

    session.advance(session.ticks_left, observers=(look,))
    assert seen == sorted(seen)
    marks = session.recorder.ticks["mark"][: session.recorder.n].astype(float)
    start = build(loaded.resolver.base().scenario, seed=2).world.instruments["mark"].astype(float)
    path = np.vstack([start, marks])
    falls = np.log(np.maximum.accumulate(path) / path).max()
    assert fall.value == pytest.approx(falls)
    from experiments.result import Result

    kpis = Result.of(session.scenario, seed=2, main=session.trace(), twin=None).kpis
    assert closed.value > 0.0
    assert closed.value == pytest.approx(float(kpis["liquidated_notional_usd"] or 0.0), rel=0.05)


def test_what_cannot_be_split_is_refused(study: str, tmp_path: Path) -> None:
    text = Path(study).read_text()
    for name, changed, said in (
        ("none", text[: text.index("[splitting]")], r"no table \[splitting\]"),
        ("fixed", text.replace('"flash-crash"', '"may-2021"').replace("set.reference", "# set.reference"), "no law"),
        ("falling", text.replace("[0.08, 0.12]", "[0.12, 0.08]"), "rising scores"),
        ("unknown", text.replace("liquidated_notional_usd", "liquidated_nothing"), "no figure liquidated_nothing"),
    ):
        file = tmp_path / f"{name}.toml"
        file.write_text(changed)
        with pytest.raises(InputError, match=said):
            splitting.perform(Call(study=str(file), store="unused", workers=1), as_json=True)
