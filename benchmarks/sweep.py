"""What a sweep costs beside its runs: `python -m benchmarks.sweep [overhead] [workers] [dask] [million] [memory]`.

- overhead: processor time per run that is not simulation, in one process and with one worker process.
- workers: runs per second with two worker processes over one.
- dask: overhead with a scheduler and two workers on this machine.
- million: a store of 1,000,000 runs: reading their keys, a grouped quantile, and all of a plan.
- memory: peak of the driver after 10,000, 50,000 and 100,000 runs that are not simulated.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from experiments.store.rows import META, OK, Row, write_part
from experiments.store.store import RUNS, Store
from experiments.study.load import load_study
from experiments.sweep import work
from experiments.sweep.drive import Sweep
from experiments.sweep.executor import Executor, InProcess
from experiments.sweep.local import LocalProcesses
from experiments.sweep.plan import Plan, Task

STUDY = """
scenario = "flash-crash"
seeds.count = {seeds}
set.hours = 0.01
set.population.count = 200
set.reference.crash_at_seconds = 0.0
set.reference.crash_duration_seconds = 20.0
[[changes]]
kind = "latin-hypercube"
count = {designs}
ranges = {{assets.ETH.haircut = [0.05, 0.5], population.leverage = [3.0, 9.0]}}
"""
FIGURES = 80
ROWS = 1 << 15
PARTS = 31


def plan_of(folder: Path, *, runs: int, designs: int = 50) -> Plan:
    """A study of so many short runs."""
    file = folder / f"benchmark-{runs}.toml"
    file.write_text(STUDY.format(seeds=runs // designs, designs=designs))
    return Plan(load_study(file))


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What a sweep took from its second chunk on."""

    runs: int
    wall_seconds: float
    cpu_seconds: float
    """Of driver and workers."""
    in_runs_seconds: float
    """Of the latter, spent on simulating."""

    @property
    def overhead_ms(self) -> float:
        """Processor time per run beside simulation."""
        return (self.cpu_seconds - self.in_runs_seconds) / self.runs * 1e3


def swept(plan: Plan, where: Path, executor: Executor, *, workers: Callable[[], list[int]] = list) -> Cost:
    """Do a plan; `workers` gives the processes beside this one. Processor time does not depend on what else runs."""
    store = Store(str(where))
    store.check()
    began: list[tuple[float, float, float, int]] = []

    def now() -> tuple[float, float, float, int]:
        cpu = time.process_time() + sum(map(processor_time, workers()))
        return time.perf_counter(), cpu, sweep.progress.cpu_seconds, sweep.progress.done

    def note(label: str, done: int, _: int) -> None:
        if label == "simulating" and not began and done > 20 * executor.slots:
            began.append(now())

    sweep = Sweep(plan, store, executor, manifest="benchmark", note=note)
    try:
        sweep.run()
        wall, cpu, in_runs, done = (b - a for a, b in zip(began[0], now(), strict=True))
    finally:
        executor.close()
    assert sweep.progress.left == 0
    return Cost(runs=int(done), wall_seconds=wall, cpu_seconds=cpu, in_runs_seconds=in_runs)


def processor_time(pid: int) -> float:
    """Seconds that a process has used so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def local(plan: Plan, where: Path, workers: int) -> Cost:
    """Do a plan with worker processes."""
    executor = LocalProcesses(workers, base=base_file(plan, where))
    return swept(plan, where, executor, workers=lambda: [process.pid or 0 for process in executor.workers()])


def overhead(folder: Path) -> dict[str, float]:
    """Milliseconds per run beside simulation: in this process without simulating, and with one worker process."""
    plan = plan_of(folder, runs=4000)
    real = work._run
    work._run = not_simulated
    try:
        cost = swept(plan, folder / "not-simulated", InProcess())
    finally:
        work._run = real
    found = {"in this process, without simulating, ms a run": cost.overhead_ms}
    cost = local(plan_of(folder, runs=2000), folder / "one", 1)
    return {**found, "one worker process, ms a run": cost.overhead_ms}


def not_simulated(chunk: work.Chunk, task: Task) -> tuple[Row, dict[str, Any]]:
    """All that is done about a run but simulating it."""
    work.resolved(chunk.store, chunk.base, task.changes)
    seed = task.seed
    figures = {f"figure_{number}_usd": seed + number * 0.25 for number in range(FIGURES)}
    # A run that takes no time would make chunks of any size; these are as long as those of short runs.
    return replace(work.row_of(chunk, task), wall_seconds=0.012, status=OK, figures=figures), {}


def base_file(plan: Plan, where: Path) -> str:
    """The base scenario as a file, for warming up."""
    store = Store(str(where))
    return store.place.path(f"bases/{store.add_base(plan.base)}.toml")


def workers(folder: Path) -> dict[str, float]:
    """Runs per second with one and with two worker processes."""
    found = {}
    for count in (1, 2):
        cost = local(plan_of(folder, runs=2000), folder / f"workers-{count}", count)
        found[f"{count} workers, runs/s"] = cost.runs / cost.wall_seconds
        found[f"{count} workers, overhead, ms a run"] = cost.overhead_ms
        found[f"{count} workers, processors used"] = cost.cpu_seconds / cost.wall_seconds
    return {**found, "two over one": found["2 workers, runs/s"] / found["1 workers, runs/s"]}


def dask(folder: Path) -> dict[str, float]:
    """Milliseconds per run beside simulation, with a scheduler and two workers as processes of their own."""
    from experiments.sweep.cluster import DaskCluster

    file = folder / "scheduler.json"
    words = ["--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(file)]
    processes = [started("dask_scheduler", *words)]
    try:
        while not file.exists():
            time.sleep(0.1)
        own = ["--scheduler-file", str(file), "--nthreads", "1", "--no-nanny", "--no-dashboard"]
        processes += [started("dask_worker", *own, "--local-directory", str(folder)) for _ in range(2)]
        cluster = DaskCluster(str(json.loads(file.read_text())["address"]))
        cluster._client.wait_for_workers(2)
        cluster.slots = 2
        plan = plan_of(folder, runs=2000)
        cost = swept(plan, folder / "dask", cluster, workers=lambda: [process.pid for process in processes])
        return {"two Dask workers and a scheduler, ms a run": cost.overhead_ms}
    finally:
        for process in processes:
            process.kill()
            process.wait()


def started(module: str, *words: str) -> subprocess.Popen[bytes]:
    """A process of Dask that finds this program."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[1])}
    return subprocess.Popen(
        [sys.executable, "-m", f"distributed.cli.{module}", *words],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def million(folder: Path) -> dict[str, float]:
    """Seconds for questions to a store of a million runs."""
    store = Store(str(folder / "million"))
    store.check()
    draws = np.random.default_rng(1)
    for _ in range(PARTS):
        digits = draws.bytes(16 * ROWS).hex()
        keys = [digits[32 * at : 32 * at + 32] for at in range(ROWS)]
        columns: dict[str, Any] = {name: pa.array([""] * ROWS) for name in META.names}
        changes = [f'{{"assets.ETH.haircut":{at % 100 / 100}}}' for at in range(ROWS)]
        columns |= {"key": keys, "digest": [key[:16] for key in keys], "changes": changes, "status": [OK] * ROWS}
        columns |= {"seed": np.arange(ROWS), "results_version": np.ones(ROWS, np.int32), "wall_seconds": np.ones(ROWS)}
        columns |= {f"figure_{number}_usd": draws.random(ROWS).round(4) for number in range(FIGURES)}
        write_part(store.place, RUNS, pa.table(columns))
    keys_of: set[str] = set()

    def all_keys() -> None:
        keys_of.update(store.stored_keys())

    question = "SELECT changes, quantile_cont(figure_3_usd, 0.95) AS q FROM stored WHERE status = 'ok' GROUP BY changes"
    found = {"keys, s": best(all_keys), "grouped quantile, s": best(lambda: store.query(question))}
    plan = pa.table({"key": sorted(keys_of)[:1_000_000]})
    return {**found, "all of a plan, two figures, s": best(lambda: store.runs(plan, ["figure_1_usd", "figure_2_usd"]))}


def best(action: Callable[[], object]) -> float:
    """Seconds of the quickest of three."""
    times = []
    for _ in range(3):
        began = time.perf_counter()
        action()
        times.append(time.perf_counter() - began)
    return min(times)


def memory(folder: Path) -> dict[str, float]:
    """Peak memory, driver and worker in one process, after runs that are not simulated, parts put together included."""
    found = {}
    work._run = not_simulated
    for runs in (10_000, 50_000, 100_000):
        swept(plan_of(folder, runs=runs, designs=100), folder / f"memory-{runs}", InProcess())
        found[f"after {runs:,} runs, MB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0
    return found


PARTS_OF_IT: dict[str, Callable[[Path], dict[str, float]]] = {
    "overhead": overhead,
    "workers": workers,
    "dask": dask,
    "million": million,
    "memory": memory,
}


def main() -> None:
    """Print each part as it is done."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sweep")
    parser.add_argument("parts", nargs="*", choices=[*PARTS_OF_IT, []], help="all of them when left out")
    for name in parser.parse_args().parts or PARTS_OF_IT:
        with tempfile.TemporaryDirectory() as folder:
            for what, value in PARTS_OF_IT[name](Path(folder)).items():
                print(f"{name}: {what}: {value:.3g}", flush=True)


if __name__ == "__main__":
    main()
