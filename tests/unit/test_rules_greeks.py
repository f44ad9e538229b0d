"""Greeks per lot, account and venue: against differences of the value, and adding up."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from market.greeks import account_greeks, unit_greeks, venue_greeks
from market.kernels.records import POSITION
from market.kernels.rules.scenario_units import scenario_units
from market.margin.scenarios import scenario_table, unit_table
from tests.risk_books import DAY, RULE, example_books


def values(books: NDArray[np.void]) -> NDArray[np.float64]:
    """Value of one lot now; of a linear instrument its notional."""
    scenarios, moves = scenario_table([], n_underlyings=2)
    unit = unit_table(0, books.size)
    scenario_units(books, RULE[0], scenarios, moves, unit)
    linear = books["kind"] == 0
    now: NDArray[np.float64] = unit[-1]
    now[linear] = (books["forward"] * books["per_lot"])[linear]
    return now


def shifted(field: str, factor: float = 1.0, add: float = 0.0) -> NDArray[np.float64]:
    books = example_books()
    books[field] = books[field] * factor + add
    return values(books)


def test_greeks_are_the_slopes_of_the_value() -> None:
    unit, step = unit_greeks(example_books()), 1e-4
    now, up, down = values(example_books()), shifted("forward", 1 + step), shifted("forward", 1 - step)
    assert unit[:, 0] == pytest.approx((up - down) / (2 * step), rel=1e-5)
    assert unit[:, 1] == pytest.approx((up - 2 * now + down) / step**2, rel=1e-3, abs=10.0)
    vega = (shifted("vol", add=step) - shifted("vol", add=-step)) / (2 * step)
    assert unit[:, 2] == pytest.approx(vega, rel=1e-5, abs=1e-3)
    theta = (shifted("seconds", add=-60.0) - shifted("seconds", add=60.0)) / 120.0 * DAY
    assert unit[:, 3] == pytest.approx(theta, rel=1e-4, abs=1e-3)


def test_long_options_gain_gamma_and_lose_time() -> None:
    unit = unit_greeks(example_books())
    assert (unit[3:, 1] > 0).all()
    assert (unit[3:, 2] > 0).all()
    assert (unit[3:, 3] < 0).all()
    assert (unit[[3, 6], 0] > 0).all()
    assert (unit[4:6, 0] < 0).all()


def test_accounts_add_up_to_the_venue() -> None:
    books = example_books()
    positions = np.zeros((5, 7), POSITION)
    positions["lots"][:4] = np.random.Generator(np.random.Philox(7)).integers(-6, 7, (4, 7))
    positions["lots"][4] = -positions["lots"][:4].sum(axis=0)
    greeks = account_greeks(positions, books, n_underlyings=2)
    one = positions["lots"] * (books["underlying"] == 1) @ unit_greeks(books)
    assert greeks[:, 1] == pytest.approx(one)
    everyone = venue_greeks(greeks, np.ones(5, np.bool_))
    assert everyone.net == pytest.approx(np.zeros((2, 4)), abs=1e-3)
    customers = venue_greeks(greeks, np.arange(5) < 4)
    assert customers.net == pytest.approx(-greeks[4])
    assert customers.long + customers.short == pytest.approx(customers.net)
