"""The commands about what is rare. Each imports what it needs when it runs, so that `--help` is immediate."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import typer

from experiments.sweep.commands import STORE, Json, StorePlace, StudyFile, Workers, of_study, perform_with

Split = Annotated[
    bool, typer.Option("--split", help="For experts: split runs that got far instead, as [splitting] says.")
]


def register(command: Callable[[Any], Any]) -> None:
    """Make these functions commands of the program."""
    for function in (reverse_stress, attack, rare, until):
        command(function)


reverse_stress = of_study(
    "reverse_stress",
    "experiments.stress.reverse_command",
    "Find the most likely joint shock (prices, depth, oracle ...) at which a loss is reached.",
)
attack = of_study(
    "attack",
    "experiments.stress.attack_command",
    "Find the greatest profit of an attacker with so much capital against a design, in several markets.",
)
until = of_study(
    "until",
    "experiments.stress.until",
    "Take more and more seeds until an interval is as narrow as the study asks; exit code 1 when seeds run out.",
)


def rare(
    study: StudyFile,
    *,
    workers: Workers = None,
    store: StorePlace = STORE,
    split: Split = False,
    as_json: Json = False,
) -> None:
    """Estimate a rare loss by importance sampling: falls drawn more often than they come, and weighted."""
    module = "experiments.stress.splitting" if split else "experiments.stress.rare"
    perform_with(module, study=study, store=store, workers=workers, as_json=as_json)
