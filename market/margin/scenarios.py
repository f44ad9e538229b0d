"""Tables and scratch space of the portfolio kernels: scenarios by name, records, unit tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from market.kernels.rules import risk_records as risk
from market.kernels.rules.risk_records import EXTRA_ROWS, SCENARIO

VOL_RULES = {
    "none": risk.VOL_SAME,
    "up": risk.VOL_UP,
    "down": risk.VOL_DOWN,
    "skew_linear": risk.SKEW_LINEAR,
    "skew_abs": risk.SKEW_WINGS,
    "factor": risk.VOL_FACTOR,
    "points": risk.VOL_POINTS,
}
"""Names of what a scenario does to implied volatility."""


@dataclass(frozen=True, kw_only=True)
class Shock:
    """One scenario of a matrix."""

    spot: float = 1.0
    """Multiplier of every underlying's price."""
    vol: str = "none"
    """Name of what happens to implied volatility, one of VOL_RULES."""
    weight: float = 1.0
    """Share of the gain or loss that counts."""
    vol_move: float = 0.0
    """For `factor` the relative change of volatility, for `points` the absolute one."""


def scenario_table(shocks: Sequence[Shock], *, n_underlyings: int = 1) -> tuple[NDArray[np.void], NDArray[np.float64]]:
    """(SCENARIO records [n], moves [n, n_underlyings]) of a matrix. ValueError for an unknown rule or a negative price.

    A scenario that turns or bends the smile is adverse: it may come the other way round.
    """
    table = np.zeros(len(shocks), SCENARIO)
    moves = np.ones((len(shocks), n_underlyings))
    for row, shock in enumerate(shocks):
        if shock.vol not in VOL_RULES:
            raise ValueError(f"scenario {row}: {shock.vol!r} is none of {', '.join(VOL_RULES)}")
        if shock.spot < 0.0:
            raise ValueError(f"scenario {row}: a price cannot be multiplied by {shock.spot}")
        rule = VOL_RULES[shock.vol]
        table[row]["vol_rule"] = rule
        table[row]["adverse"] = rule in (risk.SKEW_LINEAR, risk.SKEW_WINGS)
        table[row]["vol_move"] = shock.vol_move
        table[row]["weight"] = shock.weight
        moves[row, :] = shock.spot
    return table, moves


def simulated_scenarios(
    log_returns: NDArray[np.float64], vol_moves: NDArray[np.float64]
) -> tuple[NDArray[np.void], NDArray[np.float64]]:
    """The same for simulated moves: log returns [n, n_underlyings] and relative changes of implied volatility [n]."""
    table = np.zeros(log_returns.shape[0], SCENARIO)
    table["vol_rule"] = risk.VOL_FACTOR
    table["vol_move"] = vol_moves
    table["weight"] = 1.0
    return table, np.exp(log_returns)


def span_scenarios(*, price_range: float, vol_points: float, extreme: float = 2.0, cover: float = 0.35) -> list[Shock]:
    """The 16 scenarios of SPAN: 0, 1/3, 2/3 and 1 of the price range either way, volatility up and down.

    The last two move the price by `extreme` ranges, of which `cover` counts (2 and 35 %, or 3 and 33 %).
    """
    steps = [0.0, *(sign * third / 3.0 for third in (1, 2, 3) for sign in (1.0, -1.0))]
    inner = [
        Shock(spot=1.0 + step * price_range, vol="points", vol_move=move)
        for step in steps
        for move in (vol_points, -vol_points)
    ]
    far = extreme * price_range
    return [*inner, *(Shock(spot=max(1.0 + move, 0.0), weight=cover) for move in (far, -far))]


def grid_scenarios(*, reach: float, points: int, vol: Sequence[str] = ("none",)) -> list[Shock]:
    """`points` price moves evenly spaced from -reach to +reach, each with every rule for volatility.

    TIMS: 10 points or more over +-15 % for shares; Dederi: 11 over +-15 %.
    """
    return [Shock(spot=1.0 + move, vol=rule) for move in np.linspace(-reach, reach, points).tolist() for rule in vol]


def scenario_terms(table: NDArray[np.void]) -> NDArray[np.float64]:
    """float64[2, n_scenarios]: weight and adverse of SCENARIO records, as the portfolio kernels read them."""
    return np.array([table["weight"], table["adverse"]], np.float64)


def unit_table(n_scenarios: int, n_books: int) -> NDArray[np.float64]:
    """Room for `scenario_units`: float64[n_scenarios + 3, n_books] in column-major order."""
    return np.zeros((n_scenarios + EXTRA_ROWS, n_books), order="F")


def scratch(
    *, n_scenarios: int, n_groups: int, n_underlyings: int, n_strikes: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """(touched, work) of the portfolio kernels."""
    slots = n_groups + n_underlyings
    return np.zeros(slots, np.int64), np.zeros((slots + 1, max(n_scenarios + EXTRA_ROWS, n_strikes)))
