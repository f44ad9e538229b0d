"""Past reference prices, for agents that see them late."""

from __future__ import annotations

from market.kernels.jit import kernel


@kernel
def remember_references(tick, instruments, ring, known):
    """Write this tick's references into row tick % len(ring); return how many rows are known, at most len(ring)."""
    for book in range(instruments.shape[0]):
        ring[tick % ring.shape[0], book] = instruments[book].reference
    return min(known + 1, ring.shape[0])


@kernel
def reference_seen(tick, latency, book, ring, known):
    """Reference price of `latency` ticks ago, or the oldest one known."""
    return ring[(tick - min(latency, known - 1)) % ring.shape[0], book]
