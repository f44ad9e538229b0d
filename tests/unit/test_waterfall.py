"""The waterfall by hand: fund, deleveraging, socialised loss, uncovered; who bears how much, to the quantum.

One lot (0.001 BTC) is worth 1,000 USDC quanta per tick of 1 USD. Marks are the index.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from market.instruments import Asset
from market.kernels.allocation import allocate_pro_rata, allocate_queue
from market.kernels.records import (
    ADL_ELIGIBLE,
    BUY,
    DEFICIT,
    FORCED_ADL,
    INSURANCE_FUND,
    LIQUIDATABLE,
    OUTSIDE,
    SELL,
)
from market.venue import Waterfall
from market.waterfall import adl_queue
from tests.engine_worlds import PERP, SPOT, USD, USDC, Engine, changed, engine, plain_venue


def falls_to(price: float) -> Callable[[int], tuple[float, ...]]:
    """USDC at 1; BTC at 10,000 at tick 0, then at `price`."""
    return lambda tick: (1.0, 10_000.0 if tick < 1 else price)


def world_with(
    deposits: Sequence[float], price: float, *, fund: float = 0.0, waterfall: Any = None, **kwargs: Any
) -> Engine:
    """Customers with these deposits; the price falls to `price` at tick 1; the fund holds `fund` USD."""
    rules = {"insurance_fund_usd": fund} | (waterfall or {})
    venue = plain_venue(waterfall=Waterfall(**rules), **kwargs)
    return engine(deposits=deposits, prices=falls_to(price), venue=venue)


def loss(world: Engine, row: int = 0) -> tuple[int, int, int, int, int]:
    """(bad debt, fund, ADL, socialised, uncovered) of one loss, quanta."""
    record = world.losses[row]
    return tuple(int(record[name]) for name in ("bad_debt", "fund", "adl", "socialised", "uncovered"))  # type: ignore[return-value]


# --- losses of accounts that are closed out -------------------------------------------------------


@pytest.mark.parametrize(
    ("fund", "shares"),
    [
        (600.0, (500, 500, 0, 0, 0)),
        (500.0, (500, 500, 0, 0, 0)),
        (120.0, (500, 120, 0, 380, 0)),
        (0.0, (500, 0, 0, 500, 0)),
    ],
)
def test_a_closed_account_below_zero_is_paid_for_in_order(fund: float, shares: tuple[int, ...]) -> None:
    """500 USD deposit, loss 1,000: 500 USD of bad debt; one other customer owns 2,000 USD."""
    world = world_with((500.0, 2_000.0), 9_000.0, fund=fund)
    broken, other = world.rows
    world.open(broken, 1_000, 10_000)
    world.bids((9_000, 5_000))
    world.run(2)
    assert loss(world) == tuple(share * USD for share in shares)
    assert world.cash(broken) == 0
    assert world.cash(other) == (2_000 - shares[3]) * USD
    assert world.cash(INSURANCE_FUND) == round(fund * USD) - shares[1] * USD
    world.check_books()
    world.run()
    assert world.world.n_claims == 0
    assert len(world.losses) == 1


def test_socialised_loss_is_capped_and_the_rest_is_uncovered() -> None:
    """10 % of 2,000 and of 1,000 USD are 300; 200 of 500 USD stay with the venue."""
    world = world_with((500.0, 2_000.0, 1_000.0), 9_000.0, waterfall={"socialised_cap": 0.1})
    broken, first, second = world.rows
    world.open(broken, 1_000, 10_000)
    world.bids((9_000, 5_000))
    world.run(2)
    assert loss(world) == (500 * USD, 0, 0, 300 * USD, 200 * USD)
    assert (world.cash(first), world.cash(second)) == (1_800 * USD, 900 * USD)
    assert world.cash(DEFICIT) == -200 * USD
    world.check_books()


def test_socialised_loss_is_pro_rata_to_the_quantum() -> None:
    """100 quanta over balances of 1, 2 and 4 dollars: each rounded up until nothing is owed."""
    world = world_with((0.0, 1.0, 2.0, 4.0), 9_000.0)
    broken, *others = world.rows
    world.open(broken, 1, 10_000)
    world.world.ledger.deposit(broken, 0, 999_900)  # the loss is 1,000,000
    world.bids((9_000, 5))
    world.run(2)
    assert loss(world) == (100, 0, 0, 100, 0)
    taken = [deposit * USD - world.cash(account) for deposit, account in zip((1, 2, 4), others, strict=True)]
    assert taken == [15, 29, 56]  # 14.3, 28.6, 57.1
    world.check_books()


def test_only_customers_bear_socialised_losses() -> None:
    """A keeper that cannot be liquidated, the fund, the outside world and the broken account itself pay nothing."""
    world = world_with((500.0,), 9_000.0)
    (broken,) = world.rows
    world.open(broken, 1_000, 10_000)
    world.bids((9_000, 5_000))
    world.run(2)
    assert loss(world) == (500 * USD, 0, 0, 0, 500 * USD)
    world.check_books()


def test_an_account_with_collateral_left_is_not_written_off() -> None:
    """Owes 100, owns BTC worth 90 whose book is empty: the keepers go on; once it is sold the rest is booked."""
    world = world_with((-100.0,), 9_000.0)
    (account,) = world.rows
    world.world.ledger.deposit(account, 1, 1_000_000)
    world.run(2)
    assert len(world.losses) == 0
    assert world.world.n_claims == 1
    world.bids((8_000, 50), book=1)
    world.run()
    assert loss(world)[0] == 20 * USD
    world.check_books()


def test_losses_in_several_settlement_assets_are_booked_net() -> None:
    """Owes 100 USDC and owns 60 USDT: 40 are lost, not 100."""
    assets = {"USDC": USDC, "USDT": Asset(price_usd=1.0, price_tick_usd=0.001, quantum=1e-6, settlement=True)}
    book = changed(SPOT, base="USDT", tick_size=0.001, lot_size=0.1)
    world = engine(deposits=(-100.0,), assets=assets, instruments={"USDT-USDC": book})
    (account,) = world.rows
    world.world.ledger.deposit(account, 1, 60 * USD)
    world.bids((1_000, 100_000))
    world.run()
    assert loss(world)[0] == 40 * USD
    assert world.cash(account, 1) == 0
    world.check_books()


# --- deleveraging ---------------------------------------------------------------------------------


def short_against(world: Engine, shorts: Sequence[tuple[int, int]], *, lots: int, price: int = 10_000) -> None:
    """The first customer goes long `lots`, against these (customer, lots) and the outside world for the rest."""
    broken = world.rows[0]
    for number, taken in shorts:
        world.open(broken, taken, price, against=world.rows[number])
    rest = lots - sum(taken for _, taken in shorts)
    if rest:
        world.open(broken, rest, price)


def test_a_bankrupt_account_is_deleveraged_at_its_bankruptcy_price() -> None:
    """500 USD deposit, long 1 BTC from 10,000: bankrupt at 9,500. At 9,000, with an empty book and no fund, its short
    counterparty closes at 9,500: 500 instead of 1,000 USD of profit."""
    world = world_with((500.0, 3_000.0), 9_000.0)
    broken, winner = world.rows
    short_against(world, [(1, 1_000)], lots=1_000)
    world.run(2)
    assert loss(world) == (500 * USD, 0, 500 * USD, 0, 0)
    assert (world.cash(broken), world.lots(broken)) == (0, 0)
    assert (world.cash(winner), world.lots(winner)) == (3_500 * USD, 0)
    (event,) = world.events
    assert (int(event["kind"]), int(event["side"]), int(event["lots"])) == (FORCED_ADL, SELL, 1_000)
    assert (int(event["account"]), int(event["keeper"])) == (broken, winner)
    assert (int(event["value"]), int(event["loss"])) == (9_500 * USD, 500 * USD)
    assert (int(event["claim_tick"]), float(event["mark_move"])) == (1, 0.0)
    world.check_books()
    world.run()
    assert world.world.n_claims == 0


def test_a_bankrupt_short_is_deleveraged_upwards() -> None:
    world = world_with((500.0, 3_000.0), 11_000.0)
    broken, winner = world.rows
    world.open(broken, -1_000, 10_000, against=winner)
    world.run(2)
    assert loss(world) == (500 * USD, 0, 500 * USD, 0, 0)
    assert world.events["value"].tolist() == [10_500 * USD]
    assert world.events["side"].tolist() == [BUY]
    assert world.cash(winner) == 3_500 * USD
    world.check_books()


def test_a_fund_that_covers_the_account_leaves_it_to_the_keepers() -> None:
    """500 USD are missing: a fund of 500 waits, one of 499.999999 is used up and the winner bears the last quantum."""
    world = world_with((500.0, 3_000.0), 9_000.0, fund=500.0)
    short_against(world, [(1, 1_000)], lots=1_000)
    world.run(2)
    assert (len(world.losses), world.lots(world.rows[0])) == (0, 1_000)
    world = world_with((500.0, 3_000.0), 9_000.0, fund=499.999999)
    short_against(world, [(1, 1_000)], lots=1_000)
    world.run(2)
    assert loss(world) == (500 * USD, 500 * USD - 1, 1, 0, 0)
    assert world.cash(world.rows[1]) == 4_000 * USD - 1
    world.check_books()


def test_without_adl_keepers_go_on() -> None:
    world = world_with((500.0, 3_000.0), 9_000.0, waterfall={"adl": "none"})
    short_against(world, [(1, 1_000)], lots=1_000)
    world.run(3)
    assert (len(world.losses), world.lots(world.rows[0]), world.world.n_claims) == (0, 1_000, 1)


def test_severity_passes_on_a_part_and_the_rest_is_socialised() -> None:
    world = world_with((500.0, 3_000.0), 9_000.0, waterfall={"adl_severity": 0.6})
    short_against(world, [(1, 1_000)], lots=1_000)
    world.run(3)
    assert loss(world, 0) == (300 * USD, 0, 300 * USD, 0, 0)
    assert loss(world, 1) == (200 * USD, 0, 0, 200 * USD, 0)
    assert world.cash(world.rows[1]) == (4_000 - 300 - 200) * USD
    world.check_books()


def test_whoever_would_become_insolvent_is_skipped() -> None:
    """B and C hold 500 lots short each; closing half of the loss of 500 USD costs 250. B is worth 250.000001 after its
    profit of 500, which leaves one quantum; worth 250 it is passed over, and half the position stays open."""
    for extra, taken in ((1, [500, 500]), (0, [500])):
        world = world_with((500.0, 0.0, 3_000.0), 9_000.0)
        broken, tight, rich = world.rows
        short_against(world, [(1, 500), (2, 500)], lots=1_000)
        world.world.ledger.deposit(tight, 0, -250 * USD + 2 + extra)
        world.world.ledger.accounts["flags"][tight] = ADL_ELIGIBLE
        world.run(2)
        assert world.events["lots"].tolist() == taken
        assert world.events["loss"].sum() == 250 * USD * len(taken)
        assert world.lots(broken) == 1_000 - sum(taken)
        assert world.cash(rich) == 3_250 * USD
        assert world.assess(tight)[1] >= 0
        world.check_books()


def test_accounts_with_a_claim_and_ineligible_ones_are_not_asked() -> None:
    world = world_with((500.0, 3_000.0, 3_000.0), 9_000.0)
    _, first, second = world.rows
    short_against(world, [(1, 400), (2, 600)], lots=1_000)
    world.world.ledger.accounts["flags"][first] = LIQUIDATABLE
    world.run(2)
    assert world.events["keeper"].tolist() == [second]
    assert world.events["loss"].tolist() == [300 * USD]
    assert world.lots(world.rows[0]) == 400  # no counterparty: open, and tried again next tick
    world.world.ledger.accounts["flags"][first] = LIQUIDATABLE | ADL_ELIGIBLE
    world.run()
    assert world.events["keeper"].tolist() == [second, first]
    assert world.losses["adl"].sum() == 500 * USD
    world.check_books()


def test_the_outside_world_is_no_counterparty() -> None:
    world = world_with((500.0,), 9_000.0)
    world.open(world.rows[0], 1_000, 10_000, against=OUTSIDE)
    world.run(2)
    assert (len(world.events), world.lots(world.rows[0])) == (0, 1_000)


def test_queue_is_ranked_by_profit_share_times_leverage() -> None:
    """Shorts at 9,000: (entry, lots, deposit) -> profit share x notional / equity.

    A: 10,000, 100, 100 -> 0.1 x 900 / 200 = 0.45;      B: 12,000, 100, 1,000 -> 0.25 x 900 / 1,300 = 0.173
    C: 10,000, 100, 20  -> 0.1 x 900 / 120 = 0.75;      D: 8,000, 100, 300    -> a loss: -0.125 / (900 / 200) = -0.028
    E: 8,000, 100, 1,000 -> -0.125 / (900 / 900) = -0.125
    """
    world = engine(deposits=(100.0, 1_000.0, 20.0, 300.0, 1_000.0, 50.0))
    a, b, c, d, e, idle = world.rows
    for account, entry in ((a, 10_000), (b, 12_000), (c, 10_000), (d, 8_000), (e, 8_000)):
        world.open(account, -100, entry)
    world.world.instruments["mark"][0] = 9_000
    assert adl_queue(world.world, 0).tolist() == [c, a, b, d, e]
    assert idle not in adl_queue(world.world, 0)
    world.world.ledger.accounts["claim"][c] = 1
    assert adl_queue(world.world, 0).tolist() == [a, b, d, e]


def test_queue_closes_the_first_in_rank_and_pro_rata_all() -> None:
    """400 lots of a bankrupt long against shorts of 300, 300 and 400 in the order of rank."""
    for rule, lots in (("queue", [300, 100]), ("pro_rata", [120, 120, 160])):
        world = world_with((200.0, 500.0, 1_000.0, 2_000.0), 9_000.0, waterfall={"adl": rule})
        _, first, second, third = world.rows
        short_against(world, [(1, 100), (2, 100), (3, 200)], lots=400)
        for account, more in ((first, 200), (second, 200), (third, 200)):
            world.open(account, -more, 10_000)
        world.run(2)
        assert world.events["lots"].tolist() == lots
        assert world.events["keeper"].tolist() == [first, second, third][: len(lots)]
        assert world.losses["adl"].tolist() == [200 * USD]  # 400 USD lost, 200 deposited
        # every lot is closed at the same price: 9,500
        assert (world.events["value"] == world.events["lots"] * 9_500 * 1_000).all()
        world.check_books()


def test_one_common_fraction_moves_the_marks_of_all_positions() -> None:
    """Long 1 BTC of A and 0.5 BTC of B from 10,000, deposit 900; at 9,000 and 9,000 it has lost 1,500 and owes 600.
    13,500 USD of notional: each mark moves by 600 / 13,500, so A passes on 400 and B 200."""
    world = engine(deposits=(900.0, 5_000.0), prices=falls_to(9_000.0), instruments={"A": PERP, "B": PERP})
    broken, winner = world.rows
    world.open(broken, 1_000, 10_000, against=winner)
    world.open(broken, 500, 10_000, book=1, against=winner)
    world.run(2)
    assert world.events["loss"].tolist() == [400 * USD, 200 * USD]
    assert loss(world) == (600 * USD, 0, 600 * USD, 0, 0)
    assert world.cash(broken) == 0
    world.check_books()


@pytest.mark.parametrize("deposit", [1, 77_777_777, 333_333_333, 899_999_999])
def test_any_number_of_positions_ends_at_exactly_zero(deposit: int) -> None:
    """Three positions, two counterparties each, odd amounts: nothing is left over, not a quantum."""
    world = engine(
        deposits=(0.0, 9_000.0, 9_000.0),
        prices=falls_to(9_001.0),
        instruments={"A": PERP, "B": PERP, "C": PERP},
    )
    broken, first, second = world.rows
    world.world.ledger.deposit(broken, 0, deposit)
    for book, lots in enumerate((333, 271, 119)):
        world.open(broken, lots, 10_000 + 700 * book, book=book, against=first)
        world.open(broken, lots - 100, 10_000 + 700 * book, book=book, against=second)
    world.run(2)
    assert not world.world.ledger.positions["lots"][broken].any()
    assert world.cash(broken) == 0
    assert len(world.losses) == 1
    assert int(world.losses["adl"][0]) == int(world.events["loss"].sum())
    world.check_books()


def test_collateral_of_a_bankrupt_account_goes_before_the_winners_pay() -> None:
    """0.02 BTC worth 180, sold outside at a loss of 10 %, 162: of a loss of 1,000 less 500, winners bear 338."""
    world = world_with((500.0, 3_000.0), 9_000.0, conversion_loss_bps=1_000.0)
    broken, winner = world.rows
    world.world.ledger.deposit(broken, 1, 2_000_000)
    short_against(world, [(1, 1_000)], lots=1_000)
    world.run(2)
    assert loss(world) == (338 * USD, 0, 338 * USD, 0, 0)
    assert world.cash(broken, 1) == 0
    assert world.cash(winner) == (3_000 + 1_000 - 338) * USD
    world.check_books()


def test_more_counterparties_than_the_event_log_has_room_for() -> None:
    """3,000 shorts of one lot each: all are closed in one tick, whatever room there was."""
    n = 3_000
    world = engine(deposits=(1_000.0,) + (10.0,) * n, prices=falls_to(9_000.0))
    world.world.events = world.world.events[:16].copy()
    broken, *others = world.rows
    for other in others:
        world.open(broken, 1, 10_000, against=other)
    world.run(2)
    assert len(world.events) == n
    assert world.lots(broken) == 0
    assert loss(world) == (2_000 * USD, 0, 2_000 * USD, 0, 0)
    world.check_books()


def test_two_bankrupt_accounts_in_one_tick() -> None:
    world = engine(deposits=(500.0, 200.0, 5_000.0), prices=falls_to(9_000.0))
    first, second, winner = world.rows
    world.open(first, 1_000, 10_000, against=winner)
    world.open(second, 300, 10_000, against=winner)
    world.run(2)
    assert world.losses["account"].tolist() == [first, second]
    assert world.losses["adl"].tolist() == [500 * USD, 100 * USD]
    assert world.cash(winner) == (5_000 + 1_300 - 600) * USD
    world.check_books()


# --- sharing out a budget -------------------------------------------------------------------------


@pytest.mark.parametrize("rule", [allocate_queue, allocate_pro_rata])
@pytest.mark.parametrize("budget", [0, 1, 7, 49, 50, 51, 10**18])
def test_allocation_spends_the_budget_and_no_capacity_twice(rule: Any, budget: int) -> None:
    capacities = np.array([7, 0, 13, 1, 29], np.int64)
    out = np.full(5, -1, np.int64)
    left = int(rule(budget, capacities, out))
    assert (out >= 0).all()
    assert (out <= capacities).all()
    assert int(out.sum()) + left == budget
    assert left == max(0, budget - 50)


def test_pro_rata_is_within_one_unit_of_the_exact_share() -> None:
    capacities = np.array([10**15 + 7, 3, 10**12, 10**15], np.int64)
    out = np.zeros(4, np.int64)
    budget = 999_999_999_999
    assert allocate_pro_rata(budget, capacities, out) == 0
    total = sum(int(capacity) for capacity in capacities)
    for got, capacity in zip(out, capacities, strict=True):
        assert abs(int(got) - budget * int(capacity) / total) <= 1


def test_nobody_to_share_with() -> None:
    nothing = np.zeros(0, np.int64)
    assert allocate_queue(5, nothing, nothing) == 5
    assert allocate_pro_rata(5, nothing, nothing) == 5
