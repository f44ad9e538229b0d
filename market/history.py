"""What a run leaves behind for the question why an account broke (market/kernels/history.py, moves.py).

Kept in every run: it costs a few microseconds a tick. `experiments/contagion` reads it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from market.kernels.history import AT_LOSSES, AT_ROUND, LOOK_COLUMNS, keep_changes, note_look
from market.kernels.moves import CLOSED_COLUMNS, MOVED
from market.kernels.records import CHANGE, CHANGE_COUNT, LOOK_COUNT, RULES_VERSION

if TYPE_CHECKING:
    from market.options import OptionState
    from market.world import World

Integers = NDArray[np.int64]

REACH_SECONDS = 3_600.0
"""How far before a breach the changes of an account are kept."""
RING_ROWS = 1 << 18
"""Changes of all accounts that are remembered; a breach copies its own before they are overwritten."""


@dataclass(frozen=True, kw_only=True)
class MarginFigures:
    """Haircuts, stress factors and tiers that were in force from some look on."""

    haircut: Integers
    """int64[n_assets], ppm."""
    below: Integers
    """int64[n_assets], ppm: how far below the price balances count."""
    above: Integers
    """Likewise debts."""
    stress: Integers
    """int64[n_instruments], ppm."""
    tiers: NDArray[np.void]


class History:
    """Looks, changes of holdings, and movements of books of one run."""

    def __init__(self, world: World) -> None:
        n_accounts, n_books = world.ledger.positions.shape
        width = 3 * n_books + len(world.assets) + 1
        self.rule = int(world.policy["mark_rule"][0])
        self.looks: Integers = np.zeros((4096, LOOK_COLUMNS + n_books), np.int64)
        self.held: Integers = np.zeros((n_accounts, width), np.int64)
        self.ring = np.zeros(RING_ROWS, CHANGE)
        self.moved: Integers = np.zeros((n_books, MOVED), np.int64)
        self.closed: Integers = np.zeros((4096, n_books, CLOSED_COLUMNS), np.int64)
        """What `close_moves` keeps: row t has the movements of tick t - 1 and the levels that tick t began with."""
        self.breach_held: Integers = np.zeros((2 * n_accounts, width), np.int64)
        self.breach_look: Integers = np.zeros((2 * n_accounts, 2), np.int64)
        """int64[n_breaches, 2]: look of the breach, and the first look at which its account's holdings are known."""
        self.kept = np.zeros(1024, CHANGE)
        self.n_kept = 0
        self.rules: list[MarginFigures] = []
        self.surfaces: list[OptionState] = []
        """Per look, what options were marked with beside prices; empty in a world without options."""
        self._reach = world.ticks(REACH_SECONDS)
        self._breaches = 0
        self._looks_left = 0

    def room_for_tick(self, tick: int) -> None:
        """Make room for the movements of this tick."""
        if tick >= len(self.closed):
            self.closed = grown(self.closed, tick + 1)

    def room_for_look(self, world: World) -> None:
        """Make room for one more look."""
        self._looks_left -= 1
        if self._looks_left <= 0:
            if not self.rules:
                self.note_rules(world)
            used = self.n_looks(world)
            self.looks = grown(self.looks, used + 2)
            self._looks_left = len(self.looks) - used - 1
        if world.options is not None:
            self.surfaces.append(world.options.state(world))

    def room_for_breaches(self, needed: int) -> None:
        """Make room for so many breaches in all."""
        self.breach_held = grown(self.breach_held, needed)
        self.breach_look = grown(self.breach_look, needed)

    def note_rules(self, world: World) -> None:
        """Haircuts, rates or tiers are others from the next look on."""
        self.rules.append(
            MarginFigures(
                haircut=world.assets["haircut"].copy(), below=world.assets["below"].copy(),
                above=world.assets["above"].copy(), stress=world.instruments["stress"].copy(),
                tiers=world.tiers.copy(),
            )
        )  # fmt: skip
        world.books.counters[RULES_VERSION] = len(self.rules) - 1

    def look(self, world: World, *, round_: int, kind: int, everybody: bool = False) -> None:
        """Note marks and changes outside the safe-distance filter, which does so by itself."""
        self.room_for_look(world)
        note_look(
            world.tick, round_, kind, everybody, self.looks, self.held, self.ring, world.watch.touched,
            world.books.counters, world.ledger.accounts, world.instruments, world.ledger.positions, world.ledger.cash,
        )  # fmt: skip

    def after_round(self, world: World, *, round_: int) -> None:
        """The last round of a tick closed something: its marks and changes belong to it, not to the next tick."""
        self.look(world, round_=round_, kind=AT_ROUND)

    def after_losses(self, world: World, *, everybody: bool) -> None:
        """Losses were absorbed."""
        self.look(world, round_=0, kind=AT_LOSSES, everybody=everybody)

    def keep(self, world: World) -> None:
        """Save the past of accounts that have broken since the last call from being overwritten."""
        while True:
            n = keep_changes(
                self._breaches, self._reach, world.breaches, self.breach_held, self.breach_look, self.looks, self.ring,
                self.kept, self.n_kept, world.books.counters,
            )  # fmt: skip
            if n <= len(self.kept):
                break
            self.kept = grown(self.kept, n)
        self.n_kept, self._breaches = n, world.n_breaches

    def n_looks(self, world: World) -> int:
        """Looks so far."""
        return int(world.books.counters[LOOK_COUNT])

    def n_changes(self, world: World) -> int:
        """Changes noticed so far, those that the ring has forgotten too."""
        return int(world.books.counters[CHANGE_COUNT])


def grown(array: NDArray[Any], needed: int) -> NDArray[Any]:
    """The same rows with room for at least `needed`; where there is less, for twice as many as before."""
    if needed <= len(array):
        return array
    larger = np.zeros((max(needed, 2 * len(array)), *array.shape[1:]), array.dtype)
    larger[: len(array)] = array
    return larger
