"""Commands that the app adds. They import what they need when they run, so that `--help` is immediate."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from app.replay.command import replay
from experiments import cli

cli.command(replay)


@cli.command
def app(
    scenario: Annotated[
        str | None, typer.Argument(metavar="[SCENARIO]", help="What to begin with: a name or a TOML file.")
    ] = None,
    *,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Where to listen [default: 8765, or the next free one].")
    ] = None,
    host: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Serve others too; they need the token that is printed.")
    ] = "127.0.0.1",
    study: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="A store of runs or an exported study: shows where a run lies among its runs."
        ),
    ] = None,
    browser: Annotated[bool, typer.Option("--open/--no-open", help="Open the page in a browser.")] = True,
) -> None:
    """Open the laboratory in the browser: watch a market live, change its rules, shock it, compare two designs."""
    from app.command import run

    run(scenario, port=port, host=host, study=study, browser=browser)
