"""Whether forecasts are exceeded as often as they should be, and independently from day to day.

Sources: P. Kupiec, "Techniques for verifying the accuracy of risk measurement models", Journal of Derivatives 3 (1995);
P. Christoffersen, "Evaluating interval forecasts", International Economic Review 39 (1998).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class Coverage:
    """Likelihood-ratio statistics and their p-values; NaN where nothing can be said."""

    days: int
    exceeded: int
    expected: float
    kupiec: float
    kupiec_p: float
    """Unconditional coverage: as many as expected."""
    independence: float
    independence_p: float
    """Tomorrow's exceedance does not depend on today's."""
    conditional: float
    conditional_p: float
    """Both together."""


def coverage(exceeded: NDArray[np.bool_], *, level: float) -> Coverage:
    """Test exceedances bool[days], in order of time, of forecasts that should hold with probability `level`."""
    days, count, rate = len(exceeded), int(exceeded.sum()), 1.0 - level
    unconditional = 2.0 * (_log_likelihood(count, days, count / days) - _log_likelihood(count, days, rate))
    today, tomorrow = exceeded[:-1], exceeded[1:]
    after_quiet, after_hit = int((~today).sum()), int(today.sum())
    quiet_hits, hit_hits = int((tomorrow & ~today).sum()), int((tomorrow & today).sum())
    independence = float("nan")
    if after_quiet and after_hit:
        pooled = (quiet_hits + hit_hits) / (days - 1)
        apart = _log_likelihood(quiet_hits, after_quiet, quiet_hits / after_quiet)
        apart += _log_likelihood(hit_hits, after_hit, hit_hits / after_hit)
        independence = 2.0 * (apart - _log_likelihood(quiet_hits + hit_hits, days - 1, pooled))
    both = unconditional + independence
    return Coverage(
        days=days, exceeded=count, expected=rate * days, kupiec=unconditional,
        kupiec_p=math.erfc(math.sqrt(max(unconditional, 0.0) / 2.0)),
        independence=independence, independence_p=math.erfc(math.sqrt(max(independence, 0.0) / 2.0)),
        conditional=both, conditional_p=math.exp(-max(both, 0.0) / 2.0),
    )  # fmt: skip


def _log_likelihood(hits: int, trials: int, rate: float) -> float:
    """Of so many hits in independent trials; 0 log 0 is 0."""
    found = hits * math.log(rate) if hits else 0.0
    return found + ((trials - hits) * math.log(1.0 - rate) if trials > hits else 0.0)
