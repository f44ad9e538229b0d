"""Recorded prices as arrays: open, high, low and close of every asset on a common, gapless grid of bars."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class Bars:
    """Bars of `seconds` each; price arrays of shape (n_bars, n_assets), USD. ValueError when they contradict."""

    symbols: tuple[str, ...]
    """Assets in the order of the price vector."""
    start: str
    """Time of the first bar's open, ISO 8601, UTC."""
    seconds: float
    open: NDArray[np.float64]
    high: NDArray[np.float64]
    low: NDArray[np.float64]
    close: NDArray[np.float64]

    def __post_init__(self) -> None:
        shape = (len(self.open), len(self.symbols))
        for name in ("open", "high", "low", "close"):
            prices = getattr(self, name)
            if prices.shape != shape:
                raise ValueError(f"bars: {name} has shape {prices.shape}, not {shape}")
            if not (np.isfinite(prices).all() and (prices > 0.0).all()):
                raise ValueError(f"bars: {name} holds a price that is not positive and finite")
        if len(self.open) == 0:
            raise ValueError("bars: there is none")
        if not self.seconds > 0.0:
            raise ValueError(f"bars: seconds must be above 0, not {self.seconds}")
        floor, ceiling = np.minimum(self.open, self.close), np.maximum(self.open, self.close)
        if (self.low > floor).any() or (self.high < ceiling).any():
            raise ValueError("bars: open and close must lie between low and high")
