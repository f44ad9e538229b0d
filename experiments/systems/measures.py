"""KPIs of a run over several venues. Every key ends in its unit, but for pure numbers; None means undefined."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from agents.hedged_trader import HedgedCohort
from experiments.frames import asset_usd
from experiments.measures import Kpis, amplification, largest_fall

if TYPE_CHECKING:
    from experiments.result import Result
    from experiments.systems.causes import SystemCauses
    from experiments.systems.run import SystemTrace

_SUMS = (
    "liquidation_count",
    "liquidated_account_count",
    "liquidated_notional_usd",
    "bad_debt_usd",
    "bad_debt_fund_usd",
    "bad_debt_adl_usd",
    "bad_debt_socialised_usd",
    "bad_debt_uncovered_usd",
    "bad_debt_still_open_usd",
)
"""Figures of venues that add up to that of the system."""


def system_kpis(main: SystemTrace, twin: SystemTrace | None, venues: dict[str, Result], causes: SystemCauses) -> Kpis:
    """All figures of the system; those of its venues are theirs."""
    system = main.built.system
    made: Kpis = {"conservation_error": system.conservation_error()}
    for key in _SUMS:
        made[key] = _total([result.kpis[key] for result in venues.values()])
    made["venues_with_liquidations_count"] = sum(bool(result.kpis["liquidation_count"]) for result in venues.values())
    made["loss_across_venues_usd"] = float(causes.crossings["loss_usd"].sum())
    made.update(_prices(main, twin))
    made.update(_bridges(main))
    for name, cohort in main.built.cohorts.items():
        if isinstance(cohort, HedgedCohort):
            made[f"{name}_naked_owner_count"] = int(cohort.naked_ever.sum())
            made[f"{name}_owner_count"] = len(cohort.naked_ever)
    return made


def _total(values: list[float | int | str | None]) -> float | int:
    numbers = [value for value in values if isinstance(value, int | float)]
    return sum(numbers)


def _prices(main: SystemTrace, twin: SystemTrace | None) -> Kpis:
    """Falls of the reference, which all venues share, beside those of the twin; rates of claims."""
    made: Kpis = {}
    system, recorder = main.built.system, main.recorder
    for column, symbol in enumerate(system.claims.symbols):
        path = recorder.reference[: recorder.n, column]
        if np.ptp(path) == 0.0:
            continue
        fall = largest_fall(path)
        made[f"reference_drawdown_{symbol}_pct"] = -100.0 * np.expm1(fall.log_move)
        if twin is not None:
            other = twin.recorder.reference[: twin.recorder.n, column]
            window = largest_fall(other[fall.start : fall.end + 1])
            made[f"twin_drawdown_{symbol}_pct"] = -100.0 * np.expm1(window.log_move)
            made[f"reference_amplification_{symbol}_ratio"] = amplification(path, other)
    for column in system.claims.rules:
        rates = recorder.rates[: recorder.n, column]
        symbol = system.claims.symbols[column]
        made[f"claim_rate_least_{symbol}"] = float(rates.min())
        made[f"claim_rate_end_{symbol}"] = float(rates[-1])
    return made


def _bridges(main: SystemTrace) -> Kpis:
    """What crossed between venues, at the reference prices of the end."""
    system = main.built.system
    usd = asset_usd(next(iter(system.members.values())).world)
    bridges = system.bridges
    return {
        "bridged_usd": float((bridges.sent * usd).sum()),
        "bridge_in_transit_usd": float((bridges.in_transit * usd).sum()),
        "bridge_lost_usd": float((bridges.lost * usd).sum()),
    }
