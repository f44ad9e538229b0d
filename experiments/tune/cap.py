"""The largest cap whose loss stays small enough: noisy bisection on common seeds.

Every value is tried on a quarter of the seeds first, then on half, then on all, until its interval lies on one side of
the ceiling; all intervals hold at once (Bonferroni over looks and values). What stays undecided on all seeds counts as
too large: the answer errs on the safe side, and says how far up the undecided values go.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from experiments.statistics.intervals import Interval, simultaneous
from experiments.study.model import Cap, Seeds
from experiments.sweep import summary
from experiments.tune.confirm import upper
from experiments.tune.evaluate import Figures
from experiments.tune.quantities import FIXED, Quantity

BELOW, ABOVE, UNDECIDED = "below", "above", "undecided"
LOOKS = (0.25, 0.5, 1.0)
"""Shares of the seeds after which a value may be decided."""

Sampler = Callable[[float, Seeds], Figures]
"""Figures of the design with this value, on these seeds."""


@dataclass(frozen=True, kw_only=True)
class Point:
    """A value that was tried."""

    value: float
    verdict: str
    """below, above, or undecided: on which side of the ceiling the loss surely lies."""
    loss: Interval
    upper: float | None
    """Upper bound of the loss; None when nothing can be said."""


@dataclass(frozen=True, kw_only=True)
class CapFound:
    """The answer."""

    cap: float | None
    """The largest value tried whose loss is surely below the ceiling; None when not even the least one is."""
    whole_range: bool
    """Whether that is the end of the range: the largest cap may lie beyond."""
    surely_too_large: float | None
    """The least value tried whose loss is surely above; None when there is none."""
    points: tuple[Point, ...]
    """In the order of their values."""

    @property
    def monotone(self) -> bool:
        """Whether no value that is surely safe lies above one that surely is not: bisection takes that for granted."""
        verdicts = [point.verdict == BELOW for point in self.points if point.verdict != UNDECIDED]
        return verdicts == sorted(verdicts, reverse=True)


def find_cap(
    wanted: Cap, seeds: Seeds, sample: Sampler, *, told: Callable[[int, int], None] = lambda *_: None
) -> CapFound:
    """Halve the range until it is as narrow as the tolerance asks for, then what is between safe and too large."""
    low, high = wanted.range[0], wanted.range[1]
    scale = wanted.range[2] if len(wanted.range) == 3 else "linear"
    steps = max(1, math.ceil(math.log2(1.0 / wanted.tolerance)))
    judge = _Judge(wanted, seeds, sample, level=simultaneous((2 * steps + 2) * len(LOOKS)))

    def verdict(value: float) -> str:
        made = judge(value)
        told(len(judge.points), 2 * steps + 2)
        return made

    def halved(low: float, high: float, *, moves_low: Collection[str]) -> float:
        """The last value from `low` up whose verdict is one of these, `high` being too large."""
        for _ in range(steps):
            value = between(low, high, scale)
            if value in (low, high):
                break
            low, high = (value, high) if verdict(value) in moves_low else (low, value)
        return low

    cap: float | None = None
    at_end, at_start = verdict(high), verdict(low)
    if at_end == BELOW:
        cap = high
    elif at_start != ABOVE:  # undecided where hardly any loss was seen: more of it may be easier to judge
        value = halved(low, high, moves_low=(BELOW,))
        cap = value if verdict(value) == BELOW else None
    if at_end == ABOVE and at_start != ABOVE:
        halved(low if cap is None else cap, high, moves_low=(BELOW, UNDECIDED))
    ordered = tuple(judge.points[value] for value in sorted(judge.points))
    return CapFound(
        cap=cap,
        whole_range=cap == high,
        surely_too_large=next((point.value for point in ordered if point.verdict == ABOVE), None),
        points=ordered,
    )


def between(low: float, high: float, scale: str) -> float:
    """The middle, on the range's own scale."""
    if scale == "log":
        return math.sqrt(low * high)
    return float(math.floor((low + high) / 2.0)) if scale == "whole" else (low + high) / 2.0


class _Judge:
    """Looks at values until their loss is surely on one side of the ceiling, or seeds are at an end."""

    def __init__(self, wanted: Cap, seeds: Seeds, sample: Sampler, *, level: float) -> None:
        self.wanted, self.seeds, self.sample, self.level = wanted, seeds, sample, level
        self.points: dict[float, Point] = {}
        self._largest = 0.0

    def __call__(self, value: float) -> str:
        """The verdict on a value."""
        if value not in self.points:
            for share in LOOKS:
                self.points[value] = self._look(value, share)
                if self.points[value].verdict != UNDECIDED:
                    break
        return self.points[value].verdict

    def _look(self, value: float, share: float) -> Point:
        figures = self.sample(value, replace(self.seeds, count=max(1, math.ceil(share * self.seeds.count))))
        item = Quantity(measure=self.wanted.measure, world=FIXED, at_most=self.wanted.at_most)
        found = item.of({FIXED: figures}, level=self.level)
        self._largest = max(self._largest, float(np.nanmax(figures[self.wanted.measure.kpi], initial=0.0)))
        bound = upper(item, found, self._largest, level=self.level)
        return Point(value=value, verdict=_verdict(found, bound, self.wanted.at_most), loss=found, upper=bound)


def _verdict(found: Interval, bound: float | None, at_most: float) -> str:
    if bound is not None and bound <= at_most:
        return BELOW
    return ABOVE if found.rated and found.low is not None and found.low > at_most else UNDECIDED


def rows(points: Sequence[Point]) -> list[tuple[str, str, str, str, str]]:
    """A row for every value that was tried."""
    return [
        (
            summary.number(point.value),
            summary.cell(point.loss),
            "unknown" if point.upper is None else summary.number(point.upper),
            str(point.loss.n),
            point.verdict,
        )
        for point in points
    ]


def sentence(found: CapFound, wanted: Cap) -> str:
    """The answer in words."""
    what = f"{summary.label(wanted.measure)} at most {summary.number(wanted.at_most)}"
    if found.cap is None:
        return f"No value of {wanted.path} from {wanted.range[0]:g} surely keeps {what}"
    beyond = "; the range ends there, the largest one may lie beyond" if found.whole_range else ""
    unsure = (
        f"; surely too large from {summary.number(found.surely_too_large)}"
        if found.surely_too_large is not None
        else ""
    )
    curved = "" if found.monotone else "; the loss does not grow with it everywhere: there may be other answers"
    value = summary.number(found.cap)
    return f"{wanted.path} = {value} is the largest value found that keeps {what}{beyond}{unsure}{curved}"


def as_json(found: CapFound) -> dict[str, Any]:
    """Everything, for programs."""
    return {**asdict(found), "monotone": found.monotone}
