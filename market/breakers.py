"""Circuit breakers as data: when trading halts, which prices are refused, how fast accounts are closed, who may open.

One field per kind, each a union told apart by `kind`, so that a file or `--set venue.breakers.halt.kind=move` switches
on one and leaves the others alone. What they do in a step is in `market/circuit.py`.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from market.parameters import PositiveBps, PositiveSeconds, PositiveUsd, Share, parameters


@parameters
class NoHalt:
    """Trading never stops."""

    kind: Literal["none"] = "none"
    """Name of the rule."""


@parameters
class MoveHalt:
    """Trading stops after a fast move of the mark, up or down, as stock exchanges and futures markets do.

    Orders are refused and nobody is liquidated on the book; cancellations pass, and deleveraging goes on.
    """

    kind: Literal["move"] = "move"
    """Name of the rule."""
    move_bps: PositiveBps = 700.0
    """Move of the mark against any mark of the window that stops trading; after a halt the window starts afresh."""
    window_seconds: PositiveSeconds = 300.0
    """How far back marks are compared."""
    halt_seconds: PositiveSeconds = 300.0
    """How long trading stops."""
    scope: Literal["instrument", "venue"] = "instrument"
    """Whether the move of one instrument stops that one or all."""


Halt = Annotated[NoHalt | MoveHalt, Field(discriminator="kind")]


@parameters
class NoBand:
    """Any price will do."""

    kind: Literal["none"] = "none"
    """Name of the rule."""


@parameters
class RejectBand:
    """Orders to buy above or to sell below the band are refused; market orders and liquidations stop at its edge."""

    kind: Literal["reject"] = "reject"
    """Name of the rule."""
    width_bps: PositiveBps = 500.0
    """Distance of both edges from the price in the middle."""
    around: Literal["index", "mark"] = "index"
    """Price in the middle, as it stands at the beginning of the tick."""
    caps = False


@parameters
class CapBand:
    """Orders to buy above or to sell below the band are moved to its edge, market orders and liquidations as well."""

    kind: Literal["cap"] = "cap"
    """Name of the rule."""
    width_bps: PositiveBps = 500.0
    """Distance of both edges from the price in the middle."""
    around: Literal["index", "mark"] = "index"
    """Price in the middle, as it stands at the beginning of the tick."""
    caps = True


Band = Annotated[NoBand | RejectBand | CapBand, Field(discriminator="kind")]


@parameters
class NoThrottle:
    """Accounts are closed as fast as block space and keepers allow."""

    kind: Literal["none"] = "none"
    """Name of the rule."""


@parameters
class NotionalThrottle:
    """Forced orders of positions and collateral trade at most so much in a window; the rest waits."""

    kind: Literal["notional"] = "notional"
    """Name of the rule."""
    notional_usd: PositiveUsd = 1_000_000.0
    """Largest value traded by forced orders in one window, on all books together."""
    window_seconds: PositiveSeconds = 60.0
    """Length of a window; windows follow each other from the start of the run."""


Throttle = Annotated[NoThrottle | NotionalThrottle, Field(discriminator="kind")]


@parameters
class NoReduceOnly:
    """Everybody may open positions at all times."""

    kind: Literal["none"] = "none"
    """Name of the rule."""


@parameters
class MoveReduceOnly:
    """After a fast move of the mark of any perpetual, orders may only shrink positions, on the whole venue.

    Orders that can only rest (post-only) pass, so that makers go on quoting, and so does the crowd.
    """

    kind: Literal["move"] = "move"
    """Name of the rule."""
    move_bps: PositiveBps = 500.0
    """Move of the mark against any mark of the window."""
    window_seconds: PositiveSeconds = 300.0
    """How far back marks are compared."""
    lasts_seconds: PositiveSeconds = 600.0
    """How long it stays in force after the last such move."""


@parameters
class FundReduceOnly:
    """While the insurance fund is low, orders may only shrink positions, on the whole venue.

    Orders that can only rest (post-only) pass, so that makers go on quoting, and so does the crowd.
    """

    kind: Literal["fund"] = "fund"
    """Name of the rule."""
    fund_share: Share = 0.5
    """In force while the fund holds less than this part of what it held at the start."""
    lasts_seconds: PositiveSeconds = 600.0
    """How long it stays in force after the fund was last so low."""


ReduceOnly = Annotated[NoReduceOnly | MoveReduceOnly | FundReduceOnly, Field(discriminator="kind")]


@parameters
class Breakers:
    """What a venue does to slow a fall down; everything is off unless a scenario says so."""

    halt: Halt = NoHalt()
    """When trading stops."""
    band: Band = NoBand()
    """Prices beyond which orders are refused or moved."""
    throttle: Throttle = NoThrottle()
    """How fast accounts are closed."""
    reduce_only: ReduceOnly = NoReduceOnly()
    """When nobody may open positions."""

    @property
    def off(self) -> bool:
        """Whether there is none at all."""
        return {self.halt.kind, self.band.kind, self.throttle.kind, self.reduce_only.kind} == {"none"}
