"""Portfolio margin: the worst of a table of scenarios over everything an account holds, plus charges."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from market.kernels.rules.risk_records import RISK_RULE
from market.parameters import PositiveUsd, Ratio, Share, parameters
from market.portfolio import Shock, grid_scenarios, scenario_table, span_scenarios

Vol = Literal["none", "up", "down", "skew_linear", "skew_abs", "factor", "points"]


@parameters
class Scenario:
    """One row of a scenario table."""

    spot: Ratio = 1.0
    """Multiplier of every underlying's price."""
    vol: Vol = "none"
    """Implied volatility: as it is, up, down, the smile turned, both wings raised, by a factor, by points."""
    weight: Share = 1.0
    """Share of the gain or loss that counts; below 1 for far tails."""
    vol_move: Annotated[float, Field(ge=-1.0, le=10.0, json_schema_extra={"unit": "1"})] = 0.0
    """Relative change of volatility for "factor", absolute change for "points"."""


@parameters
class ScenarioList:
    """Scenarios one by one."""

    kind: Literal["list"] = "list"
    """Name of the way scenarios are given."""
    rows: tuple[Scenario, ...]
    """The table."""

    def shocks(self) -> Sequence[Shock]:
        """The rows of the table."""
        return [Shock(spot=row.spot, vol=row.vol, weight=row.weight, vol_move=row.vol_move) for row in self.rows]


@parameters
class ScenarioGrid:
    """Price moves evenly spaced from -reach to +reach, each with every rule for volatility."""

    kind: Literal["grid"] = "grid"
    """Name of the way scenarios are given."""
    reach: Share = 0.15
    """Largest price move either way."""
    points: Annotated[int, Field(ge=2, le=101, json_schema_extra={"unit": "count"})] = 7
    """Price moves; an odd number has the unmoved price among them."""
    vol: tuple[Vol, ...] = ("none", "up", "down")
    """What happens to implied volatility at each of them."""

    def shocks(self) -> Sequence[Shock]:
        """The rows of the table."""
        return grid_scenarios(reach=self.reach, points=self.points, vol=self.vol)


@parameters
class SpanScenarios:
    """The 16 scenarios of SPAN: thirds of a price range either way, volatility up and down, two extremes in part."""

    kind: Literal["span"] = "span"
    """Name of the way scenarios are given."""
    price_range: Share = 0.15
    """The price scan range."""
    vol_points: Share = 0.1
    """The volatility scan range, absolute."""
    extreme: Ratio = 2.0
    """Price ranges of the extreme moves."""
    cover: Share = 0.35
    """Share of the extreme losses that counts."""

    def shocks(self) -> Sequence[Shock]:
        """The rows of the table."""
        return span_scenarios(
            price_range=self.price_range, vol_points=self.vol_points, extreme=self.extreme, cover=self.cover
        )


ScenarioTable = Annotated[ScenarioList | ScenarioGrid | SpanScenarios, Field(discriminator="kind")]


@parameters
class PortfolioRule:
    """What a portfolio account needs: factor x worst loss + charges, and a multiple of that to open."""

    scenarios: ScenarioTable = ScenarioGrid()
    """The shocks."""
    factor: Ratio = 1.0
    """Maintenance margin per unit of the worst loss."""
    initial_multiple: Annotated[float, Field(ge=1.0, le=10.0, json_schema_extra={"unit": "x"})] = 1.3
    """Initial margin per unit of maintenance margin."""
    offset: Share = 0.0
    """Between underlyings: 1 lets them all stand in the same scenario, 0 puts each in its own worst one."""
    spot_offset: bool = True
    """Whether what is owned of an asset with a spot book stands in the scenarios like a position."""
    futures_charge: Share = 0.0
    """Share of the notional of every perpetual and future added, whatever hedges it."""
    option_charge: Share = 0.0
    """Share of the underlying's value added for every option, long or short."""
    short_option_charge: Share = 0.0
    """Share of the underlying's value added for every option net short of its strike."""
    vol_up: Ratio = 0.5
    """Relative rise of implied volatility "up" means, at 30 days."""
    vol_down: Share = 0.275
    """Relative fall "down" means, at 30 days."""
    short_power: Ratio = 0.3
    """The shock grows by (30 / days) to this power below 30 days ..."""
    long_power: Ratio = 0.13
    """... and shrinks by this power beyond."""
    floor_days: Ratio = 1.0
    """Fewer days than this count as this."""
    least_vol: Ratio = 0.0
    """Volatility "up" never ends below this."""
    concentration_usd: PositiveUsd | None = None
    """Value of a position beyond which `concentration_rate` of the rest is added; no add-on when left out."""
    concentration_rate: Share = 0.0
    """Share added of what is above `concentration_usd`."""

    def tables(self, *, n_underlyings: int) -> tuple[NDArray[np.void], NDArray[np.void], NDArray[np.float64]]:
        """(RISK_RULE[1], SCENARIO[n], moves float64[n, n_underlyings])."""
        rule = np.zeros(1, RISK_RULE)
        for name in ("factor", "offset", "vol_up", "vol_down", "short_power", "long_power", "floor_days", "least_vol"):
            rule[name] = getattr(self, name)
        for name in ("long_static", "short_static", "basis_up", "basis_down"):
            rule[name] = 1.0
        rule["initial_multiple"] = self.initial_multiple
        rule["spot_offset"] = self.spot_offset
        rule["concentration_start"] = (self.concentration_usd or 0.0) * 1e6
        rule["concentration_rate"] = self.concentration_rate if self.concentration_usd is not None else 0.0
        scenarios, moves = scenario_table(self.scenarios.shocks(), n_underlyings=n_underlyings)
        return rule, scenarios, moves
