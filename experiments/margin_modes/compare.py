"""All seeds under all modes, and what can be said about the differences."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import cached_property

from experiments import interrupts
from experiments.countdown import Note
from experiments.margin_modes.measures import MEASURES, Figures, measure
from experiments.margin_modes.worlds import MODES, Worlds
from experiments.statistics.means import Estimate, estimate, paired

PAIRS = (("cross", "isolated"), ("portfolio", "cross"), ("portfolio", "isolated"))
"""(mode, other): differences are of the first less the second, seed by seed."""

Task = tuple[str, int]
"""Mode and seed."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Figures by mode and seed, in the order of `seeds`."""

    title: str
    seeds: tuple[int, ...]
    figures: dict[str, tuple[Figures, ...]]
    assumptions: tuple[str, ...]

    @cached_property
    def measures(self) -> tuple[str, ...]:
        """Those that every run has."""
        rows = [row for rows in self.figures.values() for row in rows]
        return tuple(name for name in MEASURES if all(name in row for row in rows))

    def values(self, name: str, mode: str) -> list[float | None]:
        """One figure of every seed."""
        return [row[name] for row in self.figures[mode]]

    def level(self, name: str, mode: str) -> Estimate:
        """Mean over the seeds."""
        return estimate(self.values(name, mode))

    def difference(self, name: str, mode: str, other: str) -> Estimate:
        """Mean of the paired differences."""
        return paired(self.values(name, mode), self.values(name, other))


def compare(found: Worlds, *, title: str, seeds: Sequence[int], workers: int, note: Note) -> Comparison:
    """Simulate every seed under every mode. The figures do not depend on the number of workers."""
    tasks = [(mode, seed) for seed in seeds for mode in MODES]
    done: dict[Task, Figures] = {}
    note("simulating", 0, len(tasks))
    for task, figures in _measured(found, tasks, workers):
        done[task] = figures
        note("simulating", len(done), len(tasks))
    return Comparison(
        title=title,
        seeds=tuple(seeds),
        figures={mode: tuple(done[mode, seed] for seed in seeds) for mode in MODES},
        assumptions=found.assumptions,
    )


def _measured(found: Worlds, tasks: Sequence[Task], workers: int) -> Iterator[tuple[Task, Figures]]:
    if workers <= 1:
        for mode, seed in tasks:
            yield (mode, seed), measure(found.scenarios[mode], seed)
        return
    # Ctrl-C reaches all processes; this one decides, and they finish the run they are at.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=interrupts.ignore)
    try:
        running = {pool.submit(measure, found.scenarios[mode], seed): (mode, seed) for mode, seed in tasks}
        for finished in as_completed(running):
            yield running[finished], finished.result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
