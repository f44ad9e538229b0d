"""The outside world that all venues of a system share: one reference price per asset, whoever trades it where.

    price = path x shocks                                       of what is no claim
    price = price of the underlying x rate x shocks             of a claim (market/claims.py)

and on top of it the permanent impact of flow on any venue, which the worlds share as one array. What a claim's
underlying has been moved by moves the claim too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from market.kernels.records import NONE
from market.shocks import PriceShock
from market.world import ReferencePath

if TYPE_CHECKING:
    from market.system import System


class Outside:
    """Reference prices before permanent impact; every venue's world holds it as its reference."""

    def __init__(
        self,
        path: ReferencePath,
        *,
        symbols: Sequence[str],
        shocks: Sequence[PriceShock],
        underlying: Mapping[str, str],
        rates: NDArray[np.float64],
        tick_seconds: float,
    ) -> None:
        self.path = path
        self._symbols = tuple(symbols)
        self.impact = np.zeros(len(symbols))
        """float64[n_assets]: permanent log displacement by flow on all venues."""
        self.underlying = np.full(len(symbols), NONE)
        """int64[n_assets]: row of what an asset is a claim on; NONE for what is no claim."""
        for symbol, other in underlying.items():
            self.underlying[symbols.index(symbol)] = symbols.index(other)
        self.rates = rates.copy()
        """float64[n_assets]: units of the underlying that a claim is worth; 1 for what is no claim."""
        self.shocked = np.zeros(len(symbols))
        """float64[n_assets]: log of the factor that shocks put on the price now."""
        self._shocks = [(symbols.index(shock.asset), shock) for shock in shocks]
        self._tick_seconds = tick_seconds
        self._price(0)

    def add(self, shock: PriceShock) -> None:
        """One more shock, from the next `advance` on."""
        self._shocks.append((self._symbols.index(shock.asset), shock))

    def row(self, tick: int) -> NDArray[np.float64]:
        """float64[n_assets], USD, of the tick that `advance` came to; the same array at every call."""
        del tick
        return self._row

    def advance(self, system: System) -> None:
        """Come to the system's tick, claims at what stands behind them now."""
        self.rates = system.claims.rates(system)
        self._price(system.tick)

    def _price(self, tick: int) -> None:
        self.shocked[:] = 0.0
        for shocked, shock in self._shocks:
            self.shocked[shocked] += shock.log_factor(tick * self._tick_seconds)
        prices = self.path.row(tick) * np.exp(self.shocked)
        # A claim on a claim is written after what it is a claim on: the build sees to that.
        for asset in np.flatnonzero(self.underlying != NONE).tolist():
            other = self.underlying[asset]
            prices[asset] = prices[other] * np.exp(self.impact[other] + self.shocked[asset]) * self.rates[asset]
        self._row: NDArray[np.float64] = prices
