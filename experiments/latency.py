"""How long liquidations take: from the opening of a claim to the forced fills that close it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from market.kernels.records import FORCED_ADL, FORCED_TAKE_OVER

if TYPE_CHECKING:
    from experiments.run import Trace

PERCENTILES = (50, 90, 99)


def fill_latencies(trace: Trace) -> NDArray[np.float64]:
    """Seconds from the opening of the claim to each forced fill, in the order of the events.

    Rounds count within a tick; deleveraging and take-overs by a vault come at the end of theirs.
    """
    world = trace.built.world
    round_seconds = trace.built.rules.venue.round_seconds
    events, breaches = world.events[: world.n_events], world.breaches[: world.n_breaches]
    opened = _key(breaches["account"], breaches["tick"])
    order = np.argsort(opened, kind="stable")
    found = order[np.searchsorted(opened[order], _key(events["account"], events["claim_tick"]))]
    began = events["claim_tick"] * world.tick_seconds + breaches["round"][found] * round_seconds
    last = np.isin(events["kind"], (FORCED_ADL, FORCED_TAKE_OVER))
    at = (events["tick"] + last) * world.tick_seconds + np.where(last, 0.0, events["round"] * round_seconds)
    return np.asarray(at - began, np.float64)


def claim_latencies(trace: Trace) -> NDArray[np.float64]:
    """Seconds from the opening of each claim that led to forced fills or ADL to the last of them."""
    world = trace.built.world
    events = world.events[: world.n_events]
    _, claim = np.unique(_key(events["account"], events["claim_tick"]), return_inverse=True)
    last = np.zeros(int(claim.max(initial=-1)) + 1)
    np.maximum.at(last, claim, fill_latencies(trace))
    return last


def latency_kpis(trace: Trace) -> dict[str, float | None]:
    """Percentiles (observed values, not interpolated) and maximum over claims; None without a liquidation."""
    seconds = claim_latencies(trace)
    made: dict[str, float | None] = {}
    for percentile in PERCENTILES:
        value = float(np.percentile(seconds, percentile, method="inverted_cdf")) if len(seconds) else None
        made[f"liquidation_latency_p{percentile}_seconds"] = value
    made["liquidation_latency_max_seconds"] = float(seconds.max()) if len(seconds) else None
    return made


def _key(account: NDArray[np.int32], tick: NDArray[np.int32]) -> NDArray[np.int64]:
    """One number per claim: an account has at most one that opened in a tick."""
    return np.asarray(account.astype(np.int64) << 32 | tick.astype(np.int64))
