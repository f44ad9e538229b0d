"""What `cascade calibrate` does: every part for which data are given, one after the other, then the TOML file."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from experiments.calibration import output, report
from experiments.calibration.book_data import MarketOrders, MeasuredBook, read_book, read_market_orders
from experiments.calibration.book_model import SPACE, BookGiven, BookRun, BookValues
from experiments.calibration.fit import Effort, Fit, fit
from experiments.calibration.output import Entry
from experiments.calibration.population import fit_population, measure_accounts
from experiments.calibration.price_data import MeasuredPrices, measure_prices
from experiments.calibration.problem import Problem
from experiments.calibration.reference import problem as price_problem
from experiments.calibration.space import values_at
from experiments.countdown import Note
from experiments.scenario import Scenario
from market.errors import InputError

BASE = "calm"
"""The scenario that is calibrated: its venue, and whatever no data are given for."""
NO_TRADES = MarketOrders(per_second=7.5, mean_usd=8_600.0, sigma=2.25, count=0)
"""Market orders when no trades are given: those of the shipped btc-perp."""


@dataclass(frozen=True, kw_only=True)
class Data:
    """The files to calibrate to; at least one."""

    depth: Path | None = None
    trades: Path | None = None
    prices: Path | None = None
    accounts: Path | None = None
    market: str | None = None
    """Which market of a file that holds several."""
    asset: str = "BTC"
    """Whose perpetual the book is."""


def calibrate(data: Data, effort: Effort, *, note: Note) -> str:
    """Fit and print; the scenario as TOML. Raises InputError for data that cannot be used."""
    scenario = Scenario.load(BASE)
    instrument = scenario.instruments.get(f"{data.asset}-PERP")
    if instrument is None:
        known = ", ".join(s.removesuffix("-PERP") for s in scenario.instruments if s.endswith("-PERP"))
        raise InputError(f"--asset {data.asset}: no perpetual; assets are {known}")
    # Whatever is wrong with a file is said before the first of them is worked on for minutes.
    book = read_book(data.depth, market=data.market) if data.depth is not None else None
    orders = read_market_orders(data.trades, market=data.market) if data.trades is not None else None
    prices = measure_prices(data.prices) if data.prices is not None else None
    measured = measure_accounts(data.accounts, scenario) if data.accounts is not None else None
    entries: list[Entry] = []
    notes: list[str] = [f"Simulated: {effort.runs} runs and {effort.trials} trials, seed {effort.seed}."]
    if prices is not None:
        entries += _prices(prices, effort, scenario, note=note)
    if book is not None:
        given = given_of(book, orders or NO_TRADES, lot_size=instrument.lot_size)
        own = _book(book, orders, given, effort, asset=data.asset, note=note)
        # With prices of their own the volatility of the book's window is not written.
        entries += [entry for entry in own if prices is None or entry.key != "volatility"]
    if measured is not None:
        found = fit_population(measured, scenario, seed=effort.seed)
        report.print_moments(f"population, {found.source}", found.moments, found.model, {})
        notes.append(found.note)
        print(found.note)
        entries += output.population_entries(found)
    files = ", ".join(path.name for path in (data.depth, data.trades, data.prices, data.accounts) if path is not None)
    return output.text(entries, summary=f"Calibrated to {files}.", notes=notes)


def _fit(problem: Problem, effort: Effort, *, note: Note) -> Fit:
    fitted = fit(problem, effort, note=note, announce=partial(report.print_told, problem))
    report.print_fit(fitted)
    sys.stdout.flush()
    return fitted


def _book(
    book: MeasuredBook, orders: MarketOrders | None, given: BookGiven, effort: Effort, *, asset: str, note: Note
) -> list[Entry]:
    print(f"book: {book.source}; volatility {book.volatility:.2f} a year, price step {book.tick_size:g}")
    if orders is not None:
        print(
            f"market orders: {orders.per_second:.2f} a second, "
            f"mean {orders.mean_usd:,.0f} USD, sigma {orders.sigma:.2f}"
        )
    fitted = _fit(book_problem(book, given), effort, note=note)
    return output.book_entries(fitted, given=given, book=book, orders=orders, asset=asset)


def given_of(book: MeasuredBook, orders: MarketOrders, *, lot_size: float) -> BookGiven:
    """What the data say without simulation."""
    return BookGiven(
        price=book.start_price, tick_size=book.tick_size, lot_size=lot_size,
        volatility=float(f"{book.volatility:.4g}"), market_rate=float(f"{orders.per_second:.4g}"),
        market_size_usd=float(f"{orders.mean_usd:.4g}"), market_size_sigma=float(f"{orders.sigma:.4g}"),
        seconds=len(book.series.mid),
    )  # fmt: skip


def book_problem(book: MeasuredBook, given: BookGiven) -> Problem:
    """A measured book as a problem for `fit`."""
    middle = BookValues(**values_at(SPACE, np.full(len(SPACE), 0.5)))
    return Problem(name="book", space=SPACE, data=book.moments, model=BookRun(given=given, values=middle))


def _prices(prices: MeasuredPrices, effort: Effort, scenario: Scenario, *, note: Note) -> list[Entry]:
    crash = f"; crash days {', '.join(prices.crash_days)}" if prices.crash_days else ""
    print(f"prices: {prices.source}{crash}")
    fitted = _fit(price_problem(prices), effort, note=note)
    entries = output.price_entries(fitted, prices, assets=list(scenario.assets))
    for entry in entries:
        if entry.table.startswith("reference.assets") or entry.key.startswith("crash"):
            print(f"  {entry.table}.{entry.key} = {entry.value:.4g}  ({entry.source})")
    return entries
