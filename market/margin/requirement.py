"""What positions need: margin rates by notional, size and open interest, by instrument."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field

from market.kernels.records import LINEAR_IN_SIZE, ROOT_OF_SIZE, ROOT_PREMIUM
from market.parameters import PositiveUsd, Ratio, Share, Usd, parameters


@parameters
class Tier:
    """Margin rates from a notional on, marginal: only the part above the floor pays them."""

    floor_usd: Usd = 0.0
    """Notional from which the rates hold."""
    initial: Share = 0.05
    """Initial margin rate."""
    maintenance: Share = 0.025
    """Maintenance margin rate."""


def check_tiers(tiers: Sequence[Tier]) -> None:
    """Raise ValueError, `tiers[n]: what is wrong`, unless floors start at 0 and rise and rates never fall."""
    previous: Tier | None = None
    for number, tier in enumerate(tiers):
        if (previous is None) != (tier.floor_usd == 0) or (previous and tier.floor_usd <= previous.floor_usd):
            raise ValueError(f"tiers[{number}]: floors must start at 0 and rise")
        if tier.maintenance > tier.initial:
            raise ValueError(f"tiers[{number}]: maintenance is above initial")
        if previous and (tier.maintenance < previous.maintenance or tier.initial < previous.initial):
            raise ValueError(f"tiers[{number}]: rates must not fall as notional rises")
        previous = tier


@parameters
class NoSizeLaw:
    """The rate does not depend on the number of units."""

    kind: Literal["none"] = "none"
    """Name of the law."""
    factor = 0.0
    maintenance_factor = None
    code = 0


@parameters
class LinearSize:
    """Rate + factor x units, on all of the position (Deribit; Synthetix v3: factor / skew scale)."""

    kind: Literal["linear"] = "linear"
    """Name of the law."""
    factor: Ratio
    """Rate per unit of the base asset."""
    maintenance_factor: Ratio | None = None
    """The same of the maintenance rate; equal to `factor` when left out."""
    code = LINEAR_IN_SIZE


@parameters
class RootSize:
    """The larger of the rate and factor x sqrt(units) (FTX)."""

    kind: Literal["root"] = "root"
    """Name of the law."""
    factor: Ratio
    """Rate per square root of a unit of the base asset."""
    maintenance_factor = None
    code = ROOT_OF_SIZE


@parameters
class RootPremium:
    """The larger of the rate and 0.8 x rate + factor x sqrt(units) (Drift v2)."""

    kind: Literal["premium"] = "premium"
    """Name of the law."""
    factor: Ratio
    """Rate per square root of a unit of the base asset."""
    maintenance_factor = None
    code = ROOT_PREMIUM


SizeLaw = Annotated[NoSizeLaw | LinearSize | RootSize | RootPremium, Field(discriminator="kind")]


@parameters
class RequirementRule:
    """What a position in one instrument needs by itself."""

    left_out_at_default = ("profit_net",)

    tiers: tuple[Tier, ...] = (Tier(),)
    """Margin rates by notional, in rising order of floor; the first floor is 0."""
    size: SizeLaw = NoSizeLaw()
    """How the rate rises with the size of the position."""
    minimum_usd: Usd = 0.0
    """Least margin of any position."""
    open_interest_lower_usd: PositiveUsd | None = None
    """Open interest from which the initial rate rises (dYdX v4); it does not when left out."""
    open_interest_upper_usd: PositiveUsd | None = None
    """Open interest at which the initial rate is 1."""
    profit_weight: Share = 1.0
    """Share of a position's open profit that counts under initial margin and under the target profile."""
    profit_cap_usd: PositiveUsd | None = None
    """Most of it that counts, per position; no cap when left out."""
    profit_net: bool = False
    """Whether that is of what profit exceeds the position's own requirement, rather than of all of it (Mango v4)."""

    def __post_init__(self) -> None:
        if not self.tiers:
            raise ValueError("tiers: is empty; one tier at least is needed")
        check_tiers(self.tiers)
        lower, upper = self.open_interest_lower_usd, self.open_interest_upper_usd
        if (lower is None) != (upper is None) or (lower is not None and upper is not None and upper <= lower):
            raise ValueError("open_interest_upper_usd: must be given with open_interest_lower_usd, and be above it")
