"""Who might matter: people of a world before its first step, and what cheap measures say of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from experiments.counterfactual.histories import Causes
from experiments.frames import asset_usd, quote_usd
from experiments.network.balance_sheet import balance_sheet
from experiments.network.centrality import core_numbers, eigenvector, undirected
from experiments.network.debtrank import continuous, each_alone
from experiments.network.overlap import liquidity_overlap
from experiments.recorder import DEPTH_BPS
from experiments.run import Trace
from market.instruments import USD_QUANTA
from market.kernels.records import PPM
from market.streams import Streams
from market.world import World

Array = NDArray[np.float64]

Guests = Mapping[str, tuple[tuple[str, str], ...]]
"""Who acts on several venues -> (venue, account) of each of their accounts."""

PEOPLE = ("trader", "wallet", "borrower", "looper", "hedger")
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
    """People of a world, or of all venues of a system, at the start; one row each."""

    names: tuple[str, ...]
    """As `without.accounts` knows them."""
    rows: tuple[tuple[tuple[str, int], ...], ...]
    """(venue, ledger row) of all their accounts; the venue of a scenario of one is ""."""
    exposures_usd: Array
    """float64[n, n_assets], signed, on assets that move."""
    size_usd: Array
    """float64[n]: sum of |exposure|, venue by venue: legs that are hedged with each other are liquidated apart."""
    equity_usd: Array
    closeness: Array

    def owners(self) -> dict[tuple[str, int], int]:
        """(venue, ledger row) -> number of the person."""
        return {place: number for number, places in enumerate(self.rows) for place in places}


def people_of(worlds: Mapping[str, World], *, guests: Guests, moving: NDArray[np.bool_]) -> People:
    """The people of worlds that have not taken a step; `moving` bool[n_assets]: exposures that count.

    `guests` are those who act on several venues, with their (venue, account)s.
    """
    sheets = {venue: balance_sheet(world, venue=venue) for venue, world in worlds.items()}
    person = {account: name for name, accounts in guests.items() for account in accounts}
    groups: dict[str, list[tuple[str, int]]] = {}
    ratios = {venue: _closeness(world) for venue, world in worlds.items()}
    for venue, sheet in sheets.items():
        for row, (name, role) in enumerate(zip(sheet.accounts, sheet.roles, strict=True)):
            if role in PEOPLE:
                own = name.partition("/")[0]
                called = person.get((venue, name)) or (f"{venue}:{own}" if venue else own)
                groups.setdefault(called, []).append((venue, row))
    exposures = {venue: sheet.exposures_usd * moving for venue, sheet in sheets.items()}
    equity = {venue: sheet.equity_usd for venue, sheet in sheets.items()}
    rows = list(groups.values())
    held, size = np.zeros((len(rows), len(moving))), np.zeros(len(rows))
    for number, mine in enumerate(rows):
        for venue in dict.fromkeys(venue for venue, _ in mine):
            there = exposures[venue][[row for place, row in mine if place == venue]].sum(axis=0)
            held[number] += there
            size[number] += np.abs(there).sum()
    return People(
        names=tuple(groups),
        rows=tuple(map(tuple, rows)),
        exposures_usd=held,
        size_usd=size,
        equity_usd=np.array([max(1.0, sum(float(equity[venue][row]) for venue, row in mine)) for mine in rows]),
        closeness=np.array([max(float(ratios[venue][row]) for venue, row in mine) for mine in rows]),
    )


def _closeness(world: World) -> Array:
    """float64[n_accounts]: maintenance over margin equity."""
    margin, _, maintenance, _ = world.ledger.assess(world.instruments, world.assets, world.margin).T / USD_QUANTA
    return np.asarray(np.where(maintenance > 0.0, maintenance / np.maximum(margin, 1.0), 0.0), np.float64)


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


def depth_of(worlds: Mapping[str, World], venues: Mapping[str, Trace]) -> Array:
    """float64[n_assets]: USD whose sale takes the whole price, to first order.

    By the bids within half a percent after the first tick, the pools of the start, all venues together, and permanent
    impact. `worlds` have not taken a step.
    """
    near, first = DEPTH_BPS.index(50.0), next(iter(venues.values()))
    per_move, lasting = np.zeros((2, len(first.built.world.assets)))
    for venue, found in venues.items():
        world = found.built.world
        bids = found.recorder.depth[0, :, 0, near] * quote_usd(world)
        np.add.at(per_move, world.instruments["base"], bids / 0.005)
        np.maximum.at(lasting, world.instruments["base"], world.impact_per_quanta / quote_usd(world))
        _add_pools(worlds[venue], per_move)
    passing = np.divide(1.0, per_move, out=np.zeros(len(per_move)), where=per_move > 0.0)
    return np.asarray(1.0 / np.maximum(passing + lasting, 1.0 / WITHOUT_BOOK_USD), np.float64)


def _add_pools(world: World, per_move: Array) -> None:
    """Add what a sale of a thousandth of each pool's base asset says: USD per log move of its price, to first order."""
    if world.pools is None:
        return
    usd = asset_usd(world)
    for pool, record in enumerate(world.pools.pools):
        base, kept = int(record["base"]), 1.0 - float(record["fee"]) / PPM
        amount = world.pools.reserves(pool)[0] // 1000
        paid, got = world.pools.quote(pool=pool, asset_in=base, amount=amount)
        # On average it gets the price of halfway.
        move = 2.0 * (1.0 - got / (paid * world.pools.price(pool) * kept)) if paid > 0 else 0.0
        if move > 0.0:
            per_move[base] += paid * usd[base] / move


def measured(people: People, chosen: NDArray[np.int64], depth_usd: Array) -> dict[str, Array]:
    """The measures that are known beforehand, float64[n_chosen] each."""
    size = people.size_usd
    members = _members(size, chosen)
    held, equity = people.exposures_usd[members], people.equity_usd[members]
    at = np.searchsorted(members, chosen)
    lost = losses_by_overlap(held, depth_usd)
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


def losses_by_overlap(held_usd: Array, depth_usd: Array) -> Array:
    """float64[n, n]: USD that the row loses when the column sells all it holds; gains count as nothing."""
    lost = liquidity_overlap(held_usd, depth_usd).toarray()
    np.fill_diagonal(lost, 0.0)
    return np.asarray(np.maximum(lost, 0.0), np.float64)


def _members(size: Array, chosen: NDArray[np.int64]) -> NDArray[np.int64]:
    """Sorted numbers of those in the network."""
    return np.union1d(np.argsort(-size, kind="stable")[:MEMBERS], chosen).astype(np.int64)


def cost_to_others(people: People, chosen: NDArray[np.int64], found: Causes) -> Array:
    """float64[n_chosen]: USD that each one's forced sales cost the liquidations of others, by exact causes."""
    owner, cost = people.owners(), np.zeros(len(people.names))
    for venue, own in found.venues.items():
        for source, target, _, usd in own.edges.tolist():
            mine, other = (owner.get((venue, int(own.account[int(end)]))) for end in (source, target))
            if mine is not None and mine != other:
                cost[mine] += usd
    for one, other_one, usd in found.crossings:
        mine, other = owner.get(one), owner.get(other_one)
        if mine is not None and mine != other:
            cost[mine] += usd
    return cost[chosen]
