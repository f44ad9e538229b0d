"""When a price has moved far enough to be published: an oracle's deviation threshold (Chainlink, API3)."""

from __future__ import annotations

from market.kernels.jit import kernel


@kernel
def deviates(price, last, deviation):
    """Whether a price is at least the share `deviation` away from the last one published, up or down."""
    return abs(price - last) >= deviation * last


@kernel
def trigger_price(last, deviation, direction):
    """First price that would be published, above (direction +1) or below (-1) the last."""
    return last + direction * deviation * last
