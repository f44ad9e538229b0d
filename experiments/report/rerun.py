"""How to run a result again: the nearest embedded scenario and what was changed in it."""

from __future__ import annotations

import itertools
import json
import shlex

from experiments import library
from experiments.fields import leaves, plain, scenario_hash
from experiments.scenario import Scenario
from market.errors import InputError

MOST_CHANGES = 8
"""With more, the resolved scenario as a file is the shorter way."""


def command(scenario: Scenario, *, seed: int) -> str | None:
    """The shell command that gives this scenario and seed again; None when it is too far from every embedded one."""
    wanted = {leaf.path: plain(leaf.value) for leaf in leaves(scenario)}
    found: tuple[int, str] | None = None
    own = scenario.venue.about.name
    venues = (None, own) if own in library.venues() else (None,)
    for name, venue in itertools.product(library.scenarios(), venues):
        try:
            changes = _changes(Scenario.load(name, venue=venue), wanted)
            exact = len(changes) <= MOST_CHANGES and scenario_hash(
                Scenario.load(name, venue=venue, overrides=changes)
            ) == scenario_hash(scenario)
        except InputError:
            continue
        if exact and (found is None or len(changes) < found[0]):
            sets = "".join(f" --set {shlex.quote(change)}" for change in changes)
            rules = f" --venue {venue}" if venue else ""
            found = (len(changes), f"cascade run {name}{rules}{sets} --seed {seed}")
    return found[1] if found else None


def _changes(base: Scenario, wanted: dict[str, object]) -> list[str]:
    """ "key.path=value" for every value that differs from the base; the summary is only words, but part of the hash."""
    have = {leaf.path: plain(leaf.value) for leaf in leaves(base)}
    return [f"{path}={_toml(value)}" for path, value in wanted.items() if path not in have or have[path] != value]


def _toml(value: object) -> str:
    return "none" if value is None else json.dumps(value, ensure_ascii=False)
