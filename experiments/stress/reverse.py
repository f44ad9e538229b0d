"""Reverse stress: the most likely joint shock whose loss reaches a threshold.

The least Mahalanobis distance at which the loss is reached is the reliability index of structural engineering, the
shock there its design point (Hasofer and Lind 1974); to first order a shock law as stated loses so much with
probability Phi(-distance). No gradient is used, because a simulated loss has none: every ray from the base is halved
until its first point that loses enough is known. Each shock alone comes first, then rays spread evenly over all
proportions, then rays beside the best one, which are only followed where they beat it.

The point found is the best of many on the search's own seeds. It is looked at again on fresh ones, and from there
outwards until the loss is surely reached.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, qmc

from experiments.statistics.intervals import LEVEL, Interval, simultaneous
from experiments.stress.shocks import ShockSpace
from experiments.study.model import Seeds, Stress

Floats = NDArray[np.float64]

Sampler = Callable[[Floats, Seeds, float], Interval]
"""The loss at joint sizes, on these seeds, with an interval of that confidence level."""

STEPS = (0.5, 0.25, 0.125)
"""How far rays beside the best one lie from it, relative to its length."""
OUTWARD, MOST_OUTWARD = 0.05, 8
"""Looks beyond the answer on fresh seeds: step relative to its distance, and how many."""


@dataclass(frozen=True, kw_only=True)
class Point:
    """A joint shock and what it loses."""

    sizes: tuple[float, ...]
    """Of every shock, standard deviations."""
    distance: float
    loss: Interval


@dataclass(frozen=True, kw_only=True)
class Reverse:
    """What was found."""

    calm: Interval
    """The loss without any shock."""
    alone: tuple[Point | None, ...]
    """The least size of each shock alone that loses enough; None when not even its largest does."""
    nearest: Point | None
    """The nearest shock that loses enough, on the search's seeds; None when none does."""
    confirmed: Interval | None
    """The loss there on fresh seeds."""
    surely: Point | None
    """The first point outwards from there that surely loses enough on fresh seeds; None when none was found."""
    tried: int
    """Shocks that were simulated in the search."""

    @property
    def probability(self) -> float | None:
        """Of a shock from the stated law that loses so much, to first order; None when none was found."""
        return None if self.nearest is None else NormalDist().cdf(-self.nearest.distance)


def find_shock(
    space: ShockSpace, stress: Stress, seeds: Seeds, sample: Sampler, *, told: Callable[[int], None] = lambda _: None
) -> Reverse:
    """Search on `seeds`, then look at the answer on the fresh seeds of `stress`."""
    search = _Search(space, stress, seeds, sample, told)
    n = len(space.names)
    calm = search.look(np.zeros(n), 0.0)
    if _reaches(calm.loss, stress):
        return Reverse(
            calm=calm.loss, alone=(calm,) * n, nearest=calm, confirmed=None, surely=None, tried=len(search.points)
        )
    alone = tuple(search.follow(direction, within=math.inf) for direction in np.eye(n))
    best = min((point for point in alone if point is not None), key=lambda point: point.distance, default=None)
    for direction in spread(n, stress.directions) if n > 1 else ():
        best = search.better(best, direction)
    if best is not None and n > 1:
        best = search.improved(best)
    fresh = None if best is None else sample(np.array(best.sizes), stress.confirm, LEVEL)
    return Reverse(
        calm=calm.loss,
        alone=alone,
        nearest=best,
        confirmed=fresh,
        surely=None if best is None else outward(space, stress, best, sample),
        tried=len(search.points),
    )


def spread(n: int, count: int) -> Floats:
    """All shocks alike, then `count` directions that cover all proportions evenly; float64[1 + count, n]."""
    drawn = qmc.Sobol(d=n, rng=1).random_base2(max(1, math.ceil(math.log2(max(count, 2)))))[:count]
    return np.concatenate([np.ones((1, n)), np.abs(norm.ppf(np.clip(drawn, 1e-6, 1.0 - 1e-6)))])


def outward(space: ShockSpace, stress: Stress, found: Point, sample: Sampler) -> Point | None:
    """The first of some points on the ray through `found` whose loss is surely enough; all looks hold at once."""
    level = simultaneous(MOST_OUTWARD)
    for step in range(MOST_OUTWARD):
        sizes = np.array(found.sizes) * (1.0 + OUTWARD * step)
        if (sizes > space.most).any():
            return None
        loss = sample(sizes, stress.confirm, level)
        if loss.rated and _bound(loss) >= stress.at_least:
            return Point(sizes=tuple(sizes.tolist()), distance=space.distance(sizes), loss=loss)
    return None


def _bound(loss: Interval) -> float:
    """What the loss surely is; a loss that is the same in all seeds counts as itself."""
    if loss.unseen is not None and loss.value is not None:
        return loss.value
    return -math.inf if loss.low is None else loss.low


def _reaches(loss: Interval, stress: Stress) -> bool:
    return loss.value is not None and loss.value >= stress.at_least


class _Search:
    """Points that were looked at, and the rays they lie on."""

    def __init__(
        self, space: ShockSpace, stress: Stress, seeds: Seeds, sample: Sampler, told: Callable[[int], None]
    ) -> None:
        self.space, self.stress, self.seeds, self.sample, self.told = space, stress, seeds, sample, told
        self.points: dict[tuple[float, ...], Point] = {}

    def look(self, direction: Floats, distance: float) -> Point:
        """The point of a ray; `direction` has a distance of 1."""
        sizes = tuple((direction * distance).tolist())
        if sizes not in self.points:
            self.points[sizes] = Point(
                sizes=sizes, distance=distance, loss=self.sample(np.array(sizes), self.seeds, LEVEL)
            )
            self.told(len(self.points))
        return self.points[sizes]

    def follow(self, proportions: Floats, *, within: float) -> Point | None:
        """The first point of a ray that loses enough, if it is nearer than `within`; None otherwise."""
        length = self.space.distance(proportions)
        direction = proportions / length
        point = self.look(direction, min(self.space.reach(direction), within))
        if not _reaches(point.loss, self.stress):
            return None
        low, found = 0.0, point
        while found.distance - low > self.stress.tolerance:
            middle = self.look(direction, (low + found.distance) / 2.0)
            if _reaches(middle.loss, self.stress):
                found = middle
            else:
                low = middle.distance
        return found

    def better(self, best: Point | None, proportions: Floats) -> Point | None:
        """The best of what is known and what lies on another ray."""
        within = math.inf if best is None else best.distance - self.stress.tolerance
        if within <= 0.0:
            return best
        return self.follow(proportions, within=within) or best

    def improved(self, best: Point) -> Point:
        """Follow rays beside the best one, nearer and nearer to it."""
        for step in STEPS:
            before = None
            while before is not best:
                before = best
                for at in range(len(best.sizes)):
                    for sign in (1.0, -1.0):
                        beside = np.array(best.sizes) / np.linalg.norm(best.sizes)
                        beside[at] = max(0.0, beside[at] + sign * step)
                        if beside.any():
                            best = self.better(best, beside) or best
        return best
