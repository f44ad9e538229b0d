"""How long liquidations take, by hand: ticks, rounds within a tick, deleveraging, percentiles."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from experiments.latency import claim_latencies, fill_latencies, latency_kpis
from market.venue import CloseFactor
from tests.engine_worlds import Engine, engine, falls_to, plain_venue


def trace_of(world: Engine) -> Any:
    """As much of a trace as latencies are read from."""
    return SimpleNamespace(built=SimpleNamespace(world=world.world, rules=world.rules))


def test_rounds_count_within_a_tick() -> None:
    """Half of what is left in rounds 0 to 3 of tick 1 and 0 to 1 of tick 2; the claim opened in tick 1, round 0."""
    venue = plain_venue(sizing=CloseFactor(share=0.5), round_seconds=0.25)
    world = engine(deposits=(1_010.0,), prices=falls_to(9_000.0), venue=venue)
    world.open(world.rows[0], 1_000, 10_000)
    world.bids((9_000, 5_000))
    world.run(3)
    assert fill_latencies(trace_of(world)).tolist() == [0.0, 0.25, 0.5, 0.75, 1.0, 1.25]
    assert claim_latencies(trace_of(world)).tolist() == [1.25]


def test_what_waits_for_bids_is_late_and_deleveraging_ends_its_tick() -> None:
    """Three claims at tick 1; one is closed at once, one when bids come at tick 4, one is bankrupt and deleveraged."""
    world = engine(deposits=(1_200.0, 1_210.0, 900.0, 1e6), prices=falls_to(9_000.0))
    for row in world.rows[:3]:
        world.open(row, 1_000, 10_000)
    world.open(world.rows[3], -3_000, 10_000)
    world.bids((9_000, 1_000))
    world.run(4)
    world.bids((9_000, 1_000))
    world.run(1)
    assert sorted(claim_latencies(trace_of(world)).tolist()) == [0.0, 1.0, 3.0]
    figures = latency_kpis(trace_of(world))
    assert figures == {
        "liquidation_latency_p50_seconds": 1.0,
        "liquidation_latency_p90_seconds": 3.0,
        "liquidation_latency_p99_seconds": 3.0,
        "liquidation_latency_max_seconds": 3.0,
    }


def test_an_account_that_breaks_again_is_another_claim() -> None:
    path = (10_000.0, 9_000.0, 10_000.0, 10_000.0, 9_000.0)
    world = engine(deposits=(1_200.0,), prices=lambda tick: (1.0, path[min(tick, 4)]))
    world.open(world.rows[0], 1_000, 10_000)
    world.run(4)
    world.bids((9_000, 5_000))
    world.run(1)
    assert claim_latencies(trace_of(world)).tolist() == [0.0]


@pytest.mark.parametrize("key", ["p50", "p90", "p99", "max"])
def test_nothing_to_measure_without_a_liquidation(key: str) -> None:
    assert latency_kpis(trace_of(engine()))[f"liquidation_latency_{key}_seconds"] is None
