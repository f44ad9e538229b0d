"""The rules of a venue as data: marks, funding, liquidation, loss waterfall.

Each rule is a frozen parameter class with pure methods; a family of rules is a union told apart by `kind`.
"""

from __future__ import annotations

import math
from dataclasses import field
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from market.about import About as About
from market.block_space import BlockSpace, OwnBlocks, SharedBlocks
from market.breakers import Breakers
from market.forced_prices import AbsorbPrice as AbsorbPrice
from market.forced_prices import BankruptcyPrice as BankruptcyPrice
from market.forced_prices import DutchPrice as DutchPrice
from market.forced_prices import FillablePrice as FillablePrice
from market.forced_prices import ForcedPrice as ForcedPrice
from market.forced_prices import HealthPrice as HealthPrice
from market.forced_prices import MarkPrice as MarkPrice
from market.forced_prices import OraclePrice as OraclePrice
from market.forced_prices import PoolPrice as PoolPrice
from market.instruments import USD_QUANTA
from market.kernels import records
from market.kernels.records import POLICY, PPM
from market.kernels.rules.funding import clamped_rate, with_interest
from market.kernels.rules.funding_velocity import drifted_rate, drifting_cost, velocity
from market.lending import LendingPool as LendingPool
from market.lending import LendingRule, NoLending
from market.margin.rules import Margin
from market.marks import BasisMark as BasisMark
from market.marks import FundingMark as FundingMark
from market.marks import IndexMark as IndexMark
from market.marks import LastMark as LastMark
from market.marks import MarkRule as MarkRule
from market.marks import MedianMark as MedianMark
from market.marks import MidMark as MidMark
from market.marks import OutsideMark as OutsideMark
from market.marks import TwapMark as TwapMark
from market.marks import basis_weight as basis_weight
from market.option_liquidation import OptionBooks
from market.parameters import Bps, PositiveCount, PositiveSeconds, PositiveUsd, Ratio, Seconds, Share, Usd, parameters
from market.sizing import AuctionFraction as AuctionFraction
from market.sizing import AuctionRoom as AuctionRoom
from market.sizing import CloseAll as CloseAll
from market.sizing import CloseFactor as CloseFactor
from market.sizing import FirstShare as FirstShare
from market.sizing import Portion as Portion
from market.sizing import Sizing as Sizing
from market.sizing import ToTarget as ToTarget
from market.sizing import WindowCap as WindowCap
from market.surface import ImpliedSurface

DAY = 86_400.0


@parameters
class NoFunding:
    """Perpetuals pay no funding."""

    kind: Literal["none"] = "none"
    """Name of the rule."""
    interval_seconds = math.inf
    impact_notional_usd = 0.0
    uses_premium = uses_skew = False

    def rate(self, *, premium: float, skew: float) -> float:
        """Zero."""
        del premium, skew
        return 0.0


@parameters
class PremiumFunding:
    """Longs pay the premium of the impact price over the index, clamped, spread over the period (dYdX v4, Binance)."""

    kind: Literal["premium"] = "premium"
    """Name of the rule."""
    interval_seconds: PositiveSeconds = 60.0
    """How often the premium is sampled and paid."""
    period_seconds: PositiveSeconds = 28_800.0
    """Period over which a premium is paid in full."""
    clamp: Share = 0.0075
    """Largest |rate| per period."""
    impact_notional_usd: PositiveUsd = 10_000.0
    """Size whose average execution price is the impact price."""
    uses_premium, uses_skew = True, False

    def rate(self, *, premium: float, skew: float) -> float:
        """Rate per interval as a share of the mark; positive: longs pay."""
        del skew
        return float(clamped_rate(premium, self.clamp)) * self.interval_seconds / self.period_seconds


@parameters
class InterestFunding:
    """Premium of the impact price over the index, pulled towards a rate of interest (Binance, Bybit, Hyperliquid)."""

    kind: Literal["interest"] = "interest"
    """Name of the rule."""
    interval_seconds: PositiveSeconds = 28_800.0
    """How often the premium is sampled and paid."""
    period_seconds: PositiveSeconds = 28_800.0
    """Period over which a premium is paid in full."""
    interest: Share = 0.0001
    """Interest per period."""
    band: Share = 0.0005
    """A premium no further than this from the interest counts as the interest."""
    clamp: Share = 0.0075
    """Largest |rate| per period."""
    impact_notional_usd: PositiveUsd = 10_000.0
    """Size whose average execution price is the impact price."""
    uses_premium, uses_skew = True, False

    def rate(self, *, premium: float, skew: float) -> float:
        """Rate per interval as a share of the mark; positive: longs pay."""
        del skew
        rate = float(clamped_rate(with_interest(premium, self.interest, self.band), self.clamp))
        return rate * self.interval_seconds / self.period_seconds


@parameters
class SkewFunding:
    """Longs pay in proportion to how one-sided customers are (pool-backed perpetuals)."""

    kind: Literal["skew"] = "skew"
    """Name of the rule."""
    interval_seconds: PositiveSeconds = 60.0
    """How often it is paid."""
    period_seconds: PositiveSeconds = 86_400.0
    """Period of `rate_at_full_skew`."""
    rate_at_full_skew: Share = 0.01
    """Rate per period when all customers are on one side."""
    impact_notional_usd = 0.0
    uses_premium, uses_skew = False, True

    def rate(self, *, premium: float, skew: float) -> float:
        """Rate per interval as a share of the mark; `skew` = (long - short) / (long + short) of customers."""
        del premium
        return self.rate_at_full_skew * skew * self.interval_seconds / self.period_seconds


@parameters
class VelocityFunding:
    """How one-sided customers are sets how fast the rate moves, not where it is (Synthetix v3, GMX v2)."""

    kind: Literal["velocity"] = "velocity"
    """Name of the rule."""
    interval_seconds: PositiveSeconds = 60.0
    """How often it moves and is paid."""
    fastest: Ratio = 9.0
    """Change of the daily rate per day when all customers are on one side, or when they are one scale long."""
    scale_usd: Usd = 0.0
    """Net notional of customers, longs less shorts, that counts as one-sided in full; 0: what they hold, both sides
    added."""
    most: Ratio = 1e9
    """Largest |rate| per day."""
    impact_notional_usd = 0.0
    uses_premium, uses_skew = False, True

    def change(self, *, skew: float) -> float:
        """Change of the daily rate in one interval."""
        return float(velocity(skew, 1.0, self.fastest)) * self.interval_seconds / DAY

    def drifted(self, rate: float, *, change: float) -> tuple[float, float]:
        """(daily rate after an interval in which it changes evenly, share of the mark paid in it; longs pay)."""
        after = float(clamped_rate(drifted_rate(rate, change, 1.0), self.most))
        return after, float(drifting_cost(1.0, 1.0, rate, after, self.interval_seconds / DAY))


FundingRule = Annotated[
    NoFunding | PremiumFunding | InterestFunding | SkewFunding | VelocityFunding, Field(discriminator="kind")
]


Phase = Literal["reduce", "reduce_losing", "settle_profit"]
_PHASES = {
    "reduce": records.REDUCE,
    "reduce_losing": records.REDUCE_LOSING,
    "settle_profit": records.SETTLE_PROFIT,
}
MOST_PHASES = 8
_ORDERINGS = ("pro_rata", "largest_first", "most_liquid_first", "most_relief_first", "drawn")
_FEE_CAPS = ("equity", "none", "bankruptcy")
_ADL_RANKS = ("profit", "price")
_ROUTES = ("book", "seize")


@parameters
class Liquidation:
    """How accounts below maintenance are closed."""

    # Scenarios without them keep their hashes, and runs that are stored their keys.
    left_out_at_default = ("phases", "settle_fee_bps")

    enabled: bool = True
    """Off: claims open but nobody is closed; the twin that amplification compares with."""
    sizing: Sizing = CloseAll()
    """How much one call closes."""
    phases: tuple[Phase, ...] = ("reduce",)
    """Phases of a call, each until nothing is missing: "reduce" closes positions; "reduce_losing" those whose margin
    exceeds their profit; "settle_profit" turns open profit, where it counts in part, into money (Mango v4)."""
    settle_fee_bps: Bps = 0.0
    """What the keeper gets of profit that it settles."""
    ordering: Literal["pro_rata", "largest_first", "most_liquid_first", "most_relief_first", "drawn"] = "pro_rata"
    """Which positions go first; "drawn": at random, afresh for every call (dYdX v4)."""
    price: ForcedPrice = MarkPrice()
    """What limits the price of forced orders, and who gets what the book gives beyond it."""
    slippage_limit_bps: Bps = 200.0
    """Forced orders fill no further than this from the mark, unless the price rule says otherwise; the rest is retried
    next tick."""
    fee_bps: Bps = 100.0
    """Liquidation fee: of the value of a closed position, or of the debt that a sale of collateral repays."""
    fee_cap: Literal["equity", "none", "bankruptcy"] = "equity"
    """Charge at most what the account is still worth; or, as lending protocols do, all of it and leave bad debt; or at
    most what a position brought above its bankruptcy price, its part of that worth by maintenance margin (dYdX v4)."""
    keeper_share: Share = 0.4
    """Part of the fee that goes to the keeper; the insurance fund gets the rest."""
    keeper_floor_usd: Usd = 2.0
    """Least reward per call; the fund pays what the fee does not."""
    dust_usd: Usd = 10.0
    """A position whose remainder would be smaller is closed whole."""
    round_seconds: PositiveSeconds = 0.25
    """Time from a mark to the forced trades it triggers."""
    calls_per_round: PositiveCount = 10
    """Liquidation calls that fit into the block space of one round; shared blocks have a capacity of their own."""
    option_books: OptionBooks = OptionBooks()
    """How accounts that hold options are closed."""
    conversion_loss_bps: Bps = 100.0
    """Lost when collateral is sold to the outside world instead of on a book."""
    route: Literal["book", "seize"] = "book"
    """Whether collateral is sold on its spot book for the debt, or goes to a keeper that repays the debt out of its own
    balance (lending markets)."""

    def __post_init__(self) -> None:
        if "reduce" not in self.phases or len(self.phases) > MOST_PHASES:
            raise ValueError(f'phases: expected "reduce" among them, and {MOST_PHASES} at most')
        if "settle_profit" in self.phases and getattr(self.sizing, "target_profile", "") != "target":
            raise ValueError(
                'phases: "settle_profit" needs sizing.kind = "to_target" with target_profile = "target", under which '
                "open profit counts in part"
            )
        if self.route == "seize" and self.price.kind not in ("oracle", "health", "dutch"):
            raise ValueError(
                f'route: "seize" needs price.kind = "oracle", "health" or "dutch", which say what a keeper pays, not '
                f"{self.price.kind!r}"
            )
        if isinstance(self.sizing, AuctionFraction) and not isinstance(self.price, DutchPrice):
            raise ValueError('price.kind: sizing "auction_fraction" needs "dutch", the curve of its discount')
        if isinstance(self.sizing, AuctionFraction) and not getattr(self.price, "follows_oracle", True):
            raise ValueError('price.follows_oracle: sizing "auction_fraction" needs true; slices are sold at the marks')


@parameters
class NoBackstop:
    """Nobody takes accounts over."""

    kind: Literal["none"] = "none"
    """Name of the rule."""
    below, capital_usd, accounts = 0.0, 0.0, 0


@parameters
class VaultBackstop:
    """A vault takes over, whole, accounts deep under water that are still worth something (Hyperliquid).

    It gets their positions, at the mark, and balances, and is an account like others; it holds what it took.
    """

    kind: Literal["vault"] = "vault"
    """Name of the rule."""
    below: Share = 2 / 3
    """It takes over at the end of a tick where margin equity is below this share of maintenance margin."""
    capital_usd: PositiveUsd = 10_000_000.0
    """What the vault has at the start, in the first settlement asset; it takes no more than this carries as margin."""
    accounts = 1


@parameters
class Waterfall:
    """Who pays for accounts worth less than nothing, in this order: fund, ADL, socialised loss, uncovered."""

    insurance_fund_usd: Usd = 1_000_000.0
    """The fund at the start, in the first settlement asset."""
    backstop: Annotated[NoBackstop | VaultBackstop, Field(discriminator="kind")] = NoBackstop()
    """Who takes accounts over before they are worth less than nothing."""
    adl: Literal["queue", "pro_rata", "none"] = "queue"
    """How winners are deleveraged when the fund is too small: by rank, pro rata, or not at all."""
    adl_rank: Literal["profit", "price"] = "profit"
    """Who is first in the queue: by profit share x leverage (BitMEX), or by mark / entry x leverage (Hyperliquid)."""
    adl_severity: Share = 1.0
    """Part of what the fund does not pay that winners bear; the rest goes on to socialised loss."""
    socialised_cap: Share = 1.0
    """Largest share of a customer's positive balance that socialised losses may take per event."""


@parameters
class Venue:
    """The rules of one venue."""

    about: About = About()
    """Whose rules they are, and what they leave out."""
    mark: MarkRule = MedianMark()
    """How the price that values positions is made."""
    funding: FundingRule = PremiumFunding()
    """What longs pay shorts."""
    liquidation: Liquidation = Liquidation()
    """How accounts below maintenance are closed."""
    waterfall: Waterfall = Waterfall()
    """Who pays for what is left."""
    margin: Margin = Margin()
    """What collateral counts for and what positions need."""
    surfaces: dict[str, ImpliedSurface] = field(default_factory=dict)
    """Implied volatility of options, by base asset; "default" is for all others."""
    settlement_seconds: Seconds = 1_800.0
    """Futures and options are settled at the average of the index over this time before they expire; 0: at the index
    of that moment."""
    breakers: Breakers = Breakers()
    """What slows a fall down."""
    block_space: BlockSpace = OwnBlocks()
    """Whether liquidation calls share their blocks with others."""
    lending: LendingRule = NoLending()
    """Whether deposits are lent at interest, and what may be withdrawn."""

    def __post_init__(self) -> None:
        if self.liquidation.route == "seize" and isinstance(self.lending, NoLending):
            raise ValueError('liquidation.route: "seize" needs lending.kind = "pool"')

    @property
    def accounts(self) -> int:
        """Ledger rows that the venue's own rules need: a backstop's, a pool's."""
        return self.waterfall.backstop.accounts + isinstance(self.liquidation.price, PoolPrice)

    @property
    def round_seconds(self) -> float:
        """Length of a liquidation round, which makes one block."""
        return self.block_space.block_seconds or self.liquidation.round_seconds


def policy_record(venue: Venue) -> NDArray[np.void]:
    """POLICY[1]: the liquidation and waterfall rules as integers."""
    rules = venue.liquidation
    policy = np.zeros(1, POLICY)
    policy["close_factor"], policy["most"] = PPM, (1 << 62) - 1
    chosen = {**rules.sizing.policy(round_seconds=venue.round_seconds), **rules.price.policy()}
    for name, value in chosen.items():
        policy[name] = value
    policy["round_seconds"] = venue.round_seconds
    policy["phases"] = sum(_PHASES[phase] << 2 * place for place, phase in enumerate(rules.phases))
    policy["settle_fee"] = round(rules.settle_fee_bps * 100)
    policy["ordering"] = _ORDERINGS.index(rules.ordering)
    policy["capacity"] = rules.calls_per_round
    policy["route"] = _ROUTES.index(rules.route)
    if isinstance(venue.block_space, SharedBlocks):
        policy["capacity"] = max(1, venue.block_space.capacity_gas // venue.block_space.call_gas)
    policy["mark_rule"] = venue.mark.code
    policy["fee_cap"] = _FEE_CAPS.index(rules.fee_cap)
    policy["adl_allocation"] = records.ADL_PRO_RATA if venue.waterfall.adl == "pro_rata" else records.ADL_QUEUE
    policy["adl_rank"] = _ADL_RANKS.index(venue.waterfall.adl_rank)
    policy["slippage"] = round(rules.slippage_limit_bps * 100)
    policy["fee"] = round(rules.fee_bps * 100)
    policy["keeper_share"] = round(rules.keeper_share * PPM)
    policy["keeper_floor"] = round(rules.keeper_floor_usd * USD_QUANTA)
    policy["dust"] = round(rules.dust_usd * USD_QUANTA)
    policy["conversion"] = round(rules.conversion_loss_bps * 100)
    policy["adl_severity"] = round(venue.waterfall.adl_severity * PPM)
    policy["socialised_cap"] = round(venue.waterfall.socialised_cap * PPM)
    return policy
