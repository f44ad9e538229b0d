"""Simulated reference prices: the law that was asked for, its tilts, its branches."""

from __future__ import annotations

import math
import pickle
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from market.reference import ModelAsset, ModelPath, ModelPrices
from market.reference.jumps import JumpLaw
from market.streams import Streams

YEAR = 365 * 86_400.0

QUIET = ModelPrices(
    slow_spread=0.0, fast_spread=0.0, common_jumps_per_year=0.0, own_jumps_per_year=0.0, crashes_per_year=0.0
)


def log_prices(path: ModelPath, ticks: int) -> NDArray[np.float64]:
    logs: NDArray[np.float64] = np.log(np.array([path.row(tick).copy() for tick in range(ticks)]))
    return logs


def moves(model: ModelPrices, *, ticks: int, tick_seconds: float = 60.0, seed: int = 0) -> NDArray[np.float64]:
    return np.diff(log_prices(model.path(streams=Streams(seed), tick_seconds=tick_seconds), ticks), axis=0)


def correlations(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.atleast_2d(np.corrcoef(x.T))


def autocorrelation(x: NDArray[np.float64], lag: int) -> float:
    x = x - x.mean()
    return float((x[lag:] * x[:-lag]).mean() / (x * x).mean())


def hill(x: NDArray[np.float64], share: float = 0.02) -> float:
    tail = np.sort(x)[::-1][: int(share * len(x)) + 1]
    return float(1.0 / np.log(tail[:-1] / tail[-1]).mean())


@pytest.mark.parametrize("tick_seconds", [30.0, 60.0])
def test_volatility_and_correlation_per_second_do_not_depend_on_the_tick(tick_seconds: Any) -> None:
    found = moves(QUIET, ticks=20_000, tick_seconds=tick_seconds)
    annual = found.std(axis=0) * math.sqrt(YEAR / tick_seconds)
    assert annual == pytest.approx([asset.volatility for asset in QUIET.assets], rel=0.02)
    correlation = correlations(found)
    assert correlation[0, 1] == pytest.approx(0.88 * 0.88, abs=0.01)
    assert correlation[0, 2] == pytest.approx(0.88 * 0.80, abs=0.015)


def test_stochastic_volatility_keeps_the_mean_square_and_its_law_across_ticks() -> None:
    model = replace(QUIET, slow_spread=0.3, slow_half_life_seconds=7_200.0, fast_spread=0.3)
    for tick_seconds in (150.0, 300.0):
        found = moves(model, ticks=40_000, tick_seconds=tick_seconds)[:, 0]
        assert found.std() * math.sqrt(YEAR / tick_seconds) == pytest.approx(0.55, rel=0.05)
        fourth = (found**4).mean() / found.var() ** 2
        assert fourth == pytest.approx(3.0 * math.exp(4 * 0.18), rel=0.15)


def test_defaults_look_like_five_minute_bars_of_bitcoin() -> None:
    path = ModelPrices(crashes_per_year=0.0).path(streams=Streams(0), tick_seconds=30.0)
    prices = np.log([path.row(tick)[0] for tick in range(0, 60_000, 10)])
    found = np.diff(prices)
    assert 0.4 < found.std() * math.sqrt(YEAR / 300.0) < 0.8
    assert 2.4 < hill(-found) < 3.7
    assert 2.4 < hill(found) < 3.7
    assert abs(autocorrelation(found, 1)) < 0.05
    slow = [autocorrelation(abs(found), lag) for lag in (1, 12)]
    assert 0.15 < slow[0] < 0.40
    assert 0.08 < slow[1] < slow[0]


def test_jump_rate_and_sizes() -> None:
    still = (
        ModelAsset(symbol="A", price=1.0, volatility=0.0),
        ModelAsset(symbol="B", price=1.0, volatility=0.0, beta=2.0),
    )
    model = replace(QUIET, assets=still, common_jumps_per_year=5_000.0)
    for tick_seconds in (600.0, 1_200.0):
        ticks = round(YEAR / tick_seconds)
        found = moves(model, ticks=ticks, tick_seconds=tick_seconds)
        assert np.allclose(found[:, 1], 2.0 * found[:, 0], atol=1e-12)
        expected = 1.0 - math.exp(-5_000.0 * tick_seconds / YEAR)
        assert (np.abs(found[:, 0]) > 1e-12).mean() == pytest.approx(expected, rel=0.05)
        mean = 0.45 * 0.004 - 0.55 * 0.005
        square = 2.0 * (0.45 * 0.004**2 + 0.55 * 0.005**2)
        assert found[:, 0].sum() / 5_000 == pytest.approx(mean, abs=4.0 * math.sqrt(square / 5_000))
        assert (found[:, 0] - found[:, 0].mean()).var() * ticks / 5_000 == pytest.approx(square, rel=0.1)


def test_own_jumps_hit_one_asset_at_a_time() -> None:
    still = tuple(ModelAsset(symbol=name, price=1.0, volatility=0.0) for name in "AB")
    found = moves(replace(QUIET, assets=still, own_jumps_per_year=3_000.0), ticks=30_000)
    jumped = np.abs(found) > 1e-12
    assert jumped.sum(axis=0) == pytest.approx(3_000.0 * 30_000 * 60.0 / YEAR, rel=0.2)
    assert jumped.all(axis=1).sum() <= 2


def test_scheduled_crash_is_a_crash_in_every_seed() -> None:
    model = replace(QUIET, crash_at_seconds=600.0, crash_duration_seconds=7_200.0, crash_log_return=-0.5)
    for seed in range(5):
        path = model.path(streams=Streams(seed), tick_seconds=10.0)
        regimes = [path.in_crash(tick) for tick in range(900)]
        assert regimes == [61 <= tick <= 780 for tick in range(900)]
        fall = log_prices(path, 900)[780] - log_prices(path, 900)[60]
        sigma = 5.0 * np.array([0.55, 0.75, 1.0]) * math.sqrt(7_200.0 / YEAR)
        assert (np.abs(fall - -0.5 * np.array([1.0, 1.4, 2.0])) < 4.0 * sigma).all()


def test_volatility_and_correlation_rise_in_a_crash() -> None:
    model = replace(QUIET, crash_at_seconds=0.0, crash_duration_seconds=1e6, crash_log_return=0.0)
    crash, calm = moves(model, ticks=16_000), moves(QUIET, ticks=16_000)
    assert crash.std(axis=0) == pytest.approx(5.0 * calm.std(axis=0), rel=0.03)
    assert correlations(calm)[0, 2] == pytest.approx(0.704, abs=0.02)
    assert correlations(crash)[0, 2] == pytest.approx(0.704**0.3, abs=0.02)


def test_crash_rate_and_mean_length() -> None:
    model = replace(QUIET, crashes_per_year=5_000.0, crash_duration_seconds=900.0)
    path = model.path(streams=Streams(0), tick_seconds=60.0)
    regimes = np.array([path.in_crash(tick) for tick in range(60_000)])
    entries = (~regimes[:-1] & regimes[1:]).sum()
    quiet_years = (~regimes).sum() * 60.0 / YEAR
    assert entries / quiet_years == pytest.approx(5_000.0, rel=0.12)
    assert regimes.sum() * 60.0 / entries == pytest.approx(900.0, rel=0.12)


def test_a_stablecoin_returns_to_its_price() -> None:
    coin = ModelAsset(
        symbol="USDC", price=1.0, volatility=0.02, macro_loading=0.0, beta=0.0, reversion_half_life_seconds=3_600.0
    )
    model = replace(QUIET, assets=(*QUIET.assets, coin))
    path = model.path(streams=Streams(0), tick_seconds=60.0)
    distance = log_prices(path, 40_000)[:, 3]
    stationary = 0.02 * math.sqrt(3_600.0 / math.log(2.0) / 2.0 / YEAR)
    assert distance.std() == pytest.approx(stationary, rel=0.15)
    assert autocorrelation(distance, 60) == pytest.approx(0.5, abs=0.1)
    pegged = replace(coin, volatility=0.0)
    assert replace(QUIET, assets=(pegged,)).path(streams=Streams(0), tick_seconds=1.0).row(999) == [1.0]


def test_another_asset_or_a_crash_moves_no_other_draw() -> None:
    alone = replace(QUIET, assets=QUIET.assets[:1], common_jumps_per_year=9_000.0, own_jumps_per_year=9_000.0)
    three = replace(alone, assets=QUIET.assets)
    later = replace(three, crash_at_seconds=50_000.0)
    first, second, third = (
        log_prices(m.path(streams=Streams(2), tick_seconds=60.0), 800) for m in (alone, three, later)
    )
    assert np.array_equal(first[:, 0], second[:, 0])
    assert np.array_equal(second, third)


@pytest.mark.parametrize("tick", [0, 100, 255, 256, 600])
def test_a_state_carries_everything(tick: Any) -> None:
    model = replace(ModelPrices(), crashes_per_year=20_000.0, common_jumps_per_year=20_000.0, crash_rate_tilt=1.5)
    path = model.path(streams=Streams(3), tick_seconds=30.0)
    rows = np.array([path.row(t).copy() for t in range(1_200)])
    ratios = [path.log_likelihood_ratio(t) for t in range(1_200)]
    state = pickle.loads(pickle.dumps(path.state(tick)))
    resumed = model.path(streams=Streams(3), tick_seconds=30.0, state=state)
    assert np.array_equal([resumed.row(t) for t in range(tick, 1_200)], rows[tick:])
    assert [resumed.log_likelihood_ratio(t) for t in range(tick, 1_200)] == ratios[tick:]
    branch = path.branch(tick, Streams(4))
    assert np.array_equal(branch.row(tick), rows[tick])
    assert not np.array_equal(branch.row(tick + 1), rows[tick + 1])
    with pytest.raises(ValueError, match=f"begins at tick {tick}"):
        branch.row(tick - 1)


def test_jump_law_ratio_is_the_ratio_of_the_densities() -> None:
    def density(law: JumpLaw, x: float) -> float:
        if x > 0.0:
            return law.up_share / law.up_mean * math.exp(-x / law.up_mean)
        return (1.0 - law.up_share) / law.down_mean * math.exp(x / law.down_mean)

    for tilt in (-0.6, -0.1, 0.3, 0.9):
        law = JumpLaw(up_share=0.3, up_mean=0.004, down_mean=0.007, tilt=tilt)
        for x in (-0.05, -0.001, 0.0004, 0.02):
            expected = math.log(density(law, x) / density(law.tilted(), x))
            assert law.log_ratio(x) == pytest.approx(expected, rel=1e-9, abs=1e-12)
    assert JumpLaw(up_share=0.3, up_mean=0.004, down_mean=0.007).log_ratio(-0.05) == 0.0


RARE = ModelPrices(
    assets=(ModelAsset(symbol="BTC", price=100.0, volatility=0.2),),
    common_jumps_per_year=30_000.0,
    own_jumps_per_year=0.0,
    crashes_per_year=60.0,
    crash_duration_seconds=1_800.0,
)


def terminal(model: ModelPrices, seeds: range) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    returns, ratios = [], []
    for seed in seeds:
        path = model.path(streams=Streams(seed), tick_seconds=30.0)
        returns.append(math.log(path.row(255)[0] / 100.0))
        ratios.append(path.log_likelihood_ratio(255))
    return np.array(returns), np.array(ratios)


def test_importance_sampling_agrees_with_plain_sampling() -> None:
    count = 2_000
    plain, ratios = terminal(RARE, range(count))
    assert (ratios == 0.0).all()
    hits = plain < -0.04
    tilts: list[dict[str, Any]] = [{"jump_size_tilt": 0.25}, {"jump_rate_tilt": 1.4}, {"crash_rate_tilt": 4.0}]
    for number, tilt in enumerate(tilts, 1):
        returns, ratios = terminal(replace(RARE, **tilt), range(number * count, (number + 1) * count))
        weights = np.exp(ratios)
        assert weights.mean() == pytest.approx(1.0, abs=4.0 * weights.std() / math.sqrt(count))
        weighted = weights * (returns < -0.04)
        error = math.sqrt((hits.var() + weighted.var()) / count)
        assert weighted.mean() == pytest.approx(hits.mean(), abs=3.0 * error)
        assert (returns < -0.04).mean() > 1.5 * hits.mean()


def test_bad_parameters() -> None:
    with pytest.raises(ValueError, match="at least one"):
        ModelPrices(assets=())
    with pytest.raises(ValueError, match="every symbol may stand once"):
        ModelPrices(assets=(QUIET.assets[0], QUIET.assets[0]))
    with pytest.raises(ValueError, match="strictly between -1 and 1"):
        ModelPrices(jump_size_tilt=-1.0)
