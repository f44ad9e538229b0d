"""The few figures that worlds are compared by, of one run, and when forced trades happened."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from experiments.counterfactual.setting import AnyScenario
from experiments.frames import fill_usd, quote_usd
from experiments.measures import Kpis
from experiments.run import Trace, simulate
from experiments.scenario import Scenario
from experiments.systems.run import simulate_system
from market.instruments import USD_QUANTA
from market.kernels.records import FORCED_SEIZURE, ON_BOOK, OPTION, SYSTEM


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


def measure(scenario: AnyScenario, seed: int) -> tuple[Measured, Curve]:
    """Simulate once, without a twin. Raises InputError for what cannot be simulated."""
    if isinstance(scenario, Scenario):
        result = simulate(scenario, seed=seed, twin=False)
        return figures_of(result.kpis), curve_of({"": result.main})
    system = simulate_system(scenario, seed=seed, twin=False)
    venues = [one.kpis for one in system.venues.values()]
    falls = [value for kpis in (*venues, system.kpis) for value in _falls(kpis)]
    return {**figures_of(system.kpis), "worst_fall_pct": max(falls, default=0.0)}, curve_of(system.main.venues)


def figures_of(kpis: Mapping[str, float | int | str | None]) -> Measured:
    """The figures that worlds are compared by, of those of a run."""
    found = {name: float(kpis[name] or 0.0) for name in FIGURES if name in kpis}
    return {**found, "worst_fall_pct": max(_falls(kpis), default=0.0)}


def _falls(kpis: Mapping[str, float | int | str | None] | Kpis) -> list[float]:
    names = [name for name in kpis if name.startswith("total_drawdown_")]
    names = names or [name for name in kpis if name.startswith("reference_drawdown_")]
    return [float(kpis[name] or 0.0) for name in names]


def curve_of(venues: Mapping[str, Trace]) -> Curve:
    """When how much had been closed by force, at the ticks in which something was."""
    found: dict[float, float] = {}
    for trace in venues.values():
        world = trace.built.world
        events = world.events[: world.n_events]
        events = events[np.isin(events["kind"], (*ON_BOOK, FORCED_SEIZURE))]
        seconds = (events["tick"] + 1) * world.tick_seconds
        for at, usd in zip(seconds.tolist(), fill_usd(world, events).tolist(), strict=True):
            found[at] = found.get(at, 0.0) + usd
    at = sorted(found)
    return list(zip(at, np.cumsum([found[second] for second in at]).tolist(), strict=True))


def forced_usd(venues: Mapping[str, Trace]) -> float:
    """All that was closed by force, USD."""
    curve = curve_of(venues)
    return curve[-1][1] if curve else 0.0


def at_stake_usd(venues: Mapping[str, Trace]) -> float:
    """What could be closed by force at the start, USD: long positions, and the collateral of accounts with debts."""
    total = 0.0
    for trace in venues.values():
        world, opening = trace.built.world, trace.opening
        instruments = world.instruments
        customers = world.ledger.accounts["flags"] & SYSTEM == 0
        lots = np.where(instruments["kind"] == OPTION, 0, np.maximum(opening.lots[customers], 0)).sum(axis=0)
        total += float((lots * opening.marks * instruments["tick_value"] * quote_usd(world)).sum())
        owing = customers & (opening.cash < 0).any(axis=1)
        unit = world.assets["multiplier"] / world.assets["divisor"] / USD_QUANTA
        total += float((np.maximum(opening.cash[owing], 0) * trace.recorder.asset_reference[0] * unit).sum())
    return total
