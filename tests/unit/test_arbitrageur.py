"""Arbitrageurs: what they take, how late they see, and how they hedge, to the unit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from agents.arbitrageur import Arbitrageurs
from market.kernels.records import BUY, CROWD_ACCOUNT, LIMIT, OUTSIDE, SELL
from tests.worlds import BTC_SPOT, Prices, Small, small_world

PLAIN: dict[str, Any] = {"heterogeneity": 0.0, "latency_seconds": 0.0, "threshold_bps": 10.0}


class Crowd:
    """Places the given orders (side, price, lots) at its first tick."""

    def __init__(self, *orders: tuple[int, int, int]) -> None:
        self.orders = orders
        self.most_messages = len(orders)

    def decide(self, world: Any, inbox: Any) -> None:
        if world.tick == 0:
            for side, price, lots in self.orders:
                inbox.append(op=LIMIT, book=0, side=side, price=price, lots=lots, account=CROWD_ACCOUNT)


def world_with(*orders: tuple[int, int, int], prices: Any = None, spot: bool = False, **options: Any) -> Small:
    table = np.full((1, 1), 60_000.0) if prices is None else prices
    return small_world(
        Arbitrageurs(**{**PLAIN, **options}),
        prices=Prices(table),
        instruments={"BTC-USDC": BTC_SPOT} if spot else None,
        cohorts=(Crowd(*orders),),
    )


def lots_held(small: Small) -> int:
    return int(small.world.ledger.positions["lots"][int(account(small)), 0])


def account(small: Small) -> int:
    return int(small.cast.cohorts[0].records["account"][0])  # type: ignore[attr-defined]


def test_it_takes_what_lies_beyond_the_threshold_and_nothing_else() -> None:
    # 10 bps of 120,000 are 120 ticks.
    small = world_with((SELL, 119_870, 30), (SELL, 119_880, 50), (SELL, 119_881, 70), hedge_usd_per_second=0.0)
    small.run(2)
    assert lots_held(small) == 80
    assert small.world.books.snapshot(0) == [(SELL, 119_881, 70)]
    small.run(3)
    assert lots_held(small) == 80


def test_it_sells_to_bids_above_the_reference() -> None:
    small = world_with((BUY, 120_121, 40), (BUY, 120_119, 5), hedge_usd_per_second=0.0)
    small.run(2)
    assert lots_held(small) == -40
    assert small.world.instruments[0]["net_flow"] == 0
    assert small.world.instruments[0]["volume"] == 40


def test_order_and_inventory_limits_bind() -> None:
    small = world_with((SELL, 119_000, 1_000_000), order_usd=12_000.0, hedge_usd_per_second=0.0)
    small.run(2)
    assert lots_held(small) == 1_000
    small = world_with((SELL, 119_000, 1_000_000), inventory_limit=0.5, order_usd=1e9, hedge_usd_per_second=0.0)
    small.run(10)
    # Half of two million at 12 USD a lot; the margin it gains against the mark counts as equity.
    assert lots_held(small) == pytest.approx(83_333, rel=0.02)


def test_how_often_it_orders_does_not_depend_on_the_tick() -> None:
    small = world_with((SELL, 119_000, 1_000_000), order_usd=12_000.0, order_seconds=3.0, hedge_usd_per_second=0.0)
    held = []
    for _ in range(7):
        small.run(1)
        held.append(lots_held(small))
    # Nothing rests on the book before the first trading phase, so the first order comes with the second look.
    assert held == [0, 0, 0, 1_000, 1_000, 1_000, 2_000]


def test_latency_shows_it_yesterdays_price() -> None:
    table = np.full((20, 1), 60_000.0)
    table[5:] = 59_000.0
    small = world_with((BUY, 119_000, 10), prices=table, latency_seconds=4.0, hedge_usd_per_second=0.0)
    held = []
    small.run(12, observe=lambda _: held.append(lots_held(small)))
    assert held[8] == 0
    assert held[9] == -10


def test_the_hedge_is_exact_and_bounded_in_speed() -> None:
    small = world_with((SELL, 119_000, 3_000), hedge_cost_bps=2.0, hedge_usd_per_second=12_000.0)
    row = account(small)
    small.run(2)
    assert lots_held(small) == 3_000
    fee = -(-3_000 * 119_000 * 100 * 400 // 1_000_000)
    held = []
    small.run(4, observe=lambda _: held.append(lots_held(small)))
    assert held == [2_000, 1_000, 0, 0]
    # Sold outside at 120,000 ticks less 2 bps; a tick of a lot is 100 quanta.
    profit = 3_000 * (119_976 - 119_000) * 100 - fee
    assert int(small.world.ledger.cash[row, 0]) == 2_000_000 * 10**6 + profit
    assert int(small.world.ledger.positions["lots"][OUTSIDE, 0]) == 3_000
    assert small.world.ledger.conservation_error() == 0
    assert small.world.ledger.clearing_error(small.world.instruments) == 0


def test_a_short_is_bought_back_above_the_reference() -> None:
    small = world_with((BUY, 121_000, 100), hedge_cost_bps=2.0)
    small.run(3)
    fee = -(-100 * 121_000 * 100 * 400 // 1_000_000)
    assert lots_held(small) == 0
    assert int(small.world.ledger.cash[account(small), 0]) == 2_000_000 * 10**6 + 100 * (121_000 - 120_024) * 100 - fee


def test_a_hedge_shows_the_account_to_the_margin_filter() -> None:
    small = world_with((SELL, 119_000, 100))
    small.run(2)
    world = small.world
    world.watch.touched_mark[:] = 0
    world.books.counters[5] = 0
    small.cast.cohorts[0].decide(world, world.open_inbox())
    assert world.watch.touched[0] == account(small)
    assert world.books.counters[5] == 1


def test_a_spot_arbitrageur_returns_to_its_inventory() -> None:
    small = world_with((SELL, 119_000, 500), spot=True)
    small.world.ledger.deposit(CROWD_ACCOUNT, 1, 10**12)
    row = account(small)
    start = small.world.ledger.cash[row].copy()
    # Two million in each: 33.33 BTC at 60,000, a quantum being 1e-8.
    assert start.tolist() == [2 * 10**12, 3_333_333_333]
    small.run(2)
    assert int(small.world.ledger.cash[row, 1] - start[1]) == 500 * 20_000
    small.run(1)
    assert int(small.world.ledger.cash[row, 1]) == int(start[1])
    assert int(small.world.ledger.cash[row, 0]) > int(start[0])
    assert small.world.ledger.conservation_error() == 0


def test_a_claimed_account_neither_trades_nor_hedges() -> None:
    small = world_with((SELL, 119_000, 500))
    small.run(2)
    small.world.ledger.accounts["claim"][account(small)] = 1
    small.run(3)
    assert lots_held(small) == 500
