"""Commands that read the folder of a run. They import what they need when they run, so that `--help` is immediate."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def contagion(
    run: Annotated[Path, typer.Argument(metavar="RUN_DIR", help="Folder that `cascade run` wrote.")],
    *,
    event: Annotated[int | None, typer.Option(metavar="ID", help="One forced sale, by row.")] = None,
    account: Annotated[str | None, typer.Option(metavar="NAME", help="One liquidated account.")] = None,
    asset: Annotated[str | None, typer.Option(metavar="SYM", help="One asset.")] = None,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Write figures and graph files.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what is in --out.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print only JSON.")] = False,
) -> None:
    """Tell who brought down whom in a run: causes of every liquidation, to the unit."""
    from experiments.contagion.command import contagion as of_run
    from experiments.systems.contagion import contagion as of_system
    from experiments.systems.contagion import is_system

    tell = of_system if is_system(run) else of_run
    tell(run, event=event, account=account, asset=asset, out=out, overwrite=overwrite, as_json=as_json)
