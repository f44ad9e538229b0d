"""What else a world can be without: venues, agents of several venues, shocks to assets, and keepers."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.counterfactual.candidates import MEMBERS, People, depth_of, losses_by_overlap
from experiments.counterfactual.histories import Start
from experiments.counterfactual.measure import Measured, liquidated, own_usd
from experiments.counterfactual.setting import AnyScenario
from experiments.network.balance_sheet import balance_sheet
from experiments.network.debtrank import continuous
from experiments.run import Trace
from experiments.scenario import Scenario
from experiments.statistics import intervals
from experiments.statistics.intervals import Interval
from experiments.systems.scenario import SystemScenario

Array = NDArray[np.float64]

KEEPERS = 3
"""Keepers of a venue that are left out one by one: the fastest."""
VENUE, AGENT, ASSET, KEEPER = "venue", "agent", "shock to", "keeper"


@dataclass(frozen=True, kw_only=True)
class Part:
    """Something that can be left out, and what its absence changes in one history."""

    kind: str
    name: str
    field: str
    """Of `without`."""
    own_usd: float = 0.0
    """What was closed by force on it, of a venue; of others nothing is their own."""
    own_accounts: int = 0
    """Accounts that were."""
    measures: dict[str, float] = dataclasses.field(default_factory=dict)
    """Of a venue: what the system's balance sheets say at the start (`VENUE_MEASURES`)."""
    seed: int = 0
    saved_usd: float | None = None
    """What else is not closed by force without it; None where the world cannot be without it."""
    saved_accounts: float | None = None
    saved_bad_debt_usd: float | None = None
    refused: str = ""
    """Why it cannot."""

    def saving(self, whole: Measured, other: Mapping[str, float | str], *, seed: int) -> Part:
        """The same with what its absence saves of `whole`."""
        if "refused" in other:
            return replace(self, seed=seed, refused=str(other["refused"]))
        saved = {name: whole[name] - float(other[name]) for name in whole}
        return replace(
            self,
            seed=seed,
            saved_usd=saved["liquidated_notional_usd"] - self.own_usd,
            saved_accounts=saved["liquidated_account_count"] - self.own_accounts,
            saved_bad_debt_usd=saved["bad_debt_usd"],
        )


VENUE_MEASURES = {
    "exposures": "sizes of positions and balances of people on it",
    "deposits": "equity that people have on it",
    "claims": "what people hold elsewhere that is a claim on it",
    "DebtRank": "share of all equity lost in its ruin: deposits and claims, and then through overlaps",
}
"""Of a venue, at the start."""


def parts_of(scenario: AnyScenario, begun: Start, venues: Mapping[str, Trace], people: People) -> list[Part]:
    """Everything that can be left out of a scenario beside people; keepers of venues on which something was closed."""
    made: list[Part] = []
    closed = {name: own_usd(found.built.world) for name, found in venues.items()}
    if not isinstance(scenario, Scenario):
        if len(venues) > 1:
            measures = _venue_measures(scenario, begun, people, depth_of(begun.worlds, venues))
            made += [
                Part(kind=VENUE, name=name, field="venues", own_usd=float(usd.sum()),
                     own_accounts=liquidated(venues[name]), measures=measures[name])
                for name, usd in closed.items()
            ]  # fmt: skip
        alone = [name for name in scenario.people() if name in scenario.agents]
        made += [Part(kind=AGENT, name=name, field="accounts") for name in alone]
    made += [Part(kind=ASSET, name=symbol, field="assets") for symbol in begun.shocked]
    for venue, usd in closed.items():
        if usd.any():
            keepers = [name for name in begun.worlds[venue].ledger.names if name.startswith("keeper-")]
            prefix = f"{venue}:" if venue else ""
            made += [Part(kind=KEEPER, name=f"{prefix}{name}", field="accounts") for name in keepers[:KEEPERS]]
    return made


def without(scenario: AnyScenario, field: str, name: str) -> AnyScenario:
    """The scenario without somebody or something beside what it is without already."""
    left_out: Any = scenario.without
    return replace(scenario, without=replace(left_out, **{field: (*getattr(left_out, field), name)}))


def _venue_measures(
    scenario: SystemScenario, begun: Start, people: People, depth_usd: Array
) -> dict[str, dict[str, float]]:
    """`VENUE_MEASURES` of every venue. In the network of its ruin are the people with the largest exposures."""
    venues, owners = list(begun.worlds), people.owners()
    size, deposits, claims = np.zeros((3, len(people.names), len(venues)))
    for column, (venue, world) in enumerate(begun.worlds.items()):
        sheet = balance_sheet(world, venue=venue)
        rows = [row for row in range(sheet.n) if (venue, row) in owners]
        who = [owners[venue, row] for row in rows]
        np.add.at(size[:, column], who, np.abs(sheet.exposures_usd[rows] * begun.moving).sum(axis=1))
        np.add.at(deposits[:, column], who, np.maximum(sheet.equity_usd[rows], 0.0))
        for symbol, claim in scenario.claims.items():
            if claim.venue not in ("", venue):
                held = np.maximum(sheet.balances_usd[rows, sheet.assets.index(symbol)], 0.0)
                np.add.at(claims[:, venues.index(claim.venue)], who, held)
    members = np.sort(np.argsort(-people.size_usd, kind="stable")[:MEMBERS])
    n = len(members)
    lost = np.zeros((n + len(venues),) * 2)
    lost[:n, :n] = losses_by_overlap(people.exposures_usd[members], depth_usd)
    lost[:n, n:] = (deposits + claims)[members]
    equity = np.concatenate([people.equity_usd[members], np.ones(len(venues))])
    ruin = continuous(lost, equity, np.eye(n + len(venues))[:, n:], tolerance=1e-9)
    rows_of = zip(size.sum(axis=0), deposits.sum(axis=0), claims.sum(axis=0), ruin.value, strict=True)
    return {
        venue: dict(zip(VENUE_MEASURES, map(float, row), strict=True))
        for venue, row in zip(venues, rows_of, strict=True)
    }


@dataclass(frozen=True, kw_only=True)
class PartMean:
    """What the absence of a part saves, over seeds."""

    kind: str
    name: str
    own_usd: float
    saved_usd: Interval
    saved_accounts: Interval
    saved_bad_debt_usd: Interval
    measures: dict[str, float]
    refused: str


def means(parts: Sequence[Part]) -> list[PartMean]:
    """One row per part, in the order of their kinds, those that save most first."""
    names = list(dict.fromkeys((part.kind, part.name) for part in parts))
    made = []
    for kind, name in names:
        mine = [part for part in parts if (part.kind, part.name) == (kind, name)]
        savings = {
            figure: intervals.mean(np.array([value for part in mine if (value := getattr(part, figure)) is not None]))
            for figure in ("saved_usd", "saved_accounts", "saved_bad_debt_usd")
        }
        measures = {key: float(np.mean([part.measures[key] for part in mine])) for key in mine[0].measures}
        made.append(
            PartMean(kind=kind, name=name, own_usd=float(np.mean([part.own_usd for part in mine])), measures=measures,
                     refused=next((part.refused for part in mine if part.refused), ""), **savings)
        )  # fmt: skip
    kinds = [VENUE, AGENT, ASSET, KEEPER]
    return sorted(made, key=lambda one: (kinds.index(one.kind), -(one.saved_usd.value or 0.0)))
