"""Further cases of the venues' own test suites, beside those of the shared file: tests/reference/venue_cases.json."""

from __future__ import annotations

from pathlib import Path

import pytest

from experiments.venues.cases import Case, Malformed, read_cases
from experiments.venues.registry import adapters
from experiments.venues.verify import verify

CASES = read_cases(Path(__file__).parents[1] / "reference" / "venue_cases.json")
MODELS = sorted({case.model for case in CASES})


def cases_of(model: str) -> list[Case | Malformed]:
    return [case for case in CASES if case.model == model]


@pytest.mark.parametrize("model", MODELS)
def test_further_cases(model: str) -> None:
    tally = verify(cases_of(model), adapters())[0]
    assert tally.passed == len(cases_of(model)), tally.first


def test_every_case_says_where_it_is_from() -> None:
    assert all(isinstance(case, Case) and case.source and case.venue for case in CASES)
    assert len({case.id for case in CASES}) == len(CASES)
