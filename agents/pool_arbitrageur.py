"""Arbitrageurs of pools: when a pool's price is further from the reference than fee and cost, they trade it back.

The size is the closed form of the largest profit on the pool's curve, within capital and what one swap may be. What
they buy from a pool they sell to the outside world, and the other way round, at the reference price less the hedging
cost: the one booking they make themselves, as the arbitrageurs of the books do (agents/arbitrageur.py). Their swaps
carry NO_IMPACT for the same reason: the hedge gives back to the outside what the swap took from it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from agents.kernels.pool_arbitrageur import POOL_ARBITRAGEUR, decide
from market.kernels.records import LIQUIDATABLE
from market.parameters import Bps, Count, PositiveSeconds, PositiveUsd, Ratio, Seconds, Usd, UsdPerSecond, parameters
from market.pools import PoolMarket, usd_per_quantum
from market.world import Inbox, World

STREAM = "pool_arbitrageurs"


@parameters
class PoolArbitrageurs:
    """The arbitrageurs of all pools; every one has an account of its own."""

    arbitrageurs_per_pool: Count = 1
    """Arbitrageurs of each pool."""
    capital_usd: PositiveUsd = 2_000_000.0
    """What each starts with of either asset."""
    latency_seconds: Seconds = 1.0
    """Age of the reference price it sees."""
    order_seconds: PositiveSeconds = 1.0
    """Time between two swaps, a whole number of ticks."""
    order_usd: PositiveUsd = 1_000_000.0
    """Largest swap."""
    hedge_usd_per_second: UsdPerSecond = 250_000.0
    """How fast it hedges outside."""
    hedge_cost_bps: Bps = 2.0
    """Cost of hedging, from the reference price."""
    least_profit_usd: Usd = 5.0
    """What a swap must earn beyond fee and hedging, for gas and trouble."""
    heterogeneity: Ratio = 0.3
    """Standard deviation of the log of each one's latency, swap size and least profit."""

    def join_pools(self, world: World, market: PoolMarket) -> PoolHedgers:
        """Open and fund the arbitrageurs' accounts."""
        generator = world.streams.generator(STREAM)
        records = np.zeros(self.arbitrageurs_per_pool * len(market.symbols), POOL_ARBITRAGEUR)
        for row, record in enumerate(records):
            pool, number = divmod(row, self.arbitrageurs_per_pool)
            name = f"pool-arbitrageur-{market.symbols[pool]}-{number}"
            account = world.ledger.open(name, role="pool_arbitrageur", flags=LIQUIDATABLE)
            for side in ("base", "quote"):
                asset = int(market.pools[side][pool])
                amount = round(self.capital_usd / usd_per_quantum(world, asset))
                world.ledger.deposit(account, asset, amount)
                if side == "base":
                    record["initial_base"] = amount
            draws = np.exp(generator.standard_normal(3) * self.heterogeneity)
            record["account"], record["pool"] = account, pool
            record["latency"] = world.ticks(self.latency_seconds * draws[0])
            record["pace"] = max(1, world.ticks(self.order_seconds))
            record["hedge_cost"] = self.hedge_cost_bps * 1e-4
            record["hedge_usd"] = self.hedge_usd_per_second * world.tick_seconds
            record["order_usd"] = self.order_usd * draws[1]
            record["least_profit"] = self.least_profit_usd * draws[2]
        return PoolHedgers(records, n_pools=len(market.symbols))


class PoolHedgers:
    """All arbitrageurs of pools. `records` POOL_ARBITRAGEUR[n], one row per arbitrageur."""

    most_messages = 0

    def __init__(self, records: NDArray[np.void], *, n_pools: int) -> None:
        self.records = records
        self._prices = np.zeros((1 + int(records["latency"].max(initial=0)), n_pools))
        self._known = 0

    def decide(self, world: World, inbox: Inbox) -> None:
        """Hedge outside, then queue swaps in the pools that are out of line."""
        del inbox
        market, ledger, watch = world.pools, world.ledger, world.watch
        assert market is not None
        market.make_room(len(self.records))
        market.count, self._known = decide(
            market.messages, market.count, self.records, self._prices, self._known, world.tick, market.arrays,
            world.assets, ledger.cash, ledger.accounts, world.books.counters, watch.touched, watch.touched_mark,
        )  # fmt: skip
