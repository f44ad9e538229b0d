"""Portfolio margin of 10,000 accounts with 8 instruments, 4 of them options, over 31 scenarios: time per pass.

python -m benchmarks.portfolio_margin [--accounts N] [--repeats N]
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from market.kernels.records import NONE, POSITION
from market.kernels.rules import risk_records as risk
from market.kernels.rules.greeks import account_greeks, unit_greeks
from market.kernels.rules.portfolio import portfolio_requirements
from market.kernels.rules.scenario_bounds import change_bounds
from market.kernels.rules.scenario_units import expiry_groups, scenario_units
from market.margin.portfolio import BasisContingency, ScenarioMargin, SmileShock, Tail
from market.margin.scenarios import scenario_table, scenario_terms, scratch, unit_table

N_BOOKS, N_STRIKES, N_UNDERLYINGS = 8, 3, 2
DAY = 86_400.0


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


def main() -> None:
    """Print best and median time of each part of one full assessment."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--accounts", type=int, default=10_000)
    parser.add_argument("--repeats", type=int, default=30)
    options = parser.parse_args()
    tails = (Tail(price_factor=0.34, weight=0.05), Tail(price_factor=3.0, weight=0.02))
    margin = ScenarioMargin(tails=tails, smile=SmileShock(), basis=BasisContingency())
    rule, table = margin.record(initial=False)[0], books()
    scenarios, moves = scenario_table(margin.shocks(), n_underlyings=N_UNDERLYINGS)
    terms, groups = scenario_terms(scenarios), np.zeros(3, risk.RISK_GROUP)
    unit = unit_table(scenarios.size, N_BOOKS)
    touched, work = scratch(n_scenarios=scenarios.size, n_groups=3, n_underlyings=N_UNDERLYINGS, n_strikes=N_STRIKES)
    positions = np.zeros((options.accounts, N_BOOKS), POSITION)
    positions["lots"] = np.random.Generator(np.random.Philox(1)).integers(-9, 10, positions.shape)
    out, bounds, greeks = np.zeros((options.accounts, 2)), np.zeros((N_BOOKS, 3)), np.zeros((N_BOOKS, 4))
    all_greeks = np.zeros((options.accounts, N_UNDERLYINGS, 4))
    expiry_groups(table, rule, groups)
    parts: list[tuple[str, Callable[[], object]]] = [
        ("discounts of expiries", lambda: expiry_groups(table, rule, groups)),
        ("unit table", lambda: scenario_units(table, rule, scenarios, moves, unit)),
        (
            f"requirements of {options.accounts:,} accounts",
            lambda: portfolio_requirements(positions, unit, table, groups, terms, rule, N_STRIKES, touched, work, out),
        ),
        (
            "bounds of the safe distance",
            lambda: change_bounds(table, rule, scenarios, moves, 0.05, 0.1, 3600.0, bounds),
        ),
        ("Greeks of a lot", lambda: unit_greeks(table, greeks)),
        (f"Greeks of {options.accounts:,} accounts", lambda: account_greeks(positions, table, greeks, all_greeks)),
    ]
    print(f"{scenarios.size} scenarios, {N_BOOKS} instruments")
    for name, call in parts:
        best, median = microseconds(call, options.repeats)
        print(f"{name:32} best {best:10.1f} us   median {median:10.1f} us")


if __name__ == "__main__":
    main()
