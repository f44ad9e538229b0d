"""A small world for tests: one settlement asset, some instruments, a price path, any agents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from market.book import Books
from market.instruments import Asset, Instrument, asset_records, instrument_records, tier_records
from market.kernels.marks import set_references
from market.ledger import Ledger
from market.simulation import Cast, Rules, run
from market.streams import Streams
from market.venue import Liquidation, Venue, policy_record
from market.world import World, total_messages

USDC = Asset(price_usd=1.0, settlement=True, valuation="one", quantum=1e-6, price_tick_usd=1e-4)
BTC = Asset(price_usd=60_000.0)
BTC_PERP = Instrument(base="BTC", tick_size=0.5, lot_size=0.0002)
BTC_SPOT = Instrument(kind="spot", base="BTC", tick_size=0.5, lot_size=0.0002)


class Prices:
    """A path of reference prices of the first risky assets, USD, `table[tick, asset]`; stablecoins stay at 1."""

    def __init__(self, table: NDArray[np.float64]) -> None:
        self.table = np.hstack([np.ones((len(table), 1)), table])

    def row(self, tick: int) -> NDArray[np.float64]:
        """float64[n_assets]; the last row holds for ever."""
        return self.table[min(tick, len(self.table) - 1)]  # type: ignore[no-any-return]


class TrueOracle:
    """The venue values assets at their reference price."""

    def publish(self, world: World) -> None:
        """Copy reference prices."""
        world.assets["price"] = world.assets["reference"]


@dataclass
class Small:
    """A world with its rules and cast."""

    world: World
    rules: Rules
    cast: Cast

    def run(self, ticks: int, *, observe: Any = None) -> None:
        """Advance by `ticks`, calling `observe(world)` after each."""
        run(self.world, self.rules, self.cast, ticks=ticks, observers=() if observe is None else (observe,))

    def mid(self, book: int = 0) -> float:
        """Middle of the best prices, ticks."""
        instrument = self.world.instruments[book]
        return 0.5 * (int(instrument["best_bid"]) + int(instrument["best_ask"]))


def gaussian_path(
    *, ticks: int, volatility: float = 0.5, start_usd: float = 60_000.0, tick_seconds: float = 1.0, seed: int = 1
) -> Prices:
    """Geometric Brownian motion with annual `volatility`, float64[ticks, 1]."""
    steps = np.random.default_rng(seed).standard_normal(ticks) * volatility * np.sqrt(tick_seconds / 31_557_600.0)
    return Prices(start_usd * np.exp(np.cumsum(steps) - steps[0])[:, None])


def small_world(
    *agents: Any,
    prices: Prices,
    instruments: Mapping[str, Instrument] | None = None,
    assets: Mapping[str, Asset] | None = None,
    seed: int = 1,
    tick_seconds: float = 1.0,
    venue: Venue | None = None,
    extra_accounts: int = 0,
    cohorts: Sequence[Any] = (),
) -> Small:
    """A world in which the given parameter objects have joined; `cohorts` are runtime cohorts that decide as well.

    Without `instruments`: BTC-PERP alone. Without `venue`: the default rules with liquidation off.
    """
    assets = {"USDC": USDC, "BTC": BTC} if assets is None else assets
    instruments = {"BTC-PERP": BTC_PERP} if instruments is None else instruments
    venue = Venue(liquidation=Liquidation(enabled=False)) if venue is None else venue
    highest = dict(zip(assets, prices.table.max(axis=0).tolist(), strict=True))
    records = instrument_records(assets, instruments, highest)
    needed = sum(member.accounts_needed(instruments=instruments) for member in agents)
    ledger = Ledger.with_room(n_accounts=needed + extra_accounts, n_assets=len(assets), n_instruments=len(instruments))
    world = World(
        tick_seconds=tick_seconds,
        asset_symbols=tuple(assets),
        instrument_symbols=tuple(instruments),
        assets=asset_records(assets, instruments),
        instruments=records,
        tiers=tier_records(instruments),
        policy=policy_record(venue),
        ledger=ledger,
        books=Books(instruments=records, positions=ledger.positions, accounts=ledger.accounts),
        reference=prices,
        streams=Streams(seed),
        impact_per_quanta=np.zeros(len(instruments)),
    )
    set_references(world.assets, records, prices.row(0))
    world.assets["price"] = world.assets["reference"]
    records["mark"] = records["index"] = records["reference"]
    joined = [member.join(world, assets=assets, instruments=instruments) for member in agents]
    cast = Cast(oracles=(TrueOracle(),), cohorts=(*joined, *cohorts))
    world.size_inboxes(total_messages(cast.cohorts))
    return Small(world, Rules(venue=venue), cast)
