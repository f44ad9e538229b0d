"""What moved references for good without an order on a book: sales through pools and to the outside world.

Orders on books need no log: their flow is in the tick records. `experiments/contagion` reads both.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from market.kernels.records import NONE, TRADERS

PRESSURE = np.dtype([("tick", "<i4"), ("asset", "<i4"), ("event", "<i4"), ("flow", "<i4"), ("move", "<f8")])
"""`move` is the log move of the asset's reference from the next tick on. `event`: row of the event log whose collateral
was sold; NONE for what was not forced, which is booked to the class `flow`."""


class Pressure:
    """The log of one venue, in order of time."""

    def __init__(self) -> None:
        self._rows: list[tuple[int, int, int, int, float]] = []
        self.resales: list[tuple[int, int, str, int, int]] = []
        """(tick, book, venue, row of its event log, lots) of each sale on a book here of what was seized there."""

    def note(self, tick: int, asset: int, move: float, *, event: int = NONE, flow: int = TRADERS) -> None:
        """Note a log move of the reference of an asset, positive when bought."""
        if move != 0.0:
            self._rows.append((tick, asset, event, flow, move))

    @property
    def rows(self) -> NDArray[np.void]:
        """PRESSURE[n]."""
        return np.array(self._rows, PRESSURE)
