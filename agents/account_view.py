"""One ledger row in human units, to look at and not to change."""

from __future__ import annotations

from collections.abc import Mapping

from agents.units import Units
from market.instruments import USD_QUANTA
from market.kernels.records import SPOT
from market.ledger import Ledger
from market.world import World


class AccountView:
    """What an account owns, is worth and must hold. It reads the world as it stands: keep numbers, not the view.

    Equities and margins are the venue's own assessment (market/kernels/margin.py), in USD.
    """

    __slots__ = ("_assessed", "_ledger", "_units", "_world", "account")

    def __init__(self, world: World, account: int, units: Units) -> None:
        self.account = account
        """Ledger row."""
        self._world, self._units = world, units
        ledger, rows = world.ledger, slice(account, account + 1)
        # A ledger of this one row: the assessment costs the same whatever the size of the population.
        self._ledger = Ledger(
            names=[], accounts=ledger.accounts[rows], cash=ledger.cash[rows], positions=ledger.positions[rows]
        )
        self._assessed: list[int] | None = None

    def _look_again(self) -> None:
        """Forget the assessment kept until now; from here on one is kept until the next call."""
        self._assessed = self._assess()

    def _assess(self) -> list[int]:
        world = self._world
        figures: list[int] = self._ledger.assess(world.instruments, world.assets, world.margin)[0].tolist()
        return figures

    @property
    def _figures(self) -> list[int]:
        return self._assess() if self._assessed is None else self._assessed

    @property
    def name(self) -> str:
        """Name of the account."""
        return self._world.ledger.names[self.account]

    @property
    def role(self) -> str:
        """What kind of agent it belongs to."""
        return self._world.ledger.roles[self.account]

    @property
    def margin_equity_usd(self) -> float:
        """Collateral after haircut and unrealised profit: what decides liquidation."""
        return self._figures[0] / USD_QUANTA

    @property
    def net_equity_usd(self) -> float:
        """Collateral and unrealised profit without haircut: what the account is worth."""
        return self._figures[1] / USD_QUANTA

    @property
    def maintenance_usd(self) -> float:
        """Maintenance margin of the positions."""
        return self._figures[2] / USD_QUANTA

    @property
    def initial_usd(self) -> float:
        """Initial margin of the positions and of what resting orders could make of them."""
        return self._figures[3] / USD_QUANTA

    @property
    def margin_excess_usd(self) -> float:
        """Margin equity less maintenance margin: below zero, keepers may close the account."""
        margin_equity, _, maintenance, _ = self._figures
        return (margin_equity - maintenance) / USD_QUANTA

    @property
    def free_margin_usd(self) -> float:
        """Margin equity less initial margin: what new orders may still use."""
        margin_equity, _, _, initial = self._figures
        return (margin_equity - initial) / USD_QUANTA

    @property
    def claimed(self) -> bool:
        """Whether a keeper may close it now."""
        return bool(self._ledger.accounts[0]["claim"])

    @property
    def balances(self) -> Mapping[str, float]:
        """Units of every asset owned; negative is a debt."""
        cash: list[int] = self._ledger.cash[0].tolist()
        units = zip(self._world.asset_symbols, cash, self._units.quantum, strict=True)
        return {symbol: amount * quantum for symbol, amount, quantum in units if amount}

    @property
    def positions(self) -> Mapping[str, float]:
        """Signed base units of every open position; of spot, nothing: that is a balance."""
        lots: list[int] = self._ledger.positions[0]["lots"].tolist()
        units = zip(self._world.instrument_symbols, lots, self._units.lot_size, strict=True)
        return {symbol: held * size for symbol, held, size in units if held}

    def position(self, instrument: str) -> float:
        """Signed base units of a position; of a spot instrument, the balance of its base asset."""
        book = self._world.instrument(instrument)
        record = self._world.instruments[book]
        if record["kind"] == SPOT:
            base = int(record["base"])
            return int(self._ledger.cash[0, base]) * self._units.quantum[base]
        return int(self._ledger.positions[0, book]["lots"]) * self._units.lot_size[book]
