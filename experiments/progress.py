"""How far a simulation is: what the engine reports and how the command line shows it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Protocol


class Progress(Protocol):
    """Called by a simulation now and then, a few times a second at least."""

    def __call__(self, *, label: str, done: int, total: int, liquidations: int) -> None:
        """Say that `done` of `total` ticks are simulated in the part of the job called `label`.

        `total` is 0 while the end is not known (preparing, writing); `liquidations` is the count in this part so far.
        """


@contextmanager
def display(stream: IO[str]) -> Iterator[Progress]:
    """A progress bar on a terminal, a plain line every ten seconds elsewhere; gone when the block ends."""
    if stream.isatty():
        with _bar(stream) as progress:
            yield progress
    else:
        yield _PlainLines(stream)


@contextmanager
def _bar(stream: IO[str]) -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[text]}"), TimeRemainingColumn())
    with Progress(*columns, console=Console(file=stream), transient=True) as bar:
        tasks: dict[str, TaskID] = {}
        starts: dict[str, float] = {}

        def report(*, label: str, done: int, total: int, liquidations: int) -> None:
            if label not in tasks:
                tasks[label] = bar.add_task(label, total=None, text="")
            if not total:
                bar.update(tasks[label], visible=True)
                return
            if done:  # what had no known end is over
                for task in bar.tasks:
                    task.visible = task.visible and (task.total is not None or task.id == tasks[label])
            began = starts.setdefault(label, time.monotonic())
            text = _figures(done, total, liquidations, time.monotonic() - began)
            bar.update(tasks[label], completed=done, total=total, text=text)

        yield report


def _figures(done: int, total: int, liquidations: int, elapsed_seconds: float) -> str:
    rate = done / max(elapsed_seconds, 1e-9)
    return f"{done:,} / {total:,} ticks, {rate:,.0f} ticks/s, {liquidations:,} liquidations"


class _PlainLines:
    """Progress for a log file: one line for every part of the job, then at most one every ten seconds."""

    INTERVAL_SECONDS = 10.0

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self._label = ""
        self._started = self._printed = 0.0

    def __call__(self, *, label: str, done: int, total: int, liquidations: int) -> None:
        now = time.monotonic()
        if label != self._label:
            self._label, self._started, self._printed = label, now, now
            print(f"{label} ...", file=self._stream, flush=True)
        elif not done:
            self._started = now  # what was prepared does not count into the rate
        elif total and now - self._printed >= self.INTERVAL_SECONDS:
            self._printed = now
            figures = _figures(done, total, liquidations, now - self._started)
            print(f"{label}: {figures}", file=self._stream, flush=True)
