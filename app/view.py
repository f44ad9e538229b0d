"""One view's run: a world, or two on the same random numbers in lockstep, and what a page can do to them."""

from __future__ import annotations

import gc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from app import protocol
from app.catalogue import Source
from app.limits import Limits, check_size, check_world
from app.shocks import described, made
from experiments import InputError
from experiments.config import resolved_toml
from experiments.distribution import distribution
from experiments.interventions import Change
from experiments.interventions.values import with_value
from experiments.run import Session
from experiments.scenario import Scenario
from experiments.settings import settings
from experiments.snapshots import Feed, describe
from experiments.snapshots.account import explain_account

NO_LADDER: dict[str, list[Any]] = {"bids": [], "asks": []}
"""In the place of ladders that nobody looks at."""


class View:
    """A run in progress. `sides` are "a" and, when two designs are compared, "b"."""

    def __init__(
        self,
        wanted: protocol.Open,
        source: Source,
        *,
        limits: Limits,
        studies: list[Path],
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Build the worlds. Raises InputError for what cannot be simulated, or is too large."""
        self.wanted, self._source, self._say = wanted, source, say
        designs = {"a": _design(source, wanted.venue, wanted.set)}
        if wanted.compare is not None:
            designs["b"] = _design(source, wanted.compare.venue, {**wanted.set, **wanted.compare.set})
        for scenario in designs.values():
            check_size(scenario, limits)
        self._designs, self._limits = designs, limits
        self._study = distribution(designs["a"], studies)
        self.sides: dict[str, Session] = {}
        self.feeds: dict[str, Feed] = {}
        self.book: int | None = None
        self.restart()

    def restart(self) -> None:
        """Begin anew, without what was done in the session."""
        self._say("building the market")
        self.sides, self.feeds = {}, {}
        gc.collect()  # the worlds of before are large and hold one another
        self.sides = {name: Session(scenario, seed=self.wanted.seed) for name, scenario in self._designs.items()}
        for session in self.sides.values():
            check_world(session.built.world, self._limits)
        self.feeds = {name: Feed(session) for name, session in self.sides.items()}

    @property
    def tick(self) -> int:
        """Ticks that are over."""
        return self.sides["a"].built.world.tick

    @property
    def ticks(self) -> int:
        """Length of the run."""
        return self._designs["a"].ticks

    @property
    def fills(self) -> int:
        """Forced fills on all sides so far."""
        return sum(session.built.world.n_events for session in self.sides.values())

    def advance(self, ticks: int) -> None:
        """Take so many steps, no more than are left, on all sides."""
        left = min(ticks, self.ticks - self.tick)
        for session in self.sides.values() if left > 0 else ():
            session.advance(left)

    def world(self) -> dict[str, Any]:
        """The message that a page begins with."""
        session, scenario = self.sides["a"], self._designs["a"]
        other = self._designs.get("b")
        return {
            "is": "world",
            "version": protocol.VERSION,
            "scenario": self.wanted.scenario,
            "summary": scenario.summary,
            "venue": self.wanted.venue,
            "seed": self.wanted.seed,
            **describe(session.built.world, ticks=self.ticks),
            "settings": [setting.as_json() for setting in settings(scenario)],
            "compare": other is not None,
            "compare_settings": None if other is None else [setting.as_json() for setting in settings(other)],
            "shocks": described(session.built.world),
            "study": self._study,
        }

    def frame(self) -> dict[str, Any]:
        """What is new since the last frame and how things stand, by side."""
        return {"tick": self.tick, "ticks": self.ticks, "done": self.tick >= self.ticks, "sides": self._shown()}

    def _shown(self) -> dict[str, Any]:
        found = {name: feed.side() for name, feed in self.feeds.items()}
        for side in found.values():
            if self.book is not None:
                side["ladder"] = [rows if book == self.book else NO_LADDER for book, rows in enumerate(side["ladder"])]
        return found

    def set(self, message: protocol.Set) -> None:
        """Change a setting of the running worlds. Raises InputError."""
        value = message.value
        self._give(message.side, Change(at_seconds=0.0, path=message.path, value=value))

    def shock(self, message: protocol.Shock) -> None:
        """Do something to the running worlds. Raises InputError."""
        first = self.sides["b" if message.side == "b" and "b" in self.sides else "a"]
        self._give(message.side, made(message, first.built.world))

    def _give(self, side: str, what: Any) -> None:
        if self.tick >= self.ticks:
            raise InputError("the run is over; restart it to go on")
        if side == "b" and "b" not in self.sides:
            raise InputError("side: there is no side b; open with compare")
        for name, session in self.sides.items():
            if side in (name, "both"):
                try:
                    session.give(what)
                except InputError as error:
                    text = str(error).split(": ", 1)[-1] if str(error).startswith("interventions.live") else str(error)
                    raise InputError(f"side {name}: {text}" if len(self.sides) > 1 else text) from None

    def account(self, message: protocol.Account) -> dict[str, Any]:
        """One account explained. Raises InputError."""
        session = self._side(message.side)
        try:
            return {"is": "account", "side": message.side, **explain_account(session, message.account)}
        except IndexError:
            raise InputError(f"account: no account {message.account}") from None

    def export(self, message: protocol.Export) -> dict[str, Any]:
        """The session as a scenario. Raises InputError."""
        session = self._side(message.side)
        name = f"{self._source.name}-session.toml"
        head = f"# A session in the laboratory. The same figures: cascade run {name} --seed {self.wanted.seed}\n"
        return {"is": "export", "name": name, "toml": head + resolved_toml(session.as_scenario())}

    def _side(self, name: str) -> Session:
        if name not in self.sides:
            raise InputError(f"side: there is no side {name}; open with compare")
        return self.sides[name]


def _design(source: Source, venue: str | None, values: dict[str, Any]) -> Scenario:
    """The scenario with settings that have a slider changed before it begins. Raises InputError."""
    scenario = source.load(venue)
    known = {setting.path for setting in settings(scenario)}
    planned = scenario.interventions
    bare = replace(scenario, interventions={})
    for path, value in values.items():
        if path not in known:
            raise InputError(f"set.{path}: no setting of this scenario")
        bare = with_value(bare, path, value)
    try:
        return replace(bare, interventions=planned)
    except ValueError as error:
        raise InputError(str(error)) from None
