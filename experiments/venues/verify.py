"""Runs cases through the rules of the simulation and counts, model by model, what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from experiments.venues.cases import Case, Difference, Malformed, difference
from experiments.venues.registry import Adapter, UnsupportedError

HEADER = ("model", "passed", "failed", "unsupported", "first difference")


@dataclass(kw_only=True)
class Tally:
    """What came of the cases of one model."""

    model: str
    passed: int = 0
    failures: list[Difference] = field(default_factory=list)
    unsupported: list[Difference] = field(default_factory=list)

    @property
    def failed(self) -> int:
        """Number of cases that differ."""
        return len(self.failures)

    @property
    def first(self) -> Difference | None:
        """First failure, or first case that could not be run."""
        return next(iter([*self.failures, *self.unsupported]), None)


def verify(cases: Sequence[Case | Malformed], rules: Mapping[str, Adapter]) -> list[Tally]:
    """Run every case; one tally per model, in the order in which models first appear. What is no case has failed."""
    tallies: dict[str, Tally] = {}
    for case in cases:
        tally = tallies.setdefault(case.model, Tally(model=case.model))
        if isinstance(case, Malformed):
            tally.failures.append(Difference(id=case.id, key="", reason=f"malformed: {case.reason}"))
            continue
        try:
            found = run(case, rules)
        except UnsupportedError as error:
            tally.unsupported.append(Difference(id=case.id, key="", reason=str(error)))
            continue
        if found is None:
            tally.passed += 1
        else:
            tally.failures.append(found)
    return list(tallies.values())


def run(case: Case, rules: Mapping[str, Adapter]) -> Difference | None:
    """How one case differs, None when it does not. UnsupportedError when no rule answers it."""
    if case.model not in rules:
        raise UnsupportedError("no rule for this model")
    try:
        return difference(case, rules[case.model](case.inputs))
    except UnsupportedError:
        raise
    except Exception as error:  # a case may hold anything; one that breaks its rule has failed and stops nobody else
        return Difference(id=case.id, key="", reason=f"{type(error).__name__}: {error}")


def totals(tallies: Sequence[Tally]) -> tuple[int, int, int]:
    """Cases passed, failed, unsupported."""
    return (
        sum(tally.passed for tally in tallies),
        sum(tally.failed for tally in tallies),
        sum(len(tally.unsupported) for tally in tallies),
    )


def table(tallies: Sequence[Tally]) -> list[tuple[str, ...]]:
    """Rows under HEADER, the totals last."""
    rows = [
        (tally.model, str(tally.passed), str(tally.failed), str(len(tally.unsupported)), str(tally.first or ""))
        for tally in tallies
    ]
    return [*rows, ("all", *map(str, totals(tallies)), "")]


def as_json(tallies: Sequence[Tally]) -> dict[str, Any]:
    """The same for programs, with every difference and every unsupported case."""
    passed, failed, unsupported = totals(tallies)
    return {
        "passed": passed,
        "failed": failed,
        "unsupported": unsupported,
        "models": [
            {
                "model": tally.model,
                "passed": tally.passed,
                "failed": tally.failed,
                "unsupported": len(tally.unsupported),
                "first_difference": asdict(tally.first) if tally.first else None,
                "differences": [asdict(found) for found in [*tally.failures, *tally.unsupported]],
            }
            for tally in tallies
        ],
    }
