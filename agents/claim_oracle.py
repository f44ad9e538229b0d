"""Oracle adapters of claims: the price of a claim read from its contract instead of the market."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from market.world import World


class ClaimOracle:
    """Publishes, every tick, underlying's price on this venue x nominal rate: no discount, no freeze, no loss yet."""

    def __init__(self, claims: NDArray[np.int64], underlying: NDArray[np.int64], nominal: NDArray[np.float64]) -> None:
        """Rows of the claims and of what they are claims on; `nominal` float64[n_assets] is kept current elsewhere."""
        self.claims, self.underlying, self._nominal = claims, underlying, nominal

    def publish(self, world: World) -> None:
        """Set the prices of the claims; after the venue's own oracles."""
        assets = world.assets
        for claim, other in zip(self.claims, self.underlying, strict=True):
            usd = float(assets["price"][other]) * float(assets["price_tick"][other]) * self._nominal[claim]
            assets["price"][claim] = max(1, int(np.floor(usd / float(assets["price_tick"][claim]) + 0.5)))
            assets["confidence"][claim] = assets["confidence"][other]
