"""Discounts a risk model puts on the value of an expiry: long value counts for less, short value for more."""

from __future__ import annotations

import math

from market.kernels.jit import kernel


@kernel
def long_discount(static, years, rate, rate_factor, rate_add):
    """Factor on a positive value: static x exp(-years x (rate x factor + add)); a rate below zero counts as zero.

    Derive PMRM_2 (derivexyz/v2-core@7736900d, PMRMLib_2.sol).
    """
    return static * math.exp(-years * (max(rate, 0.0) * rate_factor + rate_add))


@kernel
def short_discount(static, years, rate, rate_factor, rate_add):
    """Factor on a negative value: static x exp(years x (rate x factor + add)), at most 1 / exp(-years x rate).

    The cap takes the option's own discounting back and no more (Derive PMRM_2).
    """
    floored = max(rate, 0.0)
    return min(math.exp(years * floored), static * math.exp(years * (floored * rate_factor + rate_add)))


@kernel
def settlement_share(seconds, window_seconds):
    """Share of a settlement average that still depends on the price: 1 before the window opens, then linear to 0."""
    if window_seconds <= 0.0:
        return 1.0
    return min(1.0, max(0.0, seconds) / window_seconds)
