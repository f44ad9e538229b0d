"""One venue as `cascade venues NAME` shows it: every value it states, with what its file says beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments import config, library, show
from experiments.fields import leaves
from experiments.venues.presets import VenueFile, as_json
from market.venue import Venue

ABOUT = "venue.about."


@dataclass(frozen=True, kw_only=True)
class Stated:
    """One value that the file of a venue, or one that it extends, states."""

    path: str
    value: Any
    unit: str
    place: str
    """File and line."""
    source: str
    """The comment beside it: where the number is from; "" without one."""


@dataclass(frozen=True, kw_only=True)
class Card:
    """A venue, all that it states, and the heads of its files, which say what their abbreviations stand for."""

    venue: Venue
    values: tuple[Stated, ...]
    heads: Mapping[str, str]

    @classmethod
    def of(cls, name: str) -> Card:
        """An embedded venue by name, or a TOML file by path. InputError as `presets.preset` raises it."""
        file = library.find_venue(name)
        found, provenance = config.load(VenueFile, file)
        texts = {library.label(file): file.read_text(encoding="utf-8").splitlines()}
        values = []
        for leaf in leaves(found):
            label, _, line = (place := provenance[leaf.path]).rpartition(":")
            if not label or leaf.path.startswith(ABOUT):
                continue
            lines = texts.setdefault(label, [])
            if not lines:
                lines.extend(library.labelled(label).read_text(encoding="utf-8").splitlines())
            source = _comment(lines[int(line) - 1])
            values.append(Stated(path=leaf.path, value=leaf.value, unit=leaf.unit, place=place, source=source))
        heads = {Path(label).name: _head(lines) for label, lines in texts.items()}
        return cls(venue=found.venue, values=tuple(values), heads=heads)

    def json(self) -> dict[str, Any]:
        """For programs."""
        values = {
            said.path: {"value": said.value, "unit": said.unit, "place": said.place, "source": said.source}
            for said in self.values
        }
        return {**as_json(self.venue), "values": values, "heads": dict(self.heads)}

    def print(self) -> None:
        """For people, in a hundred columns."""
        about = self.venue.about
        show.print_words(f"{about.name}, as of {about.as_of}, {self.venue.margin.mode} margin")
        show.print_words(about.summary)
        for title, lines in (("leaves out", about.leaves_out), ("sources", about.sources)):
            print(f"\n{title}")
            for line in lines:
                show.print_words(line, indent="  - ")
        print()
        rows = [
            (said.path.removeprefix("venue."), f"{show.literal(said.value)} {said.unit}", said.source or said.place)
            for said in self.values
        ]
        show.print_table(rows, header=("rule", "value", "source"), wrap=(1, 2))
        for name, head in self.heads.items():
            if head:
                print()
                show.print_words(f"{name}: {head}")


def _comment(line: str) -> str:
    """What follows the # of a line of TOML, "" without one."""
    quote = ""
    for at, letter in enumerate(line):
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "\"'":
            quote = letter
        elif letter == "#":
            return line[at + 1 :].strip()
    return ""


def _head(lines: list[str]) -> str:
    """The comment that a file begins with."""
    words = []
    for line in lines:
        if not line.startswith("#"):
            break
        words.append(line[1:].strip())
    return " ".join(words)
