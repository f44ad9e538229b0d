"""Small worlds whose every number can be stated: scripted prices, scripted agents, a keeper that takes every claim.

Validation cases and tests put the engine into them. Everything that moves is the product's own; only who acts is not.

The default world has USDC (worth one dollar, quantum 1e-6) and BTC (quantum 1e-8, valued by an oracle that is never
wrong), a perpetual and a spot book with ticks of 1 USD and lots of 0.001 BTC, hence 1,000 quanta of USDC per tick and
lot. Nobody pays fees unless a case says so, marks are the index, and there is no funding.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from market.book import Books
from market.breakers import Breakers
from market.instruments import Asset, Instrument, Tier, asset_records, instrument_records, quanta
from market.kernels.marks import set_marks, set_references
from market.kernels.records import BUY, INSURANCE_FUND, KEEPER, LIMIT, MESSAGE, OUTSIDE, PORTFOLIO, SELL
from market.ledger import Ledger
from market.margin.rules import Margin
from market.margin.tables import write_margin_rules
from market.simulation import Cast, Observer, Rules, run
from market.streams import Streams
from market.venue import IndexMark, Liquidation, MarkRule, NoFunding, Venue, Waterfall, policy_record
from market.world import Inbox, World, total_messages

USDC = Asset(price_usd=1.0, price_tick_usd=0.001, quantum=1e-6, settlement=True, valuation="one")
BTC = Asset(price_usd=10_000.0, price_tick_usd=1.0, quantum=1e-8)
TIERS = (Tier(initial=0.1, maintenance=0.05),)
PERP = Instrument(base="BTC", tick_size=1.0, lot_size=0.001, maker_fee_bps=0.0, taker_fee_bps=0.0, tiers=TIERS)
SPOT = Instrument(kind="spot", base="BTC", tick_size=1.0, lot_size=0.001, maker_fee_bps=0.0, taker_fee_bps=0.0)
ASSETS: Mapping[str, Asset] = {"USDC": USDC, "BTC": BTC}
INSTRUMENTS: Mapping[str, Instrument] = {"BTC-PERP": PERP, "BTC-USDC": SPOT}
USD = 1_000_000
"""Quanta per dollar."""
TICK_LOT = 1_000
"""Quanta of USDC that one lot is worth per tick of price, in the default instruments."""
SPOT_BOOK = 1
KEEPER_CAPITAL = 1_000_000 * USD
"""What the one keeper starts with, in quanta of USDC."""

Prices = Callable[[int], Sequence[float]]
Script = Mapping[int, Sequence[Mapping[str, int]]]


def changed(parameters: Any, **fields: Any) -> Any:
    """The same parameters with some fields changed."""
    return type(parameters)(**{**vars(parameters), **fields})


def plain_venue(
    *,
    mark: MarkRule | None = None,
    waterfall: Waterfall | None = None,
    funding: Any = None,
    breakers: Breakers | None = None,
    margin: Margin | None = None,
    **liquidation: Any,
) -> Venue:
    """No liquidation fee, no keeper's floor, no dust, one call a second, index marks; `liquidation` overrides."""
    rules: dict[str, Any] = {
        "fee_bps": 0.0,
        "keeper_floor_usd": 0.0,
        "dust_usd": 0.0,
        "slippage_limit_bps": 10_000.0,
        "round_seconds": 1.0,
        "calls_per_round": 1_000,
        "conversion_loss_bps": 0.0,
    }
    return Venue(
        mark=mark or IndexMark(),
        funding=funding or NoFunding(),
        liquidation=Liquidation(**(rules | liquidation)),
        waterfall=waterfall or Waterfall(insurance_fund_usd=0.0),
        breakers=breakers or Breakers(),
        margin=margin or Margin(),
    )


class Path:
    """Reference prices from a function of the tick."""

    def __init__(self, prices: Prices) -> None:
        self.prices = prices

    def row(self, tick: int) -> NDArray[np.float64]:
        """float64[n_assets], USD."""
        return np.array(self.prices(tick), np.float64)


class TrueOracle:
    """The venue values assets at their reference price."""

    def publish(self, world: World) -> None:
        """Copy the reference prices of the assets that have no constant price."""
        moving = world.assets["fixed"] == 0
        world.assets["price"][moving] = world.assets["reference"][moving]


class Scripted:
    """Sends the messages written down for a tick."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.most_messages = max((len(messages) for messages in script.values()), default=0)

    def decide(self, world: World, inbox: Inbox) -> None:
        """Append this tick's messages."""
        for message in self.script.get(world.tick, ()):
            inbox.append(**message)


class AnyClaim:
    """A keeper that bids `amount` USD quanta for every claim, at once, at no cost of its own."""

    def __init__(self, account: int, *, amount: int = 0, cost: int = 0) -> None:
        self.amount = amount
        self.records = np.zeros(1, KEEPER)
        self.records["account"], self.records["throughput"], self.records["cost"] = account, 1 << 30, cost
        self.records["online"] = 1

    def bid(self, world: World, *, clock: int) -> int:
        """One bid per claim that may be served now, as far as there is room."""
        n = 0
        for row in range(world.n_claims):
            if world.claims[row]["next_try"] <= clock and n < len(world.bids):
                world.bids[n] = (self.amount, int(world.claims[row]["notional"]), row, 0)
                n += 1
        return n


@dataclass(kw_only=True)
class Engine:
    """A world with its rules and cast, and short words for what is done to it."""

    world: World
    rules: Rules
    cast: Cast
    rows: list[int]
    """Ledger rows of the customers."""
    keeper: int
    assets: Mapping[str, Asset]
    instruments: Mapping[str, Instrument]
    marks: list[NDArray[np.int64]] = field(default_factory=list)
    """Marks after every tick run."""
    observers: list[Observer] = field(default_factory=list)
    """Who else sees the world after every tick."""

    def run(self, ticks: int = 1) -> None:
        """Advance."""
        run(self.world, self.rules, self.cast, ticks=ticks, observers=(self._note, *self.observers))

    def _note(self, world: World) -> None:
        self.marks.append(world.instruments["mark"].astype(np.int64))

    def rest(self, side: int, price: int, lots: int, *, account: int = OUTSIDE, book: int = 0) -> int:
        """Put a limit order on a book, past the margin gate; return its handle."""
        message = np.zeros(1, MESSAGE)
        message["op"], message["side"], message["price"], message["lots"] = LIMIT, side, price, lots
        message["account"], message["book"] = account, book
        fills, handles = self.world.books.process(message)
        if len(fills):
            raise ValueError(f"an order to {price} crosses the book")
        return int(handles[0])

    def bids(self, *levels: tuple[int, int], account: int = OUTSIDE, book: int = 0) -> None:
        """Resting bids (price, lots)."""
        for price, lots in levels:
            self.rest(BUY, price, lots, account=account, book=book)

    def asks(self, *levels: tuple[int, int], account: int = OUTSIDE, book: int = 0) -> None:
        """Resting asks (price, lots)."""
        for price, lots in levels:
            self.rest(SELL, price, lots, account=account, book=book)

    def open(self, account: int, lots: int, price: int, *, book: int = 0, against: int = OUTSIDE) -> None:
        """Open a position at a price."""
        self.world.ledger.open_position(account, book, lots, price, self.world.instruments, against=against)

    def cash(self, account: int, asset: int = 0) -> int:
        """A balance in quanta."""
        return int(self.world.ledger.cash[account, asset])

    def lots(self, account: int, book: int = 0) -> int:
        """A position in lots."""
        return int(self.world.ledger.positions[account, book]["lots"])

    def assess(self, account: int) -> tuple[int, int, int, int]:
        """Margin equity, net equity, maintenance and initial margin, USD quanta."""
        world = self.world
        margin, net, maintenance, initial = world.ledger.assess(world.instruments, world.assets, world.margin)[account]
        return int(margin), int(net), int(maintenance), int(initial)

    @property
    def events(self) -> NDArray[np.void]:
        """Forced fills so far."""
        return self.world.events[: self.world.n_events]

    @property
    def losses(self) -> NDArray[np.void]:
        """Losses absorbed so far."""
        return self.world.losses[: self.world.n_losses]

    def check_books(self) -> None:
        """Nothing was made from nothing, and every loss is borne by somebody, to the quantum. Raises AssertionError."""
        losses = self.losses
        parts = np.array([losses[part] for part in ("fund", "adl", "socialised", "uncovered")])
        errors = {
            "conservation": self.world.ledger.conservation_error(),
            "clearing": self.world.ledger.clearing_error(self.world.instruments),
            "losses nobody bore": int(np.abs(losses["bad_debt"] - parts.sum(axis=0)).sum()),
            "negative parts of losses": int((parts < 0).sum()),
        }
        if any(errors.values()):
            raise AssertionError(f"the books do not balance: {errors}")


def _customers(ledger: Ledger, count: int, owners: Sequence[int]) -> list[int]:
    rows: list[int] = []
    for number in range(count):
        owner = rows[owners[number]] if owners and owners[number] < number else None
        rows.append(ledger.open(f"customer-{number}", role="trader", owner=owner))
    return rows


def engine(
    *,
    deposits: Sequence[float] = (),
    owners: Sequence[int] = (),
    venue: Venue | None = None,
    assets: Mapping[str, Asset] = ASSETS,
    instruments: Mapping[str, Instrument] = INSTRUMENTS,
    prices: Prices | None = None,
    highest_usd: Mapping[str, float] | None = None,
    script: Script | None = None,
    cohorts: Sequence[Any] = (),
    bid_usd: float = 0.0,
    cost_usd: float = 0.0,
    seed: int = 1,
    tick_seconds: float = 1.0,
    impact_per_quanta: float = 0.0,
    extra_accounts: int = 0,
) -> Engine:
    """A world with one customer for each deposit of the first asset (USD), and one keeper with 1,000,000.

    `owners` gives, for each customer, the number of its owner's first account; everybody is alone without it.
    `extra_accounts` leaves room for agents that `add` brings in.
    `prices(tick)` gives the reference prices of all assets in USD, by default their `price_usd` for ever; `script` the
    messages of each tick, as fields of MESSAGE.
    """
    venue = venue or plain_venue()
    start = {symbol: asset.price_usd or 1.0 for symbol, asset in assets.items()}
    prices = prices or (lambda _tick: tuple(start.values()))
    records = instrument_records(assets, instruments, start if highest_usd is None else highest_usd)
    owned = asset_records(assets, instruments)
    n_accounts = len(deposits) + 1 + extra_accounts + venue.accounts
    ledger = Ledger.with_room(n_accounts=n_accounts, n_assets=len(assets), n_instruments=len(instruments))
    world = World(
        tick_seconds=tick_seconds,
        asset_symbols=tuple(assets),
        instrument_symbols=tuple(instruments),
        assets=owned,
        instruments=records,
        tiers=write_margin_rules(venue.margin, assets, instruments, asset_records=owned, instrument_records=records),
        policy=policy_record(venue),
        ledger=ledger,
        books=Books(instruments=records, positions=ledger.positions, accounts=ledger.accounts),
        reference=Path(prices),
        streams=Streams(seed),
        impact_per_quanta=np.full(len(instruments), impact_per_quanta),
    )
    set_references(world.assets, records, world.reference.row(0))
    TrueOracle().publish(world)
    set_marks(world.assets, records, 0, 0.0, 0.0)
    settlement = next(iter(assets.values()))
    ledger.deposit(INSURANCE_FUND, 0, quanta(venue.waterfall.insurance_fund_usd, settlement))
    world.adopt(venue)
    if venue.margin.mode == "portfolio":
        world.use_portfolio_margin(venue.margin.portfolio)
    rows = _customers(ledger, len(deposits), owners)
    if venue.margin.mode == "portfolio":
        ledger.accounts["mode"][rows] = PORTFOLIO
    for row, amount in zip(rows, deposits, strict=True):
        ledger.deposit(row, 0, quanta(amount, settlement))
    keeper = ledger.open("keeper", role="keeper", flags=0)
    ledger.deposit(keeper, 0, quanta(1_000_000.0, settlement))
    cohorts = (*cohorts, Scripted(script)) if script else cohorts
    bidder = AnyClaim(keeper, amount=round(bid_usd * USD), cost=round(cost_usd * USD))
    cast = Cast(oracles=(TrueOracle(),), cohorts=tuple(cohorts), keepers=(bidder,))
    world.size_inboxes(total_messages(cohorts))
    world.link_owners()
    return Engine(
        world=world, rules=Rules(venue=venue), cast=cast, rows=rows, keeper=keeper, assets=assets,
        instruments=instruments,
    )  # fmt: skip


def add(engine: Engine, *members: Any) -> list[Any]:
    """Let agents join as they join a scenario (`join` of their parameter class); return their cohorts."""
    cohorts = [member.join(engine.world, assets=engine.assets, instruments=engine.instruments) for member in members]
    engine.cast = replace(engine.cast, cohorts=(*engine.cast.cohorts, *cohorts))
    engine.world.size_inboxes(total_messages(engine.cast.cohorts))
    return cohorts


def falls_to(price: float, *, at: int = 1) -> Callable[[int], tuple[float, ...]]:
    """USDC at 1; BTC at 10,000 until tick `at`, then at `price`."""
    return lambda tick: (1.0, 10_000.0 if tick < at else price)
