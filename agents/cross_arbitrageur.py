"""Arbitrageurs between two venues: they buy where a thing is cheap and sell where it is dear, at the same moment.

They own money on both venues and trade at quotes they saw a while ago. What piles up on one venue is sent back over the
bridge; until it arrives, their capital on the other venue bounds what they can do.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Literal

import numpy as np

from market.errors import InputError
from market.kernels.records import ADL_ELIGIBLE, BUY, IOC, LIQUIDATABLE, NO_IMPACT, NONE, SELL, SPOT
from market.parameters import Bps, PositiveSeconds, PositiveUsd, Seconds, Share, parameters
from market.streams import Streams
from market.world import Inbox, World

if TYPE_CHECKING:
    from market.system import System


@parameters
class CrossArbitrageurs:
    """One arbitrageur between the books of two venues."""

    kind: Literal["cross_arbitrageur"] = "cross_arbitrageur"
    """Tells the agents of a system apart."""
    first_venue: str
    """One venue."""
    first_instrument: str
    """What it trades there."""
    second_venue: str
    """The other venue."""
    second_instrument: str
    """What it trades there; of the same base asset."""
    capital_usd: PositiveUsd = 1_000_000.0
    """Money on each venue at the start; for spot as much again in the base asset."""
    threshold_bps: Bps = 12.0
    """It trades when one venue's bid is so far above the other's ask, fees included."""
    latency_seconds: Seconds = 1.0
    """Age of the quotes it sees; rounded up to ticks."""
    order_usd: PositiveUsd = 100_000.0
    """Largest order."""
    rebalance_seconds: PositiveSeconds = 300.0
    """How often it sends money back."""
    rebalance_above: Share = 0.6
    """Part of its money of one kind on one venue from which it does."""

    def places(self) -> Iterator[tuple[str, str]]:
        """Keys that name venues, and the venues."""
        yield "first_venue", self.first_venue
        yield "second_venue", self.second_venue

    def people(self, name: str) -> dict[str, tuple[tuple[str, str], ...]]:
        """The one arbitrageur -> (venue, account) of both sides."""
        return {name: ((self.first_venue, f"{name}-a"), (self.second_venue, f"{name}-b"))}

    def accounts_needed(self, venue: str) -> int:
        """One on either venue."""
        return (venue == self.first_venue) + (venue == self.second_venue)

    def messages_needed(self, venue: str) -> int:
        """One order a tick on either venue."""
        return self.accounts_needed(venue)

    def join(self, system: System, *, name: str, streams: Streams) -> CrossArbitrageur:
        """Open and fund its accounts."""
        del streams
        sides = [
            _Side(system.world(venue), venue, symbol, name=name, place=place, capital_usd=self.capital_usd)
            for place, (venue, symbol) in enumerate(
                ((self.first_venue, self.first_instrument), (self.second_venue, self.second_instrument))
            )
        ]
        bases = [int(side.world.instruments["base"][side.book]) for side in sides]
        if bases[0] != bases[1]:
            raise InputError(
                f"agents.{name}: {self.first_instrument} and {self.second_instrument} have different base assets"
            )
        return CrossArbitrageur(self, sides)


class _Side:
    """Its account and its book on one venue."""

    def __init__(self, world: World, venue: str, symbol: str, *, name: str, place: int, capital_usd: float) -> None:
        if symbol not in world.instrument_symbols:
            raise InputError(
                f"agents.{name}: no instrument {symbol!r} on {venue}; it has {', '.join(world.instrument_symbols)}"
            )
        self.world, self.venue = world, venue
        self.book = world.instrument(symbol)
        instrument = world.instruments[self.book]
        self.base, self.quote = int(instrument["base"]), int(instrument["quote"])
        self.spot = int(instrument["kind"]) == SPOT
        self.account = world.ledger.open(f"{name}-{'ab'[place]}", role="arbitrageur", flags=LIQUIDATABLE | ADL_ELIGIBLE)
        for asset in (self.quote, self.base) if self.spot else (self.quote,):
            world.ledger.deposit(self.account, asset, world.quanta_worth(capital_usd, asset))

    def quotes(self) -> tuple[float, float]:
        """(bid, ask) in USD; nan where there is none."""
        instrument, quote = self.world.instruments[self.book], self.world.assets[self.quote]
        usd = float(instrument["tick_size"]) * float(quote["reference"]) * float(quote["price_tick"])
        bid, ask = int(instrument["best_bid"]), int(instrument["best_ask"])
        return bid * usd if bid > 0 else np.nan, ask * usd if ask < int(instrument["n_levels"]) - 1 else np.nan

    @property
    def fee(self) -> float:
        """Taker fee as a share."""
        return float(self.world.instruments["taker_fee"][self.book]) / 1e6

    def most_units(self, side: int, units: float) -> float:
        """Base units it can trade at the touch with what it owns."""
        instrument = self.world.instruments[self.book]
        price = int(instrument["best_bid"] if side == SELL else instrument["best_ask"])
        level = self.world.books.levels[int(instrument["level_base"]) + price]
        most = min(units, int(level["lots"]) * float(instrument["lot_size"]))
        if self.spot and side == SELL:
            owned = int(self.world.ledger.cash[self.account, self.base])
            return min(most, owned * float(self.world.assets[self.base]["quantum"]))
        return most

    def order(self, inbox: Inbox, side: int, units: float) -> None:
        """Take what is at the touch, and no worse."""
        instrument = self.world.instruments[self.book]
        lots = int(units / float(instrument["lot_size"]) + 1e-9)
        if lots > 0:
            price = int(instrument["best_bid"] if side == SELL else instrument["best_ask"])
            inbox.append(
                op=IOC, book=self.book, side=side, lots=lots, price=price, account=self.account, flags=NO_IMPACT
            )


class CrossArbitrageur:
    """The running arbitrageur."""

    def __init__(self, parameters: CrossArbitrageurs, sides: list[_Side]) -> None:
        self.parameters, self.sides = parameters, sides
        self._latency = sides[0].world.ticks(parameters.latency_seconds)
        self._every = max(1, sides[0].world.ticks(parameters.rebalance_seconds))
        self._seen = np.full((self._latency + 1, 2, 2), np.nan)
        self._retired = False

    def retire(self) -> None:
        """Trade no more: with one side gone as with both."""
        self._retired = True

    def after_liquidations(self, system: System) -> None:
        """Nothing: it acts on what it sees in the next tick."""

    def decide(self, system: System, inboxes: Mapping[str, Inbox]) -> None:
        """Trade on both venues when their quotes of a while ago crossed; now and then send money back."""
        if self._retired:
            return
        slots = len(self._seen)
        self._seen[system.tick % slots] = [side.quotes() for side in self.sides]
        if system.tick >= self._latency:
            seen = self._seen[(system.tick - self._latency) % slots]
            for cheap in (0, 1):
                self._trade(cheap, seen, inboxes)
        if system.tick % self._every == 0 and system.tick > 0:
            self._rebalance(system)

    def _trade(
        self, cheap: int, seen: np.ndarray[tuple[int, int], np.dtype[np.float64]], inboxes: Mapping[str, Inbox]
    ) -> None:
        """Buy on one venue and sell on the other if that paid when it looked."""
        dear = 1 - cheap
        ask, bid = seen[cheap, 1], seen[dear, 0]
        buying, selling = self.sides[cheap], self.sides[dear]
        if not bid * (1.0 - selling.fee) > ask * (1.0 + buying.fee) * (1.0 + self.parameters.threshold_bps / 1e4):
            return
        units = self.parameters.order_usd / float(ask)
        if np.isnan(buying.quotes()[1]) or np.isnan(selling.quotes()[0]):
            return
        units = min(buying.most_units(BUY, units), selling.most_units(SELL, units))
        buying.order(inboxes[buying.venue], BUY, units)
        selling.order(inboxes[selling.venue], SELL, units)

    def _rebalance(self, system: System) -> None:
        """Send half of the difference of what it has too much of on one venue to the other."""
        first, second = self.sides
        shared = {first.quote} if first.quote == second.quote else set()
        shared |= {first.base} if first.spot and second.spot else set()
        for asset in sorted(shared):
            held = [int(side.world.ledger.cash[side.account, asset]) for side in self.sides]
            total = sum(max(0, amount) for amount in held)
            larger = int(held[1] > held[0])
            if total == 0 or held[larger] <= self.parameters.rebalance_above * total:
                continue
            amount = min((held[larger] - held[1 - larger]) // 2, self._free(self.sides[larger], asset))
            system.bridges.send(
                system, origin=self.sides[larger].venue, payer=self.sides[larger].account,
                target=self.sides[1 - larger].venue, payee=self.sides[1 - larger].account, asset=asset, amount=amount,
            )  # fmt: skip

    @staticmethod
    def _free(side: _Side, asset: int) -> int:
        """Quanta it can take away: all of a spot account, half of one that carries margin."""
        held = int(side.world.ledger.cash[side.account, asset])
        return held if side.spot or asset == NONE else held // 2
