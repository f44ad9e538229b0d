"""Liquidation policies by hand: how much a call closes, at what price, and who gets what the book gives beyond it.

One lot (0.001 BTC) is worth 1,000 USDC quanta per tick of 1 USD; maintenance is 5 % of notional. Marks and oracle are
the index, which is 10,000 at tick 0, then what the test says; rounds and ticks last a second.
"""

from __future__ import annotations

from typing import Any

import pytest

from market.kernels.records import INSURANCE_FUND
from market.venue import (
    BankruptcyPrice,
    CloseFactor,
    DutchPrice,
    FillablePrice,
    FirstShare,
    HealthPrice,
    OraclePrice,
    Portion,
    ToTarget,
    VaultBackstop,
    Waterfall,
    WindowCap,
)
from tests.engine_worlds import (
    BTC,
    KEEPER_CAPITAL,
    PERP,
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


def long_world(deposit: float, *, lots: int = 1_000, perp: Any = PERP, **rules: Any) -> Engine:
    """One customer long `lots` from 10,000 and a price of 9,000 from tick 1; short, and 11,000."""
    world = engine(
        deposits=(deposit,),
        prices=falls_to(9_000.0 if lots > 0 else 11_000.0),
        venue=plain_venue(**rules),
        instruments={"BTC-PERP": perp},
    )
    world.open(world.rows[0], lots, 10_000)
    return world


def priced(deposit: float, price: Any, **kwargs: Any) -> Engine:
    """As `long_world`, under a price rule."""
    return long_world(deposit, price=price, **kwargs)


def borrower(debt: float, btc: float, worth: float, *, haircut: float = 0.2, **rules: Any) -> Engine:
    """One customer who owes `debt` USDC against `btc`; the price falls from 10,000 to `worth` at tick 1."""
    assets = {"USDC": USDC, "BTC": changed(BTC, haircut=haircut)}
    world = engine(deposits=(-debt,), prices=falls_to(worth), assets=assets, venue=plain_venue(**rules))
    world.world.ledger.deposit(world.rows[0], 1, round(btc * 1e8))
    return world


def closed(world: Engine) -> list[tuple[int, int]]:
    """(tick, lots) of every forced fill."""
    return [(int(event["tick"]), int(event["lots"])) for event in world.events]


# --- prices ---------------------------------------------------------------------------------------


def test_oracle_price_goes_to_the_account_and_the_rest_to_the_keeper() -> None:
    """2 % below 9,000 is 8,820. The book gives 180 more for 400 lots and 80 more for 300; 8,819 is not worth it."""
    world = priced(1_200.0, OraclePrice(discount_bps=200.0))
    world.bids((9_000, 400), (8_900, 300), (8_819, 5_000))
    world.run(2)
    assert closed(world) == [(1, 700)]
    assert world.events["value"].tolist() == [(400 * 9_000 + 300 * 8_900) * TICK_LOT]
    assert world.cash(world.rows[0]) == 1_200 * USD - 700 * (10_000 - 8_820) * TICK_LOT
    assert world.cash(world.keeper) == KEEPER_CAPITAL + (400 * 180 + 300 * 80) * TICK_LOT
    world.check_books()


def test_oracle_price_of_a_short_is_dearer() -> None:
    """11,000 and 2 % are 11,220; asks at 11,100 leave 120 a lot."""
    world = priced(1_200.0, OraclePrice(discount_bps=200.0), lots=-1_000)
    world.asks((11_100, 600), (11_221, 5_000))
    world.run(2)
    assert closed(world) == [(1, 600)]
    assert world.cash(world.rows[0]) == 1_200 * USD - 600 * 1_220 * TICK_LOT
    assert world.cash(world.keeper) == KEEPER_CAPITAL + 600 * 120 * TICK_LOT
    world.check_books()


def test_who_takes_over_pays_the_trading_fee() -> None:
    """0.1 % of the book's price: 8,828 leaves 8,819.172, less than 8,820, and 8,829 leaves 8,820.171."""
    perp = changed(PERP, taker_fee_bps=10.0)
    world = priced(1_200.0, OraclePrice(discount_bps=200.0), perp=perp)
    world.bids((8_829, 400), (8_828, 5_000))
    world.run(2)
    assert closed(world) == [(1, 400)]
    assert world.cash(world.rows[0]) == 1_200 * USD - 400 * 1_180 * TICK_LOT
    assert world.cash(world.keeper) == KEEPER_CAPITAL + 400 * 171
    world.check_books()


def test_the_fee_of_the_venue_comes_on_top_of_the_discount() -> None:
    """1 % of what the account gets, 8.82 a lot, all for the fund."""
    world = priced(1_200.0, OraclePrice(discount_bps=200.0), fee_bps=100.0, keeper_share=0.0)
    world.bids((8_900, 100))
    world.run(2)
    assert world.cash(INSURANCE_FUND) == 100 * 8_820 * TICK_LOT // 100
    assert world.cash(world.keeper) == KEEPER_CAPITAL + 100 * 80 * TICK_LOT
    world.check_books()


def test_the_discount_grows_while_nobody_acts() -> None:
    """1 % a second after a second of grace: bids at 8,900 are taken when the price is 8,820, at the age of 2 s."""
    world = priced(1_200.0, OraclePrice(discount_bps=0.0, grace_seconds=1.0, growth_bps_per_second=100.0))
    world.bids((8_900, 5_000))
    world.run(4)
    assert closed(world) == [(3, 1_000)]
    assert world.cash(world.keeper) == KEEPER_CAPITAL + 1_000 * 80 * TICK_LOT


def test_discount_by_health() -> None:
    """0.065 BTC at 9,000 count for 468 of a debt of 500: 6.4 %, 8,424. 500 / 8.424 = 59.4 lots."""
    world = borrower(500.0, 0.065, 9_000.0, price=HealthPrice())
    world.bids((9_000, 5_000), book=SPOT_BOOK)
    world.run(2)
    assert closed(world) == [(1, 60)]
    assert world.cash(world.rows[0]) == 60 * 8_424 * TICK_LOT - 500 * USD
    assert world.cash(world.keeper) == KEEPER_CAPITAL + 60 * 576 * TICK_LOT
    world.check_books()
    world = borrower(500.0, 0.065, 9_000.0, price=HealthPrice(most_discount_bps=500.0))
    world.bids((9_000, 5_000), book=SPOT_BOOK)
    world.run(2)
    assert world.cash(world.keeper) == KEEPER_CAPITAL + 59 * 450 * TICK_LOT  # 5 %: 8,550, 58.5 lots


@pytest.mark.parametrize(
    ("curve", "asked"),
    [
        (DutchPrice(curve="linear", start=1.1, span_seconds=10.0), [9_900, 8_910, 7_920]),
        (DutchPrice(curve="stair_step", start=1.1, span_seconds=2.0, cut=0.9), [9_900, 9_900, 8_910, 8_910, 8_019]),
        (DutchPrice(curve="exponential", start=1.1, cut=0.9), [9_900, 8_910, 8_019]),
        (
            DutchPrice(curve="two_speed", start=0.95, cut=0.85, span_seconds=2.0, slow_seconds=17.0),
            [8_550, 8_100, 7_650, 7_200],
        ),
    ],
)
def test_auction_curves(curve: Any, asked: list[int]) -> None:
    """What is asked for 9,000 in every second; a bid one tick below is left, the bid at it is taken."""
    for age, price in enumerate(asked):
        world = priced(1_200.0, curve)
        world.bids((price - 1, 5_000))
        world.run(2 + age)
        assert closed(world) == []
        world = priced(1_200.0, curve)
        world.bids((price, 5_000))
        world.run(2 + age)
        assert sum(lots for _, lots in closed(world)) == 1_000
        assert world.events["tick"][0] <= 1 + age
        world.check_books()


def test_an_auction_starts_over() -> None:
    """9,900, 8,910, 7,920, and then 9,900 again: a bid at 7,930 that comes too late waits for the next time."""
    line = DutchPrice(curve="linear", start=1.1, span_seconds=10.0)
    for rule in (changed(line, longest_seconds=2.0), changed(line, lowest=0.75)):
        world = priced(1_200.0, rule)
        world.run(4)
        world.bids((7_930, 5_000))
        world.run(2)
        assert closed(world) == []
        world.run(1)
        assert closed(world) == [(6, 1_000)]


def test_fillable_price() -> None:
    """Equity 200, maintenance 450: rating 5/9, and 1.5 x 450 x 5/9 = 375 below the mark. The account gets it all."""
    world = priced(1_200.0, FillablePrice())
    world.bids((8_800, 100), (8_625, 100), (8_624, 5_000))
    world.run(2)
    assert closed(world) == [(1, 200)]
    assert world.cash(world.rows[0]) == 1_200 * USD - 100 * (1_200 + 1_375) * TICK_LOT
    world = priced(1_200.0, FillablePrice(adjustment=0.6, spread=1.0), lots=-1_000)
    world.asks((11_219, 100), (11_220, 5_000))  # 200 of 550: rating 0.6 x 7/11, 550 x that is 210
    world.run(2)
    assert closed(world) == []
    world.asks((11_210, 70))
    world.run(1)
    assert closed(world) == [(2, 70)]


def test_bankruptcy_price_and_surplus() -> None:
    """Equity 200: 8,800. At 8,850 the account ends at 0 and the fund gets 50; or the account keeps them."""
    for rule, account, fund in ((BankruptcyPrice(), 0, 50), (BankruptcyPrice(surplus="account"), 50, 0)):
        world = priced(1_200.0, rule)
        world.bids((8_850, 1_000))
        world.run(2)
        assert closed(world) == [(1, 1_000)]
        assert (world.cash(world.rows[0]), world.cash(INSURANCE_FUND)) == (account * USD, fund * USD)
        world.check_books()
    world = priced(1_200.0, BankruptcyPrice())
    world.bids((8_799, 5_000))
    world.run(2)
    assert closed(world) == []


def test_bankruptcy_prices_of_two_positions_share_the_equity_by_maintenance() -> None:
    """A: 600 lots at 10 %, 540; B: 400 at 5 %, 180. Equity 240: 180 and 60, 300 and 150 a BTC."""
    steep = changed(PERP, tiers=(changed(PERP.tiers[0], initial=0.2, maintenance=0.1),))
    venue = plain_venue(price=BankruptcyPrice())
    world = engine(deposits=(1_240.0,), prices=falls_to(9_000.0), venue=venue, instruments={"A": steep, "B": PERP})
    (account,) = world.rows
    world.open(account, 600, 10_000)
    world.open(account, 400, 10_000, book=1)
    world.bids((8_700, 5_000))
    world.bids((8_850, 5_000), book=1)
    world.run(2)
    assert world.events["lots"].tolist() == [600, 400]
    assert world.cash(account) == 0
    assert len(world.losses) == 0
    world.check_books()


@pytest.mark.parametrize(
    ("cap", "bid", "fees"),
    [
        ("bankruptcy", 9_000, 81.0 + 54.0),  # 1.5 % of 5,400 and 3,600: less than 180 and 60
        ("bankruptcy", 8_800, 60.0 + 54.0),  # A brings 60 more than 5,220, where 1.5 % would be 79.20
        ("bankruptcy", 8_650, 0.0 + 30.0),  # nothing here, and 30 are left of B's part
        ("equity", 8_800, 79.2 + 40.8),  # what is left of 240 after slippage of 120
    ],
)
def test_a_fee_takes_no_more_than_a_position_brought_above_bankruptcy(cap: str, bid: int, fees: float) -> None:
    """Long 600 of A (10 %, 540) and 400 of B (5 %, 180) at equity 240, which go with 180 and 60 of it."""
    steep = changed(PERP, tiers=(changed(PERP.tiers[0], initial=0.2, maintenance=0.1),))
    venue = plain_venue(fee_bps=150.0, fee_cap=cap, keeper_share=0.0)
    world = engine(deposits=(1_240.0,), prices=falls_to(9_000.0), venue=venue, instruments={"A": steep, "B": PERP})
    world.open(world.rows[0], 600, 10_000)
    world.open(world.rows[0], 400, 10_000, book=1)
    world.bids((bid, 5_000))
    world.bids((9_000, 5_000), book=1)
    world.run(2)
    assert world.cash(INSURANCE_FUND) == round(fees * USD)
    world.check_books()


def test_a_fee_on_a_purchase_stops_at_bankruptcy_too() -> None:
    """Short 1,000 at 11,000 with 200: bankrupt at 11,200. Bought at 11,100, 100 are left of a fee of 166.50."""
    for ask, fee in ((11_100, 100.0), (11_010, 165.15)):
        world = long_world(1_200.0, lots=-1_000, fee_bps=150.0, fee_cap="bankruptcy", keeper_share=0.0)
        world.asks((ask, 5_000))
        world.run(2)
        assert world.cash(INSURANCE_FUND) == round(fee * USD)
        world.check_books()


def test_below_bankruptcy_positions_close_within_the_slippage_limit() -> None:
    """Equity -100; the fund bears it as long as it can."""
    world = priced(900.0, BankruptcyPrice(), slippage_limit_bps=100.0)
    world.world.ledger.deposit(INSURANCE_FUND, 0, 1_000 * USD)
    world.bids((8_950, 1_000))
    world.run(2)
    assert closed(world) == [(1, 1_000)]
    assert world.losses["fund"].tolist() == [150 * USD]
    assert world.cash(INSURANCE_FUND) == 850 * USD
    world.check_books()


# --- sizes ----------------------------------------------------------------------------------------


def test_portion_least_and_cap() -> None:
    """9,000 USD: 10 % are 900, but 1,000 may always be closed: 111 lots. The cap is one of the call, A comes first."""
    world = long_world(1_200.0, sizing=Portion(share=0.1, least_usd=1_000.0))
    world.bids((9_000, 5_000))
    world.run(2)
    assert closed(world) == [(1, 111)]
    venue = plain_venue(sizing=Portion(share=0.5, most_usd=3_000.0), ordering="largest_first")
    world = engine(deposits=(1_200.0,), prices=falls_to(9_000.0), venue=venue, instruments={"A": PERP, "B": PERP})
    world.open(world.rows[0], 400, 10_000)
    world.open(world.rows[0], 600, 10_000, book=1)
    world.bids((9_000, 5_000))
    world.bids((9_000, 5_000), book=1)
    world.run(2)
    # 300 of 600 lots of B are 2,700 USD; 300 USD are left: 33 lots of A
    assert [(int(event["book"]), int(event["lots"])) for event in world.events] == [(1, 300), (0, 33)]


def test_first_share_then_a_cool_down() -> None:
    """Equity 10. 200 of 1,000 lots; nothing for 3 s; then the rest. Or the rest at once, in the cool-down."""
    sizing = FirstShare(share=0.2, above_usd=5_000.0, cooldown_seconds=3.0, cooldown="wait")
    world = long_world(1_010.0, sizing=sizing)
    world.bids((9_000, 5_000))
    world.run(6)
    assert closed(world) == [(1, 200), (4, 800)]
    world = long_world(1_010.0, sizing=changed(sizing, cooldown="full"))
    world.bids((9_000, 5_000))
    world.run(6)
    assert closed(world) == [(1, 200), (2, 800)]
    world = long_world(1_010.0, sizing=changed(sizing, above_usd=9_000.0))
    world.bids((9_000, 5_000))
    world.run(2)
    assert closed(world) == [(1, 1_000)]


def test_a_first_share_comes_again_after_a_cool_down_in_which_all_could_go() -> None:
    """The bids for the rest come 3 s later: 200 of the 800 that are left, then the other 600."""
    sizing = FirstShare(share=0.2, above_usd=5_000.0, cooldown_seconds=3.0, cooldown="full")
    world = long_world(1_010.0, sizing=sizing)
    world.bids((9_000, 200))
    world.run(4)
    world.bids((9_000, 5_000))
    world.run(2)
    assert closed(world) == [(1, 200), (4, 160), (5, 640)]


def test_a_window_holds_so_much_of_all_accounts() -> None:
    """(2 + 8) bps of 1,000,000 x 2 s = 2,000 USD a window, 222 lots; two accounts of 150.

    Windows begin at even ticks.
    """
    sizing = WindowCap(window_seconds=2.0, maker_fee_bps=2.0, taker_fee_bps=8.0, scale_usd=1e6)
    world = engine(deposits=(152.0, 152.0), prices=falls_to(9_000.0, at=2), venue=plain_venue(sizing=sizing))
    for account in world.rows:
        world.open(account, 150, 10_000)
    world.bids((9_000, 5_000))
    world.run(6)
    assert closed(world) == [(2, 150), (2, 72), (4, 78)]


def test_target_profile_is_what_a_claim_must_reach() -> None:
    """Initial margin is 10 %. Equity 400 at 9,000: maintenance 450, and 400 is enough initial margin for 444 lots."""
    world = long_world(1_400.0, sizing=ToTarget(target_profile="target"))
    world.bids((9_000, 200))
    world.run(2)
    assert closed(world) == [(1, 200)]  # 800 lots left: above maintenance, 360, and not at the target
    world.bids((9_000, 5_000))
    world.run(1)
    assert closed(world) == [(1, 200), (2, 356)]
    world.run(1)
    assert world.world.n_claims == 0


def test_what_may_be_made_up_grows_with_time() -> None:
    """450 of margin, equity 400: 50 missing, 10 % at first and all after 10 s. A lot frees 45 cents.

    At the age of 0 s 5 of 50 are 12 lots, which free 5.40; at 5 s 60 % of 50, less what was freed: 24.60, 55 lots.
    """
    sizing = ToTarget(buffer=0.0, ramp_seconds=10.0, first_share=0.1)
    world = long_world(1_400.0, sizing=sizing)
    world.bids((9_000, 12))
    world.run(2)
    assert closed(world) == [(1, 12)]
    world.run(4)
    world.bids((9_000, 5_000))
    world.run(1)
    assert closed(world) == [(1, 12), (6, 55)]
    world.run(5)
    assert world.world.n_claims == 0
    assert sum(lots for _, lots in closed(world)) == 112  # 50 / 0.45, a lot of rounding
    world.check_books()
    world = long_world(1_400.0, sizing=changed(sizing, at_once_below_usd=51.0))
    world.bids((9_000, 5_000))
    world.run(2)
    assert closed(world) == [(1, 112)]


def test_debts_too_are_repaid_as_far_as_is_allowed() -> None:
    """100 USD in full, as below; 40 % of that at first."""
    sizing = ToTarget(buffer=0.0, debts="to_target", ramp_seconds=100.0, first_share=0.4)
    world = borrower(500.0, 0.06, 10_000.0, sizing=sizing)
    world.bids((10_000, 5_000), book=SPOT_BOOK)
    world.run(1)
    assert [lots for _, lots in closed(world)] == [4]


def test_debts_repaid_to_the_target() -> None:
    """Debt 500, 0.06 BTC at 10,000 less 20 % = 480: 20 short. A unit repaid frees 1 - 0.8 = 0.2: 100 USD, 10 lots."""
    world = borrower(500.0, 0.06, 10_000.0, sizing=ToTarget(buffer=0.0, debts="to_target"))
    world.bids((10_000, 5_000), book=SPOT_BOOK)
    world.run(2)
    assert [lots for _, lots in closed(world)] == [10]
    assert world.cash(world.rows[0]) == -400 * USD
    world.check_books()


def test_debts_repaid_to_the_target_reckon_with_the_discount() -> None:
    """5 % off: a unit repaid takes 1 / 0.95 of collateral and frees 1 - 0.8 / 0.95: 126.67 USD, 13.33 lots at 9.5."""
    world = borrower(
        500.0, 0.06, 10_000.0, price=OraclePrice(discount_bps=500.0),
        sizing=ToTarget(buffer=0.0, debts="to_target"),
    )  # fmt: skip
    world.bids((10_000, 5_000), book=SPOT_BOOK)
    world.run(2)
    assert [lots for _, lots in closed(world)] == [14]
    margin, _, maintenance, _ = world.assess(world.rows[0])
    assert 0 <= margin - maintenance < 2 * USD
    world.check_books()


AAVE = CloseFactor(share=0.5, of="account", full_below_health=0.95, full_below_usd=200.0, least_left_usd=100.0)


@pytest.mark.parametrize(
    ("debt", "sizing", "repaid"),
    [
        (490.0, AAVE, 245),  # health 480 / 490 = 0.98
        (510.0, AAVE, 510),  # 0.94
        (490.0, changed(AAVE, full_below_usd=491.0), 490),
        (490.0, changed(AAVE, full_below_usd=601.0), 490),  # the collateral is worth 600
        (490.0, changed(AAVE, least_left_usd=246.0), 490),  # 245 would be left
        (490.0, changed(AAVE, least_left_usd=245.0), 245),
        (490.0, changed(AAVE, of="debt", full_below_usd=491.0), 245),
    ],
)
def test_full_repayment_of_the_unhealthy_and_the_small(debt: float, sizing: Any, repaid: int) -> None:
    """0.06 BTC at 10,000, haircut 20 %; a discount of 0 leaves the price alone."""
    world = borrower(debt, 0.06, 10_000.0, sizing=sizing)
    world.bids((10_000, 5_000), book=SPOT_BOOK)
    world.run(1)
    assert -(-repaid // 10) == closed(world)[0][1]
    world.check_books()


def test_positions_close_whole_below_a_health_or_a_size() -> None:
    """Equity 440 of 450 is a health of 0.978, 420 one of 0.933."""
    for deposit, sizing, lots in (
        (1_440.0, AAVE, 500),
        (1_420.0, AAVE, 1_000),
        (1_440.0, changed(AAVE, full_below_usd=9_001.0), 1_000),
    ):
        world = long_world(deposit, sizing=sizing)
        world.bids((9_000, 5_000))
        world.run(2)
        assert closed(world)[0] == (1, lots)


# --- backstop -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("deposit", "capital", "taken"),
    [
        (1_299.0, 1_000.0, True),  # equity 299 of a maintenance of 450: less than two thirds
        (1_300.01, 1_000.0, False),  # not less
        (999.0, 1_000.0, False),  # bankrupt
        (1_299.0, 151.0, True),  # 151 + 299 are the 450 that it needs
        (1_299.0, 150.0, False),
    ],
)
def test_a_backstop_takes_over_whole_accounts_that_are_worth_something(
    deposit: float, capital: float, taken: bool
) -> None:
    backstop = VaultBackstop(below=2 / 3, capital_usd=capital)
    world = long_world(deposit, waterfall=Waterfall(insurance_fund_usd=1e6, backstop=backstop))
    world.asks((10_000, 1), account=world.rows[0])
    vault = world.world.backstop
    world.run(2)
    (account,) = world.rows
    assert (world.lots(account), world.lots(vault)) == ((0, 1_000) if taken else (1_000, 0))
    assert world.assess(vault)[1] == round((capital + (deposit - 1_000.0 if taken else 0.0)) * USD)
    if taken:
        (event,) = world.events
        assert (int(event["keeper"]), int(event["lots"]), int(event["mark"])) == (vault, 1_000, 9_000)
        assert (world.cash(account), len(world.losses)) == (0, 0)
    world.check_books()
    world.run()
    assert world.world.n_claims == int(not taken)


# --- order ----------------------------------------------------------------------------------------


def first_books(seed: int) -> list[int]:
    """The book that each of 12 accounts closed first."""
    venue = plain_venue(sizing=CloseFactor(share=0.5), ordering="drawn")
    world = engine(
        deposits=(120.0,) * 12, prices=falls_to(9_000.0), venue=venue, instruments={"A": PERP, "B": PERP}, seed=seed
    )
    for account in world.rows:
        for book in (0, 1):
            world.open(account, 50, 10_000, book=book)
    for book in (0, 1):
        world.bids((9_000, 5_000), book=book)
    world.run(2)
    return [int(world.events["book"][world.events["account"] == account][0]) for account in world.rows]


def test_a_drawn_order_is_drawn_for_every_account_and_repeats() -> None:
    one = first_books(1)
    assert set(one) == {0, 1}
    assert first_books(1) == one
    assert first_books(2) != one


def test_a_discount_cannot_start_above_its_most() -> None:
    with pytest.raises(ValueError, match="most_discount_bps"):
        OraclePrice(discount_bps=500.0, most_discount_bps=400.0)
