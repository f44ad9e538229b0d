"""Who owns what: columns over accounts, in integers.

The first rows belong to the venue and the outside world (`SYSTEM_NAMES`). Everything customers own came from the
`outside` account, so per asset the sum of all balances is zero at the start and must stay so.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from market.kernels.ledger import settle_trade, transfer
from market.kernels.margin import assess_all
from market.kernels.records import (
    ACCOUNT,
    ADL_ELIGIBLE,
    BACKGROUND,
    CLEARING,
    CROWD,
    CROWD_ACCOUNT,
    LIQUIDATABLE,
    LIQUIDITY,
    NONE,
    OUTSIDE,
    POSITION,
    REST_OF_MARKET,
    SYSTEM,
    SYSTEM_ACCOUNTS,
    SYSTEM_NAMES,
)

MarginTables = tuple[Any, ...]
"""(modes int32[n_accounts], tiers TIER[n]) and, with portfolio margin, the tables of market/kernels/portfolio.py."""

LIQUIDITY_ROLES = ("market_maker", "arbitrageur", "dealer")
"""Whose orders make markets, or hold them to the outside world's."""


@dataclass(kw_only=True)
class Ledger:
    """Accounts x assets and accounts x instruments.

    `accounts` ACCOUNT[n], `cash` int64[n, n_assets] quanta, `positions` POSITION[n, n_instruments].
    """

    names: list[str]
    accounts: NDArray[np.void]
    cash: NDArray[np.int64]
    positions: NDArray[np.void]
    roles: list[str] = field(default_factory=list)

    @classmethod
    def with_room(cls, *, n_accounts: int, n_assets: int, n_instruments: int) -> Ledger:
        """A ledger with the system accounts in place and room for `n_accounts` customers, to be named by `open`."""
        total = SYSTEM_ACCOUNTS + n_accounts
        ledger = cls(
            names=list(SYSTEM_NAMES),
            roles=["system"] * SYSTEM_ACCOUNTS,
            accounts=np.zeros(total, ACCOUNT),
            cash=np.zeros((total, n_assets), np.int64),
            positions=np.zeros((total, n_instruments), POSITION),
        )
        ledger.accounts["first_order"] = NONE
        ledger.accounts["only_instrument"] = NONE
        ledger.accounts["owner"] = np.arange(total)
        ledger.accounts["flags"][:SYSTEM_ACCOUNTS] = SYSTEM
        ledger.accounts["flags"][REST_OF_MARKET] |= ADL_ELIGIBLE
        ledger.accounts["flags"][CROWD_ACCOUNT] |= ADL_ELIGIBLE | CROWD
        ledger.accounts["flow"][CROWD_ACCOUNT] = BACKGROUND
        return ledger

    def open(self, name: str, *, role: str, owner: int | None = None, flags: int = LIQUIDATABLE | ADL_ELIGIBLE) -> int:
        """Name the next free row and return it; `owner` is the row of the owner's first account."""
        row = len(self.names)
        self.names.append(name)
        self.roles.append(role)
        self.accounts[row]["flags"] = flags
        self.accounts[row]["owner"] = row if owner is None else owner
        if role in LIQUIDITY_ROLES:
            self.accounts[row]["flow"] = LIQUIDITY
        return row

    def deposit(self, account: int, asset: int, amount: int) -> None:
        """Bring `amount` quanta in from the outside world."""
        transfer(self.cash, asset, OUTSIDE, account, amount)

    def open_position(
        self, account: int, book: int, lots: int, price: int, instruments: NDArray[np.void], *, against: int = OUTSIDE
    ) -> None:
        """Give the account signed `lots` entered at `price` ticks; `against` takes the other side."""
        value = abs(lots) * price * int(instruments[book]["tick_value"])
        buyer, seller = (account, against) if lots > 0 else (against, account)
        settle_trade(book, buyer, seller, abs(lots), value, instruments, self.positions, self.cash)

    def conservation_error(self) -> int:
        """Sum over assets of |sum of balances|, in quanta, plus how far positions and clearing are from balance.

        Zero, or money or positions were made from nothing.
        """
        error = int(np.abs(self.cash.sum(axis=0)).sum())
        return error + int(np.abs(self.positions["lots"].sum(axis=0)).sum())

    def clearing_error(self, instruments: NDArray[np.void]) -> int:
        """Sum over assets of |clearing balance + cost of all positions - funding accrued but unpaid|, in quanta."""
        lots, cost = self.positions["lots"], self.positions["cost"]
        unpaid = (lots * (instruments["funding_index"][None, :] - self.positions["funding_index"])).sum(axis=0)
        per_book = cost.sum(axis=0) + unpaid
        expected = np.zeros(self.cash.shape[1], np.int64)
        np.add.at(expected, instruments["quote"], per_book)
        return int(np.abs(self.cash[CLEARING] + expected).sum())

    def assess(
        self, instruments: NDArray[np.void], assets: NDArray[np.void], margin: MarginTables
    ) -> NDArray[np.int64]:
        """int64[n, 4]: margin equity, net equity, maintenance and initial margin of every account, USD quanta."""
        out = np.zeros((len(self.accounts), 4), np.int64)
        own = (self.accounts["mode"], *margin[1:])
        assess_all(self.accounts, instruments, assets, own, self.positions, self.cash, out)
        return out
