"""How a risk model shocks implied volatility: by a power of the time left, and by bending the smile."""

from __future__ import annotations

import math

from market.kernels.jit import kernel


@kernel
def power_shock(range_at_30_days, days, floor_days, power):
    """Relative shock `range x (30 / days)^power`, days at least `floor_days`; zero once there is no time left.

    Deribit portfolio margin (pages/docs/portfoliomargin, legacy); Derive PMRM_2 (derivexyz/v2-core@7736900d,
    PMRMLib_2.sol), which takes one power up to 30 days and another beyond.
    """
    held = max(days, floor_days)
    if held <= 0.0:
        return 0.0
    return range_at_30_days * math.pow(30.0 / held, power)


@kernel
def term_power_shock(range_at_30_days, days, floor_days, short_power, long_power):
    """The power shock with one power up to 30 days and another beyond; continuous there."""
    return power_shock(range_at_30_days, days, floor_days, short_power if days <= 30.0 else long_power)


@kernel
def shocked_up(vol, shock, least):
    """vol x (1 + shock), at least `least`."""
    return max(vol * (1.0 + shock), least)


@kernel
def shocked_down(vol, shock):
    """vol x (1 - shock), at least zero."""
    return vol * max(0.0, 1.0 - shock)


@kernel
def skew_cap(base, slope, years):
    """Largest relative move of a wing: base + slope x square root of years (Derive PMRM_2)."""
    return base + slope * math.sqrt(years)


@kernel
def skew_width(least, scale, vol_base, vol_slope, years):
    """Log-moneyness at which the smile is taken to be flat: sqrt(years) x scale x (base + slope x sqrt(years)).

    Never below `least` (Derive PMRM_2, k*).
    """
    root = math.sqrt(years)
    return max(least, root * scale * (vol_base + vol_slope * root))


@kernel
def skew_multiplier(moneyness, cap, width):
    """Factor on a volatility at log(strike / forward) = `moneyness`: 1 in the middle, 1 +- cap beyond the width.

    Linear in between. With |log(strike / forward)| for `moneyness` both wings rise; with the signed one they turn.
    Never below zero. Derive PMRM_2.
    """
    if width <= 0.0:
        return max(0.0, 1.0 + cap) if moneyness >= 0.0 else max(0.0, 1.0 - cap)
    move = moneyness * cap / width
    return max(0.0, 1.0 + (min(cap, move) if moneyness >= 0.0 else max(-cap, move)))
