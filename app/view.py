"""One view's run: a world, or two on the same random numbers in lockstep, and what a page can do to them."""

from __future__ import annotations

import gc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from app import protocol
from app.catalogue import Source
from app.limits import Limits, check_size, check_worlds
from app.shocks import described, made
from experiments import InputError
from experiments.config import resolved_toml
from experiments.distribution import distribution
from experiments.interventions import Change
from experiments.interventions.values import with_value
from experiments.run import Session
from experiments.scenario import Scenario
from experiments.settings import settings
from experiments.snapshots import describe
from experiments.snapshots.account import explain_account
from experiments.snapshots.system import SystemFeed
from experiments.systems.scenario import SystemScenario
from experiments.systems.session import SystemSession

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
        first = designs["a"]
        self._study = distribution(first, studies) if isinstance(first, Scenario) else None
        self.sides: dict[str, Session | SystemSession] = {}
        self.feeds: dict[str, SystemFeed] = {}
        self.book: int | None = None
        self.venue: str | None = None
        self.restart()

    def restart(self) -> None:
        """Begin anew, without what was done in the session."""
        self._say("building the market")
        self.sides, self.feeds = {}, {}
        gc.collect()  # the worlds of before are large and hold one another
        seed = self.wanted.seed
        self.sides = {
            name: Session(design, seed=seed) if isinstance(design, Scenario) else SystemSession(design, seed=seed)
            for name, design in self._designs.items()
        }
        for session in self.sides.values():
            check_worlds([run.built.world for run in session.venues.values()], self._limits)
        self.feeds = {name: SystemFeed(session) for name, session in self.sides.items()}
        venues = self.sides["a"].venues
        first = next((name for name, run in venues.items() if run.scenario.instruments), next(iter(venues)))
        self.venue = self.venue if self.venue in venues else first

    @property
    def tick(self) -> int:
        """Ticks that are over."""
        return self.sides["a"].tick

    @property
    def ticks(self) -> int:
        """Length of the run."""
        return self._designs["a"].ticks

    @property
    def fills(self) -> int:
        """Forced fills on all sides so far."""
        return sum(run.built.world.n_events for session in self.sides.values() for run in session.venues.values())

    def advance(self, ticks: int) -> None:
        """Take so many steps, no more than are left, on all sides."""
        left = min(ticks, self.ticks - self.tick)
        for session in self.sides.values() if left > 0 else ():
            session.advance(left)

    def world(self) -> dict[str, Any]:
        """The message that a page begins with: of a system `venues` has what a message of one venue has of its own."""
        scenario, session = self._designs["a"], self.sides["a"]
        venues = [self._described(name) for name in session.venues]
        several = isinstance(session, SystemSession)
        return {
            "is": "world",
            "version": protocol.VERSION,
            "scenario": self.wanted.scenario,
            "summary": scenario.summary,
            "venue": self.wanted.venue,
            "seed": self.wanted.seed,
            "compare": "b" in self._designs,
            "study": self._study,
            **(
                {"venues": venues, "shown": self.venue, "ticks": self.ticks, "tick_seconds": scenario.tick_seconds}
                if several
                else venues[0]
            ),
        }

    def _described(self, venue: str) -> dict[str, Any]:
        """Books, settings and shocks of one venue, and of a system its name and what kind of venue it is."""
        run = self.sides["a"].venues[venue]
        sliders = {
            name: [
                {**setting.as_json(), "opens": opening_path(venue, setting.path)}
                for setting in settings(session.venues[venue].scenario)
            ]
            for name, session in self.sides.items()
        }
        return {
            **({"name": venue, "kind": run.scenario.summary} if venue else {}),
            **describe(run.built.world, ticks=self.ticks),
            "settings": sliders["a"],
            "compare_settings": sliders.get("b"),
            "shocks": described(run.built.world),
        }

    def select_venue(self, venue: str) -> None:
        """Look at another venue. Raises InputError for one that is none."""
        self.venue = self._known(venue)
        self.book = None

    def _known(self, venue: str | None) -> str:
        """The venue meant, the one that is looked at when none is named. Raises InputError."""
        known = self.sides["a"].venues
        name = self.venue if venue is None else venue
        if name is None or name not in known:
            what = (
                f"venues are {', '.join(known)}" if "" not in known else "this scenario has one venue, without a name"
            )
            raise InputError(f"venue: no venue {name!r}; {what}")
        return name

    def frame(self) -> dict[str, Any]:
        """What is new since the last frame and how things stand, by side."""
        told = {"tick": self.tick, "ticks": self.ticks, "done": self.tick >= self.ticks, "sides": self._shown()}
        return {**told, "venue": self.venue} if self.venue else told

    def _shown(self) -> dict[str, Any]:
        found = {name: feed.side(self._known(None)) for name, feed in self.feeds.items()}
        for side in found.values():
            if self.book is not None:
                side["ladder"] = [rows if book == self.book else NO_LADDER for book, rows in enumerate(side["ladder"])]
        return found

    def set(self, message: protocol.Set) -> None:
        """Change a setting of the running worlds. Raises InputError."""
        value = message.value
        self._give(message.side, Change(at_seconds=0.0, path=message.path, value=value), message.venue)

    def shock(self, message: protocol.Shock) -> None:
        """Do something to the running worlds. Raises InputError."""
        first = self.sides["b" if message.side == "b" and "b" in self.sides else "a"]
        world = first.venues[self._known(message.venue)].built.world
        self._give(message.side, made(message, world), message.venue)

    def _give(self, side: str, what: Any, venue: str | None) -> None:
        place = self._known(venue)
        if self.tick >= self.ticks:
            raise InputError("the run is over; restart it to go on")
        if side == "b" and "b" not in self.sides:
            raise InputError("side: there is no side b; open with compare")
        for name, session in self.sides.items():
            if side in (name, "both"):
                try:
                    if isinstance(session, SystemSession):
                        session.give(what, venue=place)
                    else:
                        session.give(what)
                except InputError as error:
                    text = str(error).split(": ", 1)[-1] if str(error).startswith("interventions.live") else str(error)
                    raise InputError(f"side {name}: {text}" if len(self.sides) > 1 else text) from None

    def account(self, message: protocol.Account) -> dict[str, Any]:
        """One account explained. Raises InputError."""
        venue = self._known(message.venue)
        run = self._side(message.side).venues[venue]
        try:
            told = explain_account(run, message.account)
            return {"is": "account", "side": message.side, **({"venue": venue} if venue else {}), **told}
        except IndexError:
            raise InputError(f"account: no account {message.account}") from None

    def export(self, message: protocol.Export) -> dict[str, Any]:
        """The session as a scenario. Raises InputError."""
        session = self._side(message.side)
        name = f"{self._source.name}-session.toml"
        head = f"# A session in the laboratory. The same figures: cascade run {name} --seed {self.wanted.seed}\n"
        return {"is": "export", "name": name, "toml": head + resolved_toml(session.as_scenario())}

    def _side(self, name: str) -> Session | SystemSession:
        if name not in self.sides:
            raise InputError(f"side: there is no side {name}; open with compare")
        return self.sides[name]


def opening_path(venue: str, path: str) -> str:
    """How `open` calls a setting of a venue: as the scenario's file does, where assets are shared by all venues."""
    return path if not venue or path.startswith("assets.") else f"venues.{venue}.{path}"


def _design(source: Source, venue: str | None, values: dict[str, Any]) -> Scenario | SystemScenario:
    """The scenario with settings that have a slider changed before it begins. Raises InputError."""
    scenario = source.load(venue)
    if isinstance(scenario, SystemScenario):
        known = {
            opening_path(name, setting.path)
            for name in scenario.venues
            for setting in settings(scenario.of_venue(name))
        }
        return _with_values(scenario, values, known)
    planned = scenario.interventions
    bare = _with_values(replace(scenario, interventions={}), values, {setting.path for setting in settings(scenario)})
    try:
        return replace(bare, interventions=planned)
    except ValueError as error:
        raise InputError(str(error)) from None


S = TypeVar("S", Scenario, SystemScenario)


def _with_values(scenario: S, values: dict[str, Any], known: set[str]) -> S:
    for path, value in values.items():
        if path not in known:
            raise InputError(f"set.{path}: no setting of this scenario")
        scenario = with_value(scenario, path, value)
    return scenario
