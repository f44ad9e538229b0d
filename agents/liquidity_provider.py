"""Liquidity providers: those who put a pool's reserves in, and take some out when the market frightens them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import field
from typing import Annotated

import numpy as np
from pydantic import Field

from market.errors import InputError
from market.parameters import AnnualVolatility, PositiveSeconds, Seconds, Share, parameters
from market.pools import PoolMarket, usd_per_quantum
from market.world import Inbox, World

SECONDS_PER_YEAR = 31_557_600.0


@parameters
class LiquidityProvider:
    """The providers of one pool."""

    volatility_limit: AnnualVolatility | None = None
    """They withdraw above this volatility of the reference price of base in quote; never when left out."""
    drawdown_limit: Share | None = None
    """They withdraw when it is this far below its peak; never when left out."""
    withdrawn_share: Annotated[float, Field(gt=0.0, le=1.0, json_schema_extra={"unit": "share"})] = 0.5
    """What they take out each time, of all that is there."""
    pause_seconds: Seconds = 300.0
    """Time from one withdrawal to the next, at least."""
    volatility_seconds: PositiveSeconds = 60.0
    """Half-life of their estimate of volatility, which begins at 0."""

    @property
    def fearless(self) -> bool:
        """Whether nothing makes them leave."""
        return self.volatility_limit is None and self.drawdown_limit is None


@parameters
class LiquidityProviders:
    """The providers of all pools."""

    default: LiquidityProvider = LiquidityProvider()
    """Those of a pool that `pools` does not name."""
    pools: dict[str, LiquidityProvider] = field(default_factory=dict)
    """Those of a pool, by its name; what such a table leaves out is the class's default, not `default`'s."""

    def join_pools(self, world: World, market: PoolMarket) -> Providers:
        """The providers who might leave. InputError for an unknown pool."""
        for symbol in self.pools:
            if symbol not in market.symbols:
                raise InputError(
                    f"agents.liquidity_providers.pools: no pool {symbol!r}; pools are {', '.join(market.symbols)}"
                )
        return Providers(world, {symbol: self.pools.get(symbol, self.default) for symbol in market.symbols})


class Providers:
    """Providers at work: they follow the reference price and queue withdrawals."""

    most_messages = 0

    def __init__(self, world: World, providers: Mapping[str, LiquidityProvider]) -> None:
        self._watched = [
            _Watched(row, provider, world) for row, provider in enumerate(providers.values()) if not provider.fearless
        ]

    def decide(self, world: World, inbox: Inbox) -> None:
        """Queue a withdrawal from every pool whose limit is passed."""
        del inbox
        market = world.pools
        assert market is not None
        for watched in self._watched:
            if watched.leaves(world, market):
                market.queue_withdrawal(pool=watched.pool, share=watched.rule.withdrawn_share)


class _Watched:
    """The price of one pool's pair, as its providers remember it."""

    def __init__(self, pool: int, rule: LiquidityProvider, world: World) -> None:
        self.pool, self.rule = pool, rule
        self._weight = 1.0 - 0.5 ** (world.tick_seconds / rule.volatility_seconds)
        self._variance, self._last, self._peak = 0.0, 0.0, 0.0
        self._from = 0

    def leaves(self, world: World, market: PoolMarket) -> bool:
        """Look at this tick's price; whether they withdraw now."""
        record = market.pools[self.pool]
        price = usd_per_quantum(world, int(record["base"])) / usd_per_quantum(world, int(record["quote"]))
        moved = math.log(price / self._last) if self._last else 0.0
        self._last, self._peak = price, max(self._peak, price)
        per_year = moved**2 * SECONDS_PER_YEAR / world.tick_seconds
        self._variance += self._weight * (per_year - self._variance)
        rule = self.rule
        fear = rule.volatility_limit is not None and math.sqrt(self._variance) > rule.volatility_limit
        fear = fear or (rule.drawdown_limit is not None and price < self._peak * (1.0 - rule.drawdown_limit))
        if not fear or world.tick < self._from or not np.any(market.reserves(self.pool)):
            return False
        self._from = world.tick + max(1, world.ticks(rule.pause_seconds))
        return True
