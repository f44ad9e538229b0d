"""Parameters of portfolio margin over a scenario matrix; what they do is in market/kernels/rules/portfolio.py.

Defaults follow Derive's PMRM_2 (scripts/config-mainnet.sol, derivexyz/v2-core@7736900d), discounts apart.
"""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from market.kernels.rules.risk_records import RISK_RULE
from market.margin.scenarios import Shock, grid_scenarios, scenario_table, simulated_scenarios, span_scenarios
from market.parameters import AnnualVolatility, Count, PositiveUsd, Ratio, Share, parameters
from market.streams import Draws

Days = Annotated[float, Field(json_schema_extra={"unit": "days"}, ge=0.0, le=10_000.0)]
PriceFactor = Annotated[float, Field(json_schema_extra={"unit": "x"}, ge=0.0, le=100.0)]
PerRootYear = Annotated[float, Field(json_schema_extra={"unit": "1/sqrt(year)"}, ge=-20.0, le=20.0)]
VolRule = Literal["none", "up", "down"]


@parameters
class Tail:
    """One far scenario, of which only a share counts."""

    price_factor: PriceFactor
    """What the price is multiplied by."""
    volatility: VolRule = "up"
    """What happens to implied volatility."""
    weight: Share
    """Share of the gain or loss that counts."""


@parameters
class VolatilityShock:
    """Relative shocks of implied volatility: the stated range at 30 days, times (30 / days)^power."""

    up: Ratio = 0.5
    """Rise at 30 days, relative."""
    down: Share = 0.3
    """Fall at 30 days, relative."""
    short_power: Ratio = 0.3
    """Power up to 30 days."""
    long_power: Ratio = 0.13
    """Power beyond 30 days."""
    floor_days: Days = 1.0
    """Less time than this counts as this."""
    least_volatility: AnnualVolatility = 0.4
    """Volatility that a rise reaches at least."""


@parameters
class SmileShock:
    """Relative move of the wings of the smile, linear from the forward to the width, the same beyond."""

    turn: Ratio = 0.25
    """Largest move when the smile is turned: one wing rises, the other falls."""
    bend: Ratio = 0.25
    """Largest move when both wings move together."""
    change_per_root_year: PerRootYear = -0.1
    """Change of both per square root of a year."""
    least_width: Ratio = 0.01
    """Log-moneyness at which a wing ends, at least."""
    width_scale: Ratio = 4.0
    """That width is otherwise this x square root of years x (width_volatility + slope x square root of years)."""
    width_volatility: Ratio = 0.6
    """See width_scale."""
    width_slope: PerRootYear = -0.1
    """See width_scale."""


@parameters
class SignDiscount:
    """Factor on the value of an expiry: static x exp(-+ years x (rate x rate_factor + rate_add))."""

    static: Ratio = 1.0
    """Factor that does not depend on time."""
    rate_factor: Ratio = 0.0
    """Multiple of the interest rate."""
    rate_add: Ratio = 0.0
    """Rate added, per year."""


@parameters
class BasisContingency:
    """Charge for the forward of an expiry moving by itself: a multiple of what its options lose by it."""

    price_move: Share = 0.045
    """Move of the forward, either way."""
    add: Ratio = 0.5
    """Multiple of the loss ..."""
    per_year: Ratio = 2.0
    """... plus this per year to expiry."""


@parameters
class SimulatedMoves:
    """A distribution in the place of the grid: equally likely moves with fat tails, the same in every run."""

    measure: Literal["value_at_risk", "expected_shortfall"] = "expected_shortfall"
    """What of the losses counts: the one at the confidence level, or the mean of those beyond it."""
    confidence: Annotated[float, Field(json_schema_extra={"unit": "share"}, gt=0.5, lt=1.0)] = 0.99
    """Level of the tail."""
    horizon_days: Annotated[float, Field(json_schema_extra={"unit": "days"}, gt=0.0, le=365.0)] = 1.0
    """Time over which positions are exposed."""
    volatility: AnnualVolatility = 0.8
    """Of every underlying."""
    correlation: Share = 0.7
    """Of any two underlyings."""
    degrees_of_freedom: Annotated[float, Field(json_schema_extra={"unit": "x"}, gt=2.0, le=1_000.0)] = 4.0
    """Of Student's t, scaled to that volatility: few make the tails fat."""
    volatility_response: Ratio = 1.0
    """Relative rise of implied volatility per unit of |mean log move|."""
    samples: Annotated[int, Field(json_schema_extra={"unit": "count"}, ge=100, le=20_000)] = 1_000
    """Moves; each second one is the mirror image of the one before."""

    def draw(self, n_underlyings: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(log moves [samples, n_underlyings], relative changes of implied volatility [samples])."""
        half = -(-self.samples // 2)
        generator = Draws(seed=0, name="portfolio scenarios").at(0)
        common, own = generator.standard_normal((half, 1)), generator.standard_normal((half, n_underlyings))
        normal = np.sqrt(self.correlation) * common + np.sqrt(1.0 - self.correlation) * own
        shape = (self.degrees_of_freedom - 2.0) / generator.chisquare(self.degrees_of_freedom, (half, 1))
        one = self.volatility * np.sqrt(self.horizon_days / 365.25) * normal * np.sqrt(shape)
        moves = np.stack([one, -one], axis=1).reshape(-1, n_underlyings)[: self.samples]
        return moves, self.volatility_response * np.abs(moves.mean(axis=1))


@parameters
class SpanArray:
    """The sixteen scenarios of SPAN over the price range, in the place of grid and volatilities."""

    volatility_points: AnnualVolatility = 0.1
    """Absolute move of implied volatility, up and down, at each of the seven inner prices."""
    extreme_ranges: PriceFactor = 2.0
    """Price ranges that the two extreme scenarios move by, never below a price of 0."""
    extreme_cover: Share = 0.35
    """Share of their gain or loss that counts."""


@parameters
class ScenarioMargin:
    """Portfolio margin: a multiple of the worst loss over scenarios of price and volatility, plus charges by size."""

    initial_factor: Ratio = 1.0
    """Initial margin per unit of loss."""
    maintenance_factor: Ratio = 0.8
    """Maintenance margin per unit of loss."""
    offset_between_underlyings: Share = 0.0
    """0: every underlying at its own worst scenario; 1: all in the same one, gains and losses offset."""
    scenarios: Literal["grid", "span"] = "grid"
    """Which matrix: evenly spaced prices, each with every rule for volatility; or a risk array as SPAN has it."""
    price_range: Share = 0.18
    """Largest price move of the matrix, either way, extremes and tails apart."""
    price_steps: Count = 4
    """Steps of the grid on each side of no move."""
    volatilities: tuple[VolRule, ...] = ("none", "up", "down")
    """What happens to implied volatility at every point of the grid."""
    span: SpanArray = SpanArray()
    """The risk array of `scenarios = "span"`."""
    simulated: SimulatedMoves | None = None
    """A distribution of moves in the place of matrix, tails and smile; the loss is then a measure of its tail."""
    tails: tuple[Tail, ...] = ()
    """Scenarios beyond the matrix."""
    volatility: VolatilityShock = VolatilityShock()
    """How far implied volatility is shocked."""
    smile: SmileShock | None = None
    """Adds two scenarios that turn and bend the smile, each expiry to its own disadvantage."""
    long_discount: SignDiscount = SignDiscount()
    """On expiries worth more than nothing under a scenario; time lowers it."""
    short_discount: SignDiscount = SignDiscount()
    """On expiries worth less than nothing; time raises it, at most by the interest to expiry."""
    basis: BasisContingency | None = None
    """Charge for forwards that move by themselves."""
    linear_charge: Share = 0.03
    """Of the notional of perpetuals and futures, maintenance."""
    linear_charge_initial: Share = 0.01
    """Added for initial margin."""
    short_option_charge: Share = 0.003
    """Of the notional of options net short per strike, maintenance."""
    short_option_charge_initial: Share = 0.002
    """Added for initial margin."""

    spot_offset: bool = True
    """Whether what is owned of an asset with a spot book stands in the scenarios like a position."""
    concentration_usd: PositiveUsd | None = None
    """Value of a position beyond which `concentration_rate` of the rest is added; no add-on when left out."""
    concentration_rate: Share = 0.0
    """Share added of what is above `concentration_usd`."""

    def shocks(self) -> list[Shock]:
        """The scenarios in order: matrix (the grid from the lowest price up), tails, smile."""
        tails = [Shock(spot=tail.price_factor, vol=tail.volatility, weight=tail.weight) for tail in self.tails]
        return [*self._matrix(), *tails, *([Shock(vol="skew_linear"), Shock(vol="skew_abs")] if self.smile else [])]

    def _matrix(self) -> list[Shock]:
        if self.scenarios == "grid":
            return grid_scenarios(reach=self.price_range, points=2 * self.price_steps + 1, vol=self.volatilities)
        return span_scenarios(
            price_range=self.price_range,
            vol_points=self.span.volatility_points,
            extreme=self.span.extreme_ranges,
            cover=self.span.extreme_cover,
        )

    def table(self, *, n_underlyings: int) -> tuple[NDArray[np.void], NDArray[np.float64]]:
        """(SCENARIO records [n], moves [n, n_underlyings])."""
        if self.simulated is not None:
            return simulated_scenarios(*self.simulated.draw(n_underlyings))
        return scenario_table(self.shocks(), n_underlyings=n_underlyings)

    def charges(self, *, initial: bool) -> tuple[float, float]:
        """(of linear notional, of short option notional) as shares."""
        if initial:
            return self.linear_charge + self.linear_charge_initial, (
                self.short_option_charge + self.short_option_charge_initial
            )
        return self.linear_charge, self.short_option_charge

    def __post_init__(self) -> None:
        for name in ("linear_charge", "short_option_charge"):
            if getattr(self, name) == 0.0 and getattr(self, f"{name}_initial") > 0.0:
                raise ValueError(f"{name}_initial: needs a {name} above 0 to be added to")

    def record(self, *, initial: bool) -> NDArray[np.void]:
        """RISK_RULE[1] of initial or maintenance margin."""
        rule = np.zeros(1, RISK_RULE)
        vol, smile, basis = self.volatility, self.smile or SmileShock(), self.basis
        values = {
            "factor": self.initial_factor if initial else self.maintenance_factor,
            "offset": self.offset_between_underlyings,
            "vol_up": vol.up,
            "vol_down": vol.down,
            "short_power": vol.short_power,
            "long_power": vol.long_power,
            "floor_days": vol.floor_days,
            "least_vol": vol.least_volatility,
            "skew_cap": smile.turn,
            "wings_cap": smile.bend,
            "skew_slope": smile.change_per_root_year,
            "wings_slope": smile.change_per_root_year,
            "least_width": smile.least_width,
            "width_scale": smile.width_scale,
            "width_vol": smile.width_volatility,
            "width_slope": smile.width_slope,
            "long_static": self.long_discount.static,
            "long_factor": self.long_discount.rate_factor,
            "long_add": self.long_discount.rate_add,
            "short_static": self.short_discount.static,
            "short_factor": self.short_discount.rate_factor,
            "short_add": self.short_discount.rate_add,
            "basis_up": 1.0 + basis.price_move if basis else 1.0,
            "basis_down": 1.0 - basis.price_move if basis else 1.0,
            "basis_add": basis.add if basis else 0.0,
            "basis_per_year": basis.per_year if basis else 0.0,
            "linear_multiple": _multiple(self.linear_charge, self.linear_charge_initial) if initial else 1.0,
            "short_multiple": _multiple(self.short_option_charge, self.short_option_charge_initial) if initial else 1.0,
            "tail_confidence": self.simulated.confidence if self.simulated else 0.0,
            "tail_mean": float(self.simulated is not None and self.simulated.measure == "expected_shortfall"),
            "spot_offset": float(self.spot_offset),
            "concentration_start": (self.concentration_usd or 0.0) * 1e6,
            "concentration_rate": self.concentration_rate if self.concentration_usd is not None else 0.0,
        }
        for field, value in values.items():
            rule[field] = value
        return rule


def _multiple(charge: float, added: float) -> float:
    """Initial charge per unit of the maintenance charge."""
    return (charge + added) / charge if charge > 0.0 else 1.0
