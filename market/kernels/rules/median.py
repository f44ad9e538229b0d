"""Medians that marks are made of."""

from __future__ import annotations

from market.kernels.jit import kernel


@kernel
def median_of_three(a, b, c):
    """The middle of three prices: no single one can move it beyond the other two (Hyperliquid, Binance marks)."""
    return max(min(a, b), min(max(a, b), c))
