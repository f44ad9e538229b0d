"""Impacts on buffers, price impact, common holdings and fire sales, by hand."""

from __future__ import annotations

from math import e, exp

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.network.firesale import Banks, CapitalRule, fire_sale
from experiments.network.impact import communicability, diffusion, impact_matrix, susceptibility
from experiments.network.overlap import cosine_overlap, leverage_targeting, liquidity_overlap, mean_overlap
from experiments.network.price_impact import exponential, exponential_rate, floored, market_depth
from market.errors import InputError


def test_impact_matrix() -> None:
    claims = [[0, 1.0], [4.0, 0]]
    assert impact_matrix(claims, [2.0, 3.0], binary=False).toarray() == pytest.approx(np.array([[0, 1.0], [0.5, 0]]))
    assert impact_matrix(claims, [2.0, 3.0]).toarray() == pytest.approx(np.array([[0, 1.0], [0, 0]]))
    with pytest.raises(InputError, match="not above 0"):
        impact_matrix(claims, [2.0, 0.0])


def test_paths_in_a_line() -> None:
    """0 breaks 1, 1 breaks 2: one path of length two, weighted by a half."""
    line = [[0, 1.0, 0], [0, 0, 1.0], [0, 0, 0]]
    assert communicability(line) == pytest.approx(np.array([[0, 1, 0.5], [0, 0, 1], [0, 0, 0]]))
    assert susceptibility(line) == pytest.approx([0.0, 1.0, 1.5])
    spread = diffusion(line)
    assert spread.start == pytest.approx([1.5, 1.0, 0.0])
    assert spread.intermediate == pytest.approx([0.0, 0.5, 0.0])
    assert spread.total == pytest.approx([1.5, 1.5, 0.0])


def test_price_impact() -> None:
    assert exponential(1.0, 1.0) == pytest.approx(1 - 1 / e)
    rate = exponential_rate(fall=0.3, sold_share=0.2)
    assert exponential([0.0, 0.2], rate) == pytest.approx([0.0, 0.3])
    assert market_depth(daily_volume_usd=100.0, daily_volatility=0.02, days=4.0) == pytest.approx(4_000.0)
    falls = floored([0.0, 1e-3, 1e12], depth_usd=100.0, price=10.0, floor=4.0)
    assert falls == pytest.approx([0.0, 1e-5, 0.6], rel=1e-4)
    assert floored(50.0, depth_usd=100.0, price=10.0, floor=10.0) == 0.0
    for wrong in ({"price": 0.0}, {"floor": 11.0}, {"depth_usd": 0.0}):
        with pytest.raises(InputError):
            floored(1.0, **({"depth_usd": 100.0, "price": 10.0, "floor": 4.0} | wrong))
    with pytest.raises(InputError, match="sold_share"):
        exponential(-1.0, 1.0)
    with pytest.raises(InputError, match="daily_volatility"):
        market_depth(daily_volume_usd=100.0, daily_volatility=0.0, days=4.0)


def test_overlaps() -> None:
    held = [[3.0, 4.0], [-6.0, -8.0], [0.0, 0.0], [4.0, -3.0]]
    found = cosine_overlap(held).toarray()
    assert found == pytest.approx(np.array([[1, -1, 0, 0], [-1, 1, 0, 0], [0, 0, 0, 0], [0, 0, 0, 1]]))
    assert mean_overlap(held) == pytest.approx((found.sum(axis=1) - found.diagonal()) / 3)
    assert mean_overlap([[1.0]]) == pytest.approx([0.0])
    assert liquidity_overlap(held, [10.0, 100.0]).toarray()[0] == pytest.approx([1.06, -2.12, 0.0, 1.08])
    with pytest.raises(InputError, match="not above 0"):
        liquidity_overlap(held, [10.0, 0.0])
    with pytest.raises(InputError, match="shape"):
        liquidity_overlap(held, [10.0])


@settings(deadline=None, max_examples=40, derandomize=True)
@given(st.data(), st.integers(1, 5), st.integers(1, 4))
def test_systemicness_adds_up(data: st.DataObject, n: int, m: int) -> None:
    def draw(low: float, high: float, size: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
        return np.array(data.draw(st.lists(st.floats(low, high), min_size=size, max_size=size)))

    equity = draw(1.0, 5.0, n)
    found = leverage_targeting(
        assets=draw(0.0, 100.0, n), weights=draw(0.0, 1.0, n * m).reshape(n, m), leverage=draw(0.0, 20.0, n),
        price_impact=draw(0.0, 1e-3, m), shock=draw(-0.3, 0.0, m), equity=equity,
    )  # fmt: skip
    assert found.systemicness.sum() == pytest.approx(found.aggregate_vulnerability)
    assert (found.indirect_vulnerability * equity).sum() / equity.sum() == pytest.approx(found.aggregate_vulnerability)
    assert (found.losses_usd <= 0.0).all()


ONE_BANK = {"holdings": [[100.0]], "cash": [0.0], "other_assets": [0.0], "debts": [95.0]}
RULE = CapitalRule(least=0.03, buffer=0.04, target=0.05)


def test_one_bank_sells_to_its_target() -> None:
    """A fall of 1.5 % leaves 3.5 of 98.5: it wants 70 and sells the rest in the next step, without impact."""
    found = fire_sale(Banks(**ONE_BANK), RULE, shock=[-0.015], impact_rate=[0.0], steps=3)  # type: ignore[arg-type]
    wanted = 98.5 - 3.5 / 0.05
    assert found.sold[:, 0] == pytest.approx([0.0, wanted / 0.985, 0.0], abs=1e-9)
    assert found.defaults.tolist() == [0, 0, 0]
    assert found.sold_share == pytest.approx(wanted / 98.5)


def test_one_bank_defaults_and_sells_all() -> None:
    found = fire_sale(Banks(**ONE_BANK), RULE, shock=[-0.03], impact_rate=[2.0], steps=3)  # type: ignore[arg-type]
    assert found.sold[:, 0] == pytest.approx([0.0, 100.0, 0.0])
    assert found.prices[:, 0] == pytest.approx([0.97, 0.97, 0.97 * exp(-2), 0.97 * exp(-2)])
    assert found.defaults.tolist() == [1, 1, 1]


def test_sales_of_one_break_the_other() -> None:
    """The second bank holds the same asset and outlives the shock but not the first one's sale."""
    banks = Banks(holdings=[[100.0], [50.0]], cash=[0.0, 50.0], other_assets=[0.0, 0.0], debts=[95.0, 93.0])
    alone = fire_sale(banks, RULE, shock=[-0.03], impact_rate=[0.0], steps=4)
    assert alone.defaults.tolist() == [1, 1, 1, 1]
    together = fire_sale(banks, RULE, shock=[-0.03], impact_rate=[0.5], steps=4)
    assert together.defaults.tolist() == [1, 2, 2, 2]
    assert together.sold_share == pytest.approx(1.0)


def test_bad_fire_sales() -> None:
    banks = Banks(**ONE_BANK)  # type: ignore[arg-type]
    for shock, rate, steps in (
        ([-1.0], [0.0], 1),
        ([0.0], [-1.0], 1),
        ([0.0], [0.0], 0),
        ([0.0], [0.0], 1.5),
        ([0.0, 0.0], [0.0], 1),
    ):
        with pytest.raises(InputError):
            fire_sale(banks, RULE, shock=shock, impact_rate=rate, steps=steps)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="cash"):
        Banks(**(ONE_BANK | {"cash": [-1.0]}))  # type: ignore[arg-type]
    with pytest.raises(InputError, match="ratios"):
        CapitalRule(least=0.05, buffer=0.04, target=0.05)
