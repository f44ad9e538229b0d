"""The account population: size and leverage of recorded accounts, in closed form, then looked at by simulation.

Two kinds of table: a book of accounts as `cascade run --accounts` reads it, valued at the scenario's starting prices,
or loans with columns `coll_usd, debt_usd` (leverage is then collateral over collateral less debt).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from agents.holdings import draw_holdings
from agents.population import lot_usd
from agents.trader import Traders
from experiments.accounts import read_accounts
from experiments.build import build
from experiments.calibration.moments import Moment, bootstrap_errors
from experiments.scenario import Scenario
from market.errors import InputError

Array = NDArray[np.float64]

TAIL_SHARE = 0.1
"""Richest part of the accounts, whose equities are taken to follow a Pareto law."""
NORMAL_90 = 1.2816
"""Quantile 0.9 of the standard normal law."""
FEWEST = 100
MOST_LEVERAGE = 200.0
"""More is an account on the brink, or one whose other assets the table does not show."""
LOAN_TO_VALUE = 0.78
"""Aave's largest for BTC: loans above it are backed by something the table does not show."""
DRAWS = 100


@dataclass(frozen=True, kw_only=True)
class MeasuredAccounts:
    """Accounts with debt or positions."""

    source: str
    equity: Array
    leverage: Array
    long: Array
    """Share of the notional that is long, 0 to 1."""
    left_out: str
    lending: bool


@dataclass(frozen=True, kw_only=True)
class PopulationFit:
    """Fitted traders, and how their moments compare."""

    source: str
    fields: dict[str, float]
    moments: tuple[Moment, ...]
    model: dict[str, float]
    note: str


def measure_accounts(file: Path, scenario: Scenario) -> MeasuredAccounts:
    """Equity and leverage of every account of a table. Raises InputError for whatever cannot be used."""
    loans = _loans(file)
    if loans is not None:
        return _from_loans(loans, file)
    recorded = read_accounts(file, assets=scenario.assets, instruments=scenario.instruments)
    world = build(scenario, seed=1).world
    asset = world.assets[recorded.balance_assets]
    unit = asset["price"].astype(float) * asset["multiplier"] / asset["divisor"] * 1e-6
    n = len(recorded.names)
    equity = np.zeros(n) + np.bincount(recorded.balance_accounts, recorded.balance_quanta * unit, minlength=n)
    lot = lot_usd(world)[recorded.position_books]
    mark = world.instruments["mark"][recorded.position_books] * world.instruments["tick_size"][recorded.position_books]
    profit = np.where(np.isnan(recorded.entry_prices), 0.0, 1.0 - recorded.entry_prices / mark)
    value = recorded.position_lots * lot
    equity = equity + np.bincount(recorded.position_accounts, value * profit, minlength=n)
    notional = np.bincount(recorded.position_accounts, np.abs(value), minlength=n)
    bought = np.bincount(recorded.position_accounts, np.maximum(value, 0.0), minlength=n)
    with np.errstate(divide="ignore", invalid="ignore"):
        return _measured(file, equity, notional / equity, bought / notional, what="accounts", lending=False)


def _loans(file: Path) -> pd.DataFrame | None:
    """A table of loans, or None when the file is of the other kind or unreadable."""
    if not file.is_file() or file.suffix.lower() not in (".parquet", ".pq", ".csv"):
        return None
    try:
        table = pd.read_csv(file) if file.suffix.lower() == ".csv" else pd.read_parquet(file)
    except (ValueError, OSError):
        return None
    return table if {"coll_usd", "debt_usd"} <= set(table.columns) else None


def _from_loans(table: pd.DataFrame, file: Path) -> MeasuredAccounts:
    # Debts of version 2 are wrong by orders of magnitude in the published table.
    if "version" in table.columns:
        table = table[table["version"] == "V3"]
    collateral, debt = (table[name].to_numpy(dtype=np.float64) for name in ("coll_usd", "debt_usd"))
    with np.errstate(divide="ignore", invalid="ignore"):
        known = (debt > 0.0) & (debt <= LOAN_TO_VALUE * collateral)
    equity = np.where(known, collateral - debt, np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        return _measured(file, equity, collateral / equity, np.ones(len(equity)), what="loans", lending=True)


def _measured(file: Path, equity: Array, leverage: Array, long: Array, *, what: str, lending: bool) -> MeasuredAccounts:
    usable = (equity > 1.0) & (leverage > 0.0) & (leverage <= MOST_LEVERAGE) & np.isfinite(long)
    count = int(usable.sum())
    if count < FEWEST:
        raise InputError(file=file, what=f"has {count} usable {what}", valid=f"at least {FEWEST} with a position")
    return MeasuredAccounts(
        source=f"{file.name}: {count} {what}", equity=equity[usable], leverage=leverage[usable], long=long[usable],
        left_out=f"{len(usable) - count} of {len(usable)} {what} left out: no position, no equity above 1 USD, "
        + (f"or a loan above {LOAN_TO_VALUE:g} of its collateral" if lending else f"leverage above {MOST_LEVERAGE:g}"),
        lending=lending,
    )  # fmt: skip


def population_moments(equity: Array, leverage: Array, long: Array) -> dict[str, float]:
    """Quantiles of equity and leverage as logarithms, the richest accounts' share, share of accounts long."""
    found = {f"log equity_usd quantile {q:g}": float(np.log(np.quantile(equity, q))) for q in (0.1, 0.5, 0.9, 0.99)}
    for q in (0.1, 0.5, 0.9):
        found[f"log leverage quantile {q:g}"] = float(np.log(np.quantile(leverage, q)))
    rich = np.sort(equity)[-max(1, len(equity) // 50) :]
    found["equity share of the richest 2 %"] = float(rich.sum() / equity.sum())
    found["share of accounts long"] = float((long > 0.5).mean())
    return found


def fit_population(accounts: MeasuredAccounts, scenario: Scenario, *, seed: int) -> PopulationFit:
    """Parameters of `Traders` from the accounts, and the moments of as many traders drawn with them."""
    logs = np.log(accounts.equity)
    ordered = np.sort(accounts.equity)
    tail = max(10, int(TAIL_SHARE * len(ordered)))
    exponent = 1.0 / np.log(ordered[-tail:] / ordered[-tail - 1]).mean()
    leverage = np.log(accounts.leverage)
    fields: dict[str, float] = {
        "equity_usd": float(np.median(accounts.equity)),
        # From the upper half, whose accounts hold nearly all the money.
        "equity_sigma": float(np.quantile(logs, 0.9) - np.median(logs)) / NORMAL_90,
        "tail_share": TAIL_SHARE,
        "tail_exponent": float(exponent),
        "largest_equity_usd": float(ordered[-1]),
        "leverage": float(np.exp(np.median(leverage))),
        "leverage_sigma": _robust_sigma(leverage),
        "share_long": float((accounts.long > 0.5).mean()),
    }
    fields = {name: float(f"{value:.3g}") for name, value in fields.items()}

    def sample(picked: NDArray[np.int64]) -> dict[str, float]:
        return population_moments(accounts.equity[picked], accounts.leverage[picked], accounts.long[picked])

    errors = bootstrap_errors(sample, blocks=len(accounts.equity), draws=DRAWS, seed=seed)
    value = population_moments(accounts.equity, accounts.leverage, accounts.long)
    moments = tuple(Moment(name=n, value=v, error=max(errors[n], 0.01)) for n, v in value.items())
    return PopulationFit(
        source=accounts.source, fields=fields, moments=moments, note=accounts.left_out,
        model=_drawn(fields, scenario, count=max(2_000, len(logs)), seed=seed),
    )  # fmt: skip


def _robust_sigma(logs: Array) -> float:
    """Standard deviation of the bulk: half the distance between the normal quantiles -1 and 1."""
    low, high = np.quantile(logs, (0.1587, 0.8413))
    return float(0.5 * (high - low))


def _drawn(fields: Mapping[str, float], scenario: Scenario, *, count: int, seed: int) -> dict[str, float]:
    """Moments of traders drawn by the product's own code, in this scenario's markets."""
    traders = replace(Traders(), count=count, isolated_share=0.0, **fields)  # type: ignore[arg-type]
    world = build(replace(scenario, population=replace(traders, count=1)), seed=seed).world
    holdings = draw_holdings(traders, world, scenario.instruments)
    value = holdings.lots * lot_usd(world)[holdings.books] * holdings.held
    notional = np.abs(value).sum(axis=1)
    bought = np.maximum(value, 0.0).sum(axis=1)
    usable = notional > 0.0
    return population_moments(
        holdings.equity[usable], notional[usable] / holdings.equity[usable], bought[usable] / notional[usable]
    )
