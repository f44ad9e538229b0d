"""Where a search may look: ranges by dotted path, no further from today's values than the trust region allows."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from experiments.fields import leaves
from experiments.study.load import Loaded
from experiments.study.model import Range, Tune
from experiments.study.resolve import Change
from experiments.toml_tree import join, split
from market.errors import InputError


@dataclass(frozen=True, kw_only=True)
class Dimension:
    """One parameter that is searched."""

    path: str
    low: float
    high: float
    scale: str
    """linear, log or whole."""
    today: float

    def value(self, number: float) -> float | int:
        """A number as the scenario takes it."""
        return round(number) if self.scale == "whole" else number


def space(loaded: Loaded, tune: Tune) -> tuple[Dimension, ...]:
    """The parameters of a search. Raises InputError for a value of today's that is no number or outside its range."""
    world = loaded.resolver.resolve([Change(path, value) for path, value in tune.today.items()]).world
    known = {leaf.path: leaf.value for leaf in leaves(world)}
    found, wrong = [], []
    for path, bounds in tune.ranges.items():
        today = known.get(join(split(path)))
        if isinstance(today, bool) or not isinstance(today, int | float):
            wrong.append(f"tune.ranges.{path}: today's value is {today!r}, not a number; say it in tune.today")
        elif not bounds[0] <= today <= bounds[1]:
            wrong.append(f"tune.ranges.{path}: today's value {today:g} is outside [{bounds[0]:g}, {bounds[1]:g}]")
        else:
            found.append(trusted(path, bounds, today=today, share=tune.trust_region))
    if wrong:
        raise InputError("\n".join(wrong))
    return tuple(found)


def trusted(path: str, bounds: Range, *, today: float, share: float) -> Dimension:
    """The part of a range that is within `share` of its width from today's value, on the range's own scale."""
    low, high = bounds[0], bounds[1]
    scale = bounds[2] if len(bounds) == 3 else "linear"
    if scale == "log":
        reach = share * math.log(high / low)
        low, high = max(low, today * math.exp(-reach)), min(high, today * math.exp(reach))
    else:
        reach = share * (high - low)
        low, high = max(low, today - reach), min(high, today + reach)
    if scale == "whole":
        low, high = math.ceil(low), math.floor(high)
    return Dimension(path=path, low=low, high=high, scale=scale, today=today)


def changes_of(values: Mapping[str, Any]) -> list[Change]:
    """A design as changes."""
    return [Change(path, value) for path, value in values.items()]
