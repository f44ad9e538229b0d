"""European options: Black-76 price and Greeks, the formula everything here that values an option calls.

Black (1976), "The pricing of commodity contracts". Black-Scholes-Merton (1973) is the same formula with the forward
spot x exp((rate - yield) x years). Amounts are per unit of the underlying, volatility per square root of a year, time
in years of 365 days; the discount factor multiplies everything.
"""

from __future__ import annotations

import math

from market.kernels.jit import kernel

SECONDS_PER_YEAR = 365.0 * 86_400.0
SECONDS_PER_DAY = 86_400.0
ROOT_HALF = 0.7071067811865476
NORMAL_PEAK = 0.3989422804014327
"""Density of the standard normal at zero, its largest."""


@kernel
def normal_cdf(x):
    """Probability that a standard normal is at most x; accurate in both tails."""
    return 0.5 * math.erfc(-x * ROOT_HALF)


@kernel
def normal_density(x):
    """Density of the standard normal."""
    return NORMAL_PEAK * math.exp(-0.5 * x * x)


@kernel
def intrinsic(is_call, forward, strike):
    """What the option pays if it settles at `forward`."""
    return max(forward - strike, 0.0) if is_call else max(strike - forward, 0.0)


@kernel
def black_price(is_call, forward, strike, deviation):
    """Undiscounted Black-76 price; `deviation` = volatility x square root of the years left.

    The intrinsic value where nothing is uncertain any more: deviation, forward or strike not above zero.
    """
    if deviation <= 0.0 or forward <= 0.0 or strike <= 0.0:
        return intrinsic(is_call, forward, strike)
    d1 = math.log(forward / strike) / deviation + 0.5 * deviation
    d2 = d1 - deviation
    # The out-of-the-money side first: it does not lose its digits in a difference.
    if forward <= strike:
        call = max(forward * normal_cdf(d1) - strike * normal_cdf(d2), 0.0)
        return call if is_call else call + (strike - forward)
    put = max(strike * normal_cdf(-d2) - forward * normal_cdf(-d1), 0.0)
    return put + (forward - strike) if is_call else put


@kernel
def black_greeks(is_call, forward, strike, vol, years, rate):
    """(price, delta, gamma, vega, theta) of one option, discounted at the continuous `rate`.

    delta = d price / d forward, gamma its derivative, vega = d price / d vol (per 1.00), theta = d price / d calendar
    time with the forward held, per year. At expiry, or without volatility, delta is the slope of the payoff (half a
    unit at the kink) and gamma and vega are zero.
    """
    discount = math.exp(-rate * years)
    deviation = vol * math.sqrt(years) if years > 0.0 else 0.0
    if deviation <= 0.0 or forward <= 0.0 or strike <= 0.0:
        side = 0.5 if forward == strike else (1.0 if forward > strike else 0.0)
        price = discount * intrinsic(is_call, forward, strike)
        return price, discount * (side if is_call else side - 1.0), 0.0, 0.0, rate * price
    d1 = math.log(forward / strike) / deviation + 0.5 * deviation
    density = normal_density(d1)
    price = discount * black_price(is_call, forward, strike, deviation)
    delta = discount * (normal_cdf(d1) if is_call else -normal_cdf(-d1))
    gamma = discount * density / (forward * deviation)
    vega = discount * forward * density * math.sqrt(years)
    theta = rate * price - 0.5 * vega * vol / years
    return price, delta, gamma, vega, theta
