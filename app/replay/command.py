"""What `cascade replay` does."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

MOST_MB = 8.0
"""Size up to which a replay goes through as an attachment; a larger one is written with a word about it."""


def replay(
    run: Annotated[Path, typer.Argument(metavar="RUN_DIR", help="Folder that `cascade run` wrote.")],
    *,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Page to write [default: replay.html beside the folder].")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print only JSON.")] = False,
) -> None:
    """Write a run as one page that anyone can open, offline, with all views and a slider over time."""
    from app.replay.columns import packed
    from app.replay.page import page
    from experiments import folder, show

    target = out or run.resolve().parent / f"{run.resolve().name}-replay.html"
    columns, notes = packed(run)
    folder.check_file(target)
    text = page(columns)
    folder.write_file(target, text)
    megabytes = len(text.encode()) / 1e6
    if as_json:
        show.print_json({"replay": str(target), "megabytes": round(megabytes, 3), "notes": notes})
        return
    for note in notes:
        print(f"note: {note}")
    if megabytes > MOST_MB:
        print(f"note: larger than {MOST_MB:g} MB; a shorter run makes a smaller page")
    print(f"replay: {target} ({megabytes:.1f} MB)")
