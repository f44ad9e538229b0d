"""The commands that look for a design. Each imports what it needs when it runs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from experiments.sweep.commands import STORE, Json, StorePlace, StudyFile, Workers
from market.errors import InputError


def register(command: Callable[[Any], Any]) -> None:
    """Make these functions commands of the program."""
    for function in (tune, limit, migrate):
        command(function)


@contextmanager
def kept() -> Iterator[None]:
    """Say what is kept after Ctrl-C, and what is missing without Optuna."""
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name != "optuna":
            raise
        raise InputError("optuna is not installed: pip install -c constraints.txt '.[tune]'") from None
    except KeyboardInterrupt as stop:
        print(str(stop) or "interrupted: all finished runs are kept; go on with the same call", file=sys.stderr)
        raise typer.Exit(130) from None


def tune(
    study: StudyFile,
    *,
    workers: Workers = None,
    store: StorePlace = STORE,
    as_json: Json = False,
) -> None:
    """Search for the most capital-efficient design within a limit of loss; confirm it on fresh seeds."""
    from experiments.sweep.command import Call

    with kept():
        from experiments.tune.command import perform

        perform(Call(study=study, store=store, workers=workers), as_json=as_json)


def limit(
    study: StudyFile,
    *,
    workers: Workers = None,
    store: StorePlace = STORE,
    as_json: Json = False,
) -> None:
    """Find the largest value of one parameter, such as a cap, at which a loss stays below a ceiling."""
    from experiments.sweep.command import Call

    with kept():
        from experiments.tune.cap_command import perform

        perform(Call(study=study, store=store, workers=workers), as_json=as_json)


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
