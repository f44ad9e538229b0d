"""Parameters of an implied-volatility surface; what they do is in market/kernels/rules/surface.py."""

from __future__ import annotations

import math
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from market.kernels.rules.surface import SURFACE
from market.parameters import AnnualVolatility, PositiveSeconds, Ratio, Share, parameters

Correlation = Annotated[float, Field(json_schema_extra={"unit": "1"}, gt=-1.0, lt=1.0)]
Elasticity = Annotated[float, Field(json_schema_extra={"unit": "x"}, ge=-20.0, le=20.0)]
Factor = Annotated[float, Field(json_schema_extra={"unit": "x"}, ge=1.0, le=20.0)]


@parameters
class ImpliedSurface:
    """Implied volatility by strike and expiry (SSVI), moving with the price and with forced orders in options."""

    short_volatility: AnnualVolatility = 0.6
    """At-the-money volatility of an option that is about to expire, in quiet times."""
    long_volatility: AnnualVolatility = 0.6
    """At-the-money volatility that long expiries tend to."""
    reversion_per_year: Ratio = 4.0
    """How fast the term structure goes from the one to the other."""
    correlation: Correlation = -0.2
    """Slope of the smile: below zero puts are dearer than calls."""
    curvature: Annotated[float, Field(json_schema_extra={"unit": "1"}, gt=0.0, le=2.0)] = 0.9
    """Bend of the smile; curvature x (1 + |correlation|) is at most 2, or butterflies could have a negative price."""
    sticky_strike_share: Share = 0.3
    """Share of a price move that leaves the smile where it is in strikes; with the rest it moves with the forward."""
    spot_beta: Elasticity = -1.0
    """Relative change of short-dated volatility per relative move of the price."""
    vol_move_per_million_vega: Ratio = 0.02
    """Relative change of short-dated volatility when forced orders buy a million USD of vega, per 1.00 of it."""
    half_life_seconds: PositiveSeconds = 21_600.0
    """Time after which half of such a move has faded."""
    largest_factor: Factor = 4.0
    """Short-dated volatility stays within this factor of its quiet level."""

    def __post_init__(self) -> None:
        """ValueError when the smile would allow arbitrage."""
        if self.curvature * (1.0 + abs(self.correlation)) > 2.0:
            raise ValueError("curvature x (1 + |correlation|) must be at most 2")
        if self.short_volatility <= 0.0 or self.long_volatility <= 0.0:
            raise ValueError("short_volatility and long_volatility must be above 0")

    def record(self) -> NDArray[np.void]:
        """SURFACE[1], in quiet times."""
        surface = np.zeros(1, SURFACE)
        surface["short_variance"] = self.short_volatility**2
        surface["long_variance"] = self.long_volatility**2
        surface["reversion"] = self.reversion_per_year
        surface["correlation"] = self.correlation
        surface["curvature"] = self.curvature
        surface["sticky_strike"] = self.sticky_strike_share
        surface["spot_beta"] = self.spot_beta
        surface["flow_impact"] = self.vol_move_per_million_vega / 1e6
        surface["decay"] = math.log(2.0) / self.half_life_seconds
        surface["largest_level"] = math.log(self.largest_factor)
        return surface
