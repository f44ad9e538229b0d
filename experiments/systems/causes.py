"""Causes of liquidations over several venues: forced orders on one venue move the reference that all of them share.

Each venue's liquidations are explained from its own records (experiments/contagion), with the forced orders of the
other venues laid among its own by the permanent impact that they had. What those made of a loss is money on an edge
from venue to venue.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from experiments.contagion import Contagion, causes_of
from experiments.contagion.records import Records, records
from market.instruments import USD_QUANTA
from market.kernels.records import NONE

if TYPE_CHECKING:
    from experiments.systems.run import SystemTrace

ELSEWHERE = 1 << 30
"""Liquidations of other venues are counted from here, beyond any of the venue itself."""


@dataclass(frozen=True, kw_only=True)
class SystemCauses:
    """The causes of each venue's liquidations, and what crossed between venues."""

    venues: dict[str, Contagion]
    crossings: pd.DataFrame
    """One row per pair of liquidations on different venues and asset: from_venue, from_account, to_venue, to_account,
    asset, loss_usd (negative where it helped). Forced orders that made less than 0.1 % of a loss are left out."""

    def matrix(self) -> pd.DataFrame:
        """USD lost on the venue of the column through forced orders on the venue of the row."""
        names = list(self.venues)
        made = pd.DataFrame(0.0, index=names, columns=names)
        columns = (self.crossings[name] for name in ("from_venue", "to_venue", "loss_usd"))
        for one, other, usd in zip(*columns, strict=True):
            made.loc[one, other] += float(usd)
        return made


def system_causes(main: SystemTrace) -> SystemCauses:
    """Explain every liquidation of every venue."""
    found = {name: records(trace) for name, trace in main.venues.items()}
    named = {name: list(trace.built.world.ledger.names) for name, trace in main.venues.items()}
    causes: dict[str, Contagion] = {}
    rows: list[tuple[Any, ...]] = []
    for name, own in found.items():
        joined, origin = _with_others(name, found)
        whole = causes_of(joined, world=main.venues[name].built.world)
        edges = whole.order_edges
        foreign = edges["source"] >= ELSEWHERE
        for edge in edges[foreign]:
            venue, liquidation = origin[int(edge["source"]) - ELSEWHERE]
            rows.append(
                (
                    venue,
                    named[venue][int(found[venue].breaches["account"][liquidation])],
                    name,
                    named[name][int(own.breaches["account"][edge["target"]])],
                    main.built.system.claims.symbols[int(edge["asset"])],
                    int(edge["loss"]) / USD_QUANTA,
                )
            )
        kept = edges.copy()
        kept["order"][foreign] = kept["source"][foreign] = NONE  # within the venue they are among the rest
        causes[name] = replace(whole, order_edges=kept)
    columns = ["from_venue", "from_account", "to_venue", "to_account", "asset", "loss_usd"]
    summed: dict[tuple[str, ...], float] = {}
    for *pair, usd in rows:
        summed[tuple(pair)] = summed.get(tuple(pair), 0.0) + usd
    table = pd.DataFrame([(*pair, usd) for pair, usd in sorted(summed.items())], columns=columns)
    return SystemCauses(venues=causes, crossings=table)


def _with_others(name: str, found: dict[str, Records]) -> tuple[Records, list[tuple[str, int]]]:
    """A venue's records with the orders and flow of the others among its own; the liquidations counted `ELSEWHERE`."""
    own = found[name]
    orders: list[NDArray[np.void]] = [own.orders]
    impacts: list[NDArray[np.void]] = [own.impacts]
    origin: list[tuple[str, int]] = []
    for number, (venue, other) in enumerate(found.items()):
        if venue == name:
            continue
        moved = other.orders[other.orders["impact"] != 0.0].copy()
        moved["book"], moved["event"] = NONE, NONE
        moved["slow_move"] = moved["own_move"] = 0
        moved["liquidation"] += ELSEWHERE + len(origin)
        origin += [(venue, row) for row in range(other.n)]
        orders.append(moved)
        flow = other.impacts.copy()
        flow["venue"] = number
        impacts.append(flow)
    together = np.concatenate(orders)
    order = np.argsort(together["tick"], kind="stable")
    return replace(own, orders=together[order], impacts=np.concatenate(impacts)), origin
