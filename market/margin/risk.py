"""The tables behind portfolio margin, kept at the prices of now."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from market.kernels.portfolio import load_risk_books
from market.kernels.records import NONE, OPTION, SPOT
from market.kernels.rules.risk_records import LINEAR, RISK_BOOK, RISK_GROUP
from market.kernels.rules.scenario_units import expiry_groups, scenario_units
from market.margin.portfolio import ScenarioMargin
from market.margin.scenarios import scenario_terms, scratch, unit_table


class RiskTables:
    """RISK_BOOK records and unit values of every instrument; `refresh` after every change of prices."""

    def __init__(
        self, rule: ScenarioMargin, instruments: NDArray[np.void], options: NDArray[np.void] | None = None
    ) -> None:
        """`options`: the RISK_BOOK records that option marks are kept in (market/options.py), one per instrument."""
        n_books = len(instruments)
        underlyings, underlying_of = np.unique(instruments["base"], return_inverse=True)
        self.rules = np.concatenate([rule.record(initial=False), rule.record(initial=True)])
        self.scenarios, self.moves = rule.table(n_underlyings=len(underlyings))
        self.terms = scenario_terms(self.scenarios)
        self.books = np.zeros(n_books, RISK_BOOK) if options is None else options
        option = instruments["kind"] == OPTION
        if options is None:
            self.books["kind"] = LINEAR
        self.books["underlying"] = underlying_of
        self.books["gross_rate"] = np.where(instruments["kind"] == SPOT, 0.0, np.where(option, 0.0, rule.linear_charge))
        self.books["group"], n_groups = _numbered(option, instruments["base"], instruments["expiry"])
        self.books["strike_of"], self.n_strikes = _numbered(
            option, instruments["base"], instruments["expiry"], instruments["strike"]
        )
        self.short_rate = rule.short_option_charge
        self.groups = np.zeros(n_groups, RISK_GROUP)
        self.unit = unit_table(len(self.scenarios), n_books)
        sizes = {"n_groups": n_groups, "n_underlyings": len(underlyings), "n_strikes": self.n_strikes}
        self._scratch = (np.zeros(n_books, np.int64), *scratch(n_scenarios=len(self.scenarios), **sizes))

    def refresh(self, instruments: NDArray[np.void], assets: NDArray[np.void]) -> None:
        """Take over marks, and work out what one lot of each instrument gains under each scenario."""
        load_risk_books(self.books, self.rules[0], self.short_rate, instruments, assets)
        expiry_groups(self.books, self.rules[0], self.groups)
        scenario_units(self.books, self.rules[0], self.scenarios, self.moves, self.unit)

    def kept(self, rings: int) -> tuple[Any, ...]:
        """Room for these tables as they were at the last measure of each ring (market/kernels/displacement.py)."""
        n_rows, n_books = self.unit.shape
        return (
            self.scenarios,
            self.moves,
            np.zeros((n_books, 3)),
            np.zeros((rings, n_books, n_rows)),
            np.zeros((rings, n_books), RISK_BOOK),
            np.zeros((rings, len(self.groups)), RISK_GROUP),
        )

    def initial_rates(self) -> NDArray[np.float64]:
        """float64[n_instruments]: initial margin of a linear position taken by itself, as a share of its notional."""
        rule, linear = self.rules[1], self.books["kind"] == LINEAR
        gains = np.abs(self.unit[: len(self.scenarios)] * self.scenarios["weight"][:, None]).max(axis=0)
        value = np.maximum(self.books["forward"] * self.books["per_lot"], 1e-300)
        rates = float(rule["factor"]) * gains / value + float(rule["linear_multiple"]) * self.books["gross_rate"]
        return np.asarray(np.where(linear, rates, 0.0))

    @property
    def tables(self) -> tuple[Any, ...]:
        """What follows modes and tiers in the `margin` tuple of the kernels (market/kernels/portfolio.py)."""
        return (self.books, self.groups, self.terms, self.rules, self.unit, *self._scratch, self.n_strikes)


def _numbered(chosen: NDArray[np.bool_], *columns: NDArray[Any]) -> tuple[NDArray[np.int64], int]:
    """Number of each distinct row of `columns` among the chosen, NONE for all others, and how many there are."""
    numbers = np.full(len(chosen), NONE, np.int64)
    if not chosen.any():
        return numbers, 0
    rows = np.stack([column[chosen].astype(np.float64) for column in columns], axis=1)
    distinct, numbers[chosen] = np.unique(rows, axis=0, return_inverse=True)
    return numbers, len(distinct)
