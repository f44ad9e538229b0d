"""`cascade run` of a scenario with several venues: what it prints."""

from __future__ import annotations

import textwrap
from typing import Any

from experiments import show
from experiments.systems import story
from experiments.systems.result import SystemResult


def as_json(result: SystemResult) -> dict[str, Any]:
    """Figures of the system, and of each venue under its name."""
    return {**result.kpis, "venues": {name: one.kpis for name, one in result.venues.items()}}


def print_result(result: SystemResult) -> None:
    """Headline, a table of venues, and the figures of the whole."""
    for note in result.notes:
        print(textwrap.fill(f"note: {note}", show.WIDTH))
    print(textwrap.fill(story.headline(result), show.WIDTH))
    print()
    show.print_table(story.venue_rows(result), header=story.VENUE_COLUMNS, right=story.NUMBERS)
    print()
    show.print_table(story.figure_rows(result.kpis), header=("figure", "value"), right=(1,))
