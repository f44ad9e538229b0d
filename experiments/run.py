"""Run a scenario: the run itself, its twin without liquidations, and everything measured on them."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from agents.strategy import Strategy
from experiments import kernel_cache
from experiments.build import Built, build
from experiments.capital import held_notional, relevered_notional
from experiments.interventions.kinds import Intervention
from experiments.interventions.running import Done, Interventions
from experiments.recorder import Recorder
from experiments.scenario import Scenario
from market.instruments import USD_QUANTA
from market.simulation import Observer, run
from market.streams import Splices
from market.world import World

if TYPE_CHECKING:
    from experiments.contagion.records import Joined
    from experiments.result import Result

PROGRESS_TICKS = 512

State = dict[str, Any]
"""What `experiments.snapshots.Feed.now` gives, and the tick."""


@dataclass(frozen=True, kw_only=True)
class Opening:
    """The ledger as it was before the first tick."""

    assessment: NDArray[np.int64]
    """int64[n_accounts, 4]: margin equity, net equity, maintenance and initial margin, USD quanta."""
    cash: NDArray[np.int64]
    lots: NDArray[np.int64]
    marks: NDArray[np.int64]
    """int64[n_instruments], ticks."""
    held_usd: float
    """Notional of customers (`experiments.capital`)."""
    relevered_usd: float | None = None
    """The same if they re-levered; None where that was not asked for."""


def opening_of(world: World, *, utilisation: float | None = None) -> Opening:
    """The ledger of a world that has not taken a step; what it would hold at that utilisation, where one is given."""
    return Opening(
        assessment=world.ledger.assess(world.instruments, world.assets, world.margin),
        cash=world.ledger.cash.copy(),
        lots=world.ledger.positions["lots"].copy(),
        marks=world.instruments["mark"].astype(np.int64),
        held_usd=held_notional(world) / USD_QUANTA,
        relevered_usd=None if utilisation is None else relevered_notional(world, utilisation=utilisation) / USD_QUANTA,
    )


@dataclass(frozen=True, kw_only=True)
class Trace:
    """A finished run: its world as it ended, what was recorded, and the ledger as it began."""

    built: Built
    recorder: Recorder
    opening: Opening
    wall_seconds: float
    snapshots: tuple[State, ...] = ()
    """How things stood at some moments (experiments/snapshots), where they were asked for."""


def simulate(
    scenario: Scenario,
    *,
    seed: int,
    twin: bool = True,
    progress: Callable[..., None] | None = None,
    observers: tuple[Observer, ...] = (),
    strategies: Sequence[Strategy] = (),
    snapshots: bool = False,
) -> Result:
    """Simulate `scenario` with `seed`; the same pair gives the same result to the bit on one machine.

    `twin` adds a run on the same random numbers without liquidations, which amplification is measured against.
    `observers` see the world of the main run after every tick. `strategies` are traders in plain Python, copied into
    both runs. `snapshots` keeps what a replay shows of ladders and accounts, unless the scenario says
    `recording.no_snapshots`. Raises InputError for what cannot be simulated.
    """
    from experiments.result import Result

    with kernel_cache.announced(saying(progress)):
        main = trace(
            scenario,
            seed=seed,
            label="simulating",
            progress=progress,
            observers=observers,
            strategies=strategies,
            snapshots=snapshots,
        )
        other = None
        if twin:
            other = trace(
                without_liquidations(scenario),
                seed=seed,
                label="twin without liquidations",
                progress=progress,
                strategies=strategies,
            )
    return Result.of(scenario, seed=seed, main=main, twin=other)


def saying(progress: Callable[..., None] | None) -> Callable[[str], None]:
    """Report a label of which neither the end nor the progress is known."""
    return lambda label: progress(label=label, done=0, total=0, liquidations=0) if progress else None


def without_liquidations(scenario: Scenario) -> Scenario:
    """The same scenario with claims opened but never served."""
    liquidation = replace(scenario.venue.liquidation, enabled=False)
    return replace(scenario, venue=replace(scenario.venue, liquidation=liquidation))


class VenueRun:
    """The world of one venue in progress and everything recorded of it; whoever owns it takes the steps."""

    def __init__(self, scenario: Scenario, built: Built) -> None:
        self._began = time.perf_counter()
        self.scenario, self.built = scenario, built
        world = built.world
        self.recorder = Recorder(
            world,
            ticks=scenario.ticks,
            sample_ticks=max(1, world.ticks(scenario.recording.sample_seconds)),
            margin_ticks=max(1, world.ticks(scenario.recording.margin_seconds)),
        )
        self._opening = opening_of(world, utilisation=scenario.recording.utilisation)
        self.interventions = Interventions(scenario, built)

    @property
    def ticks_left(self) -> int:
        """Ticks until the scenario is over."""
        return self.scenario.ticks - self.built.world.tick

    def trace(self) -> Trace:
        """What has been recorded until now."""
        wall = time.perf_counter() - self._began
        return Trace(built=self.built, recorder=self.recorder, opening=self._opening, wall_seconds=wall)

    def joined(self) -> Joined:
        """What causes of its liquidations are worked out from."""
        from experiments.contagion.records import alone, records

        return alone(records(self.trace()))


class Session(VenueRun):
    """A run in progress: take steps, look at `built.world` in between, and get the trace.

    However the run is cut into calls of `advance`, it is the same run.
    """

    def __init__(
        self, scenario: Scenario, *, seed: int, strategies: Sequence[Strategy] = (), splices: Splices = ()
    ) -> None:
        """Build the world. Raises InputError for what cannot be simulated."""
        kernel_cache.tidy()
        began = time.perf_counter()
        self.seed = seed
        super().__init__(scenario, build(scenario, seed=seed, strategies=strategies, splices=splices))
        self._began = began

    @property
    def venues(self) -> dict[str, VenueRun]:
        """Itself, as a system of one venue without a name."""
        return {"": self}

    @property
    def tick(self) -> int:
        """Ticks that are over."""
        return self.built.world.tick

    def advance(self, ticks: int = 1, *, observers: tuple[Observer, ...] = ()) -> None:
        """Take so many steps, at most `ticks_left`, and record each."""
        world, cast = self.built.world, self.built.cast
        if ticks > self.ticks_left:
            raise ValueError(f"{ticks} ticks asked for, the scenario has {self.ticks_left} left")
        end = world.tick + ticks
        while world.tick < end:
            self.interventions.act()
            until = min(end, self.interventions.next_tick or end)
            rules = self.interventions.rules
            run(world, rules, cast, ticks=until - world.tick, observers=(self.recorder, *observers))

    def give(self, what: Intervention) -> Done:
        """Do something to the world now, between two ticks, and keep it for `as_scenario`.

        Raises InputError, and does nothing, when it cannot be done.
        """
        name = free_name({**self.scenario.interventions, **self.interventions.given})
        return self.interventions.give(name, replace(what, at_seconds=self.built.world.seconds))

    def as_scenario(self) -> Scenario:
        """The scenario that does by itself what was done in this session: the same run with the same seed."""
        return replace(self.scenario, interventions={**self.scenario.interventions, **self.interventions.given})


def free_name(taken: Collection[str]) -> str:
    """What an intervention is called that was asked for while the world ran."""
    return next(name for i in count(1) if (name := f"live-{i:04d}") not in taken)


def trace(
    scenario: Scenario,
    *,
    seed: int,
    label: str = "",
    progress: Callable[..., None] | None = None,
    observers: tuple[Observer, ...] = (),
    strategies: Sequence[Strategy] = (),
    snapshots: bool = False,
) -> Trace:
    """Build and run once."""
    if progress:
        progress(label=label, done=0, total=0, liquidations=0)
    session = Session(scenario, seed=seed, strategies=strategies)
    world = session.built.world
    states: list[State] = []
    if snapshots and not scenario.recording.no_snapshots:
        from experiments.snapshots.recorder import SnapshotRecorder

        observers = (*observers, SnapshotRecorder(session, states))
    if progress:
        progress(label=label, done=0, total=scenario.ticks, liquidations=0)
    while session.ticks_left:
        session.advance(min(PROGRESS_TICKS, session.ticks_left), observers=observers)
        if progress:
            progress(label=label, done=world.tick, total=scenario.ticks, liquidations=_liquidations(world))
    return replace(session.trace(), snapshots=tuple(states))


def _liquidations(world: World) -> int:
    """Claims that led to forced fills or ADL so far."""
    events = world.events[: world.n_events]
    return len(np.unique(events["account"].astype(np.int64) << 32 | events["claim_tick"]))
