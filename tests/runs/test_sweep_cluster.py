"""Sweeps on a Dask cluster of processes on this machine, and as the tasks of a SLURM array."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest

from experiments.store.store import Store
from experiments.study.load import load_study
from experiments.sweep import slurm
from experiments.sweep.command import Call, do
from experiments.sweep.plan import Plan
from market.errors import InputError
from tests.sweeps import SMALL, small_plan

ROOT = Path(__file__).resolve().parents[2]
MANY = SMALL.replace("count = 4", "count = 20")

distributed = pytest.importorskip("distributed")


def start(module: str, *words: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", f"distributed.cli.{module}", *words],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """Address of a scheduler, and the processes: the scheduler and two workers."""
    file = tmp_path / "scheduler.json"
    words = ["--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(file)]
    processes = [start("dask_scheduler", *words)]
    until = time.monotonic() + 60.0
    while not file.exists():
        assert time.monotonic() < until, "no scheduler"
        time.sleep(0.1)
    own = ["--no-nanny", "--nthreads", "1", "--no-dashboard", "--local-directory", str(tmp_path)]
    processes += [start("dask_worker", "--scheduler-file", str(file), *own) for _ in range(2)]
    yield json.loads(file.read_text())["address"], processes
    for process in processes:
        process.kill()
        process.wait()


def stored_once(store: Store) -> int:
    """Runs that are stored, each exactly once."""
    counted = "SELECT count(*) AS n, count(DISTINCT key) AS keys FROM stored WHERE status = 'ok'"
    [found] = store.query(counted).to_pylist()
    assert found["n"] == found["keys"]
    return int(found["n"])


def kill_later(process: subprocess.Popen[bytes], store: Store, *, parts: int) -> Thread:
    """Kill a process as soon as there are so many parts."""

    def kill() -> None:
        while len(store.place.names("runs", ".parquet")) < parts:
            time.sleep(0.02)
        process.kill()

    thread = Thread(target=kill, daemon=True)
    thread.start()
    return thread


def test_a_killed_dask_worker_costs_nothing(cluster: tuple[str, list[subprocess.Popen[bytes]]], tmp_path: Path) -> None:
    address, processes = cluster
    plan, store = small_plan(tmp_path, text=MANY), Store(str(tmp_path / "store"))
    store.check()
    thread = kill_later(processes[2], store, parts=2)
    progress = do(plan, store, Call(study="", store=store.place.where, executor=f"dask={address}"))
    thread.join(timeout=10.0)
    assert processes[2].wait(timeout=10.0) != 0
    assert (progress.done, progress.failed, progress.killed, progress.left) == (120, 0, 0, 0)
    assert stored_once(store) == 120
    local = Store(str(tmp_path / "local"))
    local.check()
    few = small_plan(tmp_path, text=SMALL.replace("count = 4", "count = 1"))
    do(few, local, Call(study="", store=local.place.where, workers=1))
    for key in local.stored_keys():
        assert local.row(key)["digest"] == store.row(key)["digest"]


def test_a_scheduler_that_goes_away_is_one_line_and_what_is_stored_counts(
    cluster: tuple[str, list[subprocess.Popen[bytes]]], tmp_path: Path
) -> None:
    address, processes = cluster
    plan, store = small_plan(tmp_path, text=MANY), Store(str(tmp_path / "store"))
    store.check()
    call = Call(study="", store=store.place.where, executor=f"dask={address}")
    thread = kill_later(processes[0], store, parts=2)
    with pytest.raises(InputError, match=r"--executor dask=.*: the scheduler went away; what is stored counts"):
        do(plan, store, call)
    thread.join(timeout=10.0)
    before = stored_once(store)
    assert 0 < before < 120
    with pytest.raises(InputError, match=r"--executor dask=.*: no scheduler there"):
        do(plan, store, call)
    assert do(plan, store, Call(study="", store=store.place.where, workers=1)).left == 0
    assert stored_once(store) == 120


def test_tasks_of_an_array_do_the_whole_study(tmp_path: Path) -> None:
    small_plan(tmp_path)
    file, store = tmp_path / "small.toml", str(tmp_path / "store")
    text = slurm.script(file=file, store=store, tasks=2, workers=1, folder=ROOT)
    assert "#SBATCH --array=0-1\n" in text
    script = tmp_path / "small.sbatch"
    script.write_text(text)
    shares = []
    for task in ("0", "1", "1"):  # the last one is requeued
        done = subprocess.run(
            ["bash", str(script)], env={**os.environ, "SLURM_ARRAY_TASK_ID": task}, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        shares.append(int(done.stdout.partition(" done now")[0].rpartition(" ")[2]))
    assert shares[0] + shares[1] == 24
    assert (min(shares[:2]) > 0, shares[2]) == (True, 0)
    assert stored_once(Store(store)) == 24
    assert Store(store).stored_keys() == set(map(Plan(load_study(file)).key, range(24)))


@pytest.mark.parametrize("text", ["4/4", "1", "-1/3", "a/b", "1/"])
def test_shares_that_are_none(text: str) -> None:
    with pytest.raises(InputError, match="expected I/N"):
        slurm.parse_share(text)


def test_executors_that_are_none(tmp_path: Path) -> None:
    plan, store = small_plan(tmp_path), Store(str(tmp_path / "store"))
    with pytest.raises(InputError, match="--executor sluurm: expected local, dask=ADDRESS or slurm-array"):
        do(plan, store, Call(study="", store=store.place.where, executor="sluurm"))
