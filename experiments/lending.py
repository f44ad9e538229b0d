"""Figures of a lending market."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from agents.borrower import BorrowerCohort
from agents.depositor import DepositorCohort
from agents.inventory import KeeperInventory
from experiments.frames import asset_usd, fill_usd
from market.kernels.records import DEFICIT, FORCED_SEIZURE, NONE
from market.world import World

if TYPE_CHECKING:
    import pandas as pd

    from experiments.run import Trace

Kpis = dict[str, float | int | str | None]


def priced_assets(world: World) -> NDArray[np.int64]:
    """int64[n]: assets with a price of their own and no book, in a venue that lends or that trades on no book."""
    if world.lending is None and (len(world.instruments) or world.pools is not None):
        return np.zeros(0, np.int64)
    return np.flatnonzero((world.assets["fixed"] == 0) & (world.assets["spot_book"] == NONE))


def lending_frame(trace: Trace) -> pd.DataFrame:
    """One row per sample and asset that is lent: seconds, asset, utilisation and borrow rate a year as shares, and USD
    that can still be borrowed or withdrawn."""
    import pandas as pd

    world, recorder = trace.built.world, trace.recorder
    if world.lending is None:
        raise ValueError("nothing is lent in this world")
    rows = [row for row, reserve in enumerate(world.lending.reserves) if reserve is not None]
    symbols, n = [world.asset_symbols[row] for row in rows], recorder.n_samples
    kept = recorder.lending
    seconds = (recorder.sampled_at[:n] + 1) * world.tick_seconds
    columns = {"utilisation": kept.utilisation, "borrow_rate": kept.borrow_rate, "liquidity_usd": kept.liquidity_usd}
    return pd.DataFrame(
        {
            "seconds": np.repeat(seconds, len(rows)),
            "asset": pd.Categorical(symbols * n, categories=symbols),
            **{name: np.array(column).reshape(n, -1)[:, rows].ravel() for name, column in columns.items()},
        }
    )


def venue_prices_frame(trace: Trace) -> pd.DataFrame:
    """One row per tick and asset without a book: seconds, asset, the venue's price and the outside world's, USD."""
    import pandas as pd

    world, recorder = trace.built.world, trace.recorder
    rows = priced_assets(world)
    symbols, n = [world.asset_symbols[row] for row in rows.tolist()], recorder.n
    tick = world.assets["price_tick"][rows]
    return pd.DataFrame(
        {
            "seconds": np.repeat(np.arange(1, n + 1) * world.tick_seconds, len(rows)),
            "asset": pd.Categorical(symbols * n, categories=symbols),
            "price_usd": (recorder.asset_price[:n, rows] * tick).ravel(),
            "reference_usd": (recorder.asset_reference[:n, rows] * tick).ravel(),
        }
    )


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
