"""What portfolio margin reads: one record per instrument, per expiry, per scenario, and the parameters of the rule.

Money is in USD quanta, as floats: a requirement is a model's number, rounded once by whoever books it.
"""

from __future__ import annotations

import numpy as np

i8, f8 = "<i8", "<f8"

LINEAR, CALL, PUT = 0, 1, 2
"""Kinds of a risk book. Spot, perpetual and dated future are LINEAR."""

NO_OFFSET, DEBTS_OFFSET, ALL_OFFSETS = range(3)
"""What of a balance stands in the scenarios: nothing, a debt alone (the asset has a haircut of 1), or all of it."""

VOL_SAME, VOL_UP, VOL_DOWN, SKEW_LINEAR, SKEW_WINGS, VOL_FACTOR, VOL_POINTS = range(7)
"""What a scenario does to implied volatility: nothing; the rule's shock up or down; the smile turned, or both wings
raised; volatility x (1 + vol_move); volatility + vol_move."""

RISK_BOOK = np.dtype(
    [
        ("kind", i8),  # LINEAR, CALL, PUT
        ("group", i8),  # row of its expiry among RISK_GROUP; NONE for LINEAR
        ("underlying", i8),  # 0 .. n_underlyings - 1: what its price moves with
        ("strike_of", i8),  # number of its (expiry, strike): calls and puts of one strike share it; NONE for LINEAR
        ("strike", f8),
        ("forward", f8),  # part of the forward (LINEAR: the price) that moves with the underlying
        ("fixed", f8),  # part that does not: settlement average so far; 0 before
        ("vol", f8),  # implied volatility, per square root of a year
        ("seconds", f8),  # to expiry
        ("rate", f8),  # continuous interest rate to expiry
        ("per_lot", f8),  # USD quanta per lot and unit of price
        ("gross_rate", f8),  # share of notional behind gross_charge, kept to follow prices
        ("gross_charge", f8),  # USD quanta per |lot|, whatever else is held; moves with the price
        ("doubt", f8),  # USD quanta per |lot| on top under initial margin (market/margin/contingency.py)
        ("short_charge", f8),  # USD quanta per lot net short of its strike; moves with the price
        ("offset", i8),  # of a spot instrument: what of its base asset stands in the scenarios like a position
        ("exposure", f8),  # yardstick of the safe-distance filter: market/kernels/displacement.py
    ]
)

RISK_GROUP = np.dtype(
    [
        ("underlying", i8),
        ("long_discount", f8),  # factor on a positive value of the expiry under a scenario
        ("short_discount", f8),  # factor on a negative one
        ("basis_factor", f8),  # factor on the loss of the expiry when its forward alone moves
    ]
)
"""One expiry of one underlying."""

SCENARIO = np.dtype(
    [
        ("vol_rule", i8),
        ("adverse", i8),  # 1: a gain of an expiry counts as a loss, since the scenario may come turned round
        ("vol_move", f8),  # VOL_FACTOR, VOL_POINTS
        ("weight", f8),  # share of the change that counts: 1, less for far tails
    ]
)

RISK_RULE = np.dtype(
    [
        ("factor", f8),  # requirement per unit of loss: initial or maintenance
        ("offset", f8),  # 0: underlyings each at their own worst scenario; 1: all in the same scenario
        ("vol_up", f8),  # shocks at 30 days, relative
        ("vol_down", f8),
        ("short_power", f8),  # growth of the shock as time runs out: (30 / days)^power, up to 30 days ...
        ("long_power", f8),  # ... and beyond
        ("floor_days", f8),
        ("least_vol", f8),  # VOL_UP never below this volatility
        ("skew_cap", f8),  # SKEW_LINEAR: largest relative move of a wing ...
        ("skew_slope", f8),  # ... and its change per square root of a year
        ("wings_cap", f8),  # SKEW_WINGS, likewise
        ("wings_slope", f8),
        ("least_width", f8),  # log-moneyness at which the wings begin: never below this,
        ("width_scale", f8),  # else sqrt(years) x scale x (width_vol + width_slope x sqrt(years))
        ("width_vol", f8),
        ("width_slope", f8),
        ("long_static", f8),  # static x exp(-years x (rate x factor + add)) on positive values; 1, 0, 0: none
        ("long_factor", f8),
        ("long_add", f8),
        ("short_static", f8),  # static x exp(+years x ...) on negative values
        ("short_factor", f8),
        ("short_add", f8),
        ("basis_up", f8),  # multipliers of the forward for the basis contingency
        ("basis_down", f8),
        ("basis_add", f8),  # basis_factor = add + per_year x years
        ("basis_per_year", f8),
        ("linear_multiple", f8),  # of the gross charges and
        ("short_multiple", f8),  # short charges of the books: above 1 for initial margin
        ("tail_confidence", f8),  # 0: the worst scenario; else a tail measure of equally likely ones at this level
        ("tail_mean", f8),  # 1: expected shortfall; 0: value at risk
        ("spot_offset", f8),  # 1: what is owned of an asset with a spot book stands in the scenarios like a position
        ("concentration_start", f8),  # USD quanta of a position's value from which ...
        ("concentration_rate", f8),  # ... this share of the rest is added
    ]
)
"""A rule of portfolio margin, one row."""

EXTRA_ROWS = 3
"""Rows of a unit table after its scenarios: basis up, basis down, and the value now."""
