"""The picture: a small SVG that is whole, the same twice, and shows what happened."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.report.facts import facts
from experiments.report.picture import HEIGHT, WIDTH, clock_steps, picture, round_steps, write_picture
from experiments.report.story import story
from tests.synthetic import synthetic_result

SVG = "{http://www.w3.org/2000/svg}"
CASES: list[dict[str, Any]] = [{}, {"n_events": 0}, {"n_events": 1}, {"n_events": 5_000}, {"twin": False}]


@pytest.mark.parametrize("case", CASES)
def test_it_is_a_small_whole_file_without_gaps(case: dict[str, Any]) -> None:
    text = picture(synthetic_result(**case))
    root = ElementTree.fromstring(text)
    assert root.tag == f"{SVG}svg"
    assert len(text.encode()) < 200_000
    assert "nan" not in text
    assert not root.findall(f".//{SVG}script")
    assert "href" not in text
    for circle in root.iter(f"{SVG}circle"):
        assert 0.0 <= float(circle.attrib["cx"]) <= WIDTH
        assert 0.0 <= float(circle.attrib["cy"]) <= HEIGHT


def test_it_says_what_the_report_says(tmp_path: Path) -> None:
    result = synthetic_result()
    write_picture(result, tmp_path / "picture.svg")
    root = ElementTree.fromstring((tmp_path / "picture.svg").read_text(encoding="utf-8"))
    told = story(facts(result)).headline
    assert root.attrib["aria-label"] == told
    written = " ".join(text.text or "" for text in root.iter(f"{SVG}text"))
    assert told.split("; ")[0] in written
    move = facts(result).move
    assert f"−{-100.0 * move.mark:.1f}%" in written
    assert move.twin is not None
    assert f"−{-100.0 * move.twin:.1f}%" in written
    assert "without forced trades" not in picture(synthetic_result(twin=False))


def test_same_result_same_bytes() -> None:
    assert picture(synthetic_result()) == picture(synthetic_result())


@given(st.floats(0.0, 1e5), st.floats(2.0, 1e6), st.integers(2, 9))
@settings(deadline=None, max_examples=60, derandomize=True)
def test_moments_are_inside_and_not_too_many(start: float, length: float, most: int) -> None:
    times = clock_steps(start, start + length, most)
    assert len(times) <= most + 1
    assert all(start <= seconds <= start + length for seconds in times)


def test_moments_are_those_of_a_clock() -> None:
    assert clock_steps(0.0, 10_800.0, 8) == [1_800.0 * k for k in range(7)]
    assert clock_steps(590.0, 1_510.0, 4) == [600.0, 900.0, 1_200.0, 1_500.0]


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6), st.integers(2, 9))
@settings(deadline=None, max_examples=80, derandomize=True)
def test_steps_are_round_and_inside(low: float, length: float, most: int) -> None:
    high = low + length
    steps = round_steps(low, high, most)
    assert 1 <= len(steps) <= most + 1
    slack = 1e-6 * max(abs(low), abs(high), length)
    assert all(low - slack <= step <= high + slack for step in steps)
