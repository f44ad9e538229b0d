"""The interventions of one run as they happen: those of the scenario when their time has come, others when asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from experiments.interventions.check import problems
from experiments.interventions.kinds import Change, Intervention, told
from experiments.interventions.live import Target, follower, refusal
from experiments.interventions.shocks import ACTIONS
from experiments.interventions.values import with_value
from experiments.scenario import Scenario
from market.errors import InputError
from market.simulation import Rules

if TYPE_CHECKING:
    from experiments.build import Built


@dataclass(frozen=True, kw_only=True)
class Done:
    """An intervention that has acted."""

    tick: int
    """First tick it holds in."""
    name: str
    text: str


class Interventions:
    """What is done to one world. `rules` and `scenario` are those of now; `log` says what has been done."""

    def __init__(self, scenario: Scenario, built: Built) -> None:
        world = built.world
        self.scenario = replace(scenario, interventions={})
        """The scenario with every change so far, and without interventions."""
        self.rules = built.rules
        self.log: list[Done] = []
        self._target = Target(world=world, cast=built.cast)
        timed = [(world.ticks(what.at_seconds), name, what) for name, what in scenario.interventions.items()]
        self._waiting = sorted(timed, key=lambda entry: entry[0])  # in the scenario's order within a tick
        self._given: dict[str, Intervention] = {}

    @property
    def next_tick(self) -> int | None:
        """When the next one acts; None when none is left."""
        return self._waiting[0][0] if self._waiting else None

    @property
    def given(self) -> Mapping[str, Intervention]:
        """Those that were asked for while the world ran."""
        return self._given

    def act(self) -> None:
        """Do what is due. Called between ticks. Raises InputError for what this world cannot have done to it."""
        while self._waiting and self._waiting[0][0] <= self._target.world.tick:
            _, name, what = self._waiting.pop(0)
            self._do(name, what)

    def give(self, name: str, what: Intervention) -> Done:
        """Do one more now, after what is due. Raises InputError, and does nothing, when that cannot be done."""
        world = self._target.world
        if world.ticks(what.at_seconds) != world.tick:
            raise InputError(f"interventions.{name}: at {what.at_seconds:g} s, and it is {world.seconds:g} s")
        self.act()
        if found := problems(self.scenario, {name: what}):
            raise InputError(found[0])
        done = self._do(name, what)
        self._given[name] = what
        return done

    def _do(self, name: str, what: Intervention) -> Done:
        try:
            more = self._change(what) if isinstance(what, Change) else ACTIONS[type(what)](self._target, what)
        except InputError as error:
            raise InputError(f"interventions.{name}: {error}") from None
        text = told(what) + (f": {more}" if more else "")
        self.log.append(Done(tick=self._target.world.tick, name=name, text=text))
        return self.log[-1]

    def _change(self, change: Change) -> str:
        follow = follower(change.path)
        why = refusal(self.scenario, change.path)
        if follow is None or why:
            raise InputError(f"{change.path}: {why}")
        after = with_value(self.scenario, change.path, change.value)
        follow(self._target, self.scenario, after)
        self.scenario = after
        self.rules = Rules(venue=after.venue)
        return ""
