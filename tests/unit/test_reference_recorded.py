"""Replayed bars and anchored paths: what is recorded is met exactly, what lies between has the law stated."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from market.reference import AnchoredAsset, AnchoredPath, Bars, ReplayPrices
from market.reference.replay import BARS_PER_BLOCK, fill_bars, one_factor
from market.streams import Streams

YEAR = 365 * 86_400.0


def brownian_bars(*, bars: int, steps: int, sigma: float, correlation: float, seed: int = 0) -> Bars:
    """Bars cut from correlated Brownian motion of `sigma` per bar."""
    rng = np.random.default_rng(seed)
    common, own = rng.standard_normal((bars * steps, 1)), rng.standard_normal((bars * steps, 2))
    walk = np.cumsum(math.sqrt(correlation) * common + math.sqrt(1 - correlation) * own, axis=0)
    prices = np.exp(np.vstack([[0.0, 0.0], walk]) * sigma / math.sqrt(steps))
    pieces = np.stack([prices[k * steps : (k + 1) * steps + 1] for k in range(bars)])
    return Bars(
        symbols=("A", "B"),
        start="2021-01-01T00:00Z",
        seconds=300.0,
        open=pieces[:, 0],
        high=pieces.max(axis=1),
        low=pieces.min(axis=1),
        close=pieces[:, -1],
    )


def rows(path: Any, ticks: Any = None) -> Any:
    return np.array([path.row(tick).copy() for tick in range((path.last_tick + 1) if ticks is None else ticks)])


def test_bars_are_met_exactly() -> None:
    bars = brownian_bars(bars=50, steps=400, sigma=0.01, correlation=0.7)
    filled = rows(ReplayPrices().path(bars=bars, streams=Streams(0), tick_seconds=5.0)).reshape(50, 60, 2)
    assert np.array_equal(filled[:, 0], bars.open)
    assert np.array_equal(filled[:, -1], bars.close)
    assert np.array_equal(filled.max(axis=1), bars.high)
    assert np.array_equal(filled.min(axis=1), bars.low)


def test_volatility_and_correlation_within_bars() -> None:
    bars = brownian_bars(bars=600, steps=1_200, sigma=0.01, correlation=0.7)
    model = ReplayPrices()
    assert np.prod(model.loadings(bars)) == pytest.approx(0.7, abs=0.05)
    found = np.diff(np.log(rows(model.path(bars=bars, streams=Streams(0), tick_seconds=3.0))), axis=0)
    assert found.std(axis=0) * 10.0 == pytest.approx([0.01, 0.01], rel=0.05)
    assert abs((found[1:, 0] * found[:-1, 0]).mean() / found[:, 0].var()) < 0.03
    # Bending each asset towards its own extremes costs about a tenth of the correlation.
    assert 0.58 < np.corrcoef(found.T)[0, 1] < 0.72
    apart = np.diff(
        np.log(rows(replace(model, correlation=0.0).path(bars=bars, streams=Streams(0), tick_seconds=3.0))), axis=0
    )
    assert np.corrcoef(apart.T)[0, 1] < 0.15


def test_extremes_of_correlated_assets_come_together() -> None:
    bars = brownian_bars(bars=300, steps=300, sigma=0.01, correlation=0.9)
    lags = {}
    for correlation in (0.0, 0.95):
        path = ReplayPrices(correlation=correlation).path(bars=bars, streams=Streams(1), tick_seconds=5.0)
        at = rows(path).reshape(300, 60, 2).argmin(axis=1)
        lags[correlation] = float(np.abs(at[:, 0] - at[:, 1]).mean())
    assert lags[0.95] < 0.65 * lags[0.0]


def test_a_bar_depends_on_its_number_and_itself_alone() -> None:
    bars = brownian_bars(bars=40, steps=50, sigma=0.01, correlation=0.7)
    other: dict[str, Any] = {
        name: np.vstack([2.0 * getattr(bars, name)[:30], getattr(bars, name)[30:]])
        for name in ("open", "high", "low", "close")
    }
    model = ReplayPrices(correlation=0.6)
    one = rows(model.path(bars=bars, streams=Streams(0), tick_seconds=10.0))
    two = rows(model.path(bars=replace(bars, **other), streams=Streams(0), tick_seconds=10.0))
    assert np.array_equal(one[900:], two[900:])
    alone: dict[str, Any] = {name: getattr(bars, name)[:, :1] for name in ("open", "high", "low", "close")}
    single = rows(model.path(bars=replace(bars, symbols=("A",), **alone), streams=Streams(0), tick_seconds=10.0))
    assert np.array_equal(single[:, 0], one[:, 0])


def test_a_gap_is_one_jump() -> None:
    bars = Bars(
        symbols=("A",),
        start="2021-01-01T00:00Z",
        seconds=60.0,
        open=np.array([[100.0], [110.0]]),
        high=np.array([[101.0], [111.0]]),
        low=np.array([[99.0], [109.0]]),
        close=np.array([[100.5], [110.5]]),
    )
    path = ReplayPrices().path(bars=bars, streams=Streams(0), tick_seconds=1.0)
    assert [path.row(tick)[0] for tick in (0, 59, 60, 119)] == [100.0, 100.5, 110.0, 110.5]


def test_flat_bars_stay_flat_and_other_shapes_hold() -> None:
    ohlc = np.array([[5.0, 5.0, 5.0, 5.0], [1.0, 2.0, 1.0, 2.0], [2.0, 2.0, 1.0, 1.0], [1.0, 2.0, 1.0, 1.0]]).T
    noise = np.random.default_rng(0).standard_normal((4, 3))
    filled = fill_bars(noise=noise, ohlc=ohlc)
    assert (filled[0] == 5.0).all()
    assert np.array_equal(filled.max(axis=1), ohlc[1])
    assert np.array_equal(filled.min(axis=1), ohlc[2])
    assert np.array_equal(fill_bars(noise=0.0 * noise, ohlc=ohlc).max(axis=1), ohlc[1])


def test_one_factor_recovers_loadings() -> None:
    loadings = np.array([0.94, 0.88, 0.6, 0.0])
    assert one_factor(np.outer(loadings, loadings)) == pytest.approx(loadings, abs=0.02)
    assert one_factor(-np.ones((2, 2))) == pytest.approx([0.0, 0.0])


def test_short_tables_fall_back() -> None:
    bars = brownian_bars(bars=10, steps=20, sigma=0.01, correlation=0.9)
    assert ReplayPrices().loadings(bars) == pytest.approx([math.sqrt(0.6)] * 2)
    assert ReplayPrices(correlation=0.25).loadings(bars) == pytest.approx([0.5, 0.5])


@pytest.mark.parametrize("tick_seconds", [7.0, 100.0, 600.0])
def test_ticks_must_divide_a_bar(tick_seconds: Any) -> None:
    bars = brownian_bars(bars=BARS_PER_BLOCK, steps=20, sigma=0.01, correlation=0.9)
    with pytest.raises(ValueError, match="must divide the table's bars of 300 s into 4 ticks or more"):
        ReplayPrices().path(bars=bars, streams=Streams(0), tick_seconds=tick_seconds)


def test_contradictory_bars() -> None:
    bars = brownian_bars(bars=3, steps=20, sigma=0.01, correlation=0.9)
    with pytest.raises(ValueError, match="between low and high"):
        replace(bars, high=bars.low)
    with pytest.raises(ValueError, match="not positive"):
        replace(bars, low=0.0 * bars.low)
    with pytest.raises(ValueError, match="shape"):
        replace(bars, low=bars.low[:2])


def anchored(volatility: float = 1.0, correlation: float = 0.8) -> AnchoredPath:
    return AnchoredPath(
        assets=(
            AnchoredAsset(symbol="BTC", anchors=((0.0, 4e4), (9_000.0, 3e4), (36_000.0, 4e4)), volatility=volatility),
            AnchoredAsset(symbol="ETH", anchors=((0.0, 3e3), (36_000.0, 2e3)), volatility=2.0 * volatility),
        ),
        correlation=correlation,
    )


@pytest.mark.parametrize("tick_seconds", [1.0, 2.0])
def test_anchors_are_met_exactly_with_the_volatility_asked_for(tick_seconds: Any) -> None:
    path = anchored().path(streams=Streams(0), tick_seconds=tick_seconds)
    assert path.last_tick == 36_000 / tick_seconds
    for seconds, price in ((0.0, 4e4), (9_000.0, 3e4), (36_000.0, 4e4)):
        assert path.row(round(seconds / tick_seconds))[0] == price
    found = np.diff(np.log(rows(path)), axis=0)
    assert found.std(axis=0) * math.sqrt(YEAR / tick_seconds) == pytest.approx([1.0, 2.0], rel=0.03)
    assert np.corrcoef(found.T)[0, 1] == pytest.approx(0.8, abs=0.02)


def test_bridge_variance_between_anchors() -> None:
    middle = [math.log(anchored().path(streams=Streams(s), tick_seconds=100.0).row(225)[0]) for s in range(400)]
    a, b, t = 9_000.0, 36_000.0, 22_500.0
    assert np.mean(middle) == pytest.approx(0.5 * math.log(3e4 * 4e4), abs=0.004)
    assert np.std(middle) == pytest.approx(math.sqrt((t - a) * (b - t) / (b - a) / YEAR), rel=0.12)


def test_without_volatility_anchors_are_joined_by_straight_lines_in_log_price() -> None:
    path = anchored(volatility=0.0).path(streams=Streams(0), tick_seconds=10.0)
    assert path.row(450)[0] == pytest.approx(math.sqrt(4e4 * 3e4))


def test_bad_anchors() -> None:
    def asset(anchors: Any) -> Any:
        return AnchoredAsset(symbol="BTC", anchors=anchors, volatility=1.0)

    for anchors, message in (
        (((0.0, 1.0),), "at least two"),
        (((1.0, 1.0), (2.0, 1.0)), "first at 0"),
        (((0.0, 1.0), (5.0, 1.0), (5.0, 2.0)), "times must rise"),
        (((0.0, 1.0), (5.0, 0.0)), "must be positive"),
    ):
        with pytest.raises(ValueError, match=message):
            asset(anchors)
    with pytest.raises(ValueError, match="last anchors must lie at one time"):
        AnchoredPath(
            assets=(
                asset(((0.0, 1.0), (5.0, 1.0))),
                AnchoredAsset(symbol="ETH", anchors=((0.0, 1.0), (6.0, 1.0)), volatility=1.0),
            )
        )
    close = AnchoredPath(assets=(asset(((0.0, 1.0), (5.0, 1.0), (5.2, 1.0), (60.0, 1.0))),))
    with pytest.raises(ValueError, match="two fall on one tick"):
        close.path(streams=Streams(0), tick_seconds=1.0)
