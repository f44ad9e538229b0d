"""What goes wrong at set times: prices that part from what they should be, exploits, freezes.

A depeg, a staked token's discount that widens and any other exogenous fall of one asset are one class, `PriceShock`: a
factor on the reference price. A wick of one venue's oracle is a fault of that oracle (agents/oracle.py); what a bridge
does to what it carries is a rule of the bridge (market/bridges.py).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Literal, Protocol

from pydantic import Field

from market.parameters import Positive, PositiveAmount, PositiveSeconds, Seconds, parameters

if TYPE_CHECKING:
    from market.system import System


class Intervention(Protocol):
    """Something done to a running system from outside."""

    def act(self, system: System) -> None:
        """Called at the start of every tick; acts when its time has come."""


@parameters
class PriceShock:
    """An asset's reference price is multiplied by a factor that sets in, stays, and may be undone."""

    kind: Literal["price"] = "price"
    """Tells the kinds of shocks apart."""
    asset: str
    """Asset whose reference price it moves; for a claim, its discount."""
    at_seconds: Seconds
    """When it begins."""
    over_seconds: Seconds = 0.0
    """Time in which it sets in, evenly in the logarithm; 0: at once."""
    factor: Positive
    """Multiple of the price that it ends at: 0.88 is a depeg to 88 cents."""
    stays_seconds: Seconds | None = None
    """How long it stays there; for good when left out."""
    recovery_seconds: Seconds = 0.0
    """Time in which it is then undone."""

    def log_factor(self, seconds: float) -> float:
        """Logarithm of the factor at a moment."""
        full = math.log(self.factor)
        since = seconds - self.at_seconds
        if since < 0.0:
            return 0.0
        if since < self.over_seconds:
            return full * since / self.over_seconds
        if self.stays_seconds is None or since < self.over_seconds + self.stays_seconds:
            return full
        left = since - self.over_seconds - self.stays_seconds
        return full * (1.0 - left / self.recovery_seconds) if left < self.recovery_seconds else 0.0


@parameters
class Exploit:
    """Somebody makes units of an asset out of nothing, posts them on a venue, and borrows what is there."""

    kind: Literal["exploit"] = "exploit"
    """Tells the kinds of shocks apart."""
    asset: str
    """What is minted; a claim is worth less by it, as the same deposit stands behind more of it."""
    venue: str
    """Lending market on which it is posted."""
    at_seconds: Seconds
    """When."""
    units: PositiveAmount
    """How much is minted, in units of the asset."""
    borrow: tuple[str, ...]
    """What is borrowed against it, in this order, while liquidity and the asset's weight last."""


@parameters
class Freeze:
    """Nothing of an asset can be withdrawn, borrowed or redeemed on a lending market for a time."""

    kind: Literal["freeze"] = "freeze"
    """Tells the kinds of shocks apart."""
    asset: str
    """Asset that is frozen."""
    venue: str
    """Lending market that freezes it."""
    start_seconds: Seconds
    """First moment, from the start of the run."""
    end_seconds: PositiveSeconds
    """Moment at which it is over."""

    def __post_init__(self) -> None:
        if self.end_seconds <= self.start_seconds:
            raise ValueError(f"ends at {self.end_seconds:g} s, not after its start at {self.start_seconds:g} s")


Shock = Annotated[PriceShock | Exploit | Freeze, Field(discriminator="kind")]
