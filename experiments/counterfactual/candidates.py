"""Who might matter: people of a world before its first step, and what cheap measures say of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from experiments.contagion import Contagion
from experiments.frames import quote_usd
from experiments.network.balance_sheet import BalanceSheet, balance_sheet
from experiments.network.centrality import core_numbers, eigenvector, undirected
from experiments.network.debtrank import continuous, each_alone
from experiments.network.overlap import liquidity_overlap
from experiments.recorder import DEPTH_BPS
from experiments.run import Trace
from market.instruments import USD_QUANTA
from market.streams import Streams
from market.world import World

Array = NDArray[np.float64]

PEOPLE = ("trader", "wallet", "borrower", "looper")
MEMBERS = 400
"""People in the network that eigenvector, k-core and DebtRank look at: those with the largest exposures, and all
candidates."""
LINK = 0.01
"""A link for the k-core: selling out costs the other at least so much of its equity, either way."""
WITHOUT_BOOK_USD = 1e15
"""Depth of an asset that is not sold on any book: its sale moves nothing."""

MEASURES = {
    "notional": "size of positions and balances on moving assets",
    "leverage": "the same over equity",
    "closeness": "maintenance over margin equity: 1 is liquidation",
    "overlap": "what the others lose, to first order, when all of it is sold at once",
    "eigenvector": "being overlapped by those who are overlapped",
    "k-core": "deepest core of overlaps it belongs to",
    "DebtRank": "share of all equity lost after its ruin, through overlaps",
    "causes": "what its forced sales cost others in the run as it is, exactly",
}
"""Everything but the last is known before the first step."""


@dataclass(frozen=True, kw_only=True)
class People:
    """People of a world at its start; one row each."""

    names: tuple[str, ...]
    rows: tuple[tuple[int, ...], ...]
    """Ledger rows."""
    exposures_usd: Array
    """float64[n, n_assets], signed, on assets that move."""
    equity_usd: Array
    closeness: Array

    @property
    def size_usd(self) -> Array:
        """float64[n]: sum of |exposure|."""
        return np.asarray(np.abs(self.exposures_usd).sum(axis=1), np.float64)


def people_of(world: World) -> People:
    """The people of a world that has not taken a step."""
    sheet: BalanceSheet = balance_sheet(world)
    groups: dict[str, list[int]] = {}
    for row, (name, role) in enumerate(zip(sheet.accounts, sheet.roles, strict=True)):
        if role in PEOPLE:
            groups.setdefault(name.partition("/")[0], []).append(row)
    rows = list(groups.values())
    moving = world.assets["fixed"] == 0
    exposures, equity = sheet.exposures_usd * moving, sheet.equity_usd
    margin, _, maintenance, _ = world.ledger.assess(world.instruments, world.assets, world.margin).T / USD_QUANTA
    ratio = np.where(maintenance > 0.0, maintenance / np.maximum(margin, 1.0), 0.0)
    return People(
        names=tuple(groups),
        rows=tuple(map(tuple, rows)),
        exposures_usd=np.array([exposures[mine].sum(axis=0) for mine in rows]).reshape(len(rows), len(moving)),
        equity_usd=np.array([max(1.0, float(equity[mine].sum())) for mine in rows]),
        closeness=np.array([float(ratio[mine].max()) for mine in rows]),
    )


def choose(people: People, *, top: int, sample: int, seed: int) -> tuple[NDArray[np.int64], int]:
    """(numbers of people, how many of them are not drawn): `top` by cheap measures, then `sample` others at random.

    By turns the one with the largest exposures and the one with the largest exposures times closeness.
    """
    size = people.size_usd
    exposed = np.flatnonzero(size > 0.0)
    orders = [np.argsort(-score[exposed], kind="stable") for score in (size, size * people.closeness)]
    turns = exposed[np.column_stack(orders).ravel()]
    _, first = np.unique(turns, return_index=True)
    order = turns[np.sort(first)]
    largest, rest = order[:top], order[top:]
    generator = Streams(seed).generator("importance")
    drawn = np.sort(generator.choice(rest, size=min(sample, len(rest)), replace=False))
    return np.concatenate([largest, drawn]).astype(np.int64), len(largest)


def depth_of(found: Trace) -> Array:
    """float64[n_assets]: USD whose sale takes the whole price, to first order.

    By the bids within half a percent after the first tick, all books of the asset together, and its permanent impact.
    """
    world, recorder = found.built.world, found.recorder
    near = DEPTH_BPS.index(50.0)
    bids = recorder.depth[0, :, 0, near] * quote_usd(world)
    found_usd, lasting = np.zeros(len(world.assets)), np.zeros(len(world.assets))
    np.add.at(found_usd, world.instruments["base"], bids)
    np.maximum.at(lasting, world.instruments["base"], world.impact_per_quanta / quote_usd(world))
    passing = np.divide(0.005, found_usd, out=np.zeros(len(found_usd)), where=found_usd > 0.0)
    return np.asarray(1.0 / np.maximum(passing + lasting, 1.0 / WITHOUT_BOOK_USD), np.float64)


def measured(people: People, chosen: NDArray[np.int64], depth_usd: Array) -> dict[str, Array]:
    """The measures that are known beforehand, float64[n_chosen] each."""
    size = people.size_usd
    members = _members(size, chosen)
    held, equity = people.exposures_usd[members], people.equity_usd[members]
    at = np.searchsorted(members, chosen)
    lost = liquidity_overlap(held, depth_usd).toarray()
    np.fill_diagonal(lost, 0.0)
    lost = np.maximum(lost, 0.0)
    graph = undirected(lost)
    central = eigenvector(graph)
    close = lost >= LINK * np.minimum(equity[:, None], equity[None, :])
    cores = core_numbers(undirected(np.where(close, lost, 0.0)))
    ruin = continuous(lost, equity, each_alone(len(members))[:, at], tolerance=1e-9)
    return {
        "notional": size[chosen],
        "leverage": size[chosen] / people.equity_usd[chosen],
        "closeness": people.closeness[chosen],
        "overlap": lost.sum(axis=0)[at],
        "eigenvector": np.array([central[int(place)] for place in at]),
        "k-core": np.array([float(cores[int(place)]) for place in at]),
        "DebtRank": np.asarray(ruin.value, np.float64),
    }


def _members(size: Array, chosen: NDArray[np.int64]) -> NDArray[np.int64]:
    """Sorted numbers of those in the network."""
    return np.union1d(np.argsort(-size, kind="stable")[:MEMBERS], chosen).astype(np.int64)


def cost_to_others(people: People, chosen: NDArray[np.int64], found: Contagion) -> Array:
    """float64[n_chosen]: USD that each one's forced sales cost the liquidations of others, by exact causes."""
    owner = {row: number for number, rows in enumerate(people.rows) for row in rows}
    cost = np.zeros(len(people.names))
    for source, target, _, usd in found.edges.tolist():
        mine, other = (owner.get(int(found.account[int(end)])) for end in (source, target))
        if mine is not None and mine != other:
            cost[mine] += usd
    return cost[chosen]
