"""Money in and out of a lending market, and its interest, by hand."""

from __future__ import annotations

import pytest

from market.errors import InputError
from market.kernels.records import OUTSIDE, TREASURY
from market.lending import LendingMarket, LendingPool, Reserve
from market.venue import Liquidation, MarkPrice, OraclePrice, Venue
from tests.engine_worlds import Engine, engine
from tests.lending_worlds import (
    ETH_QUANTA,
    IN_ETH,
    IN_STETH,
    IN_USDC,
    NO_INTEREST,
    USDC_QUANTA,
    lending_engine,
    lending_venue,
)

YEAR = 31_536_000


def market(made: Engine) -> LendingMarket:
    assert made.world.lending is not None
    return made.world.lending


def without_keeper(made: Engine) -> None:
    """The keeper's money leaves, so that liquidity is what customers brought."""
    made.world.ledger.deposit(made.keeper, IN_USDC, -made.cash(made.keeper))


def test_a_loan_goes_as_far_as_initial_margin() -> None:
    made = lending_engine(deposits=(0.0,))
    lending, me = market(made), made.rows[0]
    assert lending.borrow(me, IN_USDC, 1) == 0, "nothing to borrow against"
    assert lending.deposit(me, IN_ETH, 10 * ETH_QUANTA) == 10 * ETH_QUANTA
    assert lending.borrow(me, IN_USDC, 20_000 * USDC_QUANTA) == 15_000 * USDC_QUANTA
    assert made.cash(me) == -15_000 * USDC_QUANTA
    assert lending.borrow(me, IN_USDC, 1) == lending.withdraw(me, IN_ETH, 1) == 0
    assert lending.repay(me, IN_USDC, 3_000 * USDC_QUANTA) == 3_000 * USDC_QUANTA
    assert lending.withdraw(me, IN_ETH, 10 * ETH_QUANTA) == 2 * ETH_QUANTA
    assert lending.repay(me, IN_USDC, 1 << 50) == 12_000 * USDC_QUANTA, "no more than is owed"
    assert lending.withdraw(me, IN_ETH, 1 << 50) == 8 * ETH_QUANTA
    made.check_books()


def test_no_more_goes_out_than_is_there() -> None:
    made = lending_engine(deposits=(1_000.0, 0.0))
    lending, (saver, debtor) = market(made), made.rows
    without_keeper(made)
    lending.deposit(debtor, IN_ETH, 10 * ETH_QUANTA)
    assert lending.liquidity(IN_USDC) == 1_000 * USDC_QUANTA
    assert lending.borrow(debtor, IN_USDC, 900 * USDC_QUANTA) == 900 * USDC_QUANTA
    assert lending.utilisation(IN_USDC) == pytest.approx(0.9)
    assert lending.withdraw(saver, IN_USDC, 1_000 * USDC_QUANTA) == 100 * USDC_QUANTA
    assert lending.withdraw(saver, IN_USDC, 1_000 * USDC_QUANTA) == 0
    assert lending.borrow(debtor, IN_USDC, 1) == 0
    assert (lending.liquidity(IN_USDC), lending.utilisation(IN_USDC)) == (0, 1.0)
    lending.repay(debtor, IN_USDC, 50 * USDC_QUANTA)
    assert lending.withdraw(saver, IN_USDC, 1_000 * USDC_QUANTA) == 50 * USDC_QUANTA


def test_freeze_caps_and_what_is_not_lent() -> None:
    reserves = {
        "USDC": Reserve(slope_below=0.0, slope_above=0.0, supply_cap=1_500.0, borrow_cap=400.0),
        "ETH": NO_INTEREST,
    }
    made = lending_engine(deposits=(1_000.0, 0.0), venue=lending_venue(reserves=reserves))
    lending, (saver, debtor) = market(made), made.rows
    without_keeper(made)
    assert lending.deposit(saver, IN_USDC, 1_000 * USDC_QUANTA) == 500 * USDC_QUANTA
    lending.deposit(debtor, IN_ETH, ETH_QUANTA)
    assert lending.borrow(debtor, IN_USDC, 1_000 * USDC_QUANTA) == 400 * USDC_QUANTA
    assert lending.borrow(saver, IN_USDC, 2_000 * USDC_QUANTA) == 1_100 * USDC_QUANTA, "own money, and all there is"
    lending.deposit(saver, IN_STETH, ETH_QUANTA)
    assert lending.borrow(debtor, IN_STETH, 1) == 0, "stETH is collateral only"
    lending.frozen[IN_ETH] = True
    assert lending.withdraw(debtor, IN_ETH, 1) == lending.borrow(saver, IN_ETH, 1) == 0
    assert lending.deposit(debtor, IN_ETH, 5) == 5
    lending.frozen[IN_ETH] = False
    assert lending.withdraw(debtor, IN_ETH, 5) == 5


def test_interest_by_hand() -> None:
    """1,000 at 10 % a year for half a year: 50; a tenth to the treasury; two depositors share 45 as 2 to 1."""
    flat = Reserve(base=0.1, slope_below=0.0, slope_above=0.0, reserve_factor=0.1)
    venue = lending_venue(reserves={"USDC": flat})
    venue = Venue(**{**vars(venue), "lending": LendingPool(reserves={"USDC": flat}, accrual_seconds=YEAR / 2)})
    made = lending_engine(deposits=(1_000.0, 500.0, 0.0), venue=venue, tick_seconds=YEAR / 4)
    lending, (one, two, debtor) = market(made), made.rows
    without_keeper(made)
    lending.deposit(debtor, IN_ETH, 10 * ETH_QUANTA)
    lending.borrow(debtor, IN_USDC, 1_000 * USDC_QUANTA)
    made.run(2)
    assert made.cash(debtor) == -1_000 * USDC_QUANTA, "the half year is not over"
    made.run(1)
    assert made.cash(debtor) == -1_050 * USDC_QUANTA
    assert (made.cash(one), made.cash(two)) == (1_030 * USDC_QUANTA, 515 * USDC_QUANTA)
    assert made.cash(TREASURY) == 5 * USDC_QUANTA
    assert (int(lending.interest[IN_USDC]), int(lending.kept[IN_USDC])) == (50 * USDC_QUANTA, 5 * USDC_QUANTA)
    made.run(2)
    assert made.cash(debtor) == -1_102_500_000, "interest on interest"
    made.check_books()


def test_rounding_is_against_the_debtor_and_leaves_the_rest_to_the_treasury() -> None:
    flat = Reserve(base=0.1, slope_below=0.0, slope_above=0.0, reserve_factor=0.0)
    made = lending_engine(deposits=(0.0, 0.0, 0.0, 0.0), venue=lending_venue(reserves={"USDC": flat}))
    lending, (debtor, *savers) = market(made), made.rows
    without_keeper(made)
    for saver in savers:
        lending.deposit(saver, IN_USDC, 10)
    lending.deposit(debtor, IN_ETH, ETH_QUANTA)
    lending.borrow(debtor, IN_USDC, 20)
    made.run(2)
    assert made.cash(debtor) == -21, "any interest is a quantum at least"
    assert [made.cash(saver) for saver in savers] == [10, 10, 10]
    assert made.cash(TREASURY) == 1


def test_interest_alone_can_break_an_account() -> None:
    steep = Reserve(base=1_200_000.0, slope_below=0.0, slope_above=0.0)
    made = lending_engine(deposits=(0.0,), venue=lending_venue(reserves={"USDC": steep}))
    lending, debtor = market(made), made.rows[0]
    lending.deposit(debtor, IN_ETH, 10 * ETH_QUANTA)
    lending.borrow(debtor, IN_USDC, 15_000 * USDC_QUANTA)
    made.run(2)
    assert made.world.n_breaches == 0, "4 % more is not enough"
    made.run(1)
    assert made.world.n_breaches == 1, "8 % more is past 80 % of 20,000"


def test_without_the_rule_there_is_no_market() -> None:
    assert engine(deposits=(1.0,)).world.lending is None


def test_what_cannot_be_built() -> None:
    with pytest.raises(ValueError, match="which say what a keeper pays"):
        Liquidation(route="seize", price=MarkPrice())
    with pytest.raises(ValueError, match="needs lending"):
        Venue(liquidation=Liquidation(route="seize", price=OraclePrice()))
    made = lending_engine(deposits=(1.0,))
    market(made).check()
    made.world.ledger.deposit(made.rows[0], IN_ETH, -ETH_QUANTA)
    with pytest.raises(InputError, match="loans of ETH exceed deposits by 2,000 USD"):
        market(made).check()
    assert made.cash(OUTSIDE, IN_ETH) == ETH_QUANTA
    with_perpetual = engine(deposits=(1.0,), venue=lending_venue())
    with pytest.raises(InputError, match="only spot instruments"):
        market(with_perpetual).check()
