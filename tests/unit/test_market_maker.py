"""Market makers: Avellaneda-Stoikov quotes, ladders, inventory, and the reasons to leave."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.market_maker import BPS_PER_ROOT_SECOND, MarketMaker, MarketMakers, quotes
from market.errors import InputError
from market.kernels.records import BUY, CANCEL, LIMIT, OUTSIDE, SELL
from tests.worlds import BTC_SPOT, Prices, Small, gaussian_path, small_world

FLAT = np.full((1, 1), 60_000.0)
PLAIN = MarketMaker(latency_seconds=0.0)


def one_maker(maker: MarketMaker = PLAIN, *, prices: Any = FLAT, spot: bool = False, **options: Any) -> Small:
    cohort = MarketMakers(makers_per_book=1, heterogeneity=0.0, default=maker)
    instruments = {"BTC-USDC": BTC_SPOT} if spot else None
    return small_world(cohort, prices=Prices(prices), instruments=instruments, extra_accounts=1, **options)


def maker_of(small: Small) -> Any:
    return small.cast.cohorts[0].records[0]  # type: ignore[attr-defined]


def resting(small: Small) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """(price, lots) of bids and of asks, best first."""
    rows = small.world.books.snapshot(0)
    return [(p, n) for side, p, n in rows if side == BUY], [(p, n) for side, p, n in rows if side == SELL]


def give(small: Small, lots: int) -> None:
    """Hand the maker a position at the mark."""
    price = int(small.world.instruments[0]["mark"])
    account = int(maker_of(small)["account"])
    small.world.ledger.open_position(account, 0, lots, price, small.world.instruments)


@settings(deadline=None, derandomize=True, max_examples=50)
@given(
    inventory=st.integers(-20, 20),
    risk_aversion=st.floats(1e-3, 2.0),
    volatility=st.floats(0.0, 5.0),
    horizon=st.floats(0.0, 10.0),
)
def test_quotes_lean_against_inventory(inventory: int, risk_aversion: float, volatility: float, horizon: float) -> None:
    reservation, half = quotes(
        price=100.0, inventory=inventory, risk_aversion=risk_aversion, volatility=volatility, horizon=horizon, decay=1.5
    )
    risk = risk_aversion * volatility**2 * horizon
    assert reservation == pytest.approx(100.0 - inventory * risk)
    assert 2 * half == pytest.approx(risk + 2 / risk_aversion * np.log(1 + risk_aversion / 1.5))


def test_quotes_without_risk_aversion_are_the_limit() -> None:
    assert quotes(price=5.0, inventory=3, risk_aversion=0.0, volatility=1.0, horizon=1.0, decay=4.0) == (5.0, 0.25)
    _, close = quotes(price=5.0, inventory=3, risk_aversion=1e-9, volatility=0.0, horizon=1.0, decay=4.0)
    assert close == pytest.approx(0.25, rel=1e-6)
    with pytest.raises(ValueError, match="decay > 0"):
        quotes(price=5.0, inventory=3, risk_aversion=0.1, volatility=1.0, horizon=1.0, decay=0.0)


def test_the_ladder_stands_where_the_formula_puts_it() -> None:
    small = one_maker()
    small.run(1)
    bids, asks = resting(small)
    variance = (PLAIN.calm_volatility * BPS_PER_ROOT_SECOND) ** 2
    _, half = quotes(
        price=0.0,
        inventory=0.0,
        risk_aversion=PLAIN.risk_aversion,
        volatility=variance**0.5,
        horizon=PLAIN.horizon_seconds,
        decay=PLAIN.decay,
    )
    # The first tick's return is none yet, so the estimate of volatility is still the calm one.
    distances = half + np.array([0.0, 1.0, 2.5, 4.75, 8.125])
    assert [(120_000 - price) / 12.0 for price, _ in bids] == pytest.approx(distances, abs=0.1)
    assert [(price - 120_000) / 12.0 for price, _ in asks] == pytest.approx(distances, abs=0.1)
    side_usd = PLAIN.capital_usd * PLAIN.ladder
    assert sum(lots for _, lots in bids) * 12.0 == pytest.approx(side_usd, rel=1e-3)
    assert sum(lots for _, lots in asks) * 12.0 == pytest.approx(side_usd, rel=1e-3)


def test_it_looks_once_a_second_however_short_the_tick() -> None:
    """With ticks of half a second it does what it does with ticks of one second on every other price."""
    path = gaussian_path(ticks=240, volatility=2.0, tick_seconds=0.5).table
    fine, coarse = one_maker(prices=path[:, 1:], tick_seconds=0.5), one_maker(prices=path[::2, 1:])
    fine.run(1)
    coarse.run(1)
    seen = set()
    for _ in range(119):
        before = resting(fine)
        assert before == resting(coarse)
        seen.add(before[0][0])
        fine.run(1)
        assert resting(fine) == before
        fine.run(1)
        coarse.run(1)
    assert maker_of(fine)["variance"] == pytest.approx(float(maker_of(coarse)["variance"]), rel=1e-12)
    assert len(seen) > 10, "the price hardly moved"


def test_it_is_silent_while_nothing_moves() -> None:
    small = one_maker()
    small.run(1)
    counts: list[int] = []
    small.run(30, observe=lambda world: counts.append(world.inboxes[(world.tick - 1) & 1].count))
    # The estimate of volatility falls, so that a few levels may come closer once.
    assert sum(counts) <= 2 * small.cast.cohorts[0].most_messages
    assert counts.count(0) > 15


def test_it_follows_the_reference_after_its_latency() -> None:
    table = np.full((20, 1), 60_000.0)
    table[10:] = 60_060.0
    small = one_maker(MarketMaker(latency_seconds=3.0), prices=table)
    mids = []
    small.run(18, observe=lambda _: mids.append(small.mid()))
    assert mids[11] == pytest.approx(120_000, abs=10)
    assert mids[14] > 120_050
    assert mids[17] == pytest.approx(120_120, abs=25)


@pytest.mark.parametrize("anticipates", [False, True])
def test_after_a_move_who_anticipates_cancels_is_tight_at_once(anticipates: bool) -> None:
    """A move of 100 bps with half-spreads of 10 bps: 120 ticks of 0.5 USD."""
    prices = np.full((4, 1), 60_000.0)
    prices[1:] = 60_600.0
    maker = MarketMaker(
        latency_seconds=0.0,
        levels=1,
        narrowest_bps=10.0,
        reference_weight=1.0,
        horizon_seconds=0.0,
        volatility_limit=20.0,
        anticipates_cancels=anticipates,
    )
    small = one_maker(maker, prices=prices)
    small.run(2)
    (bid, _), (ask, _) = resting(small)[0][0], resting(small)[1][0]
    assert ask - bid == pytest.approx(240 if anticipates else 1_200, rel=0.1)
    small.run(1)
    (bid, _), (ask, _) = resting(small)[0][0], resting(small)[1][0]
    assert ask - bid == pytest.approx(240, rel=0.1)


def test_inventory_shifts_quotes_and_shrinks_the_side_that_adds() -> None:
    flat, long = one_maker(), one_maker()
    give(long, 80_000)  # 0.96 million USD at 12 USD a lot
    flat.run(1)
    long.run(1)
    assert long.mid() < flat.mid() - 4
    bids, asks = resting(long)
    assert sum(lots for _, lots in bids) < 0.6 * sum(lots for _, lots in asks)
    full = one_maker()
    give(full, 170_000)  # beyond twice its equity
    full.run(1)
    assert not resting(full)[0]
    assert resting(full)[1]


def leaves(small: Small, ticks: int = 40) -> bool:
    small.run(ticks)
    return not any(resting(small)) and maker_of(small)["size_factor"] == 0.0


def test_it_leaves_when_prices_race_and_comes_back() -> None:
    table = np.full((400, 1), 60_000.0)
    table[20:40, 0] *= np.linspace(0.998, 0.95, 20)
    table[40:] *= 0.95
    small = one_maker(MarketMaker(latency_seconds=0.0, cooloff_seconds=100.0), prices=table)
    small.run(20)
    before = sum(lots for _, lots in resting(small)[0])
    small.run(2)
    thinner = sum(lots for _, lots in resting(small)[0])
    assert 0 < thinner < 0.6 * before
    assert leaves(small, 18)
    small.run(70)
    assert not any(resting(small))
    small.run(280)
    assert all(resting(small))


def test_it_leaves_on_a_drawdown_and_returns_smaller() -> None:
    small = one_maker(MarketMaker(latency_seconds=0.0, cooloff_seconds=50.0))
    small.run(2)
    account = int(maker_of(small)["account"])
    small.world.ledger.deposit(account, 0, -200_000 * 10**6)
    assert leaves(small, 2)
    small.run(60)
    bids, _ = resting(small)
    assert sum(lots for _, lots in bids) * 12.0 == pytest.approx(800_000 * PLAIN.ladder, rel=0.01)


def test_it_shrinks_on_the_way_to_the_drawdown_limit() -> None:
    small = one_maker()
    small.run(2)
    small.world.ledger.deposit(int(maker_of(small)["account"]), 0, -75_000 * 10**6)
    small.run(3)
    bids, _ = resting(small)
    assert sum(lots for _, lots in bids) * 12.0 == pytest.approx(925_000 * PLAIN.ladder / 2, rel=0.02)


def test_it_leaves_when_margin_runs_short() -> None:
    """Maintenance at 2.5% is half of the million at 20 million USD, 1,666,667 lots."""
    for lots, gone in ((1_650_000, False), (1_680_000, True)):
        small = one_maker(MarketMaker(latency_seconds=0.0, inventory_limit=1_000.0))
        give(small, lots)
        assert leaves(small, 2) == gone


def test_it_leaves_when_its_account_is_claimed_or_ruined() -> None:
    small = one_maker()
    small.run(2)
    account = int(maker_of(small)["account"])
    small.world.ledger.accounts["claim"][account] = 1
    assert leaves(small, 1)
    ruined = one_maker(MarketMaker(latency_seconds=0.0, cooloff_seconds=1.0))
    ruined.run(2)
    ruined.world.ledger.deposit(int(maker_of(ruined)["account"]), 0, -900_000 * 10**6)
    assert leaves(ruined, 50)


def test_a_missing_order_is_replaced() -> None:
    small = one_maker()
    small.run(1)
    _, asks = resting(small)
    taker = small.world.ledger.open("taker", role="trader")
    small.world.ledger.deposit(taker, 0, 10**15)

    class Taker:
        most_messages = 1

        def decide(self, world: Any, inbox: Any) -> None:
            if world.tick == 1:
                inbox.append(op=1, book=0, side=BUY, lots=asks[0][1] + 5, account=taker)

    small.cast = type(small.cast)(oracles=small.cast.oracles, cohorts=(*small.cast.cohorts, Taker()))
    small.run(1)
    assert len(resting(small)[1]) == len(asks) - 1
    small.run(2)
    after = resting(small)[1]
    assert len(after) == len(asks)
    assert asks[0][0] <= after[0][0] <= asks[0][0] + 6  # it is short now and asks for a little more
    assert small.world.ledger.positions["lots"][int(maker_of(small)["account"]), 0] == -(asks[0][1] + 5)


def test_a_spot_maker_sells_what_it_owns_and_no_more() -> None:
    small = one_maker(MarketMaker(latency_seconds=0.0, ladder=3.0), spot=True)
    small.run(3)
    bids, asks = resting(small)
    cash = small.world.ledger.cash[int(maker_of(small)["account"])]
    assert cash.tolist() == [10**12, 1_666_666_667]
    assert 0 < sum(lots for _, lots in asks) * 20_000 <= cash[1]
    assert 0 < sum(price * lots for price, lots in bids) * 100 <= cash[0]
    assert small.world.books.counters[4] == 0  # nothing was refused
    assert small.world.ledger.cash[OUTSIDE, 1] == -cash[1]


def test_orders_never_take() -> None:
    table = 60_000.0 * np.exp(np.cumsum(np.random.default_rng(3).normal(0.0, 4e-4, (300, 1)), axis=0))
    makers = MarketMakers(makers_per_book=3, default=MarketMaker(volatility_limit=20.0))
    small = small_world(makers, prices=Prices(table))
    fills = []
    kinds: set[int] = set()

    def note(world: Any) -> None:
        fills.append(world.n_fills)
        inbox = world.inboxes[(world.tick - 1) & 1]
        kinds.update(inbox.messages["op"][: inbox.count].tolist())

    small.run(300, observe=note)
    assert sum(fills) == 0
    assert kinds == {LIMIT, CANCEL}


def test_makers_differ_and_do_not_depend_on_other_agents() -> None:
    small = small_world(MarketMakers(), prices=Prices(FLAT))
    records = small.cast.cohorts[0].records  # type: ignore[attr-defined]
    assert len(set(records["risk_aversion"])) == 3
    again = small_world(MarketMakers(), MarketMakers(), prices=Prices(FLAT))
    assert np.array_equal(again.cast.cohorts[0].records["decay"], records["decay"])  # type: ignore[attr-defined]
    with pytest.raises(InputError, match="no instrument 'ETH-PERP'"):
        small_world(MarketMakers(books={"ETH-PERP": MarketMaker()}), prices=Prices(FLAT))
