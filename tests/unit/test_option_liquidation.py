"""Option books of accounts below maintenance: hedged where it helps, auctioned in slices, left to the waterfall."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from agents.dealer import DealerCohort, Dealers
from market.greeks import unit_greeks
from market.kernels.records import FORCED_ADL, FORCED_AUCTION, FORCED_HEDGE, INSURANCE_FUND, PORTFOLIO
from market.kernels.rules.greeks import VEGA
from market.option_liquidation import OptionBooks
from market.surface import ImpliedSurface
from market.venue import Waterfall
from market.world import World
from tests.engine_worlds import USD, Engine, changed, engine, plain_venue
from tests.unit.test_expiry import BOOKS, FLAT, PER_TICK, PERP, PUT
from tests.unit.test_option_portfolio import RULE

SHORT = -40


class Bidder:
    """Takes anything for `usd_per_lot`."""

    def __init__(self, row: int, usd_per_lot: float) -> None:
        self.row, self.usd_per_lot = row, usd_per_lot

    def asks(self, world: World, lots: np.ndarray[Any, Any]) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        """So much per lot of any instrument."""
        del world
        return np.array([self.row]), np.array([self.usd_per_lot * float(np.abs(lots).sum())])


def broken(
    *, usd_per_lot: float | None = 0.1, books: OptionBooks | None = None, fund_usd: float = 0.0,
    missing_usd: float = 5.0, surface: ImpliedSurface = FLAT, portfolio: bool = False,
) -> Engine:  # fmt: skip
    """The first customer is short 40 puts and misses `missing_usd`; the second holds them; the third takes books."""
    rules = changed(
        plain_venue(waterfall=Waterfall(insurance_fund_usd=fund_usd)),
        surfaces={"default": surface}, settlement_seconds=4.0,
    )  # fmt: skip
    rules = changed(rules, liquidation=changed(rules.liquidation, option_books=books or OptionBooks()))
    made = engine(deposits=[0.0, 5_000.0, 100_000.0], venue=rules, instruments=BOOKS)
    account, holder, taker = made.rows
    if portfolio:
        made.world.ledger.accounts["mode"][account] = PORTFOLIO
        made.world.use_portfolio_margin(RULE)
    made.open(account, SHORT, int(made.world.instruments["mark"][PUT]), book=PUT, against=holder)
    equity, _, maintenance, _ = made.assess(account)
    made.world.ledger.deposit(account, 0, maintenance - equity - round(missing_usd * USD))
    if usd_per_lot is not None:
        made.world.options.bidders.append(Bidder(taker, usd_per_lot))  # type: ignore[union-attr]
    return made


def test_slices_are_sold_until_the_account_is_cured() -> None:
    """750 quanta x 1,000 a lot are freed; a slice of 10 lots frees 7.5 USD and costs 1 USD: one slice cures 5 USD."""
    made = broken()
    account, holder, taker = made.rows
    before = made.assess(account)
    made.run()
    assert (made.lots(account, PUT), made.lots(taker, PUT), made.lots(holder, PUT)) == (-30, -10, 40)
    events = made.events[made.events["kind"] == FORCED_AUCTION]
    assert events[["account", "keeper", "lots", "loss"]].tolist() == [(account, taker, 10, 1 * USD)]
    after = made.assess(account)
    assert after[1] == before[1] - 1 * USD, "sold at the mark, less what the dealer wanted"
    assert after[0] >= after[2] == 30 * 750 * PER_TICK
    made.check_books()
    made.run()
    assert made.world.n_claims == 0


def test_slices_add_up_to_the_book() -> None:
    made = broken(books=OptionBooks(slices=3), missing_usd=29.0, usd_per_lot=0.0)
    made.run()
    assert made.lots(made.rows[0], PUT) == 0
    assert made.events["lots"].tolist() == [13, 13, 14]


def test_the_lowest_ask_wins() -> None:
    made = broken(usd_per_lot=0.2)
    made.world.options.bidders.append(Bidder(made.rows[1], 0.1))  # type: ignore[union-attr]
    made.run()
    assert made.events["keeper"].tolist() == [made.rows[1]]


def test_an_ask_that_neither_account_nor_fund_can_pay_is_no_sale() -> None:
    """The account is worth 25 USD. One slice at 3 USD a lot costs 30."""
    dear = broken(usd_per_lot=3.0)
    assert dear.assess(dear.rows[0])[1] == 25 * USD
    dear.run()
    assert dear.lots(dear.rows[0], PUT) == SHORT
    assert dear.world.n_claims == 1, "offered again in the next tick"
    backed = broken(usd_per_lot=3.0, fund_usd=1_000.0, books=OptionBooks(slices=1))
    backed.run()
    assert backed.lots(backed.rows[0], PUT) == 0
    assert backed.losses["bad_debt"].tolist() == backed.losses["fund"].tolist() == [95 * USD]
    assert backed.cash(INSURANCE_FUND) == 905 * USD
    backed.check_books()


def test_what_nobody_takes_is_deleveraged_once_bankrupt() -> None:
    made = broken(usd_per_lot=None, missing_usd=40.0)  # worth -10 USD
    assert made.assess(made.rows[0])[1] == -10 * USD
    made.run()
    assert made.lots(made.rows[0], PUT) == made.lots(made.rows[1], PUT) == 0
    assert made.events["kind"].tolist() == [FORCED_ADL]
    assert made.losses["adl"].tolist() == made.losses["bad_debt"].tolist() == [10 * USD]
    made.check_books()


def test_forced_orders_move_the_surface() -> None:
    """Short puts bought back are vega bought: volatility rises, and with it the mark of the same put."""
    made = broken(surface=changed(FLAT, vol_move_per_million_vega=10_000.0), books=OptionBooks(slices=1))
    vega = float(unit_greeks(made.world.options.books)[PUT, VEGA]) / USD * 40  # type: ignore[union-attr]
    mark = int(made.world.instruments["mark"][PUT])
    made.run()
    level = float(made.world.options.surfaces["level"][0])  # type: ignore[union-attr]
    assert level == pytest.approx(0.01 * vega, rel=1e-3)
    assert int(made.world.instruments["mark"][PUT]) > mark


def test_under_portfolio_margin_delta_is_hedged_first() -> None:
    """Ten percent down is the worst scenario; selling the perpetual takes most of its loss away, and that is enough."""
    made = broken(portfolio=True, usd_per_lot=None, missing_usd=1.0)
    made.bids((9_990, 1_000))
    account = made.rows[0]
    made.run()
    hedge = made.events[made.events["kind"] == FORCED_HEDGE]
    assert len(hedge) == 1
    assert made.lots(account, PERP) == -int(hedge["lots"][0])
    assert made.lots(account, PUT) == SHORT
    equity, _, maintenance, _ = made.assess(account)
    assert equity >= maintenance
    made.check_books()
    never = broken(portfolio=True, usd_per_lot=None, missing_usd=1.0, books=OptionBooks(hedge_first=False))
    never.bids((9_990, 1_000))
    never.run()
    assert not len(never.events)


def test_a_dealer_asks_more_for_more_risk_and_with_less_capital_and_has_an_end() -> None:
    def dealer(capital_usd: float) -> tuple[Engine, DealerCohort]:
        made = broken(usd_per_lot=None)
        rules = Dealers(count=1, capital_usd=capital_usd, capital_sigma=0.0)
        made = engine(deposits=[1_000.0], venue=made.rules.venue, instruments=BOOKS, extra_accounts=1)
        cohort = rules.join(made.world, assets=made.assets, instruments=made.instruments)
        return made, cohort

    def ask(capital_usd: float, lots: int) -> float:
        made, cohort = dealer(capital_usd)
        wanted = np.zeros(len(BOOKS), np.int64)
        wanted[PUT] = lots
        rows, asks = cohort.asks(made.world, wanted)
        assert rows.tolist() == cohort.accounts.tolist()
        return float(asks[0])

    small, large, poor = ask(1e6, -1_000), ask(1e6, -10_000), ask(20_000.0, -10_000)
    assert 10.0 * small < large < poor < np.inf
    assert ask(5_000.0, -10_000) == np.inf
    made, cohort = dealer(1e6)
    made.open(int(cohort.accounts[0]), -100, 100, book=PUT)
    wanted = np.zeros(len(BOOKS), np.int64)
    wanted[PUT] = 10
    least = 10 * 0.001 * 10_000.0 * 10e-4
    assert cohort.asks(made.world, wanted)[1][0] == pytest.approx(least, rel=1e-3), "it takes risk off: the least ask"


def test_a_dealer_is_liquidated_like_everybody() -> None:
    made = engine(deposits=[1_000.0], venue=broken().rules.venue, instruments=BOOKS, extra_accounts=2)
    rules = Dealers(count=2, capital_usd=10_000.0, capital_sigma=0.0)
    cohort = rules.join(made.world, assets=made.assets, instruments=made.instruments)
    weak, strong = cohort.accounts.tolist()
    made.open(weak, SHORT, int(made.world.instruments["mark"][PUT]), book=PUT)
    equity, _, maintenance, _ = made.assess(weak)
    made.world.ledger.deposit(weak, 0, maintenance - equity - 5 * USD)
    made.run()
    assert SHORT < made.lots(weak, PUT) < 0
    assert made.lots(strong, PUT) == SHORT - made.lots(weak, PUT)
    after = made.assess(weak)
    assert after[0] >= after[2]
    made.check_books()
