"""The ledger by hand: profit of partial closes and flips, fees, funding on settlement, spot, closed system.

One lot (0.001 BTC) is worth 1,000 USDC quanta per tick of 1 USD; a quantum is a millionth of a dollar.
"""

from __future__ import annotations

import numpy as np
import pytest

from market.kernels.arithmetic import multiply_divide, part, part_up
from market.kernels.ledger import settle_fill
from market.kernels.records import BUY, FILL, OUTSIDE, SELL, TREASURY
from tests.engine_worlds import INSTRUMENTS, PERP, TICK_LOT, USD, Engine, engine

SPOT_BOOK = 1


def position(world: Engine, account: int) -> tuple[int, int]:
    """(lots, cost) of the perpetual position."""
    held = world.world.ledger.positions[account, 0]
    return int(held["lots"]), int(held["cost"])


def fill(world: Engine, *, side: int, lots: int, price: int, maker: int, taker: int, book: int = 0) -> None:
    """Settle one book fill, fees included."""
    record = np.zeros(1, FILL)
    record["book"], record["side"], record["lots"], record["price"] = book, side, lots, price
    record["maker"], record["taker"] = maker, taker
    ledger = world.world.ledger
    settle_fill(record[0], world.world.instruments, ledger.positions, ledger.cash)


def with_fees(*, maker_bps: float, taker_bps: float) -> Engine:
    perp = {
        **vars(PERP),
        "maker_fee_bps": maker_bps,
        "taker_fee_bps": taker_bps,
    }
    return engine(deposits=(100_000.0, 100_000.0), instruments={"BTC-PERP": type(PERP)(**perp)})


def test_partial_close_realises_its_share_and_leaves_the_rest() -> None:
    world = engine(deposits=(100_000.0,))
    (account,) = world.rows
    world.open(account, 10, 10_000)  # cost 10 x 10,000 x 1,000 = 100,000,000
    world.open(account, -4, 10_300)  # 4 x 300 x 1,000 = 1,200,000 realised
    assert world.cash(account) == 100_000 * USD + 1_200_000
    assert position(world, account) == (6, 60_000_000)
    world.world.instruments["mark"][0] = 9_900
    # 6 x (9,900 - 10,000) x 1,000 = -600,000 unrealised
    assert world.assess(account)[1] == 100_000 * USD + 1_200_000 - 600_000
    world.check_books()


def test_costs_that_do_not_divide_lose_nothing() -> None:
    """3 lots for 10,000 + 10,001 + 10,001 ticks; the cost of one is a third, rounded down; the rest stays."""
    world = engine(deposits=(100.0,))
    (account,) = world.rows
    for price in (10_000, 10_001, 10_001):
        world.open(account, 1, price)
    assert position(world, account) == (3, 30_002_000)
    world.open(account, -1, 10_000)  # cost floor(30,002,000 / 3) = 10,000,666; 10,000,000 received
    assert world.cash(account) == 100 * USD - 666
    assert position(world, account) == (2, 20_001_334)
    world.open(account, -2, 10_000)  # 20,000,000 - 20,001,334; in all 30,000,000 - 30,002,000
    assert world.cash(account) == 100 * USD - 2_000
    assert position(world, account) == (0, 0)
    world.check_books()


def test_flip_realises_the_whole_old_position_and_opens_the_new_one_at_the_price() -> None:
    world = engine(deposits=(100_000.0,))
    (account,) = world.rows
    world.open(account, 10, 10_000)
    world.open(account, -25, 9_800)  # 10 lots close: 10 x -200 x 1,000; 15 short at 9,800
    assert world.cash(account) == 100_000 * USD - 2_000_000
    assert position(world, account) == (-15, -15 * 9_800 * TICK_LOT)
    world.open(account, 20, 9_700)  # 15 close: 15 x 100 x 1,000 = 1,500,000; 5 long at 9,700
    assert world.cash(account) == 100_000 * USD - 500_000
    assert position(world, account) == (5, 5 * 9_700 * TICK_LOT)
    world.check_books()


def test_realised_and_unrealised_profit_add_up_to_the_trade_at_every_step() -> None:
    """Equity is deposits plus sum of lots x (mark - price), whatever the order of trades, to the quantum."""
    world = engine(deposits=(100_000.0,))
    (account,) = world.rows
    mark = 10_077
    world.world.instruments["mark"][0] = mark
    expected = 100_000 * USD
    for lots, price in ((7, 10_001), (-3, 9_998), (-9, 10_003), (2, 9_871), (11, 10_333), (-8, 10_100)):
        world.open(account, lots, price)
        expected += lots * (mark - price) * TICK_LOT
        assert world.assess(account)[1] == expected
    world.check_books()


def test_fees_round_up_against_the_payer_and_rebates_down() -> None:
    world = with_fees(maker_bps=-0.5, taker_bps=4.5)  # -50 and 450 ppm
    maker, taker = world.rows
    fill(world, side=BUY, lots=1, price=10_001, maker=maker, taker=taker)
    # value 10,001,000: 450 ppm are 4,500.45 -> 4,501 paid; 50 ppm are 500.05 -> 500 received
    assert world.cash(taker) == 100_000 * USD - 4_501
    assert world.cash(maker) == 100_000 * USD + 500
    assert world.cash(TREASURY) == 4_001
    world.check_books()


def test_sub_quantum_fee_is_one_quantum_and_a_sub_quantum_rebate_nothing() -> None:
    assert part_up(1, 450) == 1
    assert part_up(1, -50) == 0
    assert part(1, 999_999) == 0
    assert part_up(-1, 450) == 0
    assert (part(-1, 450), part(-3_000_000, 1)) == (-1, -3)


@pytest.mark.parametrize(
    ("value", "factor", "divisor"),
    [
        (7, 3, 2),
        (-7, 3, 2),
        (-7, -3, 2),
        (7, -3, 2),
        (0, 5, 3),
        ((1 << 60) - 1, 999_999, 1_000_000),
        (-(1 << 60) + 1, 999_999, 1_000_000),
        (12_345_678_901, 9_876_543_210, 12_345_678_907),  # the product does not fit 64 bits
        (-12_345_678_901, 9_876_543_210, 9_999_999_967),
        ((1 << 55) + 1, (1 << 55) - 1, (1 << 55) + 3),
        (1_000_000_000_000_000_000, 1_000_000_000_000, 1_050_000_000_000),
    ],
)
def test_multiply_divide_is_the_floor_of_the_exact_quotient(value: int, factor: int, divisor: int) -> None:
    assert multiply_divide(value, factor, divisor) == value * factor // divisor


def test_a_position_of_billions_of_lots_closes_exactly() -> None:
    """Lots x lots beyond 64 bits: a coin of a fraction of a cent, traded one by one."""
    world = engine(deposits=(0.0,))
    (account,) = world.rows
    bought, sold = 8_000_000_007, 5_000_000_003
    world.world.instruments["tick_value"][0] = 1
    world.open(account, bought, 101)
    world.open(account, -sold, 103)
    cost = bought * 101 * sold // bought
    assert world.cash(account) == sold * 103 - cost
    assert position(world, account) == (bought - sold, bought * 101 - cost)
    world.check_books()


def test_funding_is_settled_before_a_position_changes() -> None:
    world = engine(deposits=(1_000.0, 1_000.0))
    long, short = world.rows
    world.open(long, 10, 10_000, against=short)
    world.world.instruments["funding_index"][0] = 70  # quanta per long lot
    assert world.assess(long)[1] == 1_000 * USD - 700
    assert world.assess(short)[1] == 1_000 * USD + 700
    world.check_books()
    world.open(long, -4, 10_000, against=OUTSIDE)
    assert world.cash(long) == 1_000 * USD - 700
    assert world.cash(short) == 1_000 * USD  # accrued, not paid yet
    world.world.instruments["funding_index"][0] = 20  # fell by 50: longs are paid
    assert world.assess(long)[1] == 1_000 * USD - 700 + 6 * 50
    assert world.assess(short)[1] == 1_000 * USD + 10 * 20
    world.check_books()


def test_a_new_position_owes_no_funding_of_before() -> None:
    world = engine(deposits=(1_000.0,))
    (account,) = world.rows
    world.world.instruments["funding_index"][0] = 12_345
    world.open(account, -10, 10_000)
    assert world.assess(account)[1] == 1_000 * USD
    world.world.instruments["funding_index"][0] = 12_344
    assert world.assess(account)[1] == 1_000 * USD - 10
    world.check_books()


def test_spot_moves_both_assets_and_no_position() -> None:
    world = engine(deposits=(1_000.0, 0.0))
    buyer, seller = world.rows
    world.world.ledger.deposit(seller, 1, 1_000_000)  # 0.01 BTC
    fill(world, side=SELL, lots=5, price=9_999, maker=buyer, taker=seller, book=SPOT_BOOK)
    assert world.cash(buyer) == 1_000 * USD - 5 * 9_999 * TICK_LOT
    assert world.cash(buyer, 1) == 5 * 100_000  # a lot is 0.001 BTC
    assert world.cash(seller, 1) == 500_000
    assert world.cash(seller) == 5 * 9_999 * TICK_LOT
    assert world.lots(buyer, SPOT_BOOK) == 0
    world.check_books()


def test_a_trade_with_oneself_changes_nothing_but_fees() -> None:
    world = with_fees(maker_bps=1.0, taker_bps=4.0)
    account, _ = world.rows
    world.open(account, 10, 10_000)
    fill(world, side=BUY, lots=4, price=9_000, maker=account, taker=account)
    # value 36,000,000: fees 3,600 and 14,400; buying and selling at 9,000 leaves profit realised + unrealised as it was
    assert world.assess(account)[1] == 100_000 * USD - 18_000
    assert world.lots(account) == 10
    world.check_books()


def test_default_world_is_closed() -> None:
    world = engine(deposits=(1.5,), instruments=INSTRUMENTS)
    assert world.cash(world.rows[0]) == 1_500_000
    assert int(world.world.ledger.cash.sum()) == 0
    world.check_books()


def test_clearing_error_notices_a_missing_quantum() -> None:
    world = engine(deposits=(100.0,))
    (account,) = world.rows
    world.open(account, 5, 10_000)
    world.check_books()
    world.world.ledger.positions["cost"][account, 0] += 1
    assert world.world.ledger.clearing_error(world.world.instruments) == 1
    world.world.ledger.positions["cost"][account, 0] -= 1
    world.world.ledger.cash[account, 0] += 1
    assert world.world.ledger.conservation_error() == 1
