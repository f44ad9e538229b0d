"""What is measured of one seed under one margin mode."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from experiments.build import build
from experiments.margin_modes.worlds import requirements
from experiments.recorder import Recorder
from experiments.result import Result
from market.errors import InputError
from market.instruments import USD_QUANTA
from market.kernels.records import PERPETUAL, SYSTEM_ACCOUNTS
from market.world import World

Figures = dict[str, float | None]

SAMPLES = 120
"""Moments of the run at which the capital to sit through it is worked out."""


@dataclass(frozen=True, kw_only=True)
class Measure:
    """A figure that margin modes are compared by."""

    label: str
    unit: str
    meaning: str


MEASURES = {
    "initial_margin_usd": Measure(
        label="capital to open", unit="USD", meaning="equity that initial margin asks for the positions of the start"
    ),
    "notional_per_dollar_ratio": Measure(
        label="notional per dollar", unit="×", meaning="notional of these positions over that capital"
    ),
    "capital_to_sit_through_usd": Measure(
        label="capital to sit through", unit="USD",
        meaning="least equity with which the positions of the start are opened and never fall below maintenance on the "
        "twin's prices",
    ),
    "liquidated_people_count": Measure(
        label="people liquidated", unit="people", meaning="who had at least one account liquidated"
    ),
    "liquidated_account_count": Measure(
        label="accounts liquidated", unit="accounts", meaning="each isolated position is an account of its own"
    ),
    "liquidated_notional_usd": Measure(
        label="closed by force", unit="USD", meaning="value of forced fills on the books and of ADL"
    ),
    "bad_debt_usd": Measure(label="bad debt", unit="USD", meaning="gross, before the waterfall"),
    "amplification_ratio": Measure(
        label="amplification", unit="×",
        meaning="largest swing of the marks over the twin's without liquidations; geometric mean of perpetuals",
    ),
    "margin_called_by_rules_usd": Measure(
        label="called by rules", unit="USD", meaning="margin that moving haircuts and rates called by themselves"
    ),
}  # fmt: skip


OPTIONAL = "margin_called_by_rules_usd"
"""A figure of worlds whose rules move."""


def margin_frame(result: Result) -> pd.DataFrame:
    """The table `margin` that is kept of a run: one row, a column for each figure, nan where undefined."""
    return pd.DataFrame([measure(result)]).astype(np.float64)


def measure(result: Result) -> Figures:
    """Measure a run and its twin. Raises InputError for a run without one, or in which nobody has a position."""
    opening = build(result.scenario, seed=result.seed).world
    initial, _, notional = requirements(opening)
    kpis = {key: value for key, value in result.kpis.items() if isinstance(value, int | float)}
    twin = result.twin
    if twin is None or initial == 0.0:
        raise InputError("the table margin needs twin = true, and traders with positions at the start")
    found: Figures = {
        "equity_usd": _equity(opening),
        "notional_usd": notional / USD_QUANTA,
        "initial_margin_usd": initial / USD_QUANTA,
        "notional_per_dollar_ratio": notional / initial,
        "capital_to_sit_through_usd": capital_to_sit_through(opening, twin.recorder) / USD_QUANTA,
        "liquidated_people_count": float(_people(result)),
        "liquidated_account_count": float(kpis["liquidated_account_count"]),
        "liquidated_notional_usd": float(kpis["liquidated_notional_usd"] + kpis["adl_notional_usd"]),
        "bad_debt_usd": float(kpis["bad_debt_usd"]),
        "amplification_ratio": _amplification(result),
    }
    if OPTIONAL in kpis:
        found[OPTIONAL] = float(kpis[OPTIONAL])
    return found


def _traders(world: World) -> NDArray[np.bool_]:
    """bool[n_accounts]: accounts of the population."""
    found = np.zeros(len(world.ledger.accounts), np.bool_)
    found[: len(world.ledger.roles)] = [role in ("trader", "wallet") for role in world.ledger.roles]
    return found


def _equity(world: World) -> float:
    assessed = world.ledger.assess(world.instruments, world.assets, world.margin)
    return float(assessed[_traders(world), 1].sum()) / USD_QUANTA


def _people(result: Result) -> int:
    ledger = result.main.built.world.ledger
    closed = np.unique(result.causes.account).astype(np.int64)
    closed = closed[(closed >= SYSTEM_ACCOUNTS) & _traders(result.main.built.world)[closed]]
    return len(np.unique(ledger.accounts["owner"][closed]))


def _amplification(result: Result) -> float | None:
    world = result.main.built.world
    perpetuals = np.flatnonzero(world.instruments["kind"] == PERPETUAL)
    values = [result.kpis[f"amplification_{world.instrument_symbols[book]}_ratio"] for book in perpetuals]
    known = [float(value) for value in values if isinstance(value, int | float) and value > 0.0]
    return float(np.exp(np.mean(np.log(known)))) if known and len(known) == len(values) else None


def capital_to_sit_through(opening: World, recorder: Recorder) -> float:
    """USD quanta, summed over accounts: the larger of initial margin and the equity with which margin excess stays at
    or above zero at `SAMPLES` moments of the recorded marks, positions held as they are in `opening`.

    Equity is in settlement assets at a constant value, so a dollar more of it is a dollar more of excess.
    """
    traders = _traders(opening)
    ledger = opening.ledger
    start = ledger.assess(opening.instruments, opening.assets, opening.margin)[traders]
    least = (start[:, 0] - start[:, 2]).astype(np.float64)
    instruments = opening.instruments.copy()
    for tick in np.unique(np.linspace(0, recorder.n - 1, SAMPLES).astype(np.int64)):
        instruments["mark"] = recorder.ticks["mark"][tick]
        if opening.risk is not None:
            opening.risk.refresh(instruments, opening.assets)
        there = ledger.assess(instruments, opening.assets, opening.margin)[traders]
        least = np.minimum(least, there[:, 0] - there[:, 2])
    opening.revalue()
    return float(np.maximum(start[:, 3], start[:, 1] - least).sum())
