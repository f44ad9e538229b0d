"""How things stood at some moments of a finished run: its snapshots, and what its tables add to them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from experiments.contagion.store import UNIT, Saved
from experiments.run import State
from experiments.snapshots.system import across, crossings_of, summed
from experiments.systems.contagion import SavedSystem

if TYPE_CHECKING:
    from app.replay.columns import RunFolder

MOMENTS = 120
"""Moments of a run without snapshots."""
_PARTS = ("fund", "adl", "socialised", "uncovered")


def states_of(run: RunFolder) -> list[State]:
    """States in order of time. Contagion is worked out after a run, so every state gets it here."""
    states = run.snapshots or _without_snapshots(run)
    spill = _Spill(run.saved)
    cascades = run.saved.liquidations["cascade"].to_numpy(np.int64)
    at_tick = run.tick(run.saved.liquidations["seconds"])
    for state in states:
        _, sizes = np.unique(cascades[at_tick <= state["tick"]], return_counts=True)
        kpis = state["kpis"]
        if "cascade_count" in kpis:
            kpis["cascade_count"]["value"] = len(sizes)
            kpis["largest_cascade_count"]["value"] = int(sizes.max()) if len(sizes) else 0
        state["asset_edges"] = spill.until(at_tick <= state["tick"])
    return states


class _Spill:
    """Losses from asset to asset, of some of the liquidations."""

    def __init__(self, saved: Saved) -> None:
        named = saved.forced[saved.forced["forced_sale"] >= 0]
        self._symbols = saved.symbols
        number = {symbol: row for row, symbol in enumerate(saved.symbols)}
        self._target = named["target"].to_numpy(np.int64)
        self._sold = named["sold"].map(number).to_numpy(np.int64)
        self._lost = named["lost_on"].map(number).to_numpy(np.int64)
        self._usd = named[f"loss{UNIT}"].to_numpy(np.float64) / 1e6

    def until(self, liquidated: NDArray[np.bool_]) -> dict[str, list[Any]]:
        """{"source", "target", "usd"} of the liquidations that are marked."""
        rows = liquidated[self._target]
        usd = np.zeros((len(self._symbols), len(self._symbols)))
        np.add.at(usd, (self._sold[rows], self._lost[rows]), self._usd[rows])
        source, target = np.nonzero(usd > 0.5)
        return {
            "source": [self._symbols[row] for row in source.tolist()],
            "target": [self._symbols[row] for row in target.tolist()],
            "usd": np.round(usd[source, target]).tolist(),
        }


def _without_snapshots(run: RunFolder) -> list[State]:
    """Losses and counts from the tables, at even moments."""
    fills, losses = run.saved.fills, run.saved.losses
    made = []
    for tick in np.unique(np.linspace(1, run.ticks, MOMENTS).astype(np.int64)).tolist():
        closed, lost = fills[fills["tick"] < tick], losses[losses["tick"] < tick]
        on_book = closed[~closed["kind"].isin(["adl", "auction", "take_over", "absorption", "pool"])]
        figures = {
            "liquidated_account_count": (closed["account"].nunique(), "accounts", "accounts liquidated"),
            "liquidated_notional_usd": (round(float(on_book["notional_usd"].sum()), 2), "USD", "closed on the books"),
            "bad_debt_usd": (round(float(lost["bad_debt_usd"].sum()), 2), "USD", "bad debt of closed accounts"),
            "largest_cascade_count": (0, "liquidations", "largest cascade"),
            "cascade_count": (0, "cascades", "cascades"),
        }
        made.append(
            {
                "tick": tick,
                "ladder": None,
                "ratios": None,
                "at_risk": None,
                "waterfall": {f"{part}_usd": round(float(lost[f"{part}_usd"].sum()), 2) for part in _PARTS},
                "kpis": {
                    key: {"value": value, "unit": unit, "label": label} for key, (value, unit, label) in figures.items()
                },
            }
        )
    return made


def system_states(path: Path, found: dict[str, list[State]], runs: dict[str, RunFolder]) -> list[State]:
    """The figures of all venues together, at every moment that one of them has a state of: tick, kpis, venues and
    crossings, as a frame of the laboratory has them."""
    crossed = _Crossings(path, runs)
    made: list[State] = []
    for tick in sorted({state["tick"] for states in found.values() for state in states}):
        latest = {
            name: next((state for state in reversed(states) if state["tick"] <= tick), states[0])["kpis"]
            for name, states in found.items()
        }
        crossings = crossed.until(tick)
        between = sum(row["forced_usd"] + row["claims_usd"] for row in crossings if row["source"] != row["target"])
        kpis = {**summed(latest), **across(between)}
        made.append({"tick": tick, "kpis": kpis, "venues": latest, "crossings": crossings})
    return made


class _Crossings:
    """What crossed between venues by the first liquidation of whom it cost, and what stayed within them."""

    def __init__(self, path: Path, runs: dict[str, RunFolder]) -> None:
        table = SavedSystem.load(path).crossings
        first = {
            (name, account): tick
            for name, run in runs.items()
            for account, tick in zip(
                reversed(run.saved.liquidations["account"].tolist()),
                reversed(run.tick(run.saved.liquidations["seconds"]).tolist()),
                strict=True,
            )
        }
        columns = (
            table[name].tolist() for name in ("from_venue", "from_account", "to_venue", "to_account", "loss_usd")
        )
        self._rows = [
            (first[to_venue, account], source, to_venue, int(cause.startswith("claim ")), usd)
            for source, cause, to_venue, account, usd in zip(*columns, strict=True)
        ]
        # Forced sales within a venue are what is left of its own.
        within = [(at, target, target, 0, -usd) for at, _, target, claim, usd in self._rows if not claim]
        for name, run in runs.items():
            ticks = run.tick(run.saved.liquidations["seconds"]).tolist()
            forced = run.saved.usd("forced_sales").tolist()
            within += [(at, name, name, 0, usd) for at, usd in zip(ticks, forced, strict=True)]
        self._rows += within

    def until(self, tick: int) -> list[dict[str, Any]]:
        """As `experiments.snapshots.system.crossings_of`."""
        found: dict[str, dict[str, list[float]]] = {}
        for at, source, target, claim, usd in self._rows:
            if at <= tick:
                found.setdefault(target, {}).setdefault(source, [0.0, 0.0])[claim] += usd
        return crossings_of(found)
