"""Arbitrageurs: pull every book towards the reference price, bounded by capital, latency and the cost of hedging.

What they buy on the venue they sell to the outside world, and the other way round. That hedge is the one booking an
agent makes itself: at the start of `decide`, through the ledger's own `settle_trade` against the `outside` account, at
the reference price worse by the hedging cost. Their venue orders carry NO_IMPACT: the hedge returns to the outside
what the order took from it, so they move no reference price.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from agents.kernels.arbitrageur import ARBITRAGEUR, decide
from market.instruments import Asset, Instrument, with_book
from market.kernels.records import LIQUIDATABLE
from market.parameters import Bps, Count, PositiveSeconds, PositiveUsd, Ratio, Seconds, UsdPerSecond, parameters
from market.world import Inbox, World

STREAM = "arbitrageurs"


@parameters
class Arbitrageurs:
    """The arbitrageurs of all books; every one has an account of its own.

    One gains per trade what it gets beyond the taker's fee and `hedge_cost_bps`.
    """

    arbitrageurs_per_book: Count = 1
    """Arbitrageurs of each instrument."""
    capital_usd: PositiveUsd = 2_000_000.0
    """Settlement asset each starts with; on a spot book as much again in the base asset."""
    threshold_bps: Bps = 6.0
    """It trades with orders priced at least this far on the wrong side of the reference."""
    latency_seconds: Seconds = 0.5
    """Age of the reference price it sees."""
    order_usd: PositiveUsd = 1_000_000.0
    """Largest order."""
    order_seconds: PositiveSeconds = 1.0
    """Time between two orders, a whole number of ticks."""
    inventory_limit: Annotated[float, Field(gt=0.0, json_schema_extra={"unit": "x"})] = 3.0
    """Largest inventory not yet hedged, as a multiple of its equity."""
    hedge_usd_per_second: UsdPerSecond = 250_000.0
    """How fast it hedges outside."""
    hedge_cost_bps: Bps = 1.0
    """Cost of hedging, from the reference price."""
    heterogeneity: Ratio = 0.3
    """Standard deviation of the log of each one's threshold, latency and order size."""

    def accounts_needed(self, *, instruments: Mapping[str, Instrument]) -> int:
        """One per arbitrageur."""
        return self.arbitrageurs_per_book * len(with_book(instruments))

    def join(self, world: World, *, assets: Mapping[str, Asset], instruments: Mapping[str, Instrument]) -> Hedgers:
        """Open and fund the arbitrageurs' accounts."""
        generator = world.streams.generator(STREAM)
        records = np.zeros(self.accounts_needed(instruments=instruments), ARBITRAGEUR)
        for row, record in enumerate(records):
            place, number = divmod(row, self.arbitrageurs_per_book)
            book = with_book(instruments)[place][0]
            symbol = world.instrument_symbols[book]
            account = world.ledger.open(f"arbitrageur-{symbol}-{number}", role="arbitrageur", flags=LIQUIDATABLE)
            world.ledger.accounts[account]["only_instrument"] = book
            draws = np.exp(generator.standard_normal(3) * self.heterogeneity)
            record["account"], record["book"] = account, book
            record["threshold"] = min(self.threshold_bps * draws[0] * 1e-4, 1.0)
            record["latency"] = world.ticks(self.latency_seconds * draws[1])
            record["pace"] = max(1, world.ticks(self.order_seconds))
            record["order_usd"] = self.order_usd * draws[2]
            record["hedge_cost"] = self.hedge_cost_bps * 1e-4
            record["hedge_usd"] = self.hedge_usd_per_second * world.tick_seconds
            record["inventory_limit"] = self.inventory_limit
            record["initial_base"] = self._fund(account, world, instrument=instruments[symbol])
        return Hedgers(world, records)

    def _fund(self, account: int, world: World, *, instrument: Instrument) -> int:
        """Deposit the capital; return the base quanta it starts with."""
        amount = world.quanta_worth(self.capital_usd, world.asset(instrument.quote))
        world.ledger.deposit(account, world.asset(instrument.quote), amount)
        if instrument.kind != "spot":
            return 0
        amount = world.quanta_worth(self.capital_usd, world.asset(instrument.base))
        world.ledger.deposit(account, world.asset(instrument.base), amount)
        return amount


class Hedgers:
    """All arbitrageurs of a run. `records` ARBITRAGEUR[n], one row per arbitrageur."""

    def __init__(self, world: World, records: NDArray[np.void]) -> None:
        self.records = records
        latest = int(records["latency"].max()) if len(records) else 0
        self._references = np.zeros((latest + 1, len(world.instruments)), np.int64)
        self._known = 0
        self.most_messages = len(records)

    def decide(self, world: World, inbox: Inbox) -> None:
        """Hedge outside, then append orders on the books that are out of line."""
        books, ledger, watch = world.books, world.ledger, world.watch
        inbox.count, self._known = decide(
            inbox.messages, inbox.count, self.records, self._references, self._known, world.tick, books.levels,
            books.occupied, world.instruments, books.counters, ledger.positions, ledger.accounts, ledger.cash,
            world.assets, watch.touched, watch.touched_mark,
        )  # fmt: skip
