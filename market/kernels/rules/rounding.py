"""Rounding to a venue's step, in the direction it states."""

from __future__ import annotations

import numpy as np

from market.kernels.jit import kernel


@kernel
def round_down(value, step):
    """Largest multiple of `step` that is not above `value`; the value itself when the step is 0.

    Venues count in integers. A float that an exact computation would have put on a multiple may lie a few bits below
    it, and still counts as that multiple.
    """
    if step <= 0.0:
        return value
    units = value / step
    return np.floor(units + 1e-9 + 1e-14 * abs(units)) * step


@kernel
def round_up(value, step):
    """Least multiple of `step` that is not below `value`; the value itself when the step is 0."""
    return -round_down(-value, step)


@kernel
def round_to_zero(value, step):
    """Multiple of `step` next to `value` on the side of zero: what integer division leaves."""
    return round_down(value, step) if value >= 0.0 else round_up(value, step)
