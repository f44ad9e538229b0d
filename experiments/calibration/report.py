"""What `cascade calibrate` prints: what the data can tell, then moment by moment how well the model does."""

from __future__ import annotations

import math
from collections.abc import Sequence

from experiments import show
from experiments.calibration.fit import Fit
from experiments.calibration.identifiability import TOLD, Identifiability
from experiments.calibration.moments import Moment
from experiments.calibration.problem import Problem
from experiments.calibration.regression import COVERAGE, Estimate

Row = tuple[str, ...]


def told_rows(problem: Problem, told: Identifiability, estimate: Estimate) -> list[Row]:
    """Parameter, estimate, interval, uncertainty left, skill of the regression, what it is confused with, verdict."""
    rows: list[Row] = []
    for number, parameter in enumerate(problem.space):
        place, half = float(estimate.place[number]), float(estimate.half_width[number])
        left, correlation = float(told.left[number]), float(told.correlation[number])
        verdict = "told" if left < TOLD else "partly" if left < 0.7 else "hardly"
        partner = problem.space[int(told.partner[number])].name
        rows.append(
            (
                parameter.name, f"{parameter.value(place):.3g}",
                f"{parameter.value(place - half):.3g} to {parameter.value(place + half):.3g}", f"{left:.0%}",
                f"{float(estimate.skill[number]):.2f}",
                f"{partner} ({correlation:+.2f})" if abs(correlation) >= 0.4 else "", verdict,
            )
        )  # fmt: skip
    return rows


def print_told(problem: Problem, told: Identifiability, estimate: Estimate) -> None:
    """The identifiability report."""
    print(f"\n{problem.name}: what the data can tell (share of the range's uncertainty left after seeing them)")
    header = ("parameter", "regression", f"{COVERAGE:.0%} interval", "left", "R2", "confused with", "verdict")
    show.print_table(told_rows(problem, told, estimate), header=header, right=(1, 2, 3, 4))


def moment_rows(data: Sequence[Moment], model: dict[str, float], errors: dict[str, float]) -> list[Row]:
    """Moment, data, its standard error, model, its standard error, distance in the data's standard errors."""
    rows: list[Row] = []
    for moment in data:
        bound = " or more" if moment.lower_bound else ""
        rows.append(
            (
                moment.name, _figure(moment.name, moment.value) + bound, f"{moment.error:.3f}",
                _figure(moment.name, model[moment.name]),
                f"{errors[moment.name]:.3f}" if moment.name in errors else "",
                f"{moment.distance(model[moment.name]):+.1f}",
            )
        )  # fmt: skip
    return rows


def print_moments(name: str, data: Sequence[Moment], model: dict[str, float], errors: dict[str, float]) -> None:
    """Moment by moment, data and model; logarithms are shown as what they are the logarithm of."""
    print(f"\n{name}: moments (errors of `log` moments are relative)")
    header = ("moment", "data", "error", "model", "error", "distance")
    show.print_table(moment_rows(data, model, errors), header=header, right=(1, 2, 3, 4, 5))


def print_fit(fit: Fit) -> None:
    """A fitted problem."""
    print_moments(fit.problem.name, fit.problem.data, fit.model, fit.model_error)
    print(
        f"distance (root mean square): {fit.distance:.2f}; the regression alone: {fit.regression_distance:.2f}"
        "; fitted: " + ", ".join(f"{name} {value:.4g}" for name, value in fit.values.items())
    )


def _figure(name: str, value: float) -> str:
    if not name.startswith(("log ", "mean log ")) or not math.isfinite(value):
        return f"{value:.3f}"
    shown = math.exp(value)
    return f"{shown:,.0f}" if shown >= 1_000 else f"{shown:.3g}"
