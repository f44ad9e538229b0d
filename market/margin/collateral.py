"""What balances count for: haircuts and liability weights, by asset."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field

from market.parameters import Bps, PositiveUsd, Ratio, Share, parameters

LiabilityWeight = Annotated[float, Field(ge=1.0, le=10.0, json_schema_extra={"unit": "x"})]


@parameters
class HaircutTier:
    """A haircut from a size on, marginal: only the part of a holding above the floor bears it."""

    floor: Ratio = 0.0
    """Size from which it holds, in the `tier_unit` of its rule."""
    haircut: Share = 0.0
    """Discount under the maintenance profile."""
    initial_haircut: Share | None = None
    """Discount under the initial and target profiles; the same when left out."""


@parameters
class CategoryRule:
    """Assets whose prices move together: who owes nothing outside has what he owns of them counted at these haircuts.

    Everything else he owns counts as usual. Aave v3's e-mode (aave-dao/aave-v3-origin, EModeLogic, GenericLogic:
    in a category a user borrows its assets only, and its collateral has the category's loan-to-value and liquidation
    threshold), held to apply whenever it can. Who has a position outside spot, or under initial margin an order that
    could open one, is in no category: a loss would be a debt.
    """

    assets: tuple[str, ...]
    """Its members; those that a scenario does not have are passed over. An asset is in one category at most."""
    haircut: Share
    """Discount on what is owned of them under the maintenance profile, whatever its size; it does not follow the
    market."""
    initial_haircut: Share | None = None
    """Discount under the initial and target profiles; the same as `haircut` when left out."""
    liability_weight: LiabilityWeight | None = None
    """Factor on debts in them under the maintenance profile; that of the asset when left out."""
    initial_liability_weight: LiabilityWeight | None = None
    """Factor under the initial and target profiles; `liability_weight`, else that of the asset, when left out."""
    discount_bps: Bps | None = None
    """What whoever liquidates such an account gets off the price of members, under `venue.liquidation.price.kind =
    "oracle"`; that of the asset when left out."""
    liquidation_fee_bps: Bps | None = None
    """Fee on the debt that a sale of members repays; that of the asset when left out."""


@parameters
class CollateralRule:
    """How a venue values a balance of one asset."""

    haircut: Share = 0.0
    """Discount on a positive balance's value under the maintenance profile."""
    initial_haircut: Share | None = None
    """Discount under the initial and target profiles; the same as `haircut` when left out."""
    tiers: tuple[HaircutTier, ...] = ()
    """Haircuts by size, in rising order of floor; they replace `haircut`. The first floor is 0."""
    tier_unit: Literal["usd", "asset"] = "usd"
    """What floors are counted in: dollars, or units of the asset."""
    liability_weight: LiabilityWeight = 1.0
    """Factor on a negative balance's value under the maintenance profile."""
    initial_liability_weight: LiabilityWeight | None = None
    """Factor under the initial and target profiles; the same when left out."""
    size_factor: Ratio = 0.0
    """Weight of a balance falls to 1.1 / (1 + f sqrt(units)), of a debt rises to 0.8 w + f sqrt(units) (Drift v2)."""
    deposits_start_usd: PositiveUsd | None = None
    """What the venue holds of it beyond which weights fall in proportion, under initial margin; none when left out."""
    borrows_start_usd: PositiveUsd | None = None
    """What the venue has lent of it beyond which debts weigh more in proportion, under initial margin."""
    discount_bps: Bps | None = None
    """What whoever liquidates gets off its price under `venue.liquidation.price.kind = "oracle"`, in the place of that
    rule's discount."""
    liquidation_fee_bps: Bps | None = None
    """Fee on the debt that a sale of it repays, in the place of `venue.liquidation.fee_bps`."""

    def __post_init__(self) -> None:
        floors = [tier.floor for tier in self.tiers]
        if floors and (floors[0] != 0.0 or any(b <= a for a, b in pairwise(floors))):
            raise ValueError("tiers: floors must start at 0 and rise")
