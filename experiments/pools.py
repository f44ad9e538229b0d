"""Pools in a run: who joins them, what is recorded, and what comes of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from market.kernels.records import FORCED_SWAP
from market.pools import ACCOUNTS_PER_POOL, PoolMarket, pool_market
from market.world import World

if TYPE_CHECKING:
    import pandas as pd

    from experiments.run import Trace
    from experiments.scenario import Scenario

SWAPPERS_PER_POOL = 1
POOL_TICK = np.dtype(
    [
        ("price", "<f8"),  # quote quanta per base quantum; 0 when the pool is empty
        ("base", "<i8"),  # reserves on the curve, quanta
        ("quote", "<i8"),
        ("paid_base", "<i8"),  # by swaps since the start, fees included
        ("paid_quote", "<i8"),
    ]
)


def accounts_needed(scenario: Scenario) -> int:
    """Ledger rows of pools, their providers, customers and arbitrageurs."""
    each = ACCOUNTS_PER_POOL + SWAPPERS_PER_POOL + scenario.agents.pool_arbitrageurs.arbitrageurs_per_pool
    return each * len(scenario.pools)


def join(scenario: Scenario, world: World) -> list[Any]:
    """Open the pools of a scenario; the cohorts that trade in them, none where there are no pools."""
    impact = {
        symbol: asset.permanent_impact_bps_per_million_usd * 1e-4 / 1e6 for symbol, asset in scenario.assets.items()
    }
    world.pools = pool_market(scenario.pools, world, impact=impact)
    if world.pools is None:
        return []
    agents = scenario.agents
    members = (agents.pool_flow, agents.pool_arbitrageurs, agents.liquidity_providers)
    return [member.join_pools(world, world.pools) for member in members]


class PoolRecorder:
    """Price, reserves and volume of every pool in every tick: `ticks` POOL_TICK[n_ticks, n_pools]."""

    def __init__(self, market: PoolMarket, *, ticks: int) -> None:
        n_pools = len(market.symbols)
        self.ticks = np.zeros((ticks, n_pools), POOL_TICK)

    def record(self, world: World, at: int) -> None:
        """Copy the pools as tick `at` left them."""
        market = world.pools
        assert market is not None
        for pool in range(len(market.symbols)):
            base, quote = market.reserves(pool)
            record = market.pools[pool]
            self.ticks[at, pool] = (market.price(pool), base, quote, record["paid_base"], record["paid_quote"])


def pools_frame(trace: Trace) -> pd.DataFrame:
    """One row per tick and pool: seconds, pool, price (quote units per base unit; NaN when empty), the outside world's
    price likewise, reserves in units of either asset, volume of the tick in USD at the reference prices of the end."""
    import pandas as pd

    from experiments.frames import asset_usd

    world, recorder = trace.built.world, trace.recorder
    market = world.pools
    if market is None or recorder.pools is None:
        raise ValueError("no pools in this world")
    ticks = recorder.pools.ticks[: recorder.n]
    base, quote = market.pools["base"], market.pools["quote"]
    usd, quantum = asset_usd(world), world.assets["quantum"]
    n, n_pools = ticks.shape
    first = np.zeros((1, n_pools), np.int64)
    paid = np.diff(ticks["paid_base"], axis=0, prepend=first) * usd[base]
    paid = paid + np.diff(ticks["paid_quote"], axis=0, prepend=first) * usd[quote]
    price = ticks["price"] * (quantum[quote] / quantum[base])
    outside = recorder.asset_reference[:n] * world.assets["price_tick"]
    return pd.DataFrame(
        {
            "seconds": np.repeat(np.arange(1, n + 1) * world.tick_seconds, n_pools),
            "pool": pd.Categorical(list(market.symbols) * n, categories=market.symbols),
            "price": np.where(price > 0.0, price, np.nan).ravel(),
            "reference": (outside[:, base] / np.maximum(outside[:, quote], 1e-300)).ravel(),
            "base": (ticks["base"] * quantum[base]).ravel(),
            "quote": (ticks["quote"] * quantum[quote]).ravel(),
            "volume_usd": paid.ravel(),
        }
    )


def pool_kpis(trace: Trace) -> dict[str, float | int | str | None]:
    """Figures over all pools, at the reference prices of the end.

    Impermanent loss is what the reserves, and what providers have withdrawn of them, are worth less than had they been
    held from the start, fees left out; the providers' profit is fees less that.
    """
    from experiments.frames import asset_usd
    from experiments.liquidity import profit_usd

    world = trace.built.world
    market = world.pools
    assert market is not None
    usd = asset_usd(world)
    pools, events = market.pools, world.events[: world.n_events]
    sold = events[events["kind"] == FORCED_SWAP]
    volume = fees = profit = 0.0
    for side in ("base", "quote"):
        rate = usd[pools[side]]
        volume += float((pools[f"paid_{side}"] * rate).sum())
        fees += float((pools[f"earned_{side}"] * rate).sum())
    for role in ("pool", "liquidity_provider"):
        profit += profit_usd(trace, role)
    return {
        "pool_swap_count": int(pools["swaps"].sum()),
        "pool_volume_usd": volume,
        "pool_fees_usd": fees,
        "pool_impermanent_loss_usd": fees - profit,
        "pool_provider_profit_usd": profit,
        "pool_arbitrageur_profit_usd": profit_usd(trace, "pool_arbitrageur"),
        "pool_collateral_sold_usd": float((sold["lots"] * usd[sold["seized"]]).sum()),
    }
