"""Funding: how large a rate may be, and what it makes a position pay."""

from __future__ import annotations

from market.kernels.jit import kernel
from market.kernels.rules.rounding import round_down


@kernel
def funding_bound(factor, initial, maintenance, step):
    """Largest |rate|: factor x (initial rate - maintenance rate), rounded down to `step`.

    dydxprotocol/v4-chain@84d4664b x/perpetuals/types/liquidity_tier.go.
    """
    return round_down(factor * (initial - maintenance), step)


@kernel
def clamped_rate(rate, bound):
    """The rate within -bound and +bound."""
    return min(max(rate, -bound), bound)


@kernel
def with_interest(premium, interest, band):
    """Premium pulled towards the rate of interest by at most `band`: P + clamp(I - P, -band, band).

    Binance, BitMEX, Bybit, Hyperliquid: with a premium near the interest the rate is the interest.
    """
    return premium + clamped_rate(interest - premium, band)


@kernel
def funding_payment(rate, periods, mark, size):
    """What a position of signed `size` pays (-: receives) when longs pay the share `rate` of the mark per period."""
    return rate * periods * mark * size
