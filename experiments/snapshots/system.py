"""The feed of a run over one venue or several: the venue that is looked at in full, of the others their figures."""

from __future__ import annotations

from typing import Any

from experiments.frames import asset_usd
from experiments.run import Session
from experiments.snapshots.feed import CAUSES_EVERY, Feed
from experiments.systems.session import SystemSession

Figures = dict[str, dict[str, Any]]

SUMMED = (
    "liquidated_account_count", "liquidation_count", "liquidated_notional_usd", "bad_debt_usd",
    "bad_debt_fund_usd", "adl_notional_usd", "open_claim_count", "keeper_profit_usd",
)  # fmt: skip
"""Figures of venues that add up to that of the system."""


class SystemFeed:
    """Reads a session of one venue or several; at most one may be read for one page."""

    def __init__(self, session: Session | SystemSession) -> None:
        self._session = session
        # Causes of one venue at a look: they cost more than all the rest of it.
        self._feeds = {
            name: Feed(run, turn=turn % CAUSES_EVERY) for turn, (name, run) in enumerate(session.venues.items())
        }

    def side(self, venue: str) -> dict[str, Any]:
        """What `Feed.side` gives of the venue; in a system also `system`, what `whole` gives."""
        made = self._feeds[venue].side()
        if not isinstance(self._session, SystemSession):
            return made
        figures = {name: made["kpis"] if name == venue else feed.brief()["kpis"] for name, feed in self._feeds.items()}
        return {**made, "system": self._whole(self._session, figures)}

    def _whole(self, session: SystemSession, figures: dict[str, Figures]) -> dict[str, Any]:
        """`kpis` of the system, `venues` those of each, `crossings` [{source, target, forced_usd, claims_usd}]."""
        crossings = crossings_of({name: feed.crossings for name, feed in self._feeds.items()})
        between = sum(row["forced_usd"] + row["claims_usd"] for row in crossings if row["source"] != row["target"])
        bridges = session.built.system.bridges
        usd = asset_usd(next(iter(session.venues.values())).built.world)
        made = {
            **summed(figures),
            **across(between),
            "bridged_usd": _usd(float((bridges.sent * usd).sum()), "sent over bridges"),
            "bridge_in_transit_usd": _usd(float((bridges.in_transit * usd).sum()), "on bridges now"),
        }
        return {"kpis": made, "venues": figures, "crossings": crossings}


def across(usd: float) -> Figures:
    """What forced sales on other venues, and claims on them, cost."""
    return {"loss_across_venues_usd": _usd(usd, "lost through other venues")}


def _usd(value: float, label: str) -> dict[str, Any]:
    return {"value": round(value, 2), "unit": "USD", "label": label}


def summed(figures: dict[str, Figures]) -> Figures:
    """The sums over venues, each with its `parts` by venue."""
    first = next(iter(figures.values()))
    made: Figures = {}
    for key in SUMMED:
        parts = {name: own[key]["value"] for name, own in figures.items() if key in own}
        if parts:
            total = sum(value for value in parts.values() if value is not None)
            made[key] = {**first[key], "value": round(total, 2), "parts": parts}
    return made


def crossings_of(found: dict[str, dict[str, list[float]]]) -> list[dict[str, Any]]:
    """Losses so far from venue to venue, where there are any, those within a venue too."""
    return [
        {"source": source or target, "target": target, "forced_usd": round(forced, 2), "claims_usd": round(claims, 2)}
        for target, sources in found.items()
        for source, (forced, claims) in sources.items()
        if abs(forced) + abs(claims) > 0.005
    ]
