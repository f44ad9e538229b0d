"""Many independent runs, in this process or in several; what comes back does not depend on how many."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from typing import Any, TypeVar

from experiments import interrupts
from experiments.countdown import Note

R = TypeVar("R")


def each(function: Callable[..., R], tasks: Sequence[tuple[Any, ...]], *, workers: int, note: Note) -> list[R]:
    """`function(*task)` of every task, in their order. Raises whatever one of them raises."""
    found: dict[int, R] = {}
    note("simulating", 0, len(tasks))
    if workers <= 1 or len(tasks) <= 1:
        for number, task in enumerate(tasks):
            found[number] = function(*task)
            note("simulating", len(found), len(tasks))
        return list(found.values())
    # Ctrl-C reaches all processes; this one decides, and they finish the run they are at.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(min(workers, len(tasks)), mp_context=context, initializer=interrupts.ignore)
    try:
        running = {pool.submit(function, *task): number for number, task in enumerate(tasks)}
        for finished in as_completed(running):
            found[running[finished]] = finished.result()
            note("simulating", len(found), len(tasks))
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
    return [found[number] for number in range(len(tasks))]
