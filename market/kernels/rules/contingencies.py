"""Add-ons on top of a scenario loss: for short options left alone, for doubtful prices, for size."""

from __future__ import annotations

from market.kernels.jit import kernel


@kernel
def net_short(strike_of, sizes, n_strikes, work):
    """Units short, calls and puts of a strike netted, summed over strikes.

    `strike_of[n]` numbers the strikes (of one expiry each) from 0 to `n_strikes` - 1; below zero: not an option.
    `work[n_strikes]` is scratch. Deribit portfolio margin (0.01 BTC per net short option of a strike), Derive PMRM_2
    (share of the notional of naked shorts).
    """
    for strike in range(n_strikes):
        work[strike] = 0.0
    for option in range(sizes.shape[0]):
        if strike_of[option] >= 0:
            work[strike_of[option]] += sizes[option]
    total = 0.0
    for strike in range(n_strikes):
        total += max(0.0, -work[strike])
    return total


@kernel
def doubt_charge(confidence, threshold, factor, notional):
    """(1 - confidence) x factor x notional where an oracle's confidence is below the threshold; else zero (Derive)."""
    return (1.0 - confidence) * factor * notional if confidence < threshold else 0.0


@kernel
def depeg_factor(price, threshold, factor):
    """(threshold - price) x factor while the settlement coin trades below the threshold; else zero (Derive)."""
    return (threshold - price) * factor if price < threshold else 0.0


@kernel
def tier_weighted(amount, ceilings, weights):
    """Sum over tiers of the part of `amount` in the tier x its weight: marginal, so continuous at every ceiling.

    `ceilings` rise; beyond the last one its weight goes on. OKX portfolio margin scales the minimum charge so (MR7).
    """
    total = 0.0
    floor = 0.0
    for tier in range(ceilings.shape[0]):
        top = ceilings[tier] if tier < ceilings.shape[0] - 1 else amount
        if amount > floor:
            total += (min(amount, max(top, floor)) - floor) * weights[tier]
        floor = max(top, floor)
    return total


@kernel
def stacked_requirement(spot_volatility, theta, extreme, basis, vega, rate, minimum):
    """The greatest of the scenario losses plus the charges that always add; at least the scaled minimum charge.

    OKX portfolio margin: max(max(MR1, MR2, MR6) + MR3 + MR4 + MR5, MR7 scaled).
    """
    return max(max(spot_volatility, theta, extreme) + basis + vega + rate, minimum)
