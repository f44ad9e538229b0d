"""Liquidation by hand: trigger, sizing, ordering, limits, fees, collateral, the auction, and who moved the mark.

One lot (0.001 BTC) is worth 1,000 USDC quanta per tick of 1 USD; maintenance is 5 % of notional. Marks are the index,
so a world is shocked by its price path: 10,000 at tick 0, then what the test says.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from market.kernels.marks import set_marks
from market.kernels.records import (
    BUY,
    FORCED_POSITION,
    INSURANCE_FUND,
    LIQUIDATABLE,
    MARKET,
    OUTSIDE,
    SELL,
)
from market.venue import CloseFactor, LastMark, MedianMark, MidMark, ToTarget, Waterfall
from tests.engine_worlds import (
    KEEPER_CAPITAL,
    PERP,
    TICK_LOT,
    USD,
    Engine,
    changed,
    engine,
    falls_to,
    plain_venue,
)


def long_world(deposit: float, price: float, *, lots: int = 1_000, venue: Any = None, **kwargs: Any) -> Engine:
    """One customer long `lots` from 10,000; the price falls to `price` at tick 1."""
    world = engine(deposits=(deposit,), prices=falls_to(price), venue=venue, **kwargs)
    world.open(world.rows[0], lots, 10_000)
    return world


# --- trigger --------------------------------------------------------------------------------------


@pytest.mark.parametrize("short_of", [0, 1])
def test_trigger_is_strict_to_the_quantum(short_of: int) -> None:
    """1 BTC from 10,000 at 9,000: loss 1,000, maintenance 450. 1,450 USD are enough, one quantum less is not."""
    world = long_world(1_450.0, 9_000.0)
    (account,) = world.rows
    world.world.ledger.deposit(account, 0, -short_of)
    world.bids((9_000, 5_000))
    world.run(2)
    assert world.world.n_breaches == short_of
    assert len(world.events) == short_of
    assert world.lots(account) == (1_000 if short_of == 0 else 0)
    world.check_books()


def test_breach_log_keeps_what_the_account_held() -> None:
    world = long_world(1_200.0, 9_000.0)
    (account,) = world.rows
    world.run(2)
    breach = world.world.breaches[0]
    assert (int(breach["tick"]), int(breach["round"]), int(breach["account"])) == (1, 0, account)
    assert int(breach["excess"]) == (1_200 - 1_000 - 450) * USD
    assert (int(breach["maintenance"]), int(breach["net_equity"])) == (450 * USD, 200 * USD)
    lots, cash = world.world.history.breach_held[0, [0, 3]], world.world.history.breach_held[0, 6:8]
    assert lots.tolist() == [1_000, 0]
    assert cash.tolist() == [1_200 * USD, 0]


def test_claim_is_dropped_when_the_account_recovers_and_opens_again() -> None:
    path = (10_000.0, 9_000.0, 9_000.0, 10_000.0, 9_000.0)
    world = engine(deposits=(1_200.0,), prices=lambda tick: (1.0, path[min(tick, 4)]))
    (account,) = world.rows
    world.open(account, 1_000, 10_000)
    claims = []
    for _ in range(5):
        world.run()
        claims.append((world.world.n_claims, int(world.world.ledger.accounts["claim"][account])))
    assert claims == [(0, 0), (1, 1), (1, 1), (0, 0), (1, 1)]
    assert world.world.breaches["tick"][: world.world.n_breaches].tolist() == [1, 4]


def test_system_accounts_are_never_claimed_even_in_a_full_assessment() -> None:
    world = long_world(5_000.0, 9_000.0)
    world.world.watch.full_assessment = True
    world.run(2)
    assert world.world.n_claims == 0


def test_disabled_liquidation_opens_claims_and_closes_nothing() -> None:
    world = long_world(1_200.0, 9_000.0, venue=plain_venue(enabled=False))
    world.bids((9_000, 5_000))
    world.run(3)
    assert (world.world.n_claims, world.world.n_breaches, world.world.n_events) == (1, 1, 0)


# --- sizing ---------------------------------------------------------------------------------------


def test_full_close() -> None:
    world = long_world(1_200.0, 9_000.0)
    (account,) = world.rows
    world.bids((9_000, 400), (8_990, 700))
    world.asks((10_000, 1), account=account)
    world.run(2)
    (event,) = world.events
    value = (400 * 9_000 + 600 * 8_990) * TICK_LOT
    assert (int(event["lots"]), int(event["value"]), int(event["side"])) == (1_000, value, SELL)
    assert (int(event["touch_before"]), int(event["touch_after"])) == (9_000, 8_990)
    assert (int(event["mark"]), int(event["kind"])) == (9_000, FORCED_POSITION)
    assert world.cash(account) == 1_200 * USD - 10_000_000 * TICK_LOT + value
    assert world.world.ledger.accounts["first_order"][account] == -1  # its orders were cancelled
    world.run()
    assert world.world.n_claims == 0


def test_close_factor_halves_the_position_in_every_round() -> None:
    venue = plain_venue(sizing=CloseFactor(share=0.5), round_seconds=0.25)
    world = long_world(1_010.0, 9_000.0, venue=venue)
    world.bids((9_000, 5_000))
    world.run(2)
    # equity 10; maintenance 450, 225, 112.5, 56.25: 1,000 -> 500 -> 250 -> 125 -> 62 (63 of 125, rounded up)
    assert world.events["lots"].tolist() == [500, 250, 125, 63]
    assert world.events["round"].tolist() == [0, 1, 2, 3]
    assert world.world.n_claims == 1
    world.run()
    # 62 lots need 27.9, 31 need 13.95, 15 need 6.75: cured
    assert world.events["lots"].tolist() == [500, 250, 125, 63, 31, 16]
    assert world.lots(world.rows[0]) == 15
    world.run()
    assert world.world.n_claims == 0


def test_a_remainder_below_dust_is_closed_too() -> None:
    """500 lots would leave 4,500 USD."""
    for dust, left in ((4_500.0, 500), (4_500.01, 0)):
        world = long_world(1_200.0, 9_000.0, venue=plain_venue(sizing=CloseFactor(share=0.5), dust_usd=dust))
        world.bids((9_000, 5_000))
        world.run(2)
        assert world.lots(world.rows[0]) == left


def test_back_to_target_closes_just_enough() -> None:
    """Excess 330 - 450 = -120 at 9,000. Closing share s: 330 - 450 (1 - s) = 20 % of 450 (1 - s), so 450 x 1.2 (1 - s)
    = 330 and s = 7/18: 388.9 of 1,000 lots."""
    world = long_world(1_330.0, 9_000.0, venue=plain_venue(sizing=ToTarget(buffer=0.2)))
    world.bids((9_000, 5_000))
    world.run(2)
    assert world.lots(world.rows[0]) == 1_000 - 389
    margin, _, maintenance, _ = world.assess(world.rows[0])
    assert margin - maintenance >= maintenance // 5
    assert margin - maintenance - maintenance // 5 < 2 * 9_000 * TICK_LOT  # one lot less would not do


def test_back_to_target_counts_fees_and_slippage() -> None:
    """The bids lie 1 % below the mark, the liquidation fee is 1 %, the trading fee 0.1 %: still at the target after."""
    venue = plain_venue(sizing=ToTarget(buffer=0.1), fee_bps=100.0)
    perp = changed(PERP, taker_fee_bps=10.0)
    world = long_world(1_330.0, 9_000.0, venue=venue, instruments={"BTC-PERP": perp})
    world.bids((8_910, 5_000))
    world.run(2)
    margin, _, maintenance, _ = world.assess(world.rows[0])
    assert 0 < world.lots(world.rows[0]) < 1_000
    assert 0 <= margin - maintenance - maintenance // 10 < 1 * USD


# --- ordering -------------------------------------------------------------------------------------


def two_books(ordering: str, **kwargs: Any) -> Engine:
    """Long 600 lots of A and 400 of B from 10,000; both fall to 9,000. A's bids are thin: 100 lots at 9,000, the rest
    at 8,800; B's are deep at 8,990."""
    venue = plain_venue(sizing=CloseFactor(share=0.5), ordering=ordering)
    fields: dict[str, Any] = {"instruments": {"A": PERP, "B": PERP}} | kwargs
    world = engine(deposits=(1_200.0,), prices=falls_to(9_000.0), venue=venue, **fields)
    (account,) = world.rows
    world.open(account, 600, 10_000)
    world.open(account, 400, 10_000, book=1)
    world.bids((9_000, 100), (8_800, 5_000))
    world.bids((8_990, 5_000), book=1)
    return world


@pytest.mark.parametrize(
    ("ordering", "closed"),
    [
        ("pro_rata", [(0, 300), (1, 200)]),
        ("largest_first", [(0, 500)]),  # 4,500 of 9,000 USD of notional
        ("most_liquid_first", [(1, 400), (0, 100)]),
        ("most_relief_first", [(1, 400), (0, 100)]),
    ],
)
def test_orderings_under_a_close_factor(ordering: str, closed: list[tuple[int, int]]) -> None:
    world = two_books(ordering)
    world.run(2)
    assert [(int(event["book"]), int(event["lots"])) for event in world.events] == closed


def test_most_relief_prefers_the_position_that_frees_more_margin_per_slippage() -> None:
    """A frees twice the margin of B; its slippage, 180 bps on average against 11, outweighs that, 15 bps do not."""
    tiers = (changed(PERP.tiers[0], maintenance=0.1),)
    instruments = {"A": changed(PERP, tiers=tiers), "B": PERP}
    world = two_books("most_relief_first", instruments=instruments)
    world.run(2)
    assert world.events["book"].tolist()[0] == 1
    world = two_books("most_relief_first", instruments=instruments)
    world.bids((8_985, 600))
    world.run(2)
    assert world.events["book"].tolist()[0] == 0


def test_ties_close_in_the_order_of_the_instruments() -> None:
    world = two_books("largest_first")
    (account,) = world.rows
    world.open(account, 200, 10_000, book=1)
    world.run(2)
    assert world.events["book"].tolist() == [0]


# --- slippage limit and retry ---------------------------------------------------------------------


def test_slippage_limit_holds_and_the_rest_waits_for_the_next_tick() -> None:
    """2 % from the mark of 9,000: 8,820. A tick has four rounds; nothing more is tried after an empty call."""
    venue = plain_venue(slippage_limit_bps=200.0, round_seconds=0.25)
    world = long_world(1_200.0, 9_000.0, venue=venue)
    world.bids((9_000, 300), (8_820, 200), (8_819, 5_000))
    world.run(2)
    assert world.events["lots"].tolist() == [500]
    claim = world.world.claims[0]
    assert int(claim["next_try"]) == 2 * 4  # the first round of tick 2
    world.bids((8_900, 100))
    world.run()
    assert world.events["lots"].tolist() == [500, 100]
    assert world.events["tick"].tolist() == [1, 2]
    assert (world.events["claim_tick"] == 1).all()


def test_a_mark_of_one_tick_can_still_be_closed() -> None:
    world = long_world(9_999.02, 0.0)  # 0.02 USD are left, maintenance is 5 % of 1 USD
    world.bids((1, 5_000))
    world.run(2)
    assert int(world.world.instruments["mark"][0]) == 1
    assert world.lots(world.rows[0]) == 0
    assert world.cash(world.rows[0]) == 20_000
    world.check_books()


def test_a_short_squeezed_to_the_top_of_the_book_is_closed_there() -> None:
    world = engine(deposits=(21_000.0,), prices=falls_to(50_000.0))
    (account,) = world.rows
    world.open(account, -1_000, 10_000)
    top = int(world.world.instruments["n_levels"][0]) - 2
    world.asks((top, 5_000))
    world.run(2)
    assert int(world.world.instruments["mark"][0]) == top
    assert world.events["value"].tolist() == [1_000 * top * TICK_LOT]
    world.check_books()


# --- fees -----------------------------------------------------------------------------------------


def test_fee_is_split_between_keeper_and_fund() -> None:
    """1 % of 9,000 USD is 90: 40 % to the keeper."""
    world = long_world(1_200.0, 9_000.0, venue=plain_venue(fee_bps=100.0, keeper_share=0.4))
    world.bids((9_000, 5_000))
    world.run(2)
    assert world.cash(world.rows[0]) == (1_200 - 1_000 - 90) * USD
    assert world.cash(world.keeper) == KEEPER_CAPITAL + 36 * USD
    assert world.cash(INSURANCE_FUND) == 54 * USD
    world.check_books()


def test_fee_stops_at_what_the_account_is_worth_unless_it_does_not() -> None:
    """30 USD are left of 90."""
    world = long_world(1_030.0, 9_000.0, venue=plain_venue(fee_bps=100.0, keeper_share=0.4))
    world.bids((9_000, 5_000))
    world.run(2)
    assert world.cash(world.rows[0]) == 0
    assert (world.cash(world.keeper), world.cash(INSURANCE_FUND)) == (KEEPER_CAPITAL + 12 * USD, 18 * USD)
    assert len(world.losses) == 0
    venue = plain_venue(fee_bps=100.0, keeper_share=0.4, fee_cap="none")
    world = long_world(1_030.0, 9_000.0, venue=venue)
    world.bids((9_000, 5_000))
    world.run(2)
    assert world.cash(world.keeper) == KEEPER_CAPITAL + 36 * USD
    assert world.losses["bad_debt"].tolist() == [60 * USD]  # of which the fund, paid 54, bears 54
    assert (world.losses["fund"].tolist(), world.losses["uncovered"].tolist()) == ([54 * USD], [6 * USD])
    world.check_books()


def test_keeper_floor_is_paid_by_the_fund_as_far_as_it_goes() -> None:
    for fund, received in ((100.0, 5.0), (3.0, 3.0), (0.0, 0.0)):
        venue = plain_venue(keeper_floor_usd=5.0, waterfall=Waterfall(insurance_fund_usd=fund))
        world = long_world(1_200.0, 9_000.0, venue=venue)
        world.bids((9_000, 5_000))
        world.run(2)
        assert world.cash(world.keeper) == KEEPER_CAPITAL + round(received * USD)
        assert world.cash(INSURANCE_FUND) == round((fund - received) * USD)
        world.check_books()


def test_floor_fills_up_a_small_fee() -> None:
    """1 bp of 9,000 USD is 0.9; the keeper's 40 % are 0.36, the floor 2."""
    venue = plain_venue(fee_bps=1.0, keeper_share=0.4, keeper_floor_usd=2.0)
    venue = changed(venue, waterfall=Waterfall(insurance_fund_usd=10.0))
    world = long_world(1_200.0, 9_000.0, venue=venue)
    world.bids((9_000, 5_000))
    world.run(2)
    assert world.cash(world.keeper) == KEEPER_CAPITAL + 2 * USD
    assert world.cash(INSURANCE_FUND) == 10 * USD + 540_000 - 1_640_000


def test_bid_and_cost_are_paid_to_the_outside_by_a_call_that_closes_something() -> None:
    world = long_world(1_200.0, 9_000.0, bid_usd=3.0, cost_usd=0.5)
    world.run(2)
    assert world.cash(world.keeper) == KEEPER_CAPITAL  # an empty book: nothing closed, nothing paid
    world.bids((9_000, 5_000))
    world.run()
    assert world.cash(world.keeper) == KEEPER_CAPITAL - 3_500_000
    world.check_books()


def test_a_keeper_that_pays_itself_below_zero_is_noticed_by_the_filter() -> None:
    """The keeper may be liquidated like anybody; its bids take it below zero, and its claim opens."""
    for full in (False, True):
        world = long_world(1_200.0, 9_000.0, bid_usd=7.0)
        world.world.watch.full_assessment = full
        world.world.ledger.accounts["flags"][world.keeper] = LIQUIDATABLE
        world.world.ledger.deposit(world.keeper, 0, -KEEPER_CAPITAL + 5 * USD)
        world.bids((9_000, 5_000))
        world.run(3)
        assert world.world.breaches["account"][: world.world.n_breaches].tolist() == [world.rows[0], world.keeper]


# --- the auction ----------------------------------------------------------------------------------


def crowd_of_longs(n: int, **rules: Any) -> Engine:
    """n customers long 100 lots from 10,000 with 120 USD each; the price falls to 9,000 at tick 1."""
    world = engine(deposits=(120.0,) * n, prices=falls_to(9_000.0), venue=plain_venue(**rules))
    for account in world.rows:
        world.open(account, 100, 10_000)
    world.bids((9_000, 100_000))
    return world


def test_a_round_holds_so_many_calls_and_the_rest_wait() -> None:
    world = crowd_of_longs(7, calls_per_round=2, round_seconds=0.5)
    world.run(2)
    assert world.events["round"].tolist() == [0, 0, 1, 1]
    assert world.events["account"].tolist() == world.rows[:4]  # equal bids: the older claim, then the lower account
    world.run()
    assert world.events["tick"].tolist() == [1] * 4 + [2] * 3


def test_rounds_longer_than_a_tick_come_when_their_time_is_over() -> None:
    """Rounds of 2 s end with the ticks 1, 3 and 5 of 1 s."""
    world = crowd_of_longs(3, calls_per_round=1, round_seconds=2.0)
    world.run(7)
    assert world.events["tick"].tolist() == [1, 3, 5]
    assert world.events["round"].tolist() == [0, 0, 0]


def test_an_account_cured_by_an_earlier_call_of_the_block_is_left_alone() -> None:
    """B's forced sale fills the bid of A, who is short there and long elsewhere: 45 USD less maintenance cure A."""
    world = engine(deposits=(120.0, 234.999999), prices=falls_to(9_000.0), instruments={"A": PERP, "B": PERP})
    broken, cured = world.rows
    world.open(broken, 100, 10_000)
    world.open(cured, -100, 10_000)
    world.open(cured, 200, 10_000, book=1)  # at 9,000: 134.999999 USD for a maintenance of 135
    world.rest(BUY, 8_999, 100, account=cured)
    world.bids((9_000, 5_000), book=1)
    world.run(2)
    assert world.world.n_breaches == 2
    assert world.events["account"].tolist() == [broken]
    assert (world.lots(cured), world.lots(cured, 1)) == (0, 200)
    world.run()
    assert world.world.n_claims == 0
    world.check_books()


def test_fills_of_the_trading_phase_survive_liquidation() -> None:
    """Forced orders have working space of their own; observers still find the tick's voluntary fills."""
    script = {1: [{"op": MARKET, "side": BUY, "lots": 3, "account": OUTSIDE, "tag": 77}]}
    world = engine(deposits=(1_200.0, 50_000.0), prices=falls_to(9_000.0), script=script)
    broken, seller = world.rows
    world.open(broken, 1_000, 10_000)
    world.bids((9_000, 5_000), account=seller)
    world.asks((9_010, 10), account=seller)
    world.run(2)
    assert len(world.events) == 1
    (fill,) = world.world.fills[: world.world.n_fills]
    assert (int(fill["taker_tag"]), int(fill["lots"]), int(fill["price"])) == (77, 3, 9_010)


# --- who moved the mark ---------------------------------------------------------------------------


@pytest.mark.parametrize("mark", [LastMark(), MidMark(), MedianMark(halflife_seconds=1e9)])
def test_moves_of_forced_orders_add_up_to_the_move_of_the_mark(mark: Any) -> None:
    """Both sides are forced in one block; sales move the mark down, purchases up."""
    world = engine(deposits=(110.0, 110.0, 120.0), venue=plain_venue(mark=mark))
    first, second, third = world.rows
    world.open(first, 100, 10_900)
    world.open(second, 100, 10_900)
    world.open(third, -50, 7_900)
    for level in range(60):
        world.rest(BUY, 9_990 - 5 * level, 10)
        world.rest(SELL, 10_010 + 7 * level, 10)
    instrument = world.world.instruments[0]
    instrument["last"], instrument["basis"] = 10_000, -900.0
    set_marks(world.world.assets, world.world.instruments, mark.code, 0.0, 0.1)
    before = int(instrument["mark"])
    world.run()
    assert world.events["account"].tolist() == world.rows
    moves = world.events["mark_move"]
    assert moves.sum() == int(instrument["mark"]) - before
    assert (moves * np.where(world.events["side"] == SELL, -1.0, 1.0) >= 0).all()
    assert (moves != 0).sum() >= 2


def test_voluntary_trades_before_the_block_are_not_charged_to_forced_orders() -> None:
    script = {1: [{"op": MARKET, "side": SELL, "lots": 40, "account": OUTSIDE}]}
    path = (10_000.0, 9_999.0)
    world = engine(
        deposits=(1_200.0,), prices=lambda tick: (1.0, path[min(tick, 1)]), venue=plain_venue(mark=LastMark()),
        script=script,
    )  # fmt: skip
    (account,) = world.rows
    world.open(account, 20, 70_000)
    for level in range(20):
        world.rest(BUY, 9_990 - 10 * level, 10, account=OUTSIDE + 1)
    world.world.instruments["last"][0] = 10_000
    world.cast.cohorts[0].script = {0: script[1]}  # type: ignore[attr-defined]
    world.run()
    # 40 lots voluntarily sold, last at 9,960; then 20 forced at 9,950 and 9,940
    assert world.events["value"].tolist() == [(9_950 + 9_940) * 10 * TICK_LOT]
    assert world.events["mark_move"].tolist() == [-20.0]
    assert int(world.world.instruments["mark"][0]) == 9_940


def test_index_marks_are_moved_by_nobody() -> None:
    world = long_world(1_200.0, 9_000.0)
    world.bids((9_000, 400), (8_900, 600))
    world.run(2)
    assert world.events["mark_move"].tolist() == [0.0]
    assert int(world.world.instruments["forced_flow"][0]) == -1_000
    assert int(world.world.instruments["net_flow"][0]) == -1_000


def test_forced_flow_moves_the_reference_for_good() -> None:
    """9,000 USD sold at 1e-12 per quantum: the log of the reference falls by 0.009."""
    world = long_world(1_200.0, 9_000.0, impact_per_quanta=1e-12)
    world.bids((9_000, 5_000))
    world.run(2)
    assert world.world.impact[1] == pytest.approx(-0.009)
    assert world.world.impact[0] == 0.0
