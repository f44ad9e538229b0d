"""Many independent runs, in this process or in several; what comes back does not depend on how many."""

from __future__ import annotations

import json
import multiprocessing
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from typing import Any, TypeVar

from experiments import interrupts
from experiments.countdown import Note
from experiments.counterfactual.setting import AnyScenario
from experiments.fields import to_dict
from experiments.store.keys import design_key, run_key
from experiments.store.store import Store
from market.errors import InputError

R = TypeVar("R")
Figures = dict[str, Any]
"""What is kept of a run: anything that JSON holds."""

ANSWERS = "answers"
"""Folder of the store: `PART.jsonl`, a line [key, figures] per run."""
WRITE_SECONDS = 10.0
"""Finished runs are stored so often, and at the end."""


class Runner:
    """Runs functions of tasks, in this process or in several that stay until `close`."""

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._pool: ProcessPoolExecutor | None = None

    def run(self, function: Callable[..., R], tasks: Sequence[tuple[Any, ...]]) -> Iterator[tuple[int, R]]:
        """(number of a task, `function(*task)`), as they are done. Raises whatever one of them raises."""
        if self._workers <= 1 or (self._pool is None and len(tasks) <= 1):
            for number, task in enumerate(tasks):
                yield number, function(*task)
            return
        if self._pool is None:
            # Ctrl-C reaches all processes; this one decides, and they finish the run they are at.
            context = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(self._workers, mp_context=context, initializer=interrupts.ignore)
        running = {self._pool.submit(function, *task): number for number, task in enumerate(tasks)}
        for finished in as_completed(running):
            yield running[finished], finished.result()

    def close(self) -> None:
        """Let the other processes end; what has not begun is dropped."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)


@contextmanager
def runner(workers: int) -> Iterator[Runner]:
    """A `Runner`, closed when the block ends."""
    made = Runner(workers)
    try:
        yield made
    finally:
        made.close()


def each(function: Callable[..., R], tasks: Sequence[tuple[Any, ...]], *, workers: int, note: Note) -> list[R]:
    """`function(*task)` of every task, in their order. Raises whatever one of them raises."""
    found: dict[int, R] = {}
    note("simulating", 0, len(tasks))
    with runner(min(workers, len(tasks))) as made:
        for number, result in made.run(function, tasks):
            found[number] = result
            note("simulating", len(found), len(tasks))
    return [found[number] for number in range(len(tasks))]


class Remembered:
    """Figures of runs, from the store where they are known, simulated and stored where they are not.

    `function(scenario, seed)` gives the figures; `what` says in the key which figures they are. An interrupted job goes
    on where it was. Raises InputError for a store that cannot be written.
    """

    def __init__(
        self, function: Callable[[AnyScenario, int], Figures], *, what: str, store: str | None, made: Runner
    ) -> None:
        self._function, self._what, self._runner = function, what, made
        self._store: Store | None = None
        self._known: dict[str, Figures] = {}
        self.simulated = 0
        """Runs that were not known."""
        if store is not None:
            self._store = Store(store)
            self._store.check()
            for name in self._store.place.names(ANSWERS, ".jsonl"):
                self._known.update(_read(self._store, f"{ANSWERS}/{name}"))

    def figures(self, runs: Sequence[tuple[AnyScenario, int]], *, note: Note) -> list[Figures]:
        """The figures of each (scenario, seed), in their order."""
        keys = [self._key(scenario, seed) for scenario, seed in runs]
        missing = {key: run for key, run in zip(keys, runs, strict=True) if key not in self._known}
        order, fresh, written = list(missing), [], time.monotonic()
        note("simulating", len(keys) - len(missing), len(keys))
        try:
            for done, (number, found) in enumerate(self._runner.run(self._function, list(missing.values())), start=1):
                self._known[order[number]] = found
                fresh.append(order[number])
                self.simulated += 1
                note("simulating", len(keys) - len(missing) + done, len(keys))
                if time.monotonic() - written > WRITE_SECONDS:
                    self._write(fresh)
                    fresh, written = [], time.monotonic()
        finally:
            self._write(fresh)
        return [self._known[key] for key in keys]

    def _key(self, scenario: AnyScenario, seed: int) -> str:
        return run_key(f"{self._what} {design_key(to_dict(scenario), twin=False)}", seed)

    def _write(self, keys: Sequence[str]) -> None:
        if self._store is not None and keys:
            lines = "".join(json.dumps([key, self._known[key]]) + "\n" for key in keys)
            name = f"{time.time_ns() // 1_000_000:013d}-{secrets.token_hex(6)}.jsonl"
            self._store.place.write(f"{ANSWERS}/{name}", lines.encode())


def _read(store: Store, path: str) -> dict[str, Figures]:
    """What a part holds. Raises InputError for one that is damaged."""
    try:
        return dict(json.loads(line) for line in store.place.read(path).decode().splitlines())
    except (ValueError, TypeError):
        raise InputError(
            f"{store.place.path(path)}: damaged or cut short; remove it, its runs are done again"
        ) from None
