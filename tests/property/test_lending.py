"""Whatever people do at a lending market, money is conserved and liquidity never below zero."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from market.kernels.records import LIQUIDATABLE, OUTSIDE
from market.lending import Reserve
from market.venue import Waterfall
from tests.engine_worlds import Engine
from tests.lending_worlds import ETH_QUANTA, IN_STETH, USDC_QUANTA, lending_engine, lending_venue

PEOPLE = 5
STEEP = Reserve(base=50_000.0, slope_below=1e5, slope_above=1e6, optimal=0.8, reserve_factor=0.13)
VENUE = lending_venue(
    reserves={"USDC": STEEP, "ETH": STEEP, "stETH": STEEP},
    waterfall=Waterfall(insurance_fund_usd=500.0, adl="none", socialised_cap=0.5),
    fee_bps=50.0,
    fee_cap="none",
    keeper_share=0.3,
    keeper_floor_usd=1.0,
)

act = st.tuples(
    st.sampled_from(("deposit", "withdraw", "borrow", "repay")),
    st.integers(0, PEOPLE - 1),
    st.integers(0, 2),
    st.floats(1e-7, 1e5),
)
tick = st.tuples(st.floats(0.7, 1.3), st.floats(0.7, 1.3), st.lists(act, max_size=6))


def check(made: Engine) -> None:
    cash = made.world.ledger.cash
    assert (cash.sum(axis=0) == 0).all()
    assert (cash[OUTSIDE] <= 0).all(), "more went out than had come in"
    assert (made.world.ledger.cash[made.keeper] >= 0).all()
    made.check_books()


@settings(max_examples=25, deadline=None, derandomize=True)
@given(st.lists(tick, min_size=4, max_size=25), st.booleans())
def test_money_is_conserved_and_liquidity_is_never_negative(days: list[Any], poor: bool) -> None:
    moves = np.cumprod([(1.0, eth, steth) for eth, steth, _ in days], axis=0)
    path = np.maximum(np.array([1.0, 2_000.0, 2_000.0]) * moves, [1.0, 50.0, 50.0])
    made = lending_engine(
        deposits=(5_000.0,) * PEOPLE, venue=VENUE, prices=lambda at: path[min(at, len(path) - 1)],
        highest_usd={"USDC": 1.0, "ETH": float(path.max()) + 2_000.0, "stETH": 3_000.0}, bid_usd=3.0, cost_usd=1.0,
    )  # fmt: skip
    if poor:
        made.world.ledger.deposit(made.keeper, 0, -997_000 * USDC_QUANTA)
    lending = made.world.lending
    assert lending is not None
    for _, _, acts in days:
        for what, person, asset, usd in acts:
            account = made.rows[person]
            amount = round(usd * (ETH_QUANTA / 2_000.0 if asset else USDC_QUANTA))
            before, excess = made.cash(account, asset), _initial_excess(made, account)
            got = getattr(lending, what)(account, asset, amount)
            assert 0 <= got <= amount
            out = what in ("withdraw", "borrow")
            assert made.cash(account, asset) - before == (-got if out else got)
            if out and got:
                assert excess >= 0
                assert _initial_excess(made, account) >= 0
            check(made)
        made.run(1)
        check(made)


def _initial_excess(made: Engine, account: int) -> int:
    margin_equity, _, _, initial = made.assess(account)
    assert made.world.ledger.accounts["flags"][account] & LIQUIDATABLE
    return margin_equity - initial


def test_the_filter_sees_every_account_that_interest_breaks() -> None:
    """Full assessment and the safe-distance filter find the same claims, tick by tick, while prices stand still."""
    found = []
    for full in (False, True):
        made = lending_engine(deposits=(0.0,) * 20, venue=VENUE)
        made.world.watch.full_assessment = full
        lending = made.world.lending
        assert lending is not None
        for number, row in enumerate(made.rows):
            lending.deposit(row, IN_STETH, 10 * ETH_QUANTA)
            lending.borrow(row, 0, (12_000 + 200 * number) * USDC_QUANTA)
        made.run(150)
        breaches = made.world.breaches[: made.world.n_breaches]
        found.append(breaches[["tick", "account", "excess"]].tolist())
    assert found[0] == found[1]
    assert len({tick for tick, _, _ in found[0]}) > 5
