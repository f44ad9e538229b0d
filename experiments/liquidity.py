"""What became of liquidity: how long depth takes to come back, and what those who provide it earned."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from experiments.frames import asset_usd, quote_usd

if TYPE_CHECKING:
    from experiments.run import Trace

SMOOTHED = 5
"""Samples of depth whose median stands for the middle one."""
THINNED = 0.5
"""Depth must have fallen by this share before its recovery means anything."""
FIRST, LAST = 0.1, 1.0 - math.exp(-1.0)
"""Shares of the lost depth between which recovery is timed."""


def recovery_seconds(depth: NDArray[np.float64], *, before: int, sample_seconds: float) -> float | None:
    """Time constant of an exponential recovery of depth, from the time between a tenth and 63 % of the gap.

    `depth` is sampled every `sample_seconds`; its median over the first `before` samples (at least one) is what it
    comes back to. None when depth never fell by half, or had not made up 63 % by the end.
    """
    usual = float(np.median(depth[: max(before, 1)]))
    half = SMOOTHED // 2
    padded = np.pad(depth, half, mode="edge")
    smooth = np.median(np.lib.stride_tricks.sliding_window_view(padded, SMOOTHED), axis=1)
    low = before + int(np.argmin(smooth[before:])) if before < len(smooth) else len(smooth) - 1
    gap = usual - float(smooth[low])
    if gap < THINNED * usual or gap <= 0.0:
        return None
    regained = (smooth[low:] - smooth[low]) / gap
    back = np.flatnonzero(regained >= LAST)
    if len(back) == 0:
        return None
    last_low = int(np.flatnonzero(regained[: back[0]] <= FIRST)[-1])
    return float((back[0] - last_low) * sample_seconds / (-math.log(1.0 - LAST) + math.log(1.0 - FIRST)))


def profit_usd(trace: Trace, role: str) -> float:
    """What accounts of a role earned: change of their balances at the reference prices of the end, and open profit.

    What they own from the start on is no profit when its price rises.
    """
    return profit_of(trace, [row for row, name in enumerate(trace.built.world.ledger.roles) if name == role])


def profit_of(trace: Trace, rows: list[int]) -> float:
    """The same of these rows of the ledger together."""
    world = trace.built.world
    change = world.ledger.cash[rows] - trace.opening.cash[rows]
    positions, instruments = world.ledger.positions[rows], world.instruments
    unrealised = positions["lots"] * (instruments["mark"] * instruments["tick_value"]) - positions["cost"]
    return float((change * asset_usd(world)).sum() + (unrealised * quote_usd(world)).sum())
