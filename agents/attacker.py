"""An attacker: takes a position, pushes a price, waits for others to be liquidated, and closes into their orders.

One account under everybody's rules: the margin gate may refuse its orders, and it can be liquidated. It knows neither
the book nor who is where; how large it is and how long it waits is for a search to find (`cascade attack`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from market.errors import InputError
from market.instruments import Asset, Instrument, quanta
from market.kernels.records import BUY, MARKET, SELL
from market.parameters import PositiveSeconds, PositiveUsd, Ratio, Seconds, parameters
from market.world import Inbox, World

ROLE = "attacker"


@parameters
class Attacker:
    """One who moves a price to earn from it."""

    capital_usd: PositiveUsd = 1_000_000.0
    """What it brings: the settlement asset, and for a push on a spot book downwards as much of the coin as it sells."""
    side: Literal["short", "long"] = "short"
    """Which move it earns from; it pushes the same way."""
    position_instrument: str
    """Perpetual in which it takes its position."""
    position: Ratio = 2.0
    """Notional of the position, as a multiple of its capital."""
    push_instrument: str
    """Book on which it pushes: that perpetual, another one, or a spot book."""
    push: Ratio = 1.0
    """What it sells or buys there, as a multiple of its capital; on a spot book at most all of it."""
    start_seconds: Seconds = 0.0
    """When it begins."""
    build_seconds: PositiveSeconds = 300.0
    """Over which it takes its position, in equal parts."""
    push_seconds: PositiveSeconds = 10.0
    """Over which it pushes."""
    wait_seconds: Seconds = 60.0
    """From the end of the push until it begins to close."""
    close_seconds: PositiveSeconds = 300.0
    """Over which it closes everything, in equal parts of what it holds then."""

    def accounts_needed(self, *, instruments: Mapping[str, Instrument]) -> int:
        """One. Raises InputError for books that are not there or not of the right kind."""
        for key in ("position_instrument", "push_instrument"):
            name = getattr(self, key)
            if name not in instruments:
                known = ", ".join(symbol for symbol, item in instruments.items() if item.kind != "option")
                raise InputError(f"agents.attackers: {key}: no instrument {name!r}; books are {known}")
            if instruments[name].kind == "option":
                raise InputError(f"agents.attackers: {key}: {name} is an option and has no order book")
        if instruments[self.position_instrument].kind == "spot":
            raise InputError(f"agents.attackers: position_instrument: {self.position_instrument} is spot, no position")
        if instruments[self.push_instrument].kind == "spot" and self.push > 1.0:
            raise InputError(f"agents.attackers: push: {self.push:g} times its capital cannot be paid on a spot book")
        return 1

    def join(self, world: World, *, assets: Mapping[str, Asset], instruments: Mapping[str, Instrument]) -> Attack:
        """Open and fund its account; coins come at the reference price."""
        ledger, book = world.ledger, world.instrument(self.push_instrument)
        account = ledger.open(f"attacker-{len(ledger.names)}", role=ROLE)
        record = world.instruments[book]
        money = int(world.instruments[world.instrument(self.position_instrument)]["quote"])
        cash = self.capital_usd
        if instruments[self.push_instrument].kind == "spot" and self.side == "short":
            lots = _lots(self.push * self.capital_usd, book, world, assets)
            ledger.deposit(account, int(record["base"]), lots * int(record["lot_quanta"]))
            cash -= self.push * self.capital_usd
        ledger.deposit(account, money, quanta(cash, assets[world.asset_symbols[money]]))
        return Attack(self, world, account=account, assets=assets, instruments=instruments)


def _lots(usd: float, book: int, world: World, assets: Mapping[str, Asset]) -> int:
    """How many lots so much money is at the mark."""
    record = world.instruments[book]
    quote = assets[world.asset_symbols[int(record["quote"])]]
    return int(quanta(usd, quote) // (int(record["mark"]) * int(record["tick_value"])))


class Attack:
    """An attacker at work: what it should hold of each book at every moment, less what it holds."""

    most_messages = 2

    def __init__(
        self,
        attacker: Attacker,
        world: World,
        *,
        account: int,
        assets: Mapping[str, Asset],
        instruments: Mapping[str, Instrument],
    ) -> None:
        self.attacker, self.account = attacker, account
        sign = -1 if attacker.side == "short" else 1
        self.books = tuple(
            dict.fromkeys(world.instrument(name) for name in (attacker.position_instrument, attacker.push_instrument))
        )
        self._spot = {book: instruments[world.instrument_symbols[book]].kind == "spot" for book in self.books}
        self._position = sign * _lots(attacker.position * attacker.capital_usd, self.books[0], world, assets)
        self._push = sign * _lots(attacker.push * attacker.capital_usd, self.books[-1], world, assets)
        self._start = {book: self.held(world, book) for book in self.books}
        self._closing: dict[int, int] | None = None

    def held(self, world: World, book: int) -> int:
        """Lots of a position, or coins of a spot book in lots."""
        if not self._spot[book]:
            return int(world.ledger.positions[self.account, book]["lots"])
        record = world.instruments[book]
        return int(world.ledger.cash[self.account, int(record["base"])]) // int(record["lot_quanta"])

    def decide(self, world: World, inbox: Inbox) -> None:
        """Append market orders for what is missing."""
        attacker, seconds = self.attacker, world.seconds - self.attacker.start_seconds
        if seconds < 0.0:
            return
        close_at = attacker.build_seconds + attacker.push_seconds + attacker.wait_seconds
        if seconds >= close_at and self._closing is None:
            self._closing = {book: self.held(world, book) for book in self.books}
        for book in self.books:
            if self._closing is None:
                wanted = self._wanted(book, seconds + world.tick_seconds)
            else:
                left = 1.0 - _ramp(seconds + world.tick_seconds - close_at, attacker.close_seconds)
                wanted = self._start[book] + round(left * (self._closing[book] - self._start[book]))
            missing = wanted - self.held(world, book)
            if missing:
                side = BUY if missing > 0 else SELL
                inbox.append(op=MARKET, book=book, side=side, lots=abs(missing), account=self.account)

    def _wanted(self, book: int, seconds: float) -> int:
        attacker = self.attacker
        lots = float(self._start[book])
        if book == self.books[0]:
            lots += self._position * _ramp(seconds, attacker.build_seconds)
        if book == self.books[-1]:
            lots += self._push * _ramp(seconds - attacker.build_seconds, attacker.push_seconds)
        return round(lots)


def _ramp(seconds: float, length: float) -> float:
    """0 before, 1 after `length`, in proportion between."""
    return min(1.0, max(0.0, seconds / length))
