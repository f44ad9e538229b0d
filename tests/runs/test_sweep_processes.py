"""Sweeps in processes of their own: workers and drivers are killed, and every key is there exactly once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from experiments.store.rows import FAILED, META, OK
from experiments.store.store import Store
from experiments.sweep.command import Call, do
from experiments.sweep.rerun import rerun
from market.errors import InputError
from tests.sweeps import SMALL, small_plan

ROOT = Path(__file__).resolve().parents[2]
MANY = SMALL.replace("count = 4", "count = 40")


def cascade(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "experiments", *words], cwd=ROOT, capture_output=True, text=True, check=False
    )


def figures(store: Store) -> dict[str, tuple[object, ...]]:
    """All columns of every run that say what came of it, by key; each key once."""
    own = [name for name in META.names if name not in ("wall_seconds", "cpu_seconds", "manifest", "kept")]
    rows = store.query("SELECT * FROM stored").to_pylist()
    names = [*own, *sorted(rows[0].keys() - set(META.names))]
    found = {row["key"]: tuple(row[name] for name in names) for row in rows}
    assert len(found) == len(rows)
    return found


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[object, ...]]:
    """The small study in this process."""
    folder = tmp_path_factory.mktemp("alone")
    store = Store(str(folder / "store"))
    store.check()
    progress = do(small_plan(folder), store, Call(study="", store=store.place.where, workers=1))
    assert (progress.done, progress.failed, progress.left) == (24, 0, 0)
    return figures(store)


def test_rows_are_the_same_to_the_bit_whoever_simulates_in_whatever_order(
    alone: dict[str, tuple[object, ...]], tmp_path: Path
) -> None:
    small_plan(tmp_path)
    study, where = str(tmp_path / "small.toml"), str(tmp_path / "store")
    done = cascade("sweep", study, "--store", where, "--workers", "2", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["done"] == 24
    assert figures(Store(where)) == alone


def children(pid: int) -> list[int]:
    """Processes below a process, at any depth."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid:
            found += [int(status.parent.name), *children(int(status.parent.name))]
    return found


def is_worker(pid: int) -> bool:
    """Whether it has been forked from the server: that one listens, workers have the same command line and a child's
    place below it."""
    return b"forkserver" in Path(f"/proc/{pid}/cmdline").read_bytes()


@pytest.fixture
def driver(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A sweep of 240 runs with two workers, begun."""
    small_plan(tmp_path, text=MANY)
    words = ["sweep", str(tmp_path / "small.toml"), "--store", str(tmp_path / "store"), "--workers", "2"]
    process = subprocess.Popen(
        [sys.executable, "-m", "experiments", *words],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    yield process
    if process.poll() is None:
        process.kill()
    process.communicate()


def wait_for(what: object, seconds: float = 120.0) -> None:
    until = time.monotonic() + seconds
    while not what():  # type: ignore[operator]
        assert time.monotonic() < until, "nothing happened"
        time.sleep(0.02)


def workers_of(pid: int) -> list[int]:
    """Workers are children of the server, which is a child of the driver."""
    return [worker for server in children(pid) if is_worker(server) for worker in children(server)]


pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are looked up in /proc")


def parts(tmp_path: Path) -> int:
    return len(list((tmp_path / "store" / "runs").glob("*.parquet")))


def test_a_killed_worker_costs_nothing(driver: subprocess.Popen[str], tmp_path: Path) -> None:
    for n in (1, 3):
        wait_for(lambda n=n: parts(tmp_path) >= n)
        wait_for(lambda: workers_of(driver.pid))
        os.kill(workers_of(driver.pid)[0], signal.SIGKILL)
    output, errors = driver.communicate(timeout=300)
    assert driver.returncode == 0, errors
    assert "240 done now" in output
    found = figures(Store(str(tmp_path / "store")))
    assert {row[META.names.index("status")] for row in found.values()} == {OK}
    assert len(found) == 240


def test_workers_end_with_a_killed_driver_and_the_next_one_goes_on(
    driver: subprocess.Popen[str], tmp_path: Path
) -> None:
    wait_for(lambda: parts(tmp_path) >= 2)
    below = children(driver.pid)
    assert below
    driver.kill()
    driver.wait()
    wait_for(lambda: not any(Path(f"/proc/{pid}/cmdline").exists() and alive(pid) for pid in below), 20.0)
    resumed = cascade("resume", "--store", str(tmp_path / "store"), "--workers", "1", "--json")
    said = json.loads(resumed.stdout)
    assert (resumed.returncode, said["total"], said["left"]) == (0, 240, 0)
    assert said["stored_before"] > 0
    assert len(figures(Store(str(tmp_path / "store")))) == 240


def alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and waits for somebody to notice does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_ctrl_c_ends_in_order(driver: subprocess.Popen[str], tmp_path: Path) -> None:
    wait_for(lambda: parts(tmp_path) >= 2)
    os.killpg(driver.pid, signal.SIGINT)
    output, errors = driver.communicate(timeout=60)
    assert (driver.returncode, "Traceback" in errors) == (130, False)
    assert "interrupted:" in output
    assert "cascade resume" in output
    stored = len(figures(Store(str(tmp_path / "store"))))
    assert f"{240 - stored} runs are left" in output
    assert list((tmp_path / "store").rglob(".partial-*")) == []


def test_designs_that_raise_are_told_and_the_others_go_on(tmp_path: Path) -> None:
    text = SMALL.replace("[0.1, 0.3]", "[0.1]") + "instruments.BTC-PERP.tick_size = [0.1, 1e-9]\n"
    plan = small_plan(tmp_path, text=text)
    store = Store(str(tmp_path / "store"))
    store.check()
    call = Call(study="", store=store.place.where, workers=1)
    progress = do(plan, store, call)
    assert (progress.done, progress.failed, progress.left) == (24, 12, 0)
    statuses = [row[META.names.index("status")] for row in figures(store).values()]
    assert (statuses.count(FAILED), statuses.count(OK)) == (12, 12)
    assert do(plan, store, call).done == 0


def test_two_drivers_on_one_store(alone: dict[str, tuple[object, ...]], tmp_path: Path) -> None:
    small_plan(tmp_path)
    words = [sys.executable, "-m", "experiments", "sweep", str(tmp_path / "small.toml"), "--store", str(tmp_path / "s")]
    both = [subprocess.Popen([*words, "--workers", "1"], cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in "ab"]
    assert [process.communicate(timeout=300)[0] != "" and process.returncode for process in both] == [0, 0]
    store = Store(str(tmp_path / "s"))
    store.check_twice()
    assert store.stored_keys() == alone.keys()
    assert len(store.runs(small_plan(tmp_path).table(), ["bad_debt_usd"])) == 24


def test_rerun_gives_the_same_figures_and_notices_when_it_does_not(tmp_path: Path) -> None:
    plan = small_plan(tmp_path, text=SMALL.replace("count = 4", "count = 1"))
    store = Store(str(tmp_path / "store"))
    store.check()
    do(plan, store, Call(study="", store=store.place.where, workers=1))
    key = sorted(figures(store))[0]
    store.compact(least=2)
    found = rerun(store, key[:12])
    assert (found.row["key"], found.same) == (key, True)
    [part] = (tmp_path / "store" / "runs").iterdir()
    table = pq.read_table(part)
    at = table.column_names.index("breached_account_count")
    counts = pc.add(table.column(at), 1.0)
    pq.write_table(table.set_column(at, "breached_account_count", counts), part)
    with pytest.raises(InputError, match="its stored figures are not those that were written"):
        rerun(store, key)
    with pytest.raises(InputError, match="no run whose key begins with ffff"):
        rerun(store, "f" * 32)


def test_a_first_run_that_cannot_start_stores_nothing(tmp_path: Path) -> None:
    plan = small_plan(tmp_path, text="set.instruments.BTC-PERP.tick_size = 1e-9\n" + SMALL)
    store = Store(str(tmp_path / "store"))
    store.check()
    with pytest.raises(InputError, match="the study cannot start; its first runs fail"):
        do(plan, store, Call(study="", store=store.place.where, workers=1))
    assert store.stored_keys() == set()
