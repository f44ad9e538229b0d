"""Short, eventful cuts of the embedded scenarios, for tests that need a whole run, and what a run leaves behind as
digests."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.scenario import Scenario
from experiments.systems.scenario import SystemScenario, load_system
from market.kernels.records import LIVE_ORDERS
from market.world import World

CUTS: dict[str, tuple[str, ...]] = {
    "calm": ("hours=0.25", "population.count=3000"),
    # The crash comes after two minutes and lasts four; the fund is too small, so that accounts are deleveraged.
    "flash-crash": (
        "hours=0.15",
        "population.count=1500",
        "reference.crash_at_seconds=120",
        "reference.crash_duration_seconds=240",
        "venue.waterfall.insurance_fund_usd=1e5",
    ),
    "options-crash": (
        "hours=0.15",
        "population.count=1500",
        "reference.crash_at_seconds=120",
        "reference.crash_duration_seconds=240",
        "venue.waterfall.insurance_fund_usd=1e5",
    ),
    # The crash comes after ten minutes and lasts twenty.
    "lending-market": (
        "hours=1.0",
        "reference.crash_at_seconds=600",
        "reference.crash_duration_seconds=1200",
    ),
    # All of its three hours, in coarse ticks.
    "may-2021": ("tick_seconds=5.0", "population.count=1500"),
}
"""Embedded scenario -> what makes it short."""


SYSTEM_CUTS: dict[str, tuple[str, ...]] = {
    "cross-venue-hedge": (
        "hours=0.15",
        "reference.crash_at_seconds=120",
        "reference.crash_duration_seconds=240",
        "venues.north.population.count=800",
        "venues.south.population.count=400",
        "agents.hedgers.count=60",
    ),
    "collateral-exploit": (
        "hours=0.4",
        "shocks.mint.at_seconds=120",
        "shocks.known.at_seconds=180",
        "venues.lender.population.count=100",
        "venues.lender.agents.depositors.count=100",
        "venues.exchange.population.count=500",
    ),
    "lending-loop": ("hours=1.5", "venues.lender.population.count=60", "venues.lender.agents.depositors.count=100"),
    "luna-2022": (
        "tick_seconds=300",
        "venues.lender.venue.liquidation.round_seconds=300",
        "venues.exchange.population.count=300",
        "venues.lender.population.count=150",
        "venues.lender.agents.depositors.count=200",
    ),
    "stablecoin-depeg": (
        "hours=1.6",
        "tick_seconds=6",
        "venues.exchange.population.count=400",
        "venues.lender.population.count=100",
        "venues.lender.agents.depositors.count=100",
    ),
    "staked-eth-discount": (
        "hours=1.5",
        "venues.lender.population.count=60",
        "venues.lender.population.loopers.staked.count=60",
        "venues.lender.agents.depositors.count=100",
    ),
}
"""The same of those with several venues."""

LEFT_OUT = ("unused", "seized", "repaid")
"""Fields without a meaning, and fields younger than the golden runs that hold nothing in them."""


def cut_system(name: str, *more: str) -> SystemScenario:
    """The short cut of an embedded scenario of several venues."""
    return load_system(name, overrides=[*SYSTEM_CUTS[name], *more])[0]


def cut(name: str, *more: str) -> Scenario:
    """The short cut of an embedded scenario."""
    return Scenario.load(name, overrides=[*CUTS[name], *more])


def digest(array: NDArray[Any]) -> str:
    """Of the whole numbers in an array: records without their floating-point fields."""
    found = hashlib.sha256(str(array.shape).encode())
    names = array.dtype.names
    for name in names or ("",):
        column = array[name] if names else array
        if column.dtype.kind in "iu" and name not in LEFT_OUT:
            found.update(np.ascontiguousarray(column).tobytes())
    return found.hexdigest()[:16]


def digests(world: World) -> dict[str, str]:
    """Name of a part of the world -> digest of its integers; orders in the order of their handles."""
    orders = world.books.orders[world.books.orders["handle"] != 0]
    assert len(orders) == world.books.counters[LIVE_ORDERS]
    shown = orders[np.argsort(orders["handle"])][["handle", "tag", "lots", "price", "account", "book", "side"]]
    return {
        "cash": digest(world.ledger.cash),
        "positions": digest(world.ledger.positions),
        "orders": digest(shown),
        "levels": digest(world.books.levels[["lots"]]),
        "instruments": digest(world.instruments),
        "assets": digest(world.assets),
        "claims": digest(world.claims[: world.n_claims]),
        "breaches": digest(world.breaches[: world.n_breaches]),
        "events": digest(world.events[: world.n_events]),
        "losses": digest(world.losses[: world.n_losses]),
    }
