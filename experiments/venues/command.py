"""`cascade verify-venues`: read the cases, run them, print what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from experiments import show
from experiments.venues import verify
from experiments.venues.cases import Case, read_cases
from experiments.venues.registry import adapters
from market.errors import InputError


def verify_venues(file: Path, *, models: Sequence[str] = (), as_json: bool = False) -> bool:
    """Print how the cases of a file fare, `models` alone when named; whether none failed. InputError for bad input."""
    tallies = verify.verify(_chosen(read_cases(file), models), adapters())
    _, failed, unsupported = verify.totals(tallies)
    if as_json:
        show.print_json({"file": str(file), **verify.as_json(tallies)})
    else:
        show.print_table(verify.table(tallies), header=verify.HEADER, right=(1, 2, 3))
        if unsupported:
            print(f"unsupported, of {unsupported}: the simulation has no rule that answers the case")
    return failed == 0


def _chosen(cases: list[Case], models: Sequence[str]) -> list[Case]:
    known = list(dict.fromkeys(case.model for case in cases))
    for model in models:
        if model not in known:
            raise InputError(f"--model {model}: the file has no such case; it has {', '.join(known)}")
    return [case for case in cases if not models or case.model in models]
