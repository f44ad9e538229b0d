"""The commands about what is rare. Each imports what it needs when it runs, so that `--help` is immediate."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import typer

from experiments.sweep.commands import STORE, Json, StorePlace, StudyFile, Workers
from experiments.tune.commands import kept

Split = Annotated[
    bool, typer.Option("--split", help="For experts: split runs that got far instead, as [splitting] says.")
]


def register(command: Callable[[Any], Any]) -> None:
    """Make these functions commands of the program."""
    for function in (reverse_stress, attack, rare, until):
        command(function)


def reverse_stress(
    study: StudyFile,
    *,
    workers: Workers = None,
    store: StorePlace = STORE,
    as_json: Json = False,
) -> None:
    """Find the most likely joint shock (prices, depth, oracle ...) at which a loss is reached."""
    from experiments.sweep.command import Call

    with kept():
        from experiments.stress.reverse_command import perform

        perform(Call(study=study, store=store, workers=workers), as_json=as_json)


def attack(
    study: StudyFile,
    *,
    workers: Workers = None,
    store: StorePlace = STORE,
    as_json: Json = False,
) -> None:
    """Find the greatest profit of an attacker with so much capital against a design, in several markets."""
    from experiments.sweep.command import Call

    with kept():
        from experiments.stress.attack_command import perform

        perform(Call(study=study, store=store, workers=workers), as_json=as_json)


def rare(
    study: StudyFile,
    *,
    workers: Workers = None,
    store: StorePlace = STORE,
    split: Split = False,
    as_json: Json = False,
) -> None:
    """Estimate a rare loss by importance sampling: falls drawn more often than they come, and weighted."""
    from experiments.sweep.command import Call

    with kept():
        if split:
            from experiments.stress.splitting import perform
        else:
            from experiments.stress.rare import perform

        perform(Call(study=study, store=store, workers=workers), as_json=as_json)


def until(
    study: StudyFile,
    *,
    workers: Workers = None,
    store: StorePlace = STORE,
    as_json: Json = False,
) -> None:
    """Take more and more seeds until an interval is as narrow as the study asks; exit code 1 when seeds run out."""
    from experiments.sweep.command import Call

    with kept():
        from experiments.stress.until import perform

        if not perform(Call(study=study, store=store, workers=workers), as_json=as_json):
            raise typer.Exit(1)
