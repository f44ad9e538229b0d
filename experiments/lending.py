"""Figures of a lending market."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from agents.borrower import BorrowerCohort
from agents.depositor import DepositorCohort
from agents.inventory import KeeperInventory
from experiments.frames import asset_usd, fill_usd
from market.kernels.records import DEFICIT, FORCED_SEIZURE

if TYPE_CHECKING:
    from experiments.run import Trace

Kpis = dict[str, float | int | str | None]


def lending_kpis(trace: Trace) -> Kpis:
    """Figures of a lending market; empty where there is none."""
    world = trace.built.world
    lending = world.lending
    if lending is None:
        return {}
    usd = asset_usd(world)
    events = world.events[: world.n_events]
    seized = events["kind"] == FORCED_SEIZURE
    made: Kpis = {
        "seizure_count": int(seized.sum()),
        "seized_account_count": len(np.unique(events["account"][seized])),
        "seized_usd": float(fill_usd(world, events[seized]).sum()),
        "repaid_by_keepers_usd": float((events["value"] * usd[events["repaid"]])[seized].sum()),
        "deficit_usd": float((-world.ledger.cash[DEFICIT] * usd).sum()),
        "interest_usd": float((lending.interest * usd).sum()),
    }
    for cohort in trace.built.cast.cohorts:
        if isinstance(cohort, DepositorCohort):
            made["withdrawn_usd"] = cohort.withdrawn_usd
            made["withdrawals_refused_usd"] = cohort.refused_usd
            made["withdrawals_queued_usd"] = cohort.queued_usd(world)
            made["withdrawals_queued_most_usd"] = cohort.most_queued_usd
            made["withdrawals_queued_account_count"] = cohort.queue_length()
        elif isinstance(cohort, KeeperInventory):
            made["keeper_inventory_sold_usd"] = cohort.sold_usd
            made["keeper_inventory_loss_usd"] = cohort.loss_usd(world)
        elif isinstance(cohort, BorrowerCohort):
            made["repaid_by_borrowers_usd"] = cohort.repaid_usd
            made["unwound_by_loopers_usd"] = cohort.unwound_usd
    sampled = trace.recorder.lending
    utilisation, rate = np.array(sampled.utilisation), np.array(sampled.borrow_rate)
    liquidity = np.array(sampled.liquidity_usd)
    for row, symbol in enumerate(world.asset_symbols):
        if lending.reserves[row] is not None:
            made[f"utilisation_before_{symbol}_pct"] = 100.0 * float(utilisation[0, row])
            made[f"utilisation_highest_{symbol}_pct"] = 100.0 * float(utilisation[:, row].max())
            made[f"borrow_rate_highest_{symbol}_pct"] = 100.0 * float(rate[:, row].max())
            made[f"liquidity_least_{symbol}_usd"] = float(liquidity[:, row].min())
    return made
