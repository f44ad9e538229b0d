"""ACCOUNT.toml: balances, positions and, where wanted, prices of one account.

Whatever cannot be used is reported at once, one line each with file and line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

from experiments import config
from experiments.scenario import Scenario
from experiments.toml_tree import Node, join, parse, suggest
from market.errors import InputError
from market.instruments import FEWEST_TICKS, LARGEST_MONEY, quanta
from market.parameters import Number, Positive, parameters

BESIDE = ("bids", "asks", "confidence")
"""Tables of what may stand beside an asset's price."""

Problem = tuple[str, str]
"""Where it is written, and what is wrong with it."""


@parameters
class Held:
    """One position."""

    quantity: Number
    """Units of the base asset, signed: short is negative."""
    entry_price: Positive | None = None
    """Quote units; entered at the mark when left out."""


@parameters
class AccountFile:
    """One account as it is written."""

    balances: dict[str, Number]
    """Units by asset; a debt is negative."""
    positions: dict[str, Held] = field(default_factory=dict)
    """By instrument."""
    prices: dict[str, Positive] = field(default_factory=dict)
    """USD by asset, or quote units by instrument: its mark. The scenario's where left out."""
    bids: dict[str, Positive] = field(default_factory=dict)
    """USD by asset: best bid, where the venue counts balances at it; that of the opening book where left out."""
    asks: dict[str, Positive] = field(default_factory=dict)
    """USD by asset: best ask, where the venue counts debts at it; that of the opening book where left out."""
    confidence: dict[str, Positive] = field(default_factory=dict)
    """USD by asset: of the oracle's price, where the venue counts it; that of its sources where left out."""


@dataclass(frozen=True, kw_only=True)
class Account:
    """One account in the engine's units."""

    balances: dict[str, int]
    """Quanta by asset."""
    lots: dict[str, int]
    """Signed lots by instrument."""
    entries: dict[str, float | None]
    """Quote units by instrument; None: at the mark."""
    prices: dict[str, float]
    """As they are written."""
    beside: dict[str, dict[str, float]] = field(default_factory=dict)
    """Bids, asks and confidence, as they are written."""
    notes: tuple[str, ...]


def read_account(path: Path, scenario: Scenario) -> Account:
    """The account of a file in the world of a scenario. InputError with a line for everything that cannot be used."""
    label = str(path)
    problems: list[str] = []
    given = None
    try:
        given, _ = config.load(AccountFile, path, name=label)
    except InputError as error:
        problems += str(error).splitlines()
    if path.is_file():
        # What cannot be read at all has been said.
        with suppress(InputError, UnicodeDecodeError):
            problems += _problems(parse(path.read_text(encoding="utf-8"), file=label), scenario)
    if problems or given is None:
        raise InputError("\n".join(sorted(dict.fromkeys(problems), key=_line)))
    return _exact(given, scenario, label)


def _line(problem: str) -> int:
    found = re.search(r":(\d+): ", problem)
    return int(found[1]) if found else 0


def _problems(tree: Node, scenario: Scenario) -> Iterator[str]:
    """What is wrong with symbols and sizes; values that are no numbers have been reported."""
    if "extends" in tree.value:
        yield f"{tree.value['extends'].source}: extends: an account stands for itself"
    tables = (("balances", _balance), ("positions", _position), ("prices", _price))
    for name, check in (*tables, *((name, _beside) for name in BESIDE)):
        table = tree.value.get(name)
        if table is None or not isinstance(table.value, dict):
            continue
        if name == "balances" and not table.value:
            yield f"{table.source}: balances: is empty; expected at least one balance"
        for symbol, node in table.value.items():
            for source, what in check(symbol, node, scenario):
                yield f"{source}: {join((name, symbol))}{what}"


def _number(node: Node) -> float | None:
    value = node.value
    good = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < float("inf")
    return float(value) if good else None


def _balance(symbol: str, node: Node, scenario: Scenario) -> Iterator[Problem]:
    asset = scenario.assets.get(symbol)
    if asset is None:
        other = "; it is an instrument: see positions" if symbol in scenario.instruments else ""
        yield node.source, f": unknown asset{other or suggest(symbol, list(scenario.assets))}"
        return
    amount = _number(node)
    if amount is not None and abs(amount) / asset.quantum > LARGEST_MONEY:
        yield node.source, f": {amount:g} does not fit; at most {LARGEST_MONEY * asset.quantum:.3g}"


def _position(symbol: str, node: Node, scenario: Scenario) -> Iterator[Problem]:
    instrument = scenario.instruments.get(symbol)
    if instrument is None:
        other = "; it is an asset: see balances" if symbol in scenario.assets else ""
        traded = [name for name, item in scenario.instruments.items() if item.kind != "spot"]
        yield node.source, f": unknown instrument{other or suggest(symbol, traded)}"
        return
    if instrument.kind == "spot":
        yield node.source, f": nobody holds a position in a spot market; expected a balance of {instrument.base}"
        return
    quantity = node.value.get("quantity") if isinstance(node.value, dict) else None
    amount = None if quantity is None else _number(quantity)
    if quantity is None or amount is None:
        return
    lots = abs(amount) / instrument.lot_size
    if lots < 1.0 - 1e-9:
        yield quantity.source, f".quantity: {amount:g} is less than a lot; at least {instrument.lot_size:g}"
    elif lots > LARGEST_MONEY / 1e8:
        yield quantity.source, f".quantity: {amount:g} does not fit"


def _price(symbol: str, node: Node, scenario: Scenario) -> Iterator[Problem]:
    asset, instrument = scenario.assets.get(symbol), scenario.instruments.get(symbol)
    if asset is None and instrument is None:
        yield node.source, f": unknown asset or instrument{suggest(symbol, [*scenario.assets, *scenario.instruments])}"
        return
    price = _number(node)
    if instrument is not None and instrument.kind == "option":
        yield node.source, f": the mark of an option is the model's; give the price of {instrument.base}"
        return
    if asset is not None and asset.valuation == "one":
        yield node.source, f": the venue values {symbol} at one dollar; leave its price out"
    elif price is not None and price > 0.0:
        tick = instrument.tick_size if instrument is not None else asset.price_tick_usd if asset else 0.0
        if price < FEWEST_TICKS * tick:
            yield node.source, f": {price:g} is less than {FEWEST_TICKS} ticks of {tick:g}"


def _beside(symbol: str, node: Node, scenario: Scenario) -> Iterator[Problem]:
    asset = scenario.assets.get(symbol)
    if asset is None:
        yield node.source, f": unknown asset{suggest(symbol, list(scenario.assets))}"
    elif asset.valuation == "one":
        yield node.source, f": the venue values {symbol} at one dollar; nothing stands beside that price"


def _unread(given: AccountFile, scenario: Scenario, label: str) -> Iterator[str]:
    """What is written and the venue does not look at."""
    margin = scenario.venue.margin
    read = {"bid_ask": ("bids", "asks"), "confidence": ("confidence",)}.get(margin.prices.kind, ())
    for name in BESIDE:
        if name == "confidence" and margin.contingency.doubt > 0.0:
            continue
        if getattr(given, name) and name not in read:
            yield f"{label}: {name}: not read; venue.margin.prices.kind is {scenario.venue.margin.prices.kind!r}"


def _exact(given: AccountFile, scenario: Scenario, label: str) -> Account:
    notes = list(_unread(given, scenario, label))
    balances = {}
    for symbol, amount in given.balances.items():
        balances[symbol] = quanta(amount, scenario.assets[symbol])
        if Fraction(repr(amount)) != balances[symbol] * Fraction(repr(scenario.assets[symbol].quantum)):
            notes.append(f"{label}: balances.{symbol} rounded to whole quanta of {scenario.assets[symbol].quantum:g}")
    lots = {}
    for symbol, held in given.positions.items():
        size = scenario.instruments[symbol].lot_size
        exact = Fraction(repr(held.quantity)) / Fraction(repr(size))
        lots[symbol] = int(exact)
        if lots[symbol] != exact:
            notes.append(
                f"{label}: positions.{symbol} cut toward zero to {lots[symbol] * size:g}, whole lots of {size:g}"
            )
    return Account(
        balances=balances,
        lots=lots,
        entries={symbol: held.entry_price for symbol, held in given.positions.items()},
        prices=dict(given.prices),
        beside={name: dict(getattr(given, name)) for name in BESIDE},
        notes=tuple(notes),
    )


def opening_prices(account: Account, prices: Mapping[str, float], scenario: Scenario) -> dict[str, float]:
    """USD by asset: what the account says, else what the scenario starts with."""
    return {symbol: account.prices.get(symbol, prices[symbol]) for symbol in scenario.assets}
