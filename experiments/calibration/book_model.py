"""A short run of one book: its parameters in, what `book_moments` sees out.

One perpetual with background flow, makers and an arbitrageur around a reference of constant volatility; no leveraged
traders, so nothing but the book's own makings decides what it looks like.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from agents.arbitrageur import Arbitrageurs
from agents.background import BackgroundFlow, BookFlow
from agents.market_maker import MarketMaker, MarketMakers
from experiments.calibration import book_moments as book_moments_module
from experiments.calibration.book_moments import DISTANCES_BPS, BookSeries, book_moments
from experiments.calibration.space import Parameter
from market.book import Books
from market.instruments import USD_QUANTA, Asset, Instrument, asset_records, instrument_records, tier_records
from market.kernels.marks import set_references
from market.kernels.records import BUY, SELL
from market.ledger import Ledger
from market.parameters import (
    AnnualVolatility,
    PerSecond,
    Positive,
    PositiveAmount,
    PositiveBps,
    PositiveCount,
    PositiveSeconds,
    PositiveUsd,
    Ratio,
    Share,
    parameters,
)
from market.reference.model import ModelAsset, ModelPrices
from market.simulation import Cast, Rules, run
from market.streams import Streams
from market.venue import Liquidation, Venue, policy_record
from market.world import ReferencePath, World, total_messages

WARM_UP_SECONDS = 60
MAKERS = 3
LADDER = 0.1
"""What each maker quotes on a side, as a share of its equity."""

SPACE = (
    Parameter(name="depth_usd", low=5e6, high=1e9),
    Parameter(name="median_distance_bps", low=8.0, high=200.0),
    Parameter(name="distance_tail", low=0.8, high=3.0),
    Parameter(name="resting_orders", low=300.0, high=6_000.0),
    Parameter(name="half_life_seconds", low=3.0, high=200.0),
    Parameter(name="stale_half_life_seconds", low=0.05, high=3.0),
    Parameter(name="maker_usd", low=1e4, high=5e6),
    Parameter(name="maker_spacing_bps", low=0.02, high=2.0),
    Parameter(name="reference_weight", low=0.3, high=0.99, log=False),
    Parameter(name="risk_aversion", low=1e-4, high=0.03),
)


@parameters
class BookGiven:
    """What the data say about a book without any simulation."""

    price: PositiveUsd
    """At the start."""
    tick_size: Positive
    """Price step, USD."""
    lot_size: PositiveAmount
    """Size step."""
    volatility: AnnualVolatility
    """Of the reference."""
    market_rate: PerSecond
    """Market orders."""
    market_size_usd: PositiveUsd
    """Their mean."""
    market_size_sigma: Ratio
    """Standard deviation of the logarithm of their sizes."""
    seconds: PositiveCount
    """Length of a run after its start-up: as long as the data, since moments of short series depend on their length."""


@parameters
class BookValues:
    """What is fitted of a book."""

    depth_usd: PositiveUsd
    """Resting depth of the crowd on a side, at all distances together."""
    median_distance_bps: PositiveBps
    """Median distance of its orders from the touch."""
    distance_tail: Positive
    """Exponent of the distances."""
    resting_orders: Positive
    """Orders of the crowd on both sides."""
    half_life_seconds: PositiveSeconds
    """Of a resting order."""
    stale_half_life_seconds: PositiveSeconds
    """Of one that the price has left behind."""
    maker_usd: PositiveUsd
    """Ladders of the makers on a side, all together."""
    maker_spacing_bps: PositiveBps
    """Between the steps of a ladder."""
    reference_weight: Share
    """How far makers look at the reference rather than at the book."""
    risk_aversion: Ratio
    """Of the makers."""


@parameters
class BookRun:
    """A short run of one book, as a model that runs are stored of."""

    model: Literal["book"] = "book"
    """Tells the models apart."""
    given: BookGiven
    """What the data say about it."""
    values: BookValues
    """What is fitted."""

    def figures(self, seed: int) -> dict[str, float]:
        """Moments of the book."""
        return simulate_book(self.given, asdict(self.values), seed)


MEASURED_BY = (book_moments_module,)
"""Modules that a run's moments depend on beside this one and the engine."""


class _TrueOracle:
    """The venue values assets at their reference price."""

    def publish(self, world: World) -> None:
        """Copy reference prices."""
        world.assets["price"] = world.assets["reference"]


def flow_of(values: Mapping[str, float], given: BookGiven) -> BookFlow:
    """The background flow that the parameters mean."""
    hazard = math.log(2.0) / values["half_life_seconds"]
    return BookFlow(
        limit_rate=values["resting_orders"] * hazard,
        limit_size_usd=2.0 * values["depth_usd"] / values["resting_orders"],
        half_life_seconds=values["half_life_seconds"],
        stale_half_life_seconds=values["stale_half_life_seconds"],
        median_distance_bps=values["median_distance_bps"],
        distance_tail=values["distance_tail"],
        market_rate=given.market_rate,
        market_size_usd=given.market_size_usd,
        market_size_sigma=given.market_size_sigma,
    )


def maker_of(values: Mapping[str, float]) -> MarketMaker:
    """The maker that the parameters mean: at the touch, requoting at once, with the price it sees now."""
    return MarketMaker(
        capital_usd=values["maker_usd"] / (MAKERS * LADDER),
        ladder=LADDER,
        spacing_bps=values["maker_spacing_bps"],
        risk_aversion=values["risk_aversion"],
        decay=1_000.0,
        narrowest_bps=0.0,
        reference_weight=values["reference_weight"],
        latency_seconds=0.0,
        requote_bps=0.0,
        anticipates_cancels=True,
    )


def simulate_book(given: BookGiven, values: Mapping[str, float], seed: int) -> dict[str, float]:
    """Moments of a run."""
    return book_moments(watch(_world(given, values, seed), seconds=given.seconds))


def _world(given: BookGiven, values: Mapping[str, float], seed: int) -> tuple[World, Rules, Cast]:
    assets = {
        "USDC": Asset(price_usd=1.0, settlement=True, valuation="one", quantum=1e-6, price_tick_usd=1e-4),
        "BASE": Asset(price_tick_usd=given.tick_size),
    }
    perpetual = Instrument(base="BASE", tick_size=given.tick_size, lot_size=given.lot_size, maker_fee_bps=0.0)
    instruments = {"PERP": perpetual}
    path = ModelPrices(
        assets=(ModelAsset(symbol="BASE", price=given.price, volatility=given.volatility),),
        slow_spread=0.0, fast_spread=0.0, common_jumps_per_year=0.0, own_jumps_per_year=0.0, crashes_per_year=0.0,
    ).path(streams=Streams(seed), tick_seconds=1.0)  # fmt: skip
    prices = _TwoPrices(path)
    records = instrument_records(assets, instruments, {"USDC": 1.0, "BASE": 1.2 * given.price})
    members = (
        BackgroundFlow(default=flow_of(values, given)),
        MarketMakers(makers_per_book=MAKERS, default=maker_of(values)),
        Arbitrageurs(),
    )
    needed = sum(member.accounts_needed(instruments=instruments) for member in members)
    ledger = Ledger.with_room(n_accounts=needed, n_assets=2, n_instruments=1)
    venue = Venue(liquidation=replace(Liquidation(), enabled=False))
    world = World(
        tick_seconds=1.0, asset_symbols=tuple(assets), instrument_symbols=tuple(instruments),
        assets=asset_records(assets, instruments), instruments=records, tiers=tier_records(instruments),
        policy=policy_record(venue), ledger=ledger,
        books=Books(instruments=records, positions=ledger.positions, accounts=ledger.accounts), reference=prices,
        streams=Streams(seed), impact_per_quanta=np.zeros(1),
    )  # fmt: skip
    set_references(world.assets, records, prices.row(0))
    world.assets["price"] = world.assets["reference"]
    records["mark"] = records["index"] = records["reference"]
    joined = [member.join(world, assets=assets, instruments=instruments) for member in members]
    cast = Cast(oracles=(_TrueOracle(),), cohorts=tuple(joined))
    world.size_inboxes(total_messages(cast.cohorts))
    return world, Rules(venue=venue), cast


class _TwoPrices:
    """A stablecoin at 1, and the reference path of the other asset."""

    def __init__(self, path: ReferencePath) -> None:
        self._path = path

    def row(self, tick: int) -> NDArray[np.float64]:
        """float64[2], USD."""
        return np.array([1.0, self._path.row(tick)[0]])


def watch(parts: tuple[World, Rules, Cast], *, seconds: int, book: int = 0) -> BookSeries:
    """Run and look at a book after every second."""
    world, rules, cast = parts
    per_second = max(1, round(1.0 / world.tick_seconds))
    run(world, rules, cast, ticks=WARM_UP_SECONDS * per_second)
    rows = np.zeros((seconds, 2 + len(DISTANCES_BPS)))
    instrument = world.instruments[book]
    unit = int(instrument["tick_value"]) / USD_QUANTA
    for second in range(seconds):
        run(world, rules, cast, ticks=per_second)
        bid, ask = int(instrument["best_bid"]), int(instrument["best_ask"])
        centre = 0.5 * (bid + ask)
        sides = [
            world.books.depth_within(book=book, side=side, centre=centre, distances_bps=DISTANCES_BPS)[1]
            for side in (BUY, SELL)
        ]
        rows[second, 0], rows[second, 1] = centre * float(instrument["tick_size"]), (ask - bid) / centre * 1e4
        rows[second, 2:] = 0.5 * (sides[0] + sides[1]) * unit
    return BookSeries(mid=rows[:, 0], spread_bps=rows[:, 1], depth_usd=rows[:, 2:])
