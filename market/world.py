"""The state of the world: arrays, and the handles to them that the phases share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from market.absorption import Reserves, reserves
from market.book import Books
from market.circuit import CircuitBreakers, circuit_breakers
from market.congestion import Congestion, congestion
from market.errors import InputError
from market.expiry import Expiries, expiries
from market.forced_prices import PoolPrice
from market.history import History, grown
from market.instruments import USD_QUANTA
from market.kernels.blocks import BLOCK
from market.kernels.displacement import set_exposures
from market.kernels.margin import amount_of
from market.kernels.records import (
    ADL_ELIGIBLE,
    ASSET,
    AUCTIONS,
    BID,
    BREACH,
    BREACH_COUNT,
    CANCEL,
    CLAIM,
    CLAIM_COUNT,
    EVENT,
    EVENT_COUNT,
    FILL,
    INSTRUMENT,
    LIQUIDATABLE,
    LIVE_ORDERS,
    LOSS,
    LOSS_COUNT,
    MESSAGE,
    NONE,
    SYSTEM,
)
from market.kernels.watch import RINGS
from market.ledger import Ledger, MarginTables
from market.lending import LendingMarket, lending_market
from market.margin.ownership import SubAccounts
from market.margin.portfolio import ScenarioMargin
from market.margin.risk import RiskTables
from market.margin.schedule import MarginSchedule, margin_schedule
from market.marks import Carry, Twap, mark_state
from market.options import OptionMarket, option_market
from market.ownership import Ownership
from market.pools import PoolMarket
from market.pressure import Pressure
from market.sizing import AuctionRoom
from market.streams import Stream, Streams
from market.venue import Venue

MOST_BIDS = 1024


class ReferencePath(Protocol):
    """The outside world's prices before this venue's own permanent impact."""

    def row(self, tick: int) -> NDArray[np.float64]:
        """float64[n_assets], USD."""


class Inbox:
    """One tick's messages; the handles of the orders they left resting stay readable during the next tick."""

    def __init__(self, capacity: int) -> None:
        self.messages = np.zeros(capacity, MESSAGE)
        self.handles = np.zeros(capacity, np.int64)
        self.count = 0
        self.previous: Inbox = self

    def append(self, **fields: int) -> int:
        """Append one message (fields of MESSAGE); return its row. For agents written in plain Python."""
        if self.count == len(self.messages):
            raise RuntimeError(f"more than {len(self.messages)} messages in a tick: raise the cohort's most_messages")
        row = self.count
        self.messages[row] = np.zeros((), MESSAGE)
        for name, value in fields.items():
            self.messages[row][name] = value
        self.count += 1
        return row

    def cancel(self, handle: int, *, account: int) -> int:
        """Append the cancellation of a resting order; return its row."""
        return self.append(op=CANCEL, target=handle, account=account)


class Watch:
    """State of the safe-distance filter (market/kernels/watch.py)."""

    def __init__(self, *, n_accounts: int, n_instruments: int, n_assets: int) -> None:
        self.members = np.zeros((RINGS + 1, n_accounts), np.int32)
        self.counts = np.zeros(RINGS + 1, np.int64)
        self.depth = np.zeros(n_accounts, np.int32)
        self.base = (np.zeros((RINGS, n_instruments), INSTRUMENT), np.zeros((RINGS, n_assets), ASSET))
        self.kept: tuple[Any, ...] = ()
        """Tables of portfolio margin as they were at each ring's last measure (market/kernels/displacement.py)."""
        self.touched = np.zeros(n_accounts, np.int32)
        self.touched_mark = np.zeros(n_accounts, np.int8)
        self.everybody = np.arange(n_accounts, dtype=np.int32)
        self.full_assessment = False
        self.invalidate()

    def invalidate(self) -> None:
        """Measure everybody afresh at the next look: haircuts, rates or many balances changed."""
        self.counts[0] = -1


@dataclass(kw_only=True)
class World:
    """Everything that changes. Arrays are shared with the kernels; see market/kernels/records.py for their fields."""

    tick_seconds: float
    asset_symbols: tuple[str, ...]
    instrument_symbols: tuple[str, ...]
    assets: NDArray[np.void]
    instruments: NDArray[np.void]
    tiers: NDArray[np.void]
    policy: NDArray[np.void]
    ledger: Ledger
    books: Books
    reference: ReferencePath
    streams: Streams
    impact_per_quanta: NDArray[np.float64]
    """float64[n_instruments]: log move of the base asset's reference per quote quantum of net aggressive flow."""

    tick: int = 0
    breakers: CircuitBreakers | None = None
    """The venue's circuit breakers; None when all are off."""
    congestion: Congestion | None = None
    """Block space that everybody shares; None when liquidation calls have blocks of their own."""
    sub_accounts: SubAccounts = field(default_factory=SubAccounts)
    """The venue's rule for accounts of one owner."""
    ownership: Ownership | None = None
    """Links between accounts of one owner; None while nothing may move between them by itself."""
    margin_schedule: MarginSchedule | None = None
    """What moves haircuts, rates and weights; None when nothing does."""
    backstop: int = NONE
    """Ledger row of the vault that takes accounts over; NONE when there is none."""
    pool: int = NONE
    """Ledger row of the pool against which positions are closed; NONE when there is none."""
    reserves: Reserves | None = None
    """What the venue's reserves took over and have not sold yet; None when they absorb nobody."""
    mark_state: Twap | Carry | None = None
    """What the mark rule has to remember beside the basis."""
    expiries: Expiries | None = None
    """What expires, and at which average; None when nothing does."""
    options: OptionMarket | None = None
    """Surfaces and marks of options; None in a world without options."""
    lending: LendingMarket | None = None
    """Interest, liquidity, and the way money goes in and out; None at a venue that lends nothing."""
    pools: PoolMarket | None = None
    """Automated market makers; None in a world without any."""
    risk: RiskTables | None = field(init=False)
    """Tables of portfolio margin; None in a world without portfolio accounts."""
    margin: MarginTables = field(init=False)
    """Everything an assessment reads beside prices, balances and positions."""
    impact: NDArray[np.float64] = field(init=False)
    """float64[n_assets]: permanent log displacement of the reference by this venue's flow."""
    pressure: Pressure = field(default_factory=Pressure)
    """What of that no order on a book did."""
    funding_carried: NDArray[np.float64] = field(init=False)
    funding_drift: NDArray[np.float64] = field(init=False)
    """float64[n_instruments]: daily rate of funding now, where it drifts."""
    inboxes: tuple[Inbox, Inbox] = field(init=False)
    fills: NDArray[np.void] = field(init=False)
    """This tick's fills of the trading phase, `n_fills` of them."""
    n_fills: int = 0
    forced_fills: NDArray[np.void] = field(init=False)
    """Working space of one forced order."""
    claims: NDArray[np.void] = field(init=False)
    bids: NDArray[np.void] = field(init=False)
    events: NDArray[np.void] = field(init=False)
    losses: NDArray[np.void] = field(init=False)
    breaches: NDArray[np.void] = field(init=False)
    history: History = field(init=False)
    """Looks, changes of holdings and movements of books: what causes are worked out from after the run."""
    windows: NDArray[np.int64] = field(init=False)
    """int64[n_instruments, 2]: number of the liquidation window, USD quanta closed in it."""
    watch: Watch = field(init=False)
    scratch: dict[str, NDArray[Any]] = field(init=False)
    arrival_salt: Stream = field(init=False)
    """One uniform draw per tick: the order in which the tick's messages arrive."""

    def __post_init__(self) -> None:
        n_accounts, n_instruments = self.ledger.positions.shape
        n_assets = len(self.assets)
        self.margin = (self.ledger.accounts["mode"], self.tiers)
        self.risk = None
        self.impact = np.zeros(n_assets)
        self.arrival_salt = self.streams.stream("arrival", width=1)
        self.funding_carried, self.funding_drift = np.zeros((2, n_instruments))
        self.fills = np.zeros(4096, FILL)
        self.forced_fills = np.zeros(4096, FILL)
        self.claims = np.zeros(n_accounts, CLAIM)
        self.bids = np.zeros(MOST_BIDS, BID)
        self.blocks = np.zeros(1, BLOCK)
        self.windows = np.full((n_instruments, 2), NONE, np.int64)
        self.policy["salt"] = self.streams.generator("liquidation order").integers(1 << 62)
        self.events = np.zeros(4096, EVENT)
        self.losses = np.zeros(1024, LOSS)
        self.breaches = np.zeros(2 * n_accounts, BREACH)
        self.watch = Watch(n_accounts=n_accounts, n_instruments=n_instruments, n_assets=n_assets)
        self.scratch = {
            "rank": np.zeros(n_instruments, np.int64),
            "key": np.zeros(n_instruments),
            "amounts": np.zeros(n_instruments, np.int64),
            "limits": np.zeros((n_instruments, 2), np.int64),
            "message": np.zeros(1, MESSAGE),
            "handle": np.zeros(1, np.int64),
            "verdicts": np.zeros(n_accounts, np.int32),
            "keys": np.zeros(0, np.uint64),
            "arrival": np.zeros(0, np.int64),
        }
        self.size_inboxes(64)
        self.history = History(self)

    def adopt(self, venue: Venue) -> None:
        """Set up what the venue's rules remember; called once, when the fund is paid in and before oracles join."""
        self.breakers = circuit_breakers(venue.breakers, self)
        self.congestion = congestion(venue.block_space, self)
        self.lending = lending_market(venue.lending, self)
        self.sub_accounts = venue.margin.sub_accounts
        self.margin_schedule = margin_schedule(venue.margin, self)
        if venue.waterfall.backstop.accounts:
            self.backstop = self._open_funded("backstop", venue.waterfall.backstop.capital_usd)
        if isinstance(venue.liquidation.price, PoolPrice):
            self.pool = self._open_funded("pool", venue.liquidation.price.capital_usd, flags=SYSTEM)
            self.policy["pool"] = self.pool
        if self.policy["alone"][0] and len(self.assets) > AUCTIONS:
            raise InputError(
                f"venue.liquidation.price.follows_oracle: false needs {AUCTIONS} assets at most; there are "
                f"{len(self.assets)}"
            )
        if isinstance(venue.liquidation.sizing, AuctionRoom):
            for symbol, record in zip(self.asset_symbols, self.assets, strict=True):
                record["room"], record["least"] = venue.liquidation.sizing.own_rooms(symbol)
        self.reserves = reserves(venue.liquidation.price, self)
        self.mark_state = mark_state(venue.mark, venue.funding.interval_seconds, self)
        self.expiries = expiries(self, venue.settlement_seconds)
        self.options = option_market(self, venue)
        if self.options is not None:
            self.options.update(self)

    def _open_funded(self, role: str, capital_usd: float, *, flags: int = LIQUIDATABLE | ADL_ELIGIBLE) -> int:
        """Open an account of the venue's own with capital in the first settlement asset; return its row."""
        row = self.ledger.open(role, role=role, flags=flags)
        settlement = int(np.flatnonzero(self.assets["is_settlement"])[0])
        capital = amount_of(self.assets[settlement], round(capital_usd * USD_QUANTA))
        self.ledger.deposit(row, settlement, int(capital))
        return row

    def link_owners(self) -> None:
        """Let the venue's rule for sub-accounts work; called once, when every account is open."""
        if self.sub_accounts.transfers == "automatic" or self.sub_accounts.recourse > 0.0:
            self.ownership = Ownership(self.sub_accounts, self)

    def use_portfolio_margin(self, rule: ScenarioMargin) -> None:
        """Give accounts in portfolio mode their tables; called once, before anybody joins and keeps `margin`."""
        self.risk = RiskTables(rule, self.instruments, None if self.options is None else self.options.books)
        self.margin = (self.ledger.accounts["mode"], self.tiers, *self.risk.tables)
        self.risk.refresh(self.instruments, self.assets)
        self.watch.kept = self.risk.kept(RINGS)
        set_exposures(self.watch.kept, self.instruments, self.assets, self.margin)

    def value_at(self, instruments: NDArray[np.void], assets: NDArray[np.void]) -> None:
        """Bring options, and what portfolio margin reads, to the prices of these records; `revalue` takes it back."""
        if self.options is not None:
            self.options.mark(self, instruments, assets)
        if self.risk is not None:
            self.risk.refresh(instruments, assets)

    def revalue(self) -> None:
        """Bring them up to the marks of now, whatever was in the tables."""
        self.value_at(self.instruments, self.assets)

    def follow(self) -> None:
        """Between rounds: let surfaces, options and what portfolio margin reads follow the marks, if they moved."""
        moved = self.options.follow(self) if self.options is not None else True
        if self.risk is not None and moved:
            self.risk.refresh(self.instruments, self.assets)

    def size_inboxes(self, capacity: int) -> None:
        """Give both message buffers room for `capacity` messages; called once, when the cast is known."""
        first, second = Inbox(capacity), Inbox(capacity)
        first.previous, second.previous = second, first
        self.inboxes = (first, second)
        self.scratch["keys"] = np.zeros(capacity, np.uint64)
        self.scratch["arrival"] = np.zeros(capacity, np.int64)

    def open_inbox(self) -> Inbox:
        """The empty message buffer of this tick; the other one still holds last tick's handles."""
        inbox = self.inboxes[self.tick & 1]
        inbox.count = 0
        if self.pools is not None:
            self.pools.open()
        return inbox

    @property
    def pool_arrays(self) -> tuple[Any, ...] | None:
        """What kernels call `pools`; None in a world without any."""
        return None if self.pools is None else self.pools.arrays

    @property
    def inbox(self) -> Inbox:
        """This tick's messages."""
        return self.inboxes[self.tick & 1]

    @property
    def seconds(self) -> float:
        """Time since the start of the run."""
        return self.tick * self.tick_seconds

    @property
    def n_claims(self) -> int:
        """Accounts below maintenance that keepers may close."""
        return int(self.books.counters[CLAIM_COUNT])

    @property
    def n_events(self) -> int:
        """Forced orders so far."""
        return int(self.books.counters[EVENT_COUNT])

    @property
    def n_losses(self) -> int:
        """Rows of `losses` in use."""
        return int(self.books.counters[LOSS_COUNT])

    @property
    def n_breaches(self) -> int:
        """Claims opened so far."""
        return int(self.books.counters[BREACH_COUNT])

    def ticks(self, seconds: float) -> int:
        """A latency in whole ticks, rounded up; one part in a million of a tick is forgiven as rounding."""
        return max(0, int(np.ceil(seconds / self.tick_seconds - 1e-6)))

    def asset(self, symbol: str) -> int:
        """Row of an asset."""
        return self.asset_symbols.index(symbol)

    def instrument(self, symbol: str) -> int:
        """Row of an instrument."""
        return self.instrument_symbols.index(symbol)

    def quanta_worth(self, usd: float, asset: int) -> int:
        """Whole quanta of an asset worth about `usd` at the venue's price now."""
        record = self.assets[asset]
        per_quantum = float(record["price"]) * float(record["multiplier"]) / float(record["divisor"]) / USD_QUANTA
        return round(usd / per_quantum)

    def make_room(self, *, messages: int, events: int, losses: int) -> None:
        """Grow the buffers so that so many messages, events and losses fit."""
        self.books.ensure_capacity(messages + 1)
        most_fills = int(self.books.counters[LIVE_ORDERS]) + messages + 1
        if len(self.fills) < most_fills:
            self.fills = grown(self.fills, 2 * most_fills)
            self.forced_fills = np.zeros(2 * most_fills, FILL)
        if len(self.events) < self.n_events + events:
            self.events = grown(self.events, self.n_events + events)
        if len(self.losses) < self.n_losses + losses:
            self.losses = grown(self.losses, self.n_losses + losses)

    def make_room_for_breaches(self) -> None:
        """Grow the log so that every account could break once more."""
        needed = self.n_breaches + len(self.claims)
        if len(self.breaches) < needed:
            self.breaches = grown(self.breaches, needed)
            self.history.room_for_breaches(needed)


def total_messages(cohorts: Sequence[Any]) -> int:
    """Room the inboxes need for these cohorts."""
    return 1 + sum(int(cohort.most_messages) for cohort in cohorts)
