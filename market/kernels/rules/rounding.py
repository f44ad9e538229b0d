"""Rounding to a venue's step, in the direction it states."""

from __future__ import annotations

import numpy as np

from market.kernels.jit import kernel


@kernel
def round_down(value, step):
    """Largest multiple of `step` that is not above `value`; the value itself when the step is 0.

    Venues count in integers. A float that an exact computation would have put on a multiple may lie a few bits below
    it, and still counts as that multiple. Where 1 / step is a whole number, the result is the float nearest to the
    decimal number, which a product with the step is not.
    """
    if step <= 0.0:
        return value
    per_unit = np.floor(1.0 / step + 0.5)
    decimal = abs(per_unit * step - 1.0) < 1e-12
    units = value * per_unit if decimal else value / step
    # A few bits more than a product of three rates and amounts loses; more would swallow units of large amounts.
    whole = np.floor(units + 1e-9 + 1e-15 * abs(units))
    return whole / per_unit if decimal else whole * step


@kernel
def round_up(value, step):
    """Least multiple of `step` that is not below `value`; the value itself when the step is 0."""
    return -round_down(-value, step)


@kernel
def round_to_zero(value, step):
    """Multiple of `step` next to `value` on the side of zero: what integer division leaves."""
    return round_down(value, step) if value >= 0.0 else round_up(value, step)


@kernel
def falls_short(value, limit, scale):
    """Whether a value is below a limit by more than floats of the size `scale` can hide.

    Venues compare integers: amounts that are equal there, 100 x 4.35 and 435, may differ by a few bits here.
    """
    return value < limit - 1e-12 * abs(scale)
