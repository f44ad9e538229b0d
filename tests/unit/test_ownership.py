"""Accounts of one owner: transfers cure, recourse spreads a loss, and nothing moves where the rule says so."""

from __future__ import annotations

import pytest

from market.margin.ownership import SubAccounts
from market.margin.rules import Margin
from market.venue import Waterfall
from tests.engine_worlds import TICK_LOT, USD, Engine, engine, falls_to, plain_venue


def two_accounts(
    *, transfers: str = "manual", buffer: float = 0.0, recourse: float = 0.0, price: float = 9_400.0
) -> Engine:
    """One owner, 1 BTC long at 10,000 on 1,000 USD in the first account and 2,000 USD free in the second.

    Maintenance is 5 %: at 9,400 the first has 400 USD of equity and needs 470.
    """
    rule = SubAccounts(transfers=transfers, buffer=buffer, recourse=recourse)  # type: ignore[arg-type]
    venue = plain_venue(margin=Margin(sub_accounts=rule), waterfall=Waterfall(insurance_fund_usd=500.0))
    world = engine(deposits=(1_000.0, 2_000.0), owners=(0, 0), venue=venue, prices=falls_to(price))
    world.open(world.rows[0], 1_000, 10_000)
    world.bids((int(price), 10_000))
    return world


def test_an_automatic_transfer_cures_before_anybody_liquidates() -> None:
    world = two_accounts(transfers="automatic")
    world.run(3)
    first, second = world.rows
    assert world.lots(first) == 1_000
    assert len(world.events) == 0
    assert world.cash(first) == pytest.approx(1_070 * USD, abs=2)  # 470 - 400 came in
    assert world.cash(second) == pytest.approx(1_930 * USD, abs=2)
    assert world.world.ownership is not None
    assert world.world.ownership.figures()["sub_accounts_cured_count"] == 1
    world.check_books()


def test_the_buffer_is_a_share_of_maintenance() -> None:
    world = two_accounts(transfers="automatic", buffer=0.5)
    world.run(3)
    assert world.cash(world.rows[0]) == pytest.approx((1_070 + 235) * USD, abs=2)
    world.check_books()


@pytest.mark.parametrize("transfers", ["none", "manual"])
def test_otherwise_the_account_is_closed_and_the_other_one_untouched(transfers: str) -> None:
    world = two_accounts(transfers=transfers)
    world.run(3)
    assert world.lots(world.rows[0]) == 0
    assert world.cash(world.rows[1]) == 2_000 * USD
    world.check_books()


def test_what_positions_need_is_not_free() -> None:
    """The second account has 1,820 of its 2,000 USD bound as initial margin and can give the rest."""
    world = two_accounts(transfers="automatic", buffer=1.0, price=9_100.0)
    world.open(world.rows[1], 2_000, 9_100)
    world.run(2)
    # Equity 100 against 455 needed: 355 + a buffer of 455 = 810; free are 2,000 - 1,820 = 180, too few to cure.
    assert world.lots(world.rows[0]) == 0
    assert world.assess(world.rows[1])[0] == pytest.approx(1_820 * USD, abs=2)
    world.check_books()


def test_recourse_pays_before_the_fund_and_may_break_the_owner() -> None:
    """At 8,500 the account is worth -500 after its close; half of the other account's 2,000 is there for it."""
    world = two_accounts(recourse=0.5, price=8_500.0)
    world.run(3)
    assert world.cash(world.rows[0]) == pytest.approx(0, abs=2)
    assert world.cash(world.rows[1]) == pytest.approx(1_500 * USD, abs=2)
    assert world.losses["fund"].sum() <= 2
    spared = two_accounts(recourse=0.0, price=8_500.0)
    spared.run(3)
    assert spared.cash(spared.rows[1]) == 2_000 * USD
    assert spared.losses["fund"].sum() == 500 * 1_000 * TICK_LOT
    for each in (world, spared):
        each.check_books()


def test_a_failure_spreads_by_rule() -> None:
    """The second account has a position of its own: after paying for the first it is below maintenance as well."""
    world = two_accounts(recourse=1.0, price=8_500.0)
    world.open(world.rows[1], 3_600, 8_500)
    world.run(3)
    assert world.lots(world.rows[1]) < 3_600
    world.check_books()
