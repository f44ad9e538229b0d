"""Accounts that hold options or are under portfolio margin: valued with the tables of their world at earlier moments.

Slower than `Scratch`: every set of prices is put into the world's own tables of marks and scenarios. Whoever is done
brings those back to the present with `World.revalue`.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.contagion.records import Integers, Records
from experiments.contagion.windows import SAFE_BUFFER, Scratch, changes_of, first_look
from market.kernels.attribution import ROUNDING, excesses, hold, put, put_all, shapley, undo
from market.kernels.history import AT_TRADING, LOOK_COLUMNS, LOOK_KIND, LOOK_RULES, LOOK_TICK
from market.kernels.margin import maintenance_excess
from market.kernels.records import ACCOUNT, OPTION, POSITION
from market.world import World

MOST_TOGETHER = 6
"""Components whose every combination is valued; beyond it the smallest are taken together and shared out by size."""


class Tables:
    """As `Scratch` for some liquidations: finds the last safe look of each at once, and splits the loss since."""

    def __init__(self, found: Records, world: World, rows: Integers) -> None:
        self._found, self._world = found, world
        self._there = Scratch(found)
        self._n_books, self._n_assets = len(found.instruments), len(found.assets)
        self._options = self._n_books + self._n_assets + 2
        """Number of the component that options are marked with."""
        there = self._there
        self._margin = (there.accounts["mode"], there.tiers, *(world.risk.tables if world.risk is not None else ()))
        self._holdings = (there.positions, there.cash)
        self._is_option = found.instruments["kind"] == OPTION
        self._safe = self._all_last_safe(rows) if len(rows) else {}

    def last_safe(self, row: int) -> tuple[int, int]:
        """(look, excess there) of one of them, whose margin mode holds from now on."""
        self._there.accounts["mode"] = self._found.modes[row]
        return self._safe[row]

    def _all_last_safe(self, rows: Integers) -> dict[int, tuple[int, int]]:
        """Look by look from the last one back, so that each set of prices is put into the tables once."""
        found, there = self._found, self._there
        n = len(rows)
        positions, cash = np.zeros((n, self._n_books), POSITION), np.zeros((n, self._n_assets), np.int64)
        accounts = np.zeros(n, ACCOUNT)
        accounts["mode"] = found.modes[rows]
        margin = (accounts["mode"], *self._margin[1:])
        for place, row in enumerate(rows.tolist()):
            hold(place, found.breach_held[row], positions, cash)
        begins = found.breach_look[rows, 0]
        firsts = np.array([first_look(found, row) for row in rows.tolist()])
        changes, next_change = [changes_of(found, row) for row in rows.tolist()], np.zeros(n, np.int64)
        best, most = begins.copy(), np.full(n, -(1 << 62))
        open_ = np.ones(n, np.bool_)
        for look in range(int(begins.max()), int(firsts.min()) - 1, -1):
            active = np.flatnonzero(open_ & (begins >= look) & (firsts <= look))
            if not len(active):
                continue
            self._put_all(look)
            value = np.zeros((len(active), 2), np.int64)
            excesses(active, there.instruments, there.assets, margin, positions, cash, value)
            better = value[:, 0] > most[active]
            safe = value[:, 0] >= SAFE_BUFFER * value[:, 1]
            taken = active[better | safe]
            best[taken], most[taken] = look, value[better | safe, 0]
            open_[active[safe]] = False
            for place in active[~safe].tolist():
                mine, at = changes[place], int(next_change[place])
                while at < len(mine) and mine["look"][at] == look:
                    undo(place, mine[at], positions, cash)
                    at += 1
                next_change[place] = at
        return {row: (int(best[at]), int(most[at])) for at, row in enumerate(rows.tolist())}

    def explain(self, at: int, safe: int, held: Integers, changes: NDArray[np.void]) -> tuple[Any, ...]:
        """(ends, effects, slopes, jumps) of the segments, newest first, as `explain` of the kernels."""
        hold(0, held, *self._holdings)
        looks = self._found.looks
        ends, effects, slopes, jumps = [], [], [], []
        end, place = at, 0
        while True:
            last = place >= len(changes)
            changed = -1 if last else int(changes["look"][place])
            start = safe if last else (changed if looks[changed, LOOK_KIND] == AT_TRADING else changed - 1)
            effect, slope = self._segment(start, end)
            ends.append((start, end))
            effects.append(effect)
            slopes.append(slope)
            jump = [-1, 0, 0, 0]
            if not last:
                jump, place = self._jump(start, changed, changes, place)
            jumps.append(jump)
            if last:
                return np.array(ends), np.array(effects), np.array(slopes), np.array(jumps)
            end = start

    def _jump(self, start: int, changed: int, changes: NDArray[np.void], place: int) -> tuple[list[int], int]:
        self._put_all(start)
        after, jump = self._value(), [changed, 0, 0, 0]
        while place < len(changes) and changes["look"][place] == changed:
            jump[2] |= int(undo(0, changes[place], *self._holdings))
            jump[3] += 1
            place += 1
        self._put_all(start)
        jump[1] = after - self._value()
        return jump, place

    def _value(self) -> int:
        there = self._there
        return int(maintenance_excess(0, there.instruments, there.assets, self._margin, *self._holdings))

    def _put_all(self, look: int) -> None:
        there = self._there
        put_all(look, *there.prices, there.instruments, there.assets, there.tiers)
        self._revalue(look)

    def _revalue(self, options_at: int) -> None:
        """Bring options and scenarios to the prices that are in place."""
        world, there = self._world, self._there
        if world.options is not None:
            world.options.mark_at(world.history.surfaces[options_at], there.instruments, there.assets)
        if world.risk is not None:
            world.risk.refresh(there.instruments, there.assets)

    def _mixed(self, start: int, end: int, moved: set[int]) -> int:
        """Excess with some components as at `end` and the rest as at `start`."""
        there = self._there
        put_all(start, *there.prices, there.instruments, there.assets, there.tiers)
        for component in moved:
            put(component, end, *there.prices, there.instruments, there.assets, there.tiers)
        self._revalue(end if self._options in moved else start)
        return self._value()

    def _players(self, start: int, end: int) -> list[int]:
        """Components that differ: marks of linear instruments, prices, funding, rules, what options are marked with."""
        found, looks = self._found, self._found.looks
        one, other = int(looks[start, LOOK_TICK]), int(looks[end, LOOK_TICK])
        marks = looks[start, LOOK_COLUMNS:] != looks[end, LOOK_COLUMNS:]
        players = np.flatnonzero(marks & ~self._is_option).tolist()
        players += (self._n_books + np.flatnonzero(found.price[one] != found.price[other])).tolist()
        if (found.funding[one] != found.funding[other]).any():
            players.append(self._n_books + self._n_assets)
        if looks[start, LOOK_RULES] != looks[end, LOOK_RULES]:
            players.append(self._n_books + self._n_assets + 1)
        if self._is_option.any() and start != end:
            players.append(self._options)
        return players

    def _segment(self, start: int, end: int) -> tuple[Integers, NDArray[np.float64]]:
        effects, slopes = np.zeros(self._options + 1, np.int64), np.zeros(self._options + 1)
        if start == end:
            return effects, slopes
        base, last = self._mixed(start, end, set()), self._mixed(start, end, set(self._players(start, end)))
        single = {player: self._mixed(start, end, {player}) - base for player in self._players(start, end)}
        single = {player: effect for player, effect in single.items() if effect}
        for player, effect in split(single, last - base, lambda moved: self._mixed(start, end, moved) - base).items():
            effects[player] = effect
        looks, price = self._found.looks, self._found.price
        for player in single:
            if player < self._n_books:
                move = int(looks[end, LOOK_COLUMNS + player] - looks[start, LOOK_COLUMNS + player])
            elif player < self._n_books + self._n_assets:
                asset = player - self._n_books
                move = int(price[looks[end, LOOK_TICK], asset] - price[looks[start, LOOK_TICK], asset])
            else:
                continue
            slopes[player] = effects[player] / move
        return effects, slopes


def split(single: dict[int, int], total: int, value: Callable[[set[int]], int]) -> dict[int, int]:
    """Shapley values of components: `single` effects (none zero), the effect of all, and that of any set.

    Where single effects add up they are it. Of more than `MOST_TOGETHER` components, the smallest are one player and
    share its value by the size of their single effects.
    """
    if not single:
        return {}
    players = sorted(single, key=lambda player: (-abs(single[player]), player))
    if abs(total - sum(single.values())) <= ROUNDING * (len(players) + 1):
        return {**single, players[0]: single[players[0]] + total - sum(single.values())}
    groups = [{player} for player in players[: MOST_TOGETHER - 1]]
    if rest := set(players[MOST_TOGETHER - 1 :]):
        groups.append(rest)
    values = np.zeros(1 << len(groups), np.int64)
    for number, mask in enumerate(product((False, True), repeat=len(groups))):
        # The first group is the highest bit of the number.
        chosen = [group for group, taken in zip(groups, mask, strict=True) if taken]
        values[number] = value(set().union(*chosen)) if chosen else 0
    values[-1] = total
    effects = np.zeros(len(groups), np.int64)
    shapley(values, len(groups), effects)
    made: dict[int, int] = {}
    for group, effect in zip(groups, effects[::-1].tolist(), strict=True):
        made.update(_shared(group, effect, single))
    return made


def _shared(group: set[int], effect: int, single: dict[int, int]) -> dict[int, int]:
    """`effect` shared out by the size of single effects; the rest of the rounding goes to the largest."""
    members = sorted(group, key=lambda player: (-abs(single[player]), player))
    total = sum(abs(single[player]) for player in members)
    parts = {player: effect * abs(single[player]) // total for player in members}
    parts[members[0]] += effect - sum(parts.values())
    return parts
