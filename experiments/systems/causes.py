"""Causes of liquidations over several venues: forced sales on one venue move the reference that all of them share, and
a venue's losses lower what claims on it are worth elsewhere.

Each venue's liquidations are explained from its own records (experiments/contagion), with the forced sales of the
other venues laid among its own by the permanent impact that they had. What those made of a loss, and what the falling
rate of a claim on another venue made, is money on an edge from venue to venue.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from experiments.contagion import Contagion, causes_of
from experiments.contagion.records import ELSEWHERE, Array, Joined, Records, in_time, liquidations_of, records
from experiments.systems.repricing import with_claims
from market.claims import Claims
from market.instruments import USD_QUANTA
from market.kernels.origins import ORDERS
from market.kernels.records import NONE, RESALES
from market.system import System

if TYPE_CHECKING:
    from experiments.run import Trace, VenueRun
    from experiments.systems.run import SystemTrace

Place = tuple[str, int]
"""A venue, and a liquidation of it."""


@dataclass(frozen=True, kw_only=True)
class SystemCauses:
    """The causes of each venue's liquidations, and what crossed between venues."""

    venues: dict[str, Contagion]
    crossings: pd.DataFrame
    """One row per account that cost another one on another venue, and asset that the latter lost on: from_venue,
    from_account, to_venue, to_account, asset, loss_usd (negative where it helped). Forced sales that made less than
    0.1 % of a loss are left out. `from_account` is "claim SYMBOL" where a claim on a venue lost value."""
    cascades: pd.DataFrame
    """One row per liquidation of any venue, by time: venue, liquidation (its row in causes.parquet), account, tick,
    parent_venue and parent ("" and -1 of roots), generation, cascade (its root, counted in this table)."""

    def cascade_sizes(self) -> NDArray[np.int64]:
        """Liquidations per cascade over all venues, largest first."""
        return cascade_sizes(self.cascades)

    def matrix(self) -> pd.DataFrame:
        """USD lost on the venue of the column through forced sales on, and claims on, the venue of the row."""
        names = list(self.venues)
        made = pd.DataFrame(0.0, index=names, columns=names)
        columns = (self.crossings[name] for name in ("from_venue", "to_venue", "loss_usd"))
        for one, other, usd in zip(*columns, strict=True):
            made.loc[one, other] += float(usd)
        return made


def system_causes(main: SystemTrace) -> SystemCauses:
    """Explain every liquidation of every venue."""
    found = {name: records(trace) for name, trace in main.venues.items()}
    sold_on = resales(main.venues, found)
    named = {name: list(trace.built.world.ledger.names) for name, trace in main.venues.items()}
    claims = main.built.system.claims
    causes: dict[str, Contagion] = {}
    origins: dict[str, list[Place]] = {}
    rows: list[tuple[Any, ...]] = []
    for name, own in found.items():
        joined = join(name, found, sold_on, system=main.built.system, rates=main.recorder.rates)
        origins[name] = list(joined.elsewhere)
        whole = causes_of(joined.records, world=main.venues[name].built.world)
        edges = whole.order_edges.copy()
        edges["order"] = np.where(edges["order"] == NONE, NONE, joined.order_of[edges["order"]])
        foreign = edges["source"] >= ELSEWHERE
        accounts = [named[name][row] for row in own.breaches["account"].tolist()]
        for edge in edges[foreign]:
            venue, liquidation = joined.elsewhere[int(edge["source"]) - ELSEWHERE]
            source = named[venue][int(found[venue].breaches["account"][liquidation])]
            symbol = claims.symbols[int(edge["asset"])]
            rows.append((venue, source, name, accounts[edge["target"]], symbol, int(edge["loss"]) / USD_QUANTA))
        rows += _repriced(name, whole, accounts, joined, claims)
        edges["order"][foreign] = edges["source"][foreign] = NONE  # within the venue they are among the rest
        causes[name] = replace(whole, order_edges=edges, orders=joined.orders)
    columns = ["from_venue", "from_account", "to_venue", "to_account", "asset", "loss_usd"]
    summed: dict[tuple[str, ...], float] = {}
    for *pair, usd in rows:
        summed[tuple(pair)] = summed.get(tuple(pair), 0.0) + usd
    table = pd.DataFrame([(*pair, usd) for pair, usd in sorted(summed.items())], columns=columns)
    return SystemCauses(venues=causes, crossings=table, cascades=_cascades(causes, origins, named))


def cascade_sizes(cascades: pd.DataFrame) -> NDArray[np.int64]:
    """Liquidations per cascade of `SystemCauses.cascades`, largest first."""
    sizes = np.unique(cascades["cascade"].to_numpy(np.int64), return_counts=True)[1]
    return np.sort(sizes.astype(np.int64))[::-1]


def _cascades(
    causes: dict[str, Contagion], origins: dict[str, list[Place]], named: dict[str, list[str]]
) -> pd.DataFrame:
    """The trees of all venues as one: whoever broke because of another venue's sales hangs on that venue's tree."""
    places = [(int(tick), at, row) for at, own in enumerate(causes.values()) for row, tick in enumerate(own.tick)]
    venues = list(causes)
    number: dict[Place, int] = {}
    rows: list[tuple[Any, ...]] = []
    for tick, at, row in sorted(places):
        venue = venues[at]
        own = causes[venue]
        parent: Place = ("", -1)
        if own.abroad[row] >= 0:
            parent = origins[venue][int(own.abroad[row]) - ELSEWHERE]
        elif own.parent[row] >= 0:
            parent = (venue, int(own.parent[row]))
        above = number.get(parent)
        generation, cascade = (rows[above][6] + 1, rows[above][7]) if above is not None else (0, len(rows))
        number[venue, row] = len(rows)
        account = named[venue][int(own.account[row])]
        rows.append((venue, row, account, tick, *parent, generation, cascade))
    columns = ["venue", "liquidation", "account", "tick", "parent_venue", "parent", "generation", "cascade"]
    return pd.DataFrame(rows, columns=columns)


def _away_from_books(orders: NDArray[np.void]) -> NDArray[np.void]:
    """Orders as a venue sees them that has not the book they were on: by what they did to the reference."""
    moved = orders.copy()
    moved["book"] = NONE
    moved["slow_move"] = moved["own_move"] = 0.0
    return moved


def _repriced(
    name: str, whole: Contagion, accounts: list[str], joined: Joined, claims: Claims
) -> list[tuple[Any, ...]]:
    """Crossings that claims on other venues made by what stands behind them."""
    made = []
    for asset, venue in joined.claims.items():
        symbol = claims.symbols[asset]
        for row in np.flatnonzero(whole.repriced[:, asset]).tolist():
            usd = int(whole.repriced[row, asset]) / USD_QUANTA
            made.append((venue, f"claim {symbol}", name, accounts[row], symbol, usd))
    return made


def resales(
    venues: Mapping[str, Trace | VenueRun], found: dict[str, Records]
) -> list[tuple[str, str, NDArray[np.void]]]:
    """(venue of the seizures, venue of the book, ORDERS) of what keepers have sold on books of other venues.

    What they did to a book in a tick is split by lots. `event` and `liquidation` are those of the seizures, `book` and
    the moves those of the venue of the book.
    """
    made = []
    for venue, trace in venues.items():
        world, moved = trace.built.world, found[venue].moved
        homes: dict[str, list[tuple[int, int, int, int]]] = {}
        whole: dict[tuple[int, int], int] = {}
        for tick, book, home, event, lots in world.pressure.resales:
            homes.setdefault(home, []).append((tick, book, event, lots))
            whole[tick, book] = whole.get((tick, book), 0) + lots
        for home, rows in homes.items():
            _, owner = liquidations_of(venues[home].built.world)
            orders = np.zeros(len(rows), ORDERS)
            for order, (tick, book, event, lots) in zip(orders, rows, strict=True):
                share = lots / whole[tick, book]
                slow, own, flow = (float(part) * share for part in moved[tick, book, :, RESALES])
                order["tick"], order["book"], order["event"] = tick, book, event
                order["liquidation"], order["asset"] = owner[event], world.instruments["base"][book]
                order["slow_move"], order["own_move"] = slow, own
                mark = float(trace.recorder.ticks["mark"][tick, book])
                unit = mark * float(world.instruments["tick_value"][book]) * float(world.impact_per_quanta[book])
                order["impact"] = flow * unit
            made.append((home, venue, orders))
    return made


def join(
    name: str,
    found: dict[str, Records],
    sold_on: list[tuple[str, str, NDArray[np.void]]],
    *,
    system: System,
    rates: Array,
) -> Joined:
    """What the liquidations of a venue are explained from; `rates` float64[n_ticks, n_assets] of claims."""
    others, origin = _with_others(name, found, sold_on)
    known, order_of = with_claims(others, claim_on=system.outside.underlying, rates=rates)
    claims = {asset: rule.venue for asset, rule in system.claims.rules.items() if rule.venue not in ("", name)}
    return Joined(
        records=known, orders=others.orders, order_of=order_of, elsewhere=tuple(origin), claims=claims
    )  # fmt: skip


def _with_others(
    name: str, found: dict[str, Records], sold_on: list[tuple[str, str, NDArray[np.void]]]
) -> tuple[Records, list[Place]]:
    """A venue's records with the orders and flow of the others among its own; the liquidations counted `ELSEWHERE`."""
    own = found[name]
    orders: list[NDArray[np.void]] = [own.orders]
    orders += [_away_from_books(rows) for home, venue, rows in sold_on if home == name != venue]
    impacts: list[NDArray[np.void]] = [own.impacts]
    origin: list[Place] = []
    for number, (venue, other) in enumerate(found.items()):
        if venue == name:
            continue
        here = [rows.copy() for home, place, rows in sold_on if home == venue and place == name]
        parts = [other.orders, *(rows for home, place, rows in sold_on if home == venue and place != name)]
        there = [_away_from_books(rows[rows["impact"] != 0.0]) for rows in parts]
        for moved in (*here, *there):
            moved["event"] = NONE
            moved["liquidation"] += ELSEWHERE + len(origin)
            orders.append(moved)
        origin += [(venue, row) for row in range(other.n)]
        flow = other.impacts.copy()
        flow["venue"] = number
        impacts.append(flow)
    return replace(own, orders=in_time(np.concatenate(orders)), impacts=np.concatenate(impacts)), origin
