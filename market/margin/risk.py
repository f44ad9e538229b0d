"""The tables behind portfolio margin, kept at the prices of now."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from market.kernels.portfolio import load_risk_books
from market.kernels.records import NONE, SPOT
from market.kernels.rules.risk_records import LINEAR, RISK_BOOK, RISK_GROUP
from market.kernels.rules.scenario_units import scenario_units
from market.margin.portfolio import ScenarioMargin
from market.margin.scenarios import scenario_terms, scratch, unit_table


class RiskTables:
    """RISK_BOOK records and unit values of every instrument; `refresh` after every change of prices."""

    def __init__(self, rule: ScenarioMargin, instruments: NDArray[np.void]) -> None:
        n_books = len(instruments)
        underlyings, underlying_of = np.unique(instruments["base"], return_inverse=True)
        self.rules = np.concatenate([rule.record(initial=False), rule.record(initial=True)])
        self.scenarios, self.moves = rule.table(n_underlyings=len(underlyings))
        self.terms = scenario_terms(self.scenarios)
        self.books = np.zeros(n_books, RISK_BOOK)
        self.books["kind"] = LINEAR
        self.books["group"] = self.books["strike_of"] = NONE
        self.books["underlying"] = underlying_of
        self.books["gross_rate"] = np.where(instruments["kind"] == SPOT, 0.0, rule.linear_charge)
        self.groups = np.zeros(0, RISK_GROUP)
        self.n_strikes = 0
        self.unit = unit_table(len(self.scenarios), n_books)
        sizes = {"n_groups": 0, "n_underlyings": len(underlyings), "n_strikes": self.n_strikes}
        self._scratch = (np.zeros(n_books, np.int64), *scratch(n_scenarios=len(self.scenarios), **sizes))

    def refresh(self, instruments: NDArray[np.void], assets: NDArray[np.void]) -> None:
        """Take over marks, and work out what one lot of each instrument gains under each scenario."""
        load_risk_books(self.books, instruments, assets)
        scenario_units(self.books, self.rules[0], self.scenarios, self.moves, self.unit)

    @property
    def tables(self) -> tuple[Any, ...]:
        """What follows modes and tiers in the `margin` tuple of the kernels (market/kernels/portfolio.py)."""
        return (self.books, self.groups, self.terms, self.rules, self.unit, *self._scratch, self.n_strikes)
