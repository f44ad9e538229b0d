"""Figures of a run that is still going on, under the names and definitions of `experiments.measures`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.frames import asset_usd, by_book, fill_usd, quote_usd
from experiments.liquidity import profit_of
from experiments.measures import main_instrument
from experiments.recorder import Recorder, open_interest
from experiments.report.glossary import GROUPS, UNITS
from experiments.run import Trace
from experiments.snapshots.numbers import rounded
from market.instruments import USD_QUANTA
from market.kernels.records import (
    FORCED_ADL,
    FORCED_SEIZURE,
    NONE,
    ON_BOOK,
    OPTION,
    SYSTEM_ACCOUNTS,
)
from market.world import World

Integers = NDArray[np.int64]

PARTS = ("fund", "adl", "socialised", "uncovered")


class Falls:
    """Largest fall of every book's mark so far, brought up to date with the ticks that are new."""

    def __init__(self, n_books: int) -> None:
        self._seen = 0
        self._peak = np.zeros(n_books)
        self._fall = np.zeros(n_books)

    def percent(self, recorder: Recorder) -> NDArray[np.float64]:
        """float64[n_instruments]: of the peak before it, 0 to 100."""
        marks = recorder.ticks["mark"][self._seen : recorder.n].astype(np.float64)
        if len(marks):
            peaks = np.maximum(np.maximum.accumulate(marks, axis=0), self._peak)
            self._fall = np.maximum(self._fall, (1.0 - marks / np.maximum(peaks, 1.0)).max(axis=0))
            self._peak, self._seen = peaks[-1], recorder.n
        return 100.0 * self._fall


def waterfall(trace: Trace, assessment: Integers) -> dict[str, float]:
    """Who has borne losses so far, USD.

    `fund_usd`, `adl_usd`, `socialised_usd`, `uncovered_usd`, and `still_open_usd` of accounts below zero that are not
    closed, sum to the gross bad debt. What comes before it: `collateral_usd`, what accounts that were liquidated lost
    of their own equity, and `vault_usd`, the loss so far of a backstop that takes accounts over.
    """
    world = trace.built.world
    losses = world.losses[: world.n_losses]
    usd = asset_usd(world)[losses["asset"]]
    made = {f"{part}_usd": round(float((losses[part] * usd).sum()), 2) for part in PARTS}
    customers = assessment[SYSTEM_ACCOUNTS:, 1]
    made["still_open_usd"] = round(-int(customers[customers < 0].sum()) / USD_QUANTA, 2)
    failed = np.unique(world.events["account"][: world.n_events])
    before, after = trace.opening.assessment[failed, 1], assessment[failed, 1]
    own = np.clip(np.maximum(before, 0) - np.maximum(after, 0), 0, None)
    vault = 0
    if world.backstop != NONE:
        vault = max(0, int(trace.opening.assessment[world.backstop, 1]) - int(assessment[world.backstop, 1]))
    return {
        "collateral_usd": round(int(own.sum()) / USD_QUANTA, 2),
        "vault_usd": round(vault / USD_QUANTA, 2),
        **made,
    }


def rows_of(world: World, role: str) -> list[int]:
    """Ledger rows of a role, which accounts keep for the whole run."""
    return [row for row, name in enumerate(world.ledger.roles) if name == role]


def figures(
    trace: Trace,
    *,
    layers: dict[str, float],
    falls: NDArray[np.float64],
    cascade_sizes: Integers,
    keepers: list[int],
    makers: list[int],
) -> dict[str, dict[str, Any]]:
    """Key -> {"value", "unit", "label"}, in the order of a page."""
    world = trace.built.world
    events = world.events[: world.n_events]
    on_book = np.isin(events["kind"], (*ON_BOOK, FORCED_SEIZURE))
    adl = events["kind"] == FORCED_ADL
    value = fill_usd(world, events)
    claims = events["account"].astype(np.int64) << 32 | events["claim_tick"]
    earned = (world.ledger.cash[keepers] - trace.opening.cash[keepers]) * asset_usd(world)
    values: dict[str, float | None] = {
        "liquidated_account_count": len(np.unique(events["account"])),
        "liquidation_count": len(np.unique(claims)),
        "liquidated_notional_usd": float(value[on_book].sum()),
        "bad_debt_usd": sum(layers[f"{part}_usd"] for part in (*PARTS, "still_open")),
        "bad_debt_fund_usd": layers["fund_usd"],
        "adl_notional_usd": float((events["value"] * by_book(quote_usd(world), events["book"]))[adl].sum()),
        "breached_account_count": len(np.unique(world.breaches["account"][: world.n_breaches])),
        "open_claim_count": world.n_claims,
        "largest_cascade_count": int(cascade_sizes[0]) if len(cascade_sizes) else 0,
        "cascade_count": len(cascade_sizes),
        "keeper_profit_usd": float(earned.sum()),
    }
    made = {key: _figure(key, value) for key, value in values.items()}
    if len(world.instruments):
        made.update(_market(trace, falls, makers))
    return made


def _market(trace: Trace, falls: NDArray[np.float64], makers: list[int]) -> dict[str, dict[str, Any]]:
    world = trace.built.world
    main = main_instrument(world)
    symbol = world.instrument_symbols[main]
    lots = np.where(world.instruments["kind"] == OPTION, 0, open_interest(world))
    per_lot = world.instruments["mark"] * world.instruments["tick_value"] * quote_usd(world)
    return {
        f"total_drawdown_{symbol}_pct": {
            "value": round(float(falls[main]), 3),
            "unit": "%",
            "label": f"{symbol}, largest fall of its mark",
        },
        "open_interest_usd": {
            "value": round(float((lots * per_lot).sum())),
            "unit": "USD",
            "label": "open interest now",
        },
        "market_maker_profit_usd": _figure("market_maker_profit_usd", profit_of(trace, makers)),
    }


_WORDS = {
    "open_claim_count": ("claims open now", "claims"),
    **{
        key: (entry.label, entry.unit or UNITS.get(key.rsplit("_", 1)[-1], ""))
        for group in GROUPS.values()
        for key, entry in group.items()
    },
}
"""Label and unit by key, those of the report's glossary."""


def _figure(key: str, value: float | None) -> dict[str, Any]:
    """A figure with its label and unit."""
    label, unit = _WORDS[key]
    return {"value": rounded(value), "unit": unit, "label": label}
