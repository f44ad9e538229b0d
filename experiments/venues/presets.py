"""The embedded venues: which there are, and what they say about themselves."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from agents.oracle import Oracles
from experiments import config, library
from experiments.fields import plain
from market.parameters import parameters
from market.venue import Venue

PAGE = Path("docs/venues.md")
BEGIN, END = "<!-- venues: begin -->", "<!-- venues: end -->"

HEADER = ("venue", "as of", "margin", "rules", "leaves out")


@parameters
class VenueAgents:
    """Who works for a venue."""

    oracles: Oracles = Oracles()
    """Where its prices come from."""


@parameters
class VenueFile:
    """What the file of a venue holds; `--venue` lays what it states over a scenario."""

    venue: Venue = Venue()
    """Its rules."""
    agents: VenueAgents = VenueAgents()
    """Who works for it."""


def preset(name: str) -> VenueFile:
    """An embedded venue by name, or a TOML file by path. Raises InputError with one line for every problem."""
    found, _ = config.load(VenueFile, library.find_venue(name))
    return found


def presets() -> list[Venue]:
    """The rules of all embedded venues, in alphabetical order of their names."""
    return [preset(name).venue for name in library.venues()]


def rows(venues: Sequence[Venue]) -> list[tuple[str, ...]]:
    """Rows under HEADER."""
    return [
        (
            venue.about.name,
            venue.about.as_of,
            venue.margin.mode,
            venue.about.summary,
            "; ".join(venue.about.leaves_out),
        )
        for venue in venues
    ]


def as_json(venue: Venue) -> dict[str, Any]:
    """What a venue says about itself, for programs."""
    return {**plain(venue.about), "mode": venue.margin.mode}


def markdown() -> str:
    """The table of docs/venues.md."""
    lines = [f"| {' | '.join(HEADER)} |", "|---" * len(HEADER) + "|"]
    lines += [f"| {' | '.join(cells)} |" for cells in rows(presets())]
    return "\n".join(lines)


def write(page: Path = PAGE) -> None:
    """Renew that table."""
    text = page.read_text(encoding="utf-8")
    head, _, rest = text.partition(BEGIN)
    page.write_text(f"{head}{BEGIN}\n{markdown()}\n{END}{rest.partition(END)[2]}", encoding="utf-8")


if __name__ == "__main__":
    write()
