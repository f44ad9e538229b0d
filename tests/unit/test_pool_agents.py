"""Who trades in pools: arbitrageurs at the best size, customers at their rate, providers who leave; and the oracle."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from agents.kernels.pool_arbitrageur import best_swap
from agents.liquidity_provider import LiquidityProvider, LiquidityProviders
from agents.oracle import OracleFeed, Oracles, OracleSource
from agents.pool_arbitrageur import PoolArbitrageurs
from agents.pool_flow import PoolFlow, SwapFlow
from market.errors import InputError
from market.kernels import pools as kernels
from market.kernels.records import BUY, SELL
from market.pools import Concentrated, LiquidityRange, PoolMarket
from tests.engine_worlds import PERP, USD, Engine, engine
from tests.pool_worlds import BTC_USDC, bare, give_pool


def around(price: Any, **pool: Any) -> tuple[Engine, PoolMarket]:
    """A world whose BTC price follows a function of the tick."""
    world = engine(
        deposits=(1_000_000.0,), instruments={"BTC-PERP": PERP}, extra_accounts=6,
        prices=lambda tick: (1.0, float(price(tick))),
    )  # fmt: skip
    return world, give_pool(world, liquidity_usd=2e6, **pool)


def joined(world: Engine, market: PoolMarket, *members: Any) -> list[Any]:
    cohorts = [member.join_pools(world.world, market) for member in members]
    object.__setattr__(world.cast, "cohorts", tuple(cohorts))
    return cohorts


@pytest.mark.parametrize("gap", [-0.2, -0.05, 0.05, 0.2])
@pytest.mark.parametrize("curve", [True, False])
def test_the_size_is_the_one_that_earns_most(gap: float, curve: bool) -> None:
    pool = Concentrated(base="B", ranges=(LiquidityRange(lower=0.85, upper=1.1), LiquidityRange(lower=0.3, upper=3.0)))
    rows, active = pool.rows(base=1e12, quote=4e12)
    pools = bare([(10**12, 4 * 10**12, 0, 0)], curve=True) if curve else bare(rows, active=active)
    outside, cost = 4.0 * (1.0 + gap), 0.001
    side, best = best_swap(0, outside, cost, pools)
    assert side == (SELL if gap < 0 else BUY)

    def profit(amount: int) -> float:
        paid, received = kernels.run_through(0, side, amount, pools, 0)
        if side == SELL:
            return float(received - paid * outside * (1.0 + cost))
        return float(received * outside * (1.0 - cost) - paid)

    assert profit(best) > 0.0
    for factor in (0.5, 0.9, 0.99, 1.01, 1.1, 2.0):
        assert profit(int(best * factor)) < profit(best)


def test_within_fee_and_cost_there_is_nothing_to_do() -> None:
    pools = bare([(10**12, 4 * 10**12, 0, 0)], curve=True)
    for gap in (-0.003, 0.0, 0.003):
        assert best_swap(0, 4.0 * (1.0 + gap), 0.001, pools)[1] == 0
    assert best_swap(0, 4.0 * 1.005, 0.001, pools)[1] > 0


def test_arbitrageurs_follow_the_reference_hedge_and_earn() -> None:
    world, market = around(lambda tick: 10_000 if tick < 5 else 9_500)
    rule = PoolArbitrageurs(heterogeneity=0.0, latency_seconds=2.0, capital_usd=1e6, hedge_usd_per_second=1e7)
    (hedgers,) = joined(world, market, rule)
    account = int(hedgers.records["account"][0])
    opening = world.world.ledger.cash[account].copy()
    for _ in range(7):
        world.run()
        assert market.price(0) * 100 == pytest.approx(10_000.0), "the fall is seen two seconds later"
    world.run(3)
    # Down to where fee and hedge eat the last quantum's gain: 9,500 x 1.0002 / 0.997.
    assert market.price(0) * 100 == pytest.approx(9_500 * 1.0002 / 0.997, rel=1e-4)
    assert world.world.ledger.cash[account, 1] == opening[1], "hedged"
    assert world.cash(account) > opening[0] + 100 * USD
    assert (world.world.impact == 0.0).all()
    world.check_books()


def test_an_arbitrageur_trades_no_more_than_it_may() -> None:
    world, market = around(lambda tick: 10_000 if tick < 1 else 9_000)
    rule = PoolArbitrageurs(heterogeneity=0.0, order_usd=5_000.0, order_seconds=2.0, hedge_usd_per_second=0.0)
    (hedgers,) = joined(world, market, rule)
    account = int(hedgers.records["account"][0])
    held = [int(world.world.ledger.cash[account, 1])]
    for _ in range(6):
        world.run()
        held.append(int(world.world.ledger.cash[account, 1]))
    sold = -np.diff(held)
    assert (sold > 0).tolist() == [False, False, True, False, True, False]
    assert sold.max() <= 5_000 / 9_000 * 1e8


def test_customers_swap_at_their_rate_and_size() -> None:
    world, market = around(lambda _: 10_000, fee_bps=0.0)
    joined(world, market, PoolFlow(default=SwapFlow(swap_rate=2.0, size_usd=100.0, size_sigma=0.5)))
    sides, amounts = [], []
    for _ in range(500):
        world.run()
        used = market.messages[: market.count]
        sides.extend(used["asset_in"].tolist())
        amounts.extend((used["amount"] * np.where(used["asset_in"] == 0, 1e-6, 1e-4)).tolist())
    assert len(sides) == pytest.approx(1_000, abs=100)
    assert np.mean(sides) == pytest.approx(0.5, abs=0.05)
    assert np.mean(amounts) == pytest.approx(100.0, rel=0.06)
    assert np.std(np.log(amounts)) == pytest.approx(0.5, rel=0.08)
    world.check_books()


def test_providers_leave_in_a_crash_and_only_then() -> None:
    world, market = around(lambda tick: 10_000 if tick < 3 else 8_900)
    scared = LiquidityProvider(drawdown_limit=0.1, withdrawn_share=0.5, pause_seconds=2.0)
    joined(world, market, LiquidityProviders(pools={BTC_USDC: scared}))
    base = [market.reserves(0)[0]]
    for _ in range(8):
        world.run()
        base.append(market.reserves(0)[0])
    halves = [base[0] // value for value in base]
    assert halves == [1, 1, 1, 1, 2, 2, 4, 4, 8]
    assert world.cash(int(market.pools["provider"][0]), 1) == base[0] - base[-1]
    world.check_books()


def test_providers_leave_when_prices_jump_about() -> None:
    world, market = around(lambda tick: 10_000 + 100 * (tick % 2))
    nervous = LiquidityProvider(volatility_limit=3.0, volatility_seconds=5.0)
    joined(world, market, LiquidityProviders(default=nervous))
    before = market.reserves(0)
    world.run(2)
    assert market.reserves(0) == (before[0] - before[0] // 2, before[1] - before[1] // 2)


@pytest.mark.parametrize("kind", ["constant_product", "concentrated"])
def test_an_oracle_reads_the_pool_at_once_or_averaged(kind: str) -> None:
    """A trade moves the pool by 21 %; the average over ten ticks takes it in a tenth at a time, and forgets it."""
    if kind == "constant_product":
        world, market = around(lambda _: 10_000, fee_bps=0.0)
    else:
        world, market = around(lambda _: 10_000, pool=Concentrated(base="BTC", liquidity_usd=2e6, fee_bps=0.0))
    assert market.symbols == (BTC_USDC,)

    def feed(window: float) -> OracleFeed:
        source = OracleSource(kind="pool", pool=BTC_USDC, window_seconds=window, latency_seconds=0.0, noise_bps=0.0)
        return OracleFeed(sources=(source,), deviation_bps=0.0, latency_seconds=0.0, heartbeat_seconds=1.0)

    spot, mean = (
        Oracles(feeds={"BTC": feed(window)}).join(world.world, assets=world.assets, instruments=world.instruments)
        for window in (0.0, 10.0)
    )
    amount = kernels.amount_to_price(0, BUY, 121.0, market.arrays)
    market.swap(world.world, account=world.rows[0], pool=0, asset_in=0, amount=amount)

    def published(oracle: Any) -> float:
        oracle.publish(world.world)
        return float(world.world.assets["price"][1] * world.world.assets["price_tick"][1])

    world.world.tick = 1
    assert published(spot) == pytest.approx(12_100.0, rel=1e-4)
    for tick in range(1, 12):
        world.world.tick = tick
        share = min(tick, 10) / 10
        expected = 10_000 * (1.0 + 0.21 * share if kind == "constant_product" else 1.21**share)
        assert published(mean) == pytest.approx(expected, rel=1e-4)


def test_an_oracle_of_the_quote_asset_reads_the_pool_the_other_way() -> None:
    world, market = around(lambda _: 10_000, fee_bps=0.0)
    source = OracleSource(kind="pool", pool=BTC_USDC, latency_seconds=0.0, noise_bps=0.0)
    world.world.assets["fixed"][0] = 0
    feed = OracleFeed(sources=(source,), latency_seconds=0.0, deviation_bps=0.0)
    oracle = Oracles(feeds={"USDC": feed}).join(world.world, assets=world.assets, instruments=world.instruments)
    amount = kernels.amount_to_price(0, BUY, 125.0, market.arrays)
    market.swap(world.world, account=world.rows[0], pool=0, asset_in=0, amount=amount)
    world.world.tick = 1
    oracle.publish(world.world)
    assert float(world.world.assets["price"][0] * world.world.assets["price_tick"][0]) == pytest.approx(0.8, rel=1e-3)


def test_names_that_are_not_there() -> None:
    world, market = around(lambda _: 10_000)
    source = OracleSource(kind="pool", pool="ETH-USDC")
    with pytest.raises(InputError, match="no pool 'ETH-USDC'; pools are BTC-USDC"):
        Oracles(feeds={"BTC": OracleFeed(sources=(source,))}).join(
            world.world, assets=world.assets, instruments=world.instruments
        )
    with pytest.raises(ValueError, match="names a pool"):
        OracleSource(kind="pool")
    with pytest.raises(InputError, match="no pool 'X'"):
        PoolFlow(pools={"X": SwapFlow()}).join_pools(world.world, market)
    with pytest.raises(InputError, match="no pool 'X'"):
        LiquidityProviders(pools={"X": LiquidityProvider()}).join_pools(world.world, market)
