"""Traders hedged across venues: long on one, short on another, margined on each by itself.

Together the legs hardly move; apart each can be liquidated. When one is, the owner is left with a naked position and
reacts after a while: closes it, rebuilds the lost leg, or holds. Owners may also send money from the leg that wins to
the one that loses while both stand; the bridge decides whether it comes in time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from agents.population import deposit, lot_usd, quanta_of, take_positions
from market.errors import InputError
from market.kernels.records import ADL_ELIGIBLE, BUY, IOC, LIQUIDATABLE, NONE, REDUCE_ONLY, SELL
from market.parameters import (
    PositiveBps,
    PositiveCount,
    PositiveSeconds,
    PositiveUsd,
    Ratio,
    Seconds,
    Share,
    parameters,
)
from market.streams import Streams
from market.world import Inbox, World

if TYPE_CHECKING:
    from market.system import System

Integers = NDArray[np.int64]

_FREE = 0.98
"""Part of its equity that a leg of the greatest leverage still leaves for rounding."""


@parameters
class HedgedTraders:
    """Owners with one leg on each of two venues."""

    kind: Literal["hedged"] = "hedged"
    """Tells the agents of a system apart."""
    long_venue: str
    """Where they are long."""
    long_instrument: str
    """What they are long in; not spot."""
    short_venue: str
    """Where they are short."""
    short_instrument: str
    """What they are short in; not spot."""
    count: PositiveCount = 200
    """How many owners."""
    equity_usd: PositiveUsd = 20_000.0
    """Median equity of an owner, half of it on each venue."""
    equity_sigma: Ratio = 1.0
    """Spread of equities: standard deviation of the logarithm."""
    leverage: Ratio = 6.0
    """Median leverage of each leg, notional over the equity on its venue."""
    leverage_sigma: Ratio = 0.3
    """Spread of leverage: standard deviation of the logarithm."""
    reaction: Literal["close", "rehedge", "hold"] = "close"
    """What an owner does with a naked leg: closes it, rebuilds the other one, or nothing."""
    reaction_seconds: Seconds = 60.0
    """Median time until then."""
    reaction_sigma: Ratio = 0.7
    """Spread of that time: standard deviation of the logarithm."""
    naked_from: Share = 0.1
    """Difference of the legs, as a part of the larger one, from which an owner counts as naked."""
    slippage_bps: PositiveBps = 200.0
    """Orders fill no further than this from the mark."""
    top_up_below: Ratio = 0.5
    """A leg whose equity over notional falls below this part of the start's is sent money from the other; 0: never."""
    top_up_seconds: PositiveSeconds = 300.0
    """How often owners look whether to send some."""

    def places(self) -> Iterator[tuple[str, str]]:
        """Keys that name venues, and the venues."""
        yield "long_venue", self.long_venue
        yield "short_venue", self.short_venue

    def people(self, name: str) -> dict[str, tuple[tuple[str, str], ...]]:
        """Owner -> (venue, account) of the legs."""
        return {
            f"{name}-{number}": ((self.long_venue, f"{name}-{number}-a"), (self.short_venue, f"{name}-{number}-b"))
            for number in range(self.count)
        }

    def accounts_needed(self, venue: str) -> int:
        """One for each owner on either venue."""
        return self.count * ((venue == self.long_venue) + (venue == self.short_venue))

    def messages_needed(self, venue: str) -> int:
        """At most one order for each account and tick."""
        return self.accounts_needed(venue)

    def join(self, system: System, *, name: str, streams: Streams) -> HedgedCohort:
        """Open and fund both legs of every owner at the prices of now."""
        draws = streams.generator(name).standard_normal((self.count, 3))
        equity = self.equity_usd / 2.0 * np.exp(self.equity_sigma * draws[:, 0])
        leverage = np.maximum(1.0, self.leverage * np.exp(self.leverage_sigma * draws[:, 1]))
        legs = []
        for place, (venue, symbol, sign) in enumerate(
            ((self.long_venue, self.long_instrument, 1), (self.short_venue, self.short_instrument, -1))
        ):
            legs.append(_Leg(system.world(venue), venue, symbol, name=name, count=self.count, place=place))
            legs[-1].fund(equity)
            legs[-1].take(sign * equity * np.minimum(leverage, legs[-1].most_leverage * _FREE))
        _match(legs)
        seconds = self.reaction_seconds * np.exp(self.reaction_sigma * draws[:, 2])
        delays = np.array([legs[0].world.ticks(float(value)) for value in seconds])
        return HedgedCohort(self, legs, delays)


class _Leg:
    """One side of all owners: an account of each on one venue, and one instrument."""

    def __init__(self, world: World, venue: str, symbol: str, *, name: str, count: int, place: int) -> None:
        if symbol not in world.instrument_symbols:
            raise InputError(
                f"agents.{name}: no instrument {symbol!r} on {venue}; it has {', '.join(world.instrument_symbols)}"
            )
        self.world, self.venue = world, venue
        self.book = world.instrument(symbol)
        self.quote = int(world.instruments["quote"][self.book])
        flags = LIQUIDATABLE | ADL_ELIGIBLE
        rows = [
            world.ledger.open(f"{name}-{number}-{'ab'[place]}", role="hedger", flags=flags) for number in range(count)
        ]
        self.rows: Integers = np.array(rows)

    @property
    def most_leverage(self) -> float:
        """Of the smallest position."""
        instrument = self.world.instruments[self.book]
        return 1e6 / float(self.world.tiers[instrument["first_tier"]]["initial"])

    @property
    def lots(self) -> Integers:
        """int64[n], signed."""
        return np.asarray(self.world.ledger.positions["lots"][self.rows, self.book], np.int64)

    @property
    def lot_usd(self) -> float:
        """Notional of a lot at the mark."""
        return float(lot_usd(self.world)[self.book])

    def fund(self, equity: NDArray[np.float64]) -> None:
        """Deposit so many USD of the quote asset on each account."""
        assets = np.full(len(self.rows), self.quote)
        deposit(self.world, accounts=self.rows, assets=assets, amounts=quanta_of(equity, assets, self.world))

    def take(self, notional: NDArray[np.float64]) -> None:
        """Write down the lots of a signed notional; `book_positions` opens them."""
        self.wanted = np.sign(notional).astype(np.int64) * np.floor(np.abs(notional) / self.lot_usd).astype(np.int64)

    def book_positions(self) -> None:
        """Open what was taken at the mark; the rest of the market holds the other side."""
        books = np.full(len(self.rows), self.book)
        prices = np.full(len(self.rows), int(self.world.instruments["mark"][self.book]))
        take_positions(self.world, accounts=self.rows, books=books, lots=self.wanted, prices=prices)
        self.start_ratio = self.equity_ratio(self.wanted)

    def equity(self) -> NDArray[np.float64]:
        """float64[n]: balance and open profit in the quote asset, in quanta of it."""
        instrument, positions = self.world.instruments[self.book], self.world.ledger.positions[self.rows, self.book]
        owed = positions["lots"] * (instrument["funding_index"] - positions["funding_index"])
        profit = positions["lots"] * int(instrument["mark"]) * int(instrument["tick_value"]) - positions["cost"] - owed
        return np.asarray(self.world.ledger.cash[self.rows, self.quote] + profit, np.float64)

    def notional(self, lots: Integers) -> NDArray[np.float64]:
        """float64[n]: quanta of the quote asset."""
        instrument = self.world.instruments[self.book]
        return np.asarray(np.abs(lots) * float(instrument["mark"]) * float(instrument["tick_value"]))

    def equity_ratio(self, lots: Integers) -> NDArray[np.float64]:
        """float64[n]: equity over notional; infinite without a position."""
        notional = self.notional(lots)
        ratio: NDArray[np.float64] = np.full(len(lots), np.inf)
        return np.divide(self.equity(), notional, out=ratio, where=notional > 0.0)


def _match(legs: list[_Leg]) -> None:
    """Make both legs as large as the smaller one in units of the base asset, and open them."""
    sizes = [float(leg.world.instruments["lot_size"][leg.book]) or 1.0 for leg in legs]
    units = np.minimum(*(np.abs(leg.wanted) * size for leg, size in zip(legs, sizes, strict=True)))
    for leg, size in zip(legs, sizes, strict=True):
        leg.wanted = np.sign(leg.wanted) * np.round(units / size).astype(np.int64)
        leg.book_positions()


class HedgedCohort:
    """All owners of a run."""

    def __init__(self, parameters: HedgedTraders, legs: list[_Leg], delays: Integers) -> None:
        self.parameters, self.legs = parameters, legs
        self._delays = delays
        self._due = np.full(len(delays), NONE)
        self._every = max(1, legs[0].world.ticks(parameters.top_up_seconds))
        self.naked_ever = np.zeros(len(delays), bool)
        """bool[n]: owners who had a naked leg at some time."""

    def retire(self) -> None:
        """Nothing: owners who hold nothing are not naked, and have nothing to send."""

    def after_liquidations(self, system: System) -> None:
        """Nothing: it acts on what it sees in the next tick."""

    def decide(self, system: System, inboxes: Mapping[str, Inbox]) -> None:
        """React to naked legs that are due; send money to legs that are short of it."""
        sizes = [float(leg.world.instruments["lot_size"][leg.book]) or 1.0 for leg in self.legs]
        units = [np.asarray(leg.lots * size, np.float64) for leg, size in zip(self.legs, sizes, strict=True)]
        gap, larger = units[0] + units[1], np.maximum(np.abs(units[0]), np.abs(units[1]))
        naked = np.abs(gap) > self.parameters.naked_from * larger
        self.naked_ever |= naked
        fresh = naked & (self._due == NONE)
        self._due[fresh] = system.tick + self._delays[fresh]
        self._due[~naked] = NONE
        if self.parameters.reaction != "hold":
            for owner in np.flatnonzero(naked & (self._due <= system.tick)):
                self._react(int(owner), float(gap[owner]), units, sizes, inboxes)
                self._due[owner] = system.tick + max(1, int(self._delays[owner]))
        if self.parameters.top_up_below > 0.0 and system.tick % self._every == 0:
            self._top_up(system)

    def _react(
        self, owner: int, gap: float, units: list[NDArray[np.float64]], sizes: list[float], inboxes: Mapping[str, Inbox]
    ) -> None:
        """Close what the larger leg has too much, or give the smaller one what it lacks."""
        larger = 0 if abs(units[0][owner]) >= abs(units[1][owner]) else 1
        closing = self.parameters.reaction == "close"
        leg = self.legs[larger if closing else 1 - larger]
        lots = int(abs(gap) / sizes[larger if closing else 1 - larger])
        if lots == 0:
            return
        instrument = leg.world.instruments[leg.book]
        side = SELL if gap > 0 else BUY
        reach = 1.0 + (1 if side == BUY else -1) * self.parameters.slippage_bps / 1e4
        price = int(np.clip(round(int(instrument["mark"]) * reach), 1, int(instrument["n_levels"]) - 2))
        inboxes[leg.venue].append(
            op=IOC, book=leg.book, side=side, lots=lots, price=price, account=int(leg.rows[owner]),
            flags=REDUCE_ONLY if closing else 0,
        )  # fmt: skip

    def _top_up(self, system: System) -> None:
        """Send half of what the winning leg has more to a leg whose cushion is thin."""
        equity = [leg.equity() for leg in self.legs]
        for short in (0, 1):
            leg, other = self.legs[short], self.legs[1 - short]
            thin = leg.equity_ratio(leg.lots) < self.parameters.top_up_below * leg.start_ratio
            for owner in np.flatnonzero(thin & (equity[1 - short] > equity[short])):
                free = min(
                    (equity[1 - short][owner] - equity[short][owner]) / 2.0,
                    float(other.world.ledger.cash[other.rows[owner], other.quote]),
                )
                spare = equity[1 - short][owner] - other.notional(other.lots)[owner] / other.most_leverage
                amount = int(min(free, spare))
                if amount > 0 and leg.quote == other.quote:
                    system.bridges.send(
                        system, origin=other.venue, payer=int(other.rows[owner]), target=leg.venue,
                        payee=int(leg.rows[owner]), asset=leg.quote, amount=amount,
                    )  # fmt: skip
