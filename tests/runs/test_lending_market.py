"""The embedded lending market, cut short: what happens in it, and that how it is computed changes nothing."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from agents.depositor import DepositorCohort
from experiments.build import Built, build
from experiments.run import simulate
from market.kernels.records import FORCED_SEIZURE, OUTSIDE
from market.simulation import run
from tests.cuts import cut, digests

NAME = "lending-market"
SEED = 1
CRASH = cut(NAME)


@pytest.fixture(scope="module")
def expected() -> dict[str, str]:
    built = build(CRASH, seed=SEED)
    run(built.world, built.rules, built.cast, ticks=CRASH.ticks)
    kinds = built.world.events["kind"][: built.world.n_events]
    assert len(kinds) > 50
    assert (kinds == FORCED_SEIZURE).all()
    return digests(built.world)


def in_parts(built: Built) -> None:
    for ticks in (1, 5, 0, 50, CRASH.ticks - 56):
        run(built.world, built.rules, built.cast, ticks=ticks)


def with_full_assessment(built: Built) -> None:
    built.world.watch.full_assessment = True
    run(built.world, built.rules, built.cast, ticks=CRASH.ticks)


@pytest.mark.parametrize("how", [in_parts, with_full_assessment])
def test_how_it_is_computed_changes_nothing(expected: dict[str, str], how: Callable[[Built], None]) -> None:
    built = build(CRASH, seed=SEED)
    how(built)
    assert digests(built.world) == expected


def test_what_happens(expected: dict[str, str]) -> None:
    seen: list[bool] = []
    result = simulate(
        CRASH, seed=SEED, twin=False, observers=(lambda w: seen.append(bool((w.ledger.cash[OUTSIDE] <= 0).all())),)
    )
    assert digests(result.main.built.world) == expected
    assert all(seen), "more was lent or withdrawn than there was"
    kpis = result.kpis
    assert kpis["conservation_error"] == kpis["waterfall_error"] == 0
    for name in ("seized_usd", "unwound_by_loopers_usd", "repaid_by_borrowers_usd", "withdrawn_usd", "interest_usd"):
        assert float(kpis[name] or 0.0) > 0.0, name
    assert float(kpis["withdrawals_refused_usd"] or 0.0) > 0.0, "the run met no limit"
    fills = result.liquidations
    assert set(fills["kind"]) == {"seizure"}
    assert set(fills["instrument"]) <= {f"{a}/{b}" for a in CRASH.assets for b in CRASH.assets if a != b}
    in_usdc = fills[fills["instrument"].str.endswith("/USDC") & (fills["size"] > 0.01)]
    discounts = (in_usdc["price"] / in_usdc["mark_before"]).to_numpy(np.float64)
    assert discounts == pytest.approx(1.0 - 0.0447, rel=1e-4)
    (depositors,) = (c for c in result.main.built.cast.cohorts if isinstance(c, DepositorCohort))
    assert kpis["withdrawals_queued_account_count"] == depositors.queue_length()
    assert "seized" in result.story.headline + " ".join(result.story.failed)
