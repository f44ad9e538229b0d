"""Routes by which collateral of a lending market becomes the asset of a debt: through pools, or on a book."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from market.errors import InputError
from market.parameters import parameters
from market.pools import PoolMarket
from market.world import World

if TYPE_CHECKING:
    from market.system import System


@parameters
class SaleRoute:
    """How one kind of collateral becomes the asset of the debt."""

    collateral: str
    """What is sold."""
    debt: str
    """What is wanted for it."""
    venue: str
    """Where it is sold."""
    pools: tuple[str, ...] = ()
    """Pools it goes through, in order."""
    instrument: str = ""
    """Or the spot instrument it is sold on."""

    def __post_init__(self) -> None:
        if bool(self.pools) == bool(self.instrument):
            raise ValueError(f"route of {self.collateral}: give either pools or an instrument")


@dataclass(frozen=True, kw_only=True)
class Route:
    """A route with its names looked up. `sides` are the assets it passes, one more than pools."""

    collateral: int
    debt: int
    venue: str
    world: World
    pools: tuple[int, ...]
    sides: tuple[int, ...]
    book: int | None

    @classmethod
    def of(cls, rule: SaleRoute, system: System, *, name: str) -> Route:
        """Look the names up. Raises InputError, naming `name`, for those that lead nowhere."""
        world = system.world(rule.venue)
        for symbol in (rule.collateral, rule.debt):
            if symbol not in world.asset_symbols:
                raise InputError(f"{name}: no asset {symbol!r}; assets are {', '.join(world.asset_symbols)}")
        collateral, debt = world.asset(rule.collateral), world.asset(rule.debt)
        if rule.instrument:
            book = _book(world, rule, name=name)
            return cls(
                collateral=collateral, debt=debt, venue=rule.venue, world=world, pools=(), sides=(collateral, debt),
                book=book,
            )  # fmt: skip
        pools, sides = _pools(world, rule, name=name)
        return cls(collateral=collateral, debt=debt, venue=rule.venue, world=world, pools=pools, sides=sides, book=None)

    @property
    def market(self) -> PoolMarket:
        """The pools of its venue. Raises RuntimeError for a route on a book."""
        if self.world.pools is None:
            raise RuntimeError("this route goes through no pool")
        return self.world.pools

    def quoted(self, amount: int) -> int:
        """What the pools would give for an amount now; 0 when one of them cannot take all of it."""
        for pool, asset in zip(self.pools, self.sides, strict=False):
            paid, got = self.market.quote(pool=pool, asset_in=asset, amount=amount)
            if paid < amount:
                return 0
            amount = got
        return amount

    def needed(self, wanted: int) -> int | None:
        """Least amount that brings at least so much of the debt; None: no amount does."""
        amount: int | None = wanted
        for pool, asset in zip(reversed(self.pools), reversed(self.sides[:-1]), strict=True):
            if amount is None:
                return None
            amount = self.market.amount_for(pool=pool, asset_in=asset, wanted=amount)
        return amount

    def cost(self, usd: float) -> float:
        """Share of the reference value that a sale of so much loses in the pools now, fees and all."""
        amount = self.world.quanta_worth(usd, self.collateral)
        fair = reference_usd(self.world, self.collateral, amount)
        return 1.0 - reference_usd(self.world, self.debt, self.quoted(amount)) / fair if fair > 0.0 else 0.0


def _book(world: World, rule: SaleRoute, *, name: str) -> int:
    if rule.instrument not in world.instrument_symbols:
        raise InputError(f"{name}.instrument: no instrument {rule.instrument!r} on {rule.venue}")
    book = world.instrument(rule.instrument)
    record = world.instruments[book]
    if (world.asset_symbols[int(record["base"])], world.asset_symbols[int(record["quote"])]) != (
        rule.collateral,
        rule.debt,
    ):
        raise InputError(f"{name}.instrument: {rule.instrument} is not {rule.collateral} against {rule.debt}")
    return book


def _pools(world: World, rule: SaleRoute, *, name: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Rows of the pools, and the assets that come by."""
    known = world.pools.symbols if world.pools is not None else ()
    rows, sides = [], [world.asset(rule.collateral)]
    for symbol in rule.pools:
        if world.pools is None or symbol not in known:
            raise InputError(f"{name}.pools: no pool {symbol!r} on {rule.venue}; it has {', '.join(known) or 'none'}")
        rows.append(known.index(symbol))
        record = world.pools.pools[rows[-1]]
        pair = [int(record["base"]), int(record["quote"])]
        if sides[-1] not in pair:
            raise InputError(f"{name}.pools: {symbol} does not trade {world.asset_symbols[sides[-1]]}")
        sides.append(pair[1 - pair.index(sides[-1])])
    if sides[-1] != world.asset(rule.debt):
        reached = world.asset_symbols[sides[-1]]
        raise InputError(f"{name}.pools: they lead from {rule.collateral} to {reached}, not to {rule.debt}")
    return tuple(rows), tuple(sides)


def reference_usd(world: World, asset: int, amount: int) -> float:
    """At the reference price."""
    record = world.assets[asset]
    return amount * float(record["reference"]) * float(record["multiplier"]) / float(record["divisor"]) / 1e6
