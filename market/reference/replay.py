"""Recorded bars filled in to ticks: bridges from open to close that touch each bar's high and low and never leave them.

Construction, per bar of m ticks, in log price:

1. a Brownian bridge y from open to close, its volatility from the bar itself (Garman and Klass, "On the estimation of
   security price volatilities from historical data", Journal of Business 1980), correlated between assets through one
   common factor;
2. the ticks of y's own maximum and minimum become the ticks of the bar's high and low, so correlated assets make
   their extremes at about the same time. A high that equals open or close is reached there;
3. y is bent linearly in time between these ticks so that it meets open, high, low and close exactly;
4. where it leaves [low, high] it is reflected back inside, which keeps the size of every move.

Each bar lasts from its first tick (the open) to its last (the close); a gap between a close and the next open is one
jump between two ticks, and no time is invented for it.

Known distortions: near its extremes the true bridge given high and low moves away from them faster than a reflected
one, so the price lingers a little too long there; volatility is constant within a bar; moves of one tick are smaller
than the continuous ones by the finite number of ticks in a bar; a table of long bars has no intraday clustering
beyond theirs.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from market.parameters import Share, parameters
from market.reference.bars import Bars
from market.reference.path import check_tick_seconds
from market.streams import Draws, Streams

Array = NDArray[np.float64]

BARS_PER_BLOCK = 16
"""Bars filled in at a time. Part of the definition of the draws."""
MIN_TICKS_PER_BAR = 4
"""Open, high, low and close need a tick each."""
MIN_BARS_FOR_ESTIMATE = 30
FACTOR_ROUNDS = 50
FALLBACK_CORRELATION = 0.6
"""Used when a table is too short to measure: between the quiet-month means 0.52 and 0.70 of eleven coins."""


@parameters
class ReplayPrices:
    """Reference prices from a recorded table."""

    kind: Literal["replay"] = "replay"
    """Tells the classes of reference prices apart."""
    correlation: Share | None = None
    """Correlation of any two bridges within a bar. Left out: estimated from the table's open-to-close returns (one
    factor), or 0.6 when it has fewer than 30 bars."""

    def path(self, *, bars: Bars, streams: Streams, tick_seconds: float) -> ReplayPath:
        """The table filled in to ticks. ValueError unless `tick_seconds` divides a bar into four ticks or more."""
        return ReplayPath(bars=bars, loadings=self.loadings(bars), streams=streams, tick_seconds=tick_seconds)

    def loadings(self, bars: Bars) -> Array:
        """Correlation of each asset's bridge with the common factor, shape (n_assets,), 0 to 1."""
        count = len(bars.symbols)
        if self.correlation is not None:
            return np.full(count, math.sqrt(self.correlation))
        if count == 1 or len(bars.open) < MIN_BARS_FOR_ESTIMATE:
            return np.full(count, math.sqrt(FALLBACK_CORRELATION))
        returns: Array = np.log(bars.close / bars.open)
        spread = returns.std(axis=0)
        scores = (returns - returns.mean(axis=0)) / np.where(spread > 0.0, spread, 1.0)
        # An explicit sum: a matrix product may differ in its last bit between linear-algebra libraries.
        return one_factor((scores[:, :, None] * scores[:, None, :]).mean(axis=0))


def one_factor(correlation: Array) -> Array:
    """Loadings l in [0, 1], shape (n,), whose products l_i l_j come closest to `correlation`, (n, n), off its diagonal.

    Alternating least squares: each loading in turn is the regression of its row on the others.
    """
    count = len(correlation)
    loadings = np.full(count, 0.7)
    for _ in range(FACTOR_ROUNDS):
        for i in range(count):
            others = np.arange(count) != i
            weight = float((loadings[others] ** 2).sum())
            best = float((correlation[i, others] * loadings[others]).sum()) / weight if weight > 0.0 else 0.0
            loadings[i] = min(max(best, 0.0), 1.0)
    return loadings


class ReplayPath:
    """Recorded prices by tick; bar k's bridges depend on (seed, names, k) and the bar alone."""

    def __init__(self, *, bars: Bars, loadings: Array, streams: Streams, tick_seconds: float) -> None:
        self.bars = bars
        self.symbols = bars.symbols
        self.ticks_per_bar = _ticks_per_bar(bar_seconds=bars.seconds, tick_seconds=tick_seconds)
        self.last_tick: int | None = len(bars.open) * self.ticks_per_bar - 1
        self.loadings = loadings
        self._factor = streams.draws("reference/bridge")
        self._own = [streams.draws(f"reference/bridge/{symbol}") for symbol in self.symbols]
        self._ticks = BARS_PER_BLOCK * self.ticks_per_bar
        self._first = 0
        self._prices: Array = np.empty((0, len(self.symbols)))

    def row(self, tick: int) -> Array:
        """USD prices at `tick`, shape (n_assets,), a view; ValueError outside the table."""
        offset = tick - self._first
        if 0 <= offset < len(self._prices):
            return self._prices[offset]  # type: ignore[no-any-return]
        if not 0 <= tick <= (self.last_tick or 0):
            raise ValueError(f"recorded prices reach from tick 0 to {self.last_tick}, tick {tick} is outside")
        block, offset = divmod(tick, self._ticks)
        self._first = block * self._ticks
        self._prices = self._fill(block)
        return self._prices[offset]  # type: ignore[no-any-return]

    def log_likelihood_ratio(self, tick: int) -> float:
        """0.0: nothing is tilted."""
        del tick
        return 0.0

    def _fill(self, block: int) -> Array:
        """Prices of a block's ticks, shape (n_ticks, n_assets)."""
        bars = slice(block * BARS_PER_BLOCK, (block + 1) * BARS_PER_BLOCK)
        columns = []
        factor = self._normals(self._factor, block)
        for asset, draws in enumerate(self._own):
            loading = float(self.loadings[asset])
            noise = loading * factor + math.sqrt(1.0 - loading * loading) * self._normals(draws, block)
            ohlc = [getattr(self.bars, name)[bars, asset] for name in ("open", "high", "low", "close")]
            columns.append(fill_bars(noise=noise[: len(ohlc[0])], ohlc=np.stack(ohlc)).ravel())
        return np.stack(columns, axis=1)

    def _normals(self, draws: Draws, block: int) -> Array:
        return draws.at(block).standard_normal((BARS_PER_BLOCK, self.ticks_per_bar - 1))


def fill_bars(*, noise: Array, ohlc: Array) -> Array:
    """Prices at the m ticks of each bar, shape (n_bars, m), from normals (n_bars, m - 1) and `ohlc` (4, n_bars)."""
    bars, m = len(noise), noise.shape[1] + 1
    rows = np.arange(bars)
    opens, highs, lows, closes = ohlc
    log_open, log_high, log_low, log_close = np.log(ohlc)
    reach = log_high - log_low
    # Garman-Klass; never negative, as the move from open to close is no larger than the range.
    variance = 0.5 * reach**2 - (2.0 * math.log(2.0) - 1.0) * (log_close - log_open) ** 2
    walk = np.zeros((bars, m))
    np.cumsum(noise * np.sqrt(variance / (m - 1))[:, None], axis=1, out=walk[:, 1:])
    time = np.arange(m) / (m - 1)
    bridge = walk + log_open[:, None] + time * (log_close - log_open - walk[:, -1])[:, None]

    inner = bridge[:, 1:-1]
    high_at = 1 + inner.argmax(axis=1)
    low_at = 1 + inner.argmin(axis=1)
    low_at = np.where(low_at == high_at, np.where(high_at == 1, 2, 1), low_at)  # a bar that does not move
    high_at = np.where(closes == highs, m - 1, high_at)
    high_at = np.where(opens == highs, 0, high_at)
    low_at = np.where(closes == lows, m - 1, low_at)
    low_at = np.where(opens == lows, 0, low_at)

    high_bend = log_high - bridge[rows, high_at]
    low_bend = log_low - bridge[rows, low_at]
    high_first = high_at <= low_at
    knots = (np.where(high_first, high_at, low_at), np.where(high_first, low_at, high_at))
    bends = (np.where(high_first, high_bend, low_bend), np.where(high_first, low_bend, high_bend))
    inside = _reflect(bridge + _bend(m=m, knots=knots, bends=bends), low=log_low[:, None], reach=reach[:, None])
    prices = np.clip(np.exp(inside), lows[:, None], highs[:, None])
    prices[rows, high_at] = highs
    prices[rows, low_at] = lows
    prices[:, 0] = opens
    prices[:, -1] = closes
    return prices


def _bend(*, m: int, knots: tuple[NDArray[np.intp], NDArray[np.intp]], bends: tuple[Array, Array]) -> Array:
    """Piecewise linear in time, shape (n_bars, m): 0 at both ends of a bar, `bends` at its `knots`, in order."""
    t = np.arange(m)
    (first, second), (at_first, at_second) = ((pair[0][:, None], pair[1][:, None]) for pair in (knots, bends))
    before = at_first * t / np.maximum(first, 1)
    between = at_first + (at_second - at_first) * (t - first) / np.maximum(second - first, 1)
    after = at_second * (m - 1 - t) / np.maximum(m - 1 - second, 1)
    return np.where(t <= first, before, np.where(t <= second, between, after))


def _reflect(values: Array, *, low: Array, reach: Array) -> Array:
    """`values` folded into [low, low + reach] by reflection at both ends."""
    period = np.where(reach > 0.0, 2.0 * reach, 1.0)
    return low + reach - np.abs(np.mod(values - low, period) - reach)


def _ticks_per_bar(*, bar_seconds: float, tick_seconds: float) -> int:
    seconds = check_tick_seconds(tick_seconds)
    ticks = round(bar_seconds / seconds)
    if ticks < MIN_TICKS_PER_BAR or abs(ticks * seconds - bar_seconds) > 1e-9 * bar_seconds:
        raise ValueError(
            f"tick_seconds must divide the table's bars of {bar_seconds:g} s into {MIN_TICKS_PER_BAR} ticks or more, "
            f"not {tick_seconds:g}"
        )
    return ticks
