"""The members of a `CascadeModel`: Mesa agents for the few who shape a market, light views for the many traders."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, overload

import mesa
import numpy as np

from agents.account_view import AccountView
from agents.arbitrageur import Hedgers
from agents.market_maker import Makers
from agents.oracle import OracleCohort
from agents.strategy import Strategy
from agents.units import Units
from market.world import World

if TYPE_CHECKING:
    from experiments.build import Built
    from experiments.model import CascadeModel


class _Numbers:
    """Consecutive numbers for the agents of each model, kept by the model.

    Mesa 3.3 keeps them in a table of its class Agent whose keys are the models, which holds every model of a process in
    memory for ever; Mesa 3.5 numbers agents by itself.
    """

    def __getitem__(self, model: CascadeModel) -> Iterator[int]:
        return model.agent_numbers


class Member(mesa.Agent):  # type: ignore[misc]
    """Somebody in the market. Members decide together, inside the model's step; their own `step` does nothing."""

    _ids = _Numbers()

    def __init__(self, model: CascadeModel, name: str) -> None:
        super().__init__(model)
        self.name = name
        """Name of its account; of an oracle, the asset."""


class AccountMember(Member):
    """A member with an account; `account` has its equity, margin and positions in human units."""

    def __init__(self, model: CascadeModel, account: AccountView) -> None:
        super().__init__(model, account.name)
        self.account = account


class MarketMakerAgent(AccountMember):
    """A market maker of one book."""

    def __init__(self, model: CascadeModel, account: AccountView, record: np.void, instrument: str) -> None:
        super().__init__(model, account)
        self._record = record
        self.instrument = instrument

    @property
    def size_share(self) -> float:
        """Share of its full size that it last quoted; 0 while it is away."""
        return float(self._record["size_factor"])

    @property
    def away(self) -> bool:
        """Whether it has left its book."""
        return self.size_share == 0.0


class ArbitrageurAgent(AccountMember):
    """An arbitrageur of one book."""

    def __init__(self, model: CascadeModel, account: AccountView, instrument: str) -> None:
        super().__init__(model, account)
        self.instrument = instrument


class KeeperAgent(AccountMember):
    """A keeper."""

    def __init__(self, model: CascadeModel, account: AccountView, record: np.void) -> None:
        super().__init__(model, account)
        self._record = record
        self.latency_seconds = int(record["latency"]) * model.world.tick_seconds

    @property
    def calls(self) -> int:
        """Liquidation calls it has made in the last tick in which there were claims."""
        return int(self._record["used"])

    @property
    def online(self) -> bool:
        """Whether it was online then."""
        return bool(self._record["online"])


class OracleAgent(Member):
    """The oracle's feed of one asset."""

    def __init__(self, model: CascadeModel, asset: str) -> None:
        super().__init__(model, asset)
        self._record = model.world.assets[model.world.asset(asset)]

    @property
    def price_usd(self) -> float:
        """What it has published."""
        return float(self._record["price"] * self._record["price_tick"])

    @property
    def error_bps(self) -> float:
        """How far that is above the reference price now."""
        return (float(self._record["price"]) / float(self._record["reference"]) - 1.0) * 1e4


class StrategyAgent(AccountMember):
    """A trader written in plain Python."""

    def __init__(self, model: CascadeModel, account: AccountView, strategy: Strategy) -> None:
        super().__init__(model, account)
        self.strategy = strategy


class Traders(Sequence[AccountView]):
    """The accounts of all traders, wallets of isolated positions included, by number or name."""

    def __init__(self, world: World, units: Units) -> None:
        self._world, self._units = world, units
        names, roles = world.ledger.names, world.ledger.roles
        self._rows = [row for row, role in enumerate(roles) if role in ("trader", "wallet")]
        self._by_name = {names[row]: row for row in self._rows}
        self._touched: dict[int, AccountView] = {}

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, which: int | str) -> AccountView: ...

    @overload
    def __getitem__(self, which: slice) -> list[AccountView]: ...

    def __getitem__(self, which: int | str | slice) -> AccountView | list[AccountView]:
        """The view of one account, made when it is first asked for. KeyError for an unknown name."""
        if isinstance(which, slice):
            return [self[number] for number in range(*which.indices(len(self)))]
        row = self._by_name[which] if isinstance(which, str) else self._rows[which]
        if row not in self._touched:
            self._touched[row] = AccountView(self._world, row, self._units)
        return self._touched[row]


def register_members(model: CascadeModel, built: Built, units: Units) -> None:
    """Make the Mesa agents of a world."""
    world, cast = built.world, built.cast

    def account(row: Any) -> AccountView:
        return AccountView(world, int(row), units)

    for cohort in cast.cohorts:
        if isinstance(cohort, Makers):
            for record in cohort.records:
                symbol = world.instrument_symbols[int(record["book"])]
                MarketMakerAgent(model, account(record["account"]), record, symbol)
        elif isinstance(cohort, Hedgers):
            for record in cohort.records:
                symbol = world.instrument_symbols[int(record["book"])]
                ArbitrageurAgent(model, account(record["account"]), symbol)
    for keepers in cast.keepers:
        for record in keepers.records:
            KeeperAgent(model, account(record["account"]), record)
    for oracle in cast.oracles:
        if isinstance(oracle, OracleCohort):
            for feed in oracle.feeds:
                OracleAgent(model, world.asset_symbols[int(feed["asset"])])
    for member in built.strategies.members:
        StrategyAgent(model, account(member.account), member.strategy)
