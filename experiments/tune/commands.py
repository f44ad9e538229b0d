"""The commands that look for a design. Each imports what it needs when it runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from experiments.sweep.commands import Json, of_study


def register(command: Callable[[Any], Any]) -> None:
    """Make these functions commands of the program."""
    for function in (tune, limit, migrate):
        command(function)


tune = of_study(
    "tune",
    "experiments.tune.command",
    "Search for the most capital-efficient design within a limit of loss; confirm it on fresh seeds.",
)
limit = of_study(
    "limit",
    "experiments.tune.cap_command",
    "Find the largest value of one parameter, such as a cap, at which a loss stays below a ceiling.",
)


def migrate(
    current: Annotated[str, typer.Argument(metavar="CURRENT", help="Rules of today: a scenario or a venue.")],
    proposed: Annotated[str, typer.Argument(metavar="PROPOSED", help="Rules to switch to: the same kinds.")],
    *,
    accounts: Annotated[Path, typer.Option(metavar="FILE", help="The book of accounts (CSV or Parquet).")],
    steps: Annotated[int, typer.Option(min=1, help="Steps of the phased change.")] = 4,
    scenario: Annotated[
        str, typer.Option(metavar="NAME", help="Where assets and prices are from under the rules of a venue.")
    ] = "flash-crash",
    as_json: Json = False,
) -> None:
    """Show who becomes liquidatable the moment a change of rules is switched on, at once or in steps."""
    from experiments import migration, show

    worlds = [migration.rules(name, base=scenario, accounts=accounts) for name in (current, proposed)]
    found = migration.migrate(worlds[0], worlds[1], steps=steps)
    if as_json:
        show.print_json(migration.as_json(found))
    else:
        migration.print_found(found)
