"""The facts, the cases and the page of the validation belong together."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from experiments.cli import app
from experiments.validation import table
from experiments.validation.case import near, published, shown, within
from experiments.validation.registry import CASES, NOT_RUN, absent
from tests.shared import shared_file

PAGE = Path(__file__).resolve().parents[2] / "docs" / "validation.md"


def test_facts_are_those_of_the_shared_reference() -> None:
    shared = {case["id"]: case for case in json.loads(shared_file("reference/anchors.json").read_text())["anchors"]}
    assert set(published()) | set(NOT_RUN) == set(shared)
    for name, facts in published().items():
        for key in ("model", "source", "inputs", "expected", "tolerance", "note"):
            assert (facts.get(key) or None) == (shared[name][key] or None), (name, key)


def test_every_published_result_is_run_or_has_a_reason() -> None:
    assert {case.name for case in CASES} == set(published())
    assert len({case.name for case in CASES}) == len(CASES)
    assert not set(NOT_RUN) & set(published())


def test_the_page_shows_every_case() -> None:
    _, begin, rest = PAGE.read_text(encoding="utf-8").partition(table.BEGIN)
    generated, end, _ = rest.partition(table.END)
    assert begin
    assert end
    for case in CASES:
        assert f"- **{case.name}**: {case.subject}." in generated, f"{case.name}: renew with cascade validation --write"


def test_verdicts() -> None:
    assert near("", 1.0, 1.1, tolerance=0.1).verdict == "pass"
    assert near("", 1.0, 1.11, tolerance=0.1).verdict == "miss"
    assert near("", [1.0, 2.0], [1.0, 2.1], tolerance=0.04, relative=True).verdict == "miss"
    assert near("", 0.1 + 0.2, 0.3).verdict == "pass"
    assert near("", [1.0, 2.0, 3.0], [1.0, 2.5, 3.1], tolerance=1.0).worst == 1
    assert within("", [2.0, 5.0], low=2.0, high=5.0).verdict == "pass"
    assert within("", [2.0, 5.1], low=2.0, high=5.0).verdict == "miss"
    assert shown("", 3.0).verdict == "shown"


def test_command_runs_one_case_and_refuses_unknown_ones() -> None:
    done = CliRunner().invoke(app, ["validation", "--only", "ADL-vwap", "--json"])
    assert done.exit_code == 0, done.output
    case = json.loads(done.stdout)["cases"]["ADL-vwap"]
    assert (case["verdict"], case["checks"][0]["product"]) == ("pass", [5.5, 5.5])
    for name, said in (("ADL-vwop", "did you mean"), ("CFS-impact", "not run")):
        failed = CliRunner().invoke(app, ["validation", "--only", name])
        assert failed.exit_code == 2
        assert said in failed.output
    assert CliRunner().invoke(app, ["validation", "--only", "ADL-vwap", "--write"]).exit_code == 2


def test_a_case_without_its_data_is_refused_by_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CASCADE_SHARED", str(tmp_path))
    failed = CliRunner().invoke(app, ["validation", "--only", "OXINET-exp1"])
    assert failed.exit_code == 2
    assert "CASCADE_SHARED" in failed.output
    for case in CASES:
        assert bool(absent(case)) == bool(case.data)
