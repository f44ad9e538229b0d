"""Taking accounts out of a world before its first tick; everybody else's rows and random numbers stay the same."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from agents.arbitrageur import Hedgers
from agents.keeper import KeeperCohort
from experiments.toml_tree import suggest
from market.errors import InputError
from market.instruments import USD_QUANTA
from market.kernels.records import OPTION, OUTSIDE, REST_OF_MARKET
from market.ledger import Ledger
from market.simulation import Cast
from market.world import World

REMOVABLE = (
    "trader", "wallet", "borrower", "looper", "depositor", "keeper", "market_maker", "arbitrageur", "hedger",
)  # fmt: skip
"""Roles of accounts that can be left out."""


def take_out(world: World, cast: Cast, names: Sequence[str]) -> list[str]:
    """Leave these accounts with nothing; return a line on each of `names`. Raises InputError for unknown names.

    Positions are closed at the mark against the rest of the market (options against the outside world), balances go
    back to the outside world. What then stands in the ledger sums to zero as before.
    """
    notes = []
    for name in names:
        rows = rows_of(world.ledger, name)
        equity = world.ledger.assess(world.instruments, world.assets, world.margin)[rows, 1].sum() / USD_QUANTA
        notional = sum(_close(world, row) for row in rows)
        for row in rows:
            _empty(world, row)
        _retire(cast, rows)
        what = f"{len(rows)} accounts of {name}" if len(rows) > 1 else name
        notes.append(f"without {what}: {equity:,.0f} USD of equity, {notional:,.0f} USD of positions")
    if world.lending is not None:
        world.lending.check()
    return notes


def rows_of(ledger: Ledger, name: str) -> list[int]:
    """Rows of an account, by name or number, or of a person ("owner" for "owner/wallet", "owner/BTC-PERP" ...)."""
    known = ledger.names
    rows = [row for row, own in enumerate(known) if own == name or own.startswith(f"{name}/")]
    if not rows and name.isdigit() and int(name) < len(known):
        rows = [int(name)]
    if not rows:
        there = list(dict.fromkeys(own.partition("/")[0] for own, role in _removable(ledger)))
        raise InputError(f"without.accounts: no account {name!r}{_nearest(name, there)}")
    for row in rows:
        if ledger.roles[row] not in REMOVABLE:
            raise InputError(
                f"without.accounts: {known[row]} is of kind {ledger.roles[row]}; accounts of "
                f"{', '.join(REMOVABLE)} can be left out"
            )
    return rows


def _removable(ledger: Ledger) -> list[tuple[str, str]]:
    return [(name, role) for name, role in zip(ledger.names, ledger.roles, strict=True) if role in REMOVABLE]


def _nearest(name: str, known: list[str]) -> str:
    near = suggest(name, known)
    return near if "did you mean" in near else f"; for example {', '.join(known[:3])}"


def _close(world: World, row: int) -> float:
    """Close all positions of an account at the mark; return their notional in USD at the venue's prices."""
    ledger, instruments, assets = world.ledger, world.instruments, world.assets
    notional = 0.0
    for book in np.flatnonzero(ledger.positions[row]["lots"]).tolist():
        lots, mark = int(ledger.positions[row, book]["lots"]), int(instruments["mark"][book])
        against = OUTSIDE if instruments["kind"][book] == OPTION else REST_OF_MARKET
        ledger.open_position(row, book, -lots, mark, instruments, against=against)
        quote = assets[instruments["quote"][book]]
        per_quantum = int(quote["price"]) * int(quote["multiplier"]) / int(quote["divisor"]) / USD_QUANTA
        notional += abs(lots) * mark * int(instruments["tick_value"][book]) * per_quantum
    return notional


def _empty(world: World, row: int) -> None:
    for asset in np.flatnonzero(world.ledger.cash[row]).tolist():
        world.ledger.deposit(row, asset, -int(world.ledger.cash[row, asset]))


def _retire(cast: Cast, rows: list[int]) -> None:
    """Keepers never come online; an arbitrageur without money has no inventory to restore."""
    for keepers in cast.keepers:
        if isinstance(keepers, KeeperCohort):
            keepers.retire(rows)
    for cohort in cast.cohorts:
        if isinstance(cohort, Hedgers):
            cohort.records["initial_base"][np.isin(cohort.records["account"], rows)] = 0
