"""Confirming what a search claims: the best designs on fresh seeds, with intervals that hold all at once.

The search chose its designs for being good on its own seeds; on these they look better than they are. The optimism gap
is what they lose on seeds that nobody has chosen them by. Every interval has the level 1 - 0.05 / m, m intervals in
all (Bonferroni), so that with 95 % confidence none of them is wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from experiments.statistics import intervals
from experiments.statistics.intervals import FEW, Interval, clopper_pearson, simultaneous
from experiments.study.model import Mean, Tune
from experiments.tune.quantities import Bench, Quantity, Sample, all_of, efficiencies
from experiments.tune.search import Trial, gain, share_of

FEWEST_BOUNDED = 20
"""Seeds below which nothing is said about losses that were hardly seen."""


@dataclass(frozen=True, kw_only=True)
class Confirmed:
    """A design on fresh seeds."""

    number: int
    """Of its trial; 0 is today's design."""
    values: dict[str, Any]
    leverage: float | None
    claims: tuple[float | None, ...]
    """What the search said about each quantity."""
    found: tuple[Interval, ...]
    """What fresh seeds say."""
    uppers: tuple[float | None, ...]
    """Upper bounds of the losses that have a ceiling, None elsewhere and where nothing can be said."""
    gains: tuple[Interval, ...]
    """Change of capital efficiency against today's design, seed by seed, in every world."""
    relative: tuple[float, ...]
    """The same relative to today's."""
    respects: bool
    """Whether every upper bound is within its ceiling."""
    load: float
    """The largest loss relative to its ceiling, as estimated."""
    upper_load: float
    """The same of the upper bounds; 1 is the limit."""

    @property
    def signs(self) -> tuple[int, ...]:
        """Of the gains: 1 and -1 where the interval lies on one side of zero, else 0."""
        return tuple(map(sign, self.gains))

    @property
    def agree(self) -> bool:
        """Whether capital efficiency moves the same way with positions fixed and with traders re-levering."""
        return len(self.signs) > 1 and self.signs[0] != 0 and len(set(self.signs)) == 1

    @property
    def score(self) -> float:
        """The smaller one of the relative gains."""
        return min(self.relative)


def sign(change: Interval) -> int:
    """Which side of zero an interval lies on."""
    if change.value is None or not change.rated:
        return 0
    if change.unseen is not None:
        return int(np.sign(change.value))
    assert change.low is not None
    assert change.high is not None
    return 1 if change.low > 0.0 else -1 if change.high < 0.0 else 0


def confirm(
    chosen: Sequence[Trial], bench: Bench, tune: Tune, *, told: Callable[[int, int], None] = lambda *_: None
) -> tuple[Confirmed, ...]:
    """Simulate designs, today's first, on fresh seeds."""
    samples = []
    for at, trial in enumerate(chosen):
        told(at, len(chosen))
        samples.append(bench.sample(trial.values, tune.confirm, leverage=trial.leverage))
    told(len(chosen), len(chosen))
    return judged(chosen, samples, tune)


def judged(chosen: Sequence[Trial], samples: Sequence[Sample], tune: Tune) -> tuple[Confirmed, ...]:
    """What fresh seeds say about designs, the first of which is today's."""
    quantities, sizes = all_of(tune), efficiencies(tune)
    level = simultaneous(len(samples) * len(quantities) + (len(samples) - 1) * len(sizes))
    largest = [
        max((float(np.nanmax(_values(item, sample), initial=0.0)) for sample in samples), default=0.0)
        for item in quantities
    ]
    made = []
    for trial, sample in zip(chosen, samples, strict=True):
        found = tuple(item.of(sample.figures, level=level) for item in quantities)
        uppers = tuple(
            None if item.at_most is None else upper(item, interval, most, level=level)
            for item, interval, most in zip(quantities, found, largest, strict=True)
        )
        capped = [
            (interval.value, bound, item.at_most)
            for item, interval, bound in zip(quantities, found, uppers, strict=True)
            if item.at_most is not None
        ]
        changes = [_values(item, sample) - _values(item, samples[0]) for item in sizes]
        gains = tuple(intervals.mean(change[~np.isnan(change)], level=level) for change in changes)
        before = [float(np.nanmean(_values(item, samples[0]))) for item in sizes]
        made.append(
            Confirmed(
                number=trial.number,
                values=trial.values,
                leverage=sample.leverage,
                claims=trial.claims,
                found=found,
                uppers=uppers,
                gains=gains,
                relative=tuple(
                    gain(None if item.value is None else base + item.value, base)
                    for item, base in zip(gains, before, strict=True)
                ),
                respects=all(bound is not None and bound <= most for _, bound, most in capped),
                load=max(share_of(value, most) for value, _, most in capped),
                upper_load=max(share_of(bound, most) for _, bound, most in capped),
            )
        )
    return tuple(made)


def _values(item: Quantity, sample: Sample) -> Any:
    return sample.figures[item.world][item.measure.kpi]


def upper(item: Quantity, found: Interval, largest: float, *, level: float) -> float | None:
    """The upper bound of a loss; None when nothing can be said.

    A mean of hardly any losses, or of none, has no interval of its own: its bound is the share of losses that remains
    possible (Clopper and Pearson) times `largest`, the largest loss that any design had; unknown below 20 seeds.
    """
    if found.value is None or found.n < FEWEST_BOUNDED:
        return found.high if found.rated and found.unseen is None else None
    if isinstance(item.measure, Mean) and (found.events < FEW or found.unseen is not None):
        if found.unseen is not None and found.value != 0.0:
            return found.value + found.unseen * max(largest - found.value, 0.0)
        return max(found.value, clopper_pearson(found.events, found.n, level=level)[1] * largest)
    if found.unseen is not None:
        return found.value + found.unseen * max(largest - found.value, 0.0)
    return found.high if found.rated else None
