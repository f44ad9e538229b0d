"""The accounts of every owner, and what the venue moves between them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from market.instruments import USD_QUANTA
from market.kernels.ownership import (
    CURED_COUNT,
    MOVED_COUNT,
    MOVED_VALUE,
    RECOURSE_COUNT,
    RECOURSE_VALUE,
    cure_claims,
    take_recourse,
)
from market.kernels.records import PPM
from market.margin.ownership import SubAccounts

if TYPE_CHECKING:
    from market.world import World


class Ownership:
    """Links between accounts of one owner under a venue's rule for sub-accounts; `tally` counts what moved."""

    def __init__(self, rule: SubAccounts, world: World) -> None:
        self.rule = rule
        self.tally = np.zeros(5, np.int64)
        _, owners = np.unique(world.ledger.accounts["owner"], return_inverse=True)
        self._owners = owners.astype(np.int64)
        self._members = np.argsort(self._owners, kind="stable").astype(np.int64)
        self._first = np.zeros(int(self._owners.max()) + 2, np.int64)
        self._first[1:] = np.cumsum(np.bincount(self._owners))

    def cure(self, world: World) -> int:
        """Automatic transfers into claimed accounts; return how many claims are left."""
        left: int = cure_claims(
            world.claims, round(self.rule.buffer * PPM), self._first, self._members, self._owners, self.tally,
            world.ledger.accounts, world.instruments, world.assets, world.margin, world.ledger.positions,
            world.ledger.cash, world.books.counters, world.watch.touched, world.watch.touched_mark,
        )  # fmt: skip
        return left

    def take_recourse(self, world: World) -> None:
        """Let owners' other accounts pay for claimed accounts worth less than nothing."""
        take_recourse(
            world.claims, round(self.rule.recourse * PPM), self._first, self._members, self._owners, self.tally,
            world.instruments, world.assets, world.ledger.positions, world.ledger.cash, world.books.counters,
            world.watch.touched, world.watch.touched_mark,
        )  # fmt: skip

    def figures(self) -> dict[str, float | int]:
        """What was moved so far; keys end in their unit."""
        return {
            "sub_account_transfer_count": int(self.tally[MOVED_COUNT]),
            "sub_account_transfers_usd": int(self.tally[MOVED_VALUE]) / USD_QUANTA,
            "sub_accounts_cured_count": int(self.tally[CURED_COUNT]),
            "sub_account_recourse_count": int(self.tally[RECOURSE_COUNT]),
            "sub_account_recourse_usd": int(self.tally[RECOURSE_VALUE]) / USD_QUANTA,
        }
