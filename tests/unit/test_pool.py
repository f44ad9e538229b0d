"""Positions closed against a pool at the oracle price, by hand: price, impact, who holds what, who bears what.

One lot (0.001 BTC) is worth 1,000 USDC quanta per tick of 1 USD; maintenance is 5 % of notional, rounds last a second.
"""

from __future__ import annotations

from typing import Any

import pytest

from market.kernels.records import FORCED_POOL
from market.prices import customer_skew
from market.venue import PoolPrice, Waterfall
from tests.engine_worlds import KEEPER_CAPITAL, TICK_LOT, USD, Engine, engine, falls_to, plain_venue

IMPACT = PoolPrice(capital_usd=1e6, reward=1e-6, cost=2e-6, power=2.0, most_impact=0.01)


def pooled(deposit: float, price: PoolPrice, *, lots: int = 1_000, other: int = 0, **rules: Any) -> Engine:
    """One customer with `lots` from 10,000 that breaks at tick 1, and a rich one with `other` lots."""
    waterfall = Waterfall(insurance_fund_usd=0.0, adl="none", socialised_cap=0.0)
    world = engine(
        deposits=(deposit, 1e6),
        prices=falls_to(9_000.0 if lots > 0 else 11_000.0),
        venue=plain_venue(price=price, waterfall=waterfall, **rules),
    )
    world.open(world.rows[0], lots, 10_000)
    if other:
        world.open(world.rows[1], other, 10_000)
    return world


@pytest.mark.parametrize(("lots", "oracle"), [(1_000, 9_000), (-1_000, 11_000)])
def test_the_pool_takes_a_position_at_the_oracle_price_and_no_book_moves(lots: int, oracle: int) -> None:
    world = pooled(1_200.0, PoolPrice(capital_usd=1e6), lots=lots)
    world.bids((8_000, 5_000))
    world.asks((12_000, 5_000))
    world.run(2)
    pool = world.world.pool
    (event,) = world.events
    assert (int(event["kind"]), int(event["keeper"]), int(event["lots"])) == (FORCED_POOL, pool, 1_000)
    assert int(event["value"]) == 1_000 * oracle * TICK_LOT
    assert (world.lots(world.rows[0]), world.lots(pool)) == (0, lots)
    assert world.cash(world.rows[0]) == 200 * USD
    assert (world.world.instruments["volume"][0], world.world.instruments["forced_flow"][0]) == (0, 0)
    world.check_books()


@pytest.mark.parametrize(
    ("other", "impact"),
    [
        (3_000, 1e-6 * (36_000.0**2 - 27_000.0**2)),  # capped at 1 % of 9,000
        (0, 1e-6 * 9_000.0**2),  # 81
        (-1_000, -2e-6 * 9_000.0**2),  # all is balance before: 162, capped
        (-500, 1e-6 * 4_500.0**2 - 2e-6 * 4_500.0**2),  # through balance: 20.25 less 40.50
    ],
)
def test_who_leaves_the_market_less_one_sided_gets_a_better_price(other: int, impact: float) -> None:
    world = pooled(1_200.0, IMPACT, other=other)
    world.run(2)
    expected = min(max(impact, -90.0), 90.0)
    assert world.cash(world.rows[0]) == round((200.0 + expected) * USD)
    world.check_books()


def test_a_purchase_has_its_impact_too() -> None:
    """Short 1,000 at 11,000, alone: 1e-6 x 11,000 squared is 121, 1 % of 11,000 at most 110."""
    world = pooled(1_200.0, IMPACT, lots=-1_000)
    world.run(2)
    assert world.cash(world.rows[0]) == (200 + 110) * USD


def test_what_the_account_cannot_pay_stays_uncovered_and_the_keeper_has_its_fee() -> None:
    world = pooled(950.0, PoolPrice(capital_usd=1e6), fee_bps=100.0, keeper_share=1.0)
    world.run(2)
    assert world.losses["uncovered"].tolist() == [50 * USD]
    assert world.cash(world.keeper) == KEEPER_CAPITAL  # a fee ends where the account's worth does
    world.check_books()
    world = pooled(1_200.0, PoolPrice(capital_usd=1e6), fee_bps=100.0, keeper_share=1.0)
    world.run(2)
    assert world.cash(world.keeper) == KEEPER_CAPITAL + 90 * USD
    assert world.cash(world.rows[0]) == 110 * USD
    world.check_books()


def test_the_pool_is_no_customer() -> None:
    world = pooled(1_200.0, PoolPrice(capital_usd=1e6), other=500)
    assert customer_skew(world.world, 0) == 1.0
    world.run(2)
    world.open(world.rows[0], -500, 9_000)
    assert customer_skew(world.world, 0) == 0.0
    assert customer_skew(world.world, 0, scale_usd=100.0) == 0.0


def test_skew_over_a_scale() -> None:
    """500 lots at 10,000 are 5,000 USD."""
    world = engine(deposits=(1e6,))
    world.open(world.rows[0], -500, 10_000)
    assert customer_skew(world.world, 0, scale_usd=20_000.0) == pytest.approx(-0.25)
