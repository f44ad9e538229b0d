"""What `cascade limit` does, from the study's name to what is printed."""

from __future__ import annotations

import sys

from experiments import show
from experiments.study.load import load_study
from experiments.study.model import Seeds
from experiments.sweep.command import Call
from experiments.tune import progress
from experiments.tune.bench import evaluator
from experiments.tune.cap import as_json as json_of
from experiments.tune.cap import find_cap, rows, sentence
from experiments.tune.evaluate import Figures
from market.errors import InputError


def perform(call: Call, *, as_json: bool) -> None:
    """Find the cap of a study and print it. Raises InputError, and Interrupted: the same call goes on."""
    loaded = load_study(call.study)
    wanted = loaded.study.cap
    if wanted is None:
        raise InputError(f"{loaded.file}: has no table [cap]")
    whole = wanted.range[2:] == ("whole",)
    kpis = [wanted.measure.kpi]
    with progress.display(sys.stderr) as say, evaluator(loaded, call, kpis=kpis, command="limit") as made:

        def sample(value: float, seeds: Seeds) -> Figures:
            return made.figures({wanted.path: int(value) if whole else value}, seeds)

        found = find_cap(
            wanted, loaded.study.seeds, sample, told=lambda done, total: say("bisection, at most", done, total)
        )
    if as_json:
        show.print_json(json_of(found))
        return
    header = ("value", "loss", "upper bound", "seeds", "side of the ceiling")
    show.print_table(rows(found.points), header=header)
    print()
    show.print_words(sentence(found, wanted) + ".")
