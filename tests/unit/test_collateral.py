"""Collateral by hand: what is sold for a debt, on which book, at what price, and what goes outside.

One lot (0.001 BTC) is worth 1,000 USDC quanta per tick of 1 USD. Marks are the index, so a world is shocked by its
price path: 10,000 at tick 0, then what the test says.
"""

from __future__ import annotations

from typing import Any

import pytest

from market.instruments import Asset
from market.kernels.records import (
    FORCED_COLLATERAL,
    FORCED_POSITION,
)
from market.venue import CloseFactor
from tests.engine_worlds import (
    BTC,
    KEEPER_CAPITAL,
    PERP,
    SPOT,
    SPOT_BOOK,
    USD,
    USDC,
    Engine,
    changed,
    engine,
    falls_to,
    plain_venue,
)


def borrower(debt: float, btc: float, price: float, *, haircut: float = 0.2, **kwargs: Any) -> Engine:
    """One customer who owes `debt` USDC against `btc`; the price falls from 10,000 to `price` at tick 1."""
    fields: dict[str, Any] = {"assets": {"USDC": USDC, "BTC": changed(BTC, haircut=haircut)}} | kwargs
    world = engine(deposits=(-debt,), prices=falls_to(price), **fields)
    world.world.ledger.deposit(world.rows[0], 1, round(btc * 1e8))
    return world


def test_collateral_is_sold_for_a_debt_and_no_more_than_needed() -> None:
    """Owes 500 against 0.065 BTC: at 9,000 worth 468 after haircut. 500 / 9 = 55.6 lots."""
    world = borrower(500.0, 0.065, 9_000.0)
    (account,) = world.rows
    world.bids((9_000, 5_000), book=SPOT_BOOK)
    world.run(2)
    (event,) = world.events
    assert (int(event["kind"]), int(event["book"]), int(event["lots"])) == (FORCED_COLLATERAL, SPOT_BOOK, 56)
    assert world.cash(account) == 4 * USD  # 56 x 9 - 500
    assert world.cash(account, 1) == 900_000
    world.check_books()


def test_sale_walks_the_book_and_pays_its_fees_out_of_collateral() -> None:
    """10 lots at 9,000 and the rest at 8,900; trading fee 0.1 %, liquidation fee 5 % of the debt repaid.

    Value v repays v / 1.05 and pays 0.1 % of v: needed (100 + 0.000002) / (1 / 1.05 - 0.001) = 105.11 USD. 90 from 10
    lots, 15.11 from 2 lots: 107.8 in all. Of it 107.8 / 1.05 = 102.666666 repay, the fee is 5.133334, 0.1078 trading.
    """
    spot = changed(SPOT, taker_fee_bps=10.0)
    world = borrower(
        100.0, 0.013, 9_000.0, venue=plain_venue(fee_bps=500.0, keeper_share=0.5),
        instruments={"BTC-PERP": PERP, "BTC-USDC": spot},
    )  # fmt: skip
    (account,) = world.rows
    world.bids((9_000, 10), (8_900, 5_000), book=SPOT_BOOK)
    world.run(2)
    assert world.events["lots"].tolist() == [12]
    assert world.cash(account) == -100 * USD + 102_666_666 - 107_800
    assert world.cash(world.keeper) == KEEPER_CAPITAL + 5_133_334 // 2
    world.check_books()


def test_less_than_a_lot_goes_outside_at_a_loss() -> None:
    """0.0105 BTC against 90 USD: 10 lots bring 85 at 8,500, the remaining 0.0005 BTC are worth 4.25 less 2 %."""
    world = borrower(90.0, 0.0105, 8_500.0, venue=plain_venue(conversion_loss_bps=200.0), haircut=0.1)
    (account,) = world.rows
    world.bids((8_500, 5_000), book=SPOT_BOOK)
    world.run(2)
    assert world.events["lots"].tolist() == [10]
    assert world.cash(account, 1) == 0
    # 85 + 4.165 = 89.165: 0.835 short
    assert world.losses["bad_debt"].tolist() == [835_000]
    assert world.cash(account) == 0
    world.check_books()


def test_what_has_no_book_goes_outside_and_no_more_than_needed() -> None:
    """100 USD at 1 % loss need 101.010102 USD: 0.01188355 BTC at 8,500, rounded up to the next 1e-8."""
    world = borrower(
        100.0, 0.0147, 8_500.0, venue=plain_venue(conversion_loss_bps=100.0), instruments={"BTC-PERP": PERP}
    )
    (account,) = world.rows
    world.run(2)
    assert world.cash(account, 1) == 1_470_000 - 1_188_355
    # floor(8,500 x 0.01188355 x 0.99 in millionths)
    assert world.cash(account) == -100 * USD + 1_188_355 * 85 * 99 // 100
    assert 0 <= world.cash(account) < 85
    assert len(world.events) == 0
    world.run()
    assert world.world.n_claims == 0
    world.check_books()


def test_a_sale_outside_pays_its_keeper() -> None:
    venue = plain_venue(fee_bps=500.0, keeper_share=1.0)
    world = borrower(100.0, 0.0147, 8_500.0, venue=venue, instruments={"BTC-PERP": PERP})
    world.run(2)
    assert world.cash(world.keeper) - KEEPER_CAPITAL == pytest.approx(5 * USD, abs=100)
    world.check_books()


def test_close_factor_of_a_debt() -> None:
    world = borrower(500.0, 0.065, 9_000.0, venue=plain_venue(sizing=CloseFactor(share=0.3)))
    world.bids((9_000, 5_000), book=SPOT_BOOK)
    world.run(2)
    assert world.events["lots"].tolist() == [17]  # 150 / 9 = 16.7


def test_positions_first_then_collateral_in_the_same_call() -> None:
    """1 BTC long with 0.2 BTC as collateral falls to 8,200: loss 1,800, collateral 1,640 (1,312 after haircut)."""
    world = engine(deposits=(300.0,), assets={"USDC": USDC, "BTC": changed(BTC, haircut=0.2)}, prices=falls_to(8_200.0))
    (account,) = world.rows
    world.world.ledger.deposit(account, 1, 20_000_000)
    world.open(account, 1_000, 10_000)
    world.bids((8_200, 5_000))
    world.bids((8_200, 5_000), book=SPOT_BOOK)
    world.run(2)
    # owes 1,500 after the position: 182.9 lots of spot
    assert [(int(e["kind"]), int(e["lots"])) for e in world.events] == [
        (FORCED_POSITION, 1_000),
        (FORCED_COLLATERAL, 183),
    ]
    assert world.cash(account) == 600_000
    assert world.cash(account, 1) == 1_700_000
    world.check_books()


def test_another_stablecoin_is_collateral_like_any_other() -> None:
    """Owes 100 USDC and owns 103 USDT at haircut 5 %: sold for USDC on their book at 0.99."""
    assets = {
        "USDC": USDC,
        "USDT": Asset(price_usd=1.0, price_tick_usd=0.001, quantum=1e-6, settlement=True, haircut=0.05),
    }
    book = changed(SPOT, base="USDT", tick_size=0.001, lot_size=0.1)
    world = engine(deposits=(-100.0,), assets=assets, instruments={"USDT-USDC": book})
    (account,) = world.rows
    world.world.ledger.deposit(account, 1, 103 * USD)
    world.bids((990, 100_000))
    world.run()
    # 100 / 0.099 = 1,010.1 lots of 0.1
    assert world.events["lots"].tolist() == [1_011]
    assert world.cash(account) == 89_000
    assert world.cash(account, 1) == 1_900_000
    world.check_books()


def test_an_empty_book_does_not_stop_the_sale_of_other_collateral() -> None:
    assets = {"USDC": USDC, "BTC": changed(BTC, haircut=0.5), "ETH": changed(BTC, haircut=0.5)}
    instruments = {"BTC-USDC": SPOT, "ETH-USDC": changed(SPOT, base="ETH")}
    world = engine(deposits=(-100.0,), assets=assets, instruments=instruments)
    (account,) = world.rows
    world.world.ledger.deposit(account, 1, 1_500_000)  # worth 150, but its book has no bids
    world.world.ledger.deposit(account, 2, 400_000)  # worth 40
    world.bids((10_000, 5_000), book=1)
    world.run()
    assert world.events["book"].tolist() == [1]
    assert world.cash(account) == -60 * USD
    assert world.cash(account, 1) == 1_500_000
    world.check_books()
