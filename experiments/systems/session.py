"""A run over several venues in progress: all of them stepped together, each watched like a run of its own."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any, cast

import numpy as np

from experiments import kernel_cache
from experiments.contagion.records import Joined, records
from experiments.interventions.kinds import PriceShock, told
from experiments.interventions.running import Done
from experiments.run import VenueRun, free_name
from experiments.systems.build import build_system
from experiments.systems.causes import join, resales
from experiments.systems.recorder import SystemRecorder
from experiments.systems.scenario import SystemScenario, price_problems
from market.errors import InputError
from market.system import Observer, System, run_system


class Member(VenueRun):
    """One venue of a system in progress."""

    def __init__(self, name: str, session: SystemSession) -> None:
        super().__init__(session.built.scenarios[name], session.built.venues[name])
        self.name, self._session = name, session

    def joined(self) -> Joined:
        """Forced sales on other venues, and claims on them, are among the causes."""
        session = self._session
        found = {name: records(run.trace()) for name, run in session.venues.items()}
        return join(
            self.name, found, resales(session.venues, found), system=session.built.system, rates=session.recorder.rates
        )


class SystemSession:
    """Take steps, look at the venues in between; however it is cut into calls of `advance`, it is the same run."""

    def __init__(self, scenario: SystemScenario, *, seed: int) -> None:
        """Build the system. Raises InputError for what cannot be simulated."""
        kernel_cache.tidy()
        self._began = time.perf_counter()
        self.scenario, self.seed = scenario, seed
        self.built = build_system(scenario, seed=seed)
        self.venues = {name: Member(name, self) for name in self.built.venues}
        self.recorder = SystemRecorder(self.built.system, ticks=scenario.ticks)
        self.given: dict[str, PriceShock] = {}
        """Shocks to the outside world that were asked for while it ran."""
        self.log: list[Done] = []
        """Those, and the ones of the scenario, that have acted."""
        world = next(iter(self.built.venues.values())).world
        timed = [(world.ticks(what.at_seconds), name, what) for name, what in self.built.prices.items()]
        self._waiting = sorted(timed, key=lambda entry: entry[0])

    @property
    def tick(self) -> int:
        """Ticks that are over."""
        return self.built.system.tick

    @property
    def ticks_left(self) -> int:
        """Ticks until the scenario is over."""
        return self.scenario.ticks - self.tick

    @property
    def wall_seconds(self) -> float:
        """Time since it was begun."""
        return time.perf_counter() - self._began

    def advance(self, ticks: int = 1, *, observers: tuple[Observer, ...] = ()) -> None:
        """Take so many steps, at most `ticks_left`, and record each."""
        if ticks > self.ticks_left:
            raise ValueError(f"{ticks} ticks asked for, the scenario has {self.ticks_left} left")
        end = self.tick + ticks
        while self.tick < end:
            self._act()
            due = [run.interventions.next_tick for run in self.venues.values()]
            due.append(self._waiting[0][0] if self._waiting else None)
            until = min([end, *(tick for tick in due if tick is not None)])
            run_system(self.built.system, ticks=until - self.tick, observers=(self._record, *observers))

    def give(self, what: Any, *, venue: str | None = None) -> Done:
        """Do something now, between two ticks, and keep it for `as_scenario`: to the outside world where it is a
        shock to a price, else to a venue. Raises InputError, and does nothing, when it cannot be done."""
        names = {*self.scenario.interventions, *self.given}
        for name, run in self.venues.items():
            names |= {*self.scenario.venues[name].interventions, *run.interventions.given}
        name, now = free_name(names), replace(what, at_seconds=self.built.system.seconds)
        if isinstance(now, PriceShock):
            self._act()
            if problems := price_problems(self.scenario, {name: now}):
                raise InputError(problems[0])
            self.given[name] = now
            return self._shock(name, now)
        if venue not in self.venues:
            raise InputError(f"venue: no venue {venue!r}; venues are {', '.join(self.venues)}")
        done = self.venues[venue].interventions.give(name, now)
        self._follow(venue)
        return done

    def as_scenario(self) -> SystemScenario:
        """The scenario that does by itself what was done in this session: the same run with the same seed."""
        venues = dict(self.scenario.venues)
        for name, run in self.venues.items():
            own, given = venues[name], cast("dict[str, Any]", run.interventions.given)
            venues[name] = replace(own, interventions={**own.interventions, **given})
        return replace(self.scenario, venues=venues, interventions={**self.scenario.interventions, **self.given})

    def _record(self, system: System) -> None:
        for name, run in self.venues.items():
            run.recorder(system.world(name))
        self.recorder(system)

    def _act(self) -> None:
        """Do what is due on all venues and in the outside world."""
        for name, run in self.venues.items():
            next_tick = run.interventions.next_tick
            if next_tick is not None and next_tick <= self.tick:
                try:
                    run.interventions.act()
                except InputError as error:
                    raise InputError(f"venues.{name}.{error}") from None
                self._follow(name)
        while self._waiting and self._waiting[0][0] <= self.tick:
            _, name, what = self._waiting.pop(0)
            self._shock(name, what)

    def _follow(self, name: str) -> None:
        """Let a venue be run by the rules of now."""
        members = self.built.system.members
        members[name] = replace(members[name], rules=self.venues[name].interventions.rules)

    def _shock(self, name: str, shock: PriceShock) -> Done:
        self.built.system.outside.add(shock)
        self.log.append(Done(tick=self.tick, name=name, text=told(shock)))
        return self.log[-1]

    def liquidations(self) -> int:
        """Accounts closed by force so far, claim by claim, on all venues."""
        total = 0
        for run in self.venues.values():
            world = run.built.world
            events: Any = world.events[: world.n_events]
            total += len(np.unique(events["account"].astype(np.int64) << 32 | events["claim_tick"]))
        return total
