"""What holds for every pool: the invariant never falls, nobody gains by going back and forth, a quote is the swap."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from market.kernels import pools as kernels
from market.kernels.records import BUY, SELL
from market.kernels.rules.pools import NO_AMOUNT
from market.pools import Concentrated, LiquidityRange
from tests.pool_worlds import bare, products

SETTINGS = settings(max_examples=120, deadline=None, derandomize=True)


@st.composite
def pools_of_any_kind(draw: Any, *, fees: tuple[int, ...] = (0, 100, 3_000, 10_000)) -> Any:
    """A constant product, or liquidity over up to three ranges that may overlap or leave gaps."""
    fee = draw(st.sampled_from(fees))
    base = draw(st.integers(10**5, 10**13))
    quote = draw(st.integers(10**5, 10**13))
    if draw(st.booleans()):
        return bare([(base, quote, 0, 0)], fee=fee, curve=True)
    ends = st.tuples(st.floats(0.3, 3.0), st.floats(1.02, 2.0), st.floats(0.2, 5.0))
    ranges = tuple(
        LiquidityRange(lower=low, upper=low * width, weight=weight)
        for low, width, weight in draw(st.lists(ends, min_size=1, max_size=3))
    )
    rows, active = Concentrated(base="B", ranges=ranges).rows(base=float(base), quote=float(quote))
    # Of too little liquidity rounding leaves no curve.
    rows = [(x, y, max(virtual_x, 1), max(virtual_y, 1)) for x, y, virtual_x, virtual_y in rows]
    return bare(rows, fee=fee, active=active)


TRADES = st.lists(st.tuples(st.sampled_from([SELL, BUY]), st.integers(1, 10**14)), min_size=1, max_size=6)


def state(pools: Any) -> tuple[Any, ...]:
    return pools[0].tolist(), pools[1].tolist()


def copied(pools: Any) -> Any:
    return tuple(array.copy() for array in pools)


@SETTINGS
@given(pools_of_any_kind(), TRADES)
def test_a_quote_is_the_swap_and_no_product_falls(pools: Any, trades: list[tuple[int, int]]) -> None:
    held = [int(pools[1]["base"].sum()), int(pools[1]["quote"].sum())]
    for side, amount in trades:
        before, k = state(pools), products(pools)
        quoted = kernels.run_through(0, side, amount, pools, 0)
        assert state(pools) == before
        paid, received = kernels.run_through(0, side, amount, pools, 1)
        assert (paid, received) == quoted
        assert 0 <= paid <= amount
        assert (paid == 0) == (received == 0)
        assert all(now >= then for now, then in zip(products(pools), k, strict=True))
        held[0] += paid if side == SELL else -received
        held[1] += paid if side == BUY else -received
        assert (pools[1]["base"] >= 0).all()
        assert (pools[1]["quote"] >= 0).all()
        fees = pools[0][0]
        assert held[0] == pools[1]["base"].sum() + fees["fees_base"]
        assert held[1] == pools[1]["quote"].sum() + fees["fees_quote"]


@SETTINGS
@given(pools_of_any_kind(), st.sampled_from([SELL, BUY]), st.integers(1, 10**14))
def test_there_and_back_costs_the_fees(pools: Any, side: int, amount: int) -> None:
    paid, received = kernels.run_through(0, side, amount, pools, 1)
    spent, back = kernels.run_through(0, BUY if side == SELL else SELL, received, pools, 1)
    assert spent <= received
    record = pools[0][0]
    # What was kept there and back, the second leg's fee in the other asset left out; of a constant product both fees
    # join the curve, and what the first added to it comes back in part.
    if spent == received and pools[1]["virtual_base"].any():
        assert back + int(record["earned_base" if side == SELL else "earned_quote"]) <= paid
    assert back <= paid


@SETTINGS
@given(pools_of_any_kind(fees=(0,)), st.sampled_from([SELL, BUY]), st.integers(1, 10**13), st.integers(1, 10**13))
def test_splitting_a_swap_brings_no_more_without_a_fee(pools: Any, side: int, first: int, second: int) -> None:
    split = copied(pools)
    parts = [kernels.run_through(0, side, amount, split, 1) for amount in (first, second)]
    whole = kernels.run_through(0, side, first + second, pools, 1)
    if sum(paid for paid, _ in parts) <= whole[0]:
        assert sum(received for _, received in parts) <= whole[1]


@SETTINGS
@given(pools_of_any_kind(), st.sampled_from([SELL, BUY]), st.integers(1, 10**13))
def test_the_least_amount_for_a_wanted_one_is_enough(pools: Any, side: int, wanted: int) -> None:
    amount = kernels.amount_for(0, side, wanted, pools)
    if amount < NO_AMOUNT:
        assert kernels.run_through(0, side, amount, pools, 0)[1] >= wanted
    else:
        assert kernels.run_through(0, side, 10**15, pools, 0)[1] < wanted


@SETTINGS
@given(pools_of_any_kind(), st.integers(1, 1_000_000))
def test_a_withdrawal_takes_no_more_than_its_share(pools: Any, share: int) -> None:
    cash = np.zeros((8, 2), np.int64)
    pools[0]["provider"] = 1
    before = pools[1].copy()
    taken = kernels.withdraw(0, share, pools, cash)
    assert tuple(cash[1]) == tuple(taken)
    assert (cash.sum(axis=0) == 0).all()
    for name in ("base", "quote", "virtual_base", "virtual_quote"):
        for now, then in zip(pools[1][name].tolist(), before[name].tolist(), strict=True):
            assert 0 <= now * 1_000_000 - then * (1_000_000 - share) < 1_000_000
