"""The balance sheets of a world at one moment: accounts x assets, accounts x instruments, and the venue between them.

USD at reference prices, positions at the mark; signed: what is owned is positive, what is owed negative. The system is
closed: every column of balances adds up to zero over all accounts, `outside`, which issues the assets, included.
"""

from __future__ import annotations

from dataclasses import dataclass

import networkx as nx
import numpy as np
from scipy import sparse

from experiments.frames import asset_usd, quote_usd
from experiments.network.clearing import Obligations
from experiments.network.inputs import Array, Sparse
from market.errors import InputError
from market.kernels.records import CLEARING, INSURANCE_FUND, OUTSIDE, TREASURY
from market.world import World

VENUE_ROWS = (CLEARING, TREASURY, INSURANCE_FUND)
"""Accounts whose money is the venue's own."""


@dataclass(frozen=True, kw_only=True)
class BalanceSheet:
    """Who owns and owes what, after `tick` ticks. Accounts in the order of the ledger."""

    tick: int
    venue: str
    accounts: tuple[str, ...]
    roles: tuple[str, ...]
    assets: tuple[str, ...]
    instruments: tuple[str, ...]
    balances_usd: Array
    """float64[n, n_assets]: balances; negative ones are debts to the venue."""
    notional_usd: Array
    """float64[n, n_instruments]: signed lots x mark."""
    profit_usd: Array
    """float64[n, n_instruments]: unrealised, less funding that is due; the clearing account owes or is owed the sum."""
    base: tuple[int, ...]
    """Per instrument, the asset it tracks or trades."""

    @property
    def n(self) -> int:
        """Number of accounts."""
        return len(self.accounts)

    @property
    def exposures_usd(self) -> Array:
        """float64[n, n_assets]: USD that a doubling of the asset's price would bring: balances and positions on it."""
        found = self.balances_usd.copy()
        for book, asset in enumerate(self.base):
            found[:, asset] += self.notional_usd[:, book]
        return found

    @property
    def equity_usd(self) -> Array:
        """float64[n]: balances and unrealised profit, no haircuts; adds up to zero over all accounts."""
        found: Array = self.balances_usd.sum(axis=1) + self.profit_usd.sum(axis=1)
        return found

    @property
    def debts_usd(self) -> Array:
        """float64[n]: negative balances and open losses, as positive amounts."""
        owed: Array = -np.minimum(self.balances_usd, 0.0).sum(axis=1) - np.minimum(self.profit_usd, 0.0).sum(axis=1)
        return owed

    @property
    def fund_usd(self) -> float:
        """What the insurance fund has for losses."""
        return float(self.equity_usd[INSURANCE_FUND])

    def claims(self) -> Sparse:
        """csr_array[n + 1, n + 1], USD: claim of the row on the column; the last one is the venue.

        The venue owes every account with positive equity that equity, and has a claim on every account below zero.
        The venue's own accounts and `outside` have none: what they own is the venue's or nobody's here.
        """
        equity = self.equity_usd
        equity[[*VENUE_ROWS, OUTSIDE]] = 0.0
        rows, venue = np.arange(self.n), np.full(self.n, self.n)
        held, owing = equity > 0.0, equity < 0.0
        return sparse.csr_array(
            (
                np.concatenate([equity[held], -equity[owing]]),
                (np.concatenate([rows[held], venue[owing]]), np.concatenate([venue[held], rows[owing]])),
            ),
            shape=(self.n + 1, self.n + 1),
        )

    def obligations(self) -> Obligations:
        """What clearing everything now would mean: customers are owed their equity, the venue holds all assets.

        Accounts below zero have nothing to pay with, so the greatest clearing vector says what the others get when the
        venue's own money (insurance fund, treasury) is spent on the shortfall and the rest is shared by all alike.
        """
        custody = np.zeros(self.n + 1)
        custody[self.n] = max(0.0, -self.equity_usd[OUTSIDE])
        return Obligations(sparse.csr_array(self.claims().T), custody)

    def graph(self, *, least_usd: float = 0.0) -> nx.MultiDiGraph:
        """Accounts, assets, instruments and the venue as a graph; links below `least_usd` are left out.

        Nodes have `kind` (account, asset, instrument, venue), accounts `role` and `equity_usd`. Links have `kind` and
        `usd` >= 0: account `holds` or `owes` an asset; account is `long` or `short` an instrument, with `profit_usd`;
        instrument `tracks` an asset (`usd` is its open interest); holder of a `claim` to its debtor, to or from the
        venue. Names of nodes are "account:alice", "asset:BTC", "instrument:BTC-PERP", "venue:main".
        """
        if not least_usd >= 0.0:
            raise InputError(f"least_usd: {least_usd!r} is not at least 0")
        found = nx.MultiDiGraph(tick=self.tick)
        equity = self.equity_usd
        people = [f"account:{name}" for name in self.accounts]
        for name, role, worth in zip(people, self.roles, equity.tolist(), strict=True):
            found.add_node(name, kind="account", role=role, equity_usd=worth)
        things = [f"asset:{symbol}" for symbol in self.assets]
        books = [f"instrument:{symbol}" for symbol in self.instruments]
        found.add_nodes_from(things, kind="asset")
        found.add_nodes_from(books, kind="instrument")
        venue = f"venue:{self.venue}"
        found.add_node(venue, kind="venue")
        for row, column in zip(*_linked(self.balances_usd, least_usd), strict=True):
            usd = float(self.balances_usd[row, column])
            found.add_edge(people[row], things[column], kind="holds" if usd > 0.0 else "owes", usd=abs(usd))
        for row, column in zip(*_linked(self.notional_usd, least_usd), strict=True):
            usd, profit = float(self.notional_usd[row, column]), float(self.profit_usd[row, column])
            side = "long" if usd > 0.0 else "short"
            found.add_edge(people[row], books[column], kind=side, usd=abs(usd), profit_usd=profit)
        interest = np.maximum(self.notional_usd, 0.0).sum(axis=0).tolist()
        for name, asset, usd in zip(books, self.base, interest, strict=True):
            found.add_edge(name, things[asset], kind="tracks", usd=usd)
        claims = self.claims().tocoo()
        ends = [*people, venue]
        for row, column, usd in zip(claims.row.tolist(), claims.col.tolist(), claims.data.tolist(), strict=True):
            if usd >= least_usd:
                found.add_edge(ends[row], ends[column], kind="claim", usd=usd)
        return found


def _linked(values: Array, least_usd: float) -> tuple[list[int], list[int]]:
    rows, columns = np.nonzero((values != 0.0) & (np.abs(values) >= least_usd))
    return rows.tolist(), columns.tolist()


def balance_sheet(world: World, *, venue: str = "venue") -> BalanceSheet:
    """The balance sheets of the world as it stands; reads it only."""
    ledger, instruments = world.ledger, world.instruments
    n = len(ledger.names)
    positions = ledger.positions[:n]
    lots = positions["lots"]
    value = lots * (instruments["mark"].astype(np.int64) * instruments["tick_value"])
    due = lots * (instruments["funding_index"] - positions["funding_index"])
    per_quote = quote_usd(world)
    profit = (value - positions["cost"] - due) * per_quote
    # Realised profits came out of the clearing account; open ones are still in it.
    profit[CLEARING] -= profit.sum(axis=0)
    return BalanceSheet(
        tick=world.tick,
        venue=venue,
        accounts=tuple(ledger.names),
        roles=tuple(ledger.roles),
        assets=world.asset_symbols,
        instruments=world.instrument_symbols,
        balances_usd=ledger.cash[:n] * asset_usd(world),
        notional_usd=value * per_quote,
        profit_usd=profit,
        base=tuple(instruments["base"].tolist()),
    )
