"""How far liquidations bring about others: branching from generation to generation, with intervals."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.stats import chi2

from experiments.contagion.cascades import Contagion

FEWEST_PARENTS = 10
"""Liquidations of a generation below which its branching ratio is not given."""


@dataclass(frozen=True, kw_only=True)
class Branching:
    """Liquidations of one causal generation and of the next."""

    parents: int
    children: int

    @property
    def ratio(self) -> float | None:
        """Children per parent; None when there are too few parents to rate."""
        return self.children / self.parents if self.parents >= FEWEST_PARENTS else None

    def interval(self, level: float = 0.95) -> tuple[float, float] | None:
        """Exact interval of the mean of a Poisson number of children per parent (Garwood 1936); None for too few."""
        if self.ratio is None:
            return None
        tail = (1.0 - level) / 2.0
        low = 0.5 * chi2.ppf(tail, 2 * self.children) if self.children else 0.0
        return float(low / self.parents), float(0.5 * chi2.ppf(1.0 - tail, 2 * self.children + 2) / self.parents)


def branching(found: Contagion) -> list[Branching]:
    """One entry per generation, roots first; the last one has no children."""
    return [Branching(parents=a, children=b) for a, b in pairwise([*found.generations().tolist(), 0])]


def offspring(found: Contagion) -> float | None:
    """Liquidations that each liquidation brings down, counted by the shares of their losses that it caused.

    Without a threshold: a loss of which forced sales made a tenth counts as a tenth of a child. None below
    `FEWEST_PARENTS` liquidations. At 1 the cascade would feed itself.
    """
    if found.n < FEWEST_PARENTS:
        return None
    return float(np.mean(found.forced_share))
