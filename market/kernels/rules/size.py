"""How weights and rates depend on the size of a holding."""

from __future__ import annotations

import numpy as np

from market.kernels.jit import kernel

HEADROOM = 1.1
"""Drift v2: up to this over 1 + factor x sqrt(size), a weight is left as it is."""


@kernel
def root_discount(weight, size, factor):
    """Weight of a balance of `size` that falls with the square root of its size: min(w, 1.1 / (1 + f sqrt(size))).

    Source: drift-labs/protocol-v2@0ae3e3b, math/margin.rs.
    """
    return min(weight, HEADROOM / (1.0 + factor * np.sqrt(size)))


@kernel
def size_rate(rate, size, slope, damping, factor):
    """Margin rate, or weight of a debt, at a `size` >= 0: max(r + slope x size, damping x r + f sqrt(size)).

    Linear in size on the whole position (Deribit; Synthetix v3 with slope = f / skew scale), or with the square root
    of it: damping 0 for FTX, 0.8 for Drift v2 (math/margin.rs).
    """
    return max(rate + slope * size, damping * rate + factor * np.sqrt(size))
