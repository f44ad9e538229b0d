"""Circuit breakers by hand: what trips them, what they refuse and hold back, and what they count.

Worlds of `tests/engine_worlds.py`: marks are the index, which follows a price path at once; one lot is 1,000 USDC
quanta per tick of 1 USD.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from market.breakers import (
    Breakers,
    CapBand,
    FundReduceOnly,
    MoveHalt,
    MoveReduceOnly,
    NotionalThrottle,
    RejectBand,
)
from market.kernels.records import (
    BUY,
    CANCEL,
    CROWD_ACCOUNT,
    INSURANCE_FUND,
    IOC,
    LIMIT,
    MARKET,
    OUTSIDE,
    POST_ONLY,
    SELL,
)
from market.venue import CloseFactor, Waterfall
from tests.engine_worlds import PERP, TICK_LOT, USD, Engine, changed, engine, falls_to, plain_venue

ALICE, BOB = 7, 8
"""Ledger rows of the first two customers."""


def order(**fields: int) -> dict[str, int]:
    """A message of Alice's about 10 lots of the perpetual."""
    return {"op": LIMIT, "book": 0, "side": BUY, "price": 10_000, "lots": 10, "account": ALICE} | fields


def world_with(breakers: Breakers, *, prices: Any = None, script: Any = None, **kwargs: Any) -> Engine:
    """Alice and Bob with a million each."""
    venue = plain_venue(breakers=breakers, **kwargs.pop("venue", {}))
    path = prices or [10_000.0]
    return engine(
        deposits=(1e6, 1e6),
        prices=lambda tick: (1.0, path[min(tick, len(path) - 1)]),
        script=script,
        venue=venue,
        **kwargs,
    )


def costs(world: Engine) -> dict[str, float | int]:
    """What the breakers have cost."""
    assert world.world.breakers is not None
    return world.world.breakers.costs()


def halted_ticks(world: Engine, ticks: int, *, book: int = 0) -> list[int]:
    """Ticks, counted from now, in which the book was halted."""
    found = []
    for tick in range(ticks):
        world.run()
        if world.world.instruments["halted"][book]:
            found.append(tick)
    return found


def test_a_venue_has_no_breakers_unless_it_says_so() -> None:
    assert Breakers().off
    assert engine().world.breakers is None
    for one in (
        {"halt": MoveHalt()},
        {"band": CapBand()},
        {"throttle": NotionalThrottle()},
        {"reduce_only": FundReduceOnly()},
    ):
        assert world_with(Breakers(**one)).world.breakers is not None


# --- halt -----------------------------------------------------------------------------------------


def test_a_halt_trips_at_the_stated_move_and_lasts_the_stated_time() -> None:
    """5 % below the highest mark of the last three ticks: 9,499 at tick 3, after 10,000 at tick 1."""
    halt = MoveHalt(move_bps=500.0, window_seconds=3.0, halt_seconds=4.0)
    path = [10_000.0, 10_000.0, 9_700.0, 9_499.0] + [9_499.0] * 10
    world = world_with(Breakers(halt=halt), prices=path)
    assert halted_ticks(world, 12) == [3, 4, 5, 6]
    assert (costs(world)["halt_count"], costs(world)["halted_instrument_seconds"]) == (2, 8.0)  # perpetual and spot


def test_marks_older_than_the_window_do_not_count_and_rises_do() -> None:
    halt = MoveHalt(move_bps=500.0, window_seconds=2.0, halt_seconds=1.0)
    slow = world_with(Breakers(halt=halt), prices=[10_000.0, 9_800.0, 9_600.0, 9_410.0, 9_220.0])
    assert halted_ticks(slow, 6) == []
    rise = world_with(Breakers(halt=halt), prices=[10_000.0, 10_300.0, 10_500.0])
    assert halted_ticks(rise, 5) == [2]


def test_after_a_halt_marks_are_compared_afresh() -> None:
    """The fall of 20 % is over when trading resumes; 4 % more do not halt again, another 2 % do."""
    halt = MoveHalt(move_bps=500.0, window_seconds=100.0, halt_seconds=2.0)
    path = [10_000.0, 8_000.0, 8_000.0, 8_000.0, 7_680.0, 7_520.0, 7_520.0]
    assert halted_ticks(world_with(Breakers(halt=halt), prices=path), 9) == [1, 2, 5, 6]


def test_a_halt_of_the_venue_stops_every_book() -> None:
    one = MoveHalt(move_bps=500.0, window_seconds=1.0, halt_seconds=1.0)
    for halt, other in ((one, []), (changed(one, scope="venue"), [1])):
        world = engine(prices=falls_to(9_000.0), venue=plain_venue(breakers=Breakers(halt=halt)))
        world.world.instruments["base"][1] = 0  # the second book trades a dollar for a dollar: it never moves
        assert halted_ticks(world, 3, book=1) == other
        assert costs(world)["halt_count"] == 1
        assert costs(world)["halted_instrument_seconds"] == 1.0 + len(other)


def test_a_halted_book_refuses_orders_and_lets_cancels_through() -> None:
    halt = MoveHalt(move_bps=500.0, window_seconds=1.0, halt_seconds=2.0)
    path = [10_000.0, 9_000.0]
    script = {
        0: [order(price=8_000)],
        1: [order(op=CANCEL, target=-1), order(price=8_100), order(op=MARKET, side=SELL)],
        3: [order(price=8_200)],
    }
    world = world_with(Breakers(halt=halt), prices=path, script=script)
    world.bids((7_000, 50))
    world.run()
    handle = int(world.world.inboxes[0].handles[0])
    script[1][0]["target"] = handle
    world.run(2)
    assert int(world.world.instruments["best_bid"][0]) == 7_000  # cancelled, and nothing new came in
    assert costs(world)["orders_refused_by_halt_count"] == 2
    assert not world.world.inboxes[1].handles[: world.world.inboxes[1].count].any()
    world.run()
    assert int(world.world.instruments["best_bid"][0]) == 8_200
    world.check_books()


def test_nobody_is_liquidated_on_a_halted_book_and_everybody_after_it() -> None:
    """1 BTC from 10,000 with 1,200 USD, at 9,000: broken at tick 1, closed at tick 3, when the halt is over."""
    halt = MoveHalt(move_bps=500.0, window_seconds=1.0, halt_seconds=2.0)
    world = engine(deposits=(1_200.0,), prices=falls_to(9_000.0), venue=plain_venue(breakers=Breakers(halt=halt)))
    world.open(world.rows[0], 1_000, 10_000)
    world.bids((9_000, 5_000))
    world.run(3)
    assert (world.world.n_claims, len(world.events)) == (1, 0)
    assert costs(world)["liquidations_delayed_count"] == 1
    world.run()
    assert world.events["tick"].tolist() == [3]
    assert world.lots(world.rows[0]) == 0
    assert costs(world)["liquidations_delayed_count"] == 1
    world.check_books()


def test_what_trades_is_closed_while_another_book_is_halted() -> None:
    """A falls by 10 %, B by nothing: B is closed at once, A when it trades again; the claim counts as delayed then."""
    halt = MoveHalt(move_bps=500.0, window_seconds=1.0, halt_seconds=3.0)
    world = engine(
        deposits=(1_200.0,),
        prices=falls_to(9_000.0),
        instruments={"A": PERP, "B": PERP},
        venue=plain_venue(breakers=Breakers(halt=halt)),
    )
    world.open(world.rows[0], 1_000, 10_000)
    world.open(world.rows[0], 300, 9_000, book=1)
    for book in (0, 1):
        world.bids((8_990, 5_000), book=book)
    world.run()
    world.world.instruments["base"][1] = 0
    world.world.instruments["index"][1] = world.world.instruments["mark"][1] = 9_000
    assert world.world.breakers is not None
    world.world.breakers._history[0, 1] = 1  # book B, whose index is now a dollar, has not moved either
    world.run()
    assert world.world.instruments["halted"].tolist() == [1, 0]
    assert world.events["book"].tolist() in ([], [1])
    world.run(4)
    assert sorted(world.events["book"].tolist()) == [0, 1]
    assert costs(world)["liquidations_delayed_count"] == 1
    world.check_books()


# --- price band -----------------------------------------------------------------------------------


def test_a_band_refuses_what_pays_too_much_and_takes_what_waits() -> None:
    """5 % around 10,000: nobody buys above 10,500 or sells below 9,500; cheap bids and dear asks may rest."""
    script = {
        0: [
            order(price=10_501),
            order(price=10_500),
            order(side=SELL, price=9_499, account=BOB, book=1),
            order(side=SELL, price=10_900, account=BOB),
            order(price=9_000, account=BOB),
        ]
    }
    world = world_with(Breakers(band=RejectBand(width_bps=500.0)), script=script)
    world.run()
    assert costs(world)["orders_refused_by_band_count"] == 2
    assert costs(world)["orders_capped_by_band_count"] == 0
    handles = world.world.inboxes[0].handles[:5] != 0
    assert handles.tolist() == [False, True, False, True, True]


def test_a_capping_band_moves_the_price_to_its_edge() -> None:
    script = {0: [order(price=10_700)]}
    world = world_with(Breakers(band=CapBand(width_bps=500.0)), script=script)
    world.run()
    assert int(world.world.instruments["best_bid"][0]) == 10_500
    assert costs(world)["orders_capped_by_band_count"] == 1


@pytest.mark.parametrize("band", [RejectBand(width_bps=500.0), CapBand(width_bps=500.0)])
def test_market_orders_stop_at_the_edge(band: Any) -> None:
    script = {0: [order(op=MARKET, lots=30)], 1: [order(op=MARKET)]}
    world = world_with(Breakers(band=band), script=script)
    world.asks((10_100, 10), (10_500, 10), (10_501, 10))
    world.run(2)
    assert world.lots(ALICE) == 20
    assert costs(world)["market_orders_stopped_by_band_count"] == 1
    assert int(world.world.instruments["best_ask"][0]) == 10_501
    world.check_books()


def test_a_band_around_the_mark_follows_the_mark() -> None:
    for band, edges in (
        (RejectBand(width_bps=100.0, around="index"), (9_900, 10_100)),
        (RejectBand(width_bps=100.0, around="mark"), (10_346, 10_554)),
    ):
        world = world_with(Breakers(band=band))
        world.world.instruments["mark"][0] = 10_450
        world.world.breakers.trip(world.world)  # type: ignore[union-attr]
        assert tuple(int(world.world.instruments[name][0]) for name in ("band_low", "band_high")) == edges


def test_liquidations_stop_at_the_edge_of_the_band() -> None:
    """The slippage limit would let the whole position go to 8,000; the band around the index ends at 8,820."""
    world = engine(
        deposits=(1_200.0,),
        prices=falls_to(9_000.0),
        venue=plain_venue(breakers=Breakers(band=CapBand(width_bps=200.0)), slippage_limit_bps=2_000.0),
    )
    world.open(world.rows[0], 1_000, 10_000)
    world.bids((9_000, 300), (8_820, 200), (8_819, 5_000))
    world.run(2)
    assert world.events["lots"].tolist() == [500]
    assert world.lots(world.rows[0]) == 500
    world.run(2)
    assert costs(world)["liquidations_stopped_by_band_count"] == costs(world)["liquidations_delayed_count"] == 1


@pytest.mark.parametrize(("lots", "inside", "beyond"), [(1_000, 8_820, 8_819), (-1_000, 11_220, 11_221)])
def test_liquidations_that_find_nobody_inside_the_band_are_counted(lots: int, inside: int, beyond: int) -> None:
    """2 % around 9,000 for a long position, around 11,000 for a short one."""
    for price, stopped in ((inside, 0), (beyond, 1)):
        world = engine(
            deposits=(1_200.0, 1_200.0),
            prices=falls_to(9_000.0 if lots > 0 else 11_000.0),
            venue=plain_venue(breakers=Breakers(band=CapBand(width_bps=200.0)), slippage_limit_bps=2_000.0),
        )
        world.open(world.rows[0], lots, 10_000)
        (world.bids if lots > 0 else world.asks)((price, 5_000))
        world.run(4)
        assert costs(world)["liquidations_stopped_by_band_count"] == stopped
        assert world.lots(world.rows[0]) == (lots if stopped else 0)
        world.check_books()


# --- throttle -------------------------------------------------------------------------------------


def test_a_throttle_spreads_a_liquidation_over_its_windows() -> None:
    """1 BTC at 9,000, 50 USD of equity, at most 4,000 USD every 2 s: 444 lots in ticks 1 and 2, the rest in tick 4."""
    throttle = NotionalThrottle(notional_usd=4_000.0, window_seconds=2.0)
    world = engine(
        deposits=(1_050.0,), prices=falls_to(9_000.0), venue=plain_venue(breakers=Breakers(throttle=throttle))
    )
    world.open(world.rows[0], 1_000, 10_000)
    world.bids((9_000, 5_000))
    world.run(8)
    assert world.events["tick"].tolist() == [1, 2, 4]
    assert world.events["lots"].tolist() == [444, 444, 112]
    assert costs(world)["liquidations_delayed_count"] == 1
    world.check_books()


def test_a_throttle_counts_all_accounts_and_books_together() -> None:
    throttle = NotionalThrottle(notional_usd=10_000.0, window_seconds=10.0)
    world = engine(
        deposits=(610.0, 610.0, 610.0),
        prices=falls_to(9_000.0, at=2),
        instruments={"A": PERP, "B": PERP},
        venue=plain_venue(breakers=Breakers(throttle=throttle)),
    )
    for row, book in zip(world.rows, (0, 1, 0), strict=True):
        world.open(row, 600, 10_000, book=book)
    for book in (0, 1):
        world.bids((9_000, 5_000), book=book)
    world.run(9)
    assert world.events["lots"].tolist() == [600, 511]  # 5,400 USD and 4,599 of the 4,600 that were left
    assert world.world.n_claims == 2
    assert costs(world)["liquidations_delayed_count"] == 2
    world.run(2)
    assert sorted(world.events["lots"].tolist()[2:]) == [89, 600]
    world.check_books()


def test_the_room_of_a_window_grows_with_its_rounding_to_ticks() -> None:
    throttle = NotionalThrottle(notional_usd=1_000.0, window_seconds=1.0)
    world = engine(venue=plain_venue(breakers=Breakers(throttle=throttle)), tick_seconds=5.0)
    assert int(world.world.breakers.rules["throttle_room"][0]) == 5_000 * USD  # type: ignore[union-attr]


def test_short_positions_never_overdraw_the_throttle() -> None:
    """Bought back at up to 10 % above the mark of 11,000: the room is counted at the worst price."""
    throttle = NotionalThrottle(notional_usd=5_000.0, window_seconds=100.0)
    world = engine(
        deposits=(1_300.0,),
        prices=falls_to(11_000.0),
        venue=plain_venue(breakers=Breakers(throttle=throttle), slippage_limit_bps=1_000.0),
    )
    world.open(world.rows[0], -1_000, 10_000)
    world.asks((12_000, 5_000))
    world.run(2)
    assert world.events["value"].sum() <= 5_000 * USD
    assert world.events["lots"].tolist() == [5_000 * USD // (12_100 * TICK_LOT)]


# --- reduce-only ----------------------------------------------------------------------------------


def reduce_only_script() -> dict[int, list[dict[str, int]]]:
    """At tick 2 Alice, long 20, buys 10 and sells 30; Bob, flat, posts a bid; the crowd and Bob buy."""
    return {
        2: [
            order(op=IOC, price=10_000),
            order(op=IOC, side=SELL, price=8_000, lots=30, book=0),
            order(price=8_100, account=BOB, flags=POST_ONLY),
            order(price=8_050, account=CROWD_ACCOUNT),
            order(price=8_060, account=BOB),
        ]
    }


def test_reduce_only_lets_positions_shrink_makers_quote_and_nobody_else_open() -> None:
    rule = MoveReduceOnly(move_bps=500.0, window_seconds=10.0, lasts_seconds=5.0)
    path = [10_000.0, 9_400.0]
    world = world_with(Breakers(reduce_only=rule), prices=path, script=reduce_only_script())
    world.open(ALICE, 20, 10_000)
    world.bids((8_000, 100))
    world.run(3)
    assert world.lots(ALICE) == 0  # 20 of the 30 it wanted to sell
    assert costs(world)["orders_refused_by_reduce_only_count"] == 2  # Alice's purchase and Bob's bid
    handles = world.world.inboxes[0].handles[:5] != 0
    assert handles.tolist() == [False, False, True, True, False]
    world.check_books()


def test_reduce_only_lasts_as_long_as_it_says_after_the_last_move() -> None:
    """The fall at tick 1 stays in the window until tick 4; 5 s after that everybody may open again."""
    rule = MoveReduceOnly(move_bps=500.0, window_seconds=3.0, lasts_seconds=5.0)
    script = {tick: [order(price=8_000)] for tick in range(12)}
    world = world_with(Breakers(reduce_only=rule), prices=[10_000.0, 9_400.0], script=script)
    refused = []
    for _ in range(12):
        before = costs(world)["orders_refused_by_reduce_only_count"]
        world.run()
        refused.append(costs(world)["orders_refused_by_reduce_only_count"] - before)
    assert refused == [0] + [1] * 7 + [0] * 4
    assert costs(world)["reduce_only_seconds"] == 7.0


def test_reduce_only_leaves_spot_alone() -> None:
    rule = MoveReduceOnly(move_bps=500.0, window_seconds=10.0, lasts_seconds=5.0)
    script = {2: [order(book=1, price=8_000)]}
    world = world_with(Breakers(reduce_only=rule), prices=[10_000.0, 9_400.0], script=script)
    world.run(3)
    assert int(world.world.instruments["best_bid"][1]) == 8_000


def test_a_low_fund_puts_the_venue_into_reduce_only() -> None:
    rule = FundReduceOnly(fund_share=0.5, lasts_seconds=2.0)
    script = {tick: [order(price=8_000)] for tick in range(6)}
    venue = {"waterfall": Waterfall(insurance_fund_usd=1_000.0)}
    world = world_with(Breakers(reduce_only=rule), script=script, venue=venue)
    world.run()
    world.world.ledger.cash[INSURANCE_FUND, 0] -= 501 * USD
    world.world.ledger.cash[OUTSIDE, 0] += 501 * USD
    world.run(2)
    world.world.ledger.cash[INSURANCE_FUND, 0] += 501 * USD
    world.world.ledger.cash[OUTSIDE, 0] -= 501 * USD
    world.run(3)
    assert costs(world)["orders_refused_by_reduce_only_count"] == 3  # ticks 1 and 2, and one more of two seconds
    assert costs(world)["reduce_only_seconds"] == 3.0


# --- all of them ----------------------------------------------------------------------------------


def test_nonsense_is_left_to_the_gate() -> None:
    breakers = Breakers(band=RejectBand(width_bps=1.0), reduce_only=MoveReduceOnly(move_bps=1.0))
    script = {0: [order(book=9), order(account=99), order(lots=0), order(account=-1)]}
    world = world_with(breakers, script=script)
    world.run()
    assert not world.world.inboxes[0].handles[:4].any()
    assert costs(world)["orders_refused_by_band_count"] == 0


def test_breakers_that_never_trip_change_nothing() -> None:
    """Thresholds out of reach: the same money, positions, orders and events as without breakers."""
    ends = []
    for breakers in (
        Breakers(),
        Breakers(
            halt=MoveHalt(move_bps=9_000.0),
            band=RejectBand(width_bps=9_000.0),
            throttle=NotionalThrottle(notional_usd=1e12),
            reduce_only=MoveReduceOnly(move_bps=9_000.0),
        ),
    ):
        script = {tick: [order(price=9_000 + tick, account=BOB)] for tick in range(5)}
        venue = plain_venue(breakers=breakers, sizing=CloseFactor(share=0.5), round_seconds=0.25)
        world = engine(deposits=(1_200.0, 1e6), prices=falls_to(9_000.0), venue=venue, script=script)
        world.open(world.rows[0], 1_000, 10_000)
        world.bids((8_990, 5_000))
        world.run(6)
        state = world.world
        ends.append((state.ledger.cash.copy(), state.ledger.positions.copy(), world.events.copy()))
    for one, other in zip(*ends, strict=True):
        np.testing.assert_array_equal(one, other)
