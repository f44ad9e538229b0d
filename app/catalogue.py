"""Which scenarios a view may open: embedded ones, one from the command line, and what was uploaded, kept in memory."""

from __future__ import annotations

import hashlib
import tomllib
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments import InputError, config, library
from experiments.config import Layer
from experiments.scenario import GIVE_WAY, VENUE_TABLES, Scenario, load
from experiments.systems.scenario import SystemScenario, load_system


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where a scenario is from; sent to the process that runs it."""

    name: str
    file: str | None = None
    """Path given on the command line; None for an embedded scenario or an upload."""
    text: str | None = None
    """Uploaded TOML."""

    def load(self, venue: str | None) -> Scenario | SystemScenario:
        """The scenario under the rules of a venue, or its own. Raises InputError."""
        if venue is not None and venue not in library.venues():
            raise InputError(f"venue: no venue {venue!r}; see /api/venues")
        if self.several():
            if venue is not None:
                raise InputError("venue: the scenario has several venues, each with rules of its own; leave it out")
            if self.text is None:
                return load_system(self.file or self.name)[0]
            return config.load(SystemScenario, self.text, name=self.name)[0]
        if self.text is None:
            return load(self.file or self.name, venue=venue)[0]
        layers = [Layer(file=library.find_venue(venue), holds=VENUE_TABLES, replaces=GIVE_WAY)] if venue else []
        return config.load(Scenario, self.text, layers=layers, name=self.name)[0]

    def several(self) -> bool:
        """Whether it has several venues."""
        if self.text is not None:
            return "venues" in tomllib.loads(self.text)
        return library.has_venues(library.find(self.file or self.name))


def check_upload(text: str, *, depth: int) -> None:
    """Refuse what a stranger's scenario may not do: name files of this machine. Raises InputError."""
    try:
        tree = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"not TOML: {error}") from None
    except RecursionError:
        raise InputError("not TOML: tables within tables without end") from None
    if _depth(tree) > depth:
        raise InputError(f"more than {depth} tables within tables")
    known = {file.stem for folder in (*library.FOLDERS, library.VENUES) for file in folder.glob("*.toml")}
    venues = tree.get("venues", {})
    inner = venues.items() if isinstance(venues, dict) else ()
    for place, table in (("", tree), *((f"venues.{name}.", own) for name, own in inner)):
        if isinstance(table, dict):
            _check_names(table, place, known)


def _check_names(tree: dict[str, Any], place: str, known: set[str]) -> None:
    """Of the scenario or of one of its venues."""
    said = tree.get("extends", [])
    for name in said if isinstance(said, list) else [said]:
        if name not in known:
            what = f"{str(name)[:80]!r} is no embedded scenario, preset or venue"
            raise InputError(f"{place}extends: {what}; an upload can name no file")
    for table in ("reference", "population"):
        inner = tree.get(table)
        if isinstance(inner, dict) and "file" in inner:
            raise InputError(
                f"{place}{table}.file: an upload can name no file; start `cascade app FILE` with it instead"
            )


def _depth(value: Any) -> int:
    """Tables and lists within one another."""
    level, deepest = [value], 0
    while level:
        deepest += 1
        inner: list[Any] = []
        for entry in level:
            inner += entry.values() if isinstance(entry, dict) else entry if isinstance(entry, list) else ()
        level = [entry for entry in inner if isinstance(entry, dict | list)]
    return deepest


def _embedded() -> dict[str, str]:
    """Name -> summary of all embedded scenarios, those of several venues last."""
    return {**library.scenarios(), **library.systems()}


class Catalogue:
    """Scenarios by the names that views open them under."""

    def __init__(self, first: str | None, *, most_uploads: int) -> None:
        """`first` is what the command line named: an embedded scenario or a file. Raises InputError."""
        self._files: dict[str, str] = {}
        self._uploads: OrderedDict[str, tuple[str, str]] = OrderedDict()
        self._most = most_uploads
        self.first = first or "flash-crash"
        if first is not None and first not in _embedded():
            file = library.find(first)
            self.first = Path(file).stem
            self._files[self.first] = str(file)

    def find(self, name: str) -> Source:
        """The source of a scenario. Raises InputError when there is none of that name."""
        if name in self._files:
            return Source(name=name, file=self._files[name])
        if name in self._uploads:
            return Source(name=self._uploads[name][0], text=self._uploads[name][1])
        if name in _embedded():
            return Source(name=name)
        raise InputError(f"no scenario {name[:80]!r}; see /api/scenarios")

    def add(self, text: str, *, name: str) -> str:
        """Keep an upload; return the name under which it can be opened, the same for the same text."""
        key = f"upload-{hashlib.sha256(text.encode()).hexdigest()[:16]}"
        self._uploads[key] = (name, text)
        self._uploads.move_to_end(key)
        while len(self._uploads) > self._most:
            self._uploads.popitem(last=False)
        return key

    def listed(self) -> list[dict[str, Any]]:
        """Name and summary of each, and whether it has several venues; the one to begin with first."""
        found: list[dict[str, Any]] = [{"name": name, "summary": f"from {file}"} for name, file in self._files.items()]
        found += [{"name": name, "summary": summary} for name, summary in _embedded().items()]
        found += [{"name": key, "summary": f"uploaded: {name}"} for key, (name, _) in self._uploads.items()]
        for entry in found:
            entry["several"] = self.find(entry["name"]).several()
        return sorted(found, key=lambda entry: entry["name"] != self.first)
