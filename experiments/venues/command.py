"""`cascade verify-venues`: read the cases, run them, print what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from experiments import show
from experiments.venues import verify
from experiments.venues.cases import Case, Malformed, read_cases
from experiments.venues.registry import adapters
from market.errors import InputError


def verify_venues(file: Path, *, models: Sequence[str] = (), strict: bool = False, as_json: bool = False) -> bool:
    """Print how the cases of a file fare, `models` alone when named; whether that is well. InputError for bad input.

    It is when none failed; `strict`: when all passed, none unsupported.
    """
    cases = _chosen(read_cases(file), models)
    malformed = [case for case in cases if isinstance(case, Malformed)]
    tallies = verify.verify(cases, adapters())
    passed, failed, unsupported = verify.totals(tallies)
    if as_json:
        show.print_json({"file": str(file), **verify.as_json(tallies), "malformed": [str(case) for case in malformed]})
    else:
        show.print_table(verify.table(tallies), header=verify.HEADER, right=(1, 2, 3))
        for case in malformed:
            print(f"malformed, counted as failed: {case}")
        print(_verdict(passed, failed, unsupported, strict=strict))
    return failed == 0 and not (strict and unsupported)


def _verdict(passed: int, failed: int, unsupported: int, *, strict: bool) -> str:
    """The last line: in words, what the exit code says, and what it does not."""
    if not unsupported:
        return f"{failed} failed" if failed else f"all {passed} passed"
    code = "" if failed or strict else "; exit code 0 all the same, 1 with --strict"
    left = f"{unsupported} unsupported: the simulation has no rule that answers them, so nothing is said of them{code}"
    return f"{failed} failed, {left}" if failed else f"none failed, but {left}"


def _chosen(cases: list[Case | Malformed], models: Sequence[str]) -> list[Case | Malformed]:
    known = list(dict.fromkeys(case.model for case in cases))
    for model in models:
        if model not in known:
            raise InputError(f"--model {model}: the file has no such case; it has {', '.join(known)}")
    return [case for case in cases if not models or case.model in models]
