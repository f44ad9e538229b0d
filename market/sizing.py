"""How much one liquidation call closes: the whole account, a share, as much as is needed, a part per position, or a
slice of everything."""

from __future__ import annotations

from dataclasses import field
from typing import Annotated, Literal

from pydantic import Field

from market.instruments import USD_QUANTA
from market.kernels import records
from market.kernels.records import PPM
from market.kernels.rules.keeper import window_capacity
from market.parameters import Bps, PositiveSeconds, PositiveUsd, Ratio, Seconds, Share, Usd, parameters

Fields = dict[str, float]
"""Names of POLICY fields and their values."""

_PROFILES = {"maintenance": records.MAINTENANCE, "target": records.TARGET}


def _usd(amount: float) -> int:
    return round(amount * USD_QUANTA)


@parameters
class CloseAll:
    """Close the whole account in one call."""

    kind: Literal["full"] = "full"
    """Name of the rule."""

    def policy(self, *, round_seconds: float) -> Fields:
        """POLICY fields that differ from their defaults."""
        del round_seconds
        return {"sizing": records.CLOSE_ALL}


@parameters
class CloseFactor:
    """Close at most a share of the account's notional, or without positions of its debts, per call (Aave)."""

    kind: Literal["close_factor"] = "close_factor"
    """Name of the rule."""
    share: Share = 0.5
    """Largest share closed per call."""
    of: Literal["debt", "account"] = "debt"
    """Whether the share is one of each debt or of all debts together (Aave since v3.3)."""
    full_below_health: Share = 0.0
    """Health factor at or below which one call may close everything (Aave: 0.95); 0: never."""
    full_below_usd: Usd = 0.0
    """A debt is repaid in full when it or the collateral is worth less, notional closed in full likewise (Aave: 2,000);
    holds for `of = "account"`."""
    least_left_usd: Usd = 0.0
    """A repayment leaves nothing, or at least so much, of debt and collateral (Aave: 1,000)."""

    def policy(self, *, round_seconds: float) -> Fields:
        """POLICY fields that differ from their defaults."""
        del round_seconds
        return {
            "sizing": records.CLOSE_FACTOR,
            "close_factor": round(self.share * PPM),
            "per_debt": self.of == "debt",
            "full_below": self.full_below_health,
            "smallest": _usd(self.full_below_usd),
            "least_left": _usd(self.least_left_usd),
        }


@parameters
class ToTarget:
    """Close just enough to bring an account back to a target."""

    kind: Literal["to_target"] = "to_target"
    """Name of the rule."""
    buffer: Share = 0.2
    """Target excess as a share of the maintenance margin that is left; `target_profile = "maintenance"` only."""
    target_profile: Literal["maintenance", "target"] = "maintenance"
    """Whether the excess is that over maintenance, with the buffer, or that under the target profile, which claims must
    then reach before they are dropped (Mango v4: LiquidationEnd)."""
    debts: Literal["full", "to_target"] = "full"
    """Whether debts without positions are repaid in full or no further than the target (Mango v4, Drift v2)."""
    ramp_seconds: Seconds = 0.0
    """Time from the opening of a claim until all that is missing may be made up (Drift v2); 0: all at once."""
    first_share: Share = 1.0
    """Share of it that may be made up at first."""
    at_once_below_usd: Usd = 0.0
    """What is missing may be made up at once when it is less."""

    def policy(self, *, round_seconds: float) -> Fields:
        """POLICY fields that differ from their defaults."""
        del round_seconds
        return {
            "sizing": records.TO_TARGET,
            "target": round(self.buffer * PPM) if self.target_profile == "maintenance" else 0,
            "target_profile": _PROFILES[self.target_profile],
            "target_debts": self.debts == "to_target",
            "ramp": self.ramp_seconds,
            "first": self.first_share,
            "at_once": _usd(self.at_once_below_usd),
        }


@parameters
class Portion:
    """Close a portion of each position per call, with a least notional and a cap for the whole call (dYdX v4)."""

    kind: Literal["portion"] = "portion"
    """Name of the rule."""
    share: Share = 0.1
    """Portion of a position's notional."""
    least_usd: Usd = 1_000.0
    """So much of a position may always be closed."""
    most_usd: PositiveUsd = 100_000.0
    """Most notional closed per call, positions taken in their order; a call is one per account and round."""

    def policy(self, *, round_seconds: float) -> Fields:
        """POLICY fields that differ from their defaults."""
        del round_seconds
        return {
            "sizing": records.PORTION,
            "close_factor": round(self.share * PPM),
            "least": _usd(self.least_usd),
            "most": _usd(self.most_usd),
        }


@parameters
class FirstShare:
    """Close large positions in two steps: a first share, then, for the length of a cool-down, the rest; others whole
    (Hyperliquid)."""

    kind: Literal["first_share"] = "first_share"
    """Name of the rule."""
    share: Share = 0.2
    """First share of a large position."""
    above_usd: Usd = 100_000.0
    """Notional above which a position is large."""
    cooldown_seconds: Seconds = 30.0
    """Length of the cool-down, which ends with the claim."""
    cooldown: Literal["full", "wait"] = "full"
    """What happens in it: calls close everything, and after it a first share again (Hyperliquid); or nothing, and
    afterwards everything is closed."""

    def policy(self, *, round_seconds: float) -> Fields:
        """POLICY fields that differ from their defaults."""
        return {
            "sizing": records.FIRST_SHARE,
            "close_factor": round(self.share * PPM),
            "above": _usd(self.above_usd),
            "rounds": max(1, round(self.cooldown_seconds / round_seconds)),
            "waits": self.cooldown == "wait",
        }


@parameters
class WindowCap:
    """Close whole positions, but no more than a capacity per instrument and window of time (Synthetix v3).

    The capacity is (maker fee + taker fee) x scale x multiplier x seconds, in notional.
    """

    kind: Literal["window"] = "window"
    """Name of the rule."""
    window_seconds: PositiveSeconds = 30.0
    """Length of a window."""
    maker_fee_bps: Bps = 2.0
    """Maker fee that the capacity is reckoned with."""
    taker_fee_bps: Bps = 6.0
    """Taker fee that the capacity is reckoned with."""
    scale_usd: PositiveUsd = 1e9
    """Skew scale of an instrument, in notional."""
    multiplier: Ratio = 1.0
    """Accumulated share per second."""

    def policy(self, *, round_seconds: float) -> Fields:
        """POLICY fields that differ from their defaults."""
        fees = (self.maker_fee_bps / 10_000, self.taker_fee_bps / 10_000)
        capacity = float(window_capacity(*fees, self.scale_usd, self.multiplier, self.window_seconds))
        return {
            "sizing": records.WINDOW,
            "most": min(_usd(capacity), (1 << 62) - 1),
            "rounds": max(1, round(self.window_seconds / round_seconds)),
        }


@parameters
class AuctionFraction:
    """Sell a share of the whole account, everything it holds, at a discount that grows with time (Derive).

    The share is the largest that the price rule's curve lets bring the account back above maintenance with a buffer;
    keepers take as much of it as pays them. What an account is worth at the marks is what the curve discounts. One
    worth less than nothing has no price: who takes a share of it is paid, out of what the waterfall then covers.
    """

    kind: Literal["auction_fraction"] = "auction_fraction"
    """Name of the rule; it needs `price.kind = "dutch"`."""
    buffer: Share = 0.15
    """What it aims at: so much of the difference between value and margin beyond maintenance."""
    whole_below_usd: Usd = 0.0
    """Accounts worth less are sold whole."""
    fee_share: Share = 0.0
    """The fund's fee when the first slice is sold, as a part of what would have to be sold at the marks."""
    insolvent_seconds: PositiveSeconds = 3_600.0
    """Time in which the payment for a bankrupt account rises from its debt to the margin it misses."""

    def policy(self, *, round_seconds: float) -> Fields:
        """POLICY fields that differ from their defaults."""
        del round_seconds
        return {
            "sizing": records.AUCTION_FRACTION,
            "target": round(self.buffer * PPM),
            "cutoff": _usd(self.whole_below_usd),
            "start_fee": round(self.fee_share * PPM),
            "insolvent_seconds": self.insolvent_seconds,
        }


@parameters
class AssetRoom:
    """Room for auctions against one collateral."""

    most_usd: PositiveUsd | None = None
    """Room for all that is put up against it; that of the rule alone when left out (Maker's hole)."""
    least_usd: Usd | None = None
    """Least part of an account with most of it that may be put up, or left behind, by itself, and of what a bid for it
    leaves; that of the rule when left out (Maker's dust)."""


@parameters
class AuctionRoom:
    """Put up no more at once, of all accounts together, than there is room for; the others wait (Maker's Hole).

    What waits is not offered, and a price that falls with time begins to fall when it is put up. A debt, or without
    debts the notional of positions, counts with the liquidation fee on it.
    """

    kind: Literal["room"] = "room"
    """Name of the rule."""
    most_usd: PositiveUsd = 100_000_000.0
    """Room for all that is put up."""
    least_usd: Usd = 0.0
    """Least part of an account that may be put up, or left behind, by itself (dust); with the fee on it, also the least
    that a bid for part of the collateral leaves of a debt, unless it leaves nothing (chost)."""
    by_asset: dict[str, AssetRoom] = field(default_factory=dict)
    """Rules of an asset's own. What is put up of an account uses up the room of what it owns, or of what its positions
    track, in proportion to value."""

    def policy(self, *, round_seconds: float) -> Fields:
        """POLICY fields that differ from their defaults."""
        del round_seconds
        return {"sizing": records.ROOM, "most": _usd(self.most_usd), "least": _usd(self.least_usd)}

    def own_rooms(self, symbol: str) -> tuple[int, int]:
        """(room, least part) that hold for one asset, USD quanta; -1 where the rule's own does."""
        own = self.by_asset.get(symbol, AssetRoom())
        most, least = (-1 if usd is None else _usd(usd) for usd in (own.most_usd, own.least_usd))
        return most, least


Sizing = Annotated[
    CloseAll | CloseFactor | ToTarget | Portion | FirstShare | WindowCap | AuctionFraction | AuctionRoom,
    Field(discriminator="kind"),
]
