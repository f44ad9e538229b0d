"""How close accounts are to liquidation, and which are next."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.frames import asset_usd, quote_usd
from experiments.recorder import MARGIN_RATIO_EDGES
from experiments.snapshots.describe import numbers_of_books
from experiments.snapshots.lines import numbers_of_assets
from experiments.snapshots.numbers import listed, rounded
from market.instruments import USD_QUANTA
from market.kernels.margin import maintenance_excess
from market.kernels.records import LIQUIDATABLE, NONE, OPTION, PORTFOLIO, PPM, SYSTEM
from market.margin.prices import liquidation_price
from market.world import World

AT_RISK = 20
"""Accounts listed as next to fail."""
MOST_WAITING = 6
"""Of these, accounts that are below maintenance already and wait for a keeper: those that lack most."""
_CANDIDATES = 24
_HALVINGS = 24

Array = NDArray[np.float64]
Integers = NDArray[np.int64]


def standing(world: World, assessment: Integers) -> tuple[Integers, Integers]:
    """(required, covered), int64[n] USD quanta; an account may be liquidated when the first exceeds the second.

    Maintenance margin and margin equity; in a lending market weighted debts are added to both, so that their ratio is
    the inverse of the health factor.
    """
    n = len(world.ledger.names)
    required, covered = assessment[:n, 2], assessment[:n, 0]
    if world.lending is None:
        return required, covered
    assets = world.assets
    unit = assets["price"] * assets["multiplier"] / assets["divisor"] * (assets["liability_weight"] / PPM)
    debts = np.rint((np.maximum(-world.ledger.cash[:n], 0) * unit).sum(axis=1)).astype(np.int64)
    return required + debts, covered + debts


def ratios(world: World, assessment: Integers) -> dict[str, Any]:
    """Accounts with a requirement by margin ratio (maintenance over margin equity; in a lending market weighted debts
    over weighted collateral): count i up to edge i, the last but one above all edges, the last with nothing left."""
    n = len(world.ledger.names)
    requirement, equity = standing(world, assessment)
    held = (world.ledger.accounts["flags"][:n] & LIQUIDATABLE != 0) & (requirement != 0)
    solvent = held & (equity > 0)
    place = np.searchsorted(MARGIN_RATIO_EDGES, requirement[solvent] / equity[solvent])
    counts = np.bincount(place, minlength=len(MARGIN_RATIO_EDGES) + 2)
    counts[-1] = np.count_nonzero(held & (equity <= 0))
    return {"edges": MARGIN_RATIO_EDGES.tolist(), "counts": counts.tolist()}


def at_risk(world: World, assessment: Integers) -> dict[str, Any]:
    """The next accounts to fail, nearest first, on top `MOST_WAITING` that have failed; amounts as in `standing`.

    `liquidation_price` is that of the account's largest position, all else as it stands, in quote units of its book;
    for an account without positions that of its largest holding or debt, in USD. `distance_percent` says how far the
    mark is from it, the way that hurts; negative for an account that would have to recover. Under portfolio margin and
    with options no single price decides: the price is None and the distance a linear estimate, all prices together.
    """
    n = len(world.ledger.names)
    ledger = world.ledger
    required, covered = standing(world, assessment)
    excess = covered - required
    held = (ledger.accounts["flags"][:n] & LIQUIDATABLE != 0) & (required > 0)
    held &= (ledger.accounts["flags"][:n] & SYSTEM) == 0
    positions, holdings = _worth(world)
    exposure = np.abs(positions).sum(axis=1) + np.abs(holdings).sum(axis=1)
    reach = np.where(held & (exposure > 0.0), excess / USD_QUANTA / np.maximum(exposure, 1e-9), np.inf)
    waiting = np.flatnonzero(np.isfinite(reach) & (excess < 0))
    waiting = waiting[np.argsort(excess[waiting], kind="stable")][:MOST_WAITING]
    most = min(_CANDIDATES, n)
    nearest = np.argpartition(np.where(excess < 0, np.inf, reach), most - 1)[:most]
    rows = np.concatenate([waiting, nearest[np.isfinite(reach[nearest]) & (excess[nearest] >= 0)]])
    books = numbers_of_books(world)
    numbers = books, numbers_of_assets(world, books)
    found = [_risk(world, row, positions, holdings, numbers, float(reach[row])) for row in rows.tolist()]
    kept = [*sorted(found[: len(waiting)], key=_distance), *sorted(found[len(waiting) :], key=_distance)][:AT_RISK]
    order = [row for row, *_ in kept]
    ratio = np.where(covered[order] > 0, required[order] / np.maximum(covered[order], 1), np.inf)
    return {
        "account": order,
        "name": [ledger.names[row] for row in order],
        "role": [ledger.roles[row] for row in order],
        "equity_usd": listed(covered[order] / USD_QUANTA),
        "maintenance_usd": listed(required[order] / USD_QUANTA),
        "ratio": listed(ratio, 4),
        "book": [book for _, book, *_ in kept],
        "asset": [symbol for _, _, symbol, *_ in kept],
        "position_usd": [rounded(usd) for _, _, _, usd, *_ in kept],
        "liquidation_price": [rounded(price, 8) for *_, price, _ in kept],
        "distance_percent": [rounded(distance, 3) for *_, distance in kept],
    }


_Risk = tuple[int, int, str, float, float | None, float]
"""Ledger row, book, symbol, signed USD, liquidation price, distance in percent."""


def _distance(risk: _Risk) -> float:
    return risk[-1]


def _worth(world: World) -> tuple[Array, Array]:
    """USD, signed: float64[n, n_instruments] of positions and float64[n, n_assets] of balances that are no dollars."""
    ledger, n = world.ledger, len(world.ledger.names)
    unit = world.instruments["mark"] * world.instruments["tick_value"] * quote_usd(world)
    positions = ledger.positions["lots"][:n] * unit
    steady = (world.assets["is_settlement"] != 0) | (world.assets["fixed"] != 0)
    holdings = ledger.cash[:n] * np.where(steady, 0.0, asset_usd(world))
    return np.asarray(positions, np.float64), np.asarray(holdings, np.float64)


def _risk(
    world: World, row: int, positions: Array, holdings: Array, numbers: tuple[Integers, Integers], reach: float
) -> _Risk:
    held = positions[row].tolist()
    book = max(range(len(held)), key=lambda at: abs(held[at])) if any(held) else NONE
    if book == NONE:
        return _holding_risk(world, row, holdings, numbers[1], reach)
    symbol, usd, number = world.instrument_symbols[book], held[book], int(numbers[0][book])
    has_options = world.options is not None and bool(positions[row][world.instruments["kind"] == OPTION].any())
    if has_options or world.ledger.accounts["mode"][row] == PORTFOLIO:
        return row, number, symbol, usd, None, 100.0 * reach
    price = liquidation_price(
        world.ledger, world.instruments, world.assets, world.margin, account=row, book=book, risk=world.risk
    )
    if price is None:
        return row, number, symbol, usd, None, 100.0 * reach
    mark = float(world.instruments["mark"][book] * world.instruments["tick_size"][book])
    return row, number, symbol, usd, price, math.copysign(100.0, usd) * (mark - price) / mark


def _holding_risk(world: World, row: int, holdings: Array, numbers: Integers, reach: float) -> _Risk:
    """Of an account without positions: a borrower."""
    asset = int(np.argmax(np.abs(holdings[row])))
    symbol, usd = world.asset_symbols[asset], float(holdings[row, asset])
    book = int(numbers[asset])
    factor = _breaking_factor(world, row, asset, falling=usd > 0.0)
    if factor is None:
        return row, book, symbol, usd, None, 100.0 * reach
    price = float(world.assets["price"][asset] * world.assets["price_tick"][asset])
    return row, book, symbol, usd, price * factor, math.copysign(100.0, usd) * (1.0 - factor)


def _breaking_factor(world: World, row: int, asset: int, *, falling: bool) -> float | None:
    """Factor on the price of an asset at which margin excess is zero, all else as it stands; None between 0 and 4."""
    assets, ledger = world.assets.copy(), world.ledger

    def excess(factor: float) -> int:
        assets["price"][asset] = max(1, round(int(world.assets["price"][asset]) * factor))
        return int(maintenance_excess(row, world.instruments, assets, world.margin, ledger.positions, ledger.cash))

    worst, best = (0.0, 4.0) if falling else (4.0, 0.0)
    good, bad = (1.0, worst) if excess(1.0) >= 0 else (best, 1.0)
    if excess(good) < 0 or excess(bad) >= 0:
        return None
    for _ in range(_HALVINGS):
        middle = 0.5 * (good + bad)
        good, bad = (middle, bad) if excess(middle) >= 0 else (good, middle)
    return 0.5 * (good + bad)
