"""The small worlds of `experiments/validation/laboratory.py`, under the name tests know them by."""

from __future__ import annotations

from experiments.validation.laboratory import (
    ASSETS,
    BTC,
    INSTRUMENTS,
    KEEPER_CAPITAL,
    PERP,
    SPOT,
    SPOT_BOOK,
    TICK_LOT,
    USD,
    USDC,
    Engine,
    add,
    changed,
    engine,
    falls_to,
    plain_venue,
)
from market.margin.collateral import CategoryRule, CollateralRule, HaircutTier
from market.margin.rules import Margin
from market.margin.valuation import BidAskPrices, Quote

__all__ = [
    "ASSETS",
    "BTC",
    "CORRELATED",
    "INSTRUMENTS",
    "KEEPER_CAPITAL",
    "PERP",
    "QUOTED",
    "SPOT",
    "SPOT_BOOK",
    "TICK_LOT",
    "USD",
    "USDC",
    "Engine",
    "add",
    "changed",
    "engine",
    "falls_to",
    "plain_venue",
]

CORRELATED = Margin(
    collateral={"XYZ": CollateralRule(tiers=(HaircutTier(haircut=0.3), HaircutTier(floor=300.0, haircut=0.5)))},
    categories={
        "other": CategoryRule(assets=("USDT",), haircut=0.0),
        "pair": CategoryRule(
            assets=("USDC", "BTC", "XYZ", "not here"), haircut=0.02, initial_haircut=0.05, liability_weight=1.05
        ),
    },
)
"""Dollars, bitcoin and a coin with tiers in one category; another category whose only member is another dollar."""

QUOTED = changed(
    CORRELATED,
    prices=BidAskPrices(profiles="all", quotes={"XYZ": Quote(bid_bps=300.0, ask_bps=500.0)}),
    slow_price_seconds=5.0,
)
"""The same where balances count at the bid and debts at the ask, or at a slower price that is worse."""
