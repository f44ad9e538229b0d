"""From a scenario and a seed to a world, its rules and its cast."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agents.inventory import KeeperInventory
from agents.oracle import Oracles
from agents.recorded_accounts import RecordedAccounts
from agents.strategy import Strategies, Strategy, StrategyCohort
from experiments import pools, removal
from experiments.interventions.kinds import told
from experiments.scenario import AccountsFile, RecordedPrices, Scenario
from experiments.toml_tree import suggest
from experiments.without import perfect_oracles
from market.book import Books
from market.errors import InputError
from market.instruments import (
    LARGEST_MONEY,
    USD_QUANTA,
    Asset,
    asset_records,
    instrument_records,
    quanta,
    with_book,
)
from market.kernels.marks import set_marks, set_references
from market.kernels.records import (
    CHOSEN_CROSS,
    CROWD_ACCOUNT,
    INSURANCE_FUND,
    LIQUIDATABLE,
    NONE,
    PORTFOLIO,
    REST_OF_MARKET,
)
from market.ledger import Ledger
from market.margin.tables import write_margin_rules
from market.reference import ReferencePath, ReplayPrices
from market.simulation import Cast, Rules
from market.streams import Splices, Streams
from market.venue import policy_record
from market.world import ReferencePath as VenuePrices
from market.world import World, total_messages


@dataclass(frozen=True, kw_only=True)
class Built:
    """A world ready for its first step."""

    world: World
    rules: Rules
    cast: Cast
    strategies: StrategyCohort
    """Traders written in plain Python; empty unless some were passed in."""
    notes: tuple[str, ...]
    """What the program did to the input, one line each: printed and kept beside the results."""


MOST_TICKS = 100_000_000
"""Every tick is recorded: so many fill the memory of any machine of today."""


@dataclass(frozen=True, kw_only=True)
class Guests:
    """Room for those who act on several venues and join when all of these are there."""

    accounts: int = 0
    messages: int = 0
    """Most messages they send to the venue in one tick."""


class WholePath:
    """Prices of all assets of a scenario: those of a reference path, and constants for the rest.

    Those of `still` stay what they are at the start.
    """

    def __init__(self, path: ReferencePath, assets: Mapping[str, Asset], *, still: Sequence[str] = ()) -> None:
        self.path = path
        self._prices = np.ones(len(assets))
        for row, (symbol, asset) in enumerate(assets.items()):
            if asset.price_usd is None and asset.valuation != "one" and symbol not in path.symbols:
                raise InputError(
                    f"assets.{symbol}: the reference has no price for it and there is no constant price_usd"
                    f"{suggest(symbol, path.symbols)}"
                )
            self._prices[row] = asset.price_usd or 1.0
        missing = [symbol for symbol in path.symbols if symbol not in assets]
        if missing:
            raise InputError(f"reference: no asset {missing[0]!r} in the scenario; assets are {', '.join(assets)}")
        for symbol in still:
            if symbol not in path.symbols:
                raise InputError(f"without.assets: no moving asset {symbol!r}{suggest(symbol, path.symbols)}")
        rows = np.array([list(assets).index(symbol) for symbol in path.symbols], np.int64)
        self._prices[rows] = path.row(0)
        moves = np.array([symbol not in still for symbol in path.symbols])
        self._columns, self._moves = rows[moves], None if moves.all() else moves

    def row(self, tick: int) -> NDArray[np.float64]:
        """float64[n_assets], USD; the same array at every call."""
        row = self.path.row(tick)
        self._prices[self._columns] = row if self._moves is None else row[self._moves]
        return self._prices


def build(scenario: Scenario, *, seed: int, strategies: Sequence[Strategy] = (), splices: Splices = ()) -> Built:
    """Make the world of a scenario; `splices` give draws of later ticks other seeds (`market.streams`).

    Raises InputError when the scenario or a strategy cannot be built.
    """
    try:
        return _build(scenario, streams=streams_of(seed, splices), strategies=strategies)
    except OverflowError as error:
        raise InputError(f"scenario: a value is too large for the engine's integers ({error})") from None


def _build(scenario: Scenario, *, streams: Streams, strategies: Sequence[Strategy]) -> Built:
    check_length(scenario)
    notes: list[str] = []
    path, highest = reference_of(scenario, streams, notes)
    timed = sorted(scenario.interventions.values(), key=lambda what: what.at_seconds)
    notes += [f"at {what.at_seconds:g} s: {told(what)}" for what in timed]
    return build_venue(
        scenario,
        streams=streams,
        reference=WholePath(path, scenario.assets, still=scenario.without.assets),
        highest=highest,
        notes=notes,
        strategies=strategies,
    )


def check_length(scenario: Any) -> None:
    """Refuse more ticks than memory could hold. Raises InputError."""
    if scenario.ticks > MOST_TICKS:
        raise InputError(f"hours: {scenario.hours:g} hours are {scenario.ticks:.3g} ticks; at most {MOST_TICKS:,}")


def build_venue(
    scenario: Scenario,
    *,
    streams: Streams,
    reference: VenuePrices,
    highest: Mapping[str, float],
    notes: list[str],
    strategies: Sequence[Strategy] = (),
    guests: Guests = Guests(),
) -> Built:
    """Make the world of one venue under given reference prices, with room for those who join later."""
    assets, instruments = scenario.assets, scenario.instruments
    settlement = [symbol for symbol, asset in assets.items() if asset.settlement]
    if not settlement:
        raise InputError("assets: none is a settlement asset; set settlement = true on one, such as a stablecoin")
    population: Any = scenario.population
    if isinstance(population, AccountsFile):
        from experiments.accounts import read_accounts  # here, because pandas is a fifth of the time of a start

        population = read_accounts(population.file, assets=assets, instruments=instruments)
        notes.extend(population.notes)
    agents = scenario.agents
    on_books = (agents.background, agents.market_makers, agents.arbitrageurs) if with_book(instruments) else ()
    members = (*on_books, *(() if population is None else (population,)))
    extra = Strategies(strategies)
    what_ifs: tuple[Any, ...] = (*agents.large_orders.values(), *agents.attackers.values())
    everybody: tuple[Any, ...] = (*members, agents.keepers, agents.dealers, agents.depositors, *what_ifs, extra)

    world = _world(scenario, everybody, reference=reference, highest=highest, streams=streams, guests=guests)
    _start_prices(world)
    fund = quanta(scenario.venue.waterfall.insurance_fund_usd, assets[settlement[0]])
    world.ledger.deposit(INSURANCE_FUND, world.asset(settlement[0]), fund)
    world.adopt(scenario.venue)
    in_modes = isinstance(population, RecordedAccounts) and PORTFOLIO in population.modes
    if scenario.venue.margin.mode == "portfolio" or in_modes:
        world.use_portfolio_margin(scenario.venue.margin.portfolio)
    cohorts = [member.join(world, assets=assets, instruments=instruments) for member in members]
    keepers = agents.keepers.join(world, assets=assets, instruments=instruments)
    if world.options is not None:
        cohorts.append(agents.dealers.join(world, assets=assets, instruments=instruments))
    if agents.depositors.count:
        cohorts.append(agents.depositors.join(world, assets=assets, instruments=instruments))
    if scenario.venue.liquidation.route == "seize":
        cohorts.append(KeeperInventory(agents.keepers, keepers, world))
    # Last, so that the rows of all others are the same with and without them.
    cohorts += [member.join(world, assets=assets, instruments=instruments) for member in what_ifs]
    own = extra.join(world, assets=assets, instruments=instruments)
    if own.members:
        cohorts.append(own)
        notes.extend(extra.notes)
    cohorts += pools.join(scenario, world)
    oracles = _oracles(scenario).join(world, assets=assets, instruments=instruments)
    world.size_inboxes(total_messages(cohorts) + guests.messages)
    if scenario.venue.margin.mode == "portfolio":
        _into_portfolio_mode(world)
    world.link_owners()
    cast = Cast(oracles=(oracles,), cohorts=tuple(cohorts), keepers=(keepers,))
    notes += removal.take_out(world, cast, scenario.without.accounts)
    _check_money(world)
    if world.lending is not None:
        world.lending.check()
    if isinstance(scenario.population, AccountsFile):
        notes.extend(_below_maintenance(world))
    return Built(
        world=world,
        rules=Rules(venue=scenario.venue),
        cast=cast,
        strategies=own,
        notes=tuple(notes),
    )


def _world(
    scenario: Scenario,
    everybody: Sequence[Any],
    *,
    reference: VenuePrices,
    highest: Mapping[str, float],
    streams: Streams,
    guests: Guests,
) -> World:
    """The world before anybody has joined."""
    assets, instruments = scenario.assets, scenario.instruments
    records, owned = instrument_records(assets, instruments, highest), asset_records(assets, instruments)
    ledger = _ledger(scenario, everybody, guests=guests)
    return World(
        tick_seconds=scenario.tick_seconds,
        asset_symbols=tuple(assets),
        instrument_symbols=tuple(instruments),
        assets=owned,
        instruments=records,
        tiers=write_margin_rules(
            scenario.venue.margin, assets, instruments, asset_records=owned, instrument_records=records
        ),
        policy=policy_record(scenario.venue),
        ledger=ledger,
        books=Books(instruments=records, positions=ledger.positions, accounts=ledger.accounts),
        reference=reference,
        streams=streams,
        impact_per_quanta=_impact(scenario),
    )


def _oracles(scenario: Scenario) -> Oracles:
    return perfect_oracles(scenario.tick_seconds) if scenario.without.oracle_errors else scenario.agents.oracles


def opening_prices(scenario: Scenario, *, seed: int) -> dict[str, float]:
    """USD by asset: the reference prices that a scenario starts with. Raises InputError when there are none."""
    path, _ = reference_of(scenario, streams_of(seed), [])
    row = WholePath(path, scenario.assets).row(0)
    return dict(zip(scenario.assets, map(float, row), strict=True))


def _ledger(scenario: Scenario, everybody: Sequence[Any], *, guests: Guests) -> Ledger:
    needed = guests.accounts + sum(member.accounts_needed(instruments=scenario.instruments) for member in everybody)
    return Ledger.with_room(
        n_accounts=needed + scenario.venue.accounts + pools.accounts_needed(scenario),
        n_assets=len(scenario.assets),
        n_instruments=len(scenario.instruments),
    )


def _into_portfolio_mode(world: World) -> None:
    """Put every customer who has chosen no other mode and is not confined to one instrument into portfolio mode."""
    accounts = world.ledger.accounts
    customers = (accounts["flags"] & LIQUIDATABLE != 0) & (accounts["only_instrument"] == NONE)
    accounts["mode"][customers & (accounts["mode"] != CHOSEN_CROSS)] = PORTFOLIO


def _below_maintenance(world: World) -> list[str]:
    """What is odd about a recorded book: accounts that the first tick finds in breach, before any price has moved."""
    margin_equity, _, maintenance, _ = world.ledger.assess(world.instruments, world.assets, world.margin).T
    traders = np.array([role == "trader" for role in world.ledger.roles])
    below = int((traders & (margin_equity[: len(traders)] < maintenance[: len(traders)])).sum())
    if not below:
        return []
    return [f"{below:,} of {int(traders.sum()):,} accounts below maintenance margin at the start, as the file has them"]


def streams_of(seed: int, splices: Splices = ()) -> Streams:
    """The streams of a seed. Raises InputError for what is no seed."""
    try:
        return Streams(seed, splices=splices)
    except ValueError as error:
        raise InputError(f"--seed: {error}") from None


def reference_of(scenario: Any, streams: Streams, notes: list[str]) -> tuple[ReferencePath, dict[str, float]]:
    """The reference path, and the highest price of every asset it can reach without this venue's impact."""
    highest = {symbol: asset.price_usd or 1.0 for symbol, asset in scenario.assets.items()}
    model = scenario.reference
    path: ReferencePath
    try:
        if isinstance(model, RecordedPrices):
            from experiments.prices import read_prices  # as above

            wanted = [symbol for symbol, asset in scenario.assets.items() if not asset.settlement]
            table = read_prices(model.file, assets=wanted, start=model.start, hours=scenario.hours)
            notes.append(table.describe())
            notes.append(_impact_note(scenario))
            path = ReplayPrices(correlation=model.correlation).path(
                bars=table.bars, streams=streams, tick_seconds=scenario.tick_seconds
            )
            top = table.bars.high.max(axis=0)
        else:
            path = model.path(streams=streams, tick_seconds=scenario.tick_seconds)
            top = np.array(path.row(0))
            if path.last_tick is not None:
                top = np.max([path.row(tick) for tick in range(0, path.last_tick + 1, 16)], axis=0)
    except ValueError as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"reference: {error}") from None
    if path.last_tick is not None and path.last_tick < scenario.ticks - 1:
        available = (path.last_tick + 1) * scenario.tick_seconds / 3600.0
        raise InputError(f"hours: {scenario.hours:g} asked for, the reference prices reach {available:g} h")
    highest.update(zip(path.symbols, map(float, top), strict=True))
    return path, highest


def _impact_note(scenario: Any) -> str:
    """What a replay claims: recorded prices hold their whole crash, whoever caused it."""
    moved = {
        symbol: asset.permanent_impact_bps_per_million_usd
        for symbol, asset in scenario.assets.items()
        if asset.permanent_impact_bps_per_million_usd > 0.0
    }
    if moved:
        listed = ", ".join(f"{symbol} {bps:g}" for symbol, bps in moved.items())
        return f"permanent impact on top of recorded prices, which contain their crash: {listed} bps per million USD"
    return "recorded prices contain their crash: none is added by forced trades here; falls are those of the recording"


def _impact(scenario: Scenario) -> NDArray[np.float64]:
    """float64[n_instruments]: log move of the base asset's reference per quote quantum of net aggressive flow."""
    return np.array(
        [
            scenario.assets[instrument.base].permanent_impact_bps_per_million_usd
            * 1e-4
            / 1e6
            * scenario.assets[instrument.quote].quantum
            for instrument in scenario.instruments.values()
        ]
    )


def _start_prices(world: World) -> None:
    """Set reference, index and mark to the path's first prices, so that agents can take their places."""
    set_references(world.assets, world.instruments, world.reference.row(0))
    moving = world.assets["fixed"] == 0
    world.assets["price"][moving] = world.assets["reference"][moving]
    world.instruments["mark"] = world.instruments["index"] = world.instruments["reference"]
    set_marks(world.assets, world.instruments, 0, 0.0, 0.0)


def _check_money(world: World) -> None:
    """Refuse a scenario whose amounts could overflow 64 bits: sums of balances, and positions at the highest price."""
    ledger = world.ledger
    supply = np.abs(ledger.cash.astype(object)).sum(axis=0)
    for symbol, amount, asset in zip(world.asset_symbols, supply, world.assets, strict=True):
        value = int(amount) * int(asset["price"]) * int(asset["multiplier"]) // int(asset["divisor"])
        if max(int(amount), value) > LARGEST_MONEY:
            raise InputError(
                f"assets.{symbol}: balances of {value / USD_QUANTA:,.0f} USD overflow; a larger quantum has room"
            )
    lots = np.abs(ledger.positions["lots"].astype(object)).sum(axis=0)
    for symbol, held, instrument in zip(world.instrument_symbols, lots, world.instruments, strict=True):
        value = int(held) * int(instrument["n_levels"]) * int(instrument["tick_value"])
        if value > LARGEST_MONEY:
            raise InputError(f"instruments.{symbol}: open interest overflows 64 bits at the highest price of its book")
    if (ledger.cash[[REST_OF_MARKET, CROWD_ACCOUNT]] < 0).any():
        raise InputError("agents: the crowd or the rest of the market starts with a negative balance")
