"""The reference model from prices: shape by simulated moments on the model itself, size and correlation in closed form.

Tails, clustering and jumps do not depend on how volatile an asset is, so they are fitted on assets of volatility 1.
Volatilities, loadings and what a crash does to them then follow from second moments.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from experiments.calibration import price_moments
from experiments.calibration.price_data import MeasuredPrices
from experiments.calibration.price_moments import return_moments
from experiments.calibration.problem import Problem
from experiments.calibration.space import Parameter, values_at
from market.parameters import PerYear, PositiveCount, PositiveSeconds, Ratio, Share, parameters
from market.reference.model import ModelAsset, ModelPrices
from market.streams import Streams

Array = NDArray[np.float64]

TICK_SECONDS = 60.0
COMMON_SHARE = 2.0 / 3.0
"""Part of the jumps that hit all assets: not told by these moments, left as it is in the model."""
UP_SHARE, UP_OVER_DOWN = 0.45, 0.8
"""Share of jumps up, and their size over that of jumps down: left as they are in the model."""
SQUARED_JUMP = 2.0 * (UP_SHARE * UP_OVER_DOWN**2 + 1.0 - UP_SHARE)
"""E[jump^2] in units of the squared mean jump down."""
MOST_LOADING = 0.99

SPACE = (
    Parameter(name="fast_spread", low=0.1, high=1.0, log=False),
    Parameter(name="fast_half_life_seconds", low=300.0, high=10_800.0),
    Parameter(name="slow_spread", low=0.05, high=0.8, log=False),
    Parameter(name="slow_half_life_seconds", low=14_400.0, high=864_000.0),
    Parameter(name="jumps_per_year", low=100.0, high=20_000.0),
    Parameter(name="jump_share", low=0.01, high=0.5),
)


@dataclass(frozen=True, kw_only=True)
class SecondMoments:
    """What prices say in closed form, given the share of variance that comes in jumps."""

    volatility: Array
    """float64[assets]: without jumps, per root year"""
    beta: Array
    """float64[assets]: volatility over that of the first asset"""
    loading: Array
    correlation: float
    """Mean of all pairs on calm days."""
    crash_correlation: float | None
    crash_multiplier: float | None
    crash_correlation_rise: float | None


def model_of(values: Mapping[str, float], *, volatility: float = 1.0) -> dict[str, float]:
    """Fields of `ModelPrices` that the fitted shape means when the first asset has this total volatility."""
    rate = values["jumps_per_year"]
    down = volatility * math.sqrt(values["jump_share"] / (SQUARED_JUMP * rate))
    return {
        "slow_spread": values["slow_spread"],
        "slow_half_life_seconds": values["slow_half_life_seconds"],
        "fast_spread": values["fast_spread"],
        "fast_half_life_seconds": values["fast_half_life_seconds"],
        "common_jumps_per_year": COMMON_SHARE * rate,
        "own_jumps_per_year": (1.0 - COMMON_SHARE) * rate,
        "jump_up_share": UP_SHARE,
        "jump_up_mean": UP_OVER_DOWN * down,
        "jump_down_mean": down,
    }


def simulate_returns(
    bars: int, bar_seconds: float, assets: int, loading: float, values: Mapping[str, float], seed: int
) -> dict[str, float]:
    """Moments of `bars` returns of as many assets as the data have, all of volatility 1."""
    diffusion = math.sqrt(1.0 - values["jump_share"])
    members = tuple(
        ModelAsset(symbol=f"A{k}", price=1.0, volatility=diffusion, macro_loading=loading) for k in range(assets)
    )
    steps = max(1, round(bar_seconds / TICK_SECONDS))
    model = ModelPrices(assets=members, crashes_per_year=0.0, **model_of(values))  # type: ignore[arg-type]
    path = model.path(streams=Streams(seed), tick_seconds=bar_seconds / steps)
    logs = np.log([path.row(steps * bar).copy() for bar in range(bars + 1)])
    return return_moments(np.diff(logs, axis=0), bar_seconds=bar_seconds)


@parameters
class PricesGiven:
    """What the data say without simulation."""

    bars: PositiveCount
    """Returns of each asset."""
    bar_seconds: PositiveSeconds
    """Length of a bar."""
    assets: PositiveCount
    """How many."""
    loading: Share
    """Of every asset on the macro factor."""


@parameters
class PriceShape:
    """What is fitted of prices."""

    fast_spread: Ratio
    """Of the fast factor of volatility."""
    fast_half_life_seconds: PositiveSeconds
    """Of the fast factor."""
    slow_spread: Ratio
    """Of the slow factor."""
    slow_half_life_seconds: PositiveSeconds
    """Of the slow factor."""
    jumps_per_year: PerYear
    """Common and own ones."""
    jump_share: Share
    """Of the variance that comes in jumps."""


@parameters
class PriceRun:
    """A path of reference prices, as a model that runs are stored of."""

    model: Literal["prices"] = "prices"
    """Tells the models apart."""
    given: PricesGiven
    """What the data say."""
    values: PriceShape
    """What is fitted."""

    def figures(self, seed: int) -> dict[str, float]:
        """Moments of the returns."""
        own = self.given
        return simulate_returns(own.bars, own.bar_seconds, own.assets, own.loading, asdict(self.values), seed)


MEASURED_BY = (price_moments,)
"""Modules that a run's moments depend on beside this one and the engine."""


def problem(prices: MeasuredPrices) -> Problem:
    """The shape of returns as a problem for `fit`."""
    bars, assets = prices.calm.shape
    loading = math.sqrt(max(_mean_correlation(prices.calm), 0.0)) if assets > 1 else 0.0
    given = PricesGiven(bars=bars, bar_seconds=prices.bar_seconds, assets=assets, loading=round(loading, 3))
    middle = PriceShape(**values_at(SPACE, np.full(len(SPACE), 0.5)))
    return Problem(name="prices", space=SPACE, data=prices.moments, model=PriceRun(given=given, values=middle))


def second_moments(prices: MeasuredPrices, *, jump_share: float) -> SecondMoments:
    """Volatilities, loadings and crash parameters."""
    volatility = prices.volatility
    calm = _mean_correlation(prices.calm)
    crash = _mean_correlation(prices.crash) if len(prices.crash) and len(volatility) > 1 else None
    multiplier = rise = None
    if len(prices.crash):
        ratio = np.sqrt(np.nanmean(prices.crash**2, axis=0) / np.nanmean(prices.calm**2, axis=0))
        multiplier = float(np.median(ratio))
    if crash is not None and 0.0 < calm < crash < 1.0:
        rise = 1.0 - math.log(crash) / math.log(calm)
    return SecondMoments(
        volatility=volatility * math.sqrt(1.0 - jump_share), beta=volatility / volatility[0],
        loading=_loadings(prices.calm, jump_share=jump_share), correlation=calm, crash_correlation=crash,
        crash_multiplier=multiplier, crash_correlation_rise=rise,
    )  # fmt: skip


def _correlations(returns: Array) -> Array:
    complete = returns[np.isfinite(returns).all(axis=1)]
    return np.asarray(np.corrcoef(complete.T)).reshape(returns.shape[1], returns.shape[1])


def _mean_correlation(returns: Array) -> float:
    """Mean of all pairs; 0 for a single asset."""
    n = returns.shape[1]
    return float((_correlations(returns).sum() - n) / (n * (n - 1))) if n > 1 else 0.0


def _loadings(returns: Array, *, jump_share: float) -> Array:
    """Loadings whose products are nearest to the correlations, common jumps taken out, by alternating least squares."""
    n = returns.shape[1]
    if n < 3:
        return np.full(n, math.sqrt(max(_mean_correlation(returns), 0.0)))
    common = COMMON_SHARE * jump_share
    wanted = (_correlations(returns) - common) / (1.0 - jump_share)
    np.fill_diagonal(wanted, 0.0)
    loading = np.full(n, 0.8)
    for _ in range(200):
        loading = np.clip(wanted @ loading / ((loading**2).sum() - loading**2), 0.0, MOST_LOADING)
    return loading
