"""Small worlds of a lending market whose every number can be stated by hand.

USDC is worth one dollar and counts in full; ETH is at 2,000, counts 80 % under maintenance and 75 % under initial
margin; stETH counts 90 % and 85 %. Nobody pays a liquidation fee unless a test says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from market.instruments import Asset, Instrument
from market.lending import LendingPool, Reserve
from market.margin.collateral import CollateralRule
from market.margin.rules import Margin
from market.sizing import CloseFactor
from market.venue import IndexMark, Liquidation, NoFunding, OraclePrice, Venue, Waterfall
from tests.engine_worlds import USDC, Engine, engine

ETH = Asset(price_usd=2_000.0, price_tick_usd=0.01, quantum=1e-8)
ASSETS: Mapping[str, Asset] = {"USDC": USDC, "ETH": ETH, "stETH": ETH}
SPOT = Instrument(kind="spot", base="ETH", tick_size=0.1, lot_size=0.01, maker_fee_bps=0.0, taker_fee_bps=0.0)
IN_USDC, IN_ETH, IN_STETH = 0, 1, 2
USDC_QUANTA, ETH_QUANTA = 1_000_000, 100_000_000
NO_INTEREST = Reserve(slope_below=0.0, slope_above=0.0)


def lending_venue(
    *, reserves: Mapping[str, Reserve] | None = None, waterfall: Waterfall | None = None, **liquidation: Any
) -> Venue:
    """Seizure at 5 % off, half of all debts per call; `liquidation` overrides."""
    rules: dict[str, Any] = {
        "route": "seize",
        "sizing": CloseFactor(share=0.5, of="account"),
        "price": OraclePrice(discount_bps=500.0),
        "fee_bps": 0.0,
        "keeper_share": 0.0,
        "keeper_floor_usd": 0.0,
        "dust_usd": 0.0,
        "round_seconds": 1.0,
        "calls_per_round": 1_000,
    }
    return Venue(
        mark=IndexMark(),
        funding=NoFunding(),
        liquidation=Liquidation(**(rules | liquidation)),
        waterfall=waterfall or Waterfall(insurance_fund_usd=0.0, adl="none", socialised_cap=0.0),
        margin=Margin(
            collateral={
                "USDC": CollateralRule(),
                "ETH": CollateralRule(haircut=0.2, initial_haircut=0.25),
                "stETH": CollateralRule(haircut=0.1, initial_haircut=0.15),
            }
        ),
        lending=LendingPool(reserves=dict(reserves or {"default": NO_INTEREST}), accrual_seconds=1.0),
    )


def lending_engine(*, deposits: Sequence[float] = (), venue: Venue | None = None, **settings: Any) -> Engine:
    """Customers who have deposited so much USDC, and a keeper with 1,000,000; see `tests.engine_worlds.engine`."""
    return engine(
        deposits=deposits, venue=venue or lending_venue(), assets=ASSETS, instruments={"ETH-USDC": SPOT}, **settings
    )


def eth_at(*prices: float) -> Any:
    """USDC at 1; ETH and stETH at the price of the tick, the last one for ever."""

    def row(tick: int) -> tuple[float, ...]:
        price = prices[min(tick, len(prices) - 1)]
        return (1.0, price, price)

    return row
