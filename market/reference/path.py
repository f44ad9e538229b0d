"""What every path of reference prices offers."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class ReferencePath(Protocol):
    """Reference prices by tick: a pure function of (parameters, seed, tick), whatever was asked before."""

    @property
    def symbols(self) -> tuple[str, ...]:
        """Assets in the order of the price vector."""

    @property
    def last_tick(self) -> int | None:
        """Last tick that has a price; None when there is no end."""

    def row(self, tick: int) -> NDArray[np.float64]:
        """USD prices at `tick`, shape (n_assets,), a view; ValueError outside the path."""

    def log_likelihood_ratio(self, tick: int) -> float:
        """log(nominal / sampled density) of all draws up to `tick`; 0.0 for what is not tilted."""


class TablePath:
    """A path computed beforehand: prices of shape (n_ticks, n_assets)."""

    def __init__(self, *, symbols: tuple[str, ...], prices: NDArray[np.float64]) -> None:
        self.symbols = symbols
        self.last_tick: int | None = len(prices) - 1
        self._prices = prices

    def row(self, tick: int) -> NDArray[np.float64]:
        """USD prices at `tick`, shape (n_assets,), a view; ValueError outside the path."""
        if not 0 <= tick < len(self._prices):
            raise ValueError(f"reference prices reach from tick 0 to {self.last_tick}, tick {tick} is outside")
        return self._prices[tick]  # type: ignore[no-any-return]

    def log_likelihood_ratio(self, tick: int) -> float:
        """0.0: nothing is tilted."""
        del tick
        return 0.0


def check_tick_seconds(tick_seconds: float) -> float:
    """`tick_seconds`, or ValueError unless it is positive and finite."""
    if not 0.0 < tick_seconds < float("inf"):
        raise ValueError(f"tick_seconds must be above 0, not {tick_seconds}")
    return float(tick_seconds)
