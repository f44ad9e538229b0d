"""How shocks reach a running world."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from agents.keeper import KeeperCohort, KeeperOutage
from agents.market_maker import Makers
from agents.oracle import OracleCohort, OracleFault
from experiments.frames import asset_usd, quote_usd
from experiments.interventions.kinds import AccountFails, KeepersOut, MakersLeave, OracleOutage, PriceShock
from experiments.interventions.live import Target
from experiments.interventions.money import bring
from experiments.toml_tree import suggest
from market.errors import InputError
from market.kernels.records import LIQUIDATABLE
from market.world import ReferencePath, World

FOR_GOOD = (1 << 31) - 1
STAFF = ("market_maker", "arbitrageur", "dealer", "keeper", "backstop", "pool", "system")
"""Roles of accounts that are no customer's."""
PARTS = 1_000_000
"""Steps in which the part of its collateral that an account loses is looked for."""


class Shocked:
    """A reference path with shocks on top: price x factors of all of them."""

    def __init__(self, path: ReferencePath, world: World) -> None:
        self.path = path
        self._tick_seconds = world.tick_seconds
        self._shocks: list[tuple[int, PriceShock]] = []

    def add(self, asset: int, shock: PriceShock) -> None:
        """One more shock on the price of an asset."""
        self._shocks.append((asset, shock))

    def row(self, tick: int) -> NDArray[np.float64]:
        """float64[n_assets], USD."""
        prices = self.path.row(tick).copy()
        for asset, shock in self._shocks:
            prices[asset] *= np.exp(shock.log_factor(tick * self._tick_seconds))
        return prices


def shock_price(target: Target, shock: PriceShock) -> str:
    """Put the shock on the reference of the world."""
    world = target.world
    if not isinstance(world.reference, Shocked):
        world.reference = Shocked(world.reference, world)
    world.reference.add(world.asset(shock.asset), shock)
    return ""


def silence_oracles(target: Target, outage: OracleOutage) -> str:
    """Make sources fail from now on."""
    world = target.world
    moving = [symbol for row, symbol in enumerate(world.asset_symbols) if not world.assets["fixed"][row]]
    end = outage.at_seconds + outage.lasts_seconds
    faults = tuple(
        OracleFault(asset=symbol, kind=outage.fault, start_seconds=outage.at_seconds, end_seconds=end)
        for symbol in ([outage.asset] if outage.asset is not None else moving)
    )
    for oracles in target.all(OracleCohort):
        oracles.fail(faults, world)
    return "" if faults else "no price is made by an oracle"


def send_makers_away(target: Target, leave: MakersLeave) -> str:
    """Let makers take their quotes away at their next look."""
    world = target.world
    until = FOR_GOOD
    if leave.lasts_seconds is not None:
        until = min(FOR_GOOD, world.ticks(leave.at_seconds + leave.lasts_seconds))
    books = range(len(world.instruments)) if leave.instrument is None else (world.instrument(leave.instrument),)
    gone = 0
    for makers in target.all(Makers):
        for book in books:
            makers.leave(book, leave.share, until)
            gone += round(leave.share * len(makers.of_book(book)))
    return "" if gone else "there is no such maker"


def stop_keepers(target: Target, out: KeepersOut) -> str:
    """Keepers go offline."""
    outage = KeeperOutage(start_seconds=out.at_seconds, end_seconds=out.at_seconds + out.lasts_seconds, share=out.share)
    for keepers in target.all(KeeperCohort):
        keepers.go_offline(outage, target.world)
    return ""


def largest_account(world: World) -> int | None:
    """Row of the customer with the largest notional, or largest debts where nobody has positions; None for none."""
    ledger = world.ledger
    unit = world.instruments["mark"] * world.instruments["tick_value"].astype(np.float64) * quote_usd(world)
    notional = np.abs(ledger.positions["lots"]) @ unit if len(unit) else np.zeros(len(ledger.accounts))
    debts = np.maximum(-ledger.cash, 0) @ asset_usd(world)
    size = notional if notional.any() else debts
    able = (ledger.accounts["flags"] & LIQUIDATABLE != 0) & (ledger.accounts["claim"] == 0)
    able[: len(ledger.roles)] &= np.array([role not in STAFF for role in ledger.roles])
    size = np.where(able, size, 0.0)
    row = int(np.argmax(size))
    return row if size[row] > 0.0 else None


def account_row(world: World, name: str) -> int:
    """Row of an account by its name. Raises InputError when there is none."""
    if name not in world.ledger.names:
        raise InputError(f"no account {name!r}{suggest(name, world.ledger.names[:200])}")
    return world.ledger.names.index(name)


def fail_account(target: Target, fails: AccountFails) -> str:
    """Take from an account until its margin equity is what is left of its maintenance margin."""
    world = target.world
    row = largest_account(world) if fails.account is None else account_row(world, fails.account)
    if row is None:
        return "there is no account with anything at stake"
    if not world.ledger.accounts["flags"][row] & LIQUIDATABLE:
        raise InputError(f"account {world.ledger.names[row]}: nobody may liquidate it; choose a customer's")
    cash = world.ledger.cash
    held = np.maximum(cash[row], 0)

    def equity_after(part: int) -> tuple[int, int]:
        cash[row] -= held * part // PARTS
        figures = world.ledger.assess(world.instruments, world.assets, world.margin)[row]
        cash[row] += held * part // PARTS
        return int(figures[0]), int(figures[2])

    low, high = 0, PARTS
    while low < high:
        part = (low + high) // 2
        equity, maintenance = equity_after(part)
        low, high = (part + 1, high) if equity > fails.left * maintenance else (low, part)
    booked = [bring(world, row, asset, -int(held[asset]) * low // PARTS) for asset in range(len(held))]
    lost = -float(np.array(booked, np.float64) @ asset_usd(world))
    return f"{world.ledger.names[row]} loses {lost:,.0f} USD"


ACTIONS: dict[type, Callable[..., str]] = {
    PriceShock: shock_price,
    OracleOutage: silence_oracles,
    MakersLeave: send_makers_away,
    KeepersOut: stop_keepers,
    AccountFails: fail_account,
}
"""Kind of shock -> what does it; each returns what there is to add to its name, "" for nothing."""
