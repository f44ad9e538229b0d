"""The few figures that worlds are compared by, of one run, and when forced trades happened."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from experiments.counterfactual.setting import AnyScenario
from experiments.frames import fill_usd, quote_usd
from experiments.measures import bad_debt, largest_fall
from experiments.run import Trace, trace
from experiments.scenario import Scenario
from experiments.systems.run import trace_system
from market.instruments import USD_QUANTA
from market.kernels.records import FORCED_HEDGE, FORCED_RESALE, ON_BOOK, OPTION, SYSTEM, TWO_ASSETS
from market.world import World


@dataclass(frozen=True, kw_only=True)
class Figure:
    """What is compared."""

    label: str
    unit: str
    meaning: str


FIGURES: dict[str, Figure] = {
    "liquidated_notional_usd": Figure(
        label="closed by force", unit="USD", meaning="forced fills on books, and collateral seized"
    ),
    "liquidated_account_count": Figure(label="accounts liquidated", unit="", meaning="each counted once"),
    "bad_debt_usd": Figure(label="bad debt", unit="USD", meaning="gross, before anybody bears it"),
    "worst_fall_pct": Figure(
        label="deepest fall", unit="%", meaning="peak to trough of a mark, the largest of all books; without books, of "
        "a price in the outside world"
    ),
}  # fmt: skip

Measured = dict[str, float]
"""By name of `FIGURES`."""
Curve = list[tuple[float, float]]
"""(seconds, USD closed by force until then)."""


def traces_of(scenario: AnyScenario, seed: int) -> dict[str, Trace]:
    """One run, venue by venue; "" is the venue of a scenario of one. Raises InputError for what cannot be simulated."""
    if isinstance(scenario, Scenario):
        return {"": trace(scenario, seed=seed)}
    return trace_system(scenario, seed=seed).venues


def measure(scenario: AnyScenario, seed: int) -> tuple[Measured, Curve]:
    """Simulate once, without a twin. Raises InputError for what cannot be simulated."""
    venues = traces_of(scenario, seed)
    return figures_of(venues), curve_of(venues)


def figures_of(venues: Mapping[str, Trace]) -> Measured:
    """The figures that worlds are compared by; those of several venues added up."""
    return {
        "liquidated_notional_usd": sum(float(_closed(found.built.world)[1].sum()) for found in venues.values()),
        "liquidated_account_count": float(sum(map(liquidated, venues.values()))),
        "bad_debt_usd": sum(bad_debt(found)[0] / USD_QUANTA for found in venues.values()),
        "worst_fall_pct": max((fall for found in venues.values() for fall in _falls(found)), default=0.0),
    }


def liquidated(found: Trace) -> int:
    """Accounts something was forced on."""
    world = found.built.world
    return len(np.unique(world.events["account"][: world.n_events]))


def _falls(found: Trace) -> list[float]:
    """Peak to trough of every mark, %; of a venue without books of every asset's reference."""
    world, recorder = found.built.world, found.recorder
    books = np.flatnonzero(world.instruments["kind"] != OPTION)
    paths = recorder.ticks["mark"][: recorder.n, books] if len(books) else recorder.asset_reference[: recorder.n]
    return [-100.0 * float(np.expm1(largest_fall(path.astype(np.float64)).log_move)) for path in paths.T]


def _closed(world: World) -> tuple[NDArray[np.void], NDArray[np.float64]]:
    """(events that closed something on a book, or took collateral, float64[n] USD of each)."""
    events = world.events[: world.n_events]
    events = events[np.isin(events["kind"], (*ON_BOOK, *TWO_ASSETS))]
    return events, fill_usd(world, events)


def own_usd(world: World) -> NDArray[np.float64]:
    """float64[n_accounts]: what of each account was closed by force, USD."""
    events, usd = _closed(world)
    return np.asarray(np.bincount(events["account"], weights=usd, minlength=len(world.ledger.accounts)), np.float64)


def curve_of(venues: Mapping[str, Trace]) -> Curve:
    """When how much had been closed by force, at the ticks in which something was."""
    found: dict[float, float] = {}
    for one in venues.values():
        world = one.built.world
        events, closed = _closed(world)
        seconds = (events["tick"] + 1) * world.tick_seconds
        for at, usd in zip(seconds.tolist(), closed.tolist(), strict=True):
            found[at] = found.get(at, 0.0) + usd
    at = sorted(found)
    return list(zip(at, np.cumsum([found[second] for second in at]).tolist(), strict=True))


def forced_usd(venues: Mapping[str, Trace]) -> float:
    """All that was closed by force on books or taken, USD."""
    return sum(float(_closed(found.built.world)[1].sum()) for found in venues.values())


def lost_positions_usd(venues: Mapping[str, Trace]) -> float:
    """All that people were closed out of by force, USD: also what was deleveraged, auctioned, or taken over by a vault,
    a pool or reserves; what these sell on is not counted twice. Unlike what goes through books it never falls when a
    shock is so deep that deleveraging takes their place."""
    total = 0.0
    for found in venues.values():
        world = found.built.world
        events = world.events[: world.n_events]
        total += float(fill_usd(world, events[~np.isin(events["kind"], (FORCED_RESALE, FORCED_HEDGE))]).sum())
    return total


def at_stake_usd(venues: Mapping[str, Trace]) -> float:
    """What could be closed by force at the start, USD: long positions, and the collateral of accounts with debts."""
    total = 0.0
    for one in venues.values():
        world, opening = one.built.world, one.opening
        instruments = world.instruments
        customers = world.ledger.accounts["flags"] & SYSTEM == 0
        lots = np.where(instruments["kind"] == OPTION, 0, np.maximum(opening.lots[customers], 0)).sum(axis=0)
        total += float((lots * opening.marks * instruments["tick_value"] * quote_usd(world)).sum())
        owing = customers & (opening.cash < 0).any(axis=1)
        unit = world.assets["multiplier"] / world.assets["divisor"] / USD_QUANTA
        total += float((np.maximum(opening.cash[owing], 0) * one.recorder.asset_reference[0] * unit).sum())
    return total
