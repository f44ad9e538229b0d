"""Published results about large orders: the best way to trade one, and the one of 6 May 2010."""

from __future__ import annotations

import math

import numpy as np

from agents.execution import LargeOrder, Schedule, optimal_holdings, urgency_of
from experiments.validation.case import Case, Check, Facts, near
from experiments.validation.laboratory import BTC, SPOT, USDC, Engine, add, changed, engine
from market.kernels.records import BUY, LIMIT, MESSAGE, OUTSIDE

TICK, LOT = 1e-6, 0.01
START = 2.7
"""Price at which the order starts: the paper's costs do not depend on it, and a lower one needs fewer price levels."""


def almgren_chriss(facts: Facts) -> list[Check]:
    """The schedule sold by the product's large order into books that have the paper's linear impact.

    Before each of the five sales the bids are put up afresh, `eps` below the middle, with 1 / (2 eta) shares per
    dollar, so that n shares fetch eps + eta n less than the middle on average; every share sold lowers the middle by
    gamma. Costs are proceeds in the ledger; the risk is what the account gains per dollar of price, period by period.
    """
    given, expected, tolerance = facts["inputs"], facts["expected"], facts["tolerance"]
    periods = given["N"]
    length = given["T"] / periods
    urgency = urgency_of(
        volatility=given["sigma"], temporary=given["eta"], permanent=given["gamma"], risk_aversion=given["lambda"],
        slice_length=length,
    )  # fmt: skip
    holdings = optimal_holdings(size=given["X"], slices=periods, urgency=urgency, slice_length=length)
    twap, _ = _sell(given, urgency=0.0)
    best, risk = _sell(given, urgency=urgency * given["T"])
    return [
        near("kappa", urgency, expected["kappa"], tolerance=5e-6, words="± 5e-6: its printed digits"),
        near("half-life", 1.0 / urgency, expected["half_life"], tolerance=5e-5, words="± 5e-5: its printed digits"),
        near("holdings", holdings, expected["x"], tolerance=tolerance),
        near("cost of equal parts", twap, expected["E_TWAP"], tolerance=tolerance),
        near("cost of the best schedule", best, expected["E_opt"], tolerance=tolerance),
        near("its standard deviation", risk, expected["sqrtV_opt"], tolerance=tolerance),
    ]


def _sell(given: Facts, *, urgency: float) -> tuple[float, float]:
    """(cost, standard deviation) of selling everything, in the paper's dollars."""
    periods, length, size = given["N"], given["T"] / given["N"], given["X"]
    world = engine(
        assets={
            "USDC": changed(USDC, quantum=1e-9),
            "BTC": changed(BTC, price_usd=START, price_tick_usd=TICK),
        },
        instruments={"SPOT": changed(SPOT, tick_size=TICK, lot_size=LOT, price_ceiling=1.5)},
        tick_seconds=length,
        extra_accounts=1,
    )
    plan = Schedule(seconds=given["T"], slices=periods, urgency=urgency)
    (executor,) = add(world, LargeOrder(instrument="SPOT", size=size, plan=plan))
    account, price = executor.account, world.world.assets[1]
    variance = 0.0
    for _ in range(periods):
        sold = (executor.size - world.cash(account, 1) // int(world.world.instruments[0]["lot_quanta"])) * LOT
        _put_up_bids(world, given, sold=sold, most=0.6 * size)
        world.run(1)
        worth = world.assess(account)[1]
        price["price"] += round(1.0 / TICK)
        variance += given["sigma"] ** 2 * length * ((world.assess(account)[1] - worth) / 1e6) ** 2
        price["price"] -= round(1.0 / TICK)
    if world.cash(account, 1) != 0:
        raise ValueError("the order is not done")
    world.check_books()
    return size * START - world.cash(account) * 1e-9, math.sqrt(variance)


def _put_up_bids(world: Engine, given: Facts, *, sold: float, most: float) -> None:
    """Flat bids for `most` shares; every second tick holds the depth of two, so that the average has no rounding."""
    world.world.books.cancel_account(OUTSIDE)
    middle = round((START - given["gamma"] * sold) / TICK)
    per_level = 2.0 * TICK / (2.0 * given["eta"])
    messages = np.zeros(min(math.ceil(most / per_level), (middle - round(given["eps"] / TICK)) // 2 - 1), MESSAGE)
    messages["op"], messages["side"], messages["account"] = LIMIT, BUY, OUTSIDE
    messages["lots"] = round(per_level / LOT)
    messages["price"] = middle - round(given["eps"] / TICK) - 1 - 2 * np.arange(len(messages))
    world.world.books.process(messages)


CASES = (
    Case(
        name="AC-example",
        subject="the example of Almgren and Chriss: schedule, cost, risk",
        run=almgren_chriss,
        expression="the schedule of `agents/execution.py`, sold into books with the paper's linear impact",
    ),
)
