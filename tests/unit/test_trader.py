"""Traders by hand: margin calls, top-ups, reductions, rebalancing, trends and stop orders."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from agents.kernels.draws import uniform
from agents.trader import TraderCohort, Traders
from market.errors import InputError
from market.kernels.records import BUY, IOC, MARKET, OUTSIDE, REDUCE_ONLY, SELL, TOUCHED_COUNT
from market.world import World
from tests.population_worlds import ASSETS, INSTRUMENTS, make_world

USD = 1_000_000
ONE = Traders(
    count=1, equity_usd=8_000.0, equity_sigma=0.0, tail_share=0.0, leverage=5.0, leverage_sigma=0.0, share_long=1.0,
    instruments_held=(1.0,), popularity={"BTC": 1.0}, collateral_users=0.0, isolated_share=0.0, entry_spread=0.0,
    target_leverage_share=0.0, trend_share=0.0, stop_loss_share=0.0, attention_per_hour=72_000.0, attention_sigma=0.0,
    alarm=0.0, margin_call_ratio=0.8, top_up_ratio=0.6, top_up_probability=1.0, reduce_probability=0.0,
    top_up_delay_seconds=3.0, outside_wealth=100.0,
)  # fmt: skip
"""Somebody with 8,000 USD who is long 40,000 USD of BTC (one coin, 10,000 lots at 40,000) and looks 20 times a second.

Maintenance margin is 2% of the notional, initial margin 5%.
"""


def cast(parameters: Traders) -> tuple[World, TraderCohort]:
    world = make_world(n_accounts=parameters.accounts_needed(instruments=INSTRUMENTS))
    cohort = parameters.join(world, assets=ASSETS, instruments=INSTRUMENTS)
    world.size_inboxes(cohort.most_messages)
    return world, cohort


def step(world: World, cohort: TraderCohort) -> Any:
    """The messages of one tick."""
    inbox = world.open_inbox()
    cohort.decide(world, inbox)
    world.tick += 1
    return inbox.messages[: inbox.count]


def set_mark(world: World, price: int, book: str = "BTC-PERP") -> None:
    world.instruments["mark"][world.instrument(book)] = price


def margin(world: World, row: int) -> tuple[int, int]:
    """(margin equity, maintenance margin) in USD quanta."""
    equity, _, maintenance, _ = world.ledger.assess(world.instruments, world.assets, world.margin)[row].tolist()
    return equity, maintenance


def test_one_trader_stands_as_described() -> None:
    world, cohort = cast(ONE)
    assert world.ledger.positions["lots"][7].tolist() == [10_000, 0, 0, 0]
    assert world.ledger.positions["lots"][4].tolist() == [-10_000, 0, 0, 0]  # the rest of the market
    assert margin(world, 7) == (8_000 * USD, 800 * USD)
    assert cohort.traders["leverage"][0] == pytest.approx(5.0)
    assert len(step(world, cohort)) == 0


def test_top_up_arrives_after_the_delay_and_restores_the_ratio() -> None:
    world, cohort = cast(ONE)
    set_mark(world, 32_700)  # equity 700, maintenance 654: ratio 0.93
    for _ in range(3):
        assert len(step(world, cohort)) == 0
        assert margin(world, 7) == (700 * USD, 654 * USD)
    before = world.ledger.cash[OUTSIDE, 0]
    step(world, cohort)
    assert margin(world, 7)[0] == 1_090 * USD + 1  # 654 / 0.6, rounded up
    assert before - world.ledger.cash[OUTSIDE, 0] == 390 * USD + 1
    assert world.books.counters[TOUCHED_COUNT] == 1
    assert world.watch.touched[0] == 7
    assert world.ledger.conservation_error() == 0


def test_top_up_ends_with_the_money_outside() -> None:
    world, cohort = cast(ONE)
    cohort.traders["wealth"] = 100 * USD
    set_mark(world, 32_700)
    for _ in range(12):
        step(world, cohort)
    assert margin(world, 7)[0] == 800 * USD
    assert cohort.traders["wealth"][0] == 0


def test_no_money_goes_into_an_insolvent_or_recovered_account() -> None:
    for price in (31_000, 40_000):
        world, cohort = cast(ONE)
        set_mark(world, 32_700)
        step(world, cohort)
        set_mark(world, price)
        equity = margin(world, 7)
        for _ in range(5):
            step(world, cohort)
        assert margin(world, 7) == equity


def test_isolated_margin_is_topped_up_from_the_wallet_as_far_as_it_goes() -> None:
    world, cohort = cast(replace(ONE, isolated_share=1.0, wallet_share=0.01))
    ledger = world.ledger
    wallet, row = 7, 8
    assert ledger.roles[wallet:] == ["wallet", "trader"]
    assert ledger.accounts["owner"][row] == wallet
    assert ledger.accounts["only_instrument"][[wallet, row]].tolist() == [-1, 0]
    assert ledger.cash[wallet, 0] == 80 * USD
    assert margin(world, row)[0] == 7_920 * USD
    set_mark(world, 32_700)
    outside = ledger.cash[OUTSIDE, 0]
    for _ in range(5):
        step(world, cohort)
    assert ledger.cash[wallet, 0] == 0
    assert ledger.cash[OUTSIDE, 0] == outside
    assert set(world.watch.touched[: world.books.counters[TOUCHED_COUNT]].tolist()) == {wallet, row}
    assert margin(world, row)[0] == (7_920 + 80) * USD - world.ledger.positions["lots"][row, 0] * 7_300 * 100


def test_a_call_may_be_answered_by_closing_a_part() -> None:
    world, cohort = cast(replace(ONE, top_up_probability=0.0, reduce_probability=1.0, reduce_share=0.3))
    set_mark(world, 32_700)
    order = step(world, cohort)[0]
    assert (order["op"], order["side"], order["lots"], order["flags"]) == (MARKET, SELL, 3_000, REDUCE_ONLY)
    assert order["account"] == 7


def test_a_call_may_be_ignored_and_an_account_under_claim_does_nothing() -> None:
    world, cohort = cast(replace(ONE, top_up_probability=0.0))
    set_mark(world, 32_700)
    assert len(step(world, cohort)) == 0
    world, cohort = cast(replace(ONE, top_up_probability=0.0, reduce_probability=1.0))
    set_mark(world, 32_700)
    world.ledger.accounts["claim"][7] = 1
    assert len(step(world, cohort)) == 0


def test_target_leverage_is_restored_when_it_leaves_the_band() -> None:
    world, cohort = cast(replace(ONE, target_leverage_share=1.0, slippage_bps=50.0))
    set_mark(world, 39_000)  # 39,000 over 7,000: 5.57, inside a band of a fifth
    assert len(step(world, cohort)) == 0
    set_mark(world, 38_000)  # 38,000 over 6,000: 6.33; 30,000 is wanted
    order = step(world, cohort)[0]
    assert (order["op"], order["side"], order["flags"]) == (MARKET, SELL, REDUCE_ONLY)
    assert order["lots"] == 8_000 * 10_000 // 38_000
    set_mark(world, 44_000)  # 44,000 over 12,000: 3.67; 60,000 is wanted
    order = step(world, cohort)[0]
    assert (order["op"], order["side"], order["flags"]) == (IOC, BUY, 0)
    assert order["lots"] == 16_000 * 10_000 // 44_000
    assert order["price"] == int(44_000 * 1.005)


def test_trend_followers_go_part_of_the_way() -> None:
    """The slow average starts at 40,000 and takes over half of a move in a second here."""
    world, cohort = cast(
        replace(ONE, trend_share=1.0, trend_threshold=0.01, trend_pace=0.25, slow_halflife_seconds=1.0)
    )
    set_mark(world, 40_700)  # half a percent above 40,350: not enough
    assert len(step(world, cohort)) == 0
    set_mark(world, 42_000)  # 2% above 41,175: 50,000 USD are wanted
    order = step(world, cohort)[0]
    wanted = 5 * 10_000 * 10_000 / 42_000
    assert (order["op"], order["side"], order["lots"]) == (IOC, BUY, int(0.25 * (wanted - 10_000)))
    set_mark(world, 38_000)  # below the average: short 30,000 USD, a quarter of the way is still long
    order = step(world, cohort)[0]
    wanted = -5 * 6_000 * 10_000 / 38_000
    assert (order["op"], order["side"], order["flags"]) == (MARKET, SELL, REDUCE_ONLY)
    assert order["lots"] == int(0.25 * (10_000 - wanted))


def test_stop_orders_fire_once_the_mark_is_there_and_are_repeated_until_closed() -> None:
    world, cohort = cast(replace(ONE, stop_loss_share=1.0, stop_distance=0.05, stop_sigma=0.0, top_up_probability=0.0))
    stop = round(40_000 * np.exp(-0.05))
    assert cohort.stops["price"].tolist() == [stop]
    set_mark(world, stop + 1)
    assert len(step(world, cohort)) == 0
    set_mark(world, stop)
    order = step(world, cohort)[0]
    assert (order["op"], order["side"], order["lots"], order["flags"]) == (MARKET, SELL, 10_000, REDUCE_ONLY)
    world.ledger.positions["lots"][7, 0] = 4_000
    world.ledger.positions["cost"][7, 0] = 16_000 * USD
    set_mark(world, 40_000)
    assert step(world, cohort)[0]["lots"] == 4_000
    world.ledger.positions["lots"][7, 0] = 0
    assert len(step(world, cohort)) == 0


def test_every_stop_fires_when_its_mark_is_reached_and_only_then() -> None:
    """Against a plain look at all stops, over a path that goes both ways."""
    population = Traders(
        count=300, instruments_held=(1.0,), stop_loss_share=1.0, target_leverage_share=0.0, trend_share=0.0,
        attention_per_hour=0.0,
    )  # fmt: skip
    world, cohort = cast(population)
    start = world.instruments["mark"].astype(float)
    owners = cohort.traders["account"][cohort.stops["trader"]].tolist()
    waiting = dict(zip(owners, cohort.stops["price"].tolist(), strict=True))
    lots = world.ledger.positions["lots"]
    assert sorted(waiting) == (7 + np.flatnonzero(lots[7:].any(axis=1))).tolist()
    fired: list[int] = []
    for factor in 1.0 + 0.15 * np.sin(np.linspace(0.0, 2.0 * np.pi, 40)):
        marks = world.instruments["mark"] = np.rint(start * factor)
        due = {}
        for row, price in waiting.items():
            (book,) = np.flatnonzero(lots[row])
            held = int(lots[row, book])
            if marks[book] <= price if held > 0 else marks[book] >= price:
                due[row] = (int(book), held)
        sent = {}
        for order in step(world, cohort):
            held = int(order["lots"]) * (1 if order["side"] == SELL else -1)
            sent[int(order["account"])] = (int(order["book"]), held)
        assert sent == due
        fired += due
        waiting = {row: price for row, price in waiting.items() if row not in due}
    assert len(fired) > 150


def test_who_wakes_is_drawn_by_attention() -> None:
    """Everybody is called and closes a lot each time: orders count wake-ups."""
    busy = replace(
        ONE, count=50, attention_per_hour=7_200.0, attention_sigma=1.0, top_up_probability=0.0, reduce_probability=1.0
    )
    world, cohort = cast(busy)
    set_mark(world, 32_700)
    orders = np.concatenate([step(world, cohort)["account"].copy() for _ in range(40)])
    assert len(orders) == pytest.approx(4_000, abs=4 * np.sqrt(4_000))
    expected = np.diff(cohort.traders["upto"], prepend=0.0) * len(orders)
    counts = np.bincount(orders, minlength=57)[7:]
    assert ((counts - expected) ** 2 / expected).sum() < 86  # chi-square, 49 degrees of freedom, one in a thousand


def test_alarm_raises_attention_up_to_its_bound() -> None:
    calm, alarmed = (
        replace(
            ONE, attention_per_hour=720.0, top_up_probability=0.0, reduce_probability=1.0, alarm=alarm, most_alarm=4.0
        )
        for alarm in (0.0, 1e6)
    )
    counts = []
    for parameters in (calm, alarmed):
        world, cohort = cast(replace(parameters, slow_halflife_seconds=1e6))
        set_mark(world, 32_700)
        counts.append(sum(len(step(world, cohort)) for _ in range(1_000)))
    assert counts[0] == pytest.approx(200, abs=60)
    assert counts[1] == pytest.approx(800, abs=120)


def test_hashed_draws_are_uniform_and_unrelated() -> None:
    draws = np.array([[uniform(np.uint64(seed), k) for k in range(100)] for seed in range(100)])
    counts, _ = np.histogram(draws, bins=20, range=(0.0, 1.0))
    assert ((counts - 500) ** 2 / 500).sum() < 44  # 19 degrees of freedom, one in a thousand
    assert abs(np.corrcoef(draws[:-1].ravel(), draws[1:].ravel())[0, 1]) < 0.04
    assert abs(np.corrcoef(draws[:, :-1].ravel(), draws[:, 1:].ravel())[0, 1]) < 0.04


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="more than 1"):
        Traders(trend_share=0.5, stop_loss_share=0.6)
    with pytest.raises(ValueError, match="below margin_call_ratio"):
        Traders(top_up_ratio=0.9)
    with pytest.raises(ValueError, match="instruments_held"):
        Traders(instruments_held=(0.8, 0.8, 0.1))
    with pytest.raises(InputError, match="no perpetual"):
        Traders(popularity={"DOGE": 1.0}).accounts_needed(instruments=INSTRUMENTS)
    with pytest.raises(InputError, match="no asset 'DOGE'"):
        cast(Traders(popularity={"BTC": 1.0, "DOGE": 1.0}))
