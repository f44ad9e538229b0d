"""The lines behind an account's figures. Amounts are integers, USD quanta, and add up to the engine's own totals."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.margin.account import Account, opening_prices
from experiments.margin.setting import MODES, Setting, position_rows, put
from experiments.scenario import Scenario
from market.greeks import account_greeks
from market.kernels.explain import EQUITY_COLUMNS, account_totals, equity_lines, requirements
from market.kernels.margin import notional_of, tier_of
from market.kernels.option_expiries import expiry_relief
from market.kernels.portfolio import concentration_charge, doubt_charges, load_lots, scenario_loss
from market.kernels.records import INITIAL, MAINTENANCE, OPTION, PPM, TARGET
from market.kernels.rules.portfolio import (
    basis_contingency,
    gross_charges,
    portfolio_pnl,
    short_charges,
)
from market.margin.prices import bankruptcy_price, liquidation_price
from market.margin.scenarios import VOL_RULES
from market.world import World

PROFILES = {"maintenance": MAINTENANCE, "target": TARGET, "initial": INITIAL}

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Totals:
    """One account under one profile."""

    equity: int
    """Margin equity."""
    requirement: int

    @property
    def excess(self) -> int:
        """What is left; below zero under the maintenance profile the account may be liquidated."""
        return self.equity - self.requirement

    @property
    def ratio(self) -> float | None:
        """Requirement over margin equity; None when there is nothing to divide by."""
        return self.requirement / self.equity if self.equity > 0 else None


@dataclass(frozen=True, kw_only=True)
class BalanceLine:
    """One asset under one profile."""

    asset: str
    balance: float
    """Units."""
    open_profit: float
    """Units, of the positions settled in it."""
    left_out: float
    """Units of open profit that do not count under the profile."""
    price_usd: float
    value: int
    """Balance and open profit, before any haircut."""
    considered: int
    """The same without profit that is left out."""
    worth: int
    """The same at the price that counts: a bid, an ask, a price with its confidence, a slower one."""
    counted: int
    """What margin equity counts."""
    in_category: bool
    """Whether that is at the weights of its category of correlated assets, in which all debts are."""

    @property
    def weight(self) -> float | None:
        """Counted over value; above 1 for a debt that weighs more than its value."""
        return self.counted / self.value if self.value else None

    @property
    def price_counted_usd(self) -> float:
        """The price that counts."""
        return self.price_usd * self.worth / self.considered if self.considered else self.price_usd


@dataclass(frozen=True, kw_only=True)
class PositionLine:
    """What one position needs by itself under one profile, or the options of one expiry less together."""

    instrument: str
    notional: int
    tier: int
    """Number of the margin tier, from 1; 0 for an option, which has a rule of its own."""
    tiers: int
    rate: float | None
    """Marginal rate of the tier, as a share; None for an option."""
    terms: dict[str, int]
    """Rate x notional, deduction (negative), what size, crowding, stress, the minimum and contingencies add, the option
    rule, and, on a line of its own, what the options of one expiry need less together (negative)."""

    @property
    def needed(self) -> int:
        """Sum of the terms."""
        return sum(self.terms.values())


@dataclass(frozen=True, kw_only=True)
class ScenarioLine:
    """One scenario of portfolio margin."""

    price_factors: dict[str, float]
    """By underlying."""
    volatility: str
    """What happens to implied volatility."""
    weight: float
    profit: dict[str, float]
    """USD quanta by underlying, weighted."""

    @property
    def total(self) -> float:
        """Of all underlyings in this one scenario."""
        return sum(self.profit.values())


TERMS = ("worst loss x factor", "linear charge", "short option charge", "concentration", "contingency")
"""Of the requirement under portfolio margin, in the order in which the engine adds them."""


@dataclass(frozen=True, kw_only=True)
class PortfolioLines:
    """What a portfolio needs under one profile."""

    worst: dict[str, float]
    """Loss of each underlying by itself, USD quanta, at least 0: in its own worst scenario, or its own tail."""
    basis: dict[str, float]
    """Loss of each that counts for forwards moving by themselves."""
    offset: float
    """What gains of one underlying take off losses of another, <= 0."""
    factor: float
    """Requirement per unit of loss."""
    tail: str
    """Which measure of a distribution the loss is; "" for the worst of scenarios."""
    scenarios: tuple[ScenarioLine, ...]
    terms: dict[str, int]
    """By name of `TERMS`."""


@dataclass(frozen=True, kw_only=True)
class Prices:
    """Where a position breaks its account, quote units; None where no price does."""

    liquidation: float | None
    bankruptcy: float | None


@dataclass(frozen=True, kw_only=True)
class Pot:
    """One risk unit: the whole account, or a position with isolated margin."""

    name: str
    net_equity: int
    totals: dict[str, Totals]
    balances: dict[str, tuple[BalanceLine, ...]]
    positions: dict[str, tuple[PositionLine, ...]]
    """Under portfolio margin: what they would need by themselves."""
    portfolio: dict[str, PortfolioLines]
    """Empty but under portfolio margin."""
    prices: dict[str, Prices]
    fall: float | None
    """Fall of all prices together at which it breaks, as a share; 0: broken now; None: never."""
    rise: float | None


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """One account under each margin mode, the rest of the world standing still."""

    prices_usd: dict[str, float]
    marks: dict[str, float]
    quantities: dict[str, float]
    entries: dict[str, float]
    pots: dict[str, tuple[Pot, ...]]
    """By mode; with isolated margin one for each position and the wallet."""
    greeks: dict[str, dict[str, float]]
    """By underlying, USD; see market/greeks.py."""
    notes: tuple[str, ...]


def explain(account: Account, scenario: Scenario, prices: dict[str, float]) -> tuple[Explanation, Setting]:
    """The account at the scenario's opening prices `prices` or its own. Raises InputError when it cannot be built."""
    used = opening_prices(account, prices, scenario)
    setting = put(account, scenario, used)
    world = setting.world
    falls, rises = (setting.breaking_moves(falling=falling) for falling in (True, False))
    pots = {
        mode: tuple(
            take_apart(world, name, row, mode=mode, fall=falls[row], rise=rises[row])
            for name, row in setting.rows[mode].items()
        )
        for mode in MODES
    }
    sizes = {symbol: float(world.instruments[world.instrument(symbol)]["tick_size"]) for symbol in account.lots}
    marks = {name: int(world.instruments[world.instrument(name)]["mark"]) * size for name, size in sizes.items()}
    found = Explanation(
        prices_usd=used,
        marks=marks,
        quantities={name: lots * scenario.instruments[name].lot_size for name, lots in account.lots.items()},
        entries={name: account.entries[name] or marks[name] for name in account.lots},
        pots=pots,
        greeks=_greeks(setting),
        notes=(*account.notes, *_notes(scenario)),
    )
    return found, setting


def _notes(scenario: Scenario) -> list[str]:
    if world_moves(scenario):
        return [
            "rules that follow the market (volatility, open interest, deposits, a slower price) stand where they start "
            "in a calm market; bid, ask and confidence as the account's file says, else as books open and as wide as "
            "the oracle's sources are"
        ]
    return []


def world_moves(scenario: Scenario) -> bool:
    """Whether haircuts, rates or weights of the venue follow the market."""
    margin = scenario.venue.margin
    return (
        margin.haircuts.kind != "static"
        or margin.rates.kind != "static"
        or margin.slow_price_seconds > 0.0
        or margin.prices.kind != "venue"
        or bool(margin.contingency)
        or any(rule.open_interest_upper_usd for rule in margin.requirement.values())
        or any(rule.deposits_start_usd or rule.borrows_start_usd for rule in margin.collateral.values())
    )


def take_apart(world: World, name: str, row: int, *, mode: str, fall: float, rise: float) -> Pot:
    """One ledger row of a world as it stands; `fall` and `rise` from `Setting.breaking_moves`."""
    ledger = world.ledger
    out = np.zeros((3, 3), np.int64)
    account_totals(row, world.instruments, world.assets, world.margin, ledger.positions, ledger.cash, out)
    held = [int(book) for book in np.flatnonzero(ledger.positions[row]["lots"])]
    return Pot(
        name=name,
        net_equity=int(out[MAINTENANCE, 2]),
        totals={
            word: Totals(equity=int(out[code, 0]), requirement=int(out[code, 0] - out[code, 1]))
            for word, code in PROFILES.items()
        },
        balances={word: _balances(world, row, code) for word, code in PROFILES.items()},
        positions={word: _positions(world, row, code, held) for word, code in PROFILES.items()},
        portfolio={word: _portfolio(world, row, code) for word, code in PROFILES.items()}
        if mode == "portfolio"
        else {},
        prices={world.instrument_symbols[book]: _prices(world, row, book) for book in held},
        fall=None if np.isnan(fall) else abs(float(fall)),
        rise=None if np.isnan(rise) else float(rise),
    )


def _balances(world: World, row: int, profile: int) -> tuple[BalanceLine, ...]:
    ledger = world.ledger
    out = np.zeros((len(world.assets), EQUITY_COLUMNS), np.int64)
    equity_lines(row, profile, world.instruments, world.assets, world.margin, ledger.positions, ledger.cash, out)
    return tuple(
        BalanceLine(
            asset=symbol,
            balance=int(line[0]) * float(asset["quantum"]),
            open_profit=int(line[1]) * float(asset["quantum"]),
            left_out=int(line[2]) * float(asset["quantum"]),
            price_usd=float(asset["price"] * asset["price_tick"]),
            value=int(line[3]),
            counted=int(line[4]),
            in_category=bool(line[5]),
            considered=int(line[6]),
            worth=int(line[7]),
        )
        for symbol, asset, line in zip(world.asset_symbols, world.assets, out, strict=True)
        if line[:5].any()
    )


_RULE = "option rule"
_TOGETHER = "one expiry together"
_LAYERS: tuple[tuple[str, dict[str, int]], ...] = (
    ("size", {"size_law": 0}),
    ("crowding", {"crowding": 0}),
    ("stress", {"stress": PPM}),
    ("minimum", {"minimum": 0}),
    ("contingency", {"contingency": 0}),
)
"""What a requirement has beyond rate x notional less deduction, in the order in which the engine adds it, and the
record without it."""


def _positions(world: World, row: int, profile: int, held: list[int]) -> tuple[PositionLine, ...]:
    """The engine's requirement, of records from which everything has been taken and to which it is given back."""
    records = world.instruments.copy()
    for _, fields in _LAYERS:
        for field, value in fields.items():
            records[field] = value
    steps = [_needed(world, row, profile, records)]
    for _, fields in _LAYERS:
        for field in fields:
            records[field] = world.instruments[field]
        steps.append(_needed(world, row, profile, records))
    lines = []
    for book in held:
        instrument = world.instruments[book]
        lots = int(world.ledger.positions[row, book]["lots"])
        notional = int(notional_of(book, lots, world.instruments, world.assets))
        if instrument["kind"] == OPTION:
            terms = {_RULE: int(steps[0][book]), "contingency": int(steps[-1][book] - steps[0][book])}
            lines.append(_option_line(world.instrument_symbols[book], notional, terms))
            continue
        at = int(tier_of(instrument, notional, world.tiers))
        name = "maintenance" if profile == MAINTENANCE else "initial"
        deduction = int(world.tiers[at][f"{name}_deduction"])
        added = {
            word: int(after[book] - before[book])
            for (word, _), before, after in zip(_LAYERS, steps[:-1], steps[1:], strict=True)
        }
        lines.append(
            PositionLine(
                instrument=world.instrument_symbols[book],
                notional=notional,
                tier=at - int(instrument["first_tier"]) + 1,
                tiers=int(instrument["n_tiers"]),
                rate=int(world.tiers[at][name]) / PPM,
                terms={
                    "rate x notional": int(steps[0][book]) + deduction,
                    "deduction": -deduction,
                    **added,
                    _RULE: 0,
                    _TOGETHER: 0,
                },
            )
        )
    return (*lines, *_expiries(world, row, profile, held))


def _option_line(symbol: str, notional: int, terms: dict[str, int]) -> PositionLine:
    """Market value in the place of notional; the rule for options says the rest."""
    none = dict.fromkeys(("rate x notional", "deduction", *(word for word, _ in _LAYERS), _RULE, _TOGETHER), 0)
    return PositionLine(instrument=symbol, notional=notional, tier=0, tiers=0, rate=None, terms={**none, **terms})


def _expiries(world: World, row: int, profile: int, held: list[int]) -> list[PositionLine]:
    """What the options of each expiry need less than one by one, where they stand together."""
    lines, ledger = [], world.ledger
    for group in sorted({int(world.instruments["expiry_group"][book]) for book in held} - {0}):
        records = world.instruments.copy()
        records["expiry_group"][records["expiry_group"] != group] = 0
        relief = int(expiry_relief(row, profile, 0, 0, records, world.assets, ledger.positions))
        if relief == 0:
            continue
        first = records[np.flatnonzero(records["expiry_group"])[0]]
        name = f"{world.asset_symbols[first['base']]} options, {(first['expiry'] - world.seconds) / 3600.0:g} h"
        lines.append(_option_line(name, 0, {_TOGETHER: -relief}))
    return lines


def _needed(world: World, row: int, profile: int, records: NDArray[np.void]) -> Integers:
    out = np.zeros(len(records), np.int64)
    requirements(row, profile, records, world.assets, world.margin, world.ledger.positions, out)
    return out


def _portfolio(world: World, row: int, profile: int) -> PortfolioLines:
    """The parts of the engine's figure, each from its own rule function."""
    _, _, books, groups, terms, rules, unit, lots, touched, work, n_strikes = world.margin
    rule = rules[0 if profile == MAINTENANCE else 1]
    load_lots(row, world.instruments, books, world.ledger.positions, world.ledger.cash, lots)
    tables = (unit, books, groups, terms)
    # In the order in which the engine adds them: the last sum is its own to the last bit.
    sums = [float(rule["factor"]) * float(scenario_loss(lots, *tables, rule, touched, work))]
    sums.append(sums[-1] + float(rule["linear_multiple"]) * float(gross_charges(lots, books)))
    sums.append(sums[-1] + float(rule["short_multiple"]) * float(short_charges(lots, books, n_strikes, work)))
    sums.append(sums[-1] + float(concentration_charge(lots, books, rule)))
    sums.append(sums[-1] + (float(doubt_charges(lots, books)) if profile == INITIAL else 0.0))
    whole = [0, *(ceil(total) for total in sums)]
    own = _by_underlying(world, lots.copy())
    worst = {name: float(scenario_loss(part, *tables, rule, touched, work)) for name, part in own.items()}
    basis = {name: float(basis_contingency(part, *tables, touched, work)) for name, part in own.items()}
    return PortfolioLines(
        worst=worst,
        basis=basis,
        offset=float(scenario_loss(lots, *tables, rule, touched, work)) - sum(worst.values()),
        factor=float(rule["factor"]),
        tail=_tail(rule),
        scenarios=_scenarios(world, own),
        terms={name: after - before for name, before, after in zip(TERMS, whole[:-1], whole[1:], strict=True)},
    )


def _tail(rule: np.void) -> str:
    if not rule["tail_confidence"]:
        return ""
    name = "expected shortfall" if rule["tail_mean"] else "value at risk"
    return f"{name}, {float(rule['tail_confidence']):.3g}"


def _by_underlying(world: World, lots: Integers) -> dict[str, Integers]:
    """Lots with those of all other underlyings taken out, by the asset that is the underlying."""
    bases = world.instruments["base"]
    return {
        world.asset_symbols[int(base)]: np.where(bases == base, lots, 0)
        for base in np.unique(bases)
        if np.where(bases == base, lots, 0).any()
    }


def _scenarios(world: World, own: dict[str, Integers]) -> tuple[ScenarioLine, ...]:
    assert world.risk is not None
    _, _, books, groups, terms, _, unit, _, touched, work, _ = world.margin
    pnl = {name: np.zeros(terms.shape[1]) for name in own}
    for name, part in own.items():
        portfolio_pnl(part, unit, books, groups, terms, touched, work, pnl[name])
    words = {code: word for word, code in VOL_RULES.items()}
    bases = np.unique(world.instruments["base"]).tolist()
    columns = {name: bases.index(world.asset(name)) for name in own}
    return tuple(
        ScenarioLine(
            price_factors={name: float(world.risk.moves[at, column]) for name, column in columns.items()},
            volatility=_volatility(words[int(record["vol_rule"])], float(record["vol_move"])),
            weight=float(record["weight"]),
            profit={name: float(values[at]) for name, values in pnl.items()},
        )
        for at, record in enumerate(world.risk.scenarios)
    )


def _volatility(rule: str, move: float) -> str:
    if rule == "points":
        return f"{100.0 * move:+g} points" if move else "none"
    return f"{move:+.1%}" if rule == "factor" else rule.replace("_", " ")


def _prices(world: World, row: int, book: int) -> Prices:
    records = (world.ledger, world.instruments, world.assets, world.margin)
    return Prices(
        liquidation=liquidation_price(*records, account=row, book=book, risk=world.risk),
        bankruptcy=bankruptcy_price(*records, account=row, book=book),
    )


def _greeks(setting: Setting) -> dict[str, dict[str, float]]:
    world = setting.world
    assert world.risk is not None
    row = position_rows(setting, "cross", "")
    bases = np.unique(world.instruments["base"])
    found = account_greeks(world.ledger.positions[row : row + 1], world.risk.books, n_underlyings=len(bases))[0]
    names: tuple[Any, ...] = ("delta", "gamma", "vega", "theta")
    return {
        world.asset_symbols[int(base)]: dict(zip(names, (values / 1e6).tolist(), strict=True))
        for base, values in zip(bases, found, strict=True)
        if values.any()
    }
