"""A book of accounts as linear functions of relative prices: its value, its margin, what would be closed."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from experiments.build import build
from experiments.scenario import Scenario
from market.instruments import USD_QUANTA
from market.kernels.explain import EQUITY_COLUMNS, equity_lines
from market.kernels.records import LIQUIDATABLE, MAINTENANCE
from market.world import World

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class AccountBook:
    """`x` below is a price over the price at the start, one number per asset."""

    assets: tuple[str, ...]
    """Assets that anything of the book depends on."""
    constant: Array
    """float64[accounts]: margin excess at x = 0, USD"""
    slope: Array
    """float64[accounts, assets]: margin excess per unit of x, USD"""
    notional: Array
    """float64[accounts, assets]: absolute value of positions at x = 1, USD"""
    exposure: Array
    """float64[assets]: change of the value of all accounts together per unit of x, USD"""
    notes: tuple[str, ...] = ()
    """What the program did to the input, one line each."""

    def liquidated(self, x: Array) -> float:
        """Notional of the accounts whose margin excess is below 0 in any of the states x[states, assets], USD.

        Positions are taken at their value at x = 1; an account counts once.
        """
        broken = (self.constant[:, None] + self.slope @ x.T < 0.0).any(axis=1)
        return float(self.notional[broken].sum())

    def breakable(self, x: Array) -> AccountBook:
        """The accounts that could break in some combination of the prices of x[states, assets]: others never do."""
        worst = self.constant + np.minimum(self.slope * x.min(axis=0), self.slope * x.max(axis=0)).sum(axis=1)
        near = worst < 0.0
        return replace(self, constant=self.constant[near], slope=self.slope[near], notional=self.notional[near])


def account_book(scenario: Scenario, *, seed: int) -> AccountBook:
    """The customers of a scenario at its starting prices, those below maintenance already left out.

    The rate of maintenance margin of each account stays what it is at the start.
    """
    built = build(scenario, seed=seed)
    world = built.world
    ledger, n_assets = world.ledger, len(world.assets)
    roles = np.array([role in ("trader", "wallet") for role in ledger.roles])
    rows = np.flatnonzero(roles & (ledger.accounts["flags"][: len(roles)] & LIQUIDATABLE > 0))
    assets = world.assets
    unit = assets["price"].astype(float) * assets["multiplier"] / assets["divisor"] / USD_QUANTA
    cash = ledger.cash[rows] * unit
    weight = _weights(world, rows)
    records = world.instruments
    lot = records["mark"].astype(float) * records["tick_value"] * unit[records["quote"]]
    value = ledger.positions["lots"][rows] * lot
    assessed = ledger.assess(world.instruments, world.assets, world.margin)[rows] / USD_QUANTA
    held = np.zeros((len(rows), n_assets))
    gross = np.zeros((len(rows), n_assets))
    for book, base in enumerate(records["base"].tolist()):
        held[:, base] += value[:, book]
        gross[:, base] += np.abs(value[:, book])
    total = gross.sum(axis=1)
    rate = np.divide(assessed[:, 2], total, out=np.zeros(len(rows)), where=total > 0.0)
    moving = assets["fixed"] == 0
    slope = (cash * weight + held - gross * rate[:, None]) * moving
    constant = assessed[:, 0] - assessed[:, 2] - slope.sum(axis=1)
    sound = assessed[:, 0] >= assessed[:, 2]
    usable = sound & (total > 0.0)
    left_out = int((~sound).sum())
    notes = (
        f"{left_out:,} of {len(rows):,} accounts left out of liquidations: they begin every day below maintenance",
    )
    exposure = ((cash + held) * moving).sum(axis=0)
    used = np.flatnonzero((np.abs(slope).sum(axis=0) > 0.0) | (np.abs(exposure) > 0.0))
    return AccountBook(
        assets=tuple(world.asset_symbols[a] for a in used), constant=constant[usable], slope=slope[usable][:, used],
        notional=gross[usable][:, used], exposure=exposure[used],
        notes=(*built.notes, *notes) if left_out else built.notes,
    )  # fmt: skip


def _weights(world: World, rows: NDArray[np.int64]) -> Array:
    """float64[n_accounts, n_assets]: what margin equity counts of a dollar of each balance, as a share.

    That of the account's own balance as it stands: in its category, in its tiers, at the price that counts; a debt's
    is above 1 where it weighs more.
    """
    ledger, n_assets = world.ledger, len(world.assets)
    found, lines = np.ones((len(rows), n_assets)), np.zeros((n_assets, EQUITY_COLUMNS), np.int64)
    for at, row in enumerate(rows.tolist()):
        equity_lines(
            row, MAINTENANCE, world.instruments, world.assets, world.margin, ledger.positions, ledger.cash, lines
        )
        found[at] = np.divide(lines[:, 4], lines[:, 3], out=np.ones(n_assets), where=lines[:, 3] != 0)
    return found
