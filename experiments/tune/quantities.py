"""What is measured of a design: capital efficiency, losses that have a ceiling, objectives; in one world or in both.

A world is a choice of everybody's leverage: as it is ("fixed"), or such that traders use a stated share of what they
may ("relevered").
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from experiments.statistics import intervals
from experiments.statistics.intervals import Interval
from experiments.study.load import Loaded
from experiments.study.model import Mean, Objective, Seeds, Tune
from experiments.sweep import summary
from experiments.sweep.summary import AnyMeasure
from experiments.tune.evaluate import Evaluator, Figures
from experiments.tune.relever import relevered

FIXED, RELEVERED = "fixed", "relevered"

EFFICIENCY: dict[str, Mean] = {
    FIXED: Mean(kpi="capital_efficiency_ratio"),
    RELEVERED: Mean(kpi="capital_used_ratio"),
}
"""Capital efficiency: notional per dollar of net equity. With positions fixed, what would be supportable at initial
margin; where traders have re-levered, what they hold."""


@dataclass(frozen=True, kw_only=True)
class Quantity:
    """One figure of a design."""

    measure: AnyMeasure
    world: str
    at_most: float | None = None
    """The ceiling of a loss; None for what is none."""

    @property
    def label(self) -> str:
        """How it is called in a heading."""
        return f"{summary.label(self.measure)}, {self.world}"

    def of(self, figures: Mapping[str, Figures], *, level: float = intervals.LEVEL) -> Interval:
        """Its value and interval, from the figures by world."""
        return summary.interval(self.measure, figures[self.world][self.measure.kpi], level=level)


def worlds(tune: Tune) -> tuple[str, ...]:
    """The worlds that designs are simulated in."""
    return (FIXED,) if tune.utilisation is None else (FIXED, RELEVERED)


def efficiencies(tune: Tune) -> tuple[Quantity, ...]:
    """Capital efficiency in every world."""
    return tuple(Quantity(measure=EFFICIENCY[world], world=world) for world in worlds(tune))


def losses(tune: Tune) -> tuple[Quantity, ...]:
    """Every loss with a ceiling in every world."""
    return tuple(
        Quantity(measure=ceiling.measure, world=world, at_most=ceiling.at_most)
        for ceiling in tune.ceilings
        for world in worlds(tune)
    )


def objectives(tune: Tune) -> tuple[Objective, ...]:
    """What the search improves."""
    return tune.objectives or tuple(
        Objective(measure=quantity.measure, direction="maximise", world=_world(quantity))
        for quantity in efficiencies(tune)
    )


def _world(quantity: Quantity) -> Any:
    return quantity.world


def all_of(tune: Tune) -> tuple[Quantity, ...]:
    """Everything that is measured of a design, each once."""
    others = tuple(Quantity(measure=objective.measure, world=objective.world) for objective in objectives(tune))
    with_ceiling = {(loss.measure, loss.world) for loss in losses(tune)}
    rest = tuple(item for item in others if (item.measure, item.world) not in with_ceiling)
    return tuple(dict.fromkeys((*efficiencies(tune), *losses(tune), *rest)))


@dataclass(frozen=True, kw_only=True)
class Sample:
    """A design on some seeds."""

    values: dict[str, Any]
    leverage: float | None
    """Median leverage where traders have re-levered; None when they do not."""
    figures: dict[str, Figures]
    """By world."""


class Bench:
    """Samples designs in every world that a search asks for."""

    def __init__(self, loaded: Loaded, tune: Tune, evaluator: Evaluator) -> None:
        self.loaded, self.tune, self.evaluator = loaded, tune, evaluator

    def sample(self, values: dict[str, Any], seeds: Seeds, *, leverage: float | None = None) -> Sample:
        """Simulate what is not stored of a design. `leverage`, if known, is that of the re-levered world."""
        designs: dict[str, dict[str, Any]] = {FIXED: values}
        if self.tune.utilisation is not None:
            designs[RELEVERED] = self._relevered(values, leverage)
        return Sample(
            values=values,
            leverage=designs[RELEVERED]["population.leverage"] if RELEVERED in designs else None,
            figures={world: self.evaluator.figures(design, seeds) for world, design in designs.items()},
        )

    def _relevered(self, values: dict[str, Any], leverage: float | None) -> dict[str, Any]:
        if leverage is not None:
            return {**values, "population.leverage": leverage}
        assert self.tune.utilisation is not None
        return relevered(self.loaded, values, share=self.tune.utilisation, seed=self.loaded.study.seeds.first)
