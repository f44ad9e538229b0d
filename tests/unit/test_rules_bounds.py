"""The bounds behind the safe distance of portfolio margin really bound, and are not idle."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from market.kernels.rules import portfolio as kernels
from market.kernels.rules import risk_records as risk
from market.kernels.rules.scenario_bounds import change_bounds
from market.kernels.rules.scenario_units import expiry_groups, scenario_units
from market.margin.scenarios import Shock, scenario_table, scenario_terms, scratch, unit_table
from tests.risk_books import DAY, N_STRIKES, RULE, SHOCKS, example_books

SCENARIOS, MOVES = scenario_table(
    [*SHOCKS, Shock(spot=0.95, vol="factor", vol_move=0.3), Shock(spot=1.05, vol="points", vol_move=-0.1)],
    n_underlyings=2,
)
SIGNED = st.floats(-1.0, 1.0)
modest = settings(deadline=None, derandomize=True, max_examples=150)


def excess(books: NDArray[np.void], rule: Any, lots: NDArray[np.int64], gain: float) -> float:
    """Value of the options plus the gain of the linear instruments less the requirement, USD quanta."""
    groups = np.zeros(3, risk.RISK_GROUP)
    expiry_groups(books, rule, groups)
    unit = unit_table(SCENARIOS.size, books.size)
    scenario_units(books, rule, SCENARIOS, MOVES, unit)
    touched, work = scratch(n_scenarios=SCENARIOS.size, n_groups=3, n_underlyings=2, n_strikes=N_STRIKES)
    terms = (lots, unit, books, groups, scenario_terms(SCENARIOS), rule)
    required = kernels.portfolio_requirement(*terms, N_STRIKES, touched, work)
    return float(kernels.portfolio_value(lots, unit, SCENARIOS.size) + gain - required)


def after(
    books: NDArray[np.void], moves: NDArray[np.float64], vols: NDArray[np.float64], seconds: float
) -> NDArray[np.void]:
    moved = books.copy()
    factor = 1.0 + moves[books["underlying"]]
    for field in ("forward", "gross_charge", "short_charge"):
        moved[field] *= factor
    moved["vol"] *= 1.0 + vols
    moved["seconds"] -= seconds
    return moved


@modest
@given(
    lots=st.lists(st.integers(-4, 4), min_size=7, max_size=7),
    box=st.tuples(st.floats(0.001, 0.3), st.floats(0.0, 0.5), st.floats(0.0, 1.5 * DAY)),
    moves=st.lists(SIGNED, min_size=2, max_size=2),
    vols=st.lists(SIGNED, min_size=7, max_size=7),
    days=st.lists(st.floats(1.6, 120.0), min_size=3, max_size=3),
    ratios=st.lists(st.floats(0.5, 1.8), min_size=4, max_size=4),
    offset=st.floats(0.0, 1.0),
    factor=st.floats(0.5, 1.5),
    power=st.floats(0.1, 0.9),
)
def test_no_move_in_the_box_changes_the_excess_by_more(
    lots: list[int],
    box: tuple[float, float, float],
    moves: list[float],
    vols: list[float],
    days: list[float],
    ratios: list[float],
    offset: float,
    factor: float,
    power: float,
) -> None:
    reach, vol_reach, seconds = box
    books, size = example_books(), np.array(lots)
    books["seconds"][3:] = np.array(days)[books["group"][3:]] * DAY
    books["strike"][3:] = books["forward"][3:] * np.array(ratios)
    rule = RULE.copy()[0]
    rule["offset"], rule["factor"], rule["short_power"] = offset, factor, power
    bounds = np.zeros((7, 3))
    change_bounds(books, rule, SCENARIOS, MOVES, reach, vol_reach, seconds, bounds)
    x, v = reach * np.array(moves), vol_reach * np.array(vols)
    gain = float((size * books["per_lot"] * books["forward"] * x[books["underlying"]])[:3].sum())
    moved = excess(after(books, x, v, seconds), rule, size, gain)
    allowed = np.abs(size) @ (bounds[:, 0] * np.abs(x[books["underlying"]]) + bounds[:, 1] * np.abs(v) + bounds[:, 2])
    assert abs(moved - excess(books, rule, size, 0.0)) <= allowed * (1 + 1e-9) + 1e-3


@pytest.mark.parametrize("book", range(7))
@pytest.mark.parametrize("column", [0, 1, 2])
def test_bounds_are_of_the_size_of_what_happens(book: int, column: int) -> None:
    # A single short lot, moved to the edge of a small box in one direction: the bound is met within a factor of 8.
    books, rule = example_books(), RULE[0]
    box = [(0.01, 0.0, 0.0), (0.0, 0.01, 0.0), (0.0, 0.0, 3600.0)][column]
    bounds = np.zeros((7, 3))
    change_bounds(books, rule, SCENARIOS, MOVES, *box, bounds)
    if bounds[book, column] == 0.0:
        assert books[book]["kind"] == risk.LINEAR
        assert column > 0
        return
    size = np.zeros(7, np.int64)
    size[book] = -1
    changes = []
    for sign in (1.0, -1.0) if column < 2 else (1.0,):
        x = np.full(2, sign * box[0])
        gain = -books[book]["per_lot"] * books[book]["forward"] * x[0] if book < 3 else 0.0
        moved = excess(after(books, x, np.full(7, sign * box[1]), box[2]), rule, size, gain)
        changes.append(abs(moved - excess(books, rule, size, 0.0)))
    scale = [0.01, 0.01, 1.0][column]
    assert max(changes) <= bounds[book, column] * scale * (1 + 1e-9)
    assert max(changes) >= 0.125 * bounds[book, column] * scale
