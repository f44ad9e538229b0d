"""Implied-volatility surface: SSVI (Gatheral and Jacquier 2014) over a mean-reverting term structure, and its moves.

Total variance of log(strike / forward) = k at an expiry whose at-the-money total variance is t:

    w = t / 2 x (1 + rho f k + sqrt((f k + rho)^2 + 1 - rho^2)),   f = eta / sqrt(t (1 + t))

At-the-money variance reverts from its short end to its long end, t(T) = long T + (short - long)(1 - e^(-a T)) / a, and
rises with T for any positive short and long end. With eta (1 + |rho|) <= 2 the surface then has no static arbitrage
(their remark 4.4). A `gap` shifts the smile against the forward (sticky strikes): no calendar arbitrage either, as w
still rises with T at every k, but butterflies are then only free of arbitrage while the gap is small against sqrt(t).
"""

from __future__ import annotations

import math

import numpy as np

from market.kernels.jit import kernel
from market.kernels.rules.options import SECONDS_PER_YEAR

SURFACE = np.dtype(
    [
        # state
        ("level", "<f8"),  # log of the short-end volatility over its base
        ("gap", "<f8"),  # log of the forward over the point the smile is centred on
        # parameters
        ("short_variance", "<f8"),  # per year, at level 0
        ("long_variance", "<f8"),
        ("reversion", "<f8"),  # per year
        ("correlation", "<f8"),  # rho
        ("curvature", "<f8"),  # eta
        ("sticky_strike", "<f8"),  # share of a price move that leaves the smile where it is in strikes
        ("spot_beta", "<f8"),  # change of `level` per log return
        ("flow_impact", "<f8"),  # change of `level` per USD of vega bought (per 1.00 of volatility) by forced orders
        ("decay", "<f8"),  # per second: level and gap return to zero
        ("largest_level", "<f8"),
    ]
)
"""One surface per underlying."""

LEAST_YEARS = 60.0 / SECONDS_PER_YEAR
"""Shorter times are read off the surface at one minute: the wings of its last seconds have no bound."""


@kernel
def money_variance(surface, years):
    """At-the-money total variance over `years`."""
    short = surface.short_variance * math.exp(2.0 * surface.level)
    if surface.reversion <= 0.0:
        return short * years
    faded = -math.expm1(-surface.reversion * years) / surface.reversion
    return surface.long_variance * (years - faded) + short * faded


@kernel
def smile_variance(moneyness, variance, correlation, curvature):
    """SSVI total variance at log(strike / centre) = `moneyness`, `variance` that at the centre."""
    bent = curvature / math.sqrt(variance * (1.0 + variance)) * moneyness
    root = math.sqrt((bent + correlation) * (bent + correlation) + 1.0 - correlation * correlation)
    return 0.5 * variance * (1.0 + correlation * bent + root)


@kernel
def surface_vol(surface, forward, strike, years):
    """Implied volatility, per square root of a year."""
    held = max(years, LEAST_YEARS)
    moneyness = math.log(strike / forward) + surface.gap
    variance = money_variance(surface, held)
    return math.sqrt(smile_variance(moneyness, variance, surface.correlation, surface.curvature) / held)


@kernel
def move_surface(surface, log_return, vega_bought, seconds):
    """Let time pass, then move with the price and with forced orders in options.

    `vega_bought`: USD per 1.00 of volatility, signed, of what forced orders bought less what they sold.
    """
    kept = math.exp(-surface.decay * seconds)
    level = surface.level * kept + surface.spot_beta * log_return + surface.flow_impact * vega_bought
    surface.level = max(-surface.largest_level, min(surface.largest_level, level))
    surface.gap = surface.gap * kept + surface.sticky_strike * log_return
