"""Rounding to a venue's step, in the direction it states."""

from __future__ import annotations

import numpy as np

from market.kernels.arithmetic import multiply_divide
from market.kernels.jit import kernel

MOST_DIGITS = 2.0**53
"""Whole numbers below it are floats without loss."""
LARGEST_UNIT = 4e18
"""Factors up to here fit 62 bits, as exact division needs them."""


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
def round_near(value, step):
    """Multiple of `step` nearest to `value`, as the float nearest to that decimal number; the value when step is 0.

    For sums of amounts that are whole multiples each: what it takes off is only what adding floats has lost.
    """
    if step <= 0.0:
        return value
    per_unit = np.floor(1.0 / step + 0.5)
    decimal = abs(per_unit * step - 1.0) < 1e-12
    whole = np.rint(value * per_unit if decimal else value / step)
    return whole / per_unit if decimal else whole * step


@kernel
def _decimal(value):
    """(digits, unit) with value = digits / unit, unit the least power of ten at which digits are whole; (0, 0): none.

    A float stands for the decimal number of fifteen digits at most that it was read from.
    """
    unit = 1
    for _ in range(16):
        scaled = value * unit
        whole = np.rint(scaled)
        if abs(scaled - whole) <= 3e-16 * abs(scaled):
            return (int(whole), unit) if abs(whole) < MOST_DIGITS else (0, 0)
        unit *= 10
    return 0, 0


@kernel
def product_down(one, other, step):
    """Largest multiple of `step` that is not above one x other; the product itself when the step is 0.

    Exact for decimal numbers, as the integers of a venue are: from 1e14 steps on a product of floats may be off by a
    step. Falls back to it where numbers have more digits than 64 bits hold, or 1 / step is no power of ten.
    """
    if step <= 0.0:
        return one * other
    per_unit = np.floor(1.0 / step + 0.5)
    (digits, unit), (factor, base) = _decimal(one), _decimal(other)
    within = abs(one * other) * per_unit < MOST_DIGITS and abs(per_unit * step - 1.0) < 1e-12
    if not within or unit == 0 or base == 0 or float(unit) * float(base) > LARGEST_UNIT:
        return round_down(one * other, step)
    divisor, steps = unit * base, int(per_unit)
    if divisor % steps == 0:
        return multiply_divide(digits, factor, divisor // steps) / per_unit
    if steps % divisor == 0 and abs(float(factor)) * float(steps // divisor) < LARGEST_UNIT:
        return multiply_divide(digits, factor * (steps // divisor), 1) / per_unit
    return round_down(one * other, step)


@kernel
def product_up(one, other, step):
    """Least multiple of `step` that is not below one x other; the product itself when the step is 0."""
    return -product_down(-one, other, step)


@kernel
def product_to_zero(one, other, step):
    """Multiple of `step` next to one x other on the side of zero."""
    return product_down(one, other, step) if one * other >= 0.0 else product_up(one, other, step)


@kernel
def falls_short(value, limit, scale):
    """Whether a value is below a limit by more than floats of the size `scale` can hide.

    Venues compare integers: amounts that are equal there, 100 x 4.35 and 435, may differ by a few bits here.
    """
    return value < limit - 1e-12 * abs(scale)
