"""`cascade verify-venues`: what a case is, when a number is close enough, and what bad input says."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from experiments import cli
from experiments.venues import command, registry
from experiments.venues.cases import Case, Difference, Tolerance, difference, read_cases
from experiments.venues.registry import UnsupportedError, adapter, adapters
from experiments.venues.verify import totals, verify

CASE = {
    "id": "a",
    "venue": "V",
    "model": "twice",
    "inputs": {"x": 2},
    "expected": {"y": 4},
    "tolerance": {"abs": 1e-6},
}


def case(expected: Mapping[str, Any], **tolerance: float) -> Case:
    return Case(id="a", model="m", inputs={}, expected=expected, tolerance=Tolerance(**tolerance))


def twice(inputs: Mapping[str, Any]) -> dict[str, Any]:
    if inputs.get("x") is None:
        raise UnsupportedError("no rule without x")
    return {"y": 2 * inputs["x"], "other": "not compared"}


@pytest.mark.parametrize(
    ("expected", "got"),
    [
        ({"y": 1.0}, {"y": 1.0000005, "z": 3}),
        ({"y": 100}, {"y": np.float64(100.0)}),
        ({"y": True}, {"y": np.bool_(True)}),
        ({"y": None}, {"y": None}),
        ({"y": None}, {"y": float("nan")}),
        ({"y": None}, {"y": np.float64("inf")}),
        ({"y": [1, 2.5]}, {"y": np.array([1.0, 2.5])}),
        ({"y": {"d": [True, "b"]}}, {"y": {"d": (True, "b"), "e": 0}}),
        ({"y": float("inf")}, {"y": float("inf")}),
    ],
)
def test_what_agrees(expected: dict[str, Any], got: dict[str, Any]) -> None:
    assert difference(case(expected, abs=1e-6), got) is None


@pytest.mark.parametrize(
    ("expected", "got", "key"),
    [
        ({"y": 1.0}, {"y": 1.000002}, "y"),
        ({"x": 1, "y": 1}, {"x": 1, "z": 1}, "y"),
        ({"y": 1.0}, {"y": float("nan")}, "y"),
        ({"y": 1.0}, {"y": float("inf")}, "y"),
        ({"y": 1}, {"y": True}, "y"),
        ({"y": True}, {"y": 1}, "y"),
        ({"y": False}, {"y": None}, "y"),
        ({"y": None}, {"y": 0.0}, "y"),
        ({"y": [1, 2]}, {"y": [1, 2, 3]}, "y"),
        ({"y": [1, 2]}, {"y": [1, 3]}, "y[1]"),
        ({"y": {"d": 1}}, {"y": {"d": 2}}, "y.d"),
        ({"y": {"d": 1}}, {"y": {}}, "y.d"),
        ({"y": ["b", "a"]}, {"y": ["a", "b"]}, "y[0]"),
    ],
)
def test_what_differs(expected: dict[str, Any], got: dict[str, Any], key: str) -> None:
    found = difference(case(expected, abs=1e-6), got)
    assert found is not None
    assert (found.id, found.key) == ("a", key)


def test_a_tolerance_is_the_larger_of_both_bounds() -> None:
    both = Tolerance(abs=0.5, rel=0.01)
    assert both.covers(100.9, 100.0)
    assert not both.covers(101.4, 100.0)
    assert both.covers(1.4, 1.0)
    assert str(Tolerance(abs=0.0, rel=0.01)) == "0.01 of it"


def test_every_case_is_counted_once(tmp_path: Path) -> None:
    entries = [
        CASE,
        {**CASE, "id": "b", "expected": {"y": 5}},
        {**CASE, "id": "c", "inputs": {"x": []}, "expected": {"y": 1}},
        {**CASE, "id": "d", "inputs": {}},
        {**CASE, "id": "e", "model": "unheard of"},
        {**CASE, "id": "f", "inputs": {"x": {}}},
        {**CASE, "id": "g", "inputs": {"x": 0.5}, "expected": {"y": 10**400}},
    ]
    file = tmp_path / "cases.json"
    file.write_text(json.dumps(entries))
    known, unknown = verify(read_cases(file), {"twice": twice})
    assert (known.passed, known.failed, len(known.unsupported)) == (1, 4, 1)
    assert str(known.first) == "b: y is 4, expected 5 (tolerance 1e-06)"
    assert "TypeError" in known.failures[2].reason
    assert str(unknown.first) == "e: no rule for this model"
    assert totals([known, unknown]) == (1, 4, 2)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty"),
        ("{", "is cut off"),
        (json.dumps([CASE])[:-30], "is cut off"),
        (json.dumps([CASE])[:-1], "is cut off"),
        ("[1, oops]", "is not JSON"),
        ("{}", "holds an empty object"),
        ("[]", "holds no cases"),
        ("[" * 100_000, "is nested too deeply"),
    ],
)
def test_bad_files_end_in_one_line(text: str, said: str, tmp_path: Path) -> None:
    file = tmp_path / "cases.json"
    file.write_text(text)
    done = CliRunner().invoke(cli.app, ["verify-venues", str(file)])
    assert done.exit_code == 2
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        (3, "case 2: is a number, not an object"),
        ({"id": "b", "model": "twice", "inputs": {}}, "case 2 (b): has no 'expected'"),
        ({"model": "m"}, "case 2: has no 'id'"),
        ({**CASE, "id": 7}, "case 2: 'id' is a number"),
        ({**CASE, "model": None}, "case 2 (a): 'model' is null"),
        ({**CASE, "expected": {}}, "case 2 (a): 'expected' is an empty object"),
        ({**CASE, "inputs": [1]}, "case 2 (a): 'inputs' is a list"),
        ({**CASE, "tolerance": {"abs": -1}}, "case 2 (a): 'tolerance'"),
        ({**CASE, "tolerance": {"absolute": 1}}, "case 2 (a): 'tolerance'"),
        ({**CASE, "tolerance": 3}, "case 2 (a): 'tolerance'"),
    ],
)
def test_a_malformed_case_fails_alone(
    entry: object, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "cases.json"
    file.write_text(json.dumps([CASE, entry, {**CASE, "id": "last"}]))
    monkeypatch.setattr(command, "adapters", lambda: {"twice": twice})
    done = CliRunner().invoke(cli.app, ["verify-venues", str(file)])
    assert (done.exit_code, done.stderr) == (1, "")
    lines = done.stdout.splitlines()
    assert sum(line.startswith(f"malformed, counted as failed: {said}") for line in lines) == 1
    assert lines[-1] == "1 failed"
    answer = json.loads(CliRunner().invoke(cli.app, ["verify-venues", str(file), "--json"]).stdout)
    assert (answer["passed"], answer["failed"], answer["unsupported"]) == (2, 1, 0)
    assert answer["malformed"][0].startswith(said)


def test_the_last_line_says_what_is_left_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "cases.json"
    monkeypatch.setattr(command, "adapters", lambda: {"twice": twice})

    def last(*entries: object, strict: bool = False) -> tuple[int, str]:
        file.write_text(json.dumps(entries))
        done = CliRunner().invoke(cli.app, ["verify-venues", str(file), *(["--strict"] if strict else [])])
        return done.exit_code, done.stdout.splitlines()[-1]

    unknown, wrong = {**CASE, "model": "unheard of"}, {**CASE, "expected": {"y": 5}}
    assert last(CASE, CASE, strict=True) == (0, "all 2 passed")
    code, line = last(CASE, unknown)
    assert (code, line.startswith("none failed, but 1 unsupported: "), "1 with --strict" in line) == (0, True, True)
    code, line = last(CASE, unknown, strict=True)
    assert (code, line.startswith("none failed, but 1 unsupported: "), "--strict" in line) == (1, True, False)
    assert last(wrong, unknown)[0] == 1
    assert last(wrong, unknown)[1].startswith("1 failed, 1 unsupported: ")


def test_a_missing_file_a_folder_and_binary_are_named(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    for name, said in (("absent.json", "no such file"), ("", "is a folder"), ("binary", "is not text")):
        done = CliRunner().invoke(cli.app, ["verify-venues", str(tmp_path / name)])
        assert (done.exit_code, said in done.stderr) == (2, True)


def test_the_command_counts_filters_and_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "cases.json"
    file.write_text(json.dumps([CASE, {**CASE, "id": "b", "model": "thrice", "expected": {"y": 6}}]))
    monkeypatch.setattr(command, "adapters", lambda: {"twice": twice, "thrice": twice})
    done = CliRunner().invoke(cli.app, ["verify-venues", str(file)])
    assert done.exit_code == 1
    assert "b: y is 4, expected 6 (tolerance 1e-06)" in done.stdout
    assert done.stdout.splitlines()[-2].split() == ["all", "1", "1", "0"]
    done = CliRunner().invoke(cli.app, ["verify-venues", str(file), "--model", "twice", "--json"])
    assert done.exit_code == 0
    answer = json.loads(done.stdout)
    assert (answer["passed"], answer["failed"], answer["unsupported"]) == (1, 0, 0)
    assert answer["models"][0]["first_difference"] is None
    done = CliRunner().invoke(cli.app, ["verify-venues", str(file), "--model", "fourfold"])
    assert (done.exit_code, "it has twice, thrice" in done.stderr) == (2, True)


def test_a_model_has_one_adapter() -> None:
    taken = next(iter(adapters()), "test_only")
    adapter(taken + "_new")(twice)
    try:
        with pytest.raises(ValueError, match="two adapters"):
            adapter(taken + "_new")(lambda inputs: dict(inputs))
    finally:
        del registry._ADAPTERS[taken + "_new"]


def test_a_difference_without_numbers_says_why() -> None:
    assert str(Difference(id="a", key="", reason="two\nlines")) == "a: two lines"
