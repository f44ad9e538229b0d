"""What `ModelPrices` says about one tick: its numbers per tick, and draws turned into moves of log prices."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from market.reference.model import ModelPrices

Array = NDArray[np.float64]

SECONDS_PER_YEAR = 365 * 86_400.0


class TickLaw:
    """The law of one tick of `tick_seconds`; T below is a number of ticks."""

    def __init__(self, *, model: ModelPrices, tick_seconds: float) -> None:
        assets = model.assets
        self.years = tick_seconds / SECONDS_PER_YEAR
        self.start_prices = np.array([asset.price for asset in assets])
        self.beta = np.array([asset.beta for asset in assets])
        self._diffusion = np.array([asset.volatility for asset in assets]) * math.sqrt(self.years)
        self._drift = np.array([asset.drift for asset in assets]) * self.years
        self._crash_drift = self._drift + self.beta * model.crash_log_return * (
            tick_seconds / model.crash_duration_seconds
        )
        loading = np.array([asset.macro_loading for asset in assets])
        self._weights = _weights(loading)
        self._crash_weights = _weights(np.where(loading > 0.0, loading ** (1.0 - model.crash_correlation_rise), 0.0))
        self._multiplier = model.crash_volatility_multiplier
        # E[exp(2 x)] = exp(2 var) for a normal x of mean 0: this shift makes the mean square level 1.
        self._level_shift = -(model.slow_spread**2 + model.fast_spread**2)
        self.slow_decay, self.slow_shock = _recursion_numbers(
            spread=model.slow_spread, half_life_ticks=model.slow_half_life_seconds / tick_seconds
        )
        self.fast_decay, self.fast_shock = _recursion_numbers(
            spread=model.fast_spread, half_life_ticks=model.fast_half_life_seconds / tick_seconds
        )
        self._reverting = [
            (i, 0.5 ** (tick_seconds / asset.reversion_half_life_seconds))
            for i, asset in enumerate(assets)
            if asset.reversion_half_life_seconds > 0.0
        ]
        nominal = model.crashes_per_year * self.years
        tilted = nominal * model.crash_rate_tilt
        self._enter = -math.expm1(-tilted)
        self._leave = -math.expm1(-tick_seconds / model.crash_duration_seconds)
        self._entry_ratio = math.log(-math.expm1(-nominal) / self._enter) if nominal > 0.0 else 0.0
        self._quiet_ratio = tilted - nominal
        self._scheduled = _scheduled_ticks(model=model, tick_seconds=tick_seconds)

    def regimes(self, *, was_crash: bool, first: int, uniforms: Array) -> NDArray[np.bool_]:
        """Whether each tick from `first` - 1 on lies in a crash, shape (T + 1,); `was_crash` is the one before."""
        start, stop = self._scheduled
        last = first + len(uniforms) - 1
        if not was_crash and (last < start or first > stop) and not (uniforms < self._enter).any():
            return np.zeros(len(uniforms) + 1, dtype=np.bool_)
        now = was_crash
        regimes = [now]
        for tick, uniform in enumerate(uniforms.tolist(), first):
            if start <= tick <= stop:
                now = tick < stop
            else:
                now = uniform >= self._leave if now else uniform < self._enter
            regimes.append(now)
        return np.array(regimes)

    def regime_ratios(self, *, crash: NDArray[np.bool_], first: int) -> Array:
        """log(nominal / tilted probability) of each tick's crash or its absence, shape (T,)."""
        ticks = np.arange(first, first + len(crash) - 1)
        drawn = ~crash[:-1] & ((ticks < self._scheduled[0]) | (ticks > self._scheduled[1]))
        return np.where(drawn, np.where(crash[1:], self._entry_ratio, self._quiet_ratio), 0.0)

    def moves(self, *, crash: NDArray[np.bool_], macro: Array, own: Array, log_level: Array) -> Array:
        """Log price moves without jumps, shape (T, n_assets).

        `macro` (T, 1) and `own` (T, n_assets) are standard normals, `log_level` (T,) the log volatility level.
        """
        level = np.exp(log_level + self._level_shift)
        quiet = self._weights[0] * macro + self._weights[1] * own
        if not crash.any():
            return self._drift + self._diffusion * level[:, None] * quiet
        level = np.where(crash, self._multiplier * level, level)
        stressed = self._crash_weights[0] * macro + self._crash_weights[1] * own
        noise = np.where(crash[:, None], stressed, quiet)
        return np.where(crash[:, None], self._crash_drift, self._drift) + self._diffusion * level[:, None] * noise

    def accumulate(self, *, start: Sequence[float], moves: Array) -> Array:
        """Log displacement from the start price, shape (T + 1, n_assets), from that of the tick before."""
        displacement = np.cumsum(np.concatenate((np.array([start]), moves)), axis=0)
        for asset, decay in self._reverting:
            displacement[:, asset] = recursion(start=start[asset], decay=decay, shocks=moves[:, asset])
        return displacement


def recursion(*, start: float, decay: float, shocks: Array) -> Array:
    """x_t = decay x_{t-1} + shock_t, shape (T + 1,), from x_0 = `start`."""
    values = accumulate(shocks.tolist(), lambda value, shock: decay * value + shock, initial=start)
    return np.fromiter(values, dtype=np.float64, count=len(shocks) + 1)


def _recursion_numbers(*, spread: float, half_life_ticks: float) -> tuple[float, float]:
    """Decay per tick and standard deviation of the shock that keep the stationary deviation at `spread`."""
    decay = 0.5 ** (1.0 / half_life_ticks)
    return decay, spread * math.sqrt(1.0 - decay * decay)


def _weights(loading: Array) -> tuple[Array, Array]:
    """Weights of the macro factor and of an asset's own noise; their squares add to 1."""
    return loading, np.sqrt(1.0 - loading * loading)


def _scheduled_ticks(*, model: ModelPrices, tick_seconds: float) -> tuple[int, int]:
    """First tick of the scheduled crash and the first quiet tick after it; a pair never reached when there is none."""
    if model.crash_at_seconds is None:
        return -2, -2
    # Tick t covers the time from (t - 1) to t, so the crash that begins at time 0 has its first tick at 1.
    start = math.ceil(model.crash_at_seconds / tick_seconds) + 1
    return start, start + max(1, round(model.crash_duration_seconds / tick_seconds))
