"""Worker processes of this machine.

They are forked from one process that has loaded the engine and simulated once, so that a new one is there in
milliseconds; where there is no forkserver they start from nothing. A worker ends with the process that began it, in
whichever way that ends.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import connection
from multiprocessing.process import BaseProcess
from typing import Any

from experiments import interrupts
from experiments.sweep.executor import Futures, Outcome
from experiments.sweep.work import Chunk, Done, execute

WARM = "CASCADE_WARM_BASE"
"""Names a file with the base scenario to the process that workers are forked from."""

_stop: Any = None


class LocalProcesses:
    """Executes chunks in worker processes."""

    def __init__(self, workers: int, *, base: str = "") -> None:
        """`base` is a file with the scenario that the first workers are warmed up with."""
        self.slots = workers
        forked = "forkserver" in multiprocessing.get_all_start_methods()
        self._context = multiprocessing.get_context("forkserver" if forked else "spawn")
        if forked:
            os.environ[WARM] = base
            self._context.set_forkserver_preload(["experiments.sweep.warm"])
        self._others = set(multiprocessing.active_children())
        self._begin()

    def _begin(self) -> None:
        self._futures = Futures(lambda error: isinstance(error, BrokenProcessPool))
        self._stopped = self._context.Event()
        self._pool = ProcessPoolExecutor(
            self.slots, mp_context=self._context, initializer=_begin_worker, initargs=(self._stopped,)
        )

    def submit(self, chunk: Chunk) -> None:
        """Begin a chunk as soon as there is room."""
        try:
            self._futures.follow(chunk, self._pool.submit(_execute, chunk))
        except BrokenProcessPool:
            self._futures.give(Outcome(chunk, died=True))

    def wait(self, seconds: float) -> Outcome | None:
        """The next outcome. A death breaks the pool: everything that was submitted comes back as died."""
        return self._futures.wait(seconds)

    def workers(self) -> list[BaseProcess]:
        """The worker processes there are."""
        return [process for process in multiprocessing.active_children() if process not in self._others]

    def replace(self) -> None:
        """End all workers and begin with new ones."""
        self.close()
        self._begin()

    def stop(self) -> None:
        """Ask workers to end their chunks after the run they are at."""
        self._stopped.set()

    def close(self) -> None:
        """End all workers, at once."""
        self._stopped.set()
        for process in self.workers():
            process.kill()
        self._pool.shutdown(wait=True, cancel_futures=True)


def _begin_worker(stop: Any) -> None:
    """Ctrl-C reaches all processes, and the first one decides; a worker ends when that one is gone."""
    global _stop
    interrupts.ignore()
    _stop = stop
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    connection.wait([sentinel])
    os._exit(1)


def _execute(chunk: Chunk) -> Done:
    return execute(chunk, _stop.is_set)
