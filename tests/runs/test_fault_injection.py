"""Drivers, their server and their workers are killed at random; in the end every key is there exactly once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from experiments.store.rows import META, OK
from experiments.store.store import Store
from experiments.sweep.command import Call, do
from market.streams import Streams
from tests.runs.test_sweep_processes import ROOT, alive, children, figures, parts, wait_for, workers_of
from tests.sweeps import SMALL, small_plan

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are looked up in /proc")

FAULTS = 4
PATIENCE = 600.0
"""Seconds without any progress after which the test fails; kernels may have to be compiled first."""
MANY = SMALL.replace("count = 4", "count = 20")
KINDS = ("worker", "driver", "server", "everything")


def begin(tmp_path: Path) -> subprocess.Popen[str]:
    words = ["sweep", str(tmp_path / "small.toml"), "--store", str(tmp_path / "store"), "--workers", "2"]
    return subprocess.Popen(
        [sys.executable, "-m", "experiments", *words],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )


def strike(driver: subprocess.Popen[str], kind: str, at: int) -> list[int]:
    """Kill some of what belongs to a driver; what it had below it."""
    below = children(driver.pid)
    if kind == "worker":
        workers = workers_of(driver.pid)
        victims = workers[at % len(workers) :][:1] if workers else []
    elif kind == "server":
        victims = below[:1]
    elif kind == "driver":
        victims = [driver.pid]
    else:
        victims = [driver.pid, *below]
    for pid in victims:
        with suppress(ProcessLookupError):  # it was quicker
            os.kill(pid, signal.SIGKILL)
    return below


def stop(driver: subprocess.Popen[str]) -> None:
    """End what is left of a driver."""
    if driver.poll() is None:
        with suppress(ProcessLookupError):
            os.killpg(driver.pid, signal.SIGKILL)
    driver.wait()


@pytest.mark.parametrize("seed", [1, 2])
def test_every_key_is_there_exactly_once_whoever_was_killed(seed: int, tmp_path: Path) -> None:
    draws = Streams(seed).generator("faults")
    plan = small_plan(tmp_path, text=MANY)
    struck = []
    driver = begin(tmp_path)
    try:
        for _ in range(FAULTS):
            more = parts(tmp_path) + int(draws.integers(0, 3))
            wait_for(lambda driver=driver, more=more: parts(tmp_path) >= more or driver.poll() is not None, PATIENCE)
            if driver.poll() is None:
                kind = KINDS[int(draws.integers(0, len(KINDS)))]
                below = strike(driver, kind, int(draws.integers(0, 8)))
                struck.append(kind)
                if kind in ("driver", "everything"):
                    driver.wait()
                    wait_for(lambda below=below: not any(map(alive, below)), 30.0)
            if driver.poll() is not None:
                driver = begin(tmp_path)
        wait_for(lambda: driver.poll() is not None, PATIENCE)
    finally:
        stop(driver)
    assert struck
    store = Store(str(tmp_path / "store"))
    store.check()
    do(plan, store, Call(study="", store=store.place.where, workers=1))  # whatever the last fault left
    found = figures(store)
    store.check_twice()
    assert len(found) == len(plan) == 120
    assert {row[META.names.index("status")] for row in found.values()} == {OK}
    assert list((tmp_path / "store").rglob(".partial-*")) == []
    (tmp_path / "undisturbed").mkdir()
    calm = Store(str(tmp_path / "undisturbed" / "store"))
    calm.check()
    do(small_plan(tmp_path / "undisturbed"), calm, Call(study="", store=calm.place.where, workers=1))
    undisturbed = figures(calm)
    assert {key: found[key] for key in undisturbed} == undisturbed
