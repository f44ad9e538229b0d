"""Doing the runs of a study, whatever dies on the way.

The store is the only memory: what is in it is done. A death blames nobody: everything that was under way is looked at
alone, in halves, until the runs that kill are found; these are set aside and the others go on.
"""

from __future__ import annotations

import math
import time
from collections import deque
from dataclasses import dataclass, field, replace
from statistics import median

from experiments.countdown import Note
from experiments.store.rows import KILLED
from experiments.store.store import Store
from experiments.sweep.executor import Executor, Gone, Outcome
from experiments.sweep.plan import Planned, Task
from experiments.sweep.work import Chunk, row_of
from market.errors import InputError

INTERRUPTED = "interrupted"
"""Why a sweep ended after Ctrl-C."""
CHUNK_SECONDS = 2.0
"""What a chunk should take."""
MOST_TASKS = 4096
PACES = 16
"""Chunks whose seconds a run are remembered."""
CANARIES = 3
"""Designs that are tried before a study is given up."""
DEATHS = 3
"""Deaths, alone, after which a run is set aside."""
WAIT_SECONDS = 0.5
FINISH_SECONDS = 10.0
"""So long after Ctrl-C runs that are under way may go on, and three times as long as a run takes."""
STALL_FACTOR = 10.0
"""A chunk may take so many times what was expected of it before anybody worries."""
COMPACT_PARTS = 256


@dataclass
class Progress:
    """How far a sweep is."""

    total: int
    stored_before: int
    done: int = 0
    failed: int = 0
    killed: int = 0
    seconds: float = 0.0
    """Spent on runs, by all workers together."""
    cpu_seconds: float = 0.0
    """Processor time of it."""
    deaths: int = 0
    ended: str = ""
    """Why it ended before everything was done; empty otherwise."""
    failures: list[tuple[Task, str]] = field(default_factory=list)

    @property
    def left(self) -> int:
        """Runs that are neither stored nor done."""
        return self.total - self.stored_before - self.done


class Sweep:
    """The runs of a plan that are not stored, on an executor."""

    def __init__(
        self, plan: Planned, store: Store, executor: Executor, *, manifest: str, note: Note, retry: bool = False
    ) -> None:
        """`retry`: runs that failed before are done again."""
        self.plan, self.store, self.executor, self.note = plan, store, executor, note
        self.limits = plan.study.limits
        stored = store.stored_keys(kept=plan.study.keep, only_ok=retry)
        self._queue = plan.missing(stored)
        self._at = 0
        self.progress = Progress(total=len(plan), stored_before=len(plan) - len(self._queue))
        self._template = Chunk(
            store=store.place.where,
            base=store.add_base(plan.base),
            twin=plan.study.twin,
            strategies=plan.strategies,
            keep=plan.study.keep,
            manifest=manifest,
            seconds_per_run=self.limits.seconds_per_run,
            tasks=(),
        )
        self._running: list[Chunk] = []
        self._began = self._heard = time.monotonic()
        self._parts = 0
        self._paces: deque[float] = deque(maxlen=PACES)

    def run(self) -> Progress:
        """Do them all. Raises InputError when the first run cannot start, the store is full or everybody is gone."""
        try:
            if len(self._queue):
                self._canary()
            while self._at < len(self._queue) or self._running:
                if not self._too_late():
                    self._fill()
                if not self._running:
                    break
                self._one_outcome()
        except KeyboardInterrupt:
            self.progress.ended = INTERRUPTED
            self._finish_what_runs()
        return self.progress

    def recount(self) -> None:
        """Count anew what is stored, once nobody works any more: chunks may have ended that nobody waited for."""
        stored = self.store.stored_keys(kept=self.plan.study.keep)
        self.progress.done = len(self.plan) - len(self.plan.missing(stored)) - self.progress.stored_before

    # What runs next

    def _fill(self) -> None:
        while len(self._running) < self.executor.slots + 1 and self._at < len(self._queue):
            self._submit(self._next_tasks())

    def _next_tasks(self) -> tuple[Task, ...]:
        left = len(self._queue) - self._at
        share = math.ceil(left / (2 * self.executor.slots))  # so that workers end together
        n = max(1, min(int(CHUNK_SECONDS / self._seconds_per_run()), share, MOST_TASKS))
        numbers = self._queue[self._at : self._at + n]
        self._at += len(numbers)
        return tuple(map(self.plan.task, numbers))

    def _seconds_per_run(self) -> float:
        """Median over the last chunks: the first run of a worker, which loads or compiles kernels, makes none small."""
        return max(median(self._paces), 1e-6) if self._paces else CHUNK_SECONDS

    def _submit(self, tasks: tuple[Task, ...], *, canary: bool = False) -> Chunk:
        chunk = replace(self._template, tasks=tasks, canary=canary)
        self._running.append(chunk)
        self.executor.submit(chunk)
        return chunk

    def _canary(self) -> None:
        """Simulate the first run before any other; when it fails, runs of other designs. Raises InputError."""
        self.note("the first run", 0, 1)
        errors: list[str] = []
        tried: set[str] = set()
        for number in self._queue[: len(self.plan.designs)].tolist():
            task = self.plan.task(number)
            if task.design in tried:
                continue
            if len(tried) == CANARIES:
                break
            tried.add(task.design)
            outcome = self._alone(self._submit((task,), canary=True))
            if outcome.done is None:
                raise InputError(
                    "the first run takes its process with it each time it is tried (not enough memory?); "
                    f"seed {task.seed}, {task.changes}"
                )
            if not outcome.done.done:
                return
            if not outcome.done.failed:
                self._count(outcome)
                self._queue = self._queue[self._queue != number]
                self._check_measures(task)
                return
            errors.append(f"seed {task.seed}, {task.changes}: {outcome.done.failures[0][1]}")
        raise InputError("\n".join(["the study cannot start; its first runs fail:", *errors]))

    def _check_measures(self, task: Task) -> None:
        """Make sure that the figures that are asked for exist. Raises InputError with the nearest one."""
        from experiments.sweep.summary import check_measures

        check_measures(self.plan.study, self.store.row(task.key))

    # What came of it

    def _one_outcome(self) -> None:
        outcome = self.executor.wait(WAIT_SECONDS)
        if outcome is None:
            if self._stalled():
                self.executor.replace()
                self._examine(self._take_running())
            return
        self._heard = time.monotonic()
        if not outcome.died:
            self._count(outcome)
            return
        suspects = [outcome.chunk]
        self._forget(outcome.chunk)
        while self._running:  # on a pool of processes these have died as well
            other = self.executor.wait(self._patience())
            if other is None:
                self.executor.replace()
                suspects += self._take_running()
            elif other.died:
                suspects.append(other.chunk)
                self._forget(other.chunk)
            else:
                self._count(other)
        self.executor.replace()
        self._examine(suspects)

    def _examine(self, suspects: list[Chunk]) -> None:
        """Do the runs of chunks that died, each chunk alone; halve those that die again, set aside single runs."""
        self.progress.deaths += 1
        stored = self.store.stored_keys(kept=self.plan.study.keep)
        stack = [tuple(task for task in chunk.tasks if task.key not in stored) for chunk in suspects]
        there = sum(len(chunk.tasks) for chunk in suspects) - sum(map(len, stack))
        self.progress.done += there
        deaths: dict[str, int] = {}
        while stack:
            tasks = stack.pop()
            if not tasks:
                continue
            outcome = self._alone(self._submit(tasks))
            if not outcome.died:
                self._count(outcome)
            elif len(tasks) > 1:
                half = len(tasks) // 2
                stack += [tasks[half:], tasks[:half]]
            else:
                key = tasks[0].key
                deaths[key] = deaths.get(key, 0) + 1
                if deaths[key] < DEATHS:
                    stack.append(tasks)
                else:
                    self._set_aside(tasks[0])

    def _alone(self, chunk: Chunk) -> Outcome:
        """The outcome of the only chunk that runs; afterwards there are workers again."""
        outcome = self.executor.wait(self._patience())
        self._forget(chunk)
        if outcome is None or outcome.died:
            self.executor.replace()
            return Outcome(chunk, died=True)
        self._heard = time.monotonic()
        return outcome

    def _set_aside(self, task: Task) -> None:
        error = f"its process ended {DEATHS} times without a word while it ran alone (not enough memory?)"
        self.store.write([replace(row_of(self._template, task), status=KILLED, error=error)])
        self.progress.done += 1
        self.progress.killed += 1
        self.progress.failures.append((task, error))

    def _count(self, outcome: Outcome) -> None:
        self._forget(outcome.chunk)
        done = outcome.done
        assert done is not None
        progress = self.progress
        progress.done += done.done
        progress.failed += done.failed
        progress.seconds += done.seconds
        progress.cpu_seconds += done.cpu_seconds
        progress.failures += done.failures[: max(0, 10 - len(progress.failures))]
        if done.done:
            self._paces.append(done.seconds / done.done)
        self.note("simulating", progress.stored_before + progress.done, progress.total)
        self._parts += 1
        if self._parts % COMPACT_PARTS == 0:
            self.store.compact()

    def _forget(self, chunk: Chunk) -> None:
        if chunk in self._running:
            self._running.remove(chunk)

    def _take_running(self) -> list[Chunk]:
        taken, self._running = self._running, []
        return taken

    # How long to wait

    def _patience(self) -> float:
        longest = max((len(chunk.tasks) for chunk in self._running), default=1)
        expected = longest * self._seconds_per_run() if self.progress.done else self.limits.seconds_per_run
        return max(self.limits.stall_seconds, STALL_FACTOR * expected)

    def _stalled(self) -> bool:
        return time.monotonic() - self._heard > self._patience()

    def _too_late(self) -> bool:
        hours = self.limits.hours
        late = hours is not None and time.monotonic() - self._began > hours * 3600.0
        if late and not self.progress.ended:
            self.progress.ended = f"stopped after {hours:g} h (limits.hours)"
        return late

    def _finish_what_runs(self) -> None:
        """Let every worker end the run it is at and store what it has; a second Ctrl-C ends that, too."""
        self.executor.stop()
        try:
            until = time.monotonic() + FINISH_SECONDS + 3.0 * self._seconds_per_run()
            while self._running and time.monotonic() < until:
                outcome = self.executor.wait(WAIT_SECONDS)
                if outcome is not None and not outcome.died:
                    self._count(outcome)
                elif outcome is not None:
                    self._forget(outcome.chunk)
        except (KeyboardInterrupt, Gone):
            return
