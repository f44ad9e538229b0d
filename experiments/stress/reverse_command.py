"""What `cascade reverse-stress` does, from the study's name to what is printed."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments import show
from experiments.statistics.intervals import Interval
from experiments.stress.reverse import Point, Reverse, find_shock
from experiments.stress.shocks import ShockSpace, shock_space
from experiments.study.load import load_study
from experiments.study.model import Seeds, Stress
from experiments.sweep import summary
from experiments.sweep.command import Call
from experiments.tune import progress
from experiments.tune.bench import evaluator
from market.errors import InputError


def perform(call: Call, *, as_json: bool) -> None:
    """Find the shock and print it. Raises InputError, and Interrupted: the same call goes on."""
    loaded = load_study(call.study)
    stress = loaded.study.stress
    if stress is None:
        raise InputError(f"{loaded.file}: has no table [stress]")
    space = shock_space(loaded, stress)
    kpi = stress.measure.kpi
    with progress.display(sys.stderr) as say, evaluator(loaded, call, kpis=[kpi], command="reverse-stress") as made:

        def sample(sizes: NDArray[np.float64], seeds: Seeds, level: float) -> Interval:
            return summary.interval(stress.measure, made.figures(space.values(sizes), seeds)[kpi], level=level)

        def told(done: int) -> None:
            say(f"looking for a shock, {done} tried", 0, 0)

        found = find_shock(space, stress, loaded.study.seeds, sample, told=told)
    if as_json:
        show.print_json(as_data(found, space))
        return
    show.print_table(rows(found, space), header=("shock", "alone", "", "in the most likely joint one", ""))
    print()
    show.print_words(sentence(found, space, stress))


def rows(found: Reverse, space: ShockSpace) -> list[tuple[str, str, str, str, str]]:
    """A row for every shock: how far it must go alone, and how far together with the others."""
    made = []
    for at, name in enumerate(space.names):
        alone, size = found.alone[at], None if found.nearest is None else found.nearest.sizes[at]
        made.append(
            (
                name,
                f"not within {space.most[at]:g} sd" if alone is None else f"{alone.distance:.2f} sd",
                "" if alone is None else _values(space, at, alone.sizes[at]),
                "" if size is None else f"{size:.2f} sd",
                "" if size is None else _values(space, at, size),
            )
        )
    return made


def _values(space: ShockSpace, at: int, size: float) -> str:
    return ", ".join(f"{item.path} = {item.at(size):.4g}" for item in space.moved[at]) if size > 0.0 else ""


def sentence(found: Reverse, space: ShockSpace, stress: Stress) -> str:
    """The answer in words."""
    what = f"{summary.label(stress.measure)} of {summary.number(stress.at_least)}"
    if found.nearest is None:
        return (
            f"No shock within reach has a {what}; without any it is {summary.cell(found.calm)}. Larger sizes: "
            "stress.shocks.NAME.most."
        )
    if found.confirmed is None:
        return f"A {what} is reached without any shock: {summary.cell(found.calm)}."
    assert found.probability is not None
    nearest = f"{found.nearest.distance:.2f} standard deviations from the base"
    likely = f"to first order one in {summary.number(1.0 / found.probability)} shocks of the stated law is as bad"
    fresh = f"On {found.confirmed.n} fresh seeds it has {summary.cell(found.confirmed)}"
    if found.surely is None:
        sure = "; no shock looked at further out in the same proportions is sure to reach it"
    elif found.surely.sizes == found.nearest.sizes:
        sure = ": it surely reaches it"
    else:
        sure = f"; in the same proportions it is surely reached from {found.surely.distance:.2f} on"
    return (
        f"The most likely joint shock found with a {what} lies {nearest}: {likely}. {fresh}{sure}. "
        f"{found.tried} shocks were tried; {_main(found.nearest, space)}"
    )


def _main(point: Point, space: ShockSpace) -> str:
    sizes = np.array(point.sizes)
    moving = [space.names[at] for at in np.argsort(-sizes, kind="stable") if sizes[at] > 0.0]
    return f"it is made of {', '.join(moving)}, the largest first."


def as_data(found: Reverse, space: ShockSpace) -> dict[str, Any]:
    """Everything, for programs."""

    def point(item: Point | None) -> dict[str, Any] | None:
        if item is None:
            return None
        sizes = dict(zip(space.names, item.sizes, strict=True))
        values = space.values(np.array(item.sizes))
        return {"sizes": sizes, "distance": item.distance, "values": values, "loss": asdict(item.loss)}

    return {
        "calm": asdict(found.calm),
        "alone": {name: point(item) for name, item in zip(space.names, found.alone, strict=True)},
        "nearest": point(found.nearest),
        "confirmed": found.confirmed and asdict(found.confirmed),
        "surely": point(found.surely),
        "first_order_probability": found.probability,
        "tried": found.tried,
    }
