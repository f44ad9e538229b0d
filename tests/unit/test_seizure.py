"""Liquidation by seizure, by hand: close factor, bonus, fee, what the keeper has, bad debt."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from market.forced_prices import DutchPrice
from market.kernels.records import DEFICIT, FORCED_SEIZURE, INSURANCE_FUND, NONE, OUTSIDE
from market.margin.collateral import CategoryRule, CollateralRule
from market.sizing import CloseAll
from market.venue import Waterfall
from tests.engine_worlds import Engine
from tests.lending_worlds import (
    ETH_QUANTA,
    IN_ETH,
    IN_STETH,
    IN_USDC,
    USDC_QUANTA,
    eth_at,
    lending_engine,
    lending_venue,
)


def borrowed(eth: float, *, saver: float = 0.0, collateral: int = IN_ETH, **venue: Any) -> Engine:
    """A debt of 15,000 USDC against 10 ETH at 2,000; in the first tick ETH is at `eth`."""
    made = lending_engine(
        deposits=(0.0, saver), venue=lending_venue(**venue), prices=eth_at(eth), highest_usd={
            "USDC": 1.0, "ETH": 4_000.0, "stETH": 4_000.0
        },
    )  # fmt: skip
    assert made.world.lending is not None
    made.world.ledger.deposit(made.rows[0], collateral, 10 * ETH_QUANTA)
    made.world.ledger.deposit(made.rows[0], IN_USDC, -15_000 * USDC_QUANTA)
    return made


def test_half_of_the_debt_for_collateral_at_a_discount() -> None:
    made = borrowed(1_800.0)
    made.run(1)
    # 7,500 / (0.95 x 1,800) = 4.385964912..., rounded up
    seized = 438_596_492
    assert made.cash(made.rows[0], IN_ETH) == 10 * ETH_QUANTA - seized
    assert made.cash(made.rows[0]) == -7_500 * USDC_QUANTA
    assert made.cash(made.keeper, IN_ETH) == seized
    assert made.cash(made.keeper) == 992_500 * USDC_QUANTA
    (event,) = made.events
    assert (int(event["kind"]), int(event["book"])) == (FORCED_SEIZURE, NONE)
    assert (int(event["seized"]), int(event["repaid"])) == (IN_ETH, IN_USDC)
    assert (int(event["lots"]), int(event["value"]), int(event["mark"])) == (seized, 7_500 * USDC_QUANTA, 180_000)
    assert made.world.n_claims == 1
    made.run(1)
    assert made.world.n_claims == 0, "5.6 ETH count for 8,084: cured"
    assert len(made.events) == 1
    made.check_books()


def test_nothing_happens_to_a_healthy_account() -> None:
    made = borrowed(1_875.0)
    made.run(3)
    assert (made.world.n_breaches, len(made.events)) == (0, 0)


def test_the_fee_is_on_top_and_the_fund_keeps_its_part() -> None:
    made = borrowed(1_800.0, fee_bps=100.0, fee_cap="none", keeper_share=0.2)
    made.run(1)
    assert made.cash(made.rows[0]) == -7_500 * USDC_QUANTA
    assert made.cash(INSURANCE_FUND) == 60 * USDC_QUANTA
    assert made.cash(made.keeper) == (1_000_000 - 7_575 + 15) * USDC_QUANTA
    # 7,575 / (0.95 x 1,800)
    assert made.cash(made.keeper, IN_ETH) == 442_982_457


@pytest.mark.parametrize(("inside", "discount", "fee"), [(False, 0.1, 0.02), (True, 0.01, 0.001)])
def test_discount_and_fee_are_those_of_the_collateral_or_of_the_category_of_all_debts(
    inside: bool, discount: float, fee: float
) -> None:
    """7,500 are repaid at 1,800 less the discount, the fee on top; the rule says 5 % and 0."""
    rules = lending_venue(fee_cap="none")
    collateral = CollateralRule(haircut=0.2, initial_haircut=0.25, discount_bps=1_000.0, liquidation_fee_bps=200.0)
    together = CategoryRule(assets=("USDC", "ETH"), haircut=0.2, discount_bps=100.0, liquidation_fee_bps=10.0)
    margin = replace(
        rules.margin, collateral={**rules.margin.collateral, "ETH": collateral},
        categories={"pair": together} if inside else {},
    )  # fmt: skip
    made = lending_engine(deposits=(0.0,), venue=replace(rules, margin=margin), prices=eth_at(1_800.0))
    made.world.ledger.deposit(made.rows[0], IN_ETH, 10 * ETH_QUANTA)
    made.world.ledger.deposit(made.rows[0], IN_USDC, -15_000 * USDC_QUANTA)
    made.run(1)
    assert made.cash(made.rows[0]) == -7_500 * USDC_QUANTA
    assert made.cash(INSURANCE_FUND) == round(7_500 * fee * USDC_QUANTA)
    seized = 7_500 * (1.0 + fee) / ((1.0 - discount) * 1_800)
    assert made.cash(made.keeper, IN_ETH) == pytest.approx(seized * ETH_QUANTA, abs=2)
    made.check_books()


def test_a_keeper_pays_no_more_than_it_has() -> None:
    made = borrowed(1_800.0)
    made.world.ledger.deposit(made.keeper, IN_USDC, -999_000 * USDC_QUANTA)
    made.run(1)
    assert made.cash(made.keeper) == 0
    assert made.cash(made.rows[0]) == -14_000 * USDC_QUANTA
    assert made.cash(made.keeper, IN_ETH) == 58_479_533  # 1,000 / 1,710, rounded up
    made.run(3)
    assert len(made.events) == 1, "and then it has nothing left"


def test_the_call_itself_is_paid_out_of_the_same_money() -> None:
    made = borrowed(1_800.0)
    bidder: Any = made.cast.keepers[0]
    bidder.amount, bidder.records["cost"] = 30 * USDC_QUANTA, 20 * USDC_QUANTA
    made.world.ledger.deposit(made.keeper, IN_USDC, -999_000 * USDC_QUANTA)
    made.run(1)
    assert made.cash(made.keeper) == 0
    assert made.cash(made.rows[0]) == -(15_000 - 950) * USDC_QUANTA


def test_bad_debt_stays_where_collateral_is_gone() -> None:
    made = borrowed(1_400.0, saver=5_000.0, sizing=CloseAll())
    made.run(1)
    # 14,000 of collateral at 5 % off pay for 13,300.
    assert made.cash(made.rows[0]) == made.cash(made.rows[0], IN_ETH) == 0
    assert made.cash(made.keeper, IN_ETH) == 10 * ETH_QUANTA
    assert made.cash(DEFICIT) == -1_700 * USDC_QUANTA
    (loss,) = made.losses
    assert (int(loss["bad_debt"]), int(loss["uncovered"])) == (1_700 * USDC_QUANTA, 1_700 * USDC_QUANTA)
    assert made.cash(made.rows[1]) == 5_000 * USDC_QUANTA
    made.check_books()


def test_depositors_pay_where_the_rule_says_so() -> None:
    everybody = Waterfall(insurance_fund_usd=700.0, adl="none", socialised_cap=1.0)
    made = borrowed(1_400.0, saver=5_000.0, sizing=CloseAll(), waterfall=everybody)
    made.run(1)
    (loss,) = made.losses
    assert (int(loss["fund"]), int(loss["socialised"])) == (700 * USDC_QUANTA, 1_000 * USDC_QUANTA)
    assert made.cash(made.rows[1]) == 4_000 * USDC_QUANTA


def test_a_debt_that_is_no_settlement_asset() -> None:
    """8 ETH owed against 10 stETH; stETH loses a tenth of its value, then half."""
    made = lending_engine(
        deposits=(0.0,),
        venue=lending_venue(sizing=CloseAll()),
        prices=lambda tick: (1.0, 2_000.0, 1_750.0 if tick == 0 else 1_000.0),
        highest_usd={"USDC": 1.0, "ETH": 2_000.0, "stETH": 2_000.0},
    )
    debtor, ledger = made.rows[0], made.world.ledger
    ledger.deposit(debtor, IN_STETH, 10 * ETH_QUANTA)
    ledger.deposit(debtor, IN_ETH, -8 * ETH_QUANTA)
    ledger.deposit(made.keeper, IN_ETH, 3 * ETH_QUANTA)
    made.run(1)
    # 6,000 / (0.95 x 1,750) for the three ETH that the keeper has
    assert made.cash(made.keeper, IN_STETH) == 360_902_256
    assert (made.cash(made.keeper, IN_ETH), made.cash(debtor, IN_ETH)) == (0, -5 * ETH_QUANTA)
    ledger.deposit(made.keeper, IN_ETH, 100 * ETH_QUANTA)
    made.run(1)
    assert made.cash(debtor, IN_STETH) == made.cash(debtor, IN_ETH) == 0
    (loss,) = made.losses
    assert (int(loss["asset"]), made.cash(DEFICIT, IN_ETH)) == (IN_ETH, -int(loss["bad_debt"]))
    made.check_books()


@pytest.mark.parametrize(("age", "price"), [(0, 1.0), (10, 0.9)])
def test_a_dutch_auction_sets_the_price(age: int, price: float) -> None:
    made = borrowed(1_800.0, price=DutchPrice(curve="linear", start=1.0, span_seconds=100.0))
    bidder: Any = made.cast.keepers[0]
    bidder.records["throughput"] = 0
    made.run(age)
    assert len(made.events) == 0
    bidder.records["throughput"] = 1 << 30
    made.run(1)
    exact = 7_500 / (price * 1_800.0) * ETH_QUANTA
    assert 0 <= made.cash(made.keeper, IN_ETH) - exact <= 2.0


def test_what_cannot_leave_for_block_space_stays_on_the_venue() -> None:
    made = borrowed(1_800.0)
    bidder: Any = made.cast.keepers[0]
    bidder.amount = 40 * USDC_QUANTA
    # Somebody has borrowed all there is: the keeper's money is lent, and none of it can leave.
    made.world.ledger.deposit(made.rows[1], IN_USDC, -985_000 * USDC_QUANTA)
    made.world.ledger.deposit(made.rows[1], IN_ETH, 1_000 * ETH_QUANTA)
    assert made.cash(OUTSIDE) == 0
    made.run(1)
    assert made.cash(OUTSIDE) == 0
    assert len(made.events) == 1
    made.check_books()
