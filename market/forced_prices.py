"""What limits the price of a forced order, and who gets what the book gives beyond it."""

from __future__ import annotations

from dataclasses import field
from typing import Annotated, Literal

from pydantic import Field

from market.kernels import records
from market.kernels.rules.discounts import store_price
from market.margin.rules import ANY
from market.parameters import Bps, Positive, PositiveSeconds, PositiveUsd, Ratio, Seconds, Share, Usd, parameters
from market.sizing import Fields

FOREVER = 1e18


@parameters
class MarkPrice:
    """Trade in the book no further from the mark than the slippage limit; the account gets what the book gives."""

    kind: Literal["mark"] = "mark"
    """Name of the rule."""

    def policy(self) -> Fields:
        """POLICY fields that differ from their defaults."""
        return {"price_rule": records.AT_MARK}


@parameters
class OraclePrice:
    """A keeper takes positions and collateral over at the oracle price less a discount and sells on at once.

    The account gets exactly that price, the keeper the rest; it acts only if the book gives more (Mango v4, Drift v2,
    Aave). For purchases the discount is a premium. `fee_bps` is charged on top, for the fund.
    """

    kind: Literal["oracle"] = "oracle"
    """Name of the rule."""
    discount_bps: Bps = 500.0
    """Discount, the liquidator's fee."""
    most_discount_bps: Bps = 10_000.0
    """Highest discount it can grow to."""
    grace_seconds: Seconds = 0.0
    """Time from the opening of a claim in which the discount does not grow."""
    growth_bps_per_second: Ratio = 0.0
    """Growth of the discount with the claim's age, once the grace is over (Drift v2)."""

    def __post_init__(self) -> None:
        if self.most_discount_bps < self.discount_bps:
            raise ValueError("most_discount_bps: is below discount_bps")

    def policy(self) -> Fields:
        """POLICY fields that differ from their defaults."""
        return {
            "price_rule": records.AT_ORACLE,
            "surplus": records.TO_KEEPER,
            "discount": self.discount_bps / 10_000,
            "most_discount": self.most_discount_bps / 10_000,
            "grace": self.grace_seconds,
            "growth": self.growth_bps_per_second / 10_000,
        }


@parameters
class HealthPrice:
    """As `oracle`, at a discount that is the share by which what counts for an account is below its debts (Euler)."""

    kind: Literal["health"] = "health"
    """Name of the rule."""
    most_discount_bps: Bps = 1_500.0
    """Highest discount."""

    def policy(self) -> Fields:
        """POLICY fields that differ from their defaults."""
        return {
            "price_rule": records.BY_HEALTH,
            "surplus": records.TO_KEEPER,
            "most_discount": self.most_discount_bps / 10_000,
        }


_CURVES = {
    "linear": records.LINEAR,
    "stair_step": records.STAIR_STEP,
    "exponential": records.EXPONENTIAL,
    "two_speed": records.TWO_SPEED,
}


@parameters
class DutchPrice:
    """As `oracle`, at a price that falls with the age of the claim (Maker, Derive); for purchases it rises as much."""

    kind: Literal["dutch"] = "dutch"
    """Name of the rule."""
    curve: Literal["linear", "stair_step", "exponential", "two_speed"] = "stair_step"
    """To 0 over `span_seconds`; times `cut` every `span_seconds`; times `cut` every second; or to `cut` over
    `span_seconds` and to 0 over `slow_seconds` more (Derive)."""
    start: Positive = 1.2
    """Price at the start as a multiple of the oracle's."""
    follows_oracle: bool = True
    """Whether it goes on as a multiple of the oracle's price of the moment. Otherwise the price of everything that an
    account has starts from the oracle's and stands alone until the auction starts over (Maker)."""
    span_seconds: PositiveSeconds = 90.0
    """Time of the line, of a step, or of the fast part."""
    cut: Share = 0.99
    """Factor per step or second; of `two_speed` the multiple at which it slows down."""
    slow_seconds: PositiveSeconds = 43_200.0
    """Time of the slow part."""
    longest_seconds: PositiveSeconds | None = None
    """An auction that took longer starts over; never when left out."""
    lowest: Share = 0.0
    """An auction whose price is below this share of its start starts over."""

    def policy(self) -> Fields:
        """POLICY fields that differ from their defaults."""
        return {
            "price_rule": records.BY_AUCTION,
            "surplus": records.TO_KEEPER,
            "curve": _CURVES[self.curve],
            "alone": not self.follows_oracle,
            "top": self.start,
            "span": self.span_seconds,
            "cut": self.cut,
            "slow": self.slow_seconds,
            "longest": FOREVER if self.longest_seconds is None else self.longest_seconds,
            "lowest": self.lowest,
        }


@parameters
class FillablePrice:
    """Limit at the mark less a spread that widens as the account nears bankruptcy; collateral as under `mark`.

    The account gets what the book gives (dYdX v4).
    """

    kind: Literal["fillable"] = "fillable"
    """Name of the rule."""
    adjustment: Ratio = 1.0
    """Bankruptcy adjustment: how fast the rating rises, from 0 at maintenance to 1."""
    spread: Ratio = 1.5
    """Spread at rating 1, as a multiple of the position's maintenance margin."""

    def policy(self) -> Fields:
        """POLICY fields that differ from their defaults."""
        return {"price_rule": records.FILLABLE, "adjustment": self.adjustment, "spread": self.spread}


_SURPLUS = {"account": records.TO_ACCOUNT, "fund": records.TO_FUND}


@parameters
class BankruptcyPrice:
    """Limit at the bankruptcy price, at which a position takes its share of net equity with it; collateral as under
    `mark` (BitMEX, Bybit, Kraken).

    The share is that of its maintenance margin. An account worth less than nothing is closed inside the slippage limit.
    """

    kind: Literal["bankruptcy"] = "bankruptcy"
    """Name of the rule."""
    surplus: Literal["fund", "account"] = "fund"
    """Who gets what the book gives beyond the bankruptcy price."""

    def policy(self) -> Fields:
        """POLICY fields that differ from their defaults."""
        return {"price_rule": records.AT_BANKRUPTCY, "surplus": _SURPLUS[self.surplus]}


@parameters
class AbsorbPrice:
    """The venue's reserves take all collateral at a fixed discount and pay all debts; then they sell what they took.

    They sell it to keepers, below the oracle price, while reserves are short; keepers sell on at once, if the book
    gives more (Compound III). Positions are closed by keepers before, as under `oracle`, at the discount of the store.
    """

    kind: Literal["absorb"] = "absorb"
    """Name of the rule."""
    factors: dict[str, Share] = field(default_factory=lambda: {ANY: 0.95})
    """Liquidation factor by asset: part of its value that the account gets; "default" is for all others."""
    passed_on: Share = 0.5
    """Part of what that leaves which buyers get as their discount."""
    target_usd: Usd = 1e12
    """Reserves from which on nothing is sold."""

    def __post_init__(self) -> None:
        if ANY not in self.factors:
            raise ValueError(f'factors: there is none for "{ANY}"')

    def factor(self, symbol: str) -> float:
        """Liquidation factor of an asset."""
        return self.factors.get(symbol, self.factors[ANY])

    def policy(self) -> Fields:
        """POLICY fields that differ from their defaults."""
        discount = 1.0 - float(store_price(1.0, self.factors[ANY], self.passed_on))
        return {
            "price_rule": records.ABSORBED,
            "surplus": records.TO_KEEPER,
            "discount": discount,
            "most_discount": discount,
            "grace": FOREVER,
        }


@parameters
class PoolPrice:
    """Positions are closed against a pool at the oracle price: no order reaches the book (GMX v2, Synthetix v3).

    The price is better for who leaves customers' positions less one-sided and worse for who leaves them more so:
    factor x (imbalance before)^power - factor x (imbalance after)^power. The pool is an account that nobody
    liquidates; it holds what it took. Collateral is sold on its book, inside the slippage limit.
    """

    kind: Literal["pool"] = "pool"
    """Name of the rule."""
    capital_usd: PositiveUsd = 100_000_000.0
    """What the pool has at the start, in the first settlement asset."""
    reward: Ratio = 0.0
    """Factor where the imbalance shrinks, in USD."""
    cost: Ratio = 0.0
    """Factor where it grows."""
    power: Positive = 2.0
    """Power of the imbalance."""
    most_impact: Share = 0.0
    """Largest impact, as a share of what is closed; 0: there is none."""

    def policy(self) -> Fields:
        """POLICY fields that differ from their defaults."""
        return {
            "price_rule": records.POOLED,
            "impact_reward": self.reward,
            "impact_cost": self.cost,
            "impact_power": self.power,
            "impact_most": self.most_impact,
        }


ForcedPrice = Annotated[
    MarkPrice | OraclePrice | HealthPrice | DutchPrice | FillablePrice | BankruptcyPrice | AbsorbPrice | PoolPrice,
    Field(discriminator="kind"),
]
