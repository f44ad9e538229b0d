"""How far a job of many like parts is: a bar with the time left on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO

from experiments import kernel_cache

INTERVAL_SECONDS = 10.0

Note = Callable[[str, int, int], None]
"""Told what is being done, how much of it is done, and of how much."""


@contextmanager
def display(stream: IO[str]) -> Iterator[Note]:
    """A function to be told (what, done, total); the bar is gone when the block ends. It says when kernels compile."""
    if not stream.isatty():
        lines = _Lines(stream)
        with kernel_cache.announced(lambda label: lines(label, 0, 0)):
            yield lines
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(file=stream), transient=True) as bar:
        tasks: dict[str, TaskID] = {}

        def note(label: str, done: int, total: int) -> None:
            if label not in tasks:
                tasks[label] = bar.add_task(label, total=total)
            for known, task in tasks.items():  # what has no known end shows until something else is done
                bar.update(task, visible=known == label or bool(bar.tasks[task].total))
            bar.update(tasks[label], completed=done, total=total or None)

        with kernel_cache.announced(lambda label: note(label, 0, 0)):
            yield note


class _Lines:
    """One line for each part of the job, then at most one every ten seconds with the time left."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream, self._label = stream, ""
        self._began = self._printed = 0.0
        self._first = 0

    def __call__(self, label: str, done: int, total: int) -> None:
        now = time.monotonic()
        if label != self._label:
            self._label, self._began, self._printed, self._first = label, now, now, done
            print(f"{label} ...", file=self._stream, flush=True)
        elif now - self._printed >= INTERVAL_SECONDS and done > self._first:
            self._printed = now
            left = (now - self._began) / (done - self._first) * (total - done)
            print(f"{label}: {done} / {total}, {left:.0f} s left", file=self._stream, flush=True)
