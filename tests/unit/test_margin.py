"""Margin by hand: haircuts, debts, tiers, netting, the initial-margin gate, liquidation and bankruptcy prices.

One lot (0.001 BTC) is worth 1,000 USDC quanta per tick of 1 USD; prices start at 10,000.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from market.errors import InputError
from market.instruments import Asset, Instrument, Tier, tier_records
from market.kernels.records import (
    BUY,
    IOC,
    LIMIT,
    MARKET,
    OUTSIDE,
    REDUCE_ONLY,
    REFUSED,
    SELL,
)
from market.margin.prices import bankruptcy_price, liquidation_price
from tests.engine_worlds import ASSETS, BTC, PERP, SPOT, TICK_LOT, USD, USDC, Engine, changed, engine

SPOT_BOOK = 1


def with_btc(world: Engine, account: int, quanta: int) -> None:
    world.world.ledger.deposit(account, 1, quanta)


# --- what an account is worth ---------------------------------------------------------------------


def test_haircut_lowers_margin_equity_only() -> None:
    world = engine(deposits=(500.0,), assets={"USDC": USDC, "BTC": changed(BTC, haircut=0.15)})
    (account,) = world.rows
    with_btc(world, account, 12_345_678)  # 0.12345678 BTC: 1,234.5678 USD, of which 85 % are 1,049.38263
    margin, net, maintenance, initial = world.assess(account)
    assert net == 500 * USD + 1_234_567_800
    assert margin == 500 * USD + 1_049_382_630
    assert (maintenance, initial) == (0, 0)


def test_values_round_down_and_debts_up() -> None:
    world = engine(deposits=(0.0,), assets={"USDC": USDC, "BTC": changed(BTC, haircut=0.15)})
    (account,) = world.rows
    world.world.assets["price"][1] = 333  # one quantum of BTC is 3.33 USD quanta
    with_btc(world, account, 1)
    assert world.assess(account)[:2] == (2, 3)  # 3.33 -> 3; 85 % of 3 is 2.55 -> 2
    with_btc(world, account, -2)
    assert world.assess(account)[:2] == (-4, -4)  # -3.33 -> -4


def test_liability_weight_counts_in_margin_equity_only() -> None:
    world = engine(deposits=(1_000.0,), assets={"USDC": USDC, "BTC": changed(BTC, liability_weight=1.2)})
    (account,) = world.rows
    with_btc(world, account, -5_000_000)  # owes 0.05 BTC, 500 USD
    assert world.assess(account)[:2] == (400 * USD, 500 * USD)


def test_a_loss_beyond_cash_is_a_debt_and_weighs_like_one() -> None:
    """100 USDC and an open loss of 150 are a debt of 50, not a balance of 100 and a loss."""
    world = engine(deposits=(100.0,), assets={"USDC": changed(USDC, haircut=0.1, liability_weight=1.5), "BTC": BTC})
    (account,) = world.rows
    world.open(account, 100, 10_000)
    world.world.instruments["mark"][0] = 8_500
    assert world.assess(account)[:2] == (-75 * USD, -50 * USD)
    world.world.instruments["mark"][0] = 10_500  # 100 + 50
    assert world.assess(account)[:2] == (135 * USD, 150 * USD)


def test_profit_and_loss_net_across_positions() -> None:
    instruments: Mapping[str, Instrument] = {"A": PERP, "B": PERP}
    world = engine(deposits=(1_000.0,), instruments=instruments)
    (account,) = world.rows
    world.open(account, 100, 10_000)
    world.open(account, -100, 10_000, book=1)
    world.world.instruments["mark"][:] = (9_000, 8_900)
    # -100 and +110 USD; maintenance 5 % of 900 and of 890
    assert world.assess(account) == (1_010 * USD, 1_010 * USD, 89_500_000, 179 * USD)


def test_tiers_charge_only_the_part_above_their_floor() -> None:
    tiers = (
        Tier(initial=0.05, maintenance=0.02),
        Tier(floor_usd=1_000.0, initial=0.10, maintenance=0.05),
        Tier(floor_usd=3_000.0, initial=0.20, maintenance=0.10),
    )
    world = engine(deposits=(10_000.0,), instruments={"BTC-PERP": changed(PERP, tiers=tiers)})
    (account,) = world.rows
    # notional in USD: requirement by hand
    for lots, maintenance, initial in (
        (50, 10.0, 25.0),  # 500
        (100, 20.0, 50.0),  # 1,000: the floor itself, continuous
        (200, 20.0 + 50.0, 50.0 + 100.0),  # 2,000
        (300, 20.0 + 100.0, 50.0 + 200.0),  # 3,000
        (500, 20.0 + 100.0 + 200.0, 50.0 + 200.0 + 400.0),  # 5,000
    ):
        world.open(account, lots - world.lots(account), 10_000)
        assert world.assess(account)[2:] == (round(maintenance * USD), round(initial * USD))


@pytest.mark.parametrize(
    ("tiers", "words"),
    [
        ((Tier(floor_usd=1.0),), "floors must start at 0"),
        ((Tier(), Tier(floor_usd=5.0), Tier(floor_usd=5.0)), "floors must start at 0 and rise"),
        ((Tier(initial=0.02, maintenance=0.03),), "maintenance is above initial"),
        ((Tier(), Tier(floor_usd=5.0, initial=0.05, maintenance=0.01)), "must not fall"),
    ],
)
def test_impossible_tiers_are_refused(tiers: tuple[Tier, ...], words: str) -> None:
    with pytest.raises(InputError, match=words):
        tier_records({"X": changed(PERP, tiers=tiers)})


def test_initial_margin_counts_the_worst_case_of_resting_orders() -> None:
    world = engine(deposits=(10_000.0,))
    (account,) = world.rows
    world.open(account, 100, 10_000)
    assert world.assess(account)[2:] == (50 * USD, 100 * USD)
    world.asks((10_100, 150), account=account)  # at worst 50 short
    assert world.assess(account)[3] == 100 * USD
    world.asks((10_200, 100), account=account)  # at worst 150 short
    assert world.assess(account)[3] == 150 * USD
    world.bids((9_900, 80), account=account)  # at worst 180 long
    assert world.assess(account)[3] == 180 * USD
    assert world.assess(account)[2] == 50 * USD


# --- the gate -------------------------------------------------------------------------------------


def try_order(world: Engine, **fields: int) -> bool:
    """Send one message through a tick; whether the gate let it pass."""
    before = int(world.world.books.counters[REFUSED])
    world.cast.cohorts[0].script = {world.world.tick: (fields,)}  # type: ignore[attr-defined]
    world.run()
    world.check_books()
    return int(world.world.books.counters[REFUSED]) == before


def gate(*deposits: float, **kwargs: Any) -> Engine:
    """A world whose one cohort sends what `try_order` tells it to."""
    return engine(deposits=deposits, script={0: ({},)}, **kwargs)


@pytest.mark.parametrize("side", [BUY, SELL])
@pytest.mark.parametrize("short_of", [0, 1])
def test_initial_margin_to_the_quantum(side: int, short_of: int) -> None:
    """7 lots at 10,000 need 10 % of 70 USD; one quantum less is refused."""
    world = gate(7.0)
    (account,) = world.rows
    world.world.ledger.deposit(account, 0, -short_of)
    passed = try_order(world, op=LIMIT, side=side, price=10_000, lots=7, account=account)
    assert passed == (short_of == 0)
    assert world.assess(account)[3] == (7 * USD if passed else 0)


def test_price_against_the_mark_and_the_fee_must_be_covered_too() -> None:
    """Buying 10 lots at 10,100 with the mark at 10,000: 10 USD margin, 1 USD at once lost, 0.0505 USD fee."""
    perp = changed(PERP, taker_fee_bps=5.0)
    for deposit, passes in ((11.0505, True), (11.050499, False)):
        world = gate(deposit, instruments={"BTC-PERP": perp})
        (account,) = world.rows
        assert try_order(world, op=LIMIT, side=BUY, price=10_100, lots=10, account=account) == passes


def test_a_market_order_is_measured_by_what_it_takes_from_the_book() -> None:
    """5 lots at 9,900 and 5 at 9,000: selling 10 loses 0.5 + 5 USD against the mark beside 10 USD of margin."""
    for deposit, passes in ((15.5, True), (15.499999, False)):
        for op in (MARKET, IOC, LIMIT):
            world = gate(deposit)
            (account,) = world.rows
            world.bids((9_900, 5), (9_000, 5))
            assert try_order(world, op=op, side=SELL, price=1_000, lots=10, account=account) == passes
            assert world.lots(account) == (-10 if passes else 0)
            assert world.assess(account)[0] == (10 * USD if passes else 15_499_999)


def test_an_order_that_cannot_rest_needs_margin_only_for_what_it_gets() -> None:
    world = gate(5.0)
    (account,) = world.rows
    world.asks((10_000, 5))
    assert try_order(world, op=IOC, side=BUY, price=10_000, lots=1_000, account=account)
    assert world.lots(account) == 5


def test_a_limit_order_that_trades_needs_margin_for_its_rest_as_well() -> None:
    world = gate(9.0)
    (account,) = world.rows
    world.asks((10_000, 5))
    assert not try_order(world, op=LIMIT, side=BUY, price=10_000, lots=10, account=account)
    assert try_order(world, op=LIMIT, side=BUY, price=10_000, lots=9, account=account)
    assert world.lots(account) == 5


def test_orders_that_cannot_raise_exposure_pass_without_margin() -> None:
    world = gate(10.0)
    (account,) = world.rows
    world.open(account, 10, 10_000)
    world.world.ledger.deposit(account, 0, -4 * USD)  # 6 USD left for 10 of initial margin and 5 of maintenance
    assert not try_order(world, op=LIMIT, side=BUY, price=9_000, lots=1, account=account)
    assert try_order(world, op=LIMIT, side=SELL, price=11_000, lots=20, account=account)  # at worst -10
    assert not try_order(world, op=LIMIT, side=SELL, price=11_000, lots=1, account=account)


def test_reduce_only_is_cut_to_the_position() -> None:
    world = gate(1_000.0)
    (account,) = world.rows
    world.bids((10_000, 100))
    world.open(account, 10, 10_000)
    assert not try_order(world, op=MARKET, side=BUY, lots=5, account=account, flags=REDUCE_ONLY)
    assert try_order(world, op=MARKET, side=SELL, lots=25, account=account, flags=REDUCE_ONLY)
    assert world.lots(account) == 0
    assert not try_order(world, op=MARKET, side=SELL, lots=1, account=account, flags=REDUCE_ONLY)


def test_resting_reduce_only_orders_cannot_pile_up_beyond_margin() -> None:
    """The first covers the position, the second could only turn it round, the third needs margin that is not there."""
    world = gate(10.0)
    (account,) = world.rows
    world.open(account, 10, 10_000)
    world.world.ledger.deposit(account, 0, -4 * USD)
    order = {"op": LIMIT, "side": SELL, "price": 10_500, "lots": 10, "account": account, "flags": REDUCE_ONLY}
    assert try_order(world, **order)
    assert try_order(world, **order)
    assert not try_order(world, **order)
    assert try_order(world, **(order | {"op": MARKET}))  # a way out is never refused


def test_isolated_account_trades_its_instrument_only() -> None:
    world = gate(1_000.0, instruments={"A": PERP, "B": PERP})
    (account,) = world.rows
    world.world.ledger.accounts["only_instrument"][account] = 1
    assert not try_order(world, op=LIMIT, side=BUY, price=9_000, lots=1, account=account, book=0)
    assert try_order(world, op=LIMIT, side=BUY, price=9_000, lots=1, account=account, book=1)


def test_isolated_account_stands_for_itself() -> None:
    """Two rows of one owner: what one loses does not touch the other."""
    world = engine(deposits=(100.0, 100.0))
    first, second = world.rows
    world.world.ledger.accounts["owner"][second] = first
    world.world.ledger.accounts["only_instrument"][first] = 0
    world.open(first, 100, 10_000)
    world.world.instruments["mark"][0] = 8_000
    assert world.assess(first)[1] == -100 * USD
    assert world.assess(second)[1] == 100 * USD


def test_spot_must_be_covered() -> None:
    world = gate(100.0)
    (account,) = world.rows
    with_btc(world, account, 500_000)  # 5 lots
    buy = {"op": LIMIT, "side": BUY, "price": 9_000, "account": account, "book": SPOT_BOOK}
    sell = {"op": LIMIT, "side": SELL, "price": 11_000, "account": account, "book": SPOT_BOOK}
    assert not try_order(world, **buy, lots=12)
    assert try_order(world, **buy, lots=10)  # 90 USD pledged
    assert not try_order(world, **(buy | {"price": 5_001}), lots=2)  # 10.002 more
    assert not try_order(world, **(buy | {"price": 1}), lots=12_000)  # 12 more: bids before are not forgotten
    assert try_order(world, **sell, lots=3)
    assert not try_order(world, **sell, lots=3)
    assert try_order(world, **sell, lots=2)


def test_spot_fee_is_part_of_what_must_be_covered() -> None:
    """100 USD and 10 bps: 99.9 USD can be spent, not 100; a market order pays what it takes, level by level."""
    spot = changed(SPOT, taker_fee_bps=10.0)
    world = gate(100.0, instruments={"BTC-PERP": PERP, "BTC-USDC": spot})
    (account,) = world.rows
    world.asks((9_900, 5), (10_100, 10), book=SPOT_BOOK)
    order = {"op": MARKET, "side": BUY, "account": account, "book": SPOT_BOOK}
    assert not try_order(world, **order, lots=10)  # 49.5 + 50.5 + 0.1
    assert try_order(world, **order, lots=9)
    assert world.cash(account) == 100 * USD - (49_500_000 + 40_400_000) - 89_900
    assert world.cash(account, 1) == 900_000


def test_spot_bids_reserve_the_haircut_of_what_they_would_buy() -> None:
    """1,000 USD; bids for 900 USD of BTC with haircut 20 % reserve 180: 820 are left for a margin of 10 %."""
    for lots, passes in ((820, True), (821, False)):
        world = gate(1_000.0, assets={"USDC": USDC, "BTC": changed(BTC, haircut=0.2)})
        (account,) = world.rows
        assert try_order(world, op=LIMIT, side=BUY, price=10_000, lots=90, account=account, book=SPOT_BOOK)
        assert world.assess(account)[3] == 180 * USD
        assert try_order(world, op=LIMIT, side=BUY, price=10_000, lots=lots, account=account) == passes


def test_an_order_too_large_for_64_bits_is_refused() -> None:
    world = gate(1_000.0)
    (account,) = world.rows
    assert not try_order(world, op=LIMIT, side=BUY, price=10_000, lots=1 << 42, account=account)


# --- prices at which an account breaks ------------------------------------------------------------


def prices(world: Engine, account: int, *, book: int = 0) -> tuple[float | None, float | None]:
    """(liquidation price, bankruptcy price)."""
    state = world.world
    arguments = (state.ledger, state.instruments, state.assets, state.margin)
    return (
        liquidation_price(*arguments, account=account, book=book),
        bankruptcy_price(*arguments, account=account, book=book),
    )


def test_liquidation_price_of_a_long_and_a_short() -> None:
    """1 BTC at 10,000 with 1,000 USD: long (10,000 - 1,000) / 0.95; short 11,000 / 1.05; bankrupt at 9,000, 11,000."""
    world = engine(deposits=(1_000.0, 1_000.0))
    long, short = world.rows
    world.open(long, 1_000, 10_000, against=short)
    assert prices(world, long) == pytest.approx((9_000 / 0.95, 9_000), abs=1e-6)
    assert prices(world, short) == pytest.approx((11_000 / 1.05, 11_000), abs=1e-6)


def test_liquidation_price_agrees_with_the_strict_trigger() -> None:
    """The account breaks at the first whole tick beyond the price, and not before."""
    world = engine(deposits=(1_000.0,))
    (account,) = world.rows
    world.open(account, 1_000, 10_000)
    price, _ = prices(world, account)
    assert price is not None
    for mark, safe in ((int(price) + 1, True), (int(price), False)):
        world.world.instruments["mark"][0] = mark
        margin, _, maintenance, _ = world.assess(account)
        assert (margin >= maintenance) == safe


def test_liquidation_price_with_collateral_tiers_and_another_position() -> None:
    """Solved by hand: 600 USD cash, 0.05 BTC at haircut 20 % worth 400, loss of 100 on B, maintenance on B 45.

    A: 2 BTC long from 10,000; tiers 2 % up to 15,000 USD, 8 % beyond, so maintenance is 0.08 N - 900.
    Excess: 600 + 400 - 100 + 2 (p - 10,000) - (0.08 x 2 p - 900) - 45 = 0  =>  1.84 p = 18,245.
    """
    tiers = (Tier(initial=0.1, maintenance=0.02), Tier(floor_usd=15_000.0, initial=0.1, maintenance=0.08))
    world = engine(
        deposits=(600.0,),
        assets={"USDC": USDC, "BTC": changed(BTC, haircut=0.2)},
        instruments={"A": changed(PERP, tiers=tiers), "B": PERP},
    )
    (account,) = world.rows
    with_btc(world, account, 5_000_000)
    world.open(account, 2_000, 10_000)
    world.open(account, -90, 10_000 - 1_111, book=1)
    world.world.instruments["mark"][1] = 10_000
    # the short B lost 90 x 1,111 ticks = 99.99 USD; 5 % of 900 USD
    liquidation, bankruptcy = prices(world, account)
    assert liquidation == pytest.approx((18_245 - 0.01) / 1.84, abs=1e-6)
    assert bankruptcy == pytest.approx((20_000 - 600 - 500 + 99.99) / 2, abs=1e-6)


def test_no_liquidation_price_without_leverage_or_position() -> None:
    world = engine(deposits=(20_000.0, 1.0))
    long, idle = world.rows
    world.open(long, 1_000, 10_000)
    assert prices(world, long) == (None, None)
    assert prices(world, idle) == (None, None)


def test_price_of_recovery_of_an_account_below_maintenance() -> None:
    world = engine(deposits=(1_000.0,))
    (account,) = world.rows
    world.open(account, 1_000, 10_000)
    world.world.instruments["mark"][0] = 8_000
    assert prices(world, account) == pytest.approx((9_000 / 0.95, 9_000), abs=1e-6)


def test_oracle_priced_settlement_asset() -> None:
    """A stablecoin at 0.95: balances, profit and notional are worth 5 % less."""
    stable = Asset(price_usd=0.95, price_tick_usd=0.01, quantum=1e-6, settlement=True)
    world = engine(deposits=(1_000.0,), assets={"USDC": stable, "BTC": BTC})
    (account,) = world.rows
    world.open(account, 100, 10_000, against=OUTSIDE)
    world.world.instruments["mark"][0] = 10_100
    profit = 100 * 100 * TICK_LOT
    equity = (1_000 * USD + profit) * 95 // 100
    notional = 100 * 10_100 * TICK_LOT * 95 // 100
    assert world.assess(account) == (equity, equity, notional // 20, notional // 10)


def test_default_assets_are_those_of_the_comments() -> None:
    world = engine(deposits=(0.0,), assets=ASSETS)
    with_btc(world, world.rows[0], 100_000_000)
    assert world.assess(world.rows[0])[1] == 10_000 * USD
