"""Losses nobody covers, shared out."""

from __future__ import annotations

import numpy as np

from market.kernels.jit import kernel
from market.kernels.rules.rounding import round_up


@kernel
def loss_per_unit(loss, long, short, step):
    """Loss per unit of open interest when both sides bear it, rounded up to `step` (0: not); infinite without any.

    `long` and `short` are sizes of either sign. Source: Drift v2 calculate_funding_rate_deltas_to_resolve_bankruptcy
    (drift-labs/protocol-v2@0ae3e3b1), step 1e-6.
    """
    interest = abs(long) + abs(short)
    if interest <= 0.0:
        return np.inf if loss != 0.0 else 0.0
    return round_up(abs(loss) / interest, step)


@kernel
def deposit_after_loss(deposit, loss, deposits):
    """A deposit after all depositors bore a loss pro rata, not below 0. Source: Drift v2 resolve_spot_bankruptcy."""
    if deposits <= 0.0:
        return deposit
    return deposit * max(0.0, 1.0 - abs(loss) / deposits)
