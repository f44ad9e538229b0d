"""Claims: assets whose value is what stands behind them somewhere else.

A *rate* is what one unit is worth now, in units of the underlying. A *nominal rate* is what the claim's own contract
says, which knows of no discount, no freeze and no loss that has not been written down: what an oracle adapter reads
that looks at the contract instead of the market (agents/claim_oracle.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from market.bridges import move
from market.errors import InputError
from market.instruments import USD_QUANTA
from market.kernels.margin import net_equity_of
from market.kernels.records import DEFICIT, NONE, OUTSIDE, SYSTEM_ACCOUNTS
from market.parameters import Positive, Ratio, Share, parameters

if TYPE_CHECKING:
    from market.system import System

SECONDS_PER_YEAR = 365.0 * 86_400.0


@parameters
class StakedToken:
    """A claim on what is staked outside: it can be sold at any time and redeemed only slowly, not within a run."""

    kind: Literal["staked"] = "staked"
    """Tells the kinds of claims apart."""
    underlying: str
    """Asset it is a claim on."""
    exchange_rate: Positive = 1.0
    """Units of the underlying behind one unit, at the start."""
    yield_per_year: Ratio = 0.0
    """Growth of that rate per year."""
    venue = ""


@parameters
class DepositReceipt:
    """A deposit on a lending market as an asset elsewhere: it earns its interest and bears its losses (aTokens)."""

    kind: Literal["receipt"] = "receipt"
    """Tells the kinds of claims apart."""
    underlying: str
    """Asset that is deposited."""
    venue: str
    """Venue that holds the deposit; it is redeemed there while liquidity lasts."""
    impairment: Share = 1.0
    """Part of the bad debt not yet written down, insolvent accounts not yet closed included, that holders reckon with,
    pro rata of deposits."""


@parameters
class VaultShare:
    """A share in an account of another venue: a market-making or backstop vault."""

    kind: Literal["vault"] = "vault"
    """Tells the kinds of claims apart."""
    underlying: str
    """Settlement asset that the share is reckoned in; a share is one unit of it at the start."""
    venue: str
    """Venue on which the account is."""
    account: str
    """Name of the account whose net equity the shares follow."""


Claim = Annotated[StakedToken | DepositReceipt | VaultShare, Field(discriminator="kind")]


class Claims:
    """The claims of a system as they stand."""

    def __init__(self, rules: Mapping[str, Claim], *, symbols: Sequence[str]) -> None:
        self.rules = {symbols.index(symbol): rule for symbol, rule in rules.items()}
        self.symbols = tuple(symbols)
        self.nominal = np.ones(len(symbols))
        """float64[n_assets]: rates that the contracts state."""
        self.frozen: set[int] = set()
        """Assets that cannot be redeemed now."""
        self._backing = dict.fromkeys(self.rules, NONE)
        self._equity_before = dict.fromkeys(self.rules, 0.0)
        self._seen: dict[str, tuple[int, NDArray[np.float64] | None]] = {}
        for asset, rule in self.rules.items():
            self.nominal[asset] = rule.exchange_rate if isinstance(rule, StakedToken) else 1.0

    def accounts_needed(self, venue: str) -> int:
        """One on the venue for each deposit that stands behind receipts."""
        return sum(isinstance(rule, DepositReceipt) and rule.venue == venue for rule in self.rules.values())

    def back(self, system: System) -> None:
        """Put deposits behind the receipts that are out and note what vaults are worth; once, when everybody owns."""
        supply = system.supply()
        for asset, rule in self.rules.items():
            if isinstance(rule, DepositReceipt):
                ledger = system.world(rule.venue).ledger
                row = self._backing[asset] = ledger.open(f"receipts-{self.symbols[asset]}", role="receipts", flags=0)
                ledger.deposit(
                    row, self.symbols.index(rule.underlying), self._in_underlying(system, asset, supply[asset])
                )
            elif isinstance(rule, VaultShare):
                self._equity_before[asset] = self._equity(system, asset, rule)
                if self._equity_before[asset] <= 0.0:
                    raise InputError(
                        f"claims.{self.symbols[asset]}.account: {rule.account} on {rule.venue} owns nothing"
                    )

    def rates(self, system: System) -> NDArray[np.float64]:
        """float64[n_assets]: units of the underlying that a unit of each claim is worth; 1 for what is no claim."""
        rates = np.ones(len(self.symbols))
        for asset, rule in self.rules.items():
            if isinstance(rule, StakedToken):
                growth = 1.0 + rule.yield_per_year * system.seconds / SECONDS_PER_YEAR
                rates[asset] = self.nominal[asset] = rule.exchange_rate * growth
            elif isinstance(rule, DepositReceipt):
                rates[asset] = self._receipt_rate(system, asset, rule)
            else:
                rates[asset] = self.nominal[asset] = self._vault_value(system, asset, rule)
        return rates

    def redeem(self, system: System, *, venue: str, account: int, asset: int, amount: int, payee: int) -> int:
        """Burn up to `amount` quanta of a receipt on `venue`; `payee`, on the venue of the deposit, gets the deposit.

        Returns the quanta burnt: less when the deposit's venue has not the liquidity, none when it is frozen.
        """
        rule = self.rules[asset]
        underlying = self.symbols.index(rule.underlying)
        if not isinstance(rule, DepositReceipt) or asset in self.frozen or underlying in self.frozen or amount <= 0:
            return 0
        home, backing = system.world(rule.venue), self._backing[asset]
        supply = int(system.supply()[asset])
        behind = int(home.ledger.cash[backing, underlying])
        liquid = max(0, -int(home.ledger.cash[OUTSIDE, underlying]))
        # What is burnt gets its part of the deposit, rounded down: the holders who stay never lose by it.
        paid = min(behind * amount // max(supply, 1), liquid)
        burnt = amount if paid == behind * amount // max(supply, 1) else -(-paid * supply // max(behind, 1))
        burnt = min(burnt, amount)
        move(system.world(venue), asset, account, OUTSIDE, burnt)
        move(home, underlying, backing, payee, paid)
        return burnt

    def _receipt_rate(self, system: System, asset: int, rule: DepositReceipt) -> float:
        """What the deposit behind the receipts makes of each, less the venue's losses that are not written down."""
        ledger = system.world(rule.venue).ledger
        underlying = self.symbols.index(rule.underlying)
        row = self._backing[asset]
        if row == NONE:
            return 1.0
        supply = _units(system, asset, int(system.supply()[asset]))
        behind = _units(system, underlying, int(ledger.cash[row, underlying]))
        index = behind / supply if supply > 0.0 else self.nominal[asset]
        self.nominal[asset] = max(self.nominal[asset], index)
        customers = ledger.cash[SYSTEM_ACCOUNTS:, underlying]
        deposits = int(customers[customers > 0].sum())
        deficit = -int(min(ledger.cash[DEFICIT, underlying], 0)) + self._uncovered(system, rule.venue)[underlying]
        impaired = 1.0 - rule.impairment * min(1.0, deficit / deposits) if deposits else 1.0
        return max(index * impaired, 1e-9)

    def _uncovered(self, system: System, venue: str) -> NDArray[np.float64]:
        """float64[n_assets]: quanta of debts that accounts worth less than nothing will not pay, pro rata of theirs."""
        if self._seen.get(venue, (NONE, None))[0] != system.tick:
            world = system.world(venue)
            net = world.ledger.assess(world.instruments, world.assets, world.margin)[SYSTEM_ACCOUNTS:, 1]
            short = np.flatnonzero(net < 0)
            debts = np.maximum(-world.ledger.cash[SYSTEM_ACCOUNTS + short], 0).astype(np.float64)
            usd = debts * world.assets["price"] * world.assets["multiplier"] / world.assets["divisor"]
            lost = np.minimum(1.0, -net[short] / np.maximum(usd.sum(axis=1), 1.0))
            self._seen[venue] = system.tick, (debts * lost[:, None]).sum(axis=0)
        found = self._seen[venue][1]
        return found if found is not None else np.zeros(len(self.symbols))

    def _vault_value(self, system: System, asset: int, rule: VaultShare) -> float:
        """Net equity of the account as a multiple of what it was at the start."""
        before = self._equity_before[asset]
        return max(self._equity(system, asset, rule) / before, 1e-9) if before > 0.0 else 1.0

    def _equity(self, system: System, asset: int, rule: VaultShare) -> float:
        """Net equity of the vault in USD."""
        world = system.world(rule.venue)
        if rule.account not in world.ledger.names:
            raise InputError(f"claims.{self.symbols[asset]}.account: no account {rule.account!r} on {rule.venue}")
        row, ledger = world.ledger.names.index(rule.account), world.ledger
        return float(net_equity_of(row, world.instruments, world.assets, ledger.positions, ledger.cash)) / USD_QUANTA

    def _in_underlying(self, system: System, asset: int, amount: int) -> int:
        """Quanta of the underlying that as many units make."""
        other = self.symbols.index(self.rules[asset].underlying)
        world = next(iter(system.members.values())).world
        return round(_units(system, asset, int(amount)) / float(world.assets[other]["quantum"]))


def _units(system: System, asset: int, amount: int) -> float:
    world = next(iter(system.members.values())).world
    return amount * float(world.assets[asset]["quantum"])
