"""An interval with every number, the count behind it, and never a bare zero.

Sources: Wilson (1927); Clopper and Pearson (1934); David and Nagaraja, "Order Statistics" (2003), 7.1; Efron and
Tibshirani, "An Introduction to the Bootstrap" (1993), 12.5 (bootstrap-t); Rockafellar and Uryasev (2000) for expected
shortfall as a mean; Hanley and Lippman-Hand (1983) for the rule of three.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from experiments.statistics.means import FEWEST_EVENTS, FEWEST_SEEDS
from market.streams import Streams

Floats = NDArray[np.float64]

LEVEL = 0.95
FEWEST_TAIL_EVENTS = 50
"""Values beyond a quantile below which nothing is said about it."""
RESAMPLES = 1999
MOST_RESAMPLED = 2000
"""Values beyond which resampling adds nothing to the normal approximation."""
FEW = 5
"""Successes or failures below which Wilson's interval gives way to the exact one."""


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A figure with its interval."""

    value: float | None
    """None when nothing is known."""
    low: float | None = None
    """None: cannot be given, or no bound."""
    high: float | None = None
    n: int
    """Values it is made from."""
    events: int
    """Of these: different from zero; for a probability above the threshold; for a quantile or a shortfall beyond it."""
    rated: bool = True
    """Whether there is enough to say anything."""
    unseen: float | None = None
    """Where all values are the same: the share of others that 95 % confidence leaves possible (rule of three)."""


def simultaneous(m: int) -> float:
    """The level of each of m intervals that hold all at once with 95 % (Bonferroni)."""
    return 1.0 - (1.0 - LEVEL) / max(m, 1)


def rule_of_three(n: int, *, level: float = LEVEL) -> float:
    """Largest probability of an event that n trials without one leave possible; about 3 / n at 95 %."""
    return float(1.0 - (1.0 - level) ** (1.0 / n))


def wilson(k: int, n: int, *, level: float = LEVEL) -> tuple[float, float]:
    """Wilson's interval for k successes in n trials."""
    z = _normal((1.0 + level) / 2.0)
    p, scale = k / n, 1.0 + z * z / n
    centre = p + z * z / (2.0 * n)
    half = z * math.sqrt(p * (1.0 - p) / n + z * z / (4.0 * n * n))
    return (centre - half) / scale, (centre + half) / scale


def clopper_pearson(k: int, n: int, *, level: float = LEVEL) -> tuple[float, float]:
    """The exact interval, never too short, for k successes in n trials."""
    from scipy.stats import beta

    tail = (1.0 - level) / 2.0
    low = 0.0 if k == 0 else float(beta.ppf(tail, k, n - k + 1))
    high = 1.0 if k == n else float(beta.ppf(1.0 - tail, k + 1, n - k))
    return low, high


def probability(values: Floats, *, above: float, level: float = LEVEL) -> Interval:
    """The probability that a figure exceeds `above`.

    Wilson's interval; the exact one where few do or few do not, and the rule of three where none or all do.
    """
    n, k = len(values), int((values > above).sum())
    if n == 0:
        return Interval(value=None, n=0, events=0, rated=False)
    if k == 0:
        return Interval(value=0.0, low=0.0, high=rule_of_three(n, level=level), n=n, events=0)
    if k == n:
        return Interval(value=1.0, low=1.0 - rule_of_three(n, level=level), high=1.0, n=n, events=n)
    low, high = (clopper_pearson if min(k, n - k) < FEW else wilson)(k, n, level=level)
    return Interval(value=k / n, low=low, high=high, n=n, events=k)


def quantile(values: Floats, *, p: float, level: float = LEVEL) -> Interval:
    """The p-quantile, between two order statistics; not rated with fewer than 50 values beyond it."""
    from scipy.stats import binom

    n = len(values)
    if n == 0:
        return Interval(value=None, n=0, events=0, rated=False)
    ordered = np.sort(values)
    at = min(n - 1, max(0, math.ceil(n * p) - 1))
    tail = (1.0 - level) / 2.0
    below, over = int(binom.ppf(tail, n, p)), int(binom.ppf(1.0 - tail, n, p)) + 1
    beyond = n - 1 - at
    return Interval(
        value=float(ordered[at]),
        low=float(ordered[below - 1]) if below >= 1 else None,
        high=float(ordered[over - 1]) if over <= n else None,
        n=n,
        events=beyond,
        rated=beyond >= FEWEST_TAIL_EVENTS,
    )


def mean(values: Floats, *, level: float = LEVEL) -> Interval:
    """The mean, by the studentised bootstrap; not rated for fewer than 6 values or 5 that differ from zero."""
    n, events = len(values), int(np.count_nonzero(values))
    if n == 0:
        return Interval(value=None, n=0, events=0, rated=False)
    value = float(values.mean())
    if n > 1 and np.ptp(values) == 0.0:
        return Interval(value=value, n=n, events=events, unseen=rule_of_three(n, level=level))
    if n < FEWEST_SEEDS or events < FEWEST_EVENTS:
        return Interval(value=value, n=n, events=events, rated=False)
    low, high = _bootstrap_t(values, level)
    return Interval(value=value, low=low, high=high, n=n, events=events)


def expected_shortfall(values: Floats, *, p: float, level: float = LEVEL) -> Interval:
    """The mean of the values beyond the p-quantile q; not rated with fewer than 50 of them.

    As the mean of q + max(x - q, 0) / (1 - p), whose spread is that of the estimate to first order.
    """
    at = quantile(values, p=p, level=level)
    if at.value is None or p >= 1.0:
        return Interval(value=None, n=at.n, events=at.events, rated=False)
    spread = at.value + np.maximum(values - at.value, 0.0) / (1.0 - p)
    value = float(spread.mean())
    if not at.rated:
        return Interval(value=value, n=at.n, events=at.events, rated=False)
    if np.ptp(spread) == 0.0:
        return Interval(value=value, n=at.n, events=at.events, unseen=rule_of_three(at.n, level=level))
    low, high = _bootstrap_t(spread, level)
    return Interval(value=value, low=low, high=high, n=at.n, events=at.events)


def _bootstrap_t(values: Floats, level: float) -> tuple[float, float]:
    """Bounds of the mean: quantiles of the studentised mean over resamples, the same resamples for the same n."""
    n = len(values)
    centre, error = values.mean(), values.std(ddof=1) / math.sqrt(n)
    if n > MOST_RESAMPLED:
        half = _normal((1.0 + level) / 2.0) * error
        return float(centre - half), float(centre + half)
    drawn = values[Streams(0).generator(f"bootstrap {n}").integers(0, n, (RESAMPLES, n))]
    errors = drawn.std(axis=1, ddof=1) / math.sqrt(n)
    # A resample of one value over and over has no spread; its mean is as far out as any.
    shifts = drawn.mean(axis=1) - centre
    ratio = np.divide(shifts, errors, out=np.copysign(np.inf, shifts), where=errors > 0.0)
    below, over = np.quantile(ratio, [(1.0 + level) / 2.0, (1.0 - level) / 2.0], method="inverted_cdf")
    if not np.isfinite(below) or not np.isfinite(over):
        half = _normal((1.0 + level) / 2.0) * error
        return float(centre - half), float(centre + half)
    return float(centre - below * error), float(centre - over * error)


def _normal(p: float) -> float:
    from statistics import NormalDist

    return NormalDist().inv_cdf(p)
