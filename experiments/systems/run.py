"""Run a scenario of several venues: the run, its twin without liquidations, and what is measured on them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from experiments import kernel_cache
from experiments.recorder import Recorder
from experiments.run import PROGRESS_TICKS, Trace, opening_of, saying
from experiments.systems.build import BuiltSystem, build_system
from experiments.systems.recorder import SystemRecorder
from experiments.systems.scenario import SystemScenario
from market.system import Observer, System, run_system

if TYPE_CHECKING:
    from experiments.systems.result import SystemResult


@dataclass(frozen=True, kw_only=True)
class SystemTrace:
    """A finished run: the system as it ended, and each venue as a run of its own."""

    built: BuiltSystem
    venues: dict[str, Trace]
    recorder: SystemRecorder
    wall_seconds: float


def simulate_system(
    scenario: SystemScenario,
    *,
    seed: int,
    twin: bool = True,
    progress: Callable[..., None] | None = None,
    observers: tuple[Observer, ...] = (),
) -> SystemResult:
    """Simulate `scenario` with `seed`; the same pair gives the same result to the bit on one machine.

    `twin` adds a run on the same random numbers in which no venue liquidates. Raises InputError.
    """
    from experiments.systems.result import SystemResult

    with kernel_cache.announced(saying(progress)):
        main = trace_system(scenario, seed=seed, label="simulating", progress=progress, observers=observers)
        other = None
        if twin:
            other = trace_system(calm_system(scenario), seed=seed, label="twin without liquidations", progress=progress)
    return SystemResult.of(scenario, seed=seed, main=main, twin=other)


def calm_system(scenario: SystemScenario) -> SystemScenario:
    """The same scenario with claims opened but never served on any venue."""
    venues = {
        name: replace(own, venue=replace(own.venue, liquidation=replace(own.venue.liquidation, enabled=False)))
        for name, own in scenario.venues.items()
    }
    return replace(scenario, venues=venues)


def trace_system(
    scenario: SystemScenario,
    *,
    seed: int,
    label: str = "",
    progress: Callable[..., None] | None = None,
    observers: tuple[Observer, ...] = (),
) -> SystemTrace:
    """Build and run once."""
    began = time.perf_counter()
    kernel_cache.tidy()
    built = build_system(scenario, seed=seed)
    system, ticks = built.system, scenario.ticks
    recorders = {name: _recorder(scenario, built, name) for name in built.venues}
    openings = {
        name: opening_of(one.world, utilisation=scenario.recording.utilisation) for name, one in built.venues.items()
    }
    whole = SystemRecorder(system, ticks=ticks)

    def record(seen: System) -> None:
        for name, recorder in recorders.items():
            recorder(seen.world(name))
        whole(seen)

    done = 0
    while done < ticks:
        step = min(PROGRESS_TICKS, ticks - done)
        run_system(system, ticks=step, observers=(record, *observers))
        done += step
        if progress:
            progress(label=label, done=done, total=ticks, liquidations=_liquidations(system))
    wall = time.perf_counter() - began
    return SystemTrace(
        built=built,
        venues={
            name: Trace(built=built.venues[name], recorder=recorders[name], opening=openings[name], wall_seconds=wall)
            for name in built.venues
        },
        recorder=whole,
        wall_seconds=wall,
    )


def _recorder(scenario: SystemScenario, built: BuiltSystem, name: str) -> Recorder:
    world = built.venues[name].world
    return Recorder(
        world,
        ticks=scenario.ticks,
        sample_ticks=max(1, world.ticks(scenario.recording.sample_seconds)),
        margin_ticks=max(1, world.ticks(scenario.recording.margin_seconds)),
    )


def _liquidations(system: System) -> int:
    """Accounts closed by force so far, claim by claim."""
    total = 0
    for member in system.members.values():
        events: Any = member.world.events[: member.world.n_events]
        total += len(np.unique(events["account"].astype(np.int64) << 32 | events["claim_tick"]))
    return total
