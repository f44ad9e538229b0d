"""Published results about large orders: the best way to trade one, and the one of 6 May 2010."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from agents.execution import Executor, LargeOrder, Schedule, optimal_holdings, urgency_of
from experiments.build import Built, build
from experiments.scenario import Scenario
from experiments.validation.case import Case, Check, Facts, near, shown
from experiments.validation.laboratory import BTC, SPOT, USDC, Engine, add, changed, engine
from market.kernels.records import BUY, LIMIT, MESSAGE, OUTSIDE
from market.simulation import run
from market.world import World

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


# --- 6 May 2010 ---------------------------------------------------------------------------------------------------

WARM_UP_SECONDS, HOURS = 600, 1.0


class Shares:
    """Who traded on the first book from a tick on: lots by account, as maker or taker."""

    def __init__(self, world: World, *, begin: int) -> None:
        self.begin = begin
        self.lots = np.zeros(len(world.ledger.accounts))
        self.volume = 0

    def __call__(self, world: World) -> None:
        """Add this tick's fills."""
        if world.tick > self.begin:
            fills = world.fills[: world.n_fills]
            fills = fills[fills["book"] == 0]
            for side in ("maker", "taker"):
                np.add.at(self.lots, fills[side], fills["lots"])
            self.volume += int(fills["lots"].sum())

    def of(self, role: str, world: World) -> float:
        """Part of all sides of all trades."""
        rows = [row for row, name in enumerate(world.ledger.roles) if name == role]
        return float(self.lots[rows].sum() / self.lots.sum())


def large_seller(facts: Facts) -> list[Check]:
    """The embedded calm hour, without and with a seller who keeps to a share of the volume after ten minutes.

    The order is as large, for this market, as that of 2010 was for its own: what a constant volume would have let it
    sell in the published time. Nothing was published that the outcome could be accepted or refused by.
    """
    published = facts["expected"]
    share, seconds = published["pct_volume"], 60.0 * published["minutes"]
    overrides = [f"hours={HOURS}", "population.count=3000"]
    scenario = Scenario.load("calm", overrides=overrides)
    calm = build(scenario, seed=1)
    before = Shares(calm.world, begin=WARM_UP_SECONDS)
    middles = _middles(calm, before)
    volume = before.volume / (len(middles) - WARM_UP_SECONDS)
    size = share * seconds * volume * scenario.instruments["BTC-PERP"].lot_size
    order = "agents.large_orders.seller."
    overrides += [f"{order}instrument=BTC-PERP", f"{order}size={size:.6f}", f"{order}start_seconds={WARM_UP_SECONDS}"]
    sale = build(Scenario.load("calm", overrides=[*overrides, f"{order}plan.share={share}"]), seed=1)
    (seller,) = (cohort for cohort in sale.cast.cohorts if isinstance(cohort, Executor))
    during = Shares(sale.world, begin=WARM_UP_SECONDS)
    sold = _middles(sale, during, until=seller)
    if seller.done_seconds is None:
        raise ValueError("the order is not done within the hour")
    fall = float((sold / middles[: len(sold)]).min()) - 1.0
    makers = during.of("market_maker", sale.world)
    return [
        shown("minutes until it was sold", seller.done_seconds / 60.0, published["minutes"]),
        shown("its share of the volume", 2.0 * during.of("large_order", sale.world), share),
        shown("makers' share of all sides; high-frequency traders then", makers, published["hft_share"]),
        shown("largest fall against the same hour without it, %", 100.0 * fall),
    ]


def _middles(built: Built, shares: Shares, *, until: Executor | None = None) -> NDArray[np.float64]:
    """float64[ticks]: middle of the first book tick by tick, for the hour or until the order is done."""
    found: list[float] = []

    def note(world: World) -> None:
        found.append(0.5 * (int(world.instruments[0]["best_bid"]) + int(world.instruments[0]["best_ask"])))

    for _ in range(round(HOURS * 3_600.0 / built.world.tick_seconds)):
        run(built.world, built.rules, built.cast, ticks=1, observers=(note, shares))
        if until is not None and until.done_seconds is not None:
            break
    return np.array(found)


CASES = (
    Case(
        name="AC-example",
        subject="the example of Almgren and Chriss: schedule, cost, risk",
        run=almgren_chriss,
        expression="the schedule of `agents/execution.py`, sold into books with the paper's linear impact",
    ),
    Case(
        name="FLASH-20100506",
        subject="what if one large seller at 9 % of the volume came into the calm market",
        run=large_seller,
        quick=False,
        expression="scaled to the volume of the calm scenario; nothing like the crash of that day follows, because "
        "arbitrageurs bring outside liquidity at a reference price that this small venue hardly moves; the "
        "exchange's pause of 5 s (`venue.breakers.halt`) is not switched on",
    ),
)
