"""Strategies: traders written in plain Python, one object and one account each.

This is the slow path, for a handful of participants whose behaviour is the question: a strategy costs some ten
microseconds a tick where it acts, thousands of built-in traders cost less. Strategies pass the same margin gate as
everybody and can be liquidated and deleveraged. They join last and draw from streams of their own, so adding one
changes nobody else's rows, draws or relative order of arrival.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from agents.strategy_orders import Cancel, Order, Outcome, write_order
from agents.strategy_view import View
from agents.units import Units
from market.errors import InputError
from market.instruments import LARGEST_MONEY, Asset, Instrument, quanta
from market.kernels.records import BUY
from market.streams import Draws
from market.world import Inbox, World

ROLE = "strategy"


class Strategy:
    """Derive from this, say what it starts with, and write `act`.

    The object is copied into every run, so a run cannot change the one that was passed in; the copy that took part is
    in `Result.strategies`.
    """

    name: str = ""
    """Name of its account and of its random stream; the name of its class when left empty."""
    collateral: Mapping[str, float] = MappingProxyType({"USDC": 10_000.0})
    """What it owns at the start, in units of each asset; it comes from the outside world."""
    every_seconds: float = 0.0
    """It acts at most so often, from the first tick on; 0: every tick."""
    most_messages: int = 64
    """Most orders and cancellations of one act."""

    def act(self, view: View) -> Iterable[Order | Cancel] | None:
        """Look at the world and return orders; they arrive in this tick, in drawn order among everybody's."""
        raise NotImplementedError


class Strategies:
    """All strategies of a run, as something that joins a world."""

    def __init__(self, strategies: Sequence[Strategy]) -> None:
        for strategy in strategies:
            if not isinstance(strategy, Strategy):
                raise InputError(f"strategies: {strategy!r} is none; derive its class from Strategy and pass an object")
        self.strategies = [copy.deepcopy(strategy) for strategy in strategies]
        self.names = _distinct_names(self.strategies)

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of the results should know beside the scenario, one line each."""
        return tuple(
            f"strategy {name}: {type(strategy).__module__}.{type(strategy).__qualname__} with "
            + (", ".join(f"{amount:g} {symbol}" for symbol, amount in strategy.collateral.items()) or "nothing")
            for name, strategy in zip(self.names, self.strategies, strict=True)
        )

    def accounts_needed(self, *, instruments: Mapping[str, Instrument]) -> int:
        """One for each."""
        del instruments
        return len(self.strategies)

    def join(
        self, world: World, *, assets: Mapping[str, Asset], instruments: Mapping[str, Instrument]
    ) -> StrategyCohort:
        """Open and fund their accounts. InputError for a name that is taken or collateral that is no asset."""
        del instruments
        units = Units(world)
        members = []
        for name, strategy in zip(self.names, self.strategies, strict=True):
            if name in world.ledger.names:
                raise InputError(f"strategy {name}: there is an account of that name already")
            account = world.ledger.open(name, role=ROLE)
            for symbol, amount in strategy.collateral.items():
                if symbol not in assets:
                    raise InputError(f"strategy {name}: collateral in {symbol!r}; assets are {', '.join(assets)}")
                if not 0.0 <= amount <= LARGEST_MONEY * assets[symbol].quantum:
                    raise InputError(f"strategy {name}: collateral of {amount:g} {symbol}; it must be 0 or more")
                world.ledger.deposit(account, world.asset(symbol), quanta(float(amount), assets[symbol]))
            draws = world.streams.draws(f"strategy {name}")
            members.append(_Member(strategy, name, account, world=world, units=units, draws=draws))
        return StrategyCohort(members, units)


class _Member:
    """A strategy in a run: its account, its view, and the messages it sent last."""

    def __init__(
        self, strategy: Strategy, name: str, account: int, *, world: World, units: Units, draws: Draws
    ) -> None:
        self.strategy, self.name, self.account = strategy, name, account
        self.view = View(world, account, units=units, draws=draws)
        self.interval = max(1, world.ticks(strategy.every_seconds))
        self.sent: list[tuple[Order, int]] = []
        """Orders of the tick before and their rows in its inbox."""

    def act(self, world: World, inbox: Inbox, units: Units) -> None:
        """Ask the strategy and append what it wants."""
        self.view._open()
        wanted = self.strategy.act(self.view)
        self.view.outcomes = ()
        if wanted is None:
            return
        if isinstance(wanted, Order | Cancel):
            raise InputError("act() must return a list of orders, not one order")
        for count, message in enumerate(wanted):
            if count == self.strategy.most_messages:
                raise InputError(f"more than most_messages = {count} in one act")
            if isinstance(message, Cancel):
                self._cancel(message, world, inbox)
            elif isinstance(message, Order):
                row = write_order(message, inbox, account=self.account, world=world, units=units)
                if row is not None:
                    self.sent.append((message, row))
            else:
                raise InputError(f"act() returned {message!r}, neither an order nor a Cancel")

    def _cancel(self, cancel: Cancel, world: World, inbox: Inbox) -> None:
        # The book does not check who cancels: a strategy may only name what rests for it now.
        if any(order.handle == cancel.handle for order in self.view.orders):
            inbox.cancel(cancel.handle, account=self.account)

    def note_outcomes(self, world: World, inbox: Inbox, units: Units) -> None:
        """Tell the view what became of last tick's orders."""
        fills = world.fills[: world.n_fills]
        self.view.outcomes = [_outcome(order, row, fills, inbox, units) for order, row in self.sent]
        self.sent = []


class StrategyCohort:
    """All strategies of a run; each decides on its own, in the order in which they were given."""

    def __init__(self, members: Sequence[_Member], units: Units) -> None:
        self.members, self._units = members, units
        self.most_messages = sum(member.strategy.most_messages for member in members)

    @property
    def strategies(self) -> dict[str, Strategy]:
        """The objects that take part, by account name."""
        return {member.name: member.strategy for member in self.members}

    @property
    def accounts(self) -> dict[str, int]:
        """Their ledger rows, by account name."""
        return {member.name: member.account for member in self.members}

    def decide(self, world: World, inbox: Inbox) -> None:
        """Let those act whose time it is."""
        for member in self.members:
            if member.sent:
                member.note_outcomes(world, inbox.previous, self._units)
            if world.tick % member.interval == 0:
                try:
                    member.act(world, inbox, self._units)
                except InputError as error:
                    raise InputError(f"strategy {member.name}, after {world.seconds:g} s: {error}") from error
                except Exception as error:
                    error.add_note(f"in strategy {member.name}, after {world.seconds:g} s of the run")
                    raise


def _distinct_names(strategies: Sequence[Strategy]) -> list[str]:
    """Their names; the second of a class that gives none is numbered 2, and so on. InputError for one name twice."""
    names: list[str] = []
    for strategy in strategies:
        name = strategy.name or type(strategy).__name__
        if strategy.name and name in names:
            raise InputError(f"strategies: two are called {name!r}; give each its own name")
        number = 1
        while name in names:
            number += 1
            name = f"{type(strategy).__name__}-{number}"
        names.append(name)
    return names


def _outcome(order: Order, row: int, fills: NDArray[np.void], inbox: Inbox, units: Units) -> Outcome:
    message = inbox.messages[row]
    own = fills[fills["message"] == row]
    lots = int(own["lots"].sum())
    book = int(message["book"])
    signed = lots if message["side"] == BUY else -lots
    return Outcome(
        order=order,
        filled=signed * units.lot_size[book],
        price=int((own["lots"] * own["price"]).sum()) / lots * units.tick_size[book] if lots else None,
        rests=bool(inbox.handles[row]),
    )
