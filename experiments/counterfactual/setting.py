"""The world that further runs are variations of: an embedded scenario, a file, or the folder of a run."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from experiments import config, folder, library
from experiments.config import Override, resolved_toml, toml_text
from experiments.scenario import Scenario
from experiments.systems.scenario import SystemScenario
from market.errors import InputError

AnyScenario = Scenario | SystemScenario


@dataclass(frozen=True, kw_only=True)
class Setting:
    """A resolved scenario, and which seed it was simulated with where it comes from a run."""

    name: str
    file: Path
    """Where it was read from."""
    text: str
    """TOML with every default written out."""
    systemic: bool
    """Whether it has several venues."""
    seed: int | None = None

    @cached_property
    def scenario(self) -> AnyScenario:
        """The scenario itself."""
        return self.changed(())

    @property
    def single(self) -> Scenario:
        """The scenario of one venue. Raises InputError where there are several."""
        if not isinstance(self.scenario, Scenario):
            raise InputError(f"{self.name}: has several venues; this needs a scenario of one")
        return self.scenario

    def changed(self, overrides: Sequence[str | Override]) -> AnyScenario:
        """The scenario with some values changed. Raises InputError."""
        cls: type[AnyScenario] = SystemScenario if self.systemic else Scenario
        found, _ = config.load(cls, self.text, overrides=overrides, name=self.name)
        return found


def setting(where: str | Path, *, overrides: Sequence[str | Override] = ()) -> Setting:
    """Read an embedded scenario, a TOML file, or the folder of a run. `overrides` are values that differ in all runs.

    Raises InputError for what is none of these, and for values that cannot be.
    """
    path = Path(where)
    if path.is_dir():
        return _of_run(path, overrides)
    file = library.find(where)
    systemic = library.has_venues(file)
    cls: type[AnyScenario] = SystemScenario if systemic else Scenario
    found, _ = config.load(cls, file, overrides=overrides)
    return Setting(name=file.stem, file=file, text=resolved_toml(found), systemic=systemic)


def _of_run(path: Path, overrides: Sequence[str | Override]) -> Setting:
    marker = path / folder.MARKER
    try:
        about = json.loads(marker.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: not the folder of a run (it has no {folder.MARKER})") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{marker}: cannot be read: {error}") from None
    data = about.get("scenario") if isinstance(about, dict) else None
    if not isinstance(data, dict) or not isinstance(about.get("seed"), int):
        raise InputError(f"{path}: not the folder of a single run; `cascade run` writes one")
    found = Setting(name=path.name, file=marker, text=toml_text(data), systemic="venues" in data, seed=about["seed"])
    try:
        scenario = found.changed(overrides)
    except InputError as error:
        if overrides:
            found.changed(())  # is it the run, or what is changed in it?
            raise
        raise InputError(
            f"{path}: written by another version of this program, whose scenarios were others; simulate it again "
            f"({str(error).splitlines()[0]})"
        ) from None
    return replace(found, text=resolved_toml(scenario))
