"""Every embedded scenario still does what it did; see `tests/golden/__init__.py`."""

from __future__ import annotations

import copy

import pytest

from experiments import library
from tests.cuts import CUTS, SYSTEM_CUTS
from tests.golden import arithmetic, differences, measured, stored, voids_stored_runs


def test_every_embedded_scenario_has_a_golden_run() -> None:
    assert set(CUTS) == set(library.scenarios())
    assert set(SYSTEM_CUTS) == set(library.systems())
    assert all(stored(name) for name in (*CUTS, *SYSTEM_CUTS))


@pytest.mark.parametrize("name", [*CUTS, *SYSTEM_CUTS])
def test_the_run_is_the_golden_one(name: str) -> None:
    agreed = stored(name)
    if agreed["machine"]["arithmetic"] != arithmetic():
        pytest.skip("this processor rounds exp, log or powers otherwise than the one that made the golden run")
    lines = list(differences(name, agreed, measured(name)))
    assert not lines, "\n".join([*lines, "if that is meant: python -m tests.golden"])


def test_a_difference_is_found_and_named() -> None:
    old = stored("flash-crash")
    assert list(differences("x", old, old)) == []
    new = copy.deepcopy(old)
    new["kpis"]["bad_debt_usd"] *= 1.0 + 1e-12
    assert list(differences("x", old, new)) == [], "rounding is no difference"
    new["kpis"]["liquidation_count"] += 1
    new["integers"]["cash"] = "0"
    was, now = old["kpis"]["liquidation_count"], new["kpis"]["liquidation_count"]
    assert list(differences("x", old, new)) == [
        "x: the scenario is the same, the program differs",
        f"x: integers.cash: {old['integers']['cash']} -> 0",
        f"x: kpis.liquidation_count: {was} -> {now}",
    ]


def test_other_results_need_another_results_version() -> None:
    old = stored("flash-crash")
    new = copy.deepcopy(old)
    assert not voids_stored_runs(old, new)
    new["kpis"]["liquidation_count"] += 1
    assert voids_stored_runs(old, new)
    raised = {"results_version": old["program"]["results_version"] + 1}
    assert not voids_stored_runs(old, {**new, "program": raised})
    assert not voids_stored_runs(old, {**new, "run": {**new["run"], "seed": 2}})
    assert not voids_stored_runs({}, new)
