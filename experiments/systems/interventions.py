"""Shocks of a scenario that act on the running system: exploits and freezes of lending markets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from experiments.systems.scenario import SystemScenario
from experiments.toml_tree import suggest
from market.claims import Claims, DepositReceipt
from market.errors import InputError
from market.lending import LendingMarket
from market.shocks import Exploit, Freeze, Intervention
from market.system import System
from market.world import World


@dataclass
class Attack:
    """An exploit as it happens; `taken` has what was borrowed, quanta by row of the asset."""

    shock: Exploit
    world: World
    lending: LendingMarket
    account: int
    done: bool = False
    taken: dict[int, int] = field(default_factory=dict)

    def act(self, system: System) -> None:
        """Mint, post, borrow; once. Minted units come from the outside world, like all that is issued."""
        if self.done or system.seconds < self.shock.at_seconds:
            return
        self.done = True
        world, asset = self.world, self.world.asset(self.shock.asset)
        minted = round(self.shock.units / float(world.assets[asset]["quantum"]))
        self.lending.deposit(self.account, asset, minted)
        for symbol in self.shock.borrow:
            wanted = world.asset(symbol)
            self.taken[wanted] = self.lending.borrow(self.account, wanted, self.lending.liquidity(wanted))


@dataclass
class Freezing:
    """A freeze as it comes and goes; receipts for what is frozen cannot be redeemed meanwhile."""

    shock: Freeze
    asset: int
    lending: LendingMarket
    receipts: tuple[int, ...]

    def act(self, system: System) -> None:
        """Freeze or free, at the start of the tick in which it begins or ends."""
        now = self.shock.start_seconds <= system.seconds < self.shock.end_seconds
        self.lending.frozen[self.asset] = now
        for row in (self.asset, *self.receipts):
            (system.claims.frozen.add if now else system.claims.frozen.discard)(row)


def interventions(scenario: SystemScenario, worlds: Mapping[str, World], claims: Claims) -> Sequence[Intervention]:
    """Those of the scenario, in its order. Raises InputError for a venue that lends nothing."""
    made: list[Intervention] = []
    for name, shock in scenario.shocks.items():
        if isinstance(shock, Exploit | Freeze):
            world = worlds[shock.venue]
            if world.lending is None:
                raise InputError(f'shocks.{name}.venue: {shock.venue} lends nothing; venue.lending.kind = "pool"')
            if isinstance(shock, Exploit):
                made.append(_attack(name, shock, world, world.lending))
            else:
                receipts = tuple(
                    row
                    for row, rule in claims.rules.items()
                    if isinstance(rule, DepositReceipt) and (rule.venue, rule.underlying) == (shock.venue, shock.asset)
                )
                made.append(Freezing(shock, world.asset(shock.asset), world.lending, receipts))
    return made


def _attack(name: str, shock: Exploit, world: World, lending: LendingMarket) -> Attack:
    for symbol in shock.borrow:
        if symbol not in world.asset_symbols:
            raise InputError(f"shocks.{name}.borrow: no asset {symbol!r}{suggest(symbol, list(world.asset_symbols))}")
    return Attack(shock, world, lending, world.ledger.open(f"attacker-{name}", role="attacker"))
