"""Reserves that absorb accounts, by hand: what they pay, what they sell and to whom, who bears what is missing.

The customer owns 0.065 BTC, at 9,000 worth 585; a haircut of 20 % leaves 468. The reserves pay 90 %, 526.50, and sell
at 95 % of the oracle price, 8,550.
"""

from __future__ import annotations

from typing import Any

import pytest

from market.kernels.records import BUY, FORCED_ABSORPTION, FORCED_POSITION, FORCED_RESALE, INSURANCE_FUND
from market.venue import AbsorbPrice, Waterfall
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

RULE = AbsorbPrice(factors={"default": 0.9}, passed_on=0.5)


def borrower(debt: float, *, rule: AbsorbPrice = RULE, fund: float = 100.0, cost_usd: float = 0.0) -> Engine:
    """At 10,000, the price until tick 1, the coins count for 520."""
    waterfall = Waterfall(insurance_fund_usd=fund, adl="none", socialised_cap=0.0)
    venue = plain_venue(price=rule, fee_cap="none", waterfall=waterfall)
    assets = {"USDC": USDC, "BTC": changed(BTC, haircut=0.2)}
    world = engine(deposits=(-debt,), prices=falls_to(9_000.0), assets=assets, venue=venue, cost_usd=cost_usd)
    world.world.ledger.deposit(world.rows[0], 1, 6_500_000)
    return world


def kinds(world: Engine) -> list[tuple[int, int, int]]:
    return [(int(event["tick"]), int(event["kind"]), int(event["lots"])) for event in world.events]


def test_reserves_pay_the_debt_and_hold_the_coins() -> None:
    world = borrower(500.0)
    world.run(3)
    assert kinds(world) == [(1, FORCED_ABSORPTION, 65)]
    event = world.events[0]
    assert (int(event["account"]), int(event["keeper"]), int(event["value"])) == (
        world.rows[0], INSURANCE_FUND, 526_500_000,
    )  # fmt: skip
    assert (world.cash(world.rows[0]), world.cash(world.rows[0], 1)) == (26_500_000, 0)
    assert (world.cash(INSURANCE_FUND), world.cash(INSURANCE_FUND, 1)) == (100 * USD - 526_500_000, 6_500_000)
    assert (world.world.n_claims, len(world.losses)) == (0, 0)
    world.check_books()


def test_keepers_buy_in_the_store_what_the_book_pays_for() -> None:
    """30 lots at 8,600 bring 50 each beyond 8,550, those at 8,549 none; 35 lots later, at 8,700, 150 each."""
    world = borrower(500.0)
    world.bids((8_600, 30), (8_549, 100), book=SPOT_BOOK)
    world.run(2)
    assert kinds(world) == [(1, FORCED_ABSORPTION, 65), (1, FORCED_RESALE, 30)]
    assert world.cash(world.keeper) - KEEPER_CAPITAL == 30 * 50 * TICK_LOT
    assert world.cash(INSURANCE_FUND) == 100 * USD - 526_500_000 + 30 * 8_550 * TICK_LOT
    world.run(2)
    world.bids((8_700, 100), book=SPOT_BOOK)
    world.run(1)
    assert kinds(world)[2:] == [(4, FORCED_RESALE, 35)]
    assert (int(world.events[2]["account"]), int(world.events[2]["claim_tick"])) == (world.rows[0], 1)
    assert world.cash(INSURANCE_FUND) == 100 * USD - 526_500_000 + 65 * 8_550 * TICK_LOT
    assert world.cash(INSURANCE_FUND, 1) == 0
    assert world.cash(world.keeper) - KEEPER_CAPITAL == (30 * 50 + 35 * 150) * TICK_LOT
    world.check_books()


def test_a_keeper_buys_nothing_that_does_not_pay_its_cost() -> None:
    for cost, lots in ((1.49, 30), (1.5, 0)):
        world = borrower(500.0, cost_usd=cost)
        world.bids((8_600, 30), book=SPOT_BOOK)
        world.run(2)
        assert int(world.events["lots"][world.events["kind"] == FORCED_RESALE].sum()) == lots
        assert world.cash(world.keeper) - KEEPER_CAPITAL == (round(1.5 * USD) - round(cost * USD) if lots else 0)
        world.check_books()


def test_nothing_is_sold_while_reserves_are_at_their_target() -> None:
    """1,000 less 526.50 are below 490 by 16.50, which two lots bring."""
    for target, lots in ((473.5, 0), (490.0, 2), (1e6, 65)):
        world = borrower(500.0, rule=changed(RULE, target_usd=target), fund=1_000.0)
        world.bids((9_000, 100), book=SPOT_BOOK)
        world.run(2)
        assert int(world.events["lots"][world.events["kind"] == FORCED_RESALE].sum()) == lots
        world.check_books()


def test_what_the_coins_do_not_cover_is_a_loss() -> None:
    """517 are owed, at 8,000 the reserves pay 468: 49 are missing, of which the fund, spent on coins, has nothing."""
    world = borrower(517.0)
    world.world.reference.prices = falls_to(8_000.0)  # type: ignore[attr-defined]
    world.run(2)
    (loss,) = world.losses
    assert (int(loss["bad_debt"]), int(loss["fund"]), int(loss["uncovered"])) == (49 * USD, 0, 49 * USD)
    assert world.cash(world.rows[0]) == 0
    world.check_books()
    world = borrower(517.0, fund=500.0)
    world.world.reference.prices = falls_to(8_000.0)  # type: ignore[attr-defined]
    world.run(2)
    assert (world.losses["fund"].tolist(), world.losses["uncovered"].tolist()) == ([32 * USD], [17 * USD])
    world.check_books()


def test_factors_are_those_of_each_asset() -> None:
    world = borrower(500.0, rule=AbsorbPrice(factors={"default": 0.5, "BTC": 0.9}))
    world.run(2)
    assert world.cash(world.rows[0]) == 26_500_000


def test_positions_are_closed_by_keepers_first() -> None:
    """Long 100 from 10,000 and owing 300 against 0.065 BTC: at 9,000 67 left for 45 of margin, at 8,700 22 for 43.50.

    A keeper takes the position at 95 %, 8,265; the account is cured or absorbed after that.
    """
    world = borrower(300.0)
    world.open(world.rows[0], 100, 10_000)
    world.world.reference.prices = falls_to(8_700.0)  # type: ignore[attr-defined]
    world.bids((8_300, 100))
    world.run(2)
    assert kinds(world)[0] == (1, FORCED_POSITION, 100)
    assert world.cash(world.keeper) - KEEPER_CAPITAL == 100 * 35 * TICK_LOT
    world.run(1)
    owed = 300.0 + 100 * (10_000 - 8_265) * TICK_LOT / USD
    assert kinds(world)[1:] == [(2, FORCED_ABSORPTION, 65)]
    assert world.cash(world.rows[0]) == round((0.065 * 8_700 * 0.9 - owed) * USD)
    world.check_books()


def test_orders_of_an_absorbed_account_are_cancelled() -> None:
    world = borrower(500.0)
    world.rest(BUY, 5_000, 10, account=world.rows[0])
    world.run(2)
    assert world.world.ledger.accounts["first_order"][world.rows[0]] == -1


@pytest.mark.parametrize("factors", [{}, {"BTC": 0.9}])
def test_there_is_a_factor_for_every_asset(factors: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="default"):
        AbsorbPrice(factors=factors)
