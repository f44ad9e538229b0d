"""Run a scenario of several venues: the run, its twin without liquidations, and what is measured on them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from experiments import kernel_cache
from experiments.run import PROGRESS_TICKS, State, Trace, saying
from experiments.systems.build import BuiltSystem
from experiments.systems.recorder import SystemRecorder
from experiments.systems.scenario import SystemScenario
from experiments.systems.session import SystemSession
from market.system import Observer, System

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
    snapshots: bool = False,
) -> SystemResult:
    """Simulate `scenario` with `seed`; the same pair gives the same result to the bit on one machine.

    `twin` adds a run on the same random numbers in which no venue liquidates; `snapshots` keeps what a replay shows of
    ladders and accounts. Raises InputError.
    """
    from experiments.systems.result import SystemResult

    with kernel_cache.announced(saying(progress)):
        main = trace_system(
            scenario, seed=seed, label="simulating", progress=progress, observers=observers, snapshots=snapshots
        )
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
    snapshots: bool = False,
) -> SystemTrace:
    """Build and run once. `snapshots` keeps what a replay shows of ladders and accounts of every venue, unless the
    scenario says `recording.no_snapshots`."""
    session = SystemSession(scenario, seed=seed)
    states: dict[str, list[State]] = {name: [] for name in session.venues}
    if snapshots and not scenario.recording.no_snapshots:
        from experiments.snapshots.recorder import SnapshotRecorder

        keepers = {name: SnapshotRecorder(run, states[name]) for name, run in session.venues.items()}

        def keep(system: System) -> None:
            for name, keeper in keepers.items():
                keeper(system.world(name))

        observers = (*observers, keep)
    while session.ticks_left:
        session.advance(min(PROGRESS_TICKS, session.ticks_left), observers=observers)
        if progress:
            progress(label=label, done=session.tick, total=scenario.ticks, liquidations=session.liquidations())
    wall = session.wall_seconds
    traces = {
        name: replace(run.trace(), snapshots=tuple(states[name]), wall_seconds=wall)
        for name, run in session.venues.items()
    }
    return SystemTrace(built=session.built, venues=traces, recorder=session.recorder, wall_seconds=wall)
