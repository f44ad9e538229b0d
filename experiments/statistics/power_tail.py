"""Whether sizes have a power-law tail: exponent, where it begins, how far it is off, and against a lognormal law.

Clauset, Shalizi and Newman (2009), SIAM Review 51(4), 661-703, by the package `powerlaw` (Alstott, Bullmore and Plenz
2014, PLoS ONE 9(1), e85777).
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.statistics.intervals import FEWEST_TAIL_EVENTS, LEVEL
from experiments.statistics.means import FEWEST_EVENTS
from market.errors import InputError
from market.streams import Streams

Integers = NDArray[np.int64]

RESAMPLES = 199
LARGEST_EXPONENT = 50.0
TOLD_APART = 0.1
"""p of the likelihood ratio below which one of two laws is said to fit better."""


@dataclass(frozen=True, kw_only=True)
class PowerTail:
    """A tail P(size) ~ size^-exponent from `least` on."""

    n: int
    """All sizes."""
    n_tail: int = 0
    """Those from `least` on."""
    least: int | None = None
    """Where the tail begins."""
    exponent: float | None = None
    low: float | None = None
    high: float | None = None
    """95 % by bootstrap over the sizes in the tail, given where it begins."""
    distance: float | None = None
    """Kolmogorov-Smirnov distance between the tail and its fit."""
    lognormal_ratio: float | None = None
    """Normalised log-likelihood ratio of power law to lognormal on the tail; negative: the lognormal fits better."""
    lognormal_p: float | None = None
    """How likely a ratio so far from 0 is when neither fits better."""

    @property
    def rated(self) -> bool:
        """Whether there are at least 50 sizes in the tail, at least 5 of them above the least."""
        return self.exponent is not None

    @property
    def better(self) -> str:
        """Which law fits better: "power law", "lognormal", or "" where that cannot be told."""
        if self.lognormal_ratio is None or self.lognormal_p is None or self.lognormal_p >= TOLD_APART:
            return ""
        return "power law" if self.lognormal_ratio > 0.0 else "lognormal"


def power_tail(sizes: Integers, *, level: float = LEVEL) -> PowerTail:
    """Fit the tail of whole sizes of at least 1. Raises InputError when `powerlaw` is not installed.

    It begins where fit and data are nearest, at a size from which on there are at least 50, 5 of them larger. Where
    there is no such size, only `n` is set.
    """
    n = len(sizes)
    begun = _begin(sizes)
    if begun is None:
        return PowerTail(n=n)
    least, fit = begun
    tail = sizes[sizes >= least]
    generator = Streams(0).generator(f"power tail {len(tail)}")
    drawn = tail[generator.integers(0, len(tail), (RESAMPLES, len(tail)))]
    # A resample of the least size alone falls at once: its exponent has no bound.
    exponents = [float(_fit(sample, least).alpha) if sample.max() > least else LARGEST_EXPONENT for sample in drawn]
    low, high = np.quantile(exponents, [(1.0 - level) / 2.0, (1.0 + level) / 2.0])
    ratio, p = _against_lognormal(fit, tail, least)
    known = math.isfinite(ratio) and math.isfinite(p)
    return PowerTail(
        n=n,
        n_tail=len(tail),
        least=least,
        exponent=float(fit.alpha),
        low=float(low),
        high=float(high),
        distance=float(fit.D),
        lognormal_ratio=ratio if known else None,
        lognormal_p=p if known else None,
    )


def _begin(sizes: Integers) -> tuple[int, Any] | None:
    """(least size, fit from there on) at which the fit is nearest to the data; None for too few."""
    starts = [
        int(least)
        for least in np.unique(sizes)
        if (sizes >= least).sum() >= FEWEST_TAIL_EVENTS and (sizes > least).sum() >= FEWEST_EVENTS
    ]
    fits = [(least, _fit(sizes[sizes >= least], least)) for least in starts]
    return min(fits, key=lambda found: float(found[1].D)) if fits else None


def _fit(tail: Integers, least: int) -> Any:
    """The exact likelihood of a discrete power law; the package's approximation is off where `least` is small."""
    law = _package().Power_Law
    ranges = {"alpha": [1.0, LARGEST_EXPONENT]}
    return _quietly(
        law, data=tail, xmin=least, discrete=True, estimate_discrete=False, parameter_ranges=ranges, verbose=False
    )


def _against_lognormal(fit: Any, tail: Integers, least: int) -> tuple[float, float]:
    """(normalised log-likelihood ratio, p of Vuong's test)."""
    package = _package()
    other = _quietly(package.Lognormal, data=tail, xmin=least, discrete=True, verbose=False)
    logs = (_quietly(law.loglikelihoods, tail) for law in (fit, other))
    ratio, p = _quietly(package.loglikelihood_ratio, *logs, normalized_ratio=True)
    return float(ratio), float(p)


def _package() -> Any:
    try:
        import powerlaw
    except ModuleNotFoundError:
        raise InputError("powerlaw is not installed: pip install -c constraints.txt '.[tails]'") from None
    return powerlaw


def _quietly(function: Any, *args: Any, **kwargs: Any) -> Any:
    """Call without the warnings of fits that are tried on the way."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return function(*args, **kwargs)
