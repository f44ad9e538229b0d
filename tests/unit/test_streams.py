"""Random streams: a draw depends on seed, name and tick, and on nothing else."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from market.streams import BLOCK_TICKS, Kind, Streams

GOLDEN: dict[Kind, list[float]] = {
    "uniform": [0.6644737740641642, 0.4877159394907592, 0.4596269885809626],
    "normal": [0.8177626993704652, -2.316569957072816, -0.9485634445338443],
    "exponential": [2.320899018661144, 1.280566004718286, 1.06803425637795],
}


@pytest.mark.parametrize("kind", GOLDEN)
def test_golden_values(kind: Any) -> None:
    stream = Streams(0).stream("golden", width=3, kind=kind)
    assert [*stream.row(0)[:2].tolist(), stream.row(BLOCK_TICKS + 1)[0]] == GOLDEN[kind]


def test_random_access_equals_sequential() -> None:
    sequential = Streams(5).stream("a", width=3, kind="normal")
    rows = np.array([sequential.row(tick).copy() for tick in range(700)])
    jumping = Streams(5).stream("a", width=3, kind="normal")
    for tick in (699, 0, 256, 255, 511, 3, 512):
        assert np.array_equal(jumping.row(tick), rows[tick])


def test_construction_order_and_other_streams_move_nothing() -> None:
    one, two = Streams(9), Streams(9)
    a = one.stream("a", width=2)
    b = one.stream("b", width=2)
    two.stream("new", width=7).row(12)
    b_late = two.stream("b", width=2)
    b_late.row(3000)
    a_late = two.stream("a", width=2)
    for tick in (0, 300):
        assert np.array_equal(a.row(tick), a_late.row(tick))
        assert np.array_equal(b.row(tick), b_late.row(tick))


def test_names_seeds_and_ticks_differ() -> None:
    rows = [
        Streams(seed).stream(name, width=1).row(tick)[0]
        for seed in (0, 1, 2**70)
        for name in ("a", "b", "a0")
        for tick in (0, 1, 256, 512)
    ]
    assert len(set(rows)) == len(rows)


def test_a_row_survives_the_next_block() -> None:
    stream = Streams(1).stream("a", width=2)
    row = stream.row(0)
    before = row.copy()
    stream.row(BLOCK_TICKS)
    assert np.array_equal(row, before)


def test_moments() -> None:
    shape: dict[Kind, tuple[float, float]] = {"uniform": (0.5, 1 / 12), "normal": (0.0, 1.0), "exponential": (1.0, 1.0)}
    for kind, (mean, variance) in shape.items():
        block = np.concatenate([Streams(3).stream("m", width=40, kind=kind).block(i) for i in range(4)])
        assert block.mean() == pytest.approx(mean, abs=0.02)
        assert block.var() == pytest.approx(variance, rel=0.05)
        assert abs(np.corrcoef(block[1:, 0], block[:-1, 0])[0, 1]) < 0.1


def test_draws_at_an_index_do_not_depend_on_what_was_drawn_before() -> None:
    draws = Streams(4).draws("jumps")
    first = draws.at(7).random(3)
    draws.at(7).standard_normal(5)
    draws.at(8).integers(0, 10, size=3, dtype=np.uint32)
    assert np.array_equal(draws.at(7).random(3), first)
    assert not np.array_equal(draws.at(8).random(3), first)


@pytest.mark.parametrize("seed", [-1, 1.0, "7", None, True])
def test_bad_seeds(seed: Any) -> None:
    with pytest.raises(ValueError, match="seed must be a whole number from 0") as error:
        Streams(seed)
    assert "\n" not in str(error.value)


def test_zero_and_numpy_seeds_are_valid() -> None:
    zero: Any = np.int64(0)
    assert Streams(0).stream("a", width=1).row(0) == Streams(zero).stream("a", width=1).row(0)


def test_bad_streams_and_ticks() -> None:
    with pytest.raises(ValueError, match="width"):
        Streams(0).stream("a", width=-1)
    with pytest.raises(ValueError, match="kind"):
        Streams(0).stream("a", width=1, kind="cauchy")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="counted from 0"):
        Streams(0).stream("a", width=1).row(-1)
    assert Streams(0).stream("a", width=0).row(5).shape == (0,)
