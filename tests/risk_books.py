"""A small world of linear instruments and options for tests of portfolio margin."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from market.kernels.records import NONE
from market.kernels.rules import risk_records as risk
from market.margin.scenarios import Shock

DAY = 86_400.0
N_STRIKES = 4

RULE = np.zeros(1, risk.RISK_RULE)
for _field, _value in {
    "factor": 0.8,
    "vol_up": 0.5,
    "vol_down": 0.3,
    "short_power": 0.3,
    "long_power": 0.13,
    "floor_days": 1.0,
    "least_vol": 0.4,
    "skew_cap": 0.15,
    "skew_slope": -0.05,
    "wings_cap": 0.15,
    "wings_slope": -0.05,
    "least_width": 0.01,
    "width_scale": 4.0,
    "width_vol": 0.6,
    "width_slope": -0.1,
    "long_static": 0.95,
    "long_factor": 1.0,
    "long_add": 0.08,
    "short_static": 1.04,
    "short_factor": 0.5,
    "short_add": 0.08,
    "basis_up": 1.045,
    "basis_down": 0.955,
    "basis_add": 0.5,
    "basis_per_year": 2.0,
}.items():
    RULE[_field] = _value
"""A rule like Derive's PMRM_2."""

SHOCKS = [
    *(Shock(spot=spot, vol=vol) for spot in (0.82, 0.91, 1.0, 1.09, 1.18) for vol in ("down", "none", "up")),
    Shock(spot=0.34, vol="up", weight=0.055),
    Shock(spot=3.0, vol="up", weight=0.018),
    Shock(vol="skew_linear"),
    Shock(vol="skew_abs"),
    Shock(spot=1.3, vol="skew_linear"),
]


def example_books() -> NDArray[np.void]:
    """Perpetual and future of underlying 0, perpetual of underlying 1, three options on 0 in two expiries, one on 1."""
    books = np.zeros(7, risk.RISK_BOOK)
    books["group"] = books["strike_of"] = NONE
    books["per_lot"] = 1_000.0
    books["forward"] = [60_000.0, 60_300.0, 2_500.0, 60_100.0, 60_100.0, 61_000.0, 2_520.0]
    books["underlying"] = [0, 0, 1, 0, 0, 0, 1]
    books["kind"][3:] = [risk.CALL, risk.PUT, risk.PUT, risk.CALL]
    books["group"][3:] = [0, 0, 1, 2]
    books["strike_of"][3:] = [0, 0, 1, 2]
    books["strike"][3:] = [62_000.0, 62_000.0, 50_000.0, 2_600.0]
    books["vol"][3:] = [0.55, 0.5, 0.7, 0.8]
    books["seconds"][3:] = [9 * DAY, 9 * DAY, 80 * DAY, 2 * DAY]
    books["rate"][3:] = 0.06
    books["gross_charge"] = 0.01 * books["forward"] * books["per_lot"]
    books["short_charge"][3:] = 0.003 * books["forward"][3:] * books["per_lot"][3:]
    return books
