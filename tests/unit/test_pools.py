"""Pools by hand: Uniswap's own formulas in whole quanta, ticks that are crossed, the gate, withdrawals."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from market.errors import InputError
from market.kernels import pools as kernels
from market.kernels.records import BUY, REFUSED, SELL
from market.kernels.rules.pools import LARGEST_RESERVE, NO_AMOUNT, impermanent_loss
from market.pools import Concentrated, ConstantProduct, LiquidityRange, PoolMarket
from tests.engine_worlds import BTC, KEEPER_CAPITAL, PERP, SPOT, USD, USDC, Engine, changed, engine
from tests.pool_worlds import bare, give_pool


def customers(*deposits: float, **fields: Any) -> Engine:
    own: dict[str, Any] = {"deposits": deposits, "instruments": {"BTC-PERP": PERP}, "extra_accounts": 2} | fields
    return engine(**own)


def test_a_constant_product_gives_what_the_white_paper_says() -> None:
    """1 of 10 in, 40 there, 0.3 % fee: 40 x 0.997 / 10.997 = 3.626443, and not a quantum more."""
    pools = bare([(10_000_000, 40_000_000, 0, 0)], curve=True)
    paid, received = kernels.run_through(0, SELL, 1_000_000, pools, 1)
    assert (paid, received) == (1_000_000, 3_626_443)
    # Uniswap v2 Core, section 3.2.1: (1000 x1 - 3 x_in) (1000 y1 - 3 y_in) >= 1000000 x0 y0
    adjusted = 1_000 * 11_000_000 - 3 * 1_000_000
    assert adjusted * 1_000 * (40_000_000 - received) >= 1_000_000 * 10_000_000 * 40_000_000
    assert adjusted * 1_000 * (40_000_000 - received - 1) < 1_000_000 * 10_000_000 * 40_000_000
    assert pools[1][0].tolist() == (11_000_000, 36_373_557, 0, 0)
    assert pools[0][0]["earned_base"] == 3_000
    assert kernels.pool_price(0, pools) == 36_373_557 / 11_000_000


def test_the_least_amount_for_a_wanted_one() -> None:
    """3 out of 40: 10 x 3 / 37 = 0.810811 rounded up, and 0.813251 before the fee; a quantum less brings less."""
    pools = bare([(10_000_000, 40_000_000, 0, 0)], curve=True)
    assert kernels.amount_for(0, SELL, 3_000_000, pools) == 813_251
    assert kernels.run_through(0, SELL, 813_251, pools, 0)[1] >= 3_000_000
    assert kernels.run_through(0, SELL, 813_250, pools, 0)[1] < 3_000_000
    assert kernels.amount_for(0, SELL, 40_000_000, pools) == NO_AMOUNT


def test_within_one_range_v3_is_v2_on_virtual_reserves() -> None:
    """L = 10^12 at price 4 between 2.25 and 6.25: x = L (1/2 - 1/2.5), y = L (2 - 1.5), virtual L/2.5 and 1.5 L."""
    depth = 10**12
    row = (depth // 10, depth // 2, depth * 2 // 5, depth * 3 // 2)
    narrow, wide = bare([row]), bare([(depth // 2, 2 * depth, 0, 0)], curve=True)
    for side, amount in ((SELL, 10**10), (BUY, 10**11)):
        assert kernels.run_through(0, side, amount, narrow, 0) == kernels.run_through(0, side, amount, wide, 0)
    paid, received = kernels.run_through(0, SELL, 10**10, narrow, 1)
    # Uniswap v3 Core, eqs. 6.14 and 6.16: 1/s' = 1/s + dx/L and dy = L (s - s')
    root = 1.0 / (0.5 + 0.997 * paid / depth)
    assert received == math.floor(depth * (2.0 - root))
    assert math.sqrt(kernels.pool_price(0, narrow)) == pytest.approx(root, rel=1e-11)
    assert narrow[0][0]["fees_base"] == 30_000_000, "kept beside the curve"
    assert narrow[1][0]["base"] == depth // 10 + 9_970_000_000


def test_a_swap_crosses_a_tick_and_stops_where_liquidity_ends() -> None:
    """Price 4; L = 10^12 down to 2.25, then 3 x 10^12 down to 1. No fee.

    The first range gives 0.5 x 10^12 for L (1/1.5 - 1/2) = L / 6, the second 1.5 x 10^12 for 3 L (1 - 1/1.5) = L.
    """
    depth = 6 * 10**11
    upper = (depth // 10, depth // 2, depth * 2 // 5, depth * 3 // 2)
    lower = (0, 3 * depth // 2, 2 * depth, 3 * depth)
    pools = bare([lower, upper], fee=0, active=1)
    assert kernels.run_through(0, SELL, depth // 6, pools, 0) == (depth // 6, depth // 2)
    # Half of what takes the second range to its end: 1/s = 1/1.5 + 1/6 = 5/6, and 3 L (1.5 - 1.2) comes out.
    paid, received = kernels.run_through(0, SELL, depth // 6 + depth // 2, pools, 0)
    assert (paid, received) == (depth * 2 // 3, depth // 2 + depth * 9 // 10)
    assert kernels.run_through(0, SELL, 2 * depth, pools, 1) == (depth * 7 // 6, 2 * depth)
    assert (int(pools[0][0]["active"]), kernels.pool_price(0, pools)) == (0, pytest.approx(1.0))
    assert kernels.run_through(0, SELL, 1_000, pools, 1) == (0, 0)
    # And back, through both and to the end on the other side: all base, for no less than was paid out.
    paid, received = kernels.run_through(0, BUY, 10**13, pools, 1)
    assert received == depth // 10 + depth * 7 // 6
    assert paid == 2 * depth + depth // 2
    assert kernels.pool_price(0, pools) == pytest.approx(6.25)


def test_a_fee_is_taken_on_every_range_that_is_emptied() -> None:
    """Emptying takes 1/6 of L after the fee: what trades / 0.997, rounded up."""
    depth = 6 * 10**11
    pools = bare([(depth // 10, depth // 2, depth * 2 // 5, depth * 3 // 2)])
    paid, received = kernels.run_through(0, SELL, depth, pools, 1)
    assert (paid, received) == (-(-(10**11) * 1_000 // 997), depth // 2)
    assert pools[0][0]["fees_base"] == paid - 10**11


def test_amounts_stay_within_64_bits() -> None:
    pools = bare([(LARGEST_RESERVE // 2, 40_000_000, 0, 0)], curve=True)
    paid, received = kernels.run_through(0, SELL, (1 << 62) - 1, pools, 1)
    assert paid == LARGEST_RESERVE // 2
    assert 0 < received < 40_000_000
    assert int(pools[1][0]["base"]) == LARGEST_RESERVE


def test_the_amount_that_moves_the_price_somewhere() -> None:
    """From 4 to 3.24, one range and two, fee included; nothing to do when it is there already."""
    depth = 10**12
    upper = (depth // 10, depth // 2, depth * 2 // 5, depth * 3 // 2)
    for pools, price in (
        (bare([(depth // 2, 2 * depth, 0, 0)], curve=True, fee=0), 3.24),
        (bare([upper]), 3.24),
        (bare([(0, 3 * depth // 2, 2 * depth, 3 * depth), upper], active=1), 1.44),
    ):
        amount = kernels.amount_to_price(0, SELL, price, pools)
        assert kernels.amount_to_price(0, BUY, price, pools) == 0
        assert kernels.run_through(0, SELL, amount, pools, 1)[0] == amount
        assert kernels.pool_price(0, pools) == pytest.approx(price, rel=1e-9)


def test_ranges_on_a_grid_of_ticks_hold_the_money_they_are_given() -> None:
    pool = Concentrated(
        base="BTC", ranges=(LiquidityRange(lower=0.9, upper=1.1, weight=3.0), LiquidityRange(lower=0.5, upper=2.0))
    )
    assert pool.ticks(pool.ranges[0]) == (-1_080, 960)
    rows, active = pool.rows(base=1e12, quote=4e12)
    assert (len(rows), active) == (3, 1)
    base, quote = sum(row[0] for row in rows), sum(row[1] for row in rows)
    assert 4 * base + quote == pytest.approx(4e12, abs=10)
    assert [row[:2].count(0) for row in rows] == [1, 0, 1], "only the range that holds the price has both"
    pools = bare(rows, active=1)
    assert kernels.pool_price(0, pools) == pytest.approx(4.0)
    kernels.run_through(0, SELL, kernels.amount_to_price(0, SELL, 4.0 * 1.0001**-1_080, pools), pools, 1)
    assert kernels.pool_price(0, pools) == pytest.approx(4.0 * 1.0001**-1_080, rel=1e-9)
    assert kernels.pool_price(0, bare(rows[2:])) == pytest.approx(4.0 * 1.0001**960, rel=1e-9)


def test_impermanent_loss_is_what_the_curve_loses() -> None:
    """A price four times as high: 2 x 2 / 5 - 1 = -20 %."""
    assert impermanent_loss(4.0) == pytest.approx(-0.2)
    pools = bare([(10**12, 10**12, 0, 0)], curve=True, fee=0)
    kernels.run_through(0, BUY, kernels.amount_to_price(0, BUY, 4.0, pools), pools, 1)
    base, quote = int(pools[1][0]["base"]), int(pools[1][0]["quote"])
    assert (4 * base + quote) / (5 * 10**12) - 1.0 == pytest.approx(-0.2)


def test_a_market_pays_its_reserves_in_and_swaps_by_transfers() -> None:
    world = customers(1_000.0)
    market = give_pool(world, liquidity_usd=2e6)
    pool, (account,) = int(market.pools["account"][0]), world.rows
    assert (world.cash(pool, 1), world.cash(pool)) == (100 * 10**8, 1_000_000 * USD) == market.reserves(0)
    expected = market.quote(pool=0, asset_in=0, amount=500 * USD)
    done = market.swap(world.world, account=account, pool=0, asset_in=0, amount=500 * USD)
    assert done == expected
    assert (world.cash(account), world.cash(account, 1)) == (500 * USD, done[1])
    assert (world.cash(pool, 1), world.cash(pool)) == (100 * 10**8 - done[1], 1_000_500 * USD) == market.reserves(0)
    assert market.swap(world.world, account=account, pool=0, asset_in=0, amount=500 * USD, least_out=done[1]) == (0, 0)
    assert market.amount_for(pool=0, asset_in=0, wanted=10**8) is not None
    assert market.amount_for(pool=0, asset_in=0, wanted=200 * 10**8) is None
    with pytest.raises(ValueError, match="does not trade"):
        market.quote(pool=0, asset_in=2, amount=1)
    world.check_books()


class Queue:
    """Queues swaps in the tick that follows."""

    most_messages = 0

    def __init__(self) -> None:
        self.swaps: list[dict[str, int]] = []

    def decide(self, world: Any, inbox: Any) -> None:
        del inbox
        for fields in self.swaps:
            world.pools.queue_swap(**fields)
        self.swaps.clear()


def outcomes(market: PoolMarket) -> list[tuple[int, int, int]]:
    used = market.messages[: market.count]
    return [(int(row["done"]), int(row["paid"]), int(row["received"])) for row in used]


def test_queued_swaps_pass_the_gate() -> None:
    """Four customers with 1,000 USDC; one is long 0.6 BTC, whose initial margin is 600 of them."""
    queue = Queue()
    world = customers(1_000.0, 1_000.0, 1_000.0, 1_000.0, cohorts=(queue,), instruments={"BTC-PERP": PERP, "S": SPOT},
                      assets={"USDC": USDC, "BTC": changed(BTC, haircut=0.5)})  # fmt: skip
    market = give_pool(world, liquidity_usd=2e8, fee_bps=0.0)
    rich, bidder, isolated, trader = world.rows
    world.rest(BUY, 9_000, 50, account=bidder, book=1)  # promises 450
    world.world.ledger.accounts["only_instrument"][isolated] = 0
    world.open(trader, 600, 10_000)
    every = {"pool": 0, "asset_in": 0}
    queue.swaps = [
        {**every, "account": rich, "amount": 1_001 * USD},
        {**every, "account": bidder, "amount": 551 * USD},
        {**every, "account": isolated, "amount": 10 * USD},
        # 1,000 - 900 / 2 = 550 left: less than the initial margin
        {**every, "account": trader, "amount": 900 * USD},
        {**every, "account": rich, "amount": 100 * USD, "least_out": 10**7},
        {**every, "account": rich, "amount": 0},
        {"pool": 0, "asset_in": 1, "account": rich, "amount": 1},
    ]
    initial = world.assess(trader)[3]
    assert initial > 550 * USD
    before, refused = world.world.ledger.cash.copy(), int(world.world.books.counters[REFUSED])
    world.run()
    assert [done for done, _, _ in outcomes(market)] == [0] * 7
    assert int(world.world.books.counters[REFUSED]) - refused == 7
    assert (world.world.ledger.cash == before).all()
    queue.swaps = [
        {**every, "account": rich, "amount": 1_000 * USD, "tag": 7},
        {**every, "account": bidder, "amount": 550 * USD},
        {**every, "account": trader, "amount": 2 * (1_000 * USD - initial) - 10 * USD},
    ]
    world.run()
    assert [done for done, _, _ in outcomes(market)] == [1, 1, 1]
    assert market.messages["tag"][0] == 7
    assert world.cash(rich) == 0
    assert world.cash(rich, 1) == outcomes(market)[0][2]
    world.check_books()


def test_swaps_of_a_tick_come_in_drawn_order() -> None:
    """Two that want the same: who is first gets more, and who that is changes from tick to tick."""
    queue = Queue()
    world = customers(100_000.0, 100_000.0, cohorts=(queue,))
    market = give_pool(world, liquidity_usd=2e6)
    firsts = set()
    for _ in range(20):
        queue.swaps = [{"pool": 0, "asset_in": 0, "account": account, "amount": 1_000 * USD} for account in world.rows]
        world.run()
        firsts.add(int(np.argmax([received for _, _, received in outcomes(market)])))
    assert firsts == {0, 1}


def test_providers_get_back_what_they_withdraw() -> None:
    world = customers(100_000.0)
    pool = Concentrated(base="BTC", liquidity_usd=2e6)
    market = give_pool(world, pool=pool)
    account, provider = int(market.pools["account"][0]), int(market.pools["provider"][0])
    market.swap(world.world, account=world.rows[0], pool=0, asset_in=0, amount=50_000 * USD)
    before, fees = market.reserves(0), int(market.pools["fees_quote"][0])
    assert fees == 150 * USD
    price, paid = market.price(0), market.quote(pool=0, asset_in=0, amount=10_000 * USD)
    world.world.open_inbox()
    market.queue_withdrawal(pool=0, share=0.25)
    market.queue_withdrawal(pool=0, share=0.0)
    market.carry_out(world.world, 0.5)
    assert [done for done, _, _ in outcomes(market)] == [1, 0]
    assert world.cash(provider, 1) == before[0] // 4
    assert world.cash(provider) == before[1] // 4 + fees
    assert market.reserves(0) == (before[0] - before[0] // 4, before[1] - before[1] // 4)
    assert (world.cash(account, 1), world.cash(account)) == market.reserves(0)
    assert market.price(0) == pytest.approx(price, rel=1e-9)
    assert market.quote(pool=0, asset_in=0, amount=7_500 * USD)[1] == pytest.approx(0.75 * paid[1], abs=2)
    market.queue_withdrawal(pool=0, share=1.0)
    market.carry_out(world.world, 0.5)
    assert market.reserves(0) == (0, 0)
    assert market.price(0) == 0.0
    assert market.quote(pool=0, asset_in=0, amount=USD) == (0, 0)
    world.check_books()


def test_net_flow_moves_the_reference_but_arbitrage_does_not() -> None:
    queue = Queue()
    world = customers(0.0, cohorts=(queue,))
    give_pool(world, liquidity_usd=2e6, impact=1e-8)
    world.world.ledger.deposit(world.rows[0], 1, 10**8)
    queue.swaps = [{"pool": 0, "asset_in": 1, "account": world.rows[0], "amount": 10**7, "flags": 8}]
    world.run()
    assert world.world.impact[1] == 0.0
    queue.swaps = [{"pool": 0, "asset_in": 1, "account": world.rows[0], "amount": 10**7}]
    world.run()
    assert world.world.impact[1] == pytest.approx(-1e-8 * 1_000.0)  # 0.1 BTC


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"base": "ETH"}, "no asset 'ETH'"),
        ({"base": "USDC"}, "base and quote are both"),
        ({"base": "BTC", "liquidity_usd": 1e12}, "64 bits"),
        ({"base": "BTC", "liquidity_usd": 0.01}, "fewer than"),
    ],
)
def test_impossible_pools_are_refused(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        PoolMarket({"P": ConstantProduct(**fields)}, customers().world, impact={})


def test_a_keeper_can_flash_sell() -> None:
    world = customers(0.0)
    market = give_pool(world, liquidity_usd=2e6)
    world.world.ledger.deposit(world.keeper, 1, 10**7)
    paid, received = market.swap(world.world, account=world.keeper, pool=0, asset_in=1, amount=1 << 61)
    assert paid == 10**7, "all it owns"
    assert world.cash(world.keeper) == KEEPER_CAPITAL + received
    world.check_books()


def test_the_example_of_the_page_holds() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "pools.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    assert example.count("assert") == 2
    exec(compile(example, "docs/pools.md", "exec"), {})
