"""Liquidatable notional by price, beside the depth that would have to absorb it; nothing is simulated.

Prices are moved away from where they stand, one asset alone or all together, and margin rules say who breaks on the
way: an account counts from the first price at which its margin excess is below zero, with what would be closed there
(its positions, and collateral as far as the loss must be covered). Depth is what rests on the asset's books between
here and the moved price, as the books stand now. So the map shows where one step of a cascade needs more depth than
there is; what happens then is for a run to say.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from experiments import folder
from experiments.build import build
from experiments.frames import quote_usd
from experiments.run import without_liquidations
from experiments.scenario import Scenario
from market.instruments import USD_QUANTA
from market.kernels.book import sweep
from market.kernels.records import BUY, LIQUIDATABLE, OPTION, SELL
from market.kernels.stress import newly_broken
from market.simulation import run
from market.world import World

ALL = "all together"
SETTLING_TICKS = 2
"""The crowd rests its orders when it joins, market makers in their first tick."""
MOVES = np.concatenate([np.arange(1, 20), np.arange(20, 51, 2)]) / 100.0
"""Sizes of the moves that are worked out, up and down, as shares of the price."""
SHOWN = (0.01, 0.02, 0.05, 0.10, 0.15, 0.20, 0.30, 0.40, 0.50)
"""Those that the table lists."""
_EVERYTHING = 1 << 60

Array = NDArray[np.float64]
Row = dict[str, float | int | str | None]


@dataclass(frozen=True, kw_only=True)
class Curve:
    """One asset moving, or all of them: float64[n_moves] each, in the order of `moves`."""

    target: str
    moves: Array
    """Shares of the price, from the largest fall to the largest rise; 0 is not among them."""
    price: Array | None
    """Of the asset, USD; None for all together."""
    accounts: Array
    """Accounts that break on the way to the move, those below maintenance already included."""
    liquidatable_usd: Array
    """What they would have to sell (after a fall) or buy (after a rise) on the books of the assets that move."""
    elsewhere_usd: Array
    """Everything else that would be closed with it: other books, and positions the other way."""
    depth_usd: Array
    """Bids (asks) resting on the books of the assets that move, down (up) to the moved price."""

    def crossing(self, *, falling: bool) -> int | None:
        """Index of the smallest move at which what is liquidatable exceeds depth; None when it never does."""
        side = np.flatnonzero((self.moves < 0.0) == falling)
        over = side[self.liquidatable_usd[side] > self.depth_usd[side]]
        return int(over[np.argmin(np.abs(self.moves[over]))]) if len(over) else None


@dataclass(frozen=True, kw_only=True)
class LiquidationMap:
    """Curves by target: every asset that can move, then all together."""

    scenario: str
    """Its summary."""
    seed: int
    population: int
    """Accounts that can be liquidated."""
    curves: tuple[Curve, ...]
    notes: tuple[str, ...]

    @property
    def rows(self) -> list[Row]:
        """The curves at `SHOWN`, one dict per target and move; keys end in their unit."""
        return [row for curve in self.curves for row in self.rows_of(curve)]

    def rows_of(self, curve: Curve) -> list[Row]:
        """One curve at `SHOWN`, from the largest fall to the largest rise."""
        return _rows(curve, [*(-move for move in reversed(SHOWN)), *SHOWN])

    def save(self, path: Path | str) -> None:
        """Write the picture, one HTML page that opens offline, in the place of an earlier one at most.

        Raises InputError when another file is there, or the place cannot be written.
        """
        from experiments.report.map_page import check_target, map_page

        check_target(Path(path))
        folder.write_file(Path(path), map_page(self).html())


def _rows(curve: Curve, moves: Sequence[float]) -> list[Row]:
    made: list[Row] = []
    for move in moves:
        at = int(np.argmin(np.abs(curve.moves - move)))
        depth = float(curve.depth_usd[at])
        made.append(
            {
                "asset": curve.target,
                "move_pct": float(round(100.0 * curve.moves[at], 1)),
                "price_usd": None if curve.price is None else float(curve.price[at]),
                "account_count": int(curve.accounts[at]),
                "liquidatable_usd": round(float(curve.liquidatable_usd[at]), 2),
                "elsewhere_usd": round(float(curve.elsewhere_usd[at]), 2),
                "depth_usd": round(depth, 2),
                "liquidatable_over_depth": float(curve.liquidatable_usd[at]) / depth if depth > 0.0 else None,
            }
        )
    return made


def liquidation_map(scenario: Scenario, *, seed: int) -> LiquidationMap:
    """The map of a scenario as it starts. Raises InputError when it cannot be built."""
    built = build(without_liquidations(scenario), seed=seed)
    run(built.world, built.rules, built.cast, ticks=SETTLING_TICKS)
    curves = stress(built.world)
    return LiquidationMap(
        scenario=scenario.summary,
        seed=seed,
        population=int(np.count_nonzero(built.world.ledger.accounts["flags"] & LIQUIDATABLE)),
        curves=curves,
        notes=(*built.notes, *scenario.venue.about.sentences()),
    )


def stress(world: World) -> tuple[Curve, ...]:
    """Curves of a world as it stands, which is left as it is."""
    movable = np.flatnonzero((world.assets["is_settlement"] == 0) & (world.assets["fixed"] == 0))
    traded = [int(asset) for asset in movable if (world.instruments["base"] == asset).any()]
    targets = [(world.asset_symbols[asset], [asset]) for asset in traded]
    if len(traded) > 1:
        targets.append((ALL, traded))
    return tuple(_curve(world, name, np.array(moving)) for name, moving in targets)


def _curve(world: World, target: str, moving: NDArray[np.int64]) -> Curve:
    down = _side(world, moving, -MOVES)
    up = _side(world, moving, MOVES)
    accounts, liquidatable, elsewhere, depth = (
        np.concatenate([one[::-1], other]) for one, other in zip(down, up, strict=True)
    )
    moves = np.concatenate([-MOVES[::-1], MOVES])
    asset = world.assets[moving[0]]
    price = np.round(float(asset["price"]) * float(asset["price_tick"]) * (1.0 + moves), 8)
    return Curve(
        target=target,
        moves=moves,
        price=price if len(moving) == 1 else None,
        accounts=accounts,
        liquidatable_usd=liquidatable,
        elsewhere_usd=elsewhere,
        depth_usd=depth,
    )


def _side(world: World, moving: NDArray[np.int64], moves: Array) -> tuple[Array, Array, Array, Array]:
    """(accounts, liquidatable, elsewhere, depth), each float64[n_moves], for moves that grow in one direction."""
    ledger, books = world.ledger, np.isin(world.instruments["base"], moving)
    falling = moves[0] < 0.0
    closed = np.zeros((2, len(books)), np.int64)
    broken = np.zeros(len(ledger.accounts), np.bool_)
    exposed = (ledger.positions["lots"][:, books] != 0).any(axis=1) | (ledger.cash[:, moving] != 0).any(axis=1)
    subject = ledger.accounts["flags"] & LIQUIDATABLE != 0
    count = _break(world, subject, broken, closed, world.instruments, world.assets)
    found = np.zeros((4, len(moves)))
    for at, move in enumerate(moves.tolist()):
        instruments, assets = moved(world, moving, 1.0 + move)
        count += _break(world, subject & exposed, broken, closed, instruments, assets)
        pressing = int(closed[0 if falling else 1, books].sum())
        found[:3, at] = count, pressing / USD_QUANTA, (int(closed.sum()) - pressing) / USD_QUANTA
        found[3, at] = _depth(world, np.flatnonzero(books), instruments, side=SELL if falling else BUY)
    world.revalue()
    return found[0], found[1], found[2], found[3]


def _break(
    world: World,
    members: NDArray[np.bool_],
    broken: NDArray[np.bool_],
    closed: NDArray[np.int64],
    instruments: NDArray[np.void],
    assets: NDArray[np.void],
) -> int:
    """Mark who of `members` breaks at these prices, add what they close to `closed` [sells, buys]; return how many."""
    ledger = world.ledger
    rows = np.flatnonzero(members & ~broken)
    return int(
        newly_broken(
            rows, broken, closed[0], closed[1], instruments, assets, world.margin, ledger.positions, ledger.cash
        )
    )


def moved(world: World, moving: NDArray[np.int64], factor: float) -> tuple[NDArray[np.void], NDArray[np.void]]:
    """Copies of (instruments, assets) with the prices of the assets `moving` times `factor`, marks with them.

    Options follow their forwards on the surface as it stands; the tables behind them stay at these prices until
    `World.revalue`.
    """
    instruments, assets = world.instruments.copy(), world.assets.copy()
    assets["price"][moving] = np.maximum(1, np.rint(assets["price"][moving] * factor))
    books = np.isin(instruments["base"], moving) & (instruments["kind"] != OPTION)
    marks = np.rint(instruments["mark"][books] * factor)
    instruments["mark"][books] = np.clip(marks, 1, instruments["n_levels"][books] - 2)
    world.value_at(instruments, assets)
    return instruments, assets


def _depth(world: World, books: NDArray[np.int64], instruments: NDArray[np.void], *, side: int) -> float:
    """USD that a forced order on `side` meets on these books up to the marks of `instruments`."""
    usd = quote_usd(world)
    total = 0.0
    for book in books.tolist():
        limit = int(instruments["mark"][book])
        _, value, _ = sweep(book, side, _EVERYTHING, limit, world.books.levels, world.books.occupied, world.instruments)
        total += value * float(world.instruments["tick_value"][book]) * float(usd[book])
    return total
