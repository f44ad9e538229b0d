"""What is kept of a lending market while it runs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from market.world import World


class LendingRecorder:
    """Utilisation, borrow rate and liquidity of every asset that is lent, at the recorder's sampling interval."""

    def __init__(self) -> None:
        self.utilisation: list[NDArray[np.float64]] = []
        self.borrow_rate: list[NDArray[np.float64]] = []
        self.liquidity_usd: list[NDArray[np.float64]] = []

    def sample(self, world: World) -> None:
        """Note the state of now, one figure per asset; 0 for what is not lent."""
        lending = world.lending
        assert lending is not None
        lent = [row if reserve is not None else None for row, reserve in enumerate(lending.reserves)]
        for kept, figure in (
            (self.utilisation, lending.utilisation),
            (self.borrow_rate, lending.borrow_rate),
            (self.liquidity_usd, lambda row: lending.usd(lending.liquidity(row), row)),
        ):
            kept.append(np.array([0.0 if row is None else figure(row) for row in lent]))
