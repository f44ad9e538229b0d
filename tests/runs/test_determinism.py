"""One seed, one result: files, recording, cuts, the safe-distance filter and the twin, on a short crash."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from experiments.build import Built, build
from experiments.run import simulate, trace, without_liquidations
from market.simulation import run
from tests.cuts import cut, digests

NAME = "flash-crash"
SEED = 3
CRASH = cut(NAME)


def files(folder: Path) -> dict[str, bytes]:
    """Everything in an output folder but `run.json`, which has wall time and versions."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "run.json"}


def test_one_seed_gives_identical_files_and_another_does_not(tmp_path: Path) -> None:
    first, again, other = (
        files(simulate(CRASH, seed=seed).save(tmp_path / str(number))) for number, seed in enumerate((SEED, SEED, 0))
    )
    expected = {"kpis.json", "contagion.graphml", "report.html", "picture.svg"}
    expected |= {f"{name}.parquet" for name in ("prices", "depth", "liquidations", "losses", "accounts")}
    expected |= {"causes.parquet", "forced_causes.parquet"}
    assert set(first) == expected
    assert {name for name in first if first[name] != again[name]} == set()
    assert {name for name in first if first[name] == other[name]} == set()


@pytest.fixture(scope="module")
def expected() -> dict[str, str]:
    """What the run leaves behind without anybody watching, in one call."""
    built = build(CRASH, seed=SEED)
    run(built.world, built.rules, built.cast, ticks=CRASH.ticks)
    assert built.world.n_events > 100, "the crash is no crash"
    assert built.world.n_losses > 0, "nobody went bankrupt"
    return digests(built.world)


def test_recording_and_watching_change_nothing(expected: dict[str, str]) -> None:
    seen = []
    found = trace(CRASH, seed=SEED, observers=(lambda world: seen.append(world.tick),))
    assert digests(found.built.world) == expected
    assert seen == list(range(1, CRASH.ticks + 1))
    often = cut(NAME, "recording.sample_seconds=1", "recording.margin_seconds=1")
    assert digests(trace(often, seed=SEED).built.world) == expected


def in_parts(built: Built) -> None:
    lengths = [1, 2, 0, 64, 1, 130, 7]
    for ticks in (*lengths, CRASH.ticks - sum(lengths)):
        run(built.world, built.rules, built.cast, ticks=ticks)


def with_full_assessment(built: Built) -> None:
    built.world.watch.full_assessment = True
    run(built.world, built.rules, built.cast, ticks=CRASH.ticks)


def forgetting_the_filter(built: Built) -> None:
    for tick in range(0, CRASH.ticks, 30):
        built.world.watch.invalidate()
        run(built.world, built.rules, built.cast, ticks=min(30, CRASH.ticks - tick))


@pytest.mark.parametrize("how", [in_parts, with_full_assessment, forgetting_the_filter])
def test_how_it_is_computed_changes_nothing(expected: dict[str, str], how: Callable[[Built], None]) -> None:
    built = build(CRASH, seed=SEED)
    how(built)
    assert digests(built.world) == expected


def test_the_twin_is_identical_up_to_the_first_forced_fill() -> None:
    """Prices, flows and open claims of every tick; from the first breach on a call may cancel orders without a fill."""
    main, twin = (trace(scenario, seed=SEED) for scenario in (CRASH, without_liquidations(CRASH)))
    world, one, other = main.built.world, main.recorder, twin.recorder
    before = int(world.breaches["tick"][0])
    assert 0 < before <= int(world.events["tick"][0])
    for name in ("ticks", "asset_price", "open_claims", "messages"):
        np.testing.assert_array_equal(getattr(one, name)[:before], getattr(other, name)[:before])
    assert (one.ticks != other.ticks).any(), "forced trades change nothing"
    assert twin.built.world.n_events == 0
