"""What is kept of a system beside the records of its venues: prices, claims, impact and bridges, tick by tick."""

from __future__ import annotations

import numpy as np

from market.system import System


class SystemRecorder:
    """An observer that leaves the system as it is. All arrays are [ticks, n_assets]."""

    def __init__(self, system: System, *, ticks: int) -> None:
        n_assets = len(system.claims.symbols)
        self.n = 0
        self.reference = np.zeros((ticks, n_assets))
        """USD, permanent impact included."""
        self.shocked = np.zeros((ticks, n_assets))
        """Log of the factor that shocks put on the price."""
        self.rates = np.zeros((ticks, n_assets))
        """Units of the underlying that a claim is worth; 1 for what is no claim."""
        self.impact = np.zeros((ticks, n_assets))
        """Permanent log displacement by flow on all venues, as the tick's prices had it."""
        self.in_transit = np.zeros((ticks, n_assets), np.int64)
        """Quanta on bridges at the end of the tick."""
        self._impact_before = system.outside.impact.copy()

    def __call__(self, system: System) -> None:
        """Record the tick that has just ended."""
        outside, at = system.outside, self.n
        self.impact[at] = self._impact_before
        self.reference[at] = outside.row(system.tick) * np.exp(self._impact_before)
        self.shocked[at] = outside.shocked
        self.rates[at] = outside.rates
        self.in_transit[at] = system.bridges.in_transit
        self._impact_before = outside.impact.copy()
        self.n += 1
