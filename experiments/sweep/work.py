"""What a worker does: simulate a chunk of runs and store them as one part. The same on any executor."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.store.rows import FAILED, Row, figures
from experiments.store.store import Store
from experiments.store.version import RESULTS_VERSION
from experiments.sweep.plan import Task

if TYPE_CHECKING:
    import pandas as pd

    from agents.strategy import Strategy


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """Some runs of a study, with all that a worker has to know."""

    store: str
    base: str
    twin: bool
    strategies: tuple[str, ...]
    keep: tuple[str, ...]
    manifest: str
    seconds_per_run: float
    tasks: tuple[Task, ...]
    canary: bool = False
    """Runs that fail are told and not stored."""


@dataclass(frozen=True, kw_only=True)
class Done:
    """What became of a chunk."""

    done: int
    failed: int
    seconds: float
    """Time spent on runs; the rest of a chunk's time is overhead."""
    cpu_seconds: float = 0.0
    """Processor time of it."""
    failures: tuple[tuple[Task, str], ...] = ()
    """The first few failures."""


class TooLong(Exception):
    """A run took longer than a run may."""


MOST_FAILURES_TOLD = 3
# The engine is made for one run at a time in a process, and some executors have threads.
_ENGINE = threading.Lock()


def execute(chunk: Chunk, stop: Callable[[], bool] | None = None) -> Done:
    """Simulate and store. `stop` is asked before every run; what is finished by then is stored.

    Raises InputError when the store cannot be read or written; whatever a run raises is its own failure.
    """
    store = _store(chunk.store)
    rows: list[Row] = []
    tables: dict[str, list[tuple[str, pd.DataFrame]]] = {name: [] for name in chunk.keep}
    failures = []
    with _ENGINE:
        for task in chunk.tasks:
            if stop is not None and stop():
                break
            row, kept = _run(chunk, task)
            rows.append(row)
            for name, frame in kept.items():
                tables[name].append((task.key, frame))
            if row.status == FAILED:
                failures.append((task, row.error))
    stored = [row for row in rows if row.status != FAILED] if chunk.canary else rows
    for name, frames in tables.items():
        store.write_tables(name, frames)
    if stored:
        store.write(stored)
    return Done(
        done=len(rows),
        failed=len(failures),
        seconds=sum(row.wall_seconds for row in rows),
        cpu_seconds=sum(row.cpu_seconds for row in rows),
        failures=tuple(failures[:MOST_FAILURES_TOLD]),
    )


def row_of(chunk: Chunk, task: Task) -> Row:
    """A row without figures."""
    return Row(
        key=task.key,
        design=task.design,
        seed=task.seed,
        base=chunk.base,
        changes=task.changes,
        twin=chunk.twin,
        strategies=json.dumps(chunk.strategies),
        manifest=chunk.manifest,
        results_version=RESULTS_VERSION,
        wall_seconds=0.0,
    )


def _run(chunk: Chunk, task: Task) -> tuple[Row, dict[str, pd.DataFrame]]:
    from experiments.kinds import simulate

    began, cpu_began = time.perf_counter(), time.thread_time()

    def watch(**_: object) -> None:
        if time.perf_counter() - began > chunk.seconds_per_run:
            raise TooLong(f"longer than {chunk.seconds_per_run:g} s (limits.seconds_per_run)")

    kept: dict[str, pd.DataFrame] = {}
    error, found = "", {}
    try:
        world = resolved(chunk.store, chunk.base, task.changes)
        strategies = [_strategy(text)() for text in chunk.strategies]
        done = simulate(world, seed=task.seed, twin=chunk.twin, progress=watch, strategies=strategies)
        found = figures(done.kpis)
        kept = {name: done.table(name) for name in chunk.keep}
    except Exception as raised:  # one design that cannot be simulated must not end the others
        error = f"{type(raised).__name__}: {raised}" if str(raised) else type(raised).__name__
        error = " ".join(error.split())[:500]
    row = row_of(chunk, task)
    row = replace(row, wall_seconds=time.perf_counter() - began, cpu_seconds=time.thread_time() - cpu_began)
    if error:
        return replace(row, status=FAILED, error=error), {}
    return replace(row, figures=found, kept=tuple(kept)), kept


@lru_cache(8)
def _store(where: str) -> Store:
    return Store(where)


@lru_cache(8)
def _resolver(where: str, base: str) -> Any:
    from experiments.study.resolve import Resolver

    return Resolver(_store(where).base(base))


@lru_cache(64)
def resolved(where: str, base: str, changes: str) -> Any:
    """A stored base (`experiments.kinds`) with changes, which are JSON. Raises InputError."""
    from experiments.study.resolve import Change

    return _resolver(where, base).resolve([Change(path, value) for path, value in json.loads(changes).items()]).world


@lru_cache(64)
def _strategy(text: str) -> type[Strategy]:
    from experiments.study.load import strategy_class

    found: type[Strategy] = strategy_class(text, beside=Path("/"))
    return found
