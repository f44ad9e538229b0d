"""Auctions of slices of a whole account, by hand: what is asked, how much is taken, who gets what.

One lot (0.001 BTC) is worth 1,000 USDC quanta per tick of 1 USD; maintenance is 5 % of notional, rounds last a second.
At 9,000 the customer's 1,000 lots have lost 1,000 of its deposit and need 450.
"""

from __future__ import annotations

import pytest

from market.kernels.records import FORCED_COLLATERAL, FORCED_POSITION, INSURANCE_FUND
from market.venue import AuctionFraction, DutchPrice, Liquidation, MarkPrice, Waterfall
from tests.engine_worlds import (
    BTC,
    KEEPER_CAPITAL,
    SPOT_BOOK,
    TICK_LOT,
    USD,
    USDC,
    Engine,
    changed,
    engine,
    falls_to,
    plain_venue,
)

HALVES = DutchPrice(curve="two_speed", start=1.0, cut=0.5, span_seconds=10.0, slow_seconds=100.0)
"""Asks all of the value at first, half of it after ten seconds."""


def auctioned(deposit: float, *, fund: float = 0.0, sizing: AuctionFraction | None = None) -> Engine:
    venue = plain_venue(
        sizing=sizing or AuctionFraction(buffer=0.0),
        price=HALVES,
        waterfall=Waterfall(insurance_fund_usd=fund, adl="none", socialised_cap=0.0),
    )
    world = engine(deposits=(deposit,), prices=falls_to(9_000.0), venue=venue)
    world.open(world.rows[0], 1_000, 10_000)
    return world


def test_a_slice_is_sold_when_the_discount_pays_for_the_book() -> None:
    """Equity 200, 250 short. At 95 % of value 250 / (250 + 190) could go: 5.68 of gain for 5.69 of slippage, and so on
    for halves. At 90 %: f = 250 / 430 = 58.14 %, 582 lots; the keeper gets f x 200 x 10 % less 582 x 0.01."""
    world = auctioned(1_200.0)
    world.bids((8_990, 5_000))
    world.run(3)
    assert len(world.events) == 0
    world.run(1)
    ((tick, lots),) = [(int(event["tick"]), int(event["lots"])) for event in world.events]
    assert (tick, lots) == (3, 582)
    share = 581_396e-6  # whole ppm, rounded up
    kept = 200 * USD - int(share * 20 * USD)
    assert world.assess(world.rows[0])[1] == pytest.approx(kept, abs=1)
    assert world.cash(world.keeper) - KEEPER_CAPITAL == pytest.approx(share * 20 * USD - 582 * 10 * TICK_LOT, abs=2)
    assert world.assess(world.rows[0])[0] >= world.assess(world.rows[0])[2]
    world.check_books()
    world.run(1)
    assert world.world.n_claims == 0


def test_no_more_is_taken_than_the_book_holds_and_what_was_paid_in_is_not_sold_again() -> None:
    """100 lots at 9,000: a tenth of the account, 200 x 10 % x 10 % of gain a call; the next one sells a share of what
    is left without the 19 that the first one paid in."""
    world = auctioned(1_200.0)
    world.bids((9_000, 100))
    world.run(2)  # asks for all of the value: nothing to gain
    assert len(world.events) == 0
    world.run(1)
    claim = world.world.claims[0]
    assert int(world.events["lots"][0]) == 100
    assert int(claim["reserved"]) == 200 * USD * 95 // 1_000
    assert world.cash(world.keeper) - KEEPER_CAPITAL == 200 * USD * 5 // 1_000
    world.bids((9_000, 90))
    world.run(1)
    # value 199, of which 19 paid in; a tenth of 180 at 90 %
    assert int(world.events["lots"][1]) == 90
    assert int(claim["reserved"]) == 19 * USD + 18 * USD * 90 // 100
    assert world.cash(world.keeper) - KEEPER_CAPITAL == 1 * USD + 18 * USD // 10
    world.check_books()


def test_the_buffer_is_what_an_auction_aims_at() -> None:
    """50 % of what the margin asks, 225, on top of 250: at 95 % f = 475 / (475 + 190), at a bid of the mark itself."""
    world = auctioned(1_200.0, sizing=AuctionFraction(buffer=0.5))
    world.bids((9_000, 5_000))
    world.run(3)
    assert [int(lots) for lots in world.events["lots"]] == [715]  # 71.43 %, rounded up
    margin, _, maintenance, _ = world.assess(world.rows[0])
    assert margin - maintenance == pytest.approx(0.5 * maintenance, abs=0.68 * USD)  # a lot frees 67.5 cents


def test_the_fund_gets_its_fee_with_the_first_slice() -> None:
    """10 % of what would go without a discount: 250 / 450 x 200 x 10 %."""
    world = auctioned(1_200.0, sizing=AuctionFraction(buffer=0.0, fee_share=0.1))
    world.bids((9_000, 5_000))
    world.run(3)
    assert world.cash(INSURANCE_FUND) == int(250 / 450 * 20 * USD)
    world.check_books()


def test_small_accounts_go_whole() -> None:
    world = auctioned(1_200.0, sizing=AuctionFraction(buffer=0.0, whole_below_usd=201.0))
    world.bids((9_000, 5_000))
    world.run(3)
    assert world.lots(world.rows[0]) == 0
    assert world.cash(world.rows[0]) == 190 * USD
    world.check_books()


def test_who_takes_a_bankrupt_account_is_paid_more_with_time() -> None:
    """Equity -100, maintenance 450: from 100 up to 550 in ten seconds, 45 a second. The books take 60 of slippage."""
    world = auctioned(900.0, fund=1_000.0, sizing=AuctionFraction(insolvent_seconds=10.0))
    world.bids((8_940, 5_000))
    world.run(3)
    assert len(world.events) == 0  # 45 is less than 60, and an eighth is no better
    world.run(1)
    assert world.lots(world.rows[0]) == 0
    assert world.cash(world.keeper) - KEEPER_CAPITAL == 90 * USD - 60 * USD
    assert world.losses["fund"].tolist() == [190 * USD]
    assert (world.cash(world.rows[0]), world.cash(INSURANCE_FUND)) == (0, 810 * USD)
    world.check_books()


def test_coins_go_in_the_same_proportion() -> None:
    """1.2 BTC against a debt of 9,000; at 9,000 a haircut of 20 % leaves 8,640: 360 short of value 1,800. At 95 % f is
    360 / (360 + 1,710): 208 lots of 1,200, the part of a lot that is left over is kept."""
    venue = plain_venue(sizing=AuctionFraction(buffer=0.0), price=HALVES)
    assets = {"USDC": USDC, "BTC": changed(BTC, haircut=0.2)}
    world = engine(deposits=(-9_000.0,), prices=falls_to(9_000.0), assets=assets, venue=venue)
    world.world.ledger.deposit(world.rows[0], 1, 120_000_000)
    world.bids((9_000, 5_000), book=SPOT_BOOK)
    world.run(3)
    (event,) = world.events
    assert (int(event["kind"]), int(event["lots"])) == (FORCED_COLLATERAL, 208)
    share = 208 / 1_200
    assert world.cash(world.keeper) - KEEPER_CAPITAL == pytest.approx(share * 1_800 * 0.05 * USD, rel=1e-3)
    assert world.assess(world.rows[0])[1] == pytest.approx((1_800 - share * 90) * USD, rel=1e-6)
    world.check_books()


def test_positions_and_coins_together() -> None:
    venue = plain_venue(sizing=AuctionFraction(buffer=0.0), price=HALVES)
    world = engine(deposits=(200.0,), prices=falls_to(9_000.0), venue=venue)
    world.world.ledger.deposit(world.rows[0], 1, 11_000_000)  # 0.11 BTC, no haircut: 990
    world.open(world.rows[0], 1_000, 10_000)
    for book in (0, SPOT_BOOK):
        world.bids((9_000, 5_000), book=book)
    world.run(3)
    assert world.events["kind"].tolist() == [FORCED_POSITION, FORCED_COLLATERAL]
    position, coin = world.events["lots"].tolist()
    assert position * 0.11 - 2 < coin <= position * 0.11  # parts of a lot stay
    margin, _, maintenance, _ = world.assess(world.rows[0])
    assert margin >= maintenance
    world.check_books()


def test_it_needs_the_curve_of_an_auction() -> None:
    with pytest.raises(ValueError, match="dutch"):
        Liquidation(sizing=AuctionFraction(), price=MarkPrice())
