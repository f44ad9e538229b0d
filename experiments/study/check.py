"""What `cascade validate` finds in a file that is all right."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments import config, library
from experiments.fields import leaves
from experiments.scenario import load
from experiments.stress import attack
from experiments.stress.shocks import shock_space
from experiments.study.load import Loaded, find, load_study
from experiments.systems.scenario import load_system

OF_STUDIES = frozenset({"scenario", "changes", "seeds", "measures", "limits", "set"})
"""Keys that a study has and a scenario does not."""


@dataclass(frozen=True, kw_only=True)
class Checked:
    """A file without a mistake."""

    file: str
    kind: str
    """"scenario" or "study"."""
    said: dict[str, int]
    """How much of what there is in it."""

    def text(self) -> str:
        """One line."""
        counts = ", ".join(f"{count:,} {what}" for what, count in self.said.items())
        return f"{self.file}: a {self.kind}, nothing wrong: {counts}"

    def as_json(self) -> dict[str, Any]:
        """The same for programs."""
        return {"file": self.file, "kind": self.kind, **self.said}


def check(file: Path) -> Checked:
    """Read a scenario or a study. Raises InputError with a line for every mistake."""
    embedded = str(file) in library.scenarios() or str(file) in library.systems()
    found = library.find(file) if embedded else find(file)
    if OF_STUDIES & config.read(found).value.keys():
        loaded = load_study(found)
        _check_threats(loaded)
        said = {"designs": len(loaded.designs), "seeds": loaded.study.seeds.count, "runs": loaded.runs}
        return Checked(file=str(found), kind="study", said=said)
    scenario, provenance = load_system(found) if library.has_venues(found) else load(found)
    own = sum(config.said_by_user(source) for source in provenance.values())
    return Checked(file=str(found), kind="scenario", said={"values": len(list(leaves(scenario))), "of its own": own})


def _check_threats(loaded: Loaded) -> None:
    """Make the shocks and attacks of a study at their ends."""
    if loaded.study.stress is not None:
        shock_space(loaded, loaded.study.stress)
    if loaded.study.attack is not None:
        attack.check(loaded, loaded.study.attack)
