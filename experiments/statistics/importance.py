"""Importance sampling from a defensive mixture: a share of the draws as they are, the rest from a tilted law.

With p the law and q the tilted one, a draw x counts w(x) = 1 / (a + (1 - a) q(x) / p(x)), a the share of draws from p,
whichever of both it came from (the balance heuristic of Veach and Guibas 1995 on Hesterberg's defensive mixture, 1995;
Owen and Zhou 2000). No weight exceeds 1 / a, so that a bad tilt costs at most that factor in variance.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from experiments.statistics import intervals
from experiments.statistics.intervals import LEVEL, Interval

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Weighted:
    """A weighted mean."""

    found: Interval
    """The mean under p."""
    plain: Interval
    """The same from the draws of p alone."""
    gain: float | None
    """Variance of one plain draw over that of one weighted draw: draws that it saves, as a factor; None: unknown."""
    effective: float
    """Effective number of draws, (sum w)^2 / sum w^2."""
    total_weight: Interval
    """Mean weight: 1 but for chance, or the ratio is wrong."""


def weights(log_ratios: Floats, *, defensive: float) -> Floats:
    """Weights from log(p / q) of every draw, `defensive` being the share drawn from p."""
    with np.errstate(over="ignore"):
        return np.asarray(1.0 / (defensive + (1.0 - defensive) * np.exp(-log_ratios)))


def weighted_mean(values: Floats, log_ratios: Floats, *, plain: int, level: float = LEVEL) -> Weighted:
    """The mean of `values` under p; the first `plain` of them were drawn from p, the others from q.

    The interval takes all weighted values for draws of one law, which errs on the wide side.
    """
    each = weights(log_ratios, defensive=plain / len(values))
    products = each * values
    found = intervals.mean(products, level=level)
    spread = float(products.var(ddof=1))
    of_plain = float((each * values**2).mean() - products.mean() ** 2)
    return Weighted(
        found=found,
        plain=intervals.mean(values[:plain], level=level),
        gain=of_plain / spread if found.rated and spread > 0.0 and of_plain > 0.0 else None,
        effective=float(each.sum() ** 2 / (each**2).sum()),
        total_weight=intervals.mean(each, level=level),
    )
