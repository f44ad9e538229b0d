"""Traders: leveraged holders with different equity, leverage, direction, collateral and behaviour.

They wake up now and then, more often when prices move, and look at their accounts. A margin call is answered with
money that arrives later, by closing a part, or not at all. Otherwise some hold, some keep their leverage near a target,
some follow the trend, and some have left stop orders, which fire by themselves when the mark reaches them.

Top-ups are the one booking a cohort makes itself: a ledger transfer at the beginning of `decide`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import field
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from agents.holdings import Holdings, draw_holdings, perpetuals, structure
from agents.kernels.trader import (
    HOLD,
    QUEUE_DUE,
    RULES,
    STOP,
    STOP_GROUPS,
    STOP_LOSS,
    TARGET_LEVERAGE,
    TRADER,
    TREND,
    decide,
)
from agents.option_holder import OptionHolders, book_options
from agents.population import Floats, Integers, deposit, lot_usd, quanta_of, take_positions
from market.errors import InputError
from market.instruments import Asset, Instrument
from market.kernels.records import NONE, OUTSIDE
from market.parameters import (
    Bps,
    PerHour,
    Positive,
    PositiveCount,
    PositiveSeconds,
    PositiveUsd,
    Ratio,
    Seconds,
    Share,
    parameters,
)
from market.world import Inbox, World

_NO_LIMIT = 1 << 60
"""Top-ups that may arrive in a tick when they need no block space."""


@parameters
class Traders:
    """A generated population of leveraged holders."""

    kind: Literal["generated"] = "generated"
    """Tells the kinds of population apart."""
    count: PositiveCount = 10_000
    """How many people; one with isolated margin has several accounts."""
    equity_usd: PositiveUsd = 2_000.0
    """Median equity."""
    equity_sigma: Ratio = 1.5
    """Spread of equities: standard deviation of the logarithm."""
    tail_share: Annotated[float, Field(ge=0.0, le=0.5, json_schema_extra={"unit": "share"})] = 0.01
    """Richest part of the population, whose equities follow a Pareto law instead."""
    tail_exponent: Positive = 1.5
    """Exponent of that law; smaller is more unequal."""
    largest_equity_usd: PositiveUsd = 20_000_000.0
    """Nobody has more."""
    leverage: Ratio = 5.0
    """Median leverage, notional over equity; everybody has at least 1 and at most what initial margin allows."""
    leverage_sigma: Ratio = 0.6
    """Spread of leverage: standard deviation of the logarithm."""
    share_long: Share = 0.6
    """Part of the population that is long; the rest is short, and the rest of the market takes the difference."""
    instruments_held: tuple[Share, ...] = (0.7, 0.2, 0.1)
    """Parts of the population that hold one, two, three ... instruments; the last entry is whatever remains."""
    popularity: dict[str, Ratio] = field(default_factory=dict)
    """Weight of each base asset, for positions and collateral; left out: one over its rank in the scenario."""
    collateral_users: Share = 0.35
    """Part of those with cross margin who post something else than settlement assets."""
    collateral_share: Share = 0.5
    """Mean part of their equity that they hold in it."""
    isolated_share: Share = 0.2
    """Part of the population with isolated margin: each position has its own account, beside a wallet."""
    hedged_share: Share = 0.0
    """Part of the population that holds every second of its positions the other way round."""
    sub_account_share: Share = 0.0
    """Part of those whose accounts are sub-accounts instead: not confined to the instrument they start with."""
    wallet_share: Share = 0.3
    """Part of their equity that stays in the wallet, from which they can top up."""
    entry_spread: Ratio = 0.03
    """Standard deviation of the logarithm of entry price over mark."""
    target_leverage_share: Share = 0.1
    """Part of the population that keeps its leverage near where it started."""
    trend_share: Share = 0.15
    """Part that buys after a rise and sells after a fall."""
    stop_loss_share: Share = 0.2
    """Part that has left stop orders; all others hold."""
    attention_per_hour: PerHour = 0.25
    """How often people look at their account in calm times, on average."""
    attention_sigma: Ratio = 1.0
    """Spread of attention: standard deviation of the logarithm."""
    alarm_from: Share = 0.01
    """Distance between mark and slow average, of any instrument, up to which times are calm."""
    alarm: Ratio = 400.0
    """Extra attention per unit of distance beyond that; 400: four times the calm attention more for every percent."""
    most_alarm: Annotated[float, Field(ge=1.0, le=1_000.0, json_schema_extra={"unit": "x"})] = 40.0
    """Attention at most, as a multiple of calm times."""
    slow_halflife_seconds: PositiveSeconds = 900.0
    """Half-life of the slow average of the mark that alarm and trend compare with."""
    margin_call_ratio: Share = 0.5
    """Margin ratio above which somebody who looks feels called."""
    top_up_probability: Share = 0.4
    """Chance, at each look, that a margin call is answered with money."""
    top_up_delay_seconds: Seconds = 60.0
    """Time until the money arrives."""
    top_up_ratio: Share = 0.3
    """Margin ratio that a top-up aims at."""
    outside_wealth: Ratio = 0.5
    """Mean money outside the venue that can still come in, as a multiple of equity; exponentially distributed."""
    reduce_probability: Share = 0.3
    """Chance, at each look, that a margin call is answered by closing a part; the rest do nothing."""
    reduce_share: Share = 0.5
    """Part of the largest position that is closed then."""
    leverage_band: Share = 0.2
    """Relative distance from the target at which leverage is corrected."""
    trend_threshold: Share = 0.01
    """Distance between mark and slow average at which trend followers act."""
    trend_pace: Share = 0.25
    """Part of the way to the wanted position that they go at once."""
    slippage_bps: Bps = 50.0
    """Orders that add to a position fill no further than this from the mark."""
    stop_distance: Ratio = 0.06
    """Median distance of stop orders from the starting mark, in the logarithm."""
    stop_sigma: Ratio = 0.5
    """Spread of those distances: standard deviation of the logarithm."""
    options: OptionHolders = OptionHolders()
    """Who holds options beside."""

    def __post_init__(self) -> None:
        active = self.target_leverage_share + self.trend_share + self.stop_loss_share
        if active > 1.0 + 1e-9:
            raise ValueError(
                f"target_leverage_share, trend_share and stop_loss_share add up to {active:g}, more than 1"
            )
        if not self.instruments_held or sum(self.instruments_held[:-1]) > 1.0 + 1e-9:
            raise ValueError("instruments_held must have an entry, and those before the last add up to at most 1")
        if not 0.0 < self.top_up_ratio < self.margin_call_ratio:
            raise ValueError("top_up_ratio must be above 0 and below margin_call_ratio")

    def accounts_needed(self, *, instruments: Mapping[str, Instrument]) -> int:
        """One per person, and one per position of those with isolated margin. InputError without a perpetual."""
        isolated, held = structure(self, self._n_perpetuals(instruments))
        return self.count + int(held[isolated].sum())

    def join(self, world: World, *, assets: Mapping[str, Asset], instruments: Mapping[str, Instrument]) -> TraderCohort:
        """Open, fund and position everybody; the rest of the market takes what does not cancel out."""
        self._n_perpetuals(instruments)
        unknown = [name for name in self.popularity if name not in assets]
        if unknown:
            raise InputError(f"population.popularity: no asset {unknown[0]!r}; assets are {', '.join(assets)}")
        holdings = self.holdings(world, instruments)
        accounts = _open_accounts(holdings, world)
        _book(holdings, accounts, world)
        if self.options.share > 0.0:
            book_options(self.options, holdings, accounts[:, 0], world)
        return TraderCohort(self, _Cast(self, holdings, accounts, world), world)

    def holdings(self, world: World, instruments: Mapping[str, Instrument]) -> Holdings:
        """What everybody owns at the start."""
        return draw_holdings(self, world, instruments)

    def _n_perpetuals(self, instruments: Mapping[str, Instrument]) -> int:
        count = len(perpetuals(instruments, self.popularity))
        if count == 0:
            raise InputError("population: there is no perpetual that anybody would trade; see popularity")
        return count


def _open_accounts(holdings: Holdings, world: World) -> Integers:
    """int64[n, 1 + m]: ledger rows: the trader's first account, then the account of each position.

    With cross margin they are the same; with isolated margin the first one is the wallet.
    """
    ledger = world.ledger
    count = holdings.held.sum(axis=1)
    size = 1 + np.where(holdings.isolated, count, 0)
    first = len(ledger.names) + np.cumsum(size) - size
    later = np.arange(1, 1 + holdings.held.shape[1]) * holdings.isolated[:, None]
    accounts = np.column_stack([first, first[:, None] + later])
    symbols = world.instrument_symbols
    for i, (isolated, held, books) in enumerate(
        zip(holdings.isolated.tolist(), count.tolist(), holdings.books.tolist(), strict=True), start=1
    ):
        name = f"trader-{i:05d}"
        if not isolated:
            ledger.open(name, role="trader")
            continue
        wallet = ledger.open(f"{name}/wallet", role="wallet")
        for book in books[:held]:
            ledger.open(f"{name}/{symbols[book]}", role="trader", owner=wallet)
    alone = holdings.held & (holdings.isolated & ~holdings.sub_accounts)[:, None]
    ledger.accounts["only_instrument"][accounts[:, 1:][alone]] = holdings.books[alone]
    return accounts


def _book(holdings: Holdings, accounts: Integers, world: World) -> None:
    """Deposits and positions of everybody."""
    held = holdings.held
    quotes = world.instruments["quote"][holdings.books].astype(np.int64)
    for rows, assets, amounts in (
        (accounts[:, 1:][held], quotes[held], holdings.deposits[held]),
        (accounts[:, 0], holdings.collateral_assets, holdings.collateral),
        (accounts[:, 0], quotes[:, 0], holdings.wallets),
    ):
        deposit(world, accounts=rows, assets=assets, amounts=amounts)
    held = held & (holdings.lots != 0)
    take_positions(
        world,
        accounts=accounts[:, 1:][held],
        books=holdings.books[held],
        lots=holdings.lots[held],
        prices=holdings.entries[held],
    )


class _Cast:
    """The arrays of the runtime: one TRADER row per risk account, and the stop orders of all instruments."""

    def __init__(self, parameters: Traders, holdings: Holdings, accounts: Integers, world: World) -> None:
        self.uniforms = world.streams.generator("population behaviour").random((parameters.count, 2))
        self.normals = world.streams.generator("population attention").standard_normal(
            (parameters.count, 1 + len(world.instruments))
        )
        # A cross account is one row, whatever it holds; an isolated position has a row of its own.
        leads = holdings.held & (holdings.isolated[:, None] | (np.arange(holdings.held.shape[1]) == 0))
        self.person, self.place = np.nonzero(leads)
        self.traders = self._table(parameters, holdings, accounts, world)
        self.stops, self.state = self._stops(parameters, holdings, leads, world)

    def _table(self, parameters: Traders, holdings: Holdings, accounts: Integers, world: World) -> NDArray[np.void]:
        person, place = self.person, self.place
        isolated = holdings.isolated[person]
        notional = np.abs(holdings.lots) * lot_usd(world)[holdings.books] * holdings.held
        traders = np.zeros(len(person), TRADER)
        traders["account"] = accounts[person, 1 + place]
        from_wallet = isolated & (world.sub_accounts.transfers != "none")
        traders["payer"] = np.where(from_wallet, accounts[person, 0], OUTSIDE)
        bounds = np.cumsum([parameters.target_leverage_share, parameters.trend_share, parameters.stop_loss_share])
        kinds = np.array([TARGET_LEVERAGE, TREND, STOP_LOSS, HOLD])
        traders["behaviour"] = kinds[np.searchsorted(bounds, self.uniforms[person, 0], side="right")]
        traders["book"] = holdings.books[person, place]
        traders["quote"] = world.instruments["quote"][traders["book"]]
        traders["due"] = NONE
        wealth = -np.log1p(-self.uniforms[:, 1]) * parameters.outside_wealth * holdings.equity
        traders["wealth"] = np.where(isolated, 0, quanta_of(wealth[person], traders["quote"].astype(np.int64), world))
        used = np.where(isolated, notional[person, place], notional.sum(axis=1)[person])
        behind = np.where(isolated, holdings.margin[person, place], holdings.equity[person])
        traders["leverage"] = used / np.maximum(behind, 1e-9)
        traders["upto"] = upto = _cumulative(np.exp(parameters.attention_sigma * self.normals[person, 0]))
        traders["guide"] = np.searchsorted(upto, np.arange(len(upto)) / len(upto), side="right")
        return traders

    def _stops(
        self, parameters: Traders, holdings: Holdings, leads: NDArray[np.bool_], world: World
    ) -> tuple[NDArray[np.void], Integers]:
        """(STOP[n], int64 state): grouped by instrument and side, the nearest to the mark first."""
        row = np.cumsum(leads).reshape(leads.shape) - 1
        row = np.where(holdings.isolated[:, None], row, row[:, :1])
        wanted = holdings.held & (holdings.lots != 0) & (self.traders["behaviour"][row] == STOP_LOSS)
        person, place = np.nonzero(wanted)
        books, long = holdings.books[person, place], holdings.lots[person, place] > 0
        spread = np.exp(parameters.stop_sigma * self.normals[person, 1 + books])
        marks, n_levels = world.instruments["mark"][books], world.instruments["n_levels"][books]
        aimed = marks * np.exp(parameters.stop_distance * spread * np.where(long, -1.0, 1.0))
        prices = np.clip(np.rint(aimed), 1, n_levels - 2).astype(np.int64)
        group = 2 * books + ~long
        order = np.lexsort((row[person, place], np.where(long, -prices, prices), group))
        stops = np.zeros(len(order), STOP)
        stops["price"], stops["trader"] = prices[order], row[person, place][order]
        ends = np.searchsorted(group[order], np.arange(2 * len(world.instruments)), side="right")
        starts = np.concatenate([[0], ends[:-1]])
        head = np.zeros(STOP_GROUPS, np.int64)
        return stops, np.concatenate([head, np.column_stack([starts, ends]).ravel()]).astype(np.int64)


def _cumulative(weights: Floats) -> Floats:
    total = np.cumsum(weights)
    return np.asarray(total / total[-1])


class TraderCohort:
    """All generated traders of a run. `traders` TRADER[n], one row per account that holds positions."""

    def __init__(self, parameters: Traders, cast: _Cast, world: World) -> None:
        self.traders = cast.traders
        self.stops = cast.stops
        rules = _rules(parameters, len(self.traders), world)
        self.most_messages = len(self.stops) + int(rules["most_wakes"][0])
        self._stream = world.streams.stream("traders", width=2)
        ledger, watch = world.ledger, world.watch
        self._state = cast.state
        woken = np.zeros(int(rules["most_wakes"][0]) + 1, np.int64)
        self._arrays = (
            rules, woken, self.traders, self.stops, cast.state, world.instruments["mark"].astype(np.float64),
            world.instruments, world.assets, world.margin, ledger.positions, ledger.cash, ledger.accounts,
            world.books.counters, watch.touched, watch.touched_mark,
        )  # fmt: skip

    def decide(self, world: World, inbox: Inbox) -> None:
        """Let top-ups arrive, as far as shared blocks took them, stop orders fire, and whoever wakes up act."""
        tick, chain = world.tick, world.congestion
        most = _NO_LIMIT if chain is None else chain.take_top_ups()
        inbox.count = decide(tick, self._stream.row(tick), inbox.messages, inbox.count, most, *self._arrays)
        if chain is not None:
            chain.queue_top_ups(int(self._state[QUEUE_DUE]))


def _rules(parameters: Traders, n_traders: int, world: World) -> NDArray[np.void]:
    """RULES[1]: the parameters in ticks and pure numbers."""
    rules = np.zeros(1, RULES)
    rules["delay"] = world.ticks(parameters.top_up_delay_seconds)
    rules["wakes"] = parameters.attention_per_hour / 3_600.0 * world.tick_seconds * n_traders
    rules["alarm_from"], rules["alarm"] = parameters.alarm_from, parameters.alarm
    rules["most_alarm"] = parameters.most_alarm
    most = float(rules["wakes"][0]) * parameters.most_alarm
    rules["most_wakes"] = math.ceil(most + 6.0 * math.sqrt(most)) + 10
    rules["weight"] = 1.0 - 0.5 ** (world.tick_seconds / parameters.slow_halflife_seconds)
    rules["called"], rules["restored"] = parameters.margin_call_ratio, parameters.top_up_ratio
    rules["top_up"], rules["reduce"] = parameters.top_up_probability, parameters.reduce_probability
    rules["reduced"] = parameters.reduce_share
    rules["band"], rules["threshold"] = parameters.leverage_band, parameters.trend_threshold
    rules["pace"], rules["slippage"] = parameters.trend_pace, parameters.slippage_bps / 10_000
    return rules
