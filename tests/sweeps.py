"""What tests of sweeps share: a small and quick study, and an executor that dies when it is told to."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path

from experiments.store.rows import OK, Row
from experiments.store.store import Store
from experiments.study.load import load_study
from experiments.sweep.drive import Sweep
from experiments.sweep.executor import Executor, Outcome
from experiments.sweep.plan import Plan
from experiments.sweep.work import Chunk, Done, row_of

SHORT = {
    "hours": 0.005,
    "population.count": 60,
    "reference.crash_at_seconds": 0.0,
    "reference.crash_duration_seconds": 10.0,
}
"""A crash of 18 ticks."""


def short_study(own: str, *, seeds: int, **values: float) -> str:
    """A study of a short crash; `own` is the rest of it, `values` differ from SHORT or come to it, "__" for dots."""
    said = {**SHORT, **{path.replace("__", "."): value for path, value in values.items()}}
    lines = ['scenario = "flash-crash"', f"seeds = {{first = 1, count = {seeds}}}"]
    return "\n".join([*lines, *(f"set.{path} = {value}" for path, value in said.items()), own.lstrip("\n")])


SMALL = short_study(
    """
summary = "Two haircuts, three depths of pocket."
[[changes]]
kind = "grid"
[changes.values]
assets.ETH.haircut = [0.1, 0.3]
population.equity_usd = [500.0, 1000.0, 2000.0]
""",
    seeds=4,
)
"""24 runs of 18 ticks."""


def small_plan(folder: Path, *, text: str = SMALL) -> Plan:
    """The plan of a study that is written into `folder`."""
    file = folder / "small.toml"
    file.write_text(text)
    return Plan(load_study(file))


def figure(key: str) -> float:
    """A figure for a run that nobody simulates."""
    return float(int(key[:6], 16))


class Scripted:
    """Stores made-up rows; a chunk with one of the `killers` among its tasks dies, and so does whatever is there when
    `dies` says so."""

    def __init__(
        self, store: Store, *, slots: int = 2, killers: Collection[str] = (), dies: Callable[[], bool] = lambda: False
    ) -> None:
        self.store, self.slots, self.killers, self.dies = store, slots, set(killers), dies
        self.waiting: list[Chunk] = []
        self.executed: list[str] = []
        """Keys in the order of their execution, those of chunks that died included."""
        self.deaths = 0

    def submit(self, chunk: Chunk) -> None:
        """Take it."""
        self.waiting.append(chunk)

    def wait(self, seconds: float) -> Outcome | None:
        """Execute the next chunk; everything that waits dies with one that dies."""
        if not self.waiting:
            return None
        chunk = self.waiting.pop(0)
        self.executed += [task.key for task in chunk.tasks]
        if chunk.manifest == "dead" or self.killers & {task.key for task in chunk.tasks} or self.dies():
            self.deaths += chunk.manifest != "dead"
            self.waiting = [replace(other, manifest="dead") for other in self.waiting]
            return Outcome(replace(chunk, manifest="m"), died=True)
        self.store.write([self.row(chunk, n) for n in range(len(chunk.tasks))])
        return Outcome(chunk, Done(done=len(chunk.tasks), failed=0, seconds=0.2 * len(chunk.tasks)))

    def row(self, chunk: Chunk, n: int) -> Row:
        """A made-up row."""
        task = chunk.tasks[n]
        return replace(row_of(chunk, task), status=OK, figures={"bad_debt_usd": figure(task.key)})

    def replace(self) -> None:
        """What waits is lost."""
        self.waiting.clear()

    def stop(self) -> None:
        """Nothing to stop."""

    def close(self) -> None:
        """Nothing to close."""


def sweep(plan: Plan, store: Store, executor: Executor) -> Sweep:
    """A sweep that shows nothing."""
    return Sweep(plan, store, executor, manifest="m", note=lambda *_: None)
