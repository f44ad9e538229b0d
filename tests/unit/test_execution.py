"""Large orders: the schedule of Almgren and Chriss, a share of the volume, and what becomes of an order."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.execution import Executor, LargeOrder, Participation, Schedule, optimal_holdings, urgency_of
from experiments.build import build
from experiments.scenario import Scenario
from experiments.validation.laboratory import Engine, add
from market.errors import InputError
from market.kernels.records import BUY, MARKET, OUTSIDE
from tests.engine_worlds import PERP, changed, engine, plain_venue


@settings(deadline=None, derandomize=True, max_examples=60)
@given(slices=st.integers(1, 60), urgency=st.floats(0.0, 500.0))
def test_holdings_fall_from_all_to_nothing_and_faster_first(slices: int, urgency: float) -> None:
    held = optimal_holdings(size=1_000.0, slices=slices, urgency=urgency / slices)
    assert held[0] == pytest.approx(1_000.0)
    assert held[-1] == 0.0
    trades = -np.diff(held)
    assert (trades >= 0.0).all()
    assert (np.diff(trades) <= 1e-9).all()


def test_holdings_follow_their_difference_equation() -> None:
    """x[j-1] - 2 x[j] + x[j+1] = (k~ t)^2 x[j], which the optimum solves (Almgren and Chriss, eq. 16)."""
    urgency = urgency_of(volatility=0.95, temporary=2.5e-6, permanent=2.5e-7, risk_aversion=1e-6, slice_length=0.5)
    held = optimal_holdings(size=1e6, slices=10, urgency=urgency, slice_length=0.5)
    squared = 1e-6 * 0.95**2 / (2.5e-6 - 0.5 * 2.5e-7 * 0.5)
    assert np.diff(held, 2) == pytest.approx(squared * 0.5**2 * held[1:-1], rel=1e-9)
    with pytest.raises(ValueError, match="above half"):
        urgency_of(volatility=1.0, temporary=1.0, permanent=4.0, risk_aversion=1.0, slice_length=0.5)


def place(order: LargeOrder, *, bids: int, asks: int = 10**6, others: int = 0) -> tuple[Engine, Executor]:
    """The order at work on a book with so many lots on each side; `others` lots are bought by the outside a tick."""
    flow = {"op": MARKET, "book": 0, "side": BUY, "lots": others, "account": OUTSIDE + 1}
    script = {tick: [flow] for tick in range(200)} if others else None
    world = engine(
        venue=plain_venue(), instruments={"PERP": changed(PERP, tiers=PERP.tiers)}, extra_accounts=1, script=script
    )
    world.bids((9_999, bids))
    world.asks((10_001, asks))
    (executor,) = add(world, order)
    assert isinstance(executor, Executor)
    return world, executor


def test_schedule_is_kept() -> None:
    """1 BTC is 1,000 lots; four equal slices of ten ticks, the first at once."""
    plan = Schedule(seconds=40.0, slices=4)
    world, executor = place(LargeOrder(instrument="PERP", size=1.0, start_seconds=5.0, plan=plan), bids=10**6)
    lots = []
    for _ in range(50):
        world.run()
        lots.append(-world.lots(executor.account))
    assert [lots[tick] for tick in (4, 5, 14, 15, 25, 34, 35, 49)] == [0, 250, 250, 500, 750, 750, 1_000, 1_000]
    assert executor.held == 0
    assert executor.done_seconds == 31.0
    world.check_books()


def test_share_of_the_volume_is_kept() -> None:
    plan = Participation(share=0.2, window_seconds=30.0)
    world, executor = place(LargeOrder(instrument="PERP", size=10.0, side="buy", plan=plan), bids=10**6, others=40)
    world.run(120)
    before = world.lots(executor.account)
    world.run(80)
    bought = world.lots(executor.account) - before
    # 40 lots of others a tick: a fifth of everything is a quarter of that.
    assert bought == pytest.approx(80 * 10, abs=5)


def test_what_the_book_cannot_take_is_still_to_be_done() -> None:
    world, executor = place(LargeOrder(instrument="PERP", size=1.0, plan=Schedule(seconds=10.0, slices=1)), bids=300)
    world.run(3)
    assert (world.lots(executor.account), executor.held, executor.done_seconds) == (-300, 700, None)
    world.bids((9_998, 5_000))
    world.run(3)
    assert (world.lots(executor.account), executor.held) == (-1_000, 0)
    assert executor.done_seconds is not None


def test_order_joins_a_scenario_and_leaves_everybody_their_rows() -> None:
    overrides = ["hours=0.02", "population.count=50"]
    order = ["agents.large_orders.fund.instrument=BTC-PERP", "agents.large_orders.fund.size=2.0"]
    plain = build(Scenario.load("calm", overrides=overrides), seed=1).world.ledger
    ledger = build(Scenario.load("calm", overrides=[*overrides, *order]), seed=1).world.ledger
    assert ledger.names[:-1] == plain.names
    assert ledger.roles[-1] == "large_order"
    np.testing.assert_array_equal(ledger.positions["lots"][:-1], plain.positions["lots"])
    with pytest.raises(InputError, match="no instrument 'XRP'"):
        build(
            Scenario.load("calm", overrides=[*overrides, order[1], "agents.large_orders.fund.instrument=XRP"]), seed=1
        )
