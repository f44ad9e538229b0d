"""Limits in which the answer is known exactly: no leverage, no shortage of depth, no delay, no value, no liquidations.

Each also says that the limit is what does it: a little away from it, the answer is another one.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from experiments.measures import amplification
from experiments.run import Trace, simulate, trace, without_liquidations
from experiments.scenario import Scenario
from experiments.validation.laboratory import BTC, PERP, USDC, Engine, add, changed, engine, plain_venue
from market.instruments import Tier
from market.kernels.records import BUY, LIMIT, OUTSIDE, SELL
from market.streams import Streams
from market.venue import MidMark, Waterfall
from market.world import Inbox, World

CRASH = ["hours=0.45", "population.count=3000"]
NO_LEVERAGE = ["population.leverage=1.0", "population.leverage_sigma=0.0", "population.collateral_users=0.0"]


def crash(*overrides: str) -> Scenario:
    """The embedded flash crash, short, until its fall is over."""
    return Scenario.load("flash-crash", overrides=[*CRASH, *overrides])


def test_no_leverage_no_liquidations() -> None:
    kpis = simulate(crash(*NO_LEVERAGE), seed=3).kpis
    assert kpis["liquidation_count"] == 0
    assert kpis["bad_debt_usd"] == 0
    assert kpis["amplification"] == 1.0


@pytest.fixture(scope="module")
def run_and_twin() -> tuple[Trace, Trace]:
    scenario = crash()
    return trace(scenario, seed=3), trace(without_liquidations(scenario), seed=3)


def test_twin_is_the_same_run_up_to_the_first_forced_fill(run_and_twin: tuple[Trace, Trace]) -> None:
    main, twin = run_and_twin
    world = main.built.world
    assert world.n_events > 100
    assert twin.built.world.n_events == 0
    first = int(world.events["tick"][: world.n_events].min())
    ticks = [run.recorder.ticks[: run.recorder.n] for run in (main, twin)]
    assert first > 500
    # The books, marks and flows of all ticks before it; of its own tick all but what the fill did.
    np.testing.assert_array_equal(ticks[0][:first], ticks[1][:first])
    np.testing.assert_array_equal(ticks[0]["reference"][first], ticks[1]["reference"][first])
    assert (ticks[0][first] != ticks[1][first]).any()
    assert (ticks[0]["mark"][first:] != ticks[1]["mark"][first:]).mean() > 0.5


class Wall:
    """Quotes `lots` one tick below and above the reference, afresh in every tick."""

    most_messages = 8

    def __init__(self, lots: int) -> None:
        self.lots = lots

    def accounts_needed(self, **_: Any) -> int:
        """None: it quotes for the outside world."""
        return 0

    def join(self, world: World, **_: Any) -> Wall:
        """It is its own cohort."""
        del world
        return self

    def decide(self, world: World, inbox: Inbox) -> None:
        """Take the old quotes away and put up new ones."""
        for row in range(inbox.previous.count if world.tick else 0):
            if inbox.previous.handles[row] > 0:
                inbox.cancel(int(inbox.previous.handles[row]), account=OUTSIDE)
        reference = int(world.instruments["reference"][0])
        # Behind the first level, ten times as far away, more: a thin book falls but does not run empty.
        for side, sign in ((BUY, -1), (SELL, 1)):
            for distance, lots in ((1, self.lots), (100, 10**9)):
                inbox.append(op=LIMIT, book=0, side=side, price=reference + sign * distance, lots=lots, account=OUTSIDE)


def leveraged(*, wall_lots: int, prices: NDArray[np.float64], **rules: Any) -> Engine:
    """200 accounts, long and short, at leverages from 2 to 15 and a maintenance margin of 5 %, run through `prices`."""
    count = 200
    waterfall = Waterfall(insurance_fund_usd=0.0, adl="none")
    venue = plain_venue(round_seconds=0.05, waterfall=waterfall, **rules)
    leverage = np.linspace(2.0, 15.0, count)
    world = engine(
        deposits=tuple((10_000.0 / leverage).tolist()), venue=venue, prices=lambda tick: (1.0, float(prices[tick])),
        instruments={"PERP": changed(PERP, tiers=(Tier(initial=0.05, maintenance=0.05),))},
    )  # fmt: skip
    for number, account in enumerate(world.rows):
        world.open(account, 1_000 if number % 2 else -1_000, 10_000)
    add(world, Wall(wall_lots))
    world.run(len(prices))
    world.check_books()
    return world


def marks(world: Engine) -> NDArray[np.float64]:
    """float64[ticks], those of the first instrument."""
    return np.array([mark[0] for mark in world.marks], np.float64)


def zigzag(step: float, *, ticks: int = 120) -> NDArray[np.float64]:
    """Up and down by at most `step` a tick, 10 % and more from where it began."""
    moves = Streams(5).generator("limits").uniform(-step, step, ticks)
    path = 10_000.0 * np.exp(np.concatenate([[0.0], np.cumsum(moves)]))
    return np.asarray(np.rint(path))


@pytest.mark.parametrize(("lots", "exact"), [(10**12, True), (1_500, False)])
def test_infinite_depth_does_not_amplify(lots: int, exact: bool) -> None:
    prices = np.rint(np.linspace(10_000.0, 8_500.0, 60))
    run, twin = (leveraged(wall_lots=lots, prices=prices, mark=MidMark(), enabled=on) for on in (True, False))
    assert run.world.n_events > 50
    assert twin.world.n_events == 0
    found = amplification(marks(run), marks(twin))
    assert found is not None
    assert (found == 1.0) == exact


def test_no_gap_no_bad_debt() -> None:
    """Marked to the index and closed whole in the round it breaks, one tick of price away and for a fee of 1 %: as long
    as the price moves less in a tick than the maintenance margin of 5 % less these costs, nobody ends below zero."""
    world = leveraged(wall_lots=10**12, prices=zigzag(0.037), fee_bps=100.0)
    assert world.world.n_events > 100
    assert world.world.n_losses == 0
    made = world.world
    assert (made.ledger.assess(made.instruments, made.assets, made.margin)[7:, 1] >= 0).all()
    gap = leveraged(wall_lots=10**12, prices=zigzag(0.08), fee_bps=100.0)
    assert gap.losses["bad_debt"].sum() > 0


@pytest.mark.parametrize("haircut", [1.0, 0.99])
def test_collateral_of_no_value_moves_no_margin_equity(haircut: float) -> None:
    prices = (10_000.0, 20_000.0, 1.0, 123.0)
    world = engine(
        deposits=(1_000.0,),
        assets={"USDC": USDC, "BTC": changed(BTC, haircut=haircut)},
        prices=lambda tick: (1.0, prices[min(tick, 3)]),
        highest_usd={"USDC": 1.0, "BTC": 20_000.0},
    )
    (account,) = world.rows
    world.world.ledger.deposit(account, 1, 3 * 10**8)
    margin, net = [], []
    for _ in prices:
        world.run()
        equities = world.assess(account)
        margin.append(equities[0])
        net.append(equities[1])
    assert len(set(net)) == len(prices)
    assert (set(margin) == {1_000 * 10**6}) == (haircut == 1.0)
