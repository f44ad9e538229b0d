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
from scipy.optimize import minimize_scalar
from scipy.special import zeta

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
    """95 % by bootstrap over all sizes: the wider of given the beginning, and with one of each resample's own."""
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
    least = begin(sizes)
    if least is None:
        return PowerTail(n=n)
    tail = sizes[sizes >= least]
    fit = _fit(tail, least)
    generator = Streams(0).generator(f"power tail {n}")
    drawn = sizes[generator.integers(0, n, (RESAMPLES, n))]
    # Where the tail begins is an estimate as well, and pulls exponents up where it is far out: both ways are within.
    # A resample whose tail is too thin to begin anywhere has the beginning of the sizes themselves.
    given = [exponent(sample[sample >= least], least) for sample in drawn]
    anew = [exponent(sample[sample >= (own := begin(sample) or least)], own) for sample in drawn]
    ends = np.quantile([given, anew], [(1.0 - level) / 2.0, (1.0 + level) / 2.0], axis=1)
    low, high = ends[0].min(), ends[1].max()
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


def begin(sizes: Integers) -> int | None:
    """The size from which on a power law is nearest to the sizes, by the distance of Kolmogorov and Smirnov; None for
    too few."""
    found, counts = np.unique(sizes, return_counts=True)
    beyond = np.cumsum(counts[::-1])[::-1]
    starts = [
        (int(least), int(n))
        for least, n, own in zip(found, beyond, counts, strict=True)
        if n >= FEWEST_TAIL_EVENTS and n - own >= FEWEST_EVENTS
    ]
    distances = [_distance(sizes[sizes >= least], least) for least, _ in starts]
    return starts[int(np.argmin(distances))][0] if starts else None


def exponent(tail: Integers, least: int) -> float:
    """Exponent of largest likelihood, exactly that of the discrete law: x^-a / zeta(a, least).

    What the package finds, in a hundredth of its time: a bootstrap takes thousands. All of the least size fall at once,
    and the exponent has no bound but `LARGEST_EXPONENT`.
    """
    if not len(tail) or tail.max() == least:
        return LARGEST_EXPONENT
    mean_log = float(np.log(tail / least).mean())

    def cost(a: float) -> float:
        return a * mean_log + float(np.log(zeta(a, least) * float(least) ** a))

    return float(minimize_scalar(cost, bounds=(1.0 + 1e-9, LARGEST_EXPONENT), method="bounded").x)


def _distance(tail: Integers, least: int) -> float:
    """Kolmogorov-Smirnov distance between a tail and its fit."""
    found, counts = np.unique(tail, return_counts=True)
    a = exponent(tail, least)
    fitted = 1.0 - zeta(a, found + 1.0) / zeta(a, least)
    return float(np.abs(np.cumsum(counts) / len(tail) - fitted).max())


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
