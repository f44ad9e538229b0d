"""Option dealers: they take the other side of what people hold in options, and hedge its delta in the perpetual.

A dealer who is short gamma must buy after a rise and sell after a fall, which carries moves on; one who is long gamma
does the opposite and dampens them. Dealers have capital of their own and are liquidated like everybody.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from agents.population import lot_usd, take_positions
from market.greeks import unit_greeks
from market.instruments import USD_QUANTA, Asset, Instrument
from market.kernels.margin import initial_excess
from market.kernels.records import BUY, IOC, NONE, OPTION, OUTSIDE, REST_OF_MARKET, SELL, SPOT
from market.kernels.rules.greeks import DELTA
from market.margin.portfolio import ScenarioMargin
from market.margin.risk import RiskTables
from market.parameters import Bps, Count, PositiveSeconds, PositiveUsd, Ratio, Share, parameters
from market.world import Inbox, World

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]

_REST_COLLATERAL = 2
"""Collateral of the rest of the market for the options it holds, as a multiple of the underlying's value."""


@parameters
class Dealers:
    """Who stands opposite the holders of options."""

    count: Count = 0
    """How many there are; without any the rest of the market is opposite, which hedges nothing."""
    capital_usd: PositiveUsd = 10_000_000.0
    """Median capital, in the first settlement asset; options are shared out in proportion to capital."""
    capital_sigma: Ratio = 0.5
    """Spread of capitals: standard deviation of the logarithm."""
    hedge_seconds: PositiveSeconds = 60.0
    """How often they bring their delta back to zero."""
    band: Share = 0.05
    """Net delta, as a share of the value that their options stand for, beyond which they hedge at once."""
    least_share: Share = 0.001
    """Net delta, as the same share, that they leave alone."""
    slippage_bps: Bps = 50.0
    """Hedges fill no further than this from the mark; the rest is tried again."""
    order_share: Annotated[float, Field(gt=0.0, le=1.0, json_schema_extra={"unit": "share"})] = 1.0
    """Part of what is to be hedged that one order asks for."""
    risk_move: Share = 0.1
    """Move of the price, either way and with volatility up or down, by whose worst loss they judge a book."""
    price_of_risk: Ratio = 0.3
    """What they want for taking a book over in an auction, per dollar that it adds to their worst loss ..."""
    least_ask_bps: Bps = 10.0
    """... but at least this of the value it stands for; both grow as their worst loss uses up their free margin."""

    def accounts_needed(self, *, instruments: Mapping[str, Instrument]) -> int:
        """One for each."""
        del instruments
        return self.count

    def join(self, world: World, *, assets: Mapping[str, Asset], instruments: Mapping[str, Instrument]) -> DealerCohort:
        """Open and fund their accounts; take over what the outside world holds in options, hedged at the mark."""
        del instruments
        draws = world.streams.generator("dealers").standard_normal(self.count)
        capital = self.capital_usd * np.exp(self.capital_sigma * draws)
        quote = next(row for row, asset in enumerate(assets.values()) if asset.settlement)
        accounts = np.zeros(self.count, np.int64)
        for number in range(self.count):
            accounts[number] = world.ledger.open(f"dealer-{number + 1:02d}", role="dealer")
            world.ledger.deposit(int(accounts[number]), quote, world.quanta_worth(float(capital[number]), quote))
        _take_over(world, accounts, capital)
        cohort = DealerCohort(self, accounts, world)
        cohort.hedge_at_the_mark(world)
        return cohort


def _take_over(world: World, accounts: Integers, capital: Floats) -> None:
    """Hand the outside world's options to the dealers, in proportion to capital, or to the rest of the market."""
    ledger, records = world.ledger, world.instruments
    for book in np.flatnonzero(records["kind"] == OPTION).tolist():
        lots, mark = int(ledger.positions["lots"][OUTSIDE, book]), int(records["mark"][book])
        if lots == 0:
            continue
        bounds = np.rint(np.cumsum(capital) / capital.sum() * lots).astype(np.int64) if len(capital) else []
        shares = np.diff(bounds, prepend=0)
        for account, part in zip(accounts.tolist(), shares.tolist(), strict=True):
            if part:
                ledger.open_position(account, book, part, mark, records)
        if not len(accounts):
            ledger.open_position(REST_OF_MARKET, book, lots, mark, records)
            unit = float(records["index"][records["forward"][book]] * records["tick_value"][records["forward"][book]])
            ledger.deposit(REST_OF_MARKET, int(records["quote"][book]), round(_REST_COLLATERAL * abs(lots) * unit))


class DealerCohort:
    """All dealers of a run. `accounts` int64[n] are their ledger rows."""

    def __init__(self, parameters: Dealers, accounts: Integers, world: World) -> None:
        self.parameters, self.accounts = parameters, accounts
        market = world.options
        self._leads: list[tuple[int, int]] = (
            [] if market is None else [(u, int(book)) for u, book in enumerate(market.leads) if book != NONE]
        )
        self._interval = max(1, world.ticks(parameters.hedge_seconds))
        self._risk: RiskTables | None = None
        if market is not None and len(accounts):
            matrix = ScenarioMargin(price_range=parameters.risk_move, price_steps=2)
            self._risk = RiskTables(matrix, world.instruments, market.books.copy())
            market.bidders.append(self)
        self.most_messages = len(accounts) * len(self._leads)

    def deltas(self, world: World) -> tuple[Floats, Floats]:
        """(net delta, value that options stand for), each float64[n_dealers, n_underlyings], USD per relative move.

        Net of everything that moves with the price: options, perpetuals, futures, and coins owned.
        """
        market = world.options
        assert market is not None
        lots = world.ledger.positions["lots"][self.accounts].astype(np.float64)
        unit = unit_greeks(market.books)[:, DELTA] / USD_QUANTA
        books, records = market.books, world.instruments
        option = records["kind"] == OPTION
        unit[(records["kind"] == SPOT) | (option & (records["expiry"] <= world.seconds))] = 0.0
        stands_for = np.where(option, books["per_lot"] * (books["fixed"] + books["forward"]) / USD_QUANTA, 0.0)
        of = np.arange(len(market.underlyings))[:, None] == books["underlying"]
        net = (lots * unit) @ of.T
        assets = world.assets[market.underlyings]
        value = assets["price"] * (assets["multiplier"] / assets["divisor"]) / USD_QUANTA
        net += world.ledger.cash[self.accounts][:, market.underlyings] * value * (assets["is_settlement"] == 0)
        return np.asarray(net), np.asarray((np.abs(lots) * stands_for) @ of.T)

    def _wanted(self, world: World, book: int, delta: Floats) -> Integers:
        """int64[n]: signed lots of `book` that bring `delta` USD to zero, as whole lots towards zero."""
        return np.asarray(np.trunc(-delta / lot_usd(world)[book]).astype(np.int64))

    def hedge_at_the_mark(self, world: World) -> None:
        """Begin the run without any delta; the rest of the market takes the other side."""
        if not len(self.accounts) or not self._leads:
            return
        net, _ = self.deltas(world)
        for underlying, book in self._leads:
            lots = self._wanted(world, book, net[:, underlying])
            mark = np.full(len(lots), int(world.instruments["mark"][book]))
            take_positions(world, accounts=self.accounts, books=np.full(len(lots), book), lots=lots, prices=mark)

    def decide(self, world: World, inbox: Inbox) -> None:
        """Hedge when it is time, and at once when delta has left the band."""
        if not self.most_messages:
            return
        net, stands_for = self.deltas(world)
        share = self.parameters.least_share if world.tick % self._interval == 0 else self.parameters.band
        beyond = np.abs(net) > share * np.maximum(stands_for, 1.0)
        if not beyond.any():
            return
        claimed = world.ledger.accounts["claim"][self.accounts] != 0
        for underlying, book in self._leads:
            lots = self._wanted(world, book, self.parameters.order_share * net[:, underlying])
            for dealer in np.flatnonzero(beyond[:, underlying] & (lots != 0) & ~claimed).tolist():
                self._send(world, inbox, int(self.accounts[dealer]), book, int(lots[dealer]))

    def asks(self, world: World, lots: Integers) -> tuple[Integers, Floats]:
        """What each wants to be paid for taking signed `lots` of every instrument at the marks, USD; inf: no bid.

        (price of risk x what the lots add to the worst loss, at least the least ask) / (1 - worst loss with them / free
        margin): the more of its free margin a dealer would use, the more it asks, and beyond it there is no bid.
        """
        assert self._risk is not None
        assert world.options is not None
        for name in ("forward", "fixed", "vol", "seconds", "per_lot"):
            self._risk.books[name] = world.options.books[name]
        self._risk.refresh(world.instruments, world.assets)
        unit, n = self._risk.unit, len(self._risk.scenarios)
        gain = (unit[:n] - unit[n + 2]) / USD_QUANTA
        own = world.ledger.positions["lots"][self.accounts].astype(np.float64)
        before = np.maximum(-(own @ gain.T), 0.0).max(axis=1)
        after = np.maximum(-((own + lots) @ gain.T), 0.0).max(axis=1)
        common = (world.instruments, world.assets, world.margin, world.ledger.positions, world.ledger.cash)
        free = np.array([initial_excess(account, *common) for account in self.accounts.tolist()]) / USD_QUANTA
        books = world.options.books
        stands_for = float((np.abs(lots) * books["per_lot"] * (books["fixed"] + books["forward"])).sum()) / USD_QUANTA
        wanted = np.maximum(
            self.parameters.price_of_risk * (after - before), self.parameters.least_ask_bps * 1e-4 * stands_for
        )
        use = np.where(free > 0.0, after / np.maximum(free, 1e-9), np.inf)
        claimed = world.ledger.accounts["claim"][self.accounts] != 0
        able = (use < 1.0) & ~claimed
        return self.accounts, np.where(able, wanted / np.maximum(1.0 - use, 1e-9), np.inf)

    def _send(self, world: World, inbox: Inbox, account: int, book: int, lots: int) -> None:
        record = world.instruments[book]
        room = self.parameters.slippage_bps * 1e-4 * (1.0 if lots > 0 else -1.0)
        price = int(np.clip(round(int(record["mark"]) * (1.0 + room)), 1, int(record["n_levels"]) - 2))
        side = BUY if lots > 0 else SELL
        inbox.append(op=IOC, book=book, side=side, price=price, lots=abs(lots), account=account)
