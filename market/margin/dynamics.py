"""Haircuts and margin rates that follow the market: what each rule aims at, and how fast it may move."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import Field

from market.kernels.rules.weights import ramped_weight
from market.parameters import PositiveSeconds, PositiveUsd, Ratio, Seconds, Share, parameters

YEAR_SECONDS = 365.25 * 86_400.0
Multiple = Annotated[float, Field(ge=1.0, le=100.0, json_schema_extra={"unit": "x"})]


def limited(before: float, aim: float, *, rise: float, fall: float) -> float:
    """The value after one update towards `aim` that may not move further than `rise` up or `fall` down."""
    return min(max(aim, before - fall), before + rise)


@parameters
class StaticHaircuts:
    """Haircuts stay as they are."""

    kind: Literal["static"] = "static"
    """Name of the rule."""
    halflife_seconds = update_seconds = math.inf


@parameters
class VolatilityHaircuts:
    """Haircuts cover a move of so many standard deviations over the time a sale takes; never below the table's."""

    kind: Literal["volatility"] = "volatility"
    """Name of the rule."""
    halflife_seconds: PositiveSeconds = 3_600.0
    """Time after which a squared return counts half in the realised volatility."""
    horizon_seconds: PositiveSeconds = 86_400.0
    """Time over which the holding is exposed."""
    deviations: Ratio = 2.0
    """Standard deviations of that move."""
    largest: Share = 0.9
    """Highest haircut."""
    update_seconds: PositiveSeconds = 600.0
    """Time between updates."""
    rise_limit: Share = 1.0
    """Most a haircut rises per update."""
    fall_limit: Share = 0.02
    """Most it falls per update."""

    def aim(self, *, volatility: float) -> float:
        """The haircut at an annual volatility, before limits."""
        move = self.deviations * volatility * math.sqrt(self.horizon_seconds / YEAR_SECONDS)
        return min(1.0 - math.exp(-move), self.largest)


@parameters
class LiquidityHaircuts:
    """Haircuts by size of holding: what selling so much into the spot book as it stands would lose, times a factor."""

    kind: Literal["liquidity"] = "liquidity"
    """Name of the rule."""
    sizes_usd: tuple[PositiveUsd, ...] = (100_000.0, 1_000_000.0, 10_000_000.0)
    """Holdings, rising, from which a higher haircut holds; each tier bears the slippage of selling up to the next."""
    multiple: Ratio = 1.0
    """Factor on the slippage; added to the asset's own haircut."""
    unsold: Share = 0.9
    """Loss that is assumed on what the book cannot take, and the highest haircut."""
    update_seconds: PositiveSeconds = 600.0
    """Time between updates."""
    rise_limit: Share = 1.0
    """Most a haircut rises per update."""
    fall_limit: Share = 0.02
    """Most it falls per update."""
    halflife_seconds = math.inf

    def __post_init__(self) -> None:
        if not self.sizes_usd or sorted(set(self.sizes_usd)) != list(self.sizes_usd):
            raise ValueError("sizes_usd: expected rising sizes")

    def aim(self, *, base: float, slippage: float) -> float:
        """The haircut of a tier whose part of a sale loses the share `slippage`, before limits."""
        return min(base + self.multiple * slippage, max(self.unsold, base))


@parameters
class RampedHaircuts:
    """An announced change of haircuts: a higher one holds at once for new risk, for what is held it rises slowly.

    Under the maintenance profile the weight falls in a straight line, under the others at once; a lower haircut holds
    at once under maintenance and leaves the others alone (Euler's borrow and liquidation LTV).
    """

    kind: Literal["ramp"] = "ramp"
    """Name of the rule."""
    to: dict[str, Share]
    """Haircuts it leads to, by asset."""
    start_seconds: Seconds = 0.0
    """Time of the run at which the change takes effect."""
    duration_seconds: PositiveSeconds = 86_400.0
    """Time from then on after which it holds in full."""
    update_seconds: PositiveSeconds = 60.0
    """Time between updates."""
    halflife_seconds = math.inf

    def aim(self, *, base: float, to: float, seconds: float) -> float:
        """The haircut of maintenance at a time of the run, from a base that is that of the table."""
        elapsed = seconds - self.start_seconds
        return 1.0 - float(ramped_weight(1.0 - base, 1.0 - to, elapsed, self.duration_seconds))


HaircutDynamics = Annotated[
    StaticHaircuts | VolatilityHaircuts | LiquidityHaircuts | RampedHaircuts, Field(discriminator="kind")
]


@parameters
class StaticRates:
    """Margin rates stay as they are."""

    kind: Literal["static"] = "static"
    """Name of the rule."""
    halflife_seconds = update_seconds = math.inf


@parameters
class VolatilityRates:
    """Requirements rise in proportion to realised volatility above a calm level."""

    kind: Literal["volatility"] = "volatility"
    """Name of the rule."""
    halflife_seconds: PositiveSeconds = 3_600.0
    """Time after which a squared return counts half in the realised volatility."""
    calm_volatility: Annotated[float, Field(gt=0.0, le=20.0, json_schema_extra={"unit": "1/sqrt(year)"})] = 0.8
    """Annual volatility up to which the tables hold as written."""
    largest: Multiple = 3.0
    """Highest multiple of the tables' requirements."""
    update_seconds: PositiveSeconds = 600.0
    """Time between updates."""
    rise_limit: Ratio = 1.0
    """Most the multiple rises per update."""
    fall_limit: Ratio = 0.1
    """Most it falls per update."""

    def aim(self, *, volatility: float, open_interest_usd: float) -> float:
        """Multiple of the requirement at an annual volatility, before limits."""
        del open_interest_usd
        return min(max(volatility / self.calm_volatility, 1.0), self.largest)


@parameters
class OpenInterestRates:
    """Requirements rise linearly with the open interest of the instrument."""

    kind: Literal["open_interest"] = "open_interest"
    """Name of the rule."""
    lower_usd: PositiveUsd = 50e6
    """Open interest up to which the tables hold as written."""
    upper_usd: PositiveUsd = 200e6
    """Open interest from which the highest multiple holds."""
    largest: Multiple = 3.0
    """Highest multiple of the tables' requirements."""
    update_seconds: PositiveSeconds = 600.0
    """Time between updates."""
    rise_limit: Ratio = 1.0
    """Most the multiple rises per update."""
    fall_limit: Ratio = 0.1
    """Most it falls per update."""
    halflife_seconds = math.inf

    def __post_init__(self) -> None:
        if self.upper_usd <= self.lower_usd:
            raise ValueError("upper_usd: must be above lower_usd")

    def aim(self, *, volatility: float, open_interest_usd: float) -> float:
        """Multiple of the requirement at an open interest, before limits."""
        del volatility
        share = (open_interest_usd - self.lower_usd) / (self.upper_usd - self.lower_usd)
        return 1.0 + (self.largest - 1.0) * min(max(share, 0.0), 1.0)


RateDynamics = Annotated[StaticRates | VolatilityRates | OpenInterestRates, Field(discriminator="kind")]
