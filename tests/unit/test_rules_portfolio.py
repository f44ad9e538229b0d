"""Portfolio margin: the kernel against a slow twin in plain Python, the laws it must obey, tails."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from market.kernels.records import NONE, POSITION
from market.kernels.rules import portfolio as kernels
from market.kernels.rules import risk_records as risk
from market.kernels.rules.options import black_price
from market.kernels.rules.scenario_units import expiry_groups, scenario_units
from market.kernels.rules.tail_risk import scenario_quantile, scenario_shortfall
from market.margin.scenarios import (
    Shock,
    scenario_table,
    scenario_terms,
    scratch,
    simulated_scenarios,
    unit_table,
)
from tests.risk_books import N_STRIKES, RULE, SHOCKS, example_books

modest = settings(deadline=None, derandomize=True, max_examples=40)
LOTS = st.lists(st.integers(-5, 5), min_size=7, max_size=7)


class Table:
    """Everything the kernels take, for one state of the market."""

    def __init__(self, books: NDArray[np.void], rule: Any, shocks: list[Shock]) -> None:
        self.books, self.rule, self.shocks = books, rule, shocks
        self.scenarios, self.moves = scenario_table(shocks, n_underlyings=2)
        self.terms = scenario_terms(self.scenarios)
        self.groups = np.zeros(3, risk.RISK_GROUP)
        expiry_groups(books, rule, self.groups)
        self.unit = unit_table(len(shocks), books.size)
        scenario_units(books, rule, self.scenarios, self.moves, self.unit)
        self.touched, self.work = scratch(n_scenarios=len(shocks), n_groups=3, n_underlyings=2, n_strikes=N_STRIKES)

    def loss(self, lots: list[int]) -> float:
        terms = (np.array(lots), self.unit, self.books, self.groups, self.terms, self.rule)
        return float(kernels.portfolio_loss(*terms, self.touched, self.work))

    def requirement(self, lots: list[int]) -> float:
        terms = (np.array(lots), self.unit, self.books, self.groups, self.terms, self.rule)
        return float(kernels.portfolio_requirement(*terms, N_STRIKES, self.touched, self.work))

    def pnl(self, lots: list[int]) -> NDArray[np.float64]:
        out = np.zeros(len(self.shocks))
        terms = (np.array(lots), self.unit, self.books, self.groups, self.terms)
        kernels.portfolio_pnl(*terms, self.touched, self.work, out)
        return out


def table(offset: float = 0.0) -> Table:
    rule = RULE.copy()
    rule["offset"] = offset
    return Table(example_books(), rule[0], SHOCKS)


def twin_pnl(books: NDArray[np.void], rule: Any, shock: Shock, lots: list[int]) -> dict[int, float]:
    """Profit per underlying under one shock, written out."""
    pnl = {0: 0.0, 1: 0.0}
    values: dict[int, list[float]] = {}
    for book, size in zip(books, lots, strict=True):
        if book["kind"] == risk.LINEAR:
            pnl[int(book["underlying"])] += size * book["per_lot"] * book["forward"] * (shock.spot - 1.0)
            continue
        years, days = book["seconds"] / 31_536_000.0, book["seconds"] / 86_400.0
        power = rule["short_power"] if days <= 30 else rule["long_power"]
        growth = (30.0 / max(days, rule["floor_days"])) ** power
        spot = 1.0 if shock.vol.startswith("skew") else shock.spot  # a scenario of the smile leaves the forward
        forward, vol = book["forward"] * spot, float(book["vol"])
        moneyness = math.log(book["strike"] / forward)
        width = max(
            rule["least_width"],
            rule["width_scale"] * years**0.5 * (rule["width_vol"] + rule["width_slope"] * years**0.5),
        )
        if shock.vol == "up":
            vol = max(vol * (1 + rule["vol_up"] * growth), rule["least_vol"])
        elif shock.vol == "down":
            vol *= max(0.0, 1 - rule["vol_down"] * growth)
        elif shock.vol == "skew_linear":
            cap = rule["skew_cap"] + rule["skew_slope"] * years**0.5
            vol *= 1 + cap * min(1.0, max(-1.0, moneyness / width))
        elif shock.vol == "skew_abs":
            cap = rule["wings_cap"] + rule["wings_slope"] * years**0.5
            vol *= 1 + cap * min(1.0, abs(moneyness) / width)
        scale = book["per_lot"] * math.exp(-book["rate"] * years)
        call = book["kind"] == risk.CALL
        value = scale * black_price(call, forward, book["strike"], vol * years**0.5)
        now = scale * black_price(call, book["forward"], book["strike"], book["vol"] * years**0.5)
        old = values.setdefault(int(book["group"]), [0.0, 0.0, 0.0, 0.0])
        values[int(book["group"])] = [old[0] + size * value, old[1] + size * now, years, book["rate"]]
    for group, (value, now, years, rate) in values.items():
        if value >= 0:
            value *= rule["long_static"] * math.exp(-years * (rate * rule["long_factor"] + rule["long_add"]))
        else:
            growth = rule["short_static"] * math.exp(years * (rate * rule["short_factor"] + rule["short_add"]))
            value *= min(math.exp(rate * years), growth)
        change = value - now
        pnl[group // 2] += -abs(change) if shock.vol.startswith("skew") else change
    return {underlying: shock.weight * total for underlying, total in pnl.items()}


@modest
@given(lots=LOTS)
def test_the_kernel_equals_its_slow_twin(lots: list[int]) -> None:
    now = table()
    twin = [twin_pnl(now.books, now.rule, shock, lots) for shock in SHOCKS]
    size = 1e-12 * float(np.abs(now.unit).sum()) + 1e-9
    assert now.pnl(lots) == pytest.approx([sum(row.values()) for row in twin], abs=size)
    terms = (np.array(lots), now.unit, now.books, now.groups, now.terms)
    basis = kernels.basis_contingency(*terms, now.touched, now.work)
    assert basis >= 0.0
    # Every underlying at its own worst scenario loses at least what all lose in one; offset 1 counts the latter.
    together = max(basis, max(-sum(row.values()) for row in twin), 0.0)
    assert table(1.0).loss(lots) == pytest.approx(together, abs=size)
    assert now.loss(lots) >= together - size
    assert table(0.5).loss(lots) == pytest.approx(0.5 * (now.loss(lots) + together), abs=size)


@modest
@given(one=LOTS, other=LOTS)
def test_two_portfolios_together_need_no_more_than_apart(one: list[int], other: list[int]) -> None:
    # The matrix alone: discounts by sign and the adverse smile break it, as they do at the venue.
    shocks = [shock for shock in SHOCKS if not shock.vol.startswith("skew")]
    rule = RULE.copy()
    rule["long_static"] = rule["short_static"] = 1.0
    rule["long_factor"] = rule["long_add"] = rule["short_factor"] = rule["short_add"] = 0.0
    now = Table(example_books(), rule[0], shocks)
    both = [a + b for a, b in zip(one, other, strict=True)]
    apart = now.requirement(one) + now.requirement(other)
    assert now.requirement(both) <= apart * (1 + 1e-9) + 1e-6


def test_a_perfect_hedge_needs_only_its_charges() -> None:
    now = table(1.0)
    # Perpetual and dated future of one underlying at one price: equal and opposite.
    now.books["forward"][1] = now.books["forward"][0]
    scenario_units(now.books, now.rule, now.scenarios, now.moves, now.unit)
    assert now.loss([3, -3, 0, 0, 0, 0, 0]) == 0.0
    assert now.requirement([3, -3, 0, 0, 0, 0, 0]) == pytest.approx(3 * now.books["gross_charge"][:2].sum())
    assert now.requirement([0] * 7) == 0.0


def test_positions_give_what_their_lots_give() -> None:
    now = table()
    positions = np.zeros((4, 7), POSITION)
    positions["lots"] = np.random.Generator(np.random.Philox(3)).integers(-4, 5, (4, 7))
    out = np.zeros((4, 2))
    terms = (positions, now.unit, now.books, now.groups, now.terms, now.rule)
    kernels.portfolio_requirements(*terms, N_STRIKES, now.touched, now.work, out)
    assert out[:, 0].tolist() == [now.requirement(row.tolist()) for row in positions["lots"]]
    assert out[:, 1] == pytest.approx(positions["lots"] @ now.unit[-1])


def test_simulated_scenarios_give_value_at_risk() -> None:
    now = table()
    draws = np.random.Generator(np.random.Philox(5)).normal(0.0, 0.05, (400, 2))
    scenarios, moves = simulated_scenarios(draws, np.zeros(400))
    unit = unit_table(400, 7)
    scenario_units(now.books, now.rule, scenarios, moves, unit)
    pnl = np.zeros(400)
    lots = np.array([2, 0, -30, 0, 0, 0, 0])
    touched, work = scratch(n_scenarios=400, n_groups=3, n_underlyings=2, n_strikes=N_STRIKES)
    kernels.portfolio_pnl(lots, unit, now.books, now.groups, scenario_terms(scenarios), touched, work, pnl)
    assert pnl == pytest.approx(np.expm1(draws) @ [2 * 1_000 * 60_000.0, -30 * 1_000 * 2_500.0], rel=1e-9, abs=1e-3)
    assert scenario_quantile(pnl.copy(), 0.99) == pytest.approx(-np.sort(pnl)[4])
    assert scenario_shortfall(pnl.copy(), 0.99) == pytest.approx(-np.sort(pnl)[:4].mean())


@modest
@given(pnl=st.lists(st.floats(-100, 100), min_size=1, max_size=60), confidence=st.floats(0.0, 1.0))
def test_shortfall_is_at_least_the_quantile_and_at_most_the_worst(pnl: list[float], confidence: float) -> None:
    values = np.array(pnl)
    quantile = scenario_quantile(values.copy(), confidence)
    shortfall = scenario_shortfall(values.copy(), confidence)
    assert quantile - 1e-9 <= shortfall <= max(0.0, -values.min()) + 1e-9
    assert (values >= -quantile - 1e-12).mean() >= confidence - 1e-6


def test_tables_of_scenarios() -> None:
    with pytest.raises(ValueError, match="none of none, up"):
        scenario_table([Shock(vol="sideways")])
    assert example_books()["group"][0] == NONE
