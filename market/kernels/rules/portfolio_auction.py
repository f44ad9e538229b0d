"""Auction of a whole portfolio: the bidder takes a slice of everything (Derive Dutch auction).

Source: derivexyz/v2-core@7736900d, DutchAuction.sol. Amounts are of the quote asset: `value` the portfolio's mark to
market, `margin` its maintenance balance (negative below maintenance), `reserved` cash that earlier bidders paid in.
"""

from __future__ import annotations

from market.kernels.jit import kernel
from market.kernels.rules.solve import amount_to_target


@kernel
def two_speed_discount(elapsed, start, cutoff, fast_seconds, slow_seconds):
    """Share of the mark to market asked: from `start` to `cutoff` while fast, then to zero while slow, linear in both.

    Zero once both are over.
    """
    if elapsed < fast_seconds:
        return start - (start - cutoff) * elapsed / fast_seconds
    if elapsed >= fast_seconds + slow_seconds:
        return 0.0
    return cutoff - cutoff * (elapsed - fast_seconds) / slow_seconds


@kernel
def buffer_margin(value, margin, buffer):
    """Balance that a liquidation must bring to zero: the maintenance balance less `buffer` x the requirement."""
    return margin + buffer * (margin - value)


@kernel
def largest_slice(value, buffered, discount, reserved, cutoff):
    """Share of the portfolio that brings the buffered margin back to zero at the discount asked; at most all of it.

    Selling the slice f takes f of the (negative) margin away and leaves cash: the clamped linear solve. All of it
    below the value `cutoff`.
    """
    if value < cutoff:
        return 1.0
    return amount_to_target(-buffered, value * discount + reserved * (1.0 - discount) - buffered, 1.0)


@kernel
def portfolio_price(value, reserved, discount):
    """Price of the whole portfolio at the discount, cash paid in by earlier bidders left out; at least zero."""
    return max(0.0, (value - reserved) * discount)


@kernel
def after_slice(amount, reserved, share, paid):
    """Value or margin after a bidder took `share` of everything but the reserved cash, and paid."""
    return (amount - reserved) * (1.0 - share) + reserved + paid


@kernel
def insolvent_payout(value, margin, elapsed, seconds):
    """What the fund pays a bidder for taking the whole portfolio: from -min(value, 0) up to -margin, linear in time.

    Zero when the account is not below maintenance.
    """
    if margin >= 0.0:
        return 0.0
    start = min(value, 0.0)
    if elapsed >= seconds:
        return -margin
    return -((margin - start) * elapsed / seconds + start)
