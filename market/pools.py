"""Automated market makers of a venue: constant product (Uniswap v2) and concentrated liquidity (Uniswap v3).

A pool trades two assets of the ledger against each other, at a price that follows from its reserves alone. Reserves
are balances of an account of its own, so a swap is two transfers. Whoever put them in has an account too and gets back
what is withdrawn. docs/pools.md has the mathematics with an example.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from market.errors import InputError
from market.instruments import USD_QUANTA
from market.kernels import pools as kernels
from market.kernels.ledger import transfer
from market.kernels.pool_sales import pool_of
from market.kernels.pools import (
    CONCENTRATED,
    CONSTANT_PRODUCT,
    POOL,
    POOL_MESSAGE,
    RANGE,
    SWAP,
    WITHDRAW,
)
from market.kernels.records import BACKGROUND, FORCED_SWAP, NONE, PPM
from market.kernels.rules.pools import LARGEST_RESERVE, NO_AMOUNT
from market.kernels.trading import touch
from market.parameters import Positive, PositiveCount, PositiveUsd, parameters
from market.pressure import Pressure

if TYPE_CHECKING:
    from market.world import World

TICK_BASE = 1.0001
"""Prices at which ranges may end are whole powers of it (Uniswap v3 Core, section 6.1)."""
ACCOUNTS_PER_POOL = 2
"""Its own and its providers'."""

PoolFee = Annotated[float, Field(ge=0.0, le=1_000.0, json_schema_extra={"unit": "bps"})]


@parameters
class ConstantProduct:
    """Reserves whose product never falls; liquidity at every price (Uniswap v2)."""

    kind: Literal["constant_product"] = "constant_product"
    """Tells the kinds of pool apart."""
    base: str
    """Asset whose price the pool makes."""
    quote: str = "USDC"
    """Asset it is priced in."""
    liquidity_usd: PositiveUsd = 10_000_000.0
    """Both reserves together at the start, at reference prices."""
    fee_bps: PoolFee = 30.0
    """Of what is paid in; it stays in the reserves."""

    code = CONSTANT_PRODUCT

    def rows(self, *, base: float, quote: float) -> tuple[list[tuple[int, int, int, int]], int]:
        """Rows of RANGE and which of them trades, from the whole liquidity's worth in quanta of either asset."""
        return [(round(0.5 * base), round(0.5 * quote), 0, 0)], 0


@parameters
class LiquidityRange:
    """Liquidity of equal depth between two prices."""

    lower: Annotated[float, Field(gt=0.0, le=1e6, json_schema_extra={"unit": "x"})] = 0.5
    """Lowest price, as a multiple of the price at the start; moved to the nearest usable tick."""
    upper: Annotated[float, Field(gt=0.0, le=1e6, json_schema_extra={"unit": "x"})] = 2.0
    """Highest price, likewise."""
    weight: Positive = 1.0
    """Share of the pool's money in it, relative to the other ranges."""


@parameters
class Concentrated:
    """Liquidity in ranges of price, nothing beyond them (Uniswap v3)."""

    kind: Literal["concentrated"] = "concentrated"
    """Tells the kinds of pool apart."""
    base: str
    """Asset whose price the pool makes."""
    quote: str = "USDC"
    """Asset it is priced in."""
    liquidity_usd: PositiveUsd = 10_000_000.0
    """Both reserves together at the start, at reference prices."""
    fee_bps: PoolFee = 30.0
    """Of what is paid in; kept beside the curve, for the providers."""
    tick_spacing: PositiveCount = 60
    """Ranges end at multiples of so many ticks, a tick being a step of 0.01 % in price."""
    ranges: Annotated[tuple[LiquidityRange, ...], Field(min_length=1)] = (LiquidityRange(),)
    """Where the liquidity is; ranges may overlap."""

    code = CONCENTRATED

    def ticks(self, liquidity: LiquidityRange) -> tuple[int, int]:
        """First and last tick of a range, the price at the start being tick 0; one spacing at least."""
        step = math.log(TICK_BASE) * self.tick_spacing
        low, high = (self.tick_spacing * round(math.log(end) / step) for end in (liquidity.lower, liquidity.upper))
        return low, max(high, low + self.tick_spacing)

    def rows(self, *, base: float, quote: float) -> tuple[list[tuple[int, int, int, int]], int]:
        """Rows of RANGE and which of them trades, from the whole liquidity's worth in quanta of either asset.

        Each pair of neighbouring ticks has the sum L of all ranges over it; at root price s, x = L (1/s - 1/b) and
        y = L (s - a) are there, and L/b and L a virtual (Uniswap v3 Core, eqs. 2.2, 6.29 and 6.30).
        """
        price = quote / base
        total = sum(liquidity.weight for liquidity in self.ranges)
        depths = []
        for liquidity in self.ranges:
            ends = self.ticks(liquidity)
            x, y = _reserves(1.0, price, *ends)
            depths.append((ends, liquidity.weight / total * quote / (x * price + y)))
        ticks = sorted({tick for ends, _ in depths for tick in ends})
        rows: list[tuple[int, int, int, int]] = []
        active = 0
        for low, high in pairwise(ticks):
            depth = sum(own for ends, own in depths if ends[0] <= low and high <= ends[1])
            if depth == 0.0:
                continue
            if low <= 0:
                active = len(rows)
            x, y = _reserves(depth, price, low, high)
            rows.append((round(x), round(y), round(depth / _root(price, high)), round(depth * _root(price, low))))
        return rows, active


def _root(price: float, tick: int) -> float:
    """Square root of the price at a tick."""
    return math.sqrt(price) * math.pow(TICK_BASE, tick / 2)


def _reserves(depth: float, price: float, low: int, high: int) -> tuple[float, float]:
    """What liquidity `depth` between two ticks holds of base and quote at tick 0, whose price is given."""
    a, b = _root(price, low), _root(price, high)
    here = min(max(math.sqrt(price), a), b)
    return depth * (1.0 / here - 1.0 / b), depth * (here - a)


Pool = Annotated[ConstantProduct | Concentrated, Field(discriminator="kind")]

FEWEST_QUANTA = 10_000
"""Of either reserve, virtual ones included: with less, rounding would show."""


class PoolMarket:
    """The pools of a venue. `pools` POOL[n], `ranges` RANGE[m]; `messages` POOL_MESSAGE, this tick's `count` of them.

    A message keeps what came of it until the next tick's are written over it.
    """

    def __init__(
        self, parameters: Mapping[str, ConstantProduct | Concentrated], world: World, *, impact: Mapping[str, float]
    ) -> None:
        """Open the pools' accounts and pay reserves in, at the reference prices of now.

        `impact` has, by base asset, the log move of its reference per USD of net flow. Raises InputError for assets
        that are not there, and for reserves out of bounds.
        """
        self.symbols = tuple(parameters)
        self.pools = np.zeros(len(parameters), POOL)
        rows: list[tuple[int, int, int, int]] = []
        for record, (symbol, pool) in zip(self.pools, parameters.items(), strict=True):
            own, active = _checked_rows(symbol, pool, world)
            record["first"], record["n_ranges"], record["active"] = len(rows), len(own), len(rows) + active
            rows.extend(own)
            record["base"], record["quote"] = world.asset(pool.base), world.asset(pool.quote)
            record["kind"], record["fee"] = pool.code, round(pool.fee_bps * 100)
            _pay_in(record, symbol, own, world)
        self.ranges = np.array(rows, RANGE)
        self.messages = np.zeros(64, POOL_MESSAGE)
        self.count = 0
        self._noted = np.zeros(len(parameters), np.int64)
        """Part of the net flow whose doing it was is known already, base quanta."""
        self._events_seen = 0
        self._impact = np.array([impact.get(pool.base, 0.0) for pool in parameters.values()])
        self._working = (np.zeros(64, np.uint64), np.zeros(64, np.int64))

    @property
    def arrays(self) -> tuple[Any, ...]:
        """What kernels call `pools`."""
        return self.pools, self.ranges

    def row(self, symbol: str) -> int:
        """Row of a pool."""
        return self.symbols.index(symbol)

    def price(self, pool: int) -> float:
        """Marginal price before the fee, quote quanta per base quantum; 0 when the pool is empty."""
        return float(kernels.pool_price(pool, self.arrays))

    def reserves(self, pool: int) -> tuple[int, int]:
        """Base and quote quanta on the curve; fees kept beside it are not among them."""
        record = self.pools[pool]
        own = self.ranges[int(record["first"]) : int(record["first"] + record["n_ranges"])]
        return int(own["base"].sum()), int(own["quote"].sum())

    def quote(self, *, pool: int, asset_in: int, amount: int) -> tuple[int, int]:
        """(paid, received) that a swap of up to `amount` quanta would come to now."""
        paid, received = kernels.run_through(pool, self._side(pool, asset_in), amount, self.arrays, 0)
        return int(paid), int(received)

    def amount_for(self, *, pool: int, asset_in: int, wanted: int) -> int | None:
        """Least quanta to pay in, fee included, that bring `wanted` quanta of the other asset; None: nothing does."""
        amount = int(kernels.amount_for(pool, self._side(pool, asset_in), wanted, self.arrays))
        return None if amount == NO_AMOUNT else amount

    def swap(
        self,
        world: World,
        *,
        account: int,
        pool: int,
        asset_in: int,
        amount: int,
        least_out: int = 0,
        log: Pressure | None = None,
        event: int = NONE,
    ) -> tuple[int, int]:
        """Swap at once, without a margin gate, up to what the account owns; (paid, received), (0, 0) below `least_out`.

        For liquidations of phase 4: keepers who sell what they seized in the same breath. What that does to the
        reference is noted in `log`, of the venue whose `event` it was; without an event it is a trader's doing.
        """
        side = self._side(pool, asset_in)
        before = int(self.pools["net_flow"][pool])
        done = kernels.swap(account, pool, side, amount, least_out, 0, self.arrays, world.ledger.cash)
        if log is not None:
            self._note(world, pool, int(self.pools["net_flow"][pool]) - before, log, event)
        if done[1] > 0:
            touch(account, world.watch.touched, world.watch.touched_mark, world.books.counters)
        return int(done[0]), int(done[1])

    def _side(self, pool: int, asset_in: int) -> int:
        side = int(kernels.side_of(pool, asset_in, self.arrays))
        if side < 0:
            raise ValueError(f"pool {self.symbols[pool]} does not trade asset {asset_in}")
        return side

    def open(self) -> None:
        """Begin a tick's messages."""
        self.count = 0

    def queue_swap(
        self, *, account: int, pool: int, asset_in: int, amount: int, least_out: int = 0, tag: int = 0, flags: int = 0
    ) -> int:
        """Append a swap for phase 3, of `amount` quanta for `least_out` or not at all; return its row."""
        return self._append((amount, least_out, tag, 0, 0, SWAP, account, pool, asset_in, flags, 0))

    def queue_withdrawal(self, *, pool: int, share: float) -> int:
        """Append a withdrawal, by the pool's providers, of a share of its liquidity; return its row."""
        account = int(self.pools[pool]["provider"])
        return self._append((round(share * PPM), 0, 0, 0, 0, WITHDRAW, account, pool, 0, 0, 0))

    def _append(self, message: tuple[int, ...]) -> int:
        self.make_room(1)
        self.messages[self.count] = message
        self.count += 1
        return self.count - 1

    def make_room(self, messages: int) -> None:
        """Grow the buffers so that so many messages fit beside those that are there."""
        if self.count + messages > len(self.messages):
            self.messages = _grown(self.messages, self.count + messages)
            self._working = (np.zeros(len(self.messages), np.uint64), np.zeros(len(self.messages), np.int64))

    def carry_out(self, world: World, salt: float) -> None:
        """Phase 3: the tick's swaps and withdrawals, in drawn order."""
        ledger, watch = world.ledger, world.watch
        kernels.carry_out(
            self.messages, self.count, salt, *self._working, self.arrays, world.instruments, world.assets, world.margin,
            ledger.positions, ledger.cash, ledger.accounts, world.books.counters, watch.touched, watch.touched_mark,
        )  # fmt: skip

    def move_reference(self, world: World) -> None:
        """Add the net flow since the last call, arbitrageurs left out, to the permanent displacement of references."""
        moving = np.flatnonzero(self._impact * self.pools["net_flow"]).tolist()
        if moving:
            self._note_forced_swaps(world)
        for pool in moving:
            flow, base = int(self.pools["net_flow"][pool]), int(self.pools["base"][pool])
            world.impact[base] += self._displacement(world, pool, flow)
            others = self._displacement(world, pool, flow - int(self._noted[pool]))
            world.pressure.note(world.tick, base, others, flow=BACKGROUND)
        self._events_seen = world.n_events
        self.pools["net_flow"] = self._noted[:] = 0

    def _note_forced_swaps(self, world: World) -> None:
        """Note what liquidation calls have swapped since the last call."""
        for number in range(self._events_seen, world.n_events):
            event = world.events[number]
            if event["kind"] == FORCED_SWAP:
                pool = int(pool_of(int(event["seized"]), int(event["repaid"]), self.arrays))
                sold = event["seized"] == self.pools["base"][pool]
                self._note(world, pool, -int(event["lots"]) if sold else int(event["value"]), world.pressure, number)

    def _note(self, world: World, pool: int, flow: int, log: Pressure, event: int) -> None:
        """Put a part of a pool's net flow, base quanta, down to a forced sale; to traders where `event` is NONE."""
        self._noted[pool] += flow
        log.note(world.tick, int(self.pools["base"][pool]), self._displacement(world, pool, flow), event=event)

    def _displacement(self, world: World, pool: int, flow: int) -> float:
        """Log move of the base asset's reference by a net flow of so many quanta."""
        asset = world.assets[int(self.pools["base"][pool])]
        usd = float(flow) * int(asset["reference"]) * int(asset["multiplier"]) / int(asset["divisor"]) / USD_QUANTA
        return float(self._impact[pool]) * usd


def _grown(array: NDArray[np.void], needed: int) -> NDArray[np.void]:
    larger = np.zeros(max(needed, 2 * len(array)), array.dtype)
    larger[: len(array)] = array
    return larger


def _checked_rows(
    symbol: str, pool: ConstantProduct | Concentrated, world: World
) -> tuple[list[tuple[int, int, int, int]], int]:
    """Ranges of a pool at the reference prices of now."""
    for name in (pool.base, pool.quote):
        if name not in world.asset_symbols:
            raise InputError(f"pools.{symbol}: no asset {name!r}; assets are {', '.join(world.asset_symbols)}")
    if pool.base == pool.quote:
        raise InputError(f"pools.{symbol}: base and quote are both {pool.base}")
    base, quote = (pool.liquidity_usd / usd_per_quantum(world, world.asset(name)) for name in (pool.base, pool.quote))
    if max(base, quote) > LARGEST_RESERVE:
        raise InputError(f"pools.{symbol}: liquidity_usd is too much for 64 bits; a larger quantum has room")
    rows, active = pool.rows(base=base, quote=quote)
    reserves = [(x + virtual_x, y + virtual_y) for x, y, virtual_x, virtual_y in rows]
    if max(map(max, reserves)) > LARGEST_RESERVE // 4:
        raise InputError(
            f"pools.{symbol}: its reserves, with the virtual ones of narrow ranges, are too much for 64 bits; a larger "
            "quantum has room"
        )
    if min(map(min, reserves)) < FEWEST_QUANTA:
        raise InputError(f"pools.{symbol}: fewer than {FEWEST_QUANTA:,} quanta of a reserve; more liquidity is exact")
    return rows, active


def _pay_in(record: np.void, symbol: str, rows: list[tuple[int, int, int, int]], world: World) -> None:
    """Open the accounts of a pool and its providers and pay the reserves in, from the outside through the latter."""
    ledger = world.ledger
    record["account"] = ledger.open(f"pool-{symbol}", role="pool", flags=0)
    record["provider"] = ledger.open(f"provider-{symbol}", role="liquidity_provider", flags=0)
    for name, column in (("base", 0), ("quote", 1)):
        amount, asset = sum(row[column] for row in rows), int(record[name])
        ledger.deposit(int(record["provider"]), asset, amount)
        transfer(ledger.cash, asset, int(record["provider"]), int(record["account"]), amount)


def usd_per_quantum(world: World, asset: int) -> float:
    """What a quantum of an asset is worth at its reference price now."""
    record = world.assets[asset]
    return float(record["reference"]) * int(record["multiplier"]) / int(record["divisor"]) / USD_QUANTA


def pool_market(
    parameters: Mapping[str, ConstantProduct | Concentrated], world: World, *, impact: Mapping[str, float]
) -> PoolMarket | None:
    """The pools of a world; None when it has none."""
    return PoolMarket(parameters, world, impact=impact) if parameters else None
