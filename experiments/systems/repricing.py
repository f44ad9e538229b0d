"""Causes that reach an asset through what it is a claim on (market/claims.py).

What moves the underlying moves the claim: every order and every flow in the one is laid among those of the other.
What the claim itself is worth in units of its underlying is a cause of its own, "claim".
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from experiments.contagion.records import Array, Integers, Records
from market.kernels.records import NONE


def with_claims(found: Records, *, claim_on: Integers, rates: Array) -> tuple[Records, Integers]:
    """(records that know what is a claim on what, row of `found.orders` behind each of its orders).

    `claim_on` int64[n_assets], NONE for what is no claim; `rates` float64[n_ticks, n_assets] units of the underlying.
    """
    orders, impacts = [found.orders], [found.impacts]
    rows = [np.arange(len(found.orders))]
    for asset in np.flatnonzero(claim_on != NONE).tolist():
        behind = _behind(asset, claim_on)
        moved = np.flatnonzero(np.isin(found.orders["asset"], behind) & (found.orders["impact"] != 0.0))
        copies = found.orders[moved].copy()
        copies["asset"], copies["book"] = asset, NONE
        copies["slow_move"] = copies["own_move"] = 0.0
        orders.append(copies)
        rows.append(moved)
        flow = found.impacts[np.isin(found.impacts["asset"], behind)].copy()
        flow["asset"] = asset
        impacts.append(flow)
    together, row = np.concatenate(orders), np.concatenate(rows)
    by_time: NDArray[np.int64] = np.argsort(together["tick"], kind="stable")
    made = replace(
        found,
        orders=together[by_time],
        impacts=np.concatenate(impacts),
        claim_on=claim_on,
        claim_rates=rates[: found.ticks],
    )
    return made, row[by_time]


def _behind(asset: int, claim_on: Integers) -> list[int]:
    """What an asset is a claim on, what that is a claim on, and so forth."""
    found = []
    while claim_on[asset] != NONE:
        asset = int(claim_on[asset])
        found.append(asset)
    return found
