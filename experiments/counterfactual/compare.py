"""One world beside others on the same random numbers, compared seed by seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from experiments.config import Override
from experiments.countdown import Note
from experiments.counterfactual.measure import FIGURES, Curve, Measured, measure
from experiments.counterfactual.runs import each
from experiments.counterfactual.setting import Setting
from experiments.statistics import intervals
from experiments.statistics.intervals import Interval
from market.errors import InputError


@dataclass(frozen=True, kw_only=True)
class Alternative:
    """Another world: how it is called, and the values in which it differs."""

    label: str
    overrides: tuple[str | Override, ...]


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Figures of the world as it is and of its alternatives, in the order of `seeds`."""

    name: str
    seeds: tuple[int, ...]
    alternatives: tuple[str, ...]
    actual: tuple[Measured, ...]
    others: dict[str, tuple[Measured, ...]]
    curves: dict[str, Curve]
    """Of the first seed; "" is the world as it is."""

    def values(self, figure: str, alternative: str = "") -> list[float]:
        """One figure of every seed."""
        return [row[figure] for row in (self.others[alternative] if alternative else self.actual)]

    def level(self, figure: str, alternative: str = "") -> Interval:
        """Mean over the seeds."""
        return intervals.mean(np.array(self.values(figure, alternative)))

    def change(self, figure: str, alternative: str) -> Interval:
        """Mean of the alternative less the world as it is, seed by seed."""
        pairs = zip(self.values(figure, alternative), self.values(figure), strict=True)
        return intervals.mean(np.array([other - own for other, own in pairs]))


def counterfactual(
    found: Setting,
    alternatives: Sequence[Alternative],
    *,
    seeds: Sequence[int],
    workers: int = 1,
    note: Note = lambda *_: None,
) -> Comparison:
    """Simulate the world as it is and each alternative with every seed: the same random numbers, seed by seed.

    Raises InputError for an alternative that cannot be simulated, two of one name, and for no seed.
    """
    labels = [one.label for one in alternatives]
    if not alternatives or len(set(labels)) < len(labels):
        raise InputError(f"alternatives: expected some, each with a name of its own, got {labels}")
    if not seeds:
        raise InputError("seeds: none given")
    worlds = [found.scenario, *(found.changed(one.overrides) for one in alternatives)]
    tasks = [(world, seed) for seed in seeds for world in worlds]
    done = each(measure, tasks, workers=workers, note=note)
    rows = [tuple(measured for measured, _ in done[at :: len(worlds)]) for at in range(len(worlds))]
    return Comparison(
        name=found.name,
        seeds=tuple(seeds),
        alternatives=tuple(labels),
        actual=rows[0],
        others=dict(zip(labels, rows[1:], strict=True)),
        curves={label: done[at][1] for at, label in enumerate(["", *labels])},
    )


def figure_names(found: Comparison) -> tuple[str, ...]:
    """The figures that every run has, in their order."""
    return tuple(name for name in FIGURES if all(name in row for row in found.actual))
