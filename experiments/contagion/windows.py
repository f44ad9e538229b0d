"""For each liquidation: since when it was not safe, and what its margin excess lost to each thing that changed."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from experiments.contagion.records import Array, Integers, Records
from market.instruments import USD_QUANTA
from market.kernels.attribution import explain, last_safe
from market.kernels.history import LOOK_TICK
from market.kernels.records import ACCOUNT, CHANGE, OPTION, PORTFOLIO, POSITION

SAFE_BUFFER = 0.25
"""Margin excess as a share of maintenance from which an account counts as safe."""
LOOKBACK_SECONDS = 3600.0
"""How far back that is looked for."""


@dataclass(frozen=True, kw_only=True)
class Window:
    """One liquidation from its last safe moment to its breach, in segments of constant holdings, newest first."""

    safe: int
    """Look at which it was last safe, or had the most excess within reach."""
    breach: int
    excess: int
    """USD quanta at the safe look."""
    ends: Integers
    """int64[n, 2]: looks that each segment runs between."""
    effects: Integers
    """int64[n, n_components]: change of excess by component, USD quanta."""
    slopes: Array
    """float64[n, n_components]: USD quanta per tick of each price over the segment."""
    jumps: Integers
    """int64[n, 4]: change of holdings before the segment: look (-1: none), effect, whether lots changed, slots."""


class Scratch:
    """One account and one set of prices to be put into place, as the kernels of the engine take them."""

    def __init__(self, found: Records) -> None:
        self._found = found
        n_books, n_assets = len(found.instruments), len(found.assets)
        self.instruments, self.assets = found.instruments.copy(), found.assets.copy()
        self.tiers = found.ladders[0].copy()
        self.accounts = np.zeros(1, ACCOUNT)
        self.positions, self.cash = np.zeros((1, n_books), POSITION), np.zeros((1, n_assets), np.int64)
        self.prices = (found.looks, found.price, found.funding, found.haircuts, found.stresses, found.ladders)
        self.account = (
            self.instruments, self.assets, (self.accounts["mode"], self.tiers), self.positions, self.cash,
        )  # fmt: skip
        self._components = n_books + n_assets + 3
        self._room = 0
        self._players = np.zeros(self._components, np.int64)
        self._effects = np.zeros(self._components, np.int64)
        self._values = np.zeros(1 << 12, np.int64)

    def last_safe(self, row: int) -> tuple[int, int]:
        """(look, excess there) at which the account of a liquidation was last safe."""
        found = self._found
        at, first = int(found.breach_look[row, 0]), first_look(found, row)
        look, excess = last_safe(
            at, first, SAFE_BUFFER, found.breach_held[row], changes_of(found, row), *self.prices, *self.account
        )
        return int(look), int(excess)

    def explain(self, at: int, safe: int, held: Integers, changes: NDArray[np.void]) -> tuple[Any, ...]:
        """(ends, effects, slopes, jumps) of the segments."""
        needed = len(changes) + 1
        if needed > self._room:
            self._room = 2 * needed
            self._ends = np.zeros((self._room, 2), np.int64)
            self._jumps = np.zeros((self._room, 4), np.int64)
            self._parts = np.zeros((self._room, self._components), np.int64)
            self._slopes = np.zeros((self._room, self._components))
        n = explain(
            at, safe, held, changes, self._ends, self._jumps, self._parts, self._slopes, self._players, self._effects,
            self._values, *self.prices, *self.account,
        )  # fmt: skip
        made = (self._ends, self._parts, self._slopes, self._jumps)
        return tuple(part[:n].copy() for part in made)


def first_look(found: Records, row: int) -> int:
    """The earliest look that the window of a liquidation may begin at."""
    at = int(found.breach_look[row, 0])
    since = int(found.breaches["tick"][row]) - max(1, int(np.ceil(LOOKBACK_SECONDS / found.tick_seconds - 1e-6)))
    within = int(np.searchsorted(found.looks[: at + 1, LOOK_TICK], since))
    return min(at, max(within, int(found.breach_look[row, 1])))


def changes_of(found: Records, row: int) -> NDArray[np.void]:
    """CHANGE[n] of a liquidation, newest first."""
    low, high = found.kept_from[row : row + 2]
    changes: NDArray[np.void] = found.kept[low:high]
    return changes


def needs_tables(found: Records) -> NDArray[np.bool_]:
    """bool[n]: liquidations of portfolio accounts and of holders of options: their worth needs tables of a world."""
    option = np.flatnonzero(found.instruments["kind"] == OPTION)
    needs = found.modes == PORTFOLIO
    if len(option):
        needs |= (found.breach_held[:, 3 * option] != 0).any(axis=1)
        for row, (low, high) in enumerate(pairwise(found.kept_from.tolist())):
            needs[row] |= bool(np.isin(found.kept["slot"][low:high], option).any())
    return np.asarray(needs)


class Valuer(Protocol):
    """What values accounts at earlier moments: `Scratch`, or `Tables` (tables.py)."""

    def last_safe(self, row: int) -> tuple[int, int]:
        """(look, excess there) at which the account of a liquidation was last safe."""

    def explain(self, at: int, safe: int, held: Integers, changes: NDArray[np.void]) -> tuple[Any, ...]:
        """(ends, effects, slopes, jumps) of the segments between two looks, newest first."""


def window(found: Records, row: int, valuer: Valuer) -> Window:
    """The window of one liquidation."""
    at, held, changes = int(found.breach_look[row, 0]), found.breach_held[row], changes_of(found, row)
    safe, excess = valuer.last_safe(row)
    within = changes[changes["look"] > safe] if len(changes) else np.zeros(0, CHANGE)
    ends, effects, slopes, jumps = valuer.explain(at, safe, held, within)
    return Window(safe=safe, breach=at, excess=excess, ends=ends, effects=effects, slopes=slopes, jumps=jumps)


def exposures(found: Records) -> Array:
    """float64[n, n_assets]: what each account held when its claim opened, USD by underlying asset; debts and shorts are
    negative, options count at their value."""
    n_books, n_assets = len(found.instruments), len(found.assets)
    look = found.breach_look[:, 0]
    price = found.price[found.looks[look, LOOK_TICK]]
    per_quantum = price * (found.assets["multiplier"] / found.assets["divisor"] / USD_QUANTA)
    made = found.breach_held[:, 3 * n_books : 3 * n_books + n_assets] * per_quantum
    lots, marks = found.breach_held[:, : 3 * n_books : 3], found.marks[look]
    base, quote = found.instruments["base"], found.instruments["quote"]
    value = lots * marks * found.instruments["tick_value"].astype(np.float64) * per_quantum[:, quote]
    rows = np.arange(len(made))[:, None]
    np.add.at(made, (rows, np.broadcast_to(base, value.shape)), value)
    return np.asarray(made, np.float64)
