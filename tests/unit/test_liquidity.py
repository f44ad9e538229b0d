"""Recovery of depth by hand, and who earns what: makers lose in a crash, widen, shrink and leave by their accounts."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from agents.market_maker import Makers
from experiments.liquidity import profit_usd, recovery_seconds
from experiments.run import Session
from experiments.scenario import Scenario
from tests.cuts import CUTS
from tests.engine_worlds import USD, engine


def depth_of(*, usual: float = 100.0, low: float = 0.0, tau: float, samples: int = 400) -> np.ndarray[Any, Any]:
    """Twenty samples as usual, ten at the low, then an exponential recovery with `tau` samples."""
    back = usual - (usual - low) * np.exp(-np.arange(samples) / tau)
    return np.concatenate([np.full(20, usual), np.full(10, low), back])


@pytest.mark.parametrize("tau", [10.0, 30.0, 100.0])
@pytest.mark.parametrize("low", [0.0, 30.0])
def test_an_exponential_recovery_gives_its_time_constant(tau: float, low: float) -> None:
    found = recovery_seconds(depth_of(tau=tau, low=low), before=20, sample_seconds=10.0)
    assert found == pytest.approx(10.0 * tau, abs=25.0)


def test_noise_does_not_hide_it() -> None:
    noise = np.random.default_rng(5).lognormal(0.0, 0.2, 430)
    found = recovery_seconds(depth_of(tau=60.0) * noise, before=20, sample_seconds=10.0)
    assert found == pytest.approx(600.0, rel=0.35)


def test_there_is_none_without_a_thinning_or_before_it_is_over() -> None:
    assert recovery_seconds(np.full(50, 7.0), before=10, sample_seconds=1.0) is None
    assert recovery_seconds(depth_of(tau=10.0, low=60.0), before=20, sample_seconds=1.0) is None
    assert recovery_seconds(depth_of(tau=50.0, samples=40), before=20, sample_seconds=1.0) is None
    assert recovery_seconds(np.zeros(5), before=0, sample_seconds=1.0) is None
    assert recovery_seconds(np.ones(1), before=1, sample_seconds=1.0) is None


def test_profit_counts_balances_and_open_profit_but_not_what_was_owned() -> None:
    """Bought 1 BTC at 10,000, worth 11,000; 2 BTC owned all along rise as well; 50 USD came in."""
    world = engine(deposits=(500.0,))
    (row,) = world.rows
    world.world.ledger.deposit(row, 1, 2 * 10**8)
    opening = SimpleNamespace(cash=world.world.ledger.cash.copy())
    world.open(row, 1_000, 10_000)
    world.world.ledger.deposit(row, 0, 50 * USD)
    world.world.instruments["mark"] = 11_000
    world.world.assets["reference"][1] = 11_000
    trace: Any = SimpleNamespace(built=SimpleNamespace(world=world.world), opening=opening)
    assert profit_usd(trace, "trader") == pytest.approx(1_050.0)
    assert profit_usd(trace, "nobody") == 0.0


def test_makers_lose_money_widen_shrink_and_leave_by_their_own_accounts_and_arbitrageurs_earn_it() -> None:
    """No script thins the books. The crash lasts from the 120th second to the 360th; nobody is told."""
    session = Session(Scenario.load("flash-crash", overrides=[*CUTS["flash-crash"], "hours=0.25"]), seed=1)
    (makers,) = (cohort for cohort in session.built.cast.cohorts if isinstance(cohort, Makers))
    sizes: list[np.ndarray[Any, Any]] = []
    session.advance(session.ticks_left, observers=(lambda _: sizes.append(makers.records["size_factor"].copy()),))
    size, trace = np.array(sizes), session.trace()
    calm, crash, later = slice(60, 110), slice(150, 360), slice(-60, None)
    assert (size[crash] == 0.0).any(), "somebody leaves"
    assert size[crash].mean() < 0.6 * size[calm].mean()
    assert size[later].mean() > 1.2 * size[crash].mean()
    ticks = trace.recorder.ticks[:, 0]
    spread = (ticks["best_ask"] - ticks["best_bid"]) / ticks["mark"]
    assert np.median(spread[crash]) > 1.5 * np.median(spread[calm])
    assert profit_usd(trace, "market_maker") < 0.0 < profit_usd(trace, "arbitrageur")
