"""Market makers: inventory-aware ladders that shrink under stress and leave at a limit.

The quotes are those of M. Avellaneda and S. Stoikov, "High-frequency trading in a limit order book", Quantitative
Finance 8 (2008), with distances in basis points and inventory in units of one side of the ladder. Depth dries up by
itself: size falls with realised volatility, drawdown and margin in use, and past a limit the maker goes away.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import field
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from agents.kernels.market_maker import MAKER, decide, reservation_and_half_spread
from market.errors import InputError
from market.instruments import Asset, Instrument, with_book
from market.kernels.records import LIQUIDATABLE
from market.parameters import (
    AnnualVolatility,
    Bps,
    Count,
    PositiveBps,
    PositiveCount,
    PositiveSeconds,
    PositiveUsd,
    Ratio,
    Seconds,
    Share,
    parameters,
)
from market.world import Inbox, World

STREAM = "market_makers"
SECONDS_PER_YEAR = 31_557_600.0
BPS_PER_ROOT_SECOND = 1e4 / math.sqrt(SECONDS_PER_YEAR)
"""Annual volatility x this = bps per square root of a second."""


def quotes(
    *, price: float, inventory: float, risk_aversion: float, volatility: float, horizon: float, decay: float
) -> tuple[float, float]:
    """Reservation price r = s - q g v^2 T and half-spread d = g v^2 T / 2 + ln(1 + g / k) / g; quote r - d and r + d.

    `price` s, `inventory` q (signed, long positive), `risk_aversion` g >= 0 in 1 / (price x inventory), `volatility` v
    in price per square root of a unit of time, `horizon` T in that unit, `decay` k > 0 in 1 / price: fills at distance
    d arrive like exp(-k d). Source: Avellaneda and Stoikov (2008), eqs. 3.17 and 3.18. Raises ValueError outside these.
    """
    if decay <= 0.0 or risk_aversion < 0.0 or horizon < 0.0:
        raise ValueError("quotes needs decay > 0, risk_aversion >= 0 and horizon >= 0")
    reservation, half_spread = reservation_and_half_spread(
        float(price), float(inventory), float(risk_aversion), float(volatility) ** 2 * horizon, float(decay)
    )
    return float(reservation), float(half_spread)


PerBps = Annotated[float, Field(gt=0.0, json_schema_extra={"unit": "1/bps"})]
PositiveShare = Annotated[float, Field(gt=0.0, le=1.0, json_schema_extra={"unit": "share"})]
Multiple = Annotated[float, Field(gt=0.0, json_schema_extra={"unit": "x"})]
GeometricGrowth = Annotated[float, Field(ge=1.0, le=10.0, json_schema_extra={"unit": "x"})]


@parameters
class MarketMaker:
    """One maker of one book."""

    capital_usd: PositiveUsd = 1_000_000.0
    """Settlement asset it starts with; on a spot book as much again in the base asset."""
    ladder: Multiple = 0.5
    """Size on one side of the book, all levels together, as a multiple of its equity."""
    levels: PositiveCount = 5
    """Price levels per side."""
    spacing_bps: Bps = 1.0
    """From the first to the second level."""
    spacing_growth: GeometricGrowth = 1.5
    """Every next gap between levels is this much wider."""
    risk_aversion: Annotated[float, Field(ge=0.0, json_schema_extra={"unit": "1/bps"})] = 0.1
    """Avellaneda-Stoikov gamma, per unit of inventory; a unit is one side of the ladder."""
    decay: PerBps = 3.0
    """Avellaneda-Stoikov k: fills fall like exp(-k x distance in bps)."""
    horizon_seconds: Seconds = 10.0
    """Time over which it fears moves against its inventory."""
    narrowest_bps: Bps = 0.2
    """Smallest half-spread."""
    widest_bps: Bps = 200.0
    """Largest half-spread, and largest shift of the quotes for inventory."""
    reference_weight: Share = 0.8
    """Weight of the reference price in its fair price; the rest is the middle of its own book."""
    trusted_spread_bps: PositiveBps = 10.0
    """In a wider spread the middle of the book counts less, in inverse proportion."""
    latency_seconds: Seconds = 0.1
    """Age of the reference price it sees."""
    requote_seconds: PositiveSeconds = 1.0
    """Time between two looks at its quotes, a whole number of ticks: what is taken from its ladder comes back then."""
    inventory_limit: Multiple = 2.0
    """Inventory at which it stops adding, as a multiple of its equity."""
    volatility_seconds: PositiveSeconds = 60.0
    """Half-life of its estimate of volatility."""
    calm_volatility: AnnualVolatility = 0.6
    """Up to this volatility it quotes its full size; also its first estimate."""
    volatility_elasticity: Ratio = 1.0
    """Above, size falls like (calm volatility / volatility) to this power."""
    volatility_limit: AnnualVolatility = 4.0
    """It leaves above this volatility."""
    drawdown_limit: PositiveShare = 0.15
    """It leaves when equity is this far below its peak; size falls in proportion on the way."""
    margin_limit: Share = 0.5
    """It leaves when maintenance margin is more than this share of its equity."""
    cooloff_seconds: Seconds = 300.0
    """How long it stays away at least."""
    least_equity: Share = 0.2
    """Below this share of its capital it does not come back."""
    requote_bps: Bps = 0.8
    """An order at the best level is moved when it is further than this from where it should be."""
    requote_growth: Share = 0.3
    """Deeper levels tolerate this much more per bps between them and the best level."""
    resize: Share = 0.5
    """An order is replaced when its size is off by more than this share."""
    anticipates_cancels: bool = False
    """After a move it quotes around the new price at once, even through the other side as it stood, counting on those
    orders to be cancelled in the same tick; what would trade after all is not placed. Otherwise it follows a tick
    later, and the spread is about as wide as the price moves in a tick."""


_DRAWN = ("risk_aversion", "decay", "ladder", "volatility_limit", "drawdown_limit", "margin_limit", "latency_seconds")


@parameters
class MarketMakers:
    """The makers of all books; every one has an account of its own."""

    makers_per_book: Count = 3
    """Makers of each instrument."""
    default: MarketMaker = MarketMaker()
    """A maker on a book that `books` does not name."""
    books: dict[str, MarketMaker] = field(default_factory=dict)
    """A maker on a book, by instrument; what such a table leaves out is the class's default, not `default`'s."""
    heterogeneity: Ratio = 0.3
    """Standard deviation of the log of each maker's risk aversion, decay, size, limits and latency."""

    def accounts_needed(self, *, instruments: Mapping[str, Instrument]) -> int:
        """One per maker."""
        return self.makers_per_book * len(with_book(instruments))

    def join(self, world: World, *, assets: Mapping[str, Asset], instruments: Mapping[str, Instrument]) -> Makers:
        """Open and fund the makers' accounts. Raises InputError when `books` names an unknown instrument."""
        for symbol in self.books:
            if symbol not in instruments:
                raise InputError(
                    f"agents.market_makers.books: no instrument {symbol!r}; instruments are {', '.join(instruments)}"
                )
        generator = world.streams.generator(STREAM)
        records = []
        for book, symbol, instrument in with_book(instruments):
            maker = self.books.get(symbol, self.default)
            for number in range(self.makers_per_book):
                record = _record(maker, generator.standard_normal(len(_DRAWN)) * self.heterogeneity, world)
                record["account"] = world.ledger.open(
                    f"market_maker-{symbol}-{number}", role="market_maker", flags=LIQUIDATABLE
                )
                record["book"] = book
                record["initial_base"] = _fund(record, maker, world, instrument=instrument)
                records.append(record)
        return Makers(world, np.array(records, MAKER))


class Makers:
    """All market makers of a run. `records` MAKER[n]: parameters and state, one row per maker."""

    def __init__(self, world: World, records: NDArray[np.void]) -> None:
        self.records = records
        levels = int(records["levels"].max()) if len(records) else 1
        self.handles = np.zeros((len(records), 2 * levels), np.int64)
        latest = int(records["latency"].max()) if len(records) else 0
        self._references = np.zeros((latest + 1, len(world.instruments)), np.int64)
        self._known = 0
        self._first = self._count = 0
        self.most_messages = 4 * int(records["levels"].sum())
        """A cancellation and a new order per level and side."""

    def decide(self, world: World, inbox: Inbox) -> None:
        """Append the makers' cancellations and new orders."""
        before, first, ledger = inbox.previous, inbox.count, world.ledger
        inbox.count, self._known = decide(
            inbox.messages, first, before.messages, before.handles, self._first, self._count, self.records,
            self.handles, self._references, self._known, world.tick, world.tick_seconds, world.books.orders,
            world.instruments, world.assets, world.margin, ledger.positions, ledger.cash, ledger.accounts,
        )  # fmt: skip
        self._first, self._count = first, inbox.count - first

    def of_book(self, book: int) -> NDArray[np.int64]:
        """Rows of the makers of a book."""
        return np.flatnonzero(self.records["book"] == book)

    def retune(self, book: int, before: MarketMaker, after: MarketMaker) -> None:
        """Quote ladders of other sizes on a book from now on; what makers differ by stays."""
        self.records["ladder"][self.of_book(book)] *= after.ladder / before.ladder

    def note_capital(self, row: int, maker: MarketMaker, *, usd: float, base: int) -> None:
        """A maker was paid so much more capital, or less: its drawdown and what it calls inventory count from there."""
        record = self.records[row]
        record["peak"] = max(record["peak"] + usd, 1e-6)
        record["least_equity"] = maker.least_equity * maker.capital_usd
        record["initial_base"] += base

    def leave(self, book: int, share: float, until: int) -> None:
        """Let this share of a book's makers, the first ones, take their quotes away until a tick."""
        rows = self.of_book(book)
        rows = rows[: round(share * len(rows))]
        self.records["away_until"][rows] = np.maximum(self.records["away_until"][rows], until)


def _record(maker: MarketMaker, draws: NDArray[np.float64], world: World) -> NDArray[np.void]:
    """MAKER[()] around the given parameters; `draws` are the logs of the factors of `_DRAWN`."""
    drawn = {name: getattr(maker, name) * math.exp(draw) for name, draw in zip(_DRAWN, draws, strict=True)}
    record = np.zeros((), MAKER)
    for name in ("levels", "spacing_growth", "reference_weight", "inventory_limit", "resize"):
        record[name] = getattr(maker, name)
    for name in ("risk_aversion", "decay", "ladder"):
        record[name] = drawn[name]
    for name in ("drawdown_limit", "margin_limit"):
        record[name] = min(drawn[name], 1.0)
    record["latency"] = world.ticks(drawn["latency_seconds"])
    record["anticipates"] = maker.anticipates_cancels
    record["cooloff"] = max(1, world.ticks(maker.cooloff_seconds))
    record["horizon"] = maker.horizon_seconds
    record["narrowest"], record["widest"] = maker.narrowest_bps, maker.widest_bps
    record["trusted_spread"] = maker.trusted_spread_bps
    record["spacing"] = maker.spacing_bps
    record["tolerance"], record["tolerance_growth"] = maker.requote_bps, maker.requote_growth
    record["calm"] = maker.calm_volatility * BPS_PER_ROOT_SECOND
    record["elasticity"] = maker.volatility_elasticity
    record["volatility_limit"] = drawn["volatility_limit"] * BPS_PER_ROOT_SECOND
    record["pace"] = max(1, world.ticks(maker.requote_seconds))
    record["memory"] = 1.0 - 0.5 ** (int(record["pace"]) * world.tick_seconds / maker.volatility_seconds)
    record["variance"] = record["calm"] ** 2
    record["least_equity"] = maker.least_equity * maker.capital_usd
    record["peak"] = maker.capital_usd
    return record


def _fund(record: NDArray[np.void], maker: MarketMaker, world: World, *, instrument: Instrument) -> int:
    """Deposit the maker's capital; return the base quanta it starts with."""
    account = int(record["account"])
    world.ledger.accounts[account]["only_instrument"] = int(record["book"])
    quote, base = world.asset(instrument.quote), world.asset(instrument.base)
    world.ledger.deposit(account, quote, world.quanta_worth(maker.capital_usd, quote))
    if instrument.kind != "spot":
        return 0
    amount = world.quanta_worth(maker.capital_usd, base)
    world.ledger.deposit(account, base, amount)
    return amount
