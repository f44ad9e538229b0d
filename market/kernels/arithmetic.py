"""Exact integer arithmetic that cannot overflow where the result fits."""

from __future__ import annotations

import numpy as np

from market.kernels.jit import kernel
from market.kernels.records import PPM


@kernel
def multiply_divide(value, factor, divisor):
    """Floor of value x factor / divisor, for 0 < divisor < 2^62, |product| < 2^112 and a result that fits 64 bits.

    Floor means: against a holder. The float quotient is off by less than one part in 2^50; the remainder it leaves fits
    64 bits, so 64-bit products, which wrap, give it exactly, and it corrects the quotient.
    """
    quotient = np.int64(np.floor(float(value) * float(factor) / float(divisor)))
    left = value * factor - quotient * divisor
    # An integer division costs more than all the rest, and the float quotient is nearly always the floor.
    return quotient if 0 <= left < divisor else quotient + left // divisor


@kernel
def part(value, ppm):
    """Floor of value x ppm / 1,000,000, exact like `multiply_divide`."""
    quotient = np.int64(np.floor(float(value) * float(ppm) * 1e-6))
    left = value * ppm - quotient * PPM
    return quotient if 0 <= left < PPM else quotient + left // PPM


@kernel
def part_up(value, ppm):
    """Ceiling of value x ppm / 1,000,000: what a payer is charged."""
    return -part(-value, ppm)
