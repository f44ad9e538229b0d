"""The commands about studies. Each imports what it needs when it runs, so that `--help` is immediate."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

Json = Annotated[bool, typer.Option("--json", help="Print only JSON.")]


def register(command: Callable[[Any], Any]) -> None:
    """Make these functions commands of the program."""
    for function in (validate, schema):
        command(function)


def validate(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A scenario or a study, TOML.")],
    as_json: Json = False,
) -> None:
    """Say everything that is wrong with a scenario or a study: file, line, key, and what would be right."""
    from experiments import show
    from experiments.study.check import check

    found = check(file)
    if as_json:
        show.print_json(found.as_json())
    else:
        print(found.text())


def schema(
    of: Annotated[Literal["scenario", "study"], typer.Argument(help="Which kind of file.")] = "study",
) -> None:
    """Print the JSON Schema of scenario or study files: editors complete keys with it."""
    from experiments import show
    from experiments.study.schema import file_schema

    show.print_json(file_schema(of))
