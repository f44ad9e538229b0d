"""What every path of reference prices promises, run over every model."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, get_args

import numpy as np
import pytest
from pydantic import TypeAdapter

from market.reference import AnchoredAsset, AnchoredPath, Bars, ModelPrices, ReferenceModel, ReferencePath, ReplayPrices
from market.streams import Streams

ANCHORS = AnchoredPath(
    assets=(
        AnchoredAsset(symbol="BTC", anchors=((0.0, 40_000.0), (600.0, 30_000.0), (1_800.0, 35_000.0)), volatility=2.0),
        AnchoredAsset(symbol="ETH", anchors=((0.0, 3_000.0), (1_800.0, 2_000.0)), volatility=3.0),
    )
)


def some_bars(count: int = 40) -> Bars:
    rng = np.random.default_rng(3)
    close = 100.0 * np.exp(np.cumsum(0.01 * rng.standard_normal((count, 2)), axis=0))
    opens = np.vstack([[100.0, 100.0], close[:-1]])
    high = np.maximum(opens, close) * (1.0 + 0.01 * rng.random((count, 2)))
    low = np.minimum(opens, close) * (1.0 - 0.01 * rng.random((count, 2)))
    return Bars(
        symbols=("BTC", "ETH"), start="2021-05-19T06:00Z", seconds=60.0, open=opens, high=high, low=low, close=close
    )


def open_path(kind: str, seed: int, tick_seconds: float = 1.0) -> ReferencePath:
    streams = Streams(seed)
    if kind == "replay":
        return ReplayPrices().path(bars=some_bars(), streams=streams, tick_seconds=tick_seconds)
    model = ModelPrices() if kind == "model" else ANCHORS
    return model.path(streams=streams, tick_seconds=tick_seconds)


KINDS = ("model", "anchors", "replay")


def test_the_union_holds_these_kinds() -> None:
    union = get_args(get_args(ReferenceModel)[0])
    assert tuple(next(f.default for f in fields(cls) if f.name == "kind") for cls in union) == KINDS


@pytest.mark.parametrize("kind", KINDS)
def test_any_tick_in_any_order(kind: str) -> None:
    path = open_path(kind, 1)
    rows = np.array([path.row(tick).copy() for tick in range(1_500)])
    assert rows.shape == (1_500, len(path.symbols))
    assert (rows > 0.0).all()
    other = open_path(kind, 1)
    for tick in (1_499, 0, 255, 256, 257, 1_000, 511, 1):
        assert np.array_equal(other.row(tick), rows[tick])


@pytest.mark.parametrize("kind", KINDS)
def test_seeds_differ_and_the_start_does_not(kind: str) -> None:
    one, two = open_path(kind, 1), open_path(kind, 2)
    assert np.array_equal(one.row(0), two.row(0))
    assert not np.array_equal(one.row(5), two.row(5))


@pytest.mark.parametrize("kind", KINDS)
def test_outside_the_path(kind: str) -> None:
    path = open_path(kind, 1)
    with pytest.raises(ValueError, match="tick"):
        path.row(-1)
    if path.last_tick is not None:
        path.row(path.last_tick)
        with pytest.raises(ValueError, match="outside"):
            path.row(path.last_tick + 1)


@pytest.mark.parametrize("kind", KINDS)
def test_untilted_paths_weigh_nothing(kind: str) -> None:
    path = open_path(kind, 1)
    assert [path.log_likelihood_ratio(tick) for tick in (0, 10, 1_400)] == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("tick_seconds", [0.0, -1.0, float("nan"), float("inf")])
@pytest.mark.parametrize("kind", KINDS)
def test_bad_tick_seconds(kind: str, tick_seconds: float) -> None:
    with pytest.raises(ValueError, match="tick_seconds"):
        open_path(kind, 0, tick_seconds=tick_seconds)


def test_parameters_are_read_from_tables() -> None:
    adapter: TypeAdapter[Any] = TypeAdapter(ReferenceModel)
    table = {"kind": "anchors", "assets": [{"symbol": "BTC", "anchors": [[0, 4e4], [60, 3e4]], "volatility": 2.0}]}
    anchored = adapter.validate_python(table)
    assert isinstance(anchored, AnchoredPath)
    assert anchored.assets[0].anchors == ((0.0, 40_000.0), (60.0, 30_000.0))
    assert adapter.validate_python({"kind": "model"}) == ModelPrices()
    assert adapter.validate_python({"kind": "replay"}) == ReplayPrices()
    for wrong in ({"kind": "model", "slow_spred": 1.0}, {"kind": "modell"}, {"kind": "model", "jump_size_tilt": 1.0}):
        with pytest.raises(ValueError, match="validation error"):
            adapter.validate_python(wrong)
