"""How far a search is: trials, the best front, time left. One line that changes on a terminal, some lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Protocol

from experiments import kernel_cache

INTERVAL_SECONDS = 10.0


class Say(Protocol):
    """Told what is being done, and how far it is."""

    def __call__(self, what: str, done: int, total: int, *, detail: str = "") -> None:
        """`done` of `total` parts of `what`; `detail` is what came of it so far."""


@contextmanager
def display(stream: IO[str]) -> Iterator[Say]:
    """A function to be told; the line is gone when the block ends on a terminal."""
    lines = _Lines(stream)
    if not stream.isatty():
        with kernel_cache.announced(lambda label: lines(label, 0, 0)):
            yield lines
        return
    from rich.console import Console

    console = Console(file=stream)
    with console.status("") as status, kernel_cache.announced(status.update):

        def say(what: str, done: int, total: int, *, detail: str = "") -> None:
            status.update(lines.text(what, done, total, detail=detail))

        yield say


class _Lines:
    """At most one line every ten seconds, and one for each part of the job."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream, self._what = stream, ""
        self._began = self._printed = 0.0
        self._first = 0

    def __call__(self, what: str, done: int, total: int, *, detail: str = "") -> None:
        now = time.monotonic()
        another = what != self._what
        text = self.text(what, done, total, detail=detail)
        if another or now - self._printed >= INTERVAL_SECONDS:
            self._printed = now
            print(text, file=self._stream, flush=True)

    def text(self, what: str, done: int, total: int, *, detail: str) -> str:
        """The line."""
        now = time.monotonic()
        if what != self._what:
            self._what, self._began, self._first = what, now, done
        if not total:
            return f"{what} ..."
        left = ""
        if done > self._first:
            left = f", {(now - self._began) / (done - self._first) * (total - done):.0f} s left"
        return f"{what}: {done} / {total}{left}" + (f"; {detail}" if detail else "")
