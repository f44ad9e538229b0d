"""A stylised path through given prices: Brownian bridges in log price between anchor points, correlated by asset."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from market.parameters import AnnualVolatility, PositiveUsd, Seconds, Share, parameters
from market.reference.model_law import SECONDS_PER_YEAR
from market.reference.path import TablePath, check_tick_seconds
from market.streams import BLOCK_TICKS, Streams


@parameters
class AnchoredAsset:
    """One asset: the points its price goes through, and how much it moves in between."""

    symbol: str
    """Name of the asset."""
    anchors: tuple[tuple[Seconds, PositiveUsd], ...]
    """(time in seconds, price in USD) in the order of time; the first at 0. Times round to the nearest tick."""
    volatility: AnnualVolatility
    """Annual volatility of the bridge between anchors."""

    def __post_init__(self) -> None:
        where = f"anchors of {self.symbol}"
        if len(self.anchors) < 2 or self.anchors[0][0] != 0.0:
            raise ValueError(f"{where}: at least two are needed, the first at 0 seconds")
        times = [seconds for seconds, _ in self.anchors]
        if any(later <= earlier for earlier, later in pairwise(times)):
            raise ValueError(f"{where}: times must rise, not {times}")
        for seconds, price in self.anchors:
            if not 0.0 < price < math.inf:
                raise ValueError(f"{where}: the price at {seconds} s must be positive, not {price}")


@parameters
class AnchoredPath:
    """Reference prices through published points, the same in every run but for the noise between them.

    The path is exact at every anchor and ends at the last one. Volatility is constant between anchors, so clustering
    comes from the anchors alone.
    """

    kind: Literal["anchors"] = "anchors"
    """Tells the classes of reference prices apart."""
    assets: tuple[AnchoredAsset, ...]
    """The assets, in the order of the price vector; their last anchors lie at one time."""
    correlation: Share = 0.84
    """Correlation of any two bridges (mean of eleven coins at 5 minutes on 2021-05-19: 0.84)."""

    def __post_init__(self) -> None:
        symbols = [asset.symbol for asset in self.assets]
        if not symbols or len(set(symbols)) != len(symbols):
            raise ValueError(f"assets: at least one, and every symbol once, not {symbols}")
        ends = {asset.symbol: asset.anchors[-1][0] for asset in self.assets}
        if len(set(ends.values())) > 1:
            raise ValueError(f"assets: the last anchors must lie at one time, not {ends}")

    @property
    def symbols(self) -> tuple[str, ...]:
        """Assets in the order of the price vector."""
        return tuple(asset.symbol for asset in self.assets)

    def path(self, *, streams: Streams, tick_seconds: float) -> TablePath:
        """The whole path, computed at once: 8 bytes per asset and tick."""
        seconds = check_tick_seconds(tick_seconds)
        last = round(self.assets[0].anchors[-1][0] / seconds)
        scale = math.sqrt(seconds / SECONDS_PER_YEAR)
        macro = _normals(streams, name="reference/macro", count=last)
        prices = np.empty((last + 1, len(self.assets)))
        for column, asset in enumerate(self.assets):
            own = _normals(streams, name=f"reference/own/{asset.symbol}", count=last)
            moves = math.sqrt(self.correlation) * macro + math.sqrt(1.0 - self.correlation) * own
            walk = np.concatenate(([0.0], np.cumsum(asset.volatility * scale * moves)))
            prices[:, column] = _through_anchors(asset=asset, walk=walk, tick_seconds=seconds)
        return TablePath(symbols=self.symbols, prices=prices)


def _normals(streams: Streams, *, name: str, count: int) -> NDArray[np.float64]:
    """Normals of ticks 1 to `count`."""
    stream = streams.stream(name, width=1, kind="normal")
    blocks = [stream.block(index)[:, 0] for index in range(count // BLOCK_TICKS + 1)]
    return np.concatenate(blocks)[1 : count + 1]


def _through_anchors(*, asset: AnchoredAsset, walk: NDArray[np.float64], tick_seconds: float) -> NDArray[np.float64]:
    """Prices of the log walk, shape (n_ticks,), bent linearly in time so that it meets every anchor."""
    ticks = np.array([round(seconds / tick_seconds) for seconds, _ in asset.anchors])
    if (np.diff(ticks) < 1).any():
        raise ValueError(f"anchors of {asset.symbol}: two fall on one tick of {tick_seconds} s")
    values = np.array([price for _, price in asset.anchors])
    bend = np.interp(np.arange(len(walk)), ticks, np.log(values) - walk[ticks])
    prices: NDArray[np.float64] = np.exp(walk + bend)
    prices[ticks] = values
    return prices
