"""Mark rules by hand, including one-sided and empty books, the floor of one tick and the ceiling of the book."""

from __future__ import annotations

import numpy as np
import pytest

from market.kernels.marks import book_price, mark_of, set_marks
from market.kernels.records import (
    BASIS_MARK,
    FUNDING_MARK,
    INDEX_MARK,
    LAST_BASIS_MARK,
    LAST_MARK,
    MARKET,
    MEDIAN_MARK,
    MESSAGE,
    MID_MARK,
    OUTSIDE_MARK,
    REST_OF_MARKET,
    SELL,
    TWAP_MARK,
)
from market.marks import BasisMark, FundingMark, TwapMark, basis_weight
from market.venue import PremiumFunding
from tests.engine_worlds import Engine, engine, plain_venue

RULES = (
    INDEX_MARK, MID_MARK, LAST_MARK, BASIS_MARK, MEDIAN_MARK, LAST_BASIS_MARK, OUTSIDE_MARK, FUNDING_MARK, TWAP_MARK,
)  # fmt: skip


def marks(world: Engine) -> dict[int, int]:
    """Mark of the perpetual under every rule."""
    return {rule: int(mark_of(world.world.instruments[0], rule)) for rule in RULES}


def test_every_rule_on_a_two_sided_book() -> None:
    world = engine()
    world.bids((9_940, 1))
    world.asks((9_951, 1))
    instrument = world.world.instruments[0]
    instrument["last"], instrument["basis"] = 9_951, -30.6
    instrument["reference"], instrument["carry"], instrument["average"] = 9_960, -0.0045, 9_948.5
    assert marks(world) == {
        INDEX_MARK: 10_000,
        MID_MARK: 9_945,  # 9,945.5 rounded down
        LAST_MARK: 9_951,
        BASIS_MARK: 9_969,  # 9,969.4
        MEDIAN_MARK: 9_969,  # of 10,000, 9,969 and median(9,940, 9,951, 9,951)
        LAST_BASIS_MARK: 9_969,
        OUTSIDE_MARK: 9_960,  # of the reference, 9,969 and 9,951
        FUNDING_MARK: 9_955,  # of 10,000 x (1 - 0.45 %), 9,969 and 9,951
        TWAP_MARK: 9_949,  # halves up
    }


def test_median_takes_the_book_when_it_lies_between() -> None:
    world = engine()
    world.bids((9_980, 1))
    world.asks((9_990, 1))
    world.world.instruments[0]["last"], world.world.instruments[0]["basis"] = 9_970, -100.0
    assert marks(world)[MEDIAN_MARK] == 9_980  # median(10,000, 9,900, median(9,980, 9,990, 9,970))


@pytest.mark.parametrize(
    ("bid", "ask", "last", "expected"),
    [
        (0, 0, 0, 10_000),  # nothing at all: the index
        (0, 0, 9_000, 9_000),  # empty: the last trade
        (0, 10_100, 9_000, 9_000),  # bids sold out at 9,000: not the asks' 10,100
        (0, 8_900, 9_000, 8_900),  # but not above an ask
        (9_500, 0, 11_000, 11_000),
        (11_200, 0, 11_000, 11_200),
        (9_500, 0, 0, 10_000),  # no trade yet: the index, between the sides that are there
        (10_300, 0, 0, 10_300),
        (0, 9_800, 0, 9_800),
    ],
)
def test_a_one_sided_book_is_worth_its_last_trade_within_the_side_that_is_there(
    bid: int, ask: int, last: int, expected: int
) -> None:
    world = engine()
    if bid:
        world.bids((bid, 1))
    if ask:
        world.asks((ask, 1))
    world.world.instruments[0]["last"] = last
    assert int(book_price(world.world.instruments[0])) == expected


def test_selling_the_last_bid_never_raises_the_mark() -> None:
    world = engine()
    world.bids((9_990, 5), (9_500, 5))
    world.asks((10_010, 5))
    before = [mark for rule, mark in marks(world).items() if rule not in (INDEX_MARK, TWAP_MARK)]
    for lots in (5, 5):
        world.rest(SELL, 10_020, 1)  # keep the asks deep
        message = np.zeros(1, MESSAGE)
        message["op"], message["side"], message["lots"], message["account"] = MARKET, SELL, lots, REST_OF_MARKET
        world.world.books.process(message)
        after = [mark for rule, mark in marks(world).items() if rule not in (INDEX_MARK, TWAP_MARK)]
        assert all(new <= old for new, old in zip(after, before, strict=True))
        before = after


def test_last_is_the_index_before_the_first_trade() -> None:
    world = engine()
    assert marks(world)[LAST_MARK] == 10_000


def test_prices_keep_inside_the_book() -> None:
    """A collapse ends at one tick, a rise at the last price the book can hold."""
    world = engine()
    state = world.world
    top = int(state.instruments["n_levels"][0]) - 2
    for usd, expected in ((1, 1), (0, 1), (10_000_000, top)):
        state.assets["price"][1] = usd
        set_marks(state.assets, state.instruments, INDEX_MARK, 0.0, 0.0)
        assert int(state.instruments["mark"][0]) == expected
    state.instruments["index"][0] = 5
    state.instruments["basis"][0] = -400.0
    assert marks(world)[BASIS_MARK] == 1


def test_index_is_the_ratio_of_asset_prices_to_the_nearest_tick() -> None:
    world = engine()
    state = world.world
    state.assets["price"][:] = (980, 9_999)  # USDC 0.98, BTC 9,999
    set_marks(state.assets, state.instruments, INDEX_MARK, 0.0, 0.0)
    assert int(state.instruments["index"][0]) == 10_203  # 10,203.06


def test_basis_is_a_bounded_slow_average() -> None:
    """Half of a lasting gap is covered in one half-life; the bound is a fraction of the index."""
    rule = BasisMark(halflife_seconds=20.0, cap_bps=30.0)
    weight = basis_weight(rule, 20.0)
    assert weight == pytest.approx(0.5)
    world = engine()
    world.bids((10_020, 1))
    world.asks((10_040, 1))
    state = world.world
    for expected in (15.0, 22.5, 26.25, 28.125, 29.0625):
        set_marks(state.assets, state.instruments, BASIS_MARK, weight, rule.cap_bps / 10_000)
        assert float(state.instruments["basis"][0]) == pytest.approx(expected)
        assert int(state.instruments["mark"][0]) == int(10_000 + expected + 0.5)
    world.bids((10_030, 1))
    for _ in range(20):
        set_marks(state.assets, state.instruments, BASIS_MARK, weight, rule.cap_bps / 10_000)
    assert float(state.instruments["basis"][0]) == 30.0  # the gap is 35, the bound 30 bps of 10,000


def test_a_tick_starts_with_empty_flows() -> None:
    world = engine()
    state = world.world
    for name in ("net_flow", "forced_flow", "volume"):
        state.instruments[name][:] = 7
    set_marks(state.assets, state.instruments, INDEX_MARK, 0.0, 0.0)
    for name in ("net_flow", "forced_flow", "volume"):
        assert not state.instruments[name].any()


def test_basis_of_the_last_trade_keeps_it_within_bid_and_ask() -> None:
    """Deribit's rule; with the whole weight on the newest observation the mark is the clipped last trade."""
    world = engine()
    world.bids((10_020, 1))
    world.asks((10_040, 1))
    state = world.world
    for last, expected in ((0, 10_020), (10_000, 10_020), (10_033, 10_033), (10_100, 10_040)):
        state.instruments["last"][0] = last
        set_marks(state.assets, state.instruments, BasisMark(of="last").code, 1.0, 0.05)
        assert int(state.instruments["mark"][0]) == expected


def test_a_time_weighted_average_slides_over_its_window() -> None:
    """A wick of one tick to 7,000 counts one quarter while it is in the window of four."""
    path = [10_000.0, 10_000.0, 10_000.0, 7_000.0, 10_000.0, 10_000.0, 10_000.0, 10_000.0]
    venue = plain_venue(mark=TwapMark(window_seconds=4.0, of="index"))
    world = engine(prices=lambda tick: (1.0, path[min(tick, 7)]), venue=venue)
    world.run(8)
    assert [int(mark[0]) for mark in world.marks] == [10_000] * 3 + [9_250] * 4 + [10_000]


def test_a_time_weighted_average_of_the_book_starts_with_what_there_is() -> None:
    venue = plain_venue(mark=TwapMark(window_seconds=10.0, of="book"))
    world = engine(venue=venue)
    world.bids((9_990, 5))
    world.asks((10_010, 5))
    world.run(1)
    world.bids((10_008, 5))
    world.run(2)
    assert [int(mark[0]) for mark in world.marks] == [10_000, 10_005, 10_006]  # 10,000, then 10,009 twice


def test_a_time_weighted_average_stands_still_between_rounds() -> None:
    world = engine(venue=plain_venue(mark=TwapMark(window_seconds=4.0, of="last")))
    world.run(1)
    world.world.instruments["last"][0] = 5_000
    assert marks(world)[TWAP_MARK] == 10_000


def test_the_index_is_carried_to_the_next_funding_payment() -> None:
    """Binance's rule: index x (1 + F x t / T). The impact price is 1 % below the index, so F is -0.5 % a period and
    interval of 4 s: carried by all of it right after a payment, by a quarter of it one second before the next."""
    funding = PremiumFunding(interval_seconds=4.0, period_seconds=4.0, clamp=0.005, impact_notional_usd=100.0)
    world = engine(venue=plain_venue(mark=FundingMark(halflife_seconds=1e9), funding=funding))
    world.bids((9_890, 500))
    world.asks((9_900, 500))
    world.world.instruments["last"][0] = 9_900
    world.run(5)
    assert float(world.world.instruments["funding_rate"][0]) == -0.005
    world.run(4)
    carried = [float(mark[0]) for mark in world.marks]
    assert carried[:5] == [10_000.0] * 5  # nothing paid yet: index 10,000, basis 0, last 9,900
    assert carried[5:8] == [9_963.0, 9_975.0, 9_988.0]  # 37.5, 25 and 12.5 below; halves up
