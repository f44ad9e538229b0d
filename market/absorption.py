"""Reserves that absorb accounts, and the store in which they sell the collateral they took.

Accounts that may be liquidated and hold no positions are absorbed whole, up to the calls that fit into a round; anybody
may ask for it and nobody is paid for it. What was taken is sold first in, first out, asset by asset, in every round.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from market.forced_prices import AbsorbPrice, ForcedPrice
from market.instruments import USD_QUANTA
from market.kernels.absorption import STOCK, absorb_accounts, sell_stock
from market.kernels.records import PPM

if TYPE_CHECKING:
    from market.simulation import Keepers
    from market.world import World


class Reserves:
    """The reserves' stock of collateral in one run."""

    def __init__(self, rule: AbsorbPrice, world: World) -> None:
        self.rule = rule
        self.stock: tuple[deque[np.void], ...] = tuple(deque() for _ in world.asset_symbols)
        """Rows of STOCK by asset, oldest first."""
        self._factors = np.array([round(rule.factor(symbol) * PPM) for symbol in world.asset_symbols], np.int64)
        self._target = round(rule.target_usd * USD_QUANTA)

    def absorb(self, world: World, *, clock: int, round_: int, room: int) -> int:
        """Take over up to `room` accounts whose claims may be served now; return how many."""
        most = world.n_claims * len(world.assets) ** 2
        world.make_room(messages=0, events=most, losses=0)
        stock = np.zeros(most, STOCK)
        taken, n_stock = absorb_accounts(
            world.claims, room, world.tick, round_, clock, world.policy, self._factors, stock, 0, world.events,
            *world.books.arrays, world.ledger.cash, world.assets, world.margin, world.watch.touched,
            world.watch.touched_mark,
        )  # fmt: skip
        for row in stock[:n_stock]:
            self.stock[int(row["asset"])].append(row)
        return int(taken)

    def sell(self, world: World, keepers: Sequence[Keepers], *, clock: int, round_: int) -> int:
        """Sell what keepers buy in this round; return the number of sales."""
        sales = 0
        for waiting in self.stock:
            while waiting and self._sell(world, waiting[0], keepers, clock=clock, round_=round_):
                sales += 1
                if waiting[0]["left"] > 0:
                    break  # the book gives no more
                self._next(waiting)
        return sales

    def _sell(self, world: World, row: np.void, keepers: Sequence[Keepers], *, clock: int, round_: int) -> int:
        """Offer one row to each cohort in turn; return the lots sold."""
        scratch = world.scratch
        world.make_room(messages=1, events=1, losses=0)
        for cohort in keepers:
            if world.n_claims == 0:
                cohort.bid(world, clock=clock)  # they have not looked at this tick yet
            lots = sell_stock(
                row, self.rule.passed_on, self._target, self._factors, cohort.records, world.tick, round_,
                world.policy, scratch["limits"], world.events, world.history.moved, scratch["message"],
                scratch["handle"], world.forced_fills, *world.books.arrays, world.ledger.cash, world.assets,
                world.watch.touched, world.watch.touched_mark,
            )  # fmt: skip
            if lots:
                return int(lots)
        return 0

    @staticmethod
    def _next(waiting: deque[np.void]) -> None:
        """Drop rows that are sold; what a last lot took too much comes off the next one."""
        while waiting and waiting[0]["left"] <= 0:
            beyond = waiting.popleft()["left"]
            if waiting:
                waiting[0]["left"] += beyond


def reserves(price: ForcedPrice, world: World) -> Reserves | None:
    """The reserves of a world whose venue absorbs accounts; None elsewhere."""
    return Reserves(price, world) if isinstance(price, AbsorbPrice) else None
