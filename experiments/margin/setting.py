"""One account in a world of its own: as it stands under cross and portfolio margin, and split up under isolated margin.

The world is that of a scenario with the account as its whole population. No tick passes in it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.oracle import OracleCohort
from agents.recorded_accounts import RecordedAccounts
from experiments import build as building
from experiments.build import Built
from experiments.liquidation_map import moved
from experiments.margin.account import Account
from experiments.run import without_liquidations
from experiments.scenario import Scenario
from market.kernels.explain import requirements
from market.kernels.ledger import transfer
from market.kernels.records import CROSS, INITIAL, PORTFOLIO, PPM
from market.reference import AnchoredAsset, AnchoredPath
from market.world import World

MODES = ("isolated", "cross", "portfolio")
WALLET = "wallet"
_TICKS = 16
"""Length of the scenario that the account is put into; none of them is simulated but to fill the books."""
_MOVES = np.concatenate([np.arange(0.005, 0.1, 0.005), np.arange(0.1, 1.0, 0.01)])
"""Price moves, as shares, between which a break is looked for; a rise may be twice as large."""
_HALVINGS = 16

Excess = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Setting:
    """The world, and the ledger rows of the account in it."""

    built: Built
    rows: dict[str, dict[str, int]]
    """Mode -> name -> ledger row: one account under cross and portfolio margin; under isolated margin one for each
    position, by instrument, and the wallet."""

    @property
    def world(self) -> World:
        """The world."""
        return self.built.world

    def excess(self, factor: float = 1.0) -> Excess:
        """int64[n_accounts]: margin excess with all prices but those of settlement assets times `factor`."""
        world = self.world
        movable = np.flatnonzero((world.assets["is_settlement"] == 0) & (world.assets["fixed"] == 0))
        instruments, assets = moved(world, movable, factor)
        found = world.ledger.assess(instruments, assets, world.margin)
        world.revalue()
        return np.asarray(found[:, 0] - found[:, 2])

    def breaking_moves(self, *, falling: bool) -> NDArray[np.float64]:
        """float64[n_accounts]: smallest move of all prices together at which each account's margin excess is below
        zero, as a share of the price, negative for a fall; 0 for accounts below zero now, NaN where none breaks it."""
        sign = -1.0 if falling else 2.0
        found = np.where(self.excess() < 0, 0.0, np.nan)
        before = 0.0
        for move in (sign * _MOVES).tolist():
            for row in np.flatnonzero((self.excess(1.0 + move) < 0) & np.isnan(found)).tolist():
                found[row] = self._between(row, before, move)
            before = move
        return found

    def _between(self, row: int, safe: float, broken: float) -> float:
        for _ in range(_HALVINGS):
            middle = 0.5 * (safe + broken)
            if self.excess(1.0 + middle)[row] < 0:
                broken = middle
            else:
                safe = middle
        return broken


def put(account: Account, scenario: Scenario, prices: dict[str, float]) -> Setting:
    """The account in a world at these USD prices by asset. Raises InputError when it cannot be built."""
    world = _still(scenario, prices)
    recorded = _recorded(account, scenario)
    # A population by its parts: the union in `Scenario` lists those that a file can describe.
    peopled: Any = replace(world, population=recorded)  # type: ignore[arg-type]
    built = building.build(peopled, seed=1)
    for symbol, price in account.prices.items():
        if symbol in scenario.instruments:
            record = built.world.instruments[built.world.instrument(symbol)]
            record["mark"] = min(max(round(price / float(record["tick_size"])), 1), int(record["n_levels"]) - 2)
    _stand_beside(built, account)
    built.world.revalue()
    names = {name: row for row, name in enumerate(built.world.ledger.names)}
    alone = {symbol: names[f"isolated/{symbol}"] for symbol in account.lots}
    rows = {
        "isolated": {**alone, WALLET: names[f"isolated/{WALLET}"]},
        "cross": {"cross": names["cross"]},
        "portfolio": {"portfolio": names["portfolio"]},
    }
    ledger = built.world.ledger
    ledger.accounts["only_instrument"][list(alone.values())] = [built.world.instrument(symbol) for symbol in alone]
    _split(built.world, rows["isolated"], names["cross"])
    return Setting(built=built, rows=rows)


def _stand_beside(built: Built, account: Account) -> None:
    """Bids, asks and confidence as the account's file says; else as the books open and the oracle's sources say."""
    world = built.world
    schedule = world.margin_schedule
    if schedule is None or (schedule.bands is None and schedule.contingencies is None):
        return
    for oracle in built.cast.oracles:
        if isinstance(oracle, OracleCohort):
            oracle.show_confidence(world)
    for symbol, wide in account.beside.get("confidence", {}).items():
        asset = world.assets[world.asset(symbol)]
        asset["confidence"] = math.ceil(wide / float(asset["price"] * asset["price_tick"]) * PPM - 1e-6)
    if schedule.contingencies is not None:
        schedule.contingencies.update(world)
    bands = schedule.bands
    if bands is None:
        return
    bands.update(world)
    for side, name in enumerate(("bids", "asks")):
        for symbol, price in account.beside.get(name, {}).items():
            bands.quoted[side, world.asset(symbol)] = price
    bands.write(world)


def _still(scenario: Scenario, prices: dict[str, float]) -> Scenario:
    """The scenario with its prices standing still."""
    seconds = _TICKS * scenario.tick_seconds
    free = [name for name, asset in scenario.assets.items() if asset.valuation != "one" and asset.price_usd is None]
    assets = {
        name: asset if asset.price_usd is None else replace(asset, price_usd=prices[name])
        for name, asset in scenario.assets.items()
    }
    anchored = tuple(
        AnchoredAsset(symbol=name, volatility=0.0, anchors=((0.0, prices[name]), (seconds, prices[name])))
        for name in free
    )
    margin = replace(scenario.venue.margin, mode="cross")
    return without_liquidations(
        replace(
            scenario,
            hours=seconds / 3600.0,
            assets=assets,
            reference=AnchoredPath(assets=anchored) if anchored else scenario.reference,
            venue=replace(scenario.venue, margin=margin),
        )
    )


def _recorded(account: Account, scenario: Scenario) -> RecordedAccounts:
    """The account three times over: whole, whole, and in parts whose money is still in the wallet."""
    books = {symbol: row for row, symbol in enumerate(scenario.instruments)}
    assets = {symbol: row for row, symbol in enumerate(scenario.assets)}
    n = len(account.lots)
    balances = [(place, assets[name], amount) for place in (0, 1, 2 + n) for name, amount in account.balances.items()]
    held = list(account.lots.items())
    places = [(place, name, lots) for place in (0, 1) for name, lots in held]
    places += [(2 + number, name, lots) for number, (name, lots) in enumerate(held)]
    entries = [account.entries[name] for _, name, _ in places]
    return RecordedAccounts(
        names=("cross", "portfolio", *(f"isolated/{name}" for name in account.lots), f"isolated/{WALLET}"),
        balance_accounts=np.array([place for place, _, _ in balances], np.int64),
        balance_assets=np.array([asset for _, asset, _ in balances], np.int64),
        balance_quanta=np.array([amount for _, _, amount in balances], np.int64),
        position_accounts=np.array([place for place, _, _ in places], np.int64),
        position_books=np.array([books[name] for _, name, _ in places], np.int64),
        position_lots=np.array([lots for _, _, lots in places], np.int64),
        modes=np.array([CROSS, PORTFOLIO, *([CROSS] * (n + 1))], np.int64),
        entry_prices=np.array([np.nan if entry is None else entry for entry in entries], np.float64),
    )


def _split(world: World, rows: dict[str, int], whole: int) -> None:
    """Share each settlement balance of the wallet out among the positions settled in it, by their initial margins."""
    ledger = world.ledger
    needed = np.zeros(len(world.instruments), np.int64)
    requirements(whole, INITIAL, world.instruments, world.assets, world.margin, ledger.positions, needed)
    wallet = rows[WALLET]
    for asset in np.flatnonzero(world.assets["is_settlement"]).tolist():
        parts = [row for name, row in rows.items() if name != WALLET]
        own = [row for row in parts if world.instruments["quote"][ledger.accounts["only_instrument"][row]] == asset]
        weights = [max(1, int(needed[ledger.accounts["only_instrument"][row]])) for row in own]
        left, whole_weight = int(ledger.cash[wallet, asset]), sum(weights)
        for row, weight in zip(own, weights, strict=True):
            amount = left * weight // whole_weight
            whole_weight -= weight
            left -= amount
            transfer(ledger.cash, asset, wallet, row, amount)


def position_rows(setting: Setting, mode: str, symbol: str) -> int:
    """Ledger row that holds a position under a mode."""
    rows = setting.rows[mode]
    return rows[symbol] if mode == "isolated" else rows[mode]
