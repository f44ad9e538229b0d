"""One parameter at a time, Morris screening, Sobol indices.

Sources: Morris (1991), Campolongo et al. (2007) for mu*; Saltelli et al. (2010), "Variance based sensitivity analysis
of model output"; Khorashadi Zadeh et al. (2017) for a dummy parameter as the floor. Boxes: `statistics.prim`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import qmc, sobol_indices

from experiments.sensitivity.space import DUMMY, Space
from experiments.statistics import intervals
from experiments.statistics.intervals import Interval
from experiments.statistics.prim import Box, find_boxes
from experiments.study.model import Probability
from market.errors import InputError
from market.streams import Streams

Floats = NDArray[np.float64]

LEVELS = 4
RESAMPLES = 1000


@dataclass(frozen=True, kw_only=True)
class Curve:
    """One parameter over its range, all others as they are in the base."""

    path: str
    values: tuple[float, ...]
    measures: tuple[Interval, ...]
    changes: tuple[Interval, ...]
    """From the base, seed by seed."""


@dataclass(frozen=True, kw_only=True)
class Screened:
    """Morris' measures of one parameter, in the measure's unit over the whole range."""

    path: str
    mu_star: float
    """Mean size of the effect."""
    half_width: float
    """Of its 95 % interval, over trajectories."""
    mu: float
    """Mean effect; smaller in size than mu_star where the sign changes."""
    sigma: float
    """Spread of the effect: large when it depends on the other parameters or is curved."""
    survives: bool
    """Whether its interval lies above what another choice of seeds does."""


@dataclass(frozen=True, kw_only=True)
class Indices:
    """Sobol indices of one parameter: shares of the variance over all ranges, with 95 % bootstrap intervals."""

    path: str
    first: tuple[float, float, float]
    """By itself: value, low, high."""
    total: tuple[float, float, float]
    """With everything it takes part in."""


def one_at_a_time(space: Space, *, points: int) -> tuple[Interval, tuple[Curve, ...]]:
    """The base, and `points` values of every parameter alone."""
    n = len(space.ranges)
    levels = np.linspace(0.0, 1.0, points)
    designs = np.full((1 + n * points, n + 1), np.nan)
    designs[:, -1] = 0.0
    for at in range(n):
        designs[1 + at * points : 1 + (at + 1) * points, at] = levels
    found = space.values(designs)
    curves = []
    for at, path in enumerate(space.ranges):
        rows = slice(1 + at * points, 1 + (at + 1) * points)
        curves.append(
            Curve(
                path=path,
                values=tuple(float(space.changes(point)[0].value) for point in designs[rows]),
                measures=tuple(intervals.mean(row) for row in found[rows]),
                changes=tuple(intervals.mean(row - found[0]) for row in found[rows]),
            )
        )
    return intervals.mean(found[0]), tuple(curves)


def morris(space: Space, *, trajectories: int) -> tuple[Screened, ...]:
    """Elementary effects over the unit cube. Raises InputError without SALib."""
    try:
        from SALib.analyze.morris import analyze
        from SALib.sample.morris import sample
    except ImportError:
        raise InputError("Morris screening needs SALib: pip install '.[sensitivity]'") from None
    names = list(space.names)
    problem = {"num_vars": len(names), "names": names, "bounds": [[0.0, 1.0]] * len(names)}
    points = np.asarray(sample(problem, trajectories, num_levels=LEVELS, seed=1), np.float64)
    figures = space.values(points).mean(axis=1)
    found = analyze(problem, points, figures, num_levels=LEVELS, num_resamples=RESAMPLES, seed=1)
    half = np.nan_to_num(np.asarray(found["mu_star_conf"], np.float64))
    size = np.asarray(found["mu_star"], np.float64)
    floor = size[-1] + half[-1]
    return tuple(
        Screened(
            path=path,
            mu_star=float(size[at]),
            half_width=float(half[at]),
            mu=float(found["mu"][at]),
            sigma=float(found["sigma"][at]),
            survives=bool(path != DUMMY and size[at] - half[at] > floor),
        )
        for at, path in enumerate(names)
    )


def sobol(space: Space, *, base_points: int) -> tuple[Indices, ...]:
    """Indices of first order and total, of every parameter and the dummy.

    Takes `base_points` x (parameters + 3) designs; a power of two. Raises InputError when nothing varies.
    """
    if base_points & (base_points - 1):
        raise InputError(f"--sobol {base_points}: Sobol points are even for powers of two only")
    n = len(space.names)
    unit = qmc.Sobol(d=2 * n, rng=1).random(base_points)
    one, other = unit[:, :n], unit[:, n:]
    mixed = []
    for at in range(n):
        points = one.copy()
        points[:, at] = other[:, at]
        mixed.append(points)
    figures = space.values(np.concatenate([one, other, *mixed])).mean(axis=1).reshape(n + 2, 1, base_points)
    if np.ptp(figures) == 0.0:
        raise InputError(f"{space.measure.kpi} is {figures.flat[0]:g} everywhere: there is no variance to share out")
    func = {"f_A": figures[0], "f_B": figures[1], "f_AB": figures[2:]}
    found = sobol_indices(func=func, n=base_points, rng=Streams(0).generator("sobol"))
    spread = found.bootstrap(confidence_level=intervals.LEVEL, n_resamples=RESAMPLES)
    return tuple(
        Indices(
            path=path,
            first=_bounded(found.first_order[at], spread.first_order.confidence_interval, at),
            total=_bounded(found.total_order[at], spread.total_order.confidence_interval, at),
        )
        for at, path in enumerate(space.names)
    )


@dataclass(frozen=True, kw_only=True)
class Boxes:
    """Which combinations of parameters make the figure large."""

    above: float
    """What counts as large, in the unit of the figure; for a probability its own threshold."""
    points: tuple[tuple[float, ...], ...]
    """Values of the parameters at every point."""
    outcome: tuple[float, ...]
    """Share of the seeds at every point in which it is."""
    boxes: tuple[Box, ...]
    """Limits by column of the points."""


def boxes(space: Space, *, count: int, above: float | None) -> Boxes:
    """PRIM on Sobol points over all ranges. Raises InputError without a threshold for a mean, or with few points."""
    if count & (count - 1) or count < 32:
        raise InputError(f"--boxes {count}: expected a power of two, 32 or more: half of the points only judge")
    if isinstance(space.measure, Probability):
        if above is not None:
            raise InputError(f"--above {above:g}: the measure has a threshold of its own, {space.measure.above:g}")
        threshold, own = 0.5, space.measure.above
    elif above is None:
        raise InputError(f"--boxes asks for --above X: from which {space.measure.kpi} on is it too much?")
    else:
        threshold = own = above
    unit = qmc.Sobol(d=len(space.ranges), rng=1).random(count)
    figures = space.values(np.concatenate([unit, np.zeros((count, 1))], axis=1))
    values = np.array([[float(change.value) for change in space.changes(point)] for point in unit])
    outcome = (figures > threshold).mean(axis=1)
    return Boxes(
        above=own,
        points=tuple(map(tuple, values.tolist())),
        outcome=tuple(outcome.tolist()),
        boxes=find_boxes(values, outcome),
    )


def _bounded(value: float, ends: object, at: int) -> tuple[float, float, float]:
    return float(value), float(ends.low[at]), float(ends.high[at])  # type: ignore[attr-defined]
