"""The background flow: rates, hazard, distances, thinning; a book that is full from the first tick."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from agents.background import BackgroundFlow, BookFlow
from agents.kernels.orders import poisson
from market.errors import InputError
from market.kernels.records import BUY, CANCEL, CROWD_ACCOUNT, LIMIT, MARKET, SELL
from tests.worlds import BTC_SPOT, Prices, Small, small_world

FLAT = Prices(np.full((1, 1), 60_000.0))


def book_of(flow: BookFlow, **options: Any) -> Small:
    return small_world(BackgroundFlow(default=flow), prices=options.pop("prices", FLAT), **options)


def messages(small: Small, ticks: int) -> Any:
    """All messages of so many ticks."""
    seen: list[Any] = []

    def note(world: Any) -> None:
        inbox = world.inboxes[(world.tick - 1) & 1]
        seen.append(inbox.messages[: inbox.count].copy())

    small.run(ticks, observe=note)
    return np.concatenate(seen)


def test_poisson_inverts_the_distribution_function() -> None:
    for mean in (0.0, 0.3, 4.0, 60.0):
        below = 0.0
        for count in range(12):
            chance = math.exp(-mean) * mean**count / math.factorial(count)
            if chance > 1e-12:
                assert poisson(below + 0.5 * chance, mean, 100) == count
            below += chance
    assert poisson(0.999999, 50.0, 20) == 20
    assert poisson(0.5, 2_000.25, 10_000) == 2_000
    assert poisson(0.9, 2_000.25, 10_000) == 2_001


def test_books_are_full_before_the_first_tick() -> None:
    flow = BookFlow(limit_rate=40.0)
    small = book_of(flow)
    assert small.world.books.live_orders == round(flow.resting_orders)
    value = int(small.world.instruments[0]["tick_value"]) / 1e6
    for side in (BUY, SELL):
        _, notional = small.world.books.depth_within(book=0, side=side, centre=120_000.0, distances_bps=(10, 50, 200))
        expected = [flow.depth_usd(distance) for distance in (10, 50, 200)]
        assert notional * value == pytest.approx(expected, rel=0.15)


def test_the_law_of_distances_is_cut_off_log_logistic() -> None:
    flow = BookFlow(median_distance_bps=20.0, distance_tail=2.0, largest_distance_bps=200.0)
    assert flow.share_within(20.0) == pytest.approx(0.5 * 101 / 100)
    assert flow.share_within(200.0) == flow.share_within(500.0) == 1.0
    orders = messages(book_of(BookFlow(limit_rate=200.0, largest_distance_bps=100.0)), 50)
    orders = orders[orders["op"] == LIMIT]
    away = np.abs(orders["price"] / 120_000.0 - 1.0) * 1e4
    assert away.max() < 103.0
    assert np.mean(away < 25.0) == pytest.approx(BookFlow(largest_distance_bps=100.0).share_within(25.0), abs=0.015)


def test_flow_has_its_rates_and_the_book_its_steady_state() -> None:
    flow = BookFlow(limit_rate=6.0, market_rate=1.5, market_size_usd=1e3, half_life_seconds=20.0, thinning=0.0)
    small = book_of(flow)
    live = []
    sent = messages(small, 2_000)
    assert np.sum(sent["op"] == MARKET) == pytest.approx(3_000, abs=4 * math.sqrt(3_000))
    # Of the limit orders only those count that outlive their tick.
    expected = 2_000 * flow.resting_orders * (1.0 - math.exp(-flow.hazard))
    assert np.sum(sent["op"] == LIMIT) == pytest.approx(expected, abs=4 * math.sqrt(expected))
    assert np.sum(sent["side"][sent["op"] == MARKET] == BUY) == pytest.approx(1_500, abs=4 * math.sqrt(750))
    usd = sent["lots"][sent["op"] == LIMIT] * 12.0
    assert usd.mean() == pytest.approx(flow.limit_size_usd, rel=0.06)
    small.run(1_000, observe=lambda world: live.append(world.books.live_orders))
    assert np.mean(live) == pytest.approx(flow.resting_orders, rel=0.15)


def test_depth_does_not_depend_on_the_length_of_a_tick() -> None:
    flow = BookFlow(market_rate=0.0, half_life_seconds=30.0, thinning=0.0)
    live: list[int] = []
    small = book_of(flow, tick_seconds=20.0)
    small.run(500, observe=lambda world: live.append(world.books.live_orders))
    # 100 independent draws of a Poisson number with this mean.
    assert np.mean(live[10:]) == pytest.approx(flow.resting_orders, rel=0.05)


def test_every_resting_order_has_the_same_hazard() -> None:
    small = book_of(BookFlow(market_rate=0.0, limit_rate=100.0, half_life_seconds=50.0))
    small.cast.cohorts[0].flows["limits"] = 0.0  # type: ignore[attr-defined]
    before = small.world.books.live_orders
    small.run(50)
    assert small.world.books.live_orders == pytest.approx(before / 2, abs=4 * math.sqrt(before / 4))
    small.run(2_000)
    assert small.world.books.live_orders == 0


def test_a_move_thins_the_book_and_time_heals_it() -> None:
    table = np.full((1_500, 1), 60_000.0)
    table[100:110] *= np.linspace(1.0, 0.95, 10)[:, None]
    table[110:] *= 0.95
    depth: dict[float, list[int]] = {}
    for thinning in (0.0, 2.0):
        flow = BookFlow(market_rate=0.0, thinning=thinning, recovery_seconds=60.0)
        live: list[int] = []
        small = book_of(flow, prices=Prices(table))
        small.run(1_500, observe=lambda world, live=live: live.append(world.books.live_orders))
        depth[thinning] = live
    assert depth[2.0][99] == pytest.approx(depth[0.0][99], rel=0.2)
    assert depth[2.0][200] < 0.4 * depth[0.0][200]
    assert depth[2.0][-1] > 0.7 * depth[0.0][-1]


def test_orders_through_the_reference_leave() -> None:
    table = np.full((20, 1), 60_000.0)
    table[5:] *= 0.99
    deepest: dict[float, int] = {}
    for half_life in (0.5, 1e9):
        small = book_of(BookFlow(market_rate=0.0, stale_half_life_seconds=half_life), prices=Prices(table))
        small.run(5)
        assert small.mid() == pytest.approx(120_000.0, rel=5e-4)
        small.run(15)
        deepest[half_life] = int(small.world.instruments[0]["best_bid"])
    assert deepest[0.5] < 118_900
    assert deepest[1e9] > 119_900


def test_orders_stay_inside_the_valid_prices() -> None:
    flow = BookFlow(largest_distance_bps=9_000.0, median_distance_bps=9_000.0, distance_tail=0.5)
    small = book_of(flow, prices=Prices(np.full((1, 1), 6.0)))
    sent = messages(small, 200)
    placed = sent[sent["op"] == LIMIT]
    assert placed["price"].min() >= 1
    assert placed["price"].max() <= int(small.world.instruments[0]["n_levels"]) - 2
    assert small.world.books.counters[3] == 0


def test_counted_from_the_opposite_best_prices_are_uniform_below_the_ask() -> None:
    """A scale far beyond the cap makes the law uniform: the flow of Smith, Farmer, Gillemot, Krishnamurthy (2003)."""
    flow = BookFlow(
        measured_from="opposite_best", median_distance_bps=1e6, distance_tail=1.0, largest_distance_bps=100.0,
        market_rate=0.0, limit_rate=50.0, stale_half_life_seconds=1e9, thinning=0.0,
    )  # fmt: skip
    small = book_of(flow)
    away = []
    for _ in range(40):
        best = {BUY: int(small.world.instruments[0]["best_ask"]), SELL: int(small.world.instruments[0]["best_bid"])}
        sent = messages(small, 1)
        for row in sent[sent["op"] == LIMIT]:
            away.append(abs(int(row["price"]) - best[int(row["side"])]))
    assert min(away) >= 1
    assert max(away) <= 1 + 120_100 * 0.01
    counts, _ = np.histogram(away, bins=4, range=(1, 1_201))
    assert counts == pytest.approx(len(away) / 4, abs=4 * math.sqrt(len(away) * 3 / 16))


def test_a_spot_crowd_delivers_what_it_owns() -> None:
    small = small_world(BackgroundFlow(), prices=FLAT, instruments={"BTC-USDC": BTC_SPOT})
    start = small.world.ledger.cash[CROWD_ACCOUNT].copy()
    assert (start > 0).all()
    small.run(200)
    assert small.world.ledger.conservation_error() == 0
    assert int(small.world.instruments[0]["last"]) > 0


def test_the_same_seed_gives_the_same_flow_and_another_one_does_not() -> None:
    first, again, other = (messages(book_of(BookFlow(), seed=seed), 30) for seed in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.array_equal(first[:50], other[:50])


def test_books_may_differ_and_unknown_books_are_refused() -> None:
    thin = BackgroundFlow(books={"BTC-PERP": BookFlow(limit_rate=0.4)})
    assert small_world(thin, prices=FLAT).world.books.live_orders == round(BookFlow(limit_rate=0.4).resting_orders)
    with pytest.raises(InputError, match="no instrument 'BTC-PREP'; instruments are BTC-PERP"):
        small_world(BackgroundFlow(books={"BTC-PREP": BookFlow()}), prices=FLAT)
    with pytest.raises(InputError, match="shorten tick_seconds"):
        book_of(BookFlow(market_rate=6_000.0))


def test_cancellations_name_live_orders_of_the_crowd() -> None:
    small = book_of(BookFlow())
    cancelled = 0
    for _ in range(60):
        orders = small.world.books.orders
        live = orders["handle"][(orders["handle"] > 0) & (orders["account"] == CROWD_ACCOUNT)]
        sent = messages(small, 1)
        targets = sent["target"][sent["op"] == CANCEL]
        assert np.isin(targets, live).all()
        cancelled += len(targets)
    assert cancelled > 100
