"""The shared file of venue cases, for the tests of each family of rules."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from experiments.venues.cases import Case, Malformed, read_cases
from experiments.venues.registry import adapters
from experiments.venues.verify import verify
from tests.shared import shared_file


@cache
def _cases(path: Path) -> list[Case | Malformed]:
    return read_cases(path)


def check_model(model: str) -> None:
    """Every case of a model passes; skips the test where the shared file is absent."""
    cases = [case for case in _cases(shared_file("reference/venue_vectors.json")) if case.model == model]
    assert cases, f"no case of {model}"
    tally = verify(cases, adapters())[0]
    assert tally.passed == len(cases), tally.first
