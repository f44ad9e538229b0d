"""Which parameters matter, on a made-up figure whose answer is known."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from experiments.sensitivity import command
from experiments.sensitivity.command import Wanted, perform
from experiments.sensitivity.space import DUMMY, ranges_of
from experiments.store.rows import OK, Row
from experiments.study.load import load_study
from experiments.sweep.command import Call
from experiments.sweep.work import Chunk, row_of
from market.errors import InputError
from tests.sweeps import Scripted

STUDY = """
scenario = "flash-crash"
seeds = {first = 1, count = 6}
[[changes]]
kind = "latin-hypercube"
count = 8
[changes.ranges]
assets.ETH.haircut = [0.1, 0.3]
assets.SOL.haircut = [0.1, 0.3]
population.leverage = [2.0, 4.0]
[[measures]]
kind = "mean"
kpi = "bad_debt_usd"
"""
HAIRCUT, IDLE, LEVERAGE = "assets.ETH.haircut", "assets.SOL.haircut", "population.leverage"
BASE = {HAIRCUT: 0.15, IDLE: 0.25, LEVERAGE: 6.0}


class Known(Scripted):
    """1000 - 1000 x haircut + 200 x leverage, and noise of a seed that no design changes."""

    def row(self, chunk: Chunk, n: int) -> Row:
        task = chunk.tasks[n]
        said = {**BASE, **json.loads(task.changes)}
        value = 1000.0 - 1000.0 * said[HAIRCUT] + 200.0 * said[LEVERAGE] + task.seed % 5
        return replace(row_of(chunk, task), status=OK, figures={"bad_debt_usd": value})


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Call:
    file = tmp_path / "known.toml"
    file.write_text(STUDY)

    monkeypatch.setattr("experiments.sweep.command.executor_for", lambda *given: Known(given[-1]))
    return Call(study=str(file), store=str(tmp_path / "store"))


def wanted(base_points: int = 0, *, box_points: int = 0, above: float | None = None) -> Wanted:
    return Wanted(kpi=None, points=3, trajectories=6, base_points=base_points, box_points=box_points, above=above)


def test_curves_screening_and_indices_find_what_is_there(call: Call) -> None:
    found = command.analyse(call, wanted(base_points=64))
    changes = {curve.path: [item.value for item in curve.changes] for curve in found.curves}
    assert changes[LEVERAGE] == pytest.approx([-800.0, -600.0, -400.0])
    assert changes[HAIRCUT] == pytest.approx([50.0, -50.0, -150.0])
    assert changes[IDLE] == [0.0, 0.0, 0.0]
    screened = {item.path: item for item in found.screened}
    assert screened[LEVERAGE].mu == pytest.approx(400.0)
    assert screened[HAIRCUT].mu == pytest.approx(-200.0)
    assert screened[HAIRCUT].mu_star == pytest.approx(200.0)
    assert 0.0 < screened[DUMMY].mu_star < 1.0
    assert {path for path, item in screened.items() if item.survives} == {LEVERAGE, HAIRCUT}
    shares = {item.path: item for item in found.indices}
    assert set(shares) == {LEVERAGE, HAIRCUT, DUMMY}
    assert shares[LEVERAGE].total[1] < 0.8 < shares[LEVERAGE].total[2]
    assert shares[HAIRCUT].first[1] < 0.2 < shares[HAIRCUT].first[2]
    assert shares[DUMMY].total[2] < 0.01


def test_combinations_that_make_it_large_are_found(call: Call, tmp_path: Path) -> None:
    """Above 1,450 only with high leverage: 1000 - 1000 x haircut + 200 x leverage."""
    out = tmp_path / "out"
    perform(call, wanted(box_points=64, above=1_450.0), out=out, overwrite=False, as_json=True)
    found = json.loads((out / "sensitivity.json").read_text())["boxes"]
    first = found["boxes"][0]
    assert LEVERAGE in first["limits"]
    assert IDLE not in first["limits"]
    assert first["limits"][LEVERAGE][0] > 3.0
    assert first["density"]["low"] > first["elsewhere"]
    assert "Combinations (PRIM)" in (out / "sensitivity.md").read_text()
    assert "chart-boxes" in (out / "report.html").read_text("utf-8")


@pytest.mark.parametrize(
    ("box_points", "above", "said"), [(16, 1.0, "a power of two, 32 or more"), (64, None, "asks for --above")]
)
def test_boxes_need_points_and_a_threshold(call: Call, box_points: int, above: float | None, said: str) -> None:
    with pytest.raises(InputError, match=said):
        command.analyse(call, wanted(box_points=box_points, above=above))


def test_nothing_is_simulated_twice(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    first = command.analyse(call, wanted())

    monkeypatch.delattr("experiments.sweep.command.executor_for")
    assert command.as_data(command.analyse(call, wanted())) == command.as_data(first)


def test_page_and_tables(call: Call, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    perform(call, wanted(), out=out, overwrite=False, as_json=True)
    assert json.loads(capsys.readouterr().out) == json.loads((out / "sensitivity.json").read_text())
    page = (out / "report.html").read_text("utf-8")
    assert "population.leverage moves mean bad_debt_usd most" in page.replace("Population", "population")
    assert f"| {DUMMY} | " in (out / "sensitivity.md").read_text()
    perform(call, wanted(), out=out, overwrite=True, as_json=True)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ('kind = "grid"\n[changes.values]\nvenue.waterfall.adl = ["queue", "none"]', "is no range; expected two"),
        ('kind = "list"\n[changes.values]\nassets.ETH.haircut = [0.1, 0.2]', "change together have no range"),
    ],
)  # fmt: skip
def test_what_has_no_range_is_refused(tmp_path: Path, changes: str, said: str) -> None:
    file = tmp_path / "other.toml"
    file.write_text(f'scenario = "flash-crash"\n[[changes]]\n{changes}\n')
    with pytest.raises(InputError, match=said):
        ranges_of(load_study(file))


@pytest.mark.parametrize(
    ("refuse", "said"),
    [
        (lambda call: command.analyse(call, replace(wanted(), kpi="x")), "--kpi x: no mean or probability of it"),
        (lambda call: command.analyse(call, wanted(base_points=12)), "--sobol 12: Sobol points are even for powers"),
    ],
)
def test_what_cannot_be_done_is_said(call: Call, refuse: Callable[[Call], object], said: str) -> None:
    with pytest.raises(InputError, match=said):
        refuse(call)


def test_a_grid_is_a_range_from_its_least_to_its_greatest(tmp_path: Path) -> None:
    file = tmp_path / "grid.toml"
    values = "assets.ETH.haircut = [0.3, 0.1, 0.2]\nagents.keepers.count = [1, 9, 4]"
    file.write_text(f'scenario = "flash-crash"\n[[changes]]\nkind = "grid"\n[changes.values]\n{values}\n')
    assert ranges_of(load_study(file)) == {HAIRCUT: (0.1, 0.3), "agents.keepers.count": (1.0, 9.0, "whole")}
