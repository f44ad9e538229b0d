"""Exact integer arithmetic that cannot overflow where the result fits."""

from __future__ import annotations

from market.kernels.jit import kernel
from market.kernels.records import PPM


@kernel
def multiply_divide(value, factor, divisor):
    """Floor of value x factor / divisor; needs |factor| x divisor < 2^63. Floor means: against a holder."""
    return (value // divisor) * factor + ((value % divisor) * factor) // divisor


@kernel
def part(value, ppm):
    """Floor of value x ppm / 1,000,000."""
    return (value // PPM) * ppm + ((value % PPM) * ppm) // PPM


@kernel
def part_up(value, ppm):
    """Ceiling of value x ppm / 1,000,000: what a payer is charged."""
    return -part(-value, ppm)
