"""Which price balances and debts count at: the venue's, bid and ask, or the oracle's less and plus its confidence."""

from __future__ import annotations

from dataclasses import field
from typing import Annotated, Literal

from pydantic import Field

from market.parameters import Bps, Positive, Share, parameters

Profiles = Literal["initial", "all"]


@parameters
class VenuePrices:
    """Balances and debts count at the venue's price."""

    kind: Literal["venue"] = "venue"
    """Name of the rule."""


@parameters
class Quote:
    """Where bid and ask of one asset come from."""

    book: str = "own"
    """Spot instrument whose best bid and ask count; "own": that on which the asset is sold; "none": no book does."""
    bid_bps: Bps = 0.0
    """Balances count at least so far below the venue's price."""
    ask_bps: Bps = 0.0
    """Debts count at least so far above it."""


@parameters
class BidAskPrices:
    """Balances count at the bid, debts at the ask, never better than at the venue's price (Euler; Binance's buffers).

    Bid and ask are the best prices of a book as the tick before left them; where a side is empty, the last that there
    was. An ask counts up to ten times the venue's price.
    """

    kind: Literal["bid_ask"] = "bid_ask"
    """Name of the rule."""
    profiles: Profiles = "initial"
    """Under which profiles: initial margin alone, or all."""
    quotes: dict[str, Quote] = field(default_factory=dict)
    """By asset; "default" is for all others."""


@parameters
class ConfidencePrices:
    """Balances count at the price less k times the oracle's confidence, debts at the price plus as much.

    Confidence is the largest distance of the published price from the quartiles of its sources' votes, each for its
    price and for both ends of its own interval (Pyth); it comes and stays with the price.
    """

    kind: Literal["confidence"] = "confidence"
    """Name of the rule."""
    profiles: Profiles = "initial"
    """Under which profiles: initial margin alone, or all."""
    times: Positive = 1.0
    """k."""
    wider_than: Share = 0.0
    """A confidence of less than this share of the price counts as none (Derive: 0.45)."""


PriceRule = Annotated[VenuePrices | BidAskPrices | ConfidencePrices, Field(discriminator="kind")]
