"""A recorded book of accounts instead of a generated population: balances and positions as they are.

Nothing is known about how these people behave, so they hold; the rest of the market takes what their positions do not
cancel out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from agents.population import Floats, Integers, deposit, take_positions
from market.errors import InputError
from market.instruments import LARGEST_MONEY, Asset, Instrument
from market.kernels.records import OPTION
from market.world import Inbox, World


@dataclass(frozen=True, kw_only=True)
class RecordedAccounts:
    """Accounts by number, symbols already translated: what `experiments.accounts.read_accounts` returns."""

    names: tuple[str, ...]
    modes: Integers
    """int64[number of accounts]: CROSS where the file says nothing, else CHOSEN_CROSS or PORTFOLIO"""
    balance_accounts: Integers
    """int64[number of balances]: account, counted from 0"""
    balance_assets: Integers
    """row of the asset in the scenario"""
    balance_quanta: Integers
    """quanta of the asset; negative is a debt"""
    position_accounts: Integers
    """int64[number of positions]: account, counted from 0"""
    position_books: Integers
    """row of the instrument in the scenario"""
    position_lots: Integers
    """signed"""
    entry_prices: Floats
    """quote units; NaN: entered at the starting mark"""
    notes: tuple[str, ...] = ()
    """What reading the file changed or left out, one line each."""

    def accounts_needed(self, *, instruments: Mapping[str, Instrument]) -> int:
        """One for each account of the file."""
        del instruments
        return len(self.names)

    def join(self, world: World, *, assets: Mapping[str, Asset], instruments: Mapping[str, Instrument]) -> Holders:
        """Open all accounts, fund them and give them their positions.

        InputError when a position's value does not fit into 64 bits.
        """
        del assets, instruments
        first = len(world.ledger.names)
        owners: dict[str, int] = {}
        for name in self.names:
            owner = name.partition("/")[0]
            owners.setdefault(owner, world.ledger.open(name, role="trader", owner=owners.get(owner)))
        world.ledger.accounts["mode"][first : first + len(self.names)] = self.modes
        deposit(
            world,
            accounts=first + self.balance_accounts,
            assets=self.balance_assets,
            amounts=self.balance_quanta,
        )
        records = world.instruments[self.position_books]
        ticks = np.rint(self.entry_prices / records["tick_size"])
        ticks = np.where(np.isnan(ticks), records["mark"], np.maximum(ticks, 1.0))
        # Balances are those of now: premiums have been paid.
        ticks[records["kind"] == OPTION] = 0.0
        too_large = np.flatnonzero(np.abs(self.position_lots) * ticks * records["tick_value"] > LARGEST_MONEY)
        if len(too_large):
            account = self.names[self.position_accounts[too_large[0]]]
            symbol = world.instrument_symbols[self.position_books[too_large[0]]]
            raise InputError(f"account {account}: quantity x entry price of {symbol} does not fit into 64 bits")
        take_positions(
            world,
            accounts=first + self.position_accounts,
            books=self.position_books,
            lots=self.position_lots,
            prices=ticks.astype(np.int64),
        )
        return Holders()


class Holders:
    """Accounts that never send an order."""

    most_messages = 0

    def decide(self, world: World, inbox: Inbox) -> None:
        """Nothing."""
