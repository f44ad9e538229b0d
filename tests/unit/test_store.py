"""The store: keys, parts that are there whole or not at all, and every run once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from experiments.store import place
from experiments.store.keys import contents, design_key, owner, run_key
from experiments.store.place import PARTIAL, Place
from experiments.store.rows import FAILED, Row, digest, figures
from experiments.store.store import Mismatch, Store
from market.errors import InputError


def row(seed: int, **figures: float | str | None) -> Row:
    return Row(
        key=run_key("design", seed),
        design="design",
        seed=seed,
        base="base",
        changes='{"assets.ETH.haircut":0.1}',
        twin=False,
        strategies="[]",
        manifest="m",
        results_version=1,
        wall_seconds=0.1,
        figures=figures,
    )


def plan(seeds: range) -> pa.Table:
    return pa.table({"key": [run_key("design", seed) for seed in seeds], "run_seed": list(seeds)})


@pytest.fixture(params=["folder", "fsspec"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    where = str(tmp_path / "store") if request.param == "folder" else f"memory://{tmp_path.name}"
    made = Store(where)
    made.check()
    return made


def test_runs_come_back_whatever_figures_they_have(store: Store) -> None:
    assert store.stored_keys() == set()
    assert len(store.runs(plan(range(3)), ["bad_debt_usd"])) == 0
    store.write([row(1, bad_debt_usd=0.1, main="BTC"), row(2, bad_debt_usd=None)])
    store.write([row(3, other=2.0)])
    assert store.stored_keys() == {run_key("design", seed) for seed in (1, 2, 3)}
    found = store.runs(plan(range(1, 10)), ["bad_debt_usd", "other", "never"]).to_pylist()
    by_seed = {item["run_seed"]: (item["bad_debt_usd"], item["other"], item["never"]) for item in found}
    assert by_seed == {1: (0.1, None, None), 2: (None, None, None), 3: (None, 2.0, None)}


def test_a_run_that_is_there_twice_counts_once(store: Store) -> None:
    store.write([replace(row(1), status=FAILED, error="no luck"), row(2, x=2.0)])
    store.write([row(1, x=1.0), row(2, x=2.0)])
    store.write([replace(row(2, x=2.0), kept=("prices",))])
    assert sorted(item["x"] for item in store.runs(plan(range(5)), ["x"]).to_pylist()) == [1.0, 2.0]
    assert store.stored_keys(kept=("prices",)) == {run_key("design", 1), run_key("design", 2)}
    assert store.stored_keys(kept=("prices",), only_ok=True) == {run_key("design", 2)}
    assert store.row(run_key("design", 2)[:9])["kept"] == ",prices,"


def test_two_results_of_one_run_are_an_error(store: Store) -> None:
    store.write([row(1, x=1.0, y=1.0), row(2, x=1.0)])
    store.write([row(1, x=1.0, y=1.0 + 2**-50)])
    with pytest.raises(Mismatch, match=rf"run {run_key('design', 1)} \(seed 1, .*: y 1.0.* and 1.0.*; see") as caught:
        store.runs(plan(range(3)), ["x"])
    assert "1.0000000000000009" in str(caught.value)
    with pytest.raises(Mismatch):
        store.compact(least=2)
    assert len(store.parts()) == 2


def test_small_parts_are_put_together(store: Store) -> None:
    for seed in range(12):
        store.write([row(seed, x=float(seed)), row(seed + 1, x=float(seed + 1))])
    before = sorted(store.runs(plan(range(20)), ["x"]).to_pylist(), key=lambda item: item["run_seed"])
    assert store.compact(least=100) == 0
    assert len(store.parts()) == 12
    store.tidy()  # since runs are there twice
    assert len(store.parts()) == 1
    assert store.query("SELECT count(*) AS n FROM stored").to_pylist() == [{"n": 13}]
    assert sorted(store.runs(plan(range(20)), ["x"]).to_pylist(), key=lambda item: item["run_seed"]) == before


def test_a_part_that_is_cut_off_is_set_aside(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    store.check()
    store.write([row(1, x=1.0)])
    cut = store.write([row(2, x=2.0)])
    whole = (tmp_path / "runs" / cut).read_bytes()
    (tmp_path / "runs" / cut).write_bytes(whole[: len(whole) // 2])
    fresh = Store(str(tmp_path))
    assert fresh.stored_keys() == {run_key("design", 1)}
    assert [(tmp_path / "damaged" / cut).is_file(), "cut off; moved to" in fresh.notes[0]] == [True, True]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_leaves_nothing_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(str(tmp_path))
    store.check()
    real = os.fsync

    def full(handle: int) -> None:
        with open("/dev/full", "wb", buffering=0) as stream:
            stream.write(b"x")
        real(handle)

    monkeypatch.setattr("experiments.store.place.os.fsync", full)
    with pytest.raises(InputError, match=r"runs/.*parquet: cannot be written: No space left on device"):
        store.write([row(1, x=1.0)])
    assert list((tmp_path / "runs").iterdir()) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_place_that_is_not_ours(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(InputError, match="cannot be written: Permission denied"):
        Store(str(tmp_path / "store")).check()


def test_places_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written: Not a directory"):
        Store(str(tmp_path / "file")).check()
    with pytest.raises(InputError, match="nonsense"):
        Store("nonsense://bucket")
    (tmp_path / "later").mkdir()
    (tmp_path / "later" / "store-9.format").write_text("")
    with pytest.raises(InputError, match="a store of another version of the program"):
        Store(str(tmp_path / "later")).check()


def test_leftovers_of_dead_processes_go(tmp_path: Path) -> None:
    gone = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True)
    (tmp_path / "runs").mkdir()
    names = {pid: tmp_path / "runs" / f"{PARTIAL}{place._host()}-{pid}-abcd" for pid in (int(gone.stdout), os.getpid())}
    for file in names.values():
        file.write_text("half")
    Place(str(tmp_path)).check()
    assert [names[pid].exists() for pid in (int(gone.stdout), os.getpid())] == [False, True]


def test_keys_depend_on_what_matters_and_nothing_else(tmp_path: Path) -> None:
    prices = tmp_path / "prices.csv"
    prices.write_text("ts,symbol\n")
    data: dict[str, Any] = {
        "summary": "words",
        "hours": 1.0,
        "reference": {"kind": "replay", "file": str(prices)},
        "venue": {"about": {"name": "X"}, "fee": 1},
    }
    key = design_key(data, twin=False)
    assert design_key({**data, "summary": "other words"}, twin=False) == key
    assert design_key({**data, "venue": {"about": {"name": "Y"}, "fee": 1}}, twin=False) == key
    moved = tmp_path / "moved.csv"
    moved.write_text("ts,symbol\n")
    assert design_key({**data, "reference": {"kind": "replay", "file": str(moved)}}, twin=False) == key
    strategy = tmp_path / "own.py"
    strategy.write_text("class A: ...")
    others = [
        design_key(data, twin=True),
        design_key({**data, "hours": 1.0 + 2**-52}, twin=False),
        design_key({**data, "venue": {"about": {"name": "X"}, "fee": 2}}, twin=False),
        design_key(data, twin=False, strategies=[f"{strategy}:A"]),
    ]
    strategy.write_text("class A: pass")
    others.append(design_key(data, twin=False, strategies=[f"{strategy}:A"]))
    prices.write_text("ts,symbol\nother\n")
    others.append(design_key(data, twin=False))
    assert len({key, *others}) == 7
    assert run_key(key, 1) != run_key(key, 2)
    prices.unlink()
    with pytest.raises(InputError, match=r"prices.csv: cannot be read: No such file"):
        design_key(data, twin=False)


def test_every_key_has_one_owner() -> None:
    keys = [run_key("design", seed) for seed in range(4000)]
    counts = [sum(owner(key, 4) == i for key in keys) for i in range(4)]
    assert sum(counts) == 4000
    assert min(counts) > 900


def test_contents_are_read_anew_when_a_file_changes(tmp_path: Path) -> None:
    file = tmp_path / "x"
    file.write_text("a")
    first = contents(file)
    file.write_text("ab")
    assert contents(file) != first


def test_figures_are_exact_numbers_or_refused() -> None:
    assert figures({"n": 3, "x": 0.1, "name": "BTC", "none": None}) == {"n": 3.0, "x": 0.1, "name": "BTC", "none": None}
    for wrong in ({"x": float("nan")}, {"x": float("inf")}, {"n": 2**60 + 1}, {"seed": 1.0}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            figures(wrong)
    assert digest({"a": 0.1, "b": None}) == digest({"b": None, "a": 0.1}) != digest({"a": 0.1 + 2**-56, "b": None})


def test_a_run_is_found_by_how_its_key_begins(store: Store) -> None:
    store.write([row(seed, x=1.0) for seed in range(40)])
    assert store.row(run_key("design", 7))["seed"] == 7
    with pytest.raises(InputError, match="no run whose key begins with 0123456789abcdef"):
        store.row("0123456789abcdef")
    with pytest.raises(InputError, match="not a key"):
        store.row("'; --")
    with pytest.raises(InputError, match="runs whose key begins"):
        store.row(sorted(key[:1] for key in store.stored_keys())[0])


def test_parts_are_plain_parquet(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    name = store.write([row(1, x=1.0)])
    [found] = pq.read_table(tmp_path / "runs" / name).to_pylist()
    assert (found["x"], json.loads(found["changes"])) == (1.0, {"assets.ETH.haircut": 0.1})
