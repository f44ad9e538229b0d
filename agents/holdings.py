"""What generated traders own at the start: equity, leverage, positions, collateral, drawn for all of them at once.

Row i of every draw belongs to trader i, so a larger population begins with the smaller one. Who is isolated and how
many instruments a trader holds follow a low-discrepancy sequence instead (Roberts' R2): the shares come out exact, and
the number of ledger rows is known before anything is drawn.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from agents.kernels.population import initial_requirements, initial_values
from agents.population import Floats, Integers, lot_usd, quanta_of
from market.instruments import USD_QUANTA, Instrument
from market.kernels.records import PPM
from market.world import World

if TYPE_CHECKING:
    from agents.trader import Traders

_R2 = (0.7548776662466927, 0.5698402909980532)
_THIRD = 0.6180339887498949
"""A third irrational step, for who is hedged."""
"""1/g and 1/g^2 of the plastic number g: the two-dimensional sequence that fills the square most evenly."""

_ENTRY_LIMIT = 0.8
"""Unrealised profit or loss at the start, at most this part of the margin behind the position."""

_SLACK = 1e-6
"""Part of the margin left free, beside a tenth of a cent, for the rounding of requirements and balances."""


@dataclass(frozen=True, kw_only=True)
class Holdings:
    """n traders, up to m positions each, the largest first; `held` bool[n, m] says which columns count."""

    held: NDArray[np.bool_]
    isolated: NDArray[np.bool_]
    """bool[n]: each position has an account and margin of its own, beside a wallet"""
    sub_accounts: NDArray[np.bool_]
    """bool[n]: whether those accounts may trade any instrument"""
    equity: Floats
    """float64[n]: USD, all accounts of the trader together"""
    margin: Floats
    """float64[n, m]: settlement assets that stand behind each position at the mark, USD"""
    books: Integers
    """int64[n, m]"""
    lots: Integers
    """int64[n, m]: signed"""
    entries: Integers
    """int64[n, m]: ticks"""
    deposits: Integers
    """int64[n, m]: quanta of the quote asset; with the profit until now they make up `margin`"""
    collateral_assets: Integers
    """int64[n]: asset held beside settlement assets"""
    collateral: Integers
    """int64[n]: quanta of it"""
    wallets: Integers
    """int64[n]: quanta of the first position's quote asset"""


def perpetuals(instruments: Mapping[str, Instrument], popularity: Mapping[str, float]) -> dict[int, float]:
    """Weight of every perpetual somebody trades, by its row: the popularity of its base, or one over its rank."""
    found = {row: item.base for row, item in enumerate(instruments.values()) if item.kind == "perpetual"}
    if not popularity:
        return {row: 1.0 / rank for rank, row in enumerate(found, start=1)}
    return {row: popularity[base] for row, base in found.items() if popularity.get(base, 0.0) > 0.0}


def structure(traders: Traders, n_perpetuals: int) -> tuple[NDArray[np.bool_], Integers]:
    """(bool[n] isolated, int64[n] number of instruments held): the same for every seed."""
    place = np.arange(1, traders.count + 1)
    isolated = (0.5 + place * _R2[0]) % 1.0 < traders.isolated_share
    bounds = np.cumsum(traders.instruments_held[:-1])
    held = 1 + np.searchsorted(bounds, (0.5 + place * _R2[1]) % 1.0, side="right")
    return isolated, np.minimum(held, n_perpetuals).astype(np.int64)


def draw_holdings(traders: Traders, world: World, instruments: Mapping[str, Instrument]) -> Holdings:
    """Draw them at the prices of now; nobody exceeds the initial margin that the venue asks for."""
    weights = perpetuals(instruments, traders.popularity)
    n, n_books = traders.count, len(weights)
    uniforms = world.streams.generator("population").random((n, 4 + 2 * n_books))
    normals = world.streams.generator("population sizes").standard_normal((n, 2 + n_books))
    isolated, count = structure(traders, n_books)
    m = int(count.max())
    held = np.arange(m) < count[:, None]

    equity = _equities(traders, normals[:, 0], uniforms[:, 0])
    sign = np.where(uniforms[:, 1] < traders.share_long, 1, -1)
    keys = -np.log1p(-uniforms[:, 4 : 4 + n_books]) / np.array(list(weights.values()))
    books = np.array(list(weights))[np.argsort(keys, axis=1, kind="stable")[:, :m]]
    parts = -np.log1p(-uniforms[:, 4 + n_books : 4 + n_books + m]) * held
    parts = -np.sort(-parts, axis=1) / parts.sum(axis=1, keepdims=True)

    asset, other = _collateral(traders, world, uniforms[:, 2:4])
    other = np.where(isolated, 0.0, other) * equity
    wallet = np.where(isolated, traders.wallet_share, 0.0) * equity
    margin = (equity - other - wallet)[:, None] * parts
    leverage = np.maximum(traders.leverage * np.exp(traders.leverage_sigma * normals[:, 1]), 1.0)
    wanted = (leverage * (equity - wallet))[:, None] * parts
    backing = _backing(world, asset, other)
    notional = wanted * _affordable(world, wanted, books, margin, backing, isolated)
    lots = _signs(traders, sign, m) * np.floor(notional / lot_usd(world)[books]).astype(np.int64)
    entries = _entries(world, lots, books, margin, traders.entry_spread * normals[:, 2 : 2 + m])
    quotes = world.instruments["quote"][books].astype(np.int64)
    marks, values = world.instruments["mark"][books].astype(np.int64), world.instruments["tick_value"][books]
    return Holdings(
        held=held,
        isolated=isolated,
        sub_accounts=_among(n, traders.sub_account_share),
        equity=equity,
        margin=margin,
        books=books,
        lots=lots,
        entries=entries,
        deposits=quanta_of(margin, quotes, world) - lots * (marks - entries) * values,
        collateral_assets=asset,
        collateral=quanta_of(other, asset, world),
        wallets=quanta_of(wallet, quotes[:, 0], world),
    )


def _backing(world: World, asset: Integers, worth: Floats) -> Floats:
    """float64[n] USD: what collateral worth so much counts for under initial margin."""
    counted = worth * (1.0 - world.assets["initial_haircut"][asset] / PPM)
    if world.assets["haircut_only"].all():
        return counted
    exact = np.zeros(len(worth), np.int64)
    within = np.zeros(len(worth), np.bool_)
    initial_values(asset, within, quanta_of(worth, asset, world), exact, world.assets, world.tiers)
    return np.minimum(counted, exact / USD_QUANTA)


def _among(n: int, share: float) -> NDArray[np.bool_]:
    """bool[n]: who belongs to a share of the population, spread evenly, the same for every seed."""
    return np.asarray((0.5 + np.arange(1, n + 1) * _THIRD) % 1.0 < share)


def _signs(traders: Traders, sign: Integers, m: int) -> Integers:
    """int64[n, m]: the side of every position; the hedged take the other side of every second instrument."""
    hedged = _among(traders.count, traders.hedged_share)
    other = hedged[:, None] & (np.arange(m) % 2 == 1)
    return np.where(other, -sign[:, None], sign[:, None])


def _equities(traders: Traders, normal: Floats, uniform: Floats) -> Floats:
    """float64[n] USD: lognormal, with a Pareto tail that continues it."""
    equity = traders.equity_usd * np.exp(traders.equity_sigma * normal)
    if traders.tail_share > 0.0:
        cut = -NormalDist().inv_cdf(traders.tail_share)
        start = traders.equity_usd * np.exp(traders.equity_sigma * cut)
        equity = np.where(normal > cut, start * (1.0 - uniform) ** (-1.0 / traders.tail_exponent), equity)
    return np.minimum(equity, traders.largest_equity_usd)


def _collateral(traders: Traders, world: World, uniforms: Floats) -> tuple[Integers, Floats]:
    """(int64[n] asset, float64[n] share of equity held in it): no settlement asset, drawn by popularity.

    Among those who hold any, the share is a power of a uniform draw with the given mean.
    """
    n = len(uniforms)
    rows = np.flatnonzero(world.assets["is_settlement"] == 0)
    names = [world.asset_symbols[row] for row in rows]
    weights = [
        traders.popularity.get(name, 0.0) if traders.popularity else 1.0 / (k + 1) for k, name in enumerate(names)
    ]
    if not sum(weights) > 0.0 or traders.collateral_share == 0.0:
        return np.zeros(n, np.int64), np.zeros(n)
    # One draw serves for "whether" and, rescaled among those who do, for "which".
    users = uniforms[:, 0] < traders.collateral_users
    which = uniforms[:, 0] / max(traders.collateral_users, 1e-300)
    bounds = np.cumsum(weights)[:-1] / sum(weights)
    asset = rows[np.searchsorted(bounds, np.where(users, which, 0.0), side="right")]
    share = uniforms[:, 1] ** (1.0 / traders.collateral_share - 1.0)
    return asset.astype(np.int64), np.where(users, share, 0.0)


def _affordable(
    world: World, notional: Floats, books: Integers, margin: Floats, backing: Floats, isolated: NDArray[np.bool_]
) -> Floats:
    """float64[n, m] in [0, 1]: part of the notional that the margin allows, one figure for a cross account."""
    quote = world.instruments["quote"][books]
    weighted = margin * (1.0 - world.assets["initial_haircut"][quote] / PPM)
    needed = _initial_margin(world, notional, books)
    if world.risk is not None:
        # Offsets only lower it; nobody starts with less than the positions need one by one.
        alone = notional * world.risk.initial_rates()[books]
        needed = np.where(isolated[:, None], needed, np.maximum(needed, alone))
    total = np.where(isolated[:, None], needed, needed.sum(axis=1, keepdims=True))
    available = np.where(isolated[:, None], weighted, (weighted.sum(axis=1) + backing)[:, None])
    return np.asarray(np.clip((available * (1.0 - _SLACK) - 1e-3) / np.maximum(total, 1e-9), 0.0, 1.0))


def _initial_margin(world: World, notional: Floats, books: Integers) -> Floats:
    """USD. Rates never fall as notional rises, so a part of the notional needs no more than that part of the margin."""
    needed = np.zeros_like(notional)
    for book in np.unique(books):
        first, count = world.instruments["first_tier"][book], world.instruments["n_tiers"][book]
        tiers = world.tiers[first : first + count]
        rows = books == book
        tier = tiers[np.searchsorted(tiers["floor"] / USD_QUANTA, notional[rows], side="right") - 1]
        needed[rows] = notional[rows] * (tier["initial"] / PPM) - tier["initial_deduction"] / USD_QUANTA
        if not world.instruments["tiers_only"][book]:
            lots = np.floor(notional[rows] / lot_usd(world)[book]).astype(np.int64)
            asked = np.zeros(len(lots), np.int64)
            initial_requirements(int(book), lots, asked, world.instruments, world.assets, world.tiers)
            needed[rows] = np.maximum(needed[rows], asked / USD_QUANTA)
    return needed


def _entries(world: World, lots: Integers, books: Integers, margin: Floats, moves: Floats) -> Integers:
    """int64[n, m] ticks: the mark moved by a log-normal draw, as far as the margin behind the position allows."""
    mark = world.instruments["mark"][books].astype(np.int64)
    tick_usd = lot_usd(world)[books] / mark
    most = np.floor(_ENTRY_LIMIT * margin / np.maximum(np.abs(lots) * tick_usd, 1e-12))
    gap = np.clip(np.rint(mark * np.expm1(moves)), -most, most)
    return np.asarray(np.clip(mark + gap, 1, world.instruments["n_levels"][books] - 2).astype(np.int64))
