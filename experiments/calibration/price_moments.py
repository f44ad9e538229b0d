"""What calm returns look like whatever their size: tails, clustering of volatility, jumps, how volatility wanders."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

TAIL_SHARES = (0.05, 0.01)
LAG_HOURS = (1.0, 6.0, 24.0)


def hill_exponent(returns: Array, *, share: float = TAIL_SHARES[0]) -> float:
    """Tail exponent of |returns| (Hill 1975) from the largest `share` of them; NaN without a tail to measure."""
    sizes = np.sort(np.abs(returns[np.isfinite(returns)]))
    count = int(share * len(sizes))
    if count < 10 or sizes[-count - 1] <= 0.0:
        return float("nan")
    return float(1.0 / np.log(sizes[-count:] / sizes[-count - 1]).mean())


def autocorrelation(series: Array, lag: int) -> float:
    """At one lag; NaN for a series that is too short or constant. Gaps (NaN) are left out in pairs."""
    if len(series) < lag + 10:
        return float("nan")
    early, late = series[:-lag], series[lag:]
    both = np.isfinite(early) & np.isfinite(late)
    early, late = early[both], late[both]
    if len(early) < 10 or early.std() == 0.0 or late.std() == 0.0:
        return float("nan")
    return float(np.corrcoef(early, late)[0, 1])


def bipower_jump_share(returns: Array) -> float:
    """Part of the variance that comes in jumps: 1 - bipower variation over realised variance.

    Source: O. Barndorff-Nielsen and N. Shephard, "Power and bipower variation with stochastic volatility and jumps",
    Journal of Financial Econometrics 2 (2004).
    """
    sizes = np.abs(returns)
    bipower = 0.5 * np.pi * np.nanmean(sizes[1:] * sizes[:-1])
    return float(1.0 - bipower / np.nanmean(sizes**2))


def return_moments(returns: Array, *, bar_seconds: float) -> dict[str, float]:
    """Moments of float64[bars, assets], the median over the assets; none depends on the size of returns."""
    per_day = max(1, round(86_400.0 / bar_seconds))
    lags = {"1 bar": 1} | {f"{hours:g} h": round(hours * 3_600.0 / bar_seconds) for hours in LAG_HOURS}
    found: dict[str, list[float]] = {}
    for column in returns.T:
        own = {f"log Hill exponent {q:.0%}": float(np.log(hill_exponent(column, share=q))) for q in TAIL_SHARES}
        sizes = np.abs(column)
        for name, lag in lags.items():
            own[f"autocorrelation of |return| {name}"] = autocorrelation(sizes, max(1, lag))
        own["jump share of variance"] = bipower_jump_share(column)
        days = column[: len(column) // per_day * per_day].reshape(-1, per_day)
        variance = np.nanmean(days**2, axis=1) if len(days) else np.array([np.nan])
        usable = variance[np.isfinite(variance) & (variance > 0.0)]
        own["sd of log daily volatility"] = float(0.5 * np.log(usable).std()) if len(usable) > 1 else float("nan")
        for name, value in own.items():
            found.setdefault(name, []).append(value)
    return {name: float(np.nanmedian(values)) for name, values in found.items()}
