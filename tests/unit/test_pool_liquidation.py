"""Collateral without a book but with a pool is sold into the pool: how much, at which limit, and who gets what.

One customer owes USDC against BTC; 10,000 at tick 0, then what the test says. The pool holds 1,000,000 USDC and 100 BTC
at 10,000 and takes no fee, and nobody brings it down with the reference.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from agents.kernels.keeper import expected_profit
from market.forced_prices import OraclePrice
from market.kernels.records import FORCED_SWAP, INSURANCE_FUND, NONE
from market.pools import ConstantProduct, PoolMarket
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
from tests.pool_worlds import give_pool


def borrower(
    debt: float, btc: float, price: float, *, haircut: float = 0.2, **fields: Any
) -> tuple[Engine, PoolMarket]:
    pool = {"base": "BTC", "liquidity_usd": 2e6, "fee_bps": 0.0} | fields.pop("pool", {})
    own: dict[str, Any] = {
        "assets": {"USDC": USDC, "BTC": changed(BTC, haircut=haircut)}, "instruments": {"BTC-PERP": PERP},
        "extra_accounts": 2,
    } | fields  # fmt: skip
    world = engine(deposits=(-debt,), prices=falls_to(price), **own)
    world.world.ledger.deposit(world.rows[0], 1, round(btc * 1e8))
    return world, give_pool(world, pool=ConstantProduct(**pool))


def sold(world: Engine) -> NDArray[np.void]:
    """What liquidation calls have swapped."""
    swaps: NDArray[np.void] = world.events[world.events["kind"] == FORCED_SWAP]
    return swaps


def test_no_more_is_sold_than_the_debt_needs() -> None:
    """500 out of 1,000,000 against 100 BTC: 100 x 500 / 999,500 BTC in, rounded up."""
    world, market = borrower(500.0, 0.065, 9_000.0)
    (account,) = world.rows
    opened = market.price(0)
    world.run(2)
    needed = -(-100 * 10**8 * 500 // 999_500)
    assert world.cash(account, 1) == 6_500_000 - needed
    assert 0 <= world.cash(account) < 100
    (sale,) = world.events
    assert (int(sale["kind"]), int(sale["book"])) == (FORCED_SWAP, NONE)
    assert (int(sale["lots"]), int(sale["account"]), int(sale["keeper"])) == (needed, account, world.keeper)
    assert int(sale["value"]) >= 500 * USD
    assert market.price(0) < opened
    world.check_books()


def test_the_pool_as_the_quote_asset() -> None:
    """The same from a pool of USDC priced in BTC."""
    world, _ = borrower(500.0, 0.065, 9_000.0, pool={"base": "USDC", "quote": "BTC"})
    world.run(2)
    assert int(sold(world)["lots"][0]) == -(-100 * 10**8 * 500 // 999_500)
    world.check_books()


def test_a_book_comes_first() -> None:
    world, _ = borrower(500.0, 0.065, 9_000.0, instruments={"BTC-PERP": PERP, "BTC-USDC": SPOT})
    world.bids((9_000, 5_000), book=SPOT_BOOK)
    world.run(2)
    assert world.events["lots"].tolist() == [56]
    assert len(sold(world)) == 0


def test_the_slippage_limit_holds_and_the_rest_is_tried_again() -> None:
    """At most 4 % below the venue's 9,000: from 10,000 to 8,640 the pool takes 100 (sqrt(10/8.64) - 1) = 7.58 BTC."""
    world, market = borrower(400_000.0, 52.0, 9_000.0, venue=plain_venue(slippage_limit_bps=400.0))
    (account,) = world.rows
    world.run(2)
    taken = int(sold(world)["lots"][0])
    assert taken / 1e8 == pytest.approx(100.0 * ((10_000 / 8_640) ** 0.5 - 1.0), rel=1e-8)
    assert market.price(0) * 100 == pytest.approx(8_640.0, rel=1e-9)
    assert world.world.n_claims == 1
    world.run(2)
    assert len(sold(world)) == 1, "there is no more to be had"
    # Somebody buys in the pool: the next call gets what that makes room for.
    world.world.ledger.deposit(world.keeper, 0, 10_000 * USD)
    market.swap(world.world, account=world.keeper, pool=0, asset_in=0, amount=10_000 * USD)
    world.run()
    assert len(sold(world)) == 2
    assert market.price(0) * 100 == pytest.approx(8_640.0, rel=1e-9)
    assert world.cash(account, 1) == 52 * 10**8 - int(sold(world)["lots"].sum())
    world.check_books()


def test_fees_of_liquidation_and_pool_come_out_of_the_collateral() -> None:
    """Debt 500 and 5 % of it: 525 from the pool, which takes 0.3 % of the BTC; half of 25 goes to the keeper."""
    venue = plain_venue(fee_bps=500.0, keeper_share=0.5)
    world, _ = borrower(500.0, 0.065, 9_000.0, venue=venue, pool={"fee_bps": 30.0})
    world.run(2)
    net = -(-100 * 10**8 * 525 // (1_000_000 - 525))
    assert int(sold(world)["lots"][0]) == pytest.approx(net / 0.997, abs=2)
    assert world.cash(world.keeper) - KEEPER_CAPITAL == pytest.approx(12.5 * USD, abs=2)
    assert world.cash(INSURANCE_FUND) == pytest.approx(12.5 * USD, abs=2)
    world.check_books()


def test_a_keeper_takes_over_at_the_oracle_price_and_keeps_what_the_pool_gives() -> None:
    """At 9,000 less 10 % the account gets 8,100 a BTC: 500 of debt take 500 / 8,100 BTC, which bring about 617."""
    venue = plain_venue(price=OraclePrice(discount_bps=1_000.0))
    world, _ = borrower(500.0, 0.0725, 9_000.0, venue=venue, haircut=0.3)
    (account,) = world.rows
    seen: list[int] = []

    def profit() -> int:
        engine_world = world.world
        return int(
            expected_profit(
                engine_world.claims[0], 0, engine_world.policy[0], engine_world.scratch["limits"],
                engine_world.windows, engine_world.instruments, engine_world.assets, engine_world.margin,
                engine_world.ledger.positions, engine_world.ledger.cash, engine_world.books.levels,
                engine_world.books.occupied, engine_world.pool_arrays,
            )
        )  # fmt: skip

    class Look:
        """A keeper that notes what it could earn, and bids."""

        records = world.cast.keepers[0].records

        def bid(self, world: Any, *, clock: int) -> int:
            seen.append(profit())
            return cast_bid(world, clock=clock)

    cast_bid = world.cast.keepers[0].bid
    object.__setattr__(world.cast, "keepers", (Look(),))
    world.run(2)
    gone = 7_250_000 - world.cash(account, 1)
    assert gone / 1e8 == pytest.approx(500.0 / 8_100.0, abs=3e-8)
    assert 0 <= world.cash(account) < 200
    received = int(sold(world)["value"][0])
    assert received / USD == pytest.approx(1_000_000 * (gone / 1e8) / (100 + gone / 1e8), abs=0.01)
    assert world.cash(world.keeper) - KEEPER_CAPITAL == pytest.approx(received - 500 * USD, abs=300)
    assert seen[0] == pytest.approx(received - 500 * USD, abs=300)
    world.check_books()


def test_nothing_is_taken_over_that_the_pool_does_not_pay_for() -> None:
    """A discount of 1 % and a pool more than 5 % below the oracle: no call closes anything."""
    venue = plain_venue(price=OraclePrice(discount_bps=100.0))
    world, market = borrower(500.0, 0.065, 9_000.0, venue=venue)
    world.world.ledger.deposit(world.keeper, 1, 10 * 10**8)
    market.swap(world.world, account=world.keeper, pool=0, asset_in=1, amount=10 * 10**8)
    assert market.price(0) * 100 < 0.95 * 9_000.0
    world.run(3)
    assert world.world.n_claims == 1
    assert len(sold(world)) == 0
    world.check_books()


def test_what_has_neither_book_nor_pool_goes_outside() -> None:
    eth = changed(BTC, price_usd=1_000.0, haircut=0.2)
    assets = {"USDC": USDC, "BTC": BTC, "ETH": eth}
    world = engine(
        deposits=(-500.0,), assets=assets, instruments={"BTC-PERP": PERP}, extra_accounts=2,
        prices=lambda tick: (1.0, 10_000.0, 1_000.0 if tick == 0 else 900.0),
    )  # fmt: skip
    give_pool(world, liquidity_usd=2e6)
    world.world.ledger.deposit(world.rows[0], 2, 65_000_000)
    world.run(2)
    assert len(sold(world)) == 0
    assert world.cash(world.rows[0], 2) < 10_000_000
    world.check_books()
