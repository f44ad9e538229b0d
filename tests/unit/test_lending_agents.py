"""Borrowers, loopers, depositors and keepers' inventories, in small worlds."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from agents.borrower import Borrowers, Loopers
from agents.depositor import Depositors
from agents.inventory import KeeperInventory
from agents.keeper import KeeperCohort, Keepers
from experiments.build import build
from experiments.scenario import Scenario
from market.errors import InputError
from market.kernels.records import OUTSIDE
from market.lending import NoLending, Reserve
from tests.engine_worlds import Engine, add
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

FALL = {"USDC": 1.0, "ETH": 2_000.0, "stETH": 2_000.0}


def initial_excess(made: Engine) -> np.ndarray:
    figures = made.world.ledger.assess(made.world.instruments, made.world.assets, made.world.margin)
    return np.asarray(figures[:, 0] - figures[:, 3])


def test_a_bank_run_leaves_the_late_ones_queued() -> None:
    """100 ETH of twenty depositors, 60 of them lent; the price halves, everybody runs, 40 can be paid."""
    made = lending_engine(
        deposits=(1e6,), prices=eth_at(2_000.0, 2_000.0, 1_000.0), highest_usd=FALL, extra_accounts=20
    )
    people = Depositors(
        count=20, deposits_usd={"ETH": 200_000.0}, deposit_sigma=0.0, loyal_share=0.0, look_seconds=5.0,
        delay_seconds=1.0, price_fall={"ETH": 0.2}, utilisation=1.0, utilisation_spread=0.0,
    )  # fmt: skip
    (cohort,) = add(made, people)
    lending = made.world.lending
    assert lending is not None
    assert lending.borrow(made.rows[0], IN_ETH, 60 * ETH_QUANTA) == 60 * ETH_QUANTA
    made.run(2)
    assert cohort.withdrawn_usd == 0.0
    made.run(8)
    assert lending.liquidity(IN_ETH) == 0
    left = made.world.ledger.cash[cohort.accounts, IN_ETH]
    assert left.sum() == 60 * ETH_QUANTA
    assert (left == 0).sum() == 8, "five ETH each: the first eight have all their money"
    assert cohort.queue_length() == 12
    assert cohort.queued_usd(made.world) == pytest.approx(60_000.0)
    assert cohort.refused_usd == pytest.approx(60_000.0)
    lending.repay(made.rows[0], IN_ETH, 12 * ETH_QUANTA)
    made.run(1)
    assert cohort.queue_length() == 10
    assert (lending.liquidity(IN_ETH), lending.utilisation(IN_ETH)) == (0, 1.0)
    made.check_books()


def test_the_run_is_on_what_is_lent_out() -> None:
    """Utilisation of 0.8 frightens those whose threshold it passes; what they take frightens the others."""
    made = lending_engine(deposits=(1e6,), extra_accounts=40)
    people = Depositors(
        count=40, deposits_usd={"ETH": 400_000.0}, deposit_sigma=0.0, loyal_share=0.25, look_seconds=3.0,
        delay_seconds=0.0, utilisation=0.8, utilisation_spread=0.02,
    )  # fmt: skip
    (cohort,) = add(made, people)
    lending = made.world.lending
    assert lending is not None
    made.run(6)
    assert cohort.withdrawn_usd == 0.0
    lending.borrow(made.rows[0], IN_ETH, 160 * ETH_QUANTA)
    made.run(30)
    assert lending.liquidity(IN_ETH) == 0
    loyal = 40 - cohort.queue_length() - int((made.world.ledger.cash[cohort.accounts, IN_ETH] == 0).sum())
    assert 2 <= loyal <= 20


def test_borrowers_start_inside_their_limit_and_sum_to_what_was_asked() -> None:
    made = lending_engine(extra_accounts=330)
    population = Borrowers(
        count=300, collateral={"ETH": 2.0, "stETH": 1.0}, debts_usd={"USDC": 900_000.0, "ETH": 300_000.0},
        loopers={"a": Loopers(count=30, collateral="stETH", debt="ETH", debt_usd=100_000.0)},
    )  # fmt: skip
    (cohort,) = add(made, population)
    cash = made.world.ledger.cash[cohort.accounts]
    assert (initial_excess(made)[cohort.accounts] >= 0).all()
    owed = -np.minimum(cash, 0).sum(axis=0)
    assert owed[IN_USDC] / USDC_QUANTA == pytest.approx(900_000.0, rel=1e-6)
    assert owed[IN_ETH] / ETH_QUANTA * 2_000.0 == pytest.approx(400_000.0, rel=1e-6)
    assert ((cash < 0).sum(axis=1) == 1).all()
    assert made.world.ledger.roles[cohort.accounts[-1]] == "looper"
    with pytest.raises(InputError, match="no asset 'DAI'"):
        add(made, replace(population, debts_usd={"DAI": 1.0}))
    with pytest.raises(InputError, match="needs venue"):
        add(
            lending_engine(venue=replace(lending_venue(route="book"), lending=NoLending()), extra_accounts=400),
            population,
        )


def test_who_is_called_repays_later_and_is_healthier() -> None:
    made = lending_engine(prices=eth_at(2_000.0, 1_900.0), highest_usd=FALL, extra_accounts=50)
    population = Borrowers(
        count=50, collateral={"ETH": 1.0}, debts_usd={"USDC": 500_000.0}, second_share=0.0, limit_used=0.97,
        look_seconds=2.0, repay_share=1.0, repay_probability=1.0, repay_delay_seconds=3.0, outside_wealth=1e6,
        called_health=1.05, called_sigma=0.0, repay_health=1.2,
    )  # fmt: skip
    (cohort,) = add(made, population)
    before = made.world.ledger.cash[cohort.accounts, IN_USDC].copy()
    made.run(4)
    assert (made.world.ledger.cash[cohort.accounts, IN_USDC] == before).all(), "the money is on its way"
    made.run(4)
    held = made.world.ledger.cash[cohort.accounts, IN_ETH] / ETH_QUANTA * 1_900.0 * 0.8
    now = -made.world.ledger.cash[cohort.accounts, IN_USDC]
    called = held < 1.05 * -before / USDC_QUANTA
    assert 10 <= called.sum() < 50
    assert (now[~called] == -before[~called]).all()
    assert held[called] / (now[called] / USDC_QUANTA) == pytest.approx(1.2, rel=1e-4)


def test_loopers_unwind_and_press_on_what_they_sell() -> None:
    made = lending_engine(
        deposits=(1e6,), prices=lambda tick: (1.0, 2_000.0, 2_000.0 if tick == 0 else 1_940.0), highest_usd=FALL,
        extra_accounts=61, impact_per_quanta=1e-13,
    )  # fmt: skip
    made.world.assets["spot_book"][IN_STETH] = 0
    saver = made.rows[0]
    made.world.ledger.deposit(saver, IN_ETH, 1_000 * ETH_QUANTA)
    population = Borrowers(
        count=1, collateral={"ETH": 1.0}, debts_usd={"USDC": 1.0},
        loopers={
            "a": Loopers(
                count=60, collateral="stETH", debt="ETH", debt_usd=400_000.0, limit_used=0.95, unwind_health=1.09,
                sale_cost_bps=10.0,
            )
        },
        look_seconds=1.0,
    )  # fmt: skip
    (cohort,) = add(made, population)
    loopers = cohort.accounts[1:]
    before = made.world.ledger.cash[loopers].copy()
    made.run(3)
    after = made.world.ledger.cash[loopers]
    unwound = after[:, IN_ETH] > before[:, IN_ETH]
    assert unwound.sum() > 10
    repaid = (after - before)[unwound, IN_ETH] / ETH_QUANTA * 2_000.0
    sold = (before - after)[unwound, IN_STETH] / ETH_QUANTA * 1_940.0
    assert sold == pytest.approx(repaid * 1.001, rel=5e-3)
    assert cohort.unwound_usd == pytest.approx(sold.sum(), rel=5e-3)
    assert made.world.impact[IN_STETH] < 0.0
    assert (initial_excess(made)[loopers[unwound]] >= 0).all()


def test_nobody_unwinds_what_the_venue_cannot_give_out() -> None:
    made = lending_engine(
        deposits=(1e6,), prices=lambda tick: (1.0, 2_000.0, 2_000.0 if tick == 0 else 1_940.0), highest_usd=FALL,
        extra_accounts=31,
    )  # fmt: skip
    made.world.ledger.deposit(made.rows[0], IN_ETH, 1_000 * ETH_QUANTA)
    loopers = Loopers(count=30, collateral="stETH", debt="ETH", debt_usd=400_000.0, limit_used=0.95, unwind_health=1.1)
    (cohort,) = add(
        made,
        Borrowers(count=1, collateral={"ETH": 1.0}, debts_usd={"USDC": 1.0}, loopers={"a": loopers}, look_seconds=1.0),
    )
    assert made.world.lending is not None
    made.world.lending.frozen[IN_STETH] = True
    made.run(3)
    assert cohort.unwound_usd == 0.0


def seizing(prices: Any, **keepers: Any) -> tuple[Engine, KeeperCohort, KeeperInventory]:
    """One debtor, 10 ETH against 15,000 USDC, and one keeper of the product with the inventory that goes with it."""
    made = lending_engine(deposits=(0.0,), prices=prices, highest_usd=FALL, extra_accounts=1)
    rule = Keepers(
        count=1, latency_seconds=0.0, attention=1.0, capital_sigma=0.0, capital_usd=100_000.0, bid_share=0.0,
        bid_spread=0.0, bid_noise=0.0, **({"cost_usd": 0.0, "sale_cost_bps": 100.0, "holding_seconds": 3.0} | keepers),
    )  # fmt: skip
    cohort = rule.join(made.world, assets=made.assets, instruments=made.instruments)
    inventory = KeeperInventory(rule, cohort, made.world)
    made.cast = replace(made.cast, cohorts=(inventory,), keepers=(cohort,))
    made.world.ledger.deposit(made.rows[0], IN_ETH, 10 * ETH_QUANTA)
    made.world.ledger.deposit(made.rows[0], IN_USDC, -15_000 * USDC_QUANTA)
    return made, cohort, inventory


def test_keepers_hold_what_they_seized_and_sell_it_later() -> None:
    made, cohort, inventory = seizing(eth_at(1_800.0, 1_800.0, 1_700.0))
    keeper = int(cohort.records["account"][0])
    made.run(3)
    assert made.cash(keeper, IN_ETH) > 4 * ETH_QUANTA
    held = made.cash(keeper, IN_ETH) / ETH_QUANTA
    paid = 100_000.0 - made.cash(keeper) / USDC_QUANTA
    made.run(8)
    assert made.cash(keeper, IN_ETH) == 0
    # Two halves of the debt: the first at 1,800, the rest at 1,700; all is sold at 1,700 less one per cent.
    assert made.cash(keeper) / USDC_QUANTA >= 100_000.0 - paid + held * 1_700.0 * 0.99 - 0.01
    first = 7_500.0 / (0.95 * 1_800.0)
    assert inventory.loss_usd(made.world) == pytest.approx(first * 100.0, rel=1e-6)
    made.check_books()


def test_keepers_leave_what_would_not_pay_for_its_sale() -> None:
    made, _, _ = seizing(eth_at(1_800.0), sale_cost_bps=600.0)
    made.run(3)
    assert len(made.events) == 0, "5 % off are less than the 6 % that a sale costs"


def test_an_outlet_can_take_the_place_of_the_outside_world() -> None:
    class Pool:
        sold = 0

        def sell(self, world: object, keeper: int, asset: int, amount: int, *, into: int, event: int) -> int:
            assert (asset, into) == (IN_ETH, IN_USDC)
            assert int(made.events[event]["keeper"]) == keeper
            made.world.ledger.deposit(keeper, asset, -amount)
            self.sold += amount
            return amount

    made, cohort, inventory = seizing(eth_at(1_800.0))
    inventory.outlet = pool = Pool()
    made.run(10)
    assert made.cash(int(cohort.records["account"][0]), IN_ETH) == 0
    assert pool.sold == made.events["lots"].sum() > 0


def test_collateral_that_is_lent_out_waits_for_liquidity() -> None:
    made, cohort, inventory = seizing(eth_at(1_800.0))
    other = made.rows[0]
    lent = made.cash(other, IN_ETH)
    made.world.ledger.deposit(made.keeper, IN_ETH, -lent)
    made.run(8)
    assert made.cash(OUTSIDE, IN_ETH) == 0
    assert made.cash(int(cohort.records["account"][0]), IN_ETH) > 0
    assert len(inventory.parcels) > 0
    made.world.ledger.deposit(made.keeper, IN_ETH, lent)
    made.run(1)
    assert len(inventory.parcels) == 0


def test_a_flat_curve_needs_no_default() -> None:
    made = lending_engine(venue=lending_venue(reserves={"USDC": Reserve()}), extra_accounts=1)
    with pytest.raises(InputError, match="no asset 'DAI'"):
        add(made, Keepers(count=1, capital_shares={"DAI": 0.5}))


def utilisation(*overrides: str, seed: int = 1) -> tuple[float, float]:
    """Share of USDC that is lent when a run begins, and what depositors supply, USD."""
    world = build(Scenario.load("lending-market", overrides=list(overrides)), seed=seed).world
    balances = np.delete(world.ledger.cash[:, world.asset("USDC")], OUTSIDE)
    own = [row for row, role in enumerate(world.ledger.roles) if role == "depositor"]
    supplied = int(world.ledger.cash[own, world.asset("USDC")].sum()) / 1e6
    return -balances[balances < 0].sum() / balances[balances > 0].sum(), supplied


def test_depositors_bring_what_a_drawn_population_borrows() -> None:
    share, supplied = utilisation()
    assert share < 0.95
    assert supplied == pytest.approx(155e6, rel=1e-6)  # what the scenario says is enough
    for seed in (2, 3, 4):  # their populations owe more than there is with a single keeper
        share, supplied = utilisation("agents.keepers.count=1", seed=seed)
        assert share == pytest.approx(0.95, abs=1e-4)
        assert supplied > 155e6
    with pytest.raises(InputError, match="most_utilisation: expected more than 0"):
        utilisation("agents.depositors.most_utilisation=0")
