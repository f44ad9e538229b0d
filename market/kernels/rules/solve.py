"""The one solve behind every "back to target"."""

from __future__ import annotations

from market.kernels.jit import kernel


@kernel
def amount_to_target(shortfall, gain_per_unit, most):
    """Units to close, repay or sell so that a shortfall is gone, within 0 and `most`.

    `shortfall` is what is missing to the target, `gain_per_unit` by how much one unit lowers it, both in one unit of
    money. No shortfall: 0. Units that gain nothing: `most`, since no smaller amount gets there either.
    """
    if shortfall <= 0.0:
        return 0.0
    if gain_per_unit <= 0.0:
        return most
    return min(shortfall / gain_per_unit, most)
