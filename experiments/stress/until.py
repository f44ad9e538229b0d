"""What `cascade until` does: more seeds until an interval is narrow enough.

Looks are geometric: each has twice the seeds of the one before. With K looks at most, each interval has the level
1 - 0.05 / K, so that the one at which it stops holds with 95 % wherever that is.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from experiments import show
from experiments.statistics.intervals import Interval, simultaneous
from experiments.study.load import load_study
from experiments.study.model import Seeds, Stop
from experiments.sweep import summary
from experiments.sweep.command import Call
from experiments.tune import progress
from experiments.tune.bench import evaluator
from market.errors import InputError


@dataclass(frozen=True, kw_only=True)
class Known:
    """A design, and what is known of it."""

    changes: dict[str, Any]
    found: Interval
    looks: int
    enough: bool
    """Whether the interval is as narrow as asked for."""


def looks(stop: Stop, seeds: Seeds) -> list[int]:
    """Numbers of seeds."""
    count = max(1, math.ceil(math.log2(max(1.0, seeds.count / stop.first)))) + 1
    return sorted({min(seeds.count, stop.first * 2**at) for at in range(count)})


def narrow(found: Interval, half_width: float) -> bool:
    """Whether an interval is narrow enough; what is the same in all seeds has none, and is not known well."""
    if not found.rated or found.low is None or found.high is None:
        return False
    return (found.high - found.low) / 2.0 <= half_width


def until(
    changes: Mapping[str, Any], stop: Stop, seeds: Seeds, measure: Callable[[Mapping[str, Any], Seeds, float], Interval]
) -> Known:
    """Look until it is known well enough, or seeds are at an end."""
    sizes = looks(stop, seeds)
    level = simultaneous(len(sizes))
    looked = 0
    enough = False
    while not enough and looked < len(sizes):
        found = measure(changes, replace(seeds, count=sizes[looked]), level)
        enough = narrow(found, stop.half_width)
        looked += 1
    return Known(changes=dict(changes), found=found, looks=looked, enough=enough)


def perform(call: Call, *, as_json: bool) -> bool:
    """Do it for every design and print it; whether all are known well enough. Raises InputError, and Interrupted."""
    loaded = load_study(call.study)
    stop = loaded.study.stop
    if stop is None:
        raise InputError(f"{loaded.file}: has no table [stop]")
    kpi, designs = stop.measure.kpi, list(loaded.designs)
    with progress.display(sys.stderr) as say, evaluator(loaded, call, kpis=[kpi], command="until") as made:

        def measure(changes: Mapping[str, Any], seeds: Seeds, level: float) -> Interval:
            return summary.interval(stop.measure, made.figures(changes, seeds)[kpi], level=level)

        found = []
        for at, design in enumerate(designs):
            say("designs", at, len(designs))
            changes = {change.path: change.value for change in design}
            found.append(until(changes, stop, loaded.study.seeds, measure))
    if as_json:
        show.print_json({"measure": summary.label(stop.measure), "designs": [asdict(item) for item in found]})
    else:
        show.print_table(rows(found, loaded.designs.paths), header=header(loaded.designs.paths, stop))
    return all(item.enough for item in found)


def header(paths: tuple[str, ...], stop: Stop) -> tuple[str, ...]:
    """Columns of the table."""
    return (*paths, f"{summary.label(stop.measure)} [95 %, whenever it stops]", "seeds", "looks", "")


def rows(found: list[Known], paths: tuple[str, ...]) -> list[tuple[str, ...]]:
    """A row for every design."""
    return [
        (
            *(str(item.changes.get(path, "")) for path in paths),
            summary.cell(item.found),
            str(item.found.n),
            str(item.looks),
            "" if item.enough else "not narrow enough",
        )
        for item in found
    ]
