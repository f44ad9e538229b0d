"""What `cascade backtest` does and prints."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from experiments import show
from experiments.backtest.accounts import account_book
from experiments.backtest.coverage import Coverage, coverage
from experiments.backtest.days import Days, read_days
from experiments.backtest.rolling import LEVELS, Rolling, rolling
from experiments.countdown import Note
from experiments.scenario import AccountsFile, Scenario
from market.reference import ModelPrices

NAMES = {"value_at_risk": "loss of all accounts", "liquidations_at_risk": "liquidated notional"}


def backtest(scenario: Scenario, prices: Path, *, window: int, seed: int, note: Note) -> Rolling:
    """Forecasts and outcomes. Raises InputError for data that cannot be used."""
    book = account_book(scenario, seed=seed)
    days = read_days(prices, assets=book.assets)
    if isinstance(scenario.population, AccountsFile):
        scenario, said = _at_last_prices(scenario, days, prices)
        book = account_book(scenario, seed=seed)
        book = replace(book, notes=(*book.notes, said))
    return rolling(
        days, book, window=window,
        note=lambda done, total: note("forecasting days", done, total),
    )  # fmt: skip


def _at_last_prices(scenario: Scenario, days: Days, prices: Path) -> tuple[Scenario, str]:
    """Value a file of accounts, with the prices they entered at, where the price table ends and not elsewhere."""
    last = {name: float(f"{price:.6g}") for name, price in zip(days.assets, days.last.tolist(), strict=True)}
    listed = ", ".join(f"{name} {price:,.6g}" for name, price in last.items())
    reference = scenario.reference
    if not isinstance(reference, ModelPrices):
        return scenario, "accounts are valued at the first prices of the scenario"
    at = [replace(asset, price=last.get(asset.symbol, asset.price)) for asset in reference.assets]
    changed = replace(scenario, reference=replace(reference, assets=tuple(at)))
    return changed, f"accounts are valued, and begin every day, at the last prices of {prices.name}: {listed}"


def tests_of(found: Rolling) -> dict[str, dict[str, Coverage]]:
    """Coverage tests by forecast and level."""
    pairs = {"value_at_risk": found.loss, "liquidations_at_risk": found.liquidated}
    return {
        name: {
            f"{level:.0%}": coverage(outcome > getattr(found, name)[:, column], level=level)
            for column, level in enumerate(LEVELS)
        }
        for name, outcome in pairs.items()
    }


def as_json(found: Rolling) -> dict[str, Any]:
    """The tests, and how large forecasts and outcomes were."""
    tests = {name: {level: vars(test) for level, test in by.items()} for name, by in tests_of(found).items()}
    return {
        "first_day": found.dates[0],
        "last_day": found.dates[-1],
        "levels": list(LEVELS),
        "notes": found.notes,
        "tests": tests,
    }


def print_result(found: Rolling) -> None:
    """Tests, then the days that exceeded their forecast the most."""
    for line in found.notes:
        print(f"note: {line}")
    print(f"{len(found.dates)} forecasts of one day, {found.dates[0]} to {found.dates[-1]}\n")
    rows = []
    for name, by in tests_of(found).items():
        for column, (level, test) in enumerate(by.items()):
            forecast = float(getattr(found, name)[:, column].mean())
            rows.append(
                (
                    f"{NAMES[name]}, {level}", f"{forecast:,.0f}", f"{test.exceeded} of {test.days}",
                    f"{test.expected:.1f}", _p(test.kupiec_p), _p(test.independence_p), _p(test.conditional_p),
                )
            )  # fmt: skip
    header = ("forecast", "mean, USD", "exceeded on", "expected", "Kupiec p", "independence p", "both p")
    show.print_table(rows, header=header, right=(1, 2, 3, 4, 5, 6))
    print("\nA p-value below 0.05 speaks against the forecast (Kupiec 1995, Christoffersen 1998).\n")
    worst = (found.liquidated - found.liquidations_at_risk[:, -1]).argsort()[::-1][:5]
    lines = [
        (
            found.dates[day], f"{found.loss[day]:,.0f}", f"{found.value_at_risk[day, -1]:,.0f}",
            f"{found.liquidated[day]:,.0f}", f"{found.liquidations_at_risk[day, -1]:,.0f}",
        )
        for day in worst
    ]  # fmt: skip
    level = f"{LEVELS[-1]:.0%}"
    header5 = ("worst days", "loss, USD", f"forecast {level}", "liquidated, USD", f"forecast {level}")
    show.print_table(lines, header=header5, right=(1, 2, 3, 4))


def _p(value: float) -> str:
    return "-" if value != value else f"{value:.3f}"


def table(found: Rolling) -> pd.DataFrame:
    """One row per day: outcome and forecasts, USD."""
    columns = {"date": found.dates, "loss_usd": found.loss, "liquidated_usd": found.liquidated}
    for name in NAMES:
        for column, level in enumerate(LEVELS):
            columns[f"{name}_{level * 100:.0f}_usd"] = getattr(found, name)[:, column]
    return pd.DataFrame(columns)
