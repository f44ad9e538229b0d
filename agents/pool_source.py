"""What an oracle sees in a pool: its price of the moment, or an average that a trade of one moment hardly moves.

Averages are over the prices that stood when a tick began, as Uniswap's pools accumulate the price that stood at the
beginning of a block: arithmetic means in v2, geometric ones in v3. Sources: the white papers' sections 2.2 and 5.2.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from market.errors import InputError
from market.kernels.pools import CONCENTRATED
from market.world import World

if TYPE_CHECKING:
    from agents.oracle import OracleSource


class PoolSources:
    """The oracle sources that read pools, by their row of SOURCE; without any it does nothing."""

    def __init__(self, world: World, sources: Mapping[int, OracleSource], records: NDArray[np.void]) -> None:
        """Start every average at the pool's price of now. InputError for a pool that does not trade the asset."""
        self._readers = [_Reader(world, row, source, int(records["asset"][row])) for row, source in sources.items()]
        self.read(world, records)
        for reader in self._readers:
            records["value"][reader.row] = records["pool_price"][reader.row]

    def read(self, world: World, records: NDArray[np.void]) -> None:
        """Write what every pool says now, in USD ticks of the asset, into its source's `pool_price`."""
        for reader in self._readers:
            records["pool_price"][reader.row] = reader.price(world)


class _Reader:
    """One source."""

    def __init__(self, world: World, row: int, source: OracleSource, asset: int) -> None:
        symbol, market = world.asset_symbols[asset], world.pools
        names = () if market is None else market.symbols
        if market is None or source.pool not in names:
            raise InputError(f"agents.oracles: no pool {source.pool!r}; pools are {', '.join(names) or 'none'}")
        self.row, self._pool, self._asset = row, market.row(source.pool), asset
        record = market.pools[self._pool]
        if asset not in (record["base"], record["quote"]):
            raise InputError(f"agents.oracles: pool {source.pool} does not trade {symbol}")
        self._is_base = bool(asset == record["base"])
        self._other = int(record["quote"] if self._is_base else record["base"])
        self._geometric = bool(record["kind"] == CONCENTRATED)
        self._seen = np.full(max(1, world.ticks(source.window_seconds)), self._note(market.price(self._pool)))

    def price(self, world: World) -> float:
        """USD ticks of the asset; 0 when the pool is empty."""
        assert world.pools is not None
        now = world.pools.price(self._pool)
        if now == 0.0:
            return 0.0
        self._seen[world.tick % len(self._seen)] = self._note(now)
        mean = float(self._seen.mean())
        other, own = world.assets[self._other], world.assets[self._asset]
        usd = float(other["price"]) * int(other["multiplier"]) / int(other["divisor"])
        per_quantum = float(np.exp(mean) if self._geometric else mean)
        return per_quantum * usd * int(own["divisor"]) / int(own["multiplier"])

    def _note(self, price: float) -> float:
        """What is averaged: quanta of the other asset per quantum of this one, or the log of it."""
        ratio = price if self._is_base else 1.0 / price
        return float(np.log(ratio)) if self._geometric else ratio
