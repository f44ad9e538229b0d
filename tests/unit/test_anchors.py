"""Published results and closed forms through the product itself: the quick cases of `cascade validation`."""

from __future__ import annotations

import pytest

from experiments.validation.case import Case, published, run_case
from experiments.validation.liquidation import SUBCRITICAL, borel_probabilities
from experiments.validation.registry import CASES
from tests.shared import shared_file

QUICK = [case for case in CASES if case.quick]
MISSES = {
    ("GATTO-gap", "bad debt at gaps of 5, 8, 12, 20 %, M USD"),
    ("CACCIOLI-alpha", "fall, sold in four parts, a tick each"),
}
"""Figures that are known to miss; docs/validation.md says why."""


@pytest.mark.parametrize("case", QUICK, ids=lambda case: case.name)
def test_quick_case(case: Case) -> None:
    if case.data:
        shared_file(f"data/{case.data}")
    outcome = run_case(case)
    missed = {(case.name, check.what) for check in outcome.checks if check.verdict == "miss"}
    assert missed == {miss for miss in MISSES if miss[0] == case.name}, [
        check for check in outcome.checks if check.verdict == "miss"
    ]
    assert bool(missed) == bool(case.miss)


def test_exact_part_of_borel() -> None:
    facts = published()["BOREL"]
    law = borel_probabilities(SUBCRITICAL, largest=3)
    assert law == pytest.approx(facts["expected"]["P(k),n=.8"], abs=facts["tolerance"])
