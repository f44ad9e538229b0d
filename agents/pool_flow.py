"""Background swaps: the customers of a pool, without intelligence, as many either way.

Swaps arrive as a Poisson process with log-normal sizes. They push the price about; arbitrageurs bring it back.
"""

from __future__ import annotations

import math
from dataclasses import field

import numpy as np
from numpy.typing import NDArray

from agents.kernels.pool_flow import SWAP_FLOW, decide
from market.errors import InputError
from market.kernels.records import CROWD
from market.parameters import PerSecond, PositiveUsd, Ratio, parameters
from market.pools import PoolMarket, usd_per_quantum
from market.world import Inbox, World

STREAM = "pool_flow"
MOST_PER_TICK = 5_000.0
"""Largest mean number of swaps per pool and tick."""


@parameters
class SwapFlow:
    """The flow into one pool."""

    swap_rate: PerSecond = 0.05
    """Swaps per second, both ways together."""
    size_usd: PositiveUsd = 5_000.0
    """Mean size of a swap."""
    size_sigma: Ratio = 1.5
    """Standard deviation of the log size."""
    balance_usd: PositiveUsd = 1e8
    """What the customers own at the start of either asset; they stand for many and pass no margin gate."""


@parameters
class PoolFlow:
    """Background swaps in every pool, sent by an account for each pool."""

    default: SwapFlow = SwapFlow()
    """The flow into a pool that `pools` does not name."""
    pools: dict[str, SwapFlow] = field(default_factory=dict)
    """The flow into a pool, by its name; what such a table leaves out is the class's default, not `default`'s."""

    def join_pools(self, world: World, market: PoolMarket) -> Swappers:
        """Open and fund the customers' accounts. InputError for an unknown pool or an impossible rate."""
        for symbol in self.pools:
            if symbol not in market.symbols:
                raise InputError(f"agents.pool_flow.pools: no pool {symbol!r}; pools are {', '.join(market.symbols)}")
        records = np.zeros(len(market.symbols), SWAP_FLOW)
        for row, (record, symbol) in enumerate(zip(records, market.symbols, strict=True)):
            flow = self.pools.get(symbol, self.default)
            mean = flow.swap_rate * world.tick_seconds
            if mean > MOST_PER_TICK:
                raise InputError(f"agents.pool_flow: {mean:g} swaps a tick in {symbol}; at most {MOST_PER_TICK:g}")
            account = world.ledger.open(f"swappers-{symbol}", role="pool_trader", flags=CROWD)
            for name in ("base", "quote"):
                asset = int(market.pools[name][row])
                world.ledger.deposit(account, asset, round(flow.balance_usd / usd_per_quantum(world, asset)))
            record["account"], record["pool"] = account, row
            record["mean"], record["most"] = mean, math.ceil(mean + 10.0 * math.sqrt(mean) + 10.0)
            record["sigma"] = flow.size_sigma
            record["mean_log"] = math.log(flow.size_usd) - 0.5 * flow.size_sigma**2
        return Swappers(world, records)


class Swappers:
    """The customers of all pools. `records` SWAP_FLOW[n_pools]."""

    most_messages = 0

    def __init__(self, world: World, records: NDArray[np.void]) -> None:
        self.records = records
        self._most = int(records["most"].sum())
        self._stream = world.streams.stream(STREAM, width=2 * len(records))

    def decide(self, world: World, inbox: Inbox) -> None:
        """Queue this tick's swaps."""
        del inbox
        market = world.pools
        assert market is not None
        market.make_room(self._most)
        row = self._stream.row(world.tick)
        market.count = decide(market.messages, market.count, self.records, row, market.arrays, world.assets)
