"""Margin of 10,000 accounts with 8 instruments: `python -m benchmarks.margin [--accounts N] [--repeats N] [--json]`.

In the engine, cross, portfolio, and portfolio with 4 of the 8 instruments options: every account's excess worked out
afresh, every account's safe distance (what a tick costs after which all prices have moved far), and what a tick costs
in which prices move by a thousandth of a percent. Then the parts of portfolio margin over
31 scenarios with 4 of the 8 instruments options.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray

from experiments.validation.laboratory import PERP, USDC, Engine, changed, engine, plain_venue
from market.instruments import Asset, Instrument
from market.kernels.liquidation import find_claims
from market.kernels.records import NONE, POSITION
from market.kernels.rules import risk_records as risk
from market.kernels.rules.greeks import account_greeks, unit_greeks
from market.kernels.rules.portfolio import portfolio_requirements
from market.kernels.rules.scenario_bounds import change_bounds
from market.kernels.rules.scenario_units import expiry_groups, scenario_units
from market.liquidation import open_claims
from market.margin.portfolio import BasisContingency, ScenarioMargin, SmileShock, Tail
from market.margin.rules import Margin
from market.margin.scenarios import scenario_table, scenario_terms, scratch, unit_table
from market.world import World

N_BOOKS, N_STRIKES, N_UNDERLYINGS = 8, 3, 2
DAY = 86_400.0
PORTFOLIO = ScenarioMargin(
    tails=(Tail(price_factor=0.34, weight=0.05), Tail(price_factor=3.0, weight=0.02)),
    smile=SmileShock(),
    basis=BasisContingency(),
)


def books() -> NDArray[np.void]:
    """Two perpetuals and a future on underlying 0, a perpetual on 1, and four options in three expiries."""
    table = np.zeros(N_BOOKS, risk.RISK_BOOK)
    table["group"] = table["strike_of"] = NONE
    table["per_lot"] = 1_000.0
    table["underlying"] = [0, 0, 0, 1, 0, 0, 0, 1]
    table["forward"] = [60_000.0, 60_000.0, 60_300.0, 2_500.0, 60_100.0, 60_100.0, 61_000.0, 2_520.0]
    table["kind"][4:] = [risk.CALL, risk.PUT, risk.PUT, risk.CALL]
    table["group"][4:], table["strike_of"][4:] = [0, 0, 1, 2], [0, 0, 1, 2]
    table["strike"][4:] = [62_000.0, 62_000.0, 50_000.0, 2_600.0]
    table["vol"][4:], table["seconds"][4:] = [0.5, 0.5, 0.7, 0.8], [9 * DAY, 9 * DAY, 80 * DAY, 2 * DAY]
    return table


def microseconds(call: Callable[[], object], repeats: int) -> tuple[float, float]:
    """(best, median) time of a call, after one to warm up."""
    call()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append((time.perf_counter() - start) * 1e6)
    return min(times), statistics.median(times)


def instruments(*, options: int) -> dict[str, Instrument]:
    """Perpetuals on A0, A1 ... and, on the first of them, calls and puts in turn, of a day and of a month."""
    perpetuals = {
        f"A{number}-PERP": changed(PERP, base=f"A{number}", tick_size=0.01) for number in range(N_BOOKS - options)
    }
    listed = {
        f"A{number // 2}-{'PUT' if number % 2 else 'CALL'}": changed(
            PERP, kind="option", base=f"A{number // 2}", tick_size=0.001, strike=95.0 if number % 2 else 103.0,
            option="put" if number % 2 else "call", expiry_hours=24.0 if number < 2 else 720.0,
        )
        for number in range(options)
    }  # fmt: skip
    return perpetuals | listed


def world(accounts: int, *, mode: str, options: int = 0) -> Engine:
    """Customers with positions in all of 8 instruments, three kinds of collateral, and margin enough for all."""
    assets = {"USDC": USDC} | {f"A{number}": Asset(price_usd=100.0, haircut=0.1) for number in range(N_BOOKS)}
    margin = Margin(mode="portfolio" if mode == "portfolio" else "cross", portfolio=PORTFOLIO)
    listed = instruments(options=options)
    made = engine(deposits=[0.0] * accounts, venue=plain_venue(margin=margin), assets=assets, instruments=listed)
    draw = np.random.Generator(np.random.Philox(1))
    ledger, rows = made.world.ledger, made.rows
    ledger.positions["lots"][rows] = lots = draw.integers(-10_000, 10_001, (accounts, N_BOOKS))
    ledger.positions["cost"][rows] = lots * made.world.instruments["mark"] * made.world.instruments["tick_value"]
    ledger.cash[rows, :3] = draw.integers(10**10, 10**11, (accounts, 3))
    return made


def engine_parts(accounts: int, repeats: int) -> dict[str, tuple[float, float]]:
    """(best, median) microseconds of a full assessment and of a quiet tick in either mode."""
    found = {}
    for name, mode, options in (("cross", "cross", 0), ("portfolio", "portfolio", 0), ("with options", "portfolio", 4)):
        made = world(accounts, mode=mode, options=options).world
        made.watch.full_assessment = True
        found[f"{name}: every account afresh"] = microseconds(partial(_assess, made), repeats)
        found[f"{name}: and what it holds noted"] = microseconds(partial(_look, made), repeats)
        made.watch.full_assessment = False
        found[f"{name}: every safe distance afresh"] = microseconds(partial(_measure, made), repeats)
        marks = made.instruments["mark"].copy()
        found[f"{name}: a quiet tick"] = microseconds(partial(_quiet, made, marks), 10 * repeats)
    return found


def _assess(w: World) -> None:
    """A full assessment, without the comparison of all holdings that causes are worked out from."""
    w.revalue()
    ledger, history, everybody = w.ledger, w.history, w.watch.everybody
    find_claims(
        everybody, len(everybody), w.claims, w.tick, 0, 0, w.policy, w.breaches, history.breach_held,
        history.breach_look, history.held, history.ring, w.books.counters, ledger.accounts, w.instruments, w.assets,
        w.margin, ledger.positions, ledger.cash, w.watch.touched, w.watch.touched_mark,
    )  # fmt: skip


def _measure(w: World) -> None:
    w.watch.invalidate()
    _look(w)


def _look(w: World) -> None:
    w.revalue()
    open_claims(w, round_=0, clock=0)


def _quiet(w: World, marks: NDArray[np.int64]) -> None:
    w.instruments["mark"] = marks + (w.tick & 1)
    w.tick += 1
    _look(w)


def option_parts(accounts: int, repeats: int) -> dict[str, tuple[float, float]]:
    """(best, median) microseconds of the parts of portfolio margin, 4 of 8 instruments options, over 31 scenarios."""
    rule, table = PORTFOLIO.record(initial=False)[0], books()
    scenarios, moves = scenario_table(PORTFOLIO.shocks(), n_underlyings=N_UNDERLYINGS)
    terms, groups = scenario_terms(scenarios), np.zeros(3, risk.RISK_GROUP)
    unit = unit_table(scenarios.size, N_BOOKS)
    touched, work = scratch(n_scenarios=scenarios.size, n_groups=3, n_underlyings=N_UNDERLYINGS, n_strikes=N_STRIKES)
    positions = np.zeros((accounts, N_BOOKS), POSITION)
    positions["lots"] = np.random.Generator(np.random.Philox(1)).integers(-9, 10, positions.shape)
    out, bounds, greeks = np.zeros((accounts, 2)), np.zeros((N_BOOKS, 3)), np.zeros((N_BOOKS, 4))
    all_greeks = np.zeros((accounts, N_UNDERLYINGS, 4))
    expiry_groups(table, rule, groups)
    parts: dict[str, Callable[[], object]] = {
        "options: discounts of expiries": lambda: expiry_groups(table, rule, groups),
        "options: unit table": lambda: scenario_units(table, rule, scenarios, moves, unit),
        "options: every account afresh": lambda: portfolio_requirements(
            positions, unit, table, groups, terms, rule, N_STRIKES, touched, work, out
        ),
        "options: bounds of the safe distance": lambda: change_bounds(
            table, rule, scenarios, moves, 0.05, 0.1, 3600.0, bounds
        ),
        "options: Greeks of a lot": lambda: unit_greeks(table, greeks),
        "options: Greeks of every account": lambda: account_greeks(positions, table, greeks, all_greeks),
    }
    return {name: microseconds(call, repeats) for name, call in parts.items()}


def main() -> None:
    """Print best and median time of each part."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--accounts", type=int, default=10_000)
    parser.add_argument("--repeats", type=int, default=30)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    found = engine_parts(options.accounts, options.repeats) | option_parts(options.accounts, options.repeats)
    if options.json:
        print(json.dumps({name: {"best_us": best, "median_us": median} for name, (best, median) in found.items()}))
        return
    print(f"{options.accounts:,} accounts, {N_BOOKS} instruments, {len(PORTFOLIO.shocks())} scenarios")
    for name, (best, median) in found.items():
        print(f"{name:40} best {best:10.1f} us   median {median:10.1f} us")


if __name__ == "__main__":
    main()
