"""A small world to put cohorts into: three perpetuals and a spot market, prices that stand still or follow a table."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from market.book import Books
from market.instruments import Asset, Instrument, Tier, asset_records, instrument_records, tier_records
from market.kernels.marks import set_references
from market.kernels.records import CROWD_ACCOUNT, LIMIT
from market.ledger import Ledger
from market.streams import Streams
from market.venue import Venue, policy_record
from market.world import World

ASSETS = {
    "USDC": Asset(price_usd=1.0, price_tick_usd=0.0001, quantum=1e-6, settlement=True, valuation="one"),
    "BTC": Asset(price_usd=40_000.0, haircut=0.05),
    "ETH": Asset(price_usd=2_500.0, haircut=0.1),
    "SOL": Asset(price_usd=50.0, haircut=0.2, quantum=1e-6),
}

TIERS = (
    Tier(floor_usd=0.0, initial=0.05, maintenance=0.02),
    Tier(floor_usd=200_000.0, initial=0.1, maintenance=0.05),
    Tier(floor_usd=2_000_000.0, initial=0.25, maintenance=0.125),
)

INSTRUMENTS = {
    "BTC-PERP": Instrument(base="BTC", tick_size=1.0, lot_size=0.0001, tiers=TIERS),
    "ETH-PERP": Instrument(base="ETH", tick_size=0.1, lot_size=0.001, tiers=TIERS),
    "SOL-PERP": Instrument(base="SOL", tick_size=0.01, lot_size=0.01, tiers=TIERS),
    "BTC-USDC": Instrument(kind="spot", base="BTC", tick_size=1.0, lot_size=0.0001),
}


class FixedPath:
    """Reference prices that stay where they are until `usd` is written to."""

    def __init__(self, usd: NDArray[np.float64]) -> None:
        self.usd = usd

    def row(self, tick: int) -> NDArray[np.float64]:
        """The prices, whatever the tick."""
        del tick
        return self.usd


def make_world(
    *,
    n_accounts: int = 8,
    seed: int = 1,
    tick_seconds: float = 1.0,
    assets: Mapping[str, Asset] = ASSETS,
    instruments: Mapping[str, Instrument] = INSTRUMENTS,
    venue: Venue | None = None,
) -> World:
    """An empty world at its starting prices, with room for so many accounts."""
    prices = {symbol: asset.price_usd or 1.0 for symbol, asset in assets.items()}
    records = instrument_records(assets, instruments, prices)
    ledger = Ledger.with_room(n_accounts=n_accounts, n_assets=len(assets), n_instruments=len(instruments))
    world = World(
        tick_seconds=tick_seconds,
        asset_symbols=tuple(assets),
        instrument_symbols=tuple(instruments),
        assets=asset_records(assets, instruments),
        instruments=records,
        tiers=tier_records(instruments),
        policy=policy_record(venue or Venue()),
        ledger=ledger,
        books=Books(instruments=records, positions=ledger.positions, accounts=ledger.accounts),
        reference=FixedPath(np.array(list(prices.values()))),
        streams=Streams(seed),
        impact_per_quanta=np.zeros(len(instruments)),
    )
    set_references(world.assets, world.instruments, world.reference.row(0))
    world.instruments["mark"] = world.instruments["index"] = world.instruments["reference"]
    return world


def quote(world: World, book: str, *, side: int, price: int, lots: int) -> None:
    """Let the crowd rest an order, so that there is something to trade with."""
    inbox = world.inboxes[0]
    inbox.count = 0
    inbox.append(op=LIMIT, book=world.instrument(book), side=side, price=price, lots=lots, account=CROWD_ACCOUNT)
    world.books.process(inbox.messages[:1].copy())
    inbox.count = 0
