"""DebtRank: the share of a network's worth that a shock destroys through exposures, without waiting for defaults.

`exposures[i, j]` is the claim of `i` on `j`, `equity[i]` what `i` can lose, both USD. The *distress* of a member is the
share of its equity that is lost, in [0, 1]. Both versions take one shock, float64[n], or k of them, float64[n, k].
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import sparse

from experiments.network.inputs import Array, Matrix, Sparse, square, vector
from market.errors import InputError


@dataclass(frozen=True, kw_only=True)
class DebtRank:
    """What became of the shocks."""

    value: Array
    """float64[k] or a number: weighted distress at the end, less that of the shock itself."""
    distress: Array
    """float64[n] or [n, k]: at the end."""
    rounds: int


def walk_once(exposures: Matrix, equity: ArrayLike, shock: ArrayLike, *, weights: ArrayLike | None = None) -> DebtRank:
    """The original DebtRank: each member passes its distress on once, when it is first distressed.

    Impact of `j` on `i`: min(1, exposures[i, j] / equity[i]). `weights` float64[n]: economic value of the members,
    scaled to sum to 1; without them, their claims on others. Battiston, Puliga, Kaushik, Tasca and Caldarelli (2012),
    Scientific Reports 2, 541. Who is shocked a little passes on that little and nothing later, so that shocking one
    more member may end better than leaving it alone. Raises InputError for a shock outside [0, 1] and equity that is
    not above 0.
    """
    claims, worth, start = _checked(exposures, equity, shock)
    impact = _leverage(claims, worth)
    impact.data = np.minimum(impact.data, 1.0)
    value = _weights(np.asarray(claims.sum(axis=1)).ravel() if weights is None else weights, len(worth))
    distress, fresh, spent = start.copy(), start > 0.0, np.zeros(start.shape, np.bool_)
    rounds = 0
    while fresh.any():
        passed = impact @ np.where(fresh, distress, 0.0)
        spent |= fresh
        distress = np.minimum(1.0, distress + passed)
        fresh = (distress > 0.0) & ~spent
        rounds += 1
    return DebtRank(value=value @ distress - value @ start, distress=distress, rounds=rounds)


def continuous(
    exposures: Matrix,
    equity: ArrayLike,
    shock: ArrayLike,
    *,
    weights: ArrayLike | None = None,
    tolerance: float = 1e-12,
    most_rounds: int = 100_000,
) -> DebtRank:
    """DebtRank from balance sheets: every further loss is passed on, until a member has lost all its equity.

    A claim falls in proportion to the equity its debtor loses. `weights` float64[n], scaled to sum to 1; without them,
    equity, so that `value` is the share of all equity lost beyond the shock. Stops when no distress rises by more than
    `tolerance`; the error then is about the last step / (1 - the rate at which steps shrink). Bardoscia, Battiston,
    Caccioli and Caldarelli (2015), PLoS ONE 10(6), e0130406. Raises InputError as `walk_once`, and when it has not
    stopped after `most_rounds`.
    """
    claims, worth, start = _checked(exposures, equity, shock)
    leverage = _leverage(claims, worth)
    value = _weights(worth if weights is None else weights, len(worth))
    distress, step = start.copy(), start
    for rounds in range(most_rounds):
        if step.max(initial=0.0) <= tolerance:
            return DebtRank(value=value @ distress - value @ start, distress=distress, rounds=rounds)
        after = np.minimum(1.0, distress + leverage @ step)
        distress, step = after, after - distress
    raise InputError(f"DebtRank has not converged after {most_rounds:,} rounds")


def each_alone(n: int) -> Array:
    """float64[n, n]: n shocks, each the ruin of one member."""
    return np.eye(n)


def _checked(exposures: Matrix, equity: ArrayLike, shock: ArrayLike) -> tuple[Sparse, Array, Array]:
    claims = square("exposures", exposures)
    n = claims.shape[0]
    worth = vector("equity", equity, n)
    if n and worth.min() <= 0.0:
        raise InputError(f"equity: {worth.min():g} is not above 0; leave out who has nothing to lose")
    try:
        start = np.array(shock, np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"shock: not numbers: {error}") from None
    if start.ndim not in (1, 2) or start.shape[0] != n:
        raise InputError(f"shock: shape {start.shape} instead of ({n},) or ({n}, k)")
    if not ((start >= 0.0) & (start <= 1.0)).all():
        raise InputError("shock: not all in [0, 1]")
    return claims, worth, start


def _leverage(claims: Sparse, worth: Array) -> Sparse:
    return sparse.csr_array(sparse.diags_array(1.0 / worth) @ claims)


def _weights(weights: ArrayLike, n: int) -> Array:
    found = vector("weights", weights, n)
    total = found.sum()
    return found / total if total > 0.0 else found
