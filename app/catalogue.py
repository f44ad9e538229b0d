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


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where a scenario is from; sent to the process that runs it."""

    name: str
    file: str | None = None
    """Path given on the command line; None for an embedded scenario or an upload."""
    text: str | None = None
    """Uploaded TOML."""

    def load(self, venue: str | None) -> Scenario:
        """The scenario under the rules of a venue, or its own. Raises InputError."""
        if venue is not None and venue not in library.venues():
            raise InputError(f"venue: no venue {venue!r}; see /api/venues")
        if self.text is None:
            return load(self.file or self.name, venue=venue)[0]
        layers = [Layer(file=library.find_venue(venue), holds=VENUE_TABLES, replaces=GIVE_WAY)] if venue else []
        return config.load(Scenario, self.text, layers=layers, name=self.name)[0]


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
    if "venues" in tree:
        raise InputError("venues: several venues; the laboratory runs scenarios of one")
    known = {file.stem for folder in (*library.FOLDERS, library.VENUES) for file in folder.glob("*.toml")}
    said = tree.get("extends", [])
    for name in said if isinstance(said, list) else [said]:
        if name not in known:
            raise InputError(
                f"extends: {str(name)[:80]!r} is no embedded scenario, preset or venue; an upload can name no file"
            )
    for table in ("reference", "population"):
        inner = tree.get(table)
        if isinstance(inner, dict) and "file" in inner:
            raise InputError(f"{table}.file: an upload can name no file; start `cascade app FILE` with it instead")


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


class Catalogue:
    """Scenarios by the names that views open them under."""

    def __init__(self, first: str | None, *, most_uploads: int) -> None:
        """`first` is what the command line named: an embedded scenario or a file. Raises InputError."""
        self._files: dict[str, str] = {}
        self._uploads: OrderedDict[str, tuple[str, str]] = OrderedDict()
        self._most = most_uploads
        self.first = first or "flash-crash"
        if first is not None and first not in library.scenarios():
            file = library.find(first)
            if library.has_venues(file):
                raise InputError(f"{first}: has several venues; the laboratory runs scenarios of one")
            self.first = Path(file).stem
            self._files[self.first] = str(file)

    def find(self, name: str) -> Source:
        """The source of a scenario. Raises InputError when there is none of that name."""
        if name in self._files:
            return Source(name=name, file=self._files[name])
        if name in self._uploads:
            return Source(name=self._uploads[name][0], text=self._uploads[name][1])
        if name in library.scenarios():
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

    def listed(self) -> list[dict[str, str]]:
        """Name and summary of each, the one to begin with first."""
        found = [{"name": name, "summary": f"from {file}"} for name, file in self._files.items()]
        found += [{"name": name, "summary": summary} for name, summary in library.scenarios().items()]
        found += [{"name": key, "summary": f"uploaded: {name}"} for key, (name, _) in self._uploads.items()]
        return sorted(found, key=lambda entry: entry["name"] != self.first)
