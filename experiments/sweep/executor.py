"""Who executes chunks: this process, worker processes, or a cluster. They differ in nothing else."""

from __future__ import annotations

import queue
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Protocol

from experiments.sweep.work import Chunk, Done, execute
from market.errors import InputError


@dataclass(frozen=True)
class Outcome:
    """A chunk that is over: what it gave, or why it gave nothing."""

    chunk: Chunk
    done: Done | None = None
    died: bool = False
    """The process that had it is gone; nothing says whose fault that was."""


class Gone(InputError):
    """Nobody is left to execute anything."""


class Executor(Protocol):
    """Executes chunks."""

    slots: int
    """Chunks that are executed at the same time."""

    def submit(self, chunk: Chunk) -> None:
        """Begin a chunk as soon as there is room."""

    def wait(self, seconds: float) -> Outcome | None:
        """The next outcome; None when there is none for so long. Raises what the program itself did wrong, and Gone."""

    def replace(self) -> None:
        """End all workers, whatever they do; what they had comes back as died. New ones take what is submitted next."""

    def stop(self) -> None:
        """Ask workers to end their chunks after the run they are at."""

    def close(self) -> None:
        """Let the workers go, at once."""


class InProcess:
    """Executes in this process, when asked for outcomes."""

    slots = 1

    def __init__(self) -> None:
        self._chunks: list[Chunk] = []

    def submit(self, chunk: Chunk) -> None:
        """Remember it."""
        self._chunks.append(chunk)

    def wait(self, seconds: float) -> Outcome | None:
        """Execute the next one."""
        if not self._chunks:
            return None
        chunk = self._chunks.pop(0)
        return Outcome(chunk, execute(chunk))

    def replace(self) -> None:
        """There is nobody to replace."""

    def stop(self) -> None:
        """What has not begun is not executed."""
        self._chunks.clear()

    def close(self) -> None:
        """Nothing is left behind."""


class Futures:
    """The part of an executor that has futures: their outcomes, in the order in which they come."""

    def __init__(self, is_death: Callable[[BaseException], bool]) -> None:
        self._is_death = is_death
        self._over: queue.SimpleQueue[Outcome | BaseException] = queue.SimpleQueue()

    def follow(self, chunk: Chunk, future: Future[Done]) -> None:
        """Wait for a future."""
        future.add_done_callback(lambda over: self._over.put(self._outcome(chunk, over)))

    def give(self, outcome: Outcome) -> None:
        """Add an outcome that no future has."""
        self._over.put(outcome)

    def _outcome(self, chunk: Chunk, future: Future[Done]) -> Outcome | BaseException:
        if future.cancelled():
            return Outcome(chunk, died=True)
        error = future.exception()
        if error is None:
            return Outcome(chunk, future.result())
        return Outcome(chunk, died=True) if self._is_death(error) else error

    def wait(self, seconds: float) -> Outcome | None:
        """The next outcome; raises what is no death."""
        try:
            found = self._over.get(timeout=seconds)
        except queue.Empty:
            return None
        if isinstance(found, BaseException):
            raise found
        return found
