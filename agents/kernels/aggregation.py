"""One price from many sources: weighted median, mean without outliers, votes; and how far the sources are apart."""

from __future__ import annotations

import numpy as np

from market.kernels.jit import kernel

MEDIAN, WEIGHTED_MEDIAN, OUTLIER_MEAN, VOTES = range(4)
"""Ways to aggregate."""


@kernel
def _cast(value, weight, n, votes):
    """Insert a vote in rising order; return the new number of votes."""
    place = n
    while place > 0 and votes[0, place - 1] > value:
        votes[0, place] = votes[0, place - 1]
        votes[1, place] = votes[1, place - 1]
        place -= 1
    votes[0, place] = value
    votes[1, place] = weight
    return n + 1


@kernel
def collect(sources, first, n_sources, spread, votes):
    """Write the answers of the sources that say something into `votes`, float64[2, n]: values in rising order, weights.

    With `spread` each source votes three times: its price, and the ends of its confidence interval. Returns how many.
    """
    n = np.int64(0)
    for row in range(first, first + n_sources):
        source = sources[row]
        if source.value <= 0.0:
            continue
        n = _cast(source.value, source.weight, n, votes)
        if spread:
            n = _cast(source.value * (1.0 - source.confidence), source.weight, n, votes)
            n = _cast(source.value * (1.0 + source.confidence), source.weight, n, votes)
    return n


@kernel
def quantile(n, share, votes):
    """Least vote up to which `share` of the weight lies, or halfway to the next where that is exact; 0 for no votes."""
    total = 0.0
    for at in range(n):
        total += votes[1, at]
    below = 0.0
    for at in range(n):
        below += votes[1, at]
        if abs(below - share * total) <= 1e-12 * total and at + 1 < n:
            return 0.5 * (votes[0, at] + votes[0, at + 1])
        if below > share * total:
            return votes[0, at]
    return votes[0, n - 1] if n > 0 else 0.0


@kernel
def _mean_without_outliers(n, outlier, votes):
    """Weighted mean of the answers within `outlier` of their median; the median when more than one is farther away."""
    middle = 0.5 * (votes[0, (n - 1) // 2] + votes[0, n // 2])
    far, weight, total = 0, 0.0, 0.0
    for at in range(n):
        if abs(votes[0, at] - middle) > outlier * middle:
            far += 1
        else:
            weight += votes[1, at]
            total += votes[0, at] * votes[1, at]
    return middle if far > 1 or weight == 0.0 else total / weight


@kernel
def aggregate(feed, sources, votes):
    """Price of a feed under any rule but the plain median; 0 when no source says anything."""
    n = collect(sources, feed.first, feed.n_sources, feed.aggregation == VOTES, votes)
    if n == 0:
        return 0.0
    if feed.aggregation == OUTLIER_MEAN:
        return _mean_without_outliers(n, feed.outlier, votes)
    return quantile(n, 0.5, votes)


@kernel
def confidence(price, feed, sources, votes):
    """Largest distance of the price from the quartiles of all votes, relative to it (Pyth)."""
    n = collect(sources, feed.first, feed.n_sources, True, votes)
    return max(abs(price - quantile(n, 0.25, votes)), abs(quantile(n, 0.75, votes) - price)) / price
