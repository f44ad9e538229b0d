"""What `cascade rare --split` does: a rare loss by splitting runs that got far, each done again from its beginning."""

from __future__ import annotations

import math
import multiprocessing
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial

import numpy as np

from experiments import interrupts, show
from experiments.frames import fill_usd
from experiments.result import Result
from experiments.run import Session
from experiments.scenario import Scenario
from experiments.statistics.splitting import Branch, Passage, Split, combined, repeat
from experiments.stress.rare import model_of
from experiments.study.load import Loaded, load_study
from experiments.study.model import Probability, Splitting
from experiments.sweep import summary
from experiments.sweep.command import Call
from experiments.tune import progress
from experiments.tune.evaluate import Interrupted
from market.errors import InputError
from market.kernels.records import ON_BOOK, OPTION, TWO_ASSETS
from market.world import World


class Fall:
    """The largest log fall of any mark since its highest, options left out."""

    def __init__(self, world: World) -> None:
        self._rows = np.flatnonzero(world.instruments["kind"] != OPTION)
        self._peak = world.instruments["mark"][self._rows].astype(np.float64)
        self.value = 0.0

    def look(self, world: World) -> None:
        """Take in a tick."""
        marks = world.instruments["mark"][self._rows].astype(np.float64)
        np.maximum(self._peak, marks, out=self._peak)
        self.value = max(self.value, float(np.log(self._peak / marks).max(initial=0.0)))


class Closed:
    """What was liquidated on books, in pools and by seizure until now, USD at the reference price of then."""

    def __init__(self, _: World) -> None:
        self._seen = 0
        self.value = 0.0

    def look(self, world: World) -> None:
        """Take in a tick."""
        if world.n_events == self._seen:
            return
        events = world.events[self._seen : world.n_events]
        chosen = np.isin(events["kind"], ON_BOOK) | np.isin(events["kind"], TWO_ASSETS)
        self.value += float(fill_usd(world, events[chosen]).sum())
        self._seen = world.n_events


SCORES: dict[str, Callable[[World], Fall | Closed]] = {"fall": Fall, "liquidated_notional_usd": Closed}


@dataclass(frozen=True, kw_only=True)
class Task:
    """What is the same in all runs."""

    scenario: Scenario
    splitting: Splitting


def pass_through(task: Task, branch: Branch) -> Passage:
    """Simulate one run and note where it reaches its level. Raises InputError when it has no such figure."""
    session = Session(task.scenario, seed=branch.seed, splices=branch.splices)
    score = SCORES[task.splitting.score](session.built.world)
    first: dict[float, int] = {}
    wanted = [level for level in (branch.entered, branch.level) if level is not None]

    def look(world: World) -> None:
        score.look(world)
        for level in wanted:
            if score.value >= level:
                first.setdefault(level, world.tick)

    session.advance(session.ticks_left, observers=(look,))
    if branch.entered is not None and first.get(branch.entered) != branch.splices[-1][0]:
        raise RuntimeError(f"seed {branch.seed}: a run done again came another way to {branch.entered:g}")
    measure = task.splitting.measure
    figure = Result.of(task.scenario, seed=branch.seed, main=session.trace(), twin=None).kpis.get(measure.kpi)
    if not isinstance(figure, int | float) or math.isnan(figure):
        raise InputError(f"splitting.measure.kpi: seed {branch.seed} has no figure {measure.kpi}; expected a number")
    value = float(figure > measure.above) if isinstance(measure, Probability) else float(figure)
    return Passage(value=value, tick=None if branch.level is None else first.get(branch.level))


def perform(call: Call, *, as_json: bool) -> None:
    """Simulate, estimate and print; nothing is stored. Raises InputError, and Interrupted."""
    loaded = load_study(call.study)
    splitting = loaded.study.splitting
    if splitting is None:
        raise InputError(f"{loaded.file}: has no table [splitting]")
    task = Task(scenario=scenario_of(loaded), splitting=splitting)
    try:
        with progress.display(sys.stderr) as say, runner(task, call.workers or os.cpu_count() or 1) as run:
            found = estimate(splitting, run, first_seed=loaded.study.seeds.first, say=say)
    except KeyboardInterrupt:
        raise Interrupted("interrupted: runs of splitting are not stored") from None
    except BrokenProcessPool:
        raise InputError("a worker ended without a word (not enough memory?); --workers 1 needs least") from None
    if as_json:
        show.print_json({"measure": summary.label(splitting.measure), **asdict(found)})
        return
    show.print_table(rows(found, splitting), header=("", "value [95 % interval]"))
    print()
    show.print_words(sentence(found, splitting))


def scenario_of(loaded: Loaded) -> Scenario:
    """The study's base. Raises InputError where a run cannot be done again from a tick on."""
    scenario = loaded.resolver.base().scenario
    model_of(scenario, loaded)
    if loaded.study.strategies:
        raise InputError(f"{loaded.file}: strategies: a trader's own chance cannot be split; expected none")
    return scenario


def estimate(
    splitting: Splitting,
    run: Callable[[Sequence[Branch]], Sequence[Passage]],
    *,
    first_seed: int,
    say: progress.Say = lambda *_, **__: None,
) -> Split:
    """All repetitions. Their runs from the start have the seeds from `first_seed` on, none of them twice."""
    made = []
    for number in range(splitting.repetitions):
        say("repetitions", number, splitting.repetitions)
        seed = first_seed + number * splitting.runs
        made.append(repeat(run, levels=splitting.levels, runs=splitting.runs, first_seed=seed))
    plain = np.concatenate([repetition.plain for repetition in made])
    measure = splitting.measure
    if isinstance(measure, Probability):  # values are 0 or 1 already
        measure = Probability(kpi=measure.kpi, above=0.5)
    return combined(made, plain=summary.interval(measure, plain))


@contextmanager
def runner(task: Task, workers: int) -> Iterator[Callable[[Sequence[Branch]], Sequence[Passage]]]:
    """Does runs in this process, or in several; the figures do not depend on which."""
    one = partial(pass_through, task)
    if workers == 1:
        yield lambda branches: [one(branch) for branch in branches]
        return
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=interrupts.ignore)
    try:
        yield lambda branches: list(pool.map(one, branches, chunksize=4))
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def rows(found: Split, splitting: Splitting) -> list[tuple[str, str]]:
    """What is printed."""
    shares = [
        (f"share that reaches {splitting.score} {level:g}", f"{share:.3g}")
        for level, share in zip(splitting.levels, found.shares, strict=False)
    ]
    return [
        (f"split, over {splitting.repetitions} repetitions", summary.cell(found.found)),
        ("plain runs alone", summary.cell(found.plain)),
        *shares,
        ("runs", f"{found.runs:,}"),
        ("gain over plain runs", "unknown" if found.gain is None else f"{found.gain:.2f}x"),
    ]


def sentence(found: Split, splitting: Splitting) -> str:
    """The gain in words."""
    what = summary.label(splitting.measure)
    if 0.0 in found.shares:
        level = splitting.levels[found.shares.index(0.0)]
        return f"{what}: nobody reached {splitting.score} {level:g}; levels that lie closer, or more runs."
    if found.gain is None:
        return f"{what}: too few repetitions in which it happens; more of them, or other levels."
    if found.gain < 1.0:
        return f"{what}: splitting does harm here: a plain run says as much as {1.0 / found.gain:.2f} of these."
    return f"{what}: a run says as much as {found.gain:.2f} plain ones, by {splitting.repetitions} repetitions."
