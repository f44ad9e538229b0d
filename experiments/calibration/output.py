"""The fitted scenario as TOML, every number with its source behind it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from agents.background import BookFlow
from agents.market_maker import MarketMaker
from experiments import folder
from experiments.calibration.book_data import MarketOrders, MeasuredBook
from experiments.calibration.book_model import BookGiven, flow_of, maker_of
from experiments.calibration.fit import Fit
from experiments.calibration.identifiability import TOLD
from experiments.calibration.population import PopulationFit
from experiments.calibration.price_data import MeasuredPrices
from experiments.calibration.reference import model_of, second_moments
from experiments.toml_tree import quote
from market.errors import InputError

Value = float | bool


@dataclass(frozen=True)
class Entry:
    """One value of the scenario."""

    table: str
    key: str
    value: Value
    source: str


HEAD = "# Written by `cascade calibrate`"
"""How such a file begins, by which an earlier one is known."""


def check_target(path: Path) -> None:
    """Make sure a scenario can be written to `path` in the place of nothing but such a file. Raises InputError."""
    folder.check_file(path)
    if path.exists() and not path.read_bytes().startswith(HEAD.encode()):
        raise InputError(f"{path}: exists and was not written by `cascade calibrate`; choose another file with --out")


def text(entries: Sequence[Entry], *, summary: str, notes: Sequence[str]) -> str:
    """The TOML file; of two entries for one value the later one counts."""
    lines = [f"{HEAD}; behind every number stands where it comes from."]
    lines += [f"# {note}" for note in notes]
    lines += [f"summary = {quote(summary)}", 'extends = "perp-venue"']
    lines += ["", "[reference]", 'kind = "model"']
    chosen = {(entry.table, entry.key): entry for entry in entries}
    # The table that is open already comes first.
    for table in sorted(dict.fromkeys(entry.table for entry in entries), key="reference".__ne__):
        lines += ["", f"[{table}]"] if table != "reference" else []
        own = [entry for entry in chosen.values() if entry.table == table]
        lines += [f"{entry.key} = {_literal(entry.value)}  # {entry.source}" for entry in own]
    return "\n".join(lines) + "\n"


def _literal(value: Value) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    # Integral floats stay floats: 1e+08 is TOML, 100000000 would be an integer.
    return repr(float(f"{value:.6g}"))


def fitted_source(fit: Fit, name: str) -> str:
    """Where a fitted parameter comes from, and how well the data tell it."""
    number = [parameter.name for parameter in fit.problem.space].index(name)
    parameter = fit.problem.space[number]
    place, half = fit.estimate.place[number], fit.estimate.half_width[number]
    low, high = parameter.value(place - half), parameter.value(place + half)
    left = fit.told.left[number]
    verdict = "told by the data" if left < TOLD else "partly told" if left < 0.7 else "hardly told"
    return f"simulated moments, 90 % interval {low:.3g} to {high:.3g}, {verdict}"


def book_entries(
    fit: Fit, *, given: BookGiven, book: MeasuredBook, orders: MarketOrders | None, asset: str
) -> list[Entry]:
    """A perpetual's book: price step, crowd, makers."""
    symbol, values = f"{asset}-PERP", fit.values
    flow, maker = flow_of(values, given), maker_of(values)
    trades = f"{orders.count} market orders put together from trades" if orders else "not fitted: no trades given"
    sources = {
        "limit_rate": f"resting_orders x ln 2 / half-life; resting_orders {values['resting_orders']:g}: "
        + fitted_source(fit, "resting_orders"),
        "limit_size_usd": f"2 x depth_usd / resting_orders; depth_usd {values['depth_usd']:g}: "
        + fitted_source(fit, "depth_usd"),
        "market_rate": trades,
        "market_size_usd": trades,
        "market_size_sigma": trades,
    }
    maker_sources = {
        "capital_usd": f"maker_usd / makers / ladder; maker_usd {values['maker_usd']:g}: "
        + fitted_source(fit, "maker_usd"),
        "spacing_bps": fitted_source(fit, "maker_spacing_bps"),
        "reference_weight": fitted_source(fit, "reference_weight"),
    }
    tick = f"smallest spread of {book.source}"
    entries = [
        Entry(f"assets.{asset}", "price_tick_usd", book.tick_size, tick),
        Entry(f"reference.assets.{asset}", "price", book.start_price, f"first snapshot of {book.source}"),
        Entry(f"reference.assets.{asset}", "volatility", book.volatility, "10 s moves of the middle in the window"),
        Entry(f"instruments.{symbol}", "tick_size", book.tick_size, tick),
        Entry(f"instruments.{symbol}", "maker_fee_bps", 0.0, "set: what the largest makers pay"),
    ]
    for table, object_, default, known in (
        ("background", flow, BookFlow(), sources), ("market_makers", maker, MarketMaker(), maker_sources)
    ):  # fmt: skip
        for item in fields(object_):
            value = getattr(object_, item.name)
            if value != getattr(default, item.name) or item.name in known:
                in_space = item.name in values and item.name not in known
                source = known.get(item.name) or (fitted_source(fit, item.name) if in_space else "set, see docs")
                entries.append(Entry(f"agents.{table}.books.{symbol}", item.name, value, source))
    return entries


def price_entries(fit: Fit, prices: MeasuredPrices, *, assets: Sequence[str]) -> list[Entry]:
    """The reference model; `assets` are those of the scenario."""
    found = second_moments(prices, jump_share=fit.values["jump_share"])
    first = float(prices.volatility[0])
    entries = []
    shape = model_of(fit.values, volatility=first)
    for name, value in shape.items():
        source = fitted_source(fit, name) if name in fit.values else "left as it is in the model"
        if name.endswith("jumps_per_year"):
            source = f"2/3 common, 1/3 own of {fit.values['jumps_per_year']:g}: " + fitted_source(fit, "jumps_per_year")
        elif name.startswith("jump_") and name.endswith("mean"):
            source = f"from jump_share {fit.values['jump_share']:g}: " + fitted_source(fit, "jump_share")
        entries.append(Entry("reference", name, value, source))
    entries.append(Entry("reference", "crashes_per_year", 0.0, "calm days"))
    if found.crash_multiplier is not None:
        days = ", ".join(prices.crash_days)
        entries.append(Entry("reference", "crash_volatility_multiplier", found.crash_multiplier, f"crash days {days}"))
    if found.crash_correlation_rise is not None:
        source = f"mean correlation {found.correlation:.2f} calm, {found.crash_correlation:.2f} on crash days"
        entries.append(Entry("reference", "crash_correlation_rise", found.crash_correlation_rise, source))
    for number, symbol in enumerate(prices.symbols):
        if symbol not in assets:
            continue
        table = f"reference.assets.{symbol}"
        total = float(prices.volatility[number])
        entries += [
            Entry(table, "price", float(prices.last[number]), f"last close of {prices.source}"),
            Entry(table, "volatility", float(found.volatility[number]), f"{total:.3f} in all, without jumps"),
            Entry(table, "macro_loading", float(found.loading[number]), "one factor fitted to correlations"),
            Entry(table, "beta", float(found.beta[number]), f"volatility over that of {prices.symbols[0]}"),
        ]
    return entries


def population_entries(fit: PopulationFit) -> list[Entry]:
    """The generated traders."""
    return [Entry("population", name, value, f"closed form from {fit.source}") for name, value in fit.fields.items()]
