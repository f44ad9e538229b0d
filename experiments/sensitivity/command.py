"""What `cascade sensitivity` does, from the study's name to what is printed."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from experiments import folder, show
from experiments.sensitivity.box_report import boxes_as_data
from experiments.sensitivity.methods import boxes, morris, one_at_a_time, sobol
from experiments.sensitivity.report import Sensitivity, sensitivity_page, tables
from experiments.sensitivity.space import Space, measure_of, ranges_of
from experiments.store.store import Store
from experiments.study.load import load_study
from experiments.study_report.tables import markdown
from experiments.sweep.command import Call
from experiments.sweep.summary import label


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What is asked for."""

    kpi: str | None
    points: int
    trajectories: int
    """0: no screening."""
    base_points: int
    """0: no Sobol indices."""
    box_points: int = 0
    """0: no boxes."""
    above: float | None = None
    """What counts as large in a box."""


def analyse(call: Call, wanted: Wanted) -> Sensitivity:
    """Simulate what is not stored and work it out; Sobol indices are those of what screening left."""
    loaded = load_study(call.study)
    store = Store(call.store)
    store.check()
    measure = measure_of(loaded, wanted.kpi)
    space = Space(loaded=loaded, ranges=ranges_of(loaded), measure=measure, store=store, call=call)
    base, curves = one_at_a_time(space, points=wanted.points)
    screened = morris(space, trajectories=wanted.trajectories) if wanted.trajectories else ()
    kept = {item.path for item in screened if item.survives} or set(space.ranges)
    left = replace(space, ranges={path: bounds for path, bounds in space.ranges.items() if path in kept})
    indices = sobol(left, base_points=wanted.base_points) if wanted.base_points else ()
    found = boxes(space, count=wanted.box_points, above=wanted.above) if wanted.box_points else None
    return Sensitivity(space=space, base=base, curves=curves, screened=screened, indices=indices, boxes=found)


def perform(call: Call, wanted: Wanted, *, out: Path | None, overwrite: bool, as_json: bool) -> None:
    """Do it, print it, and write it where a folder is named. Raises InputError."""
    if out is not None:
        folder.check(out, replace=overwrite)
    found = analyse(call, wanted)
    if out is not None:
        with folder.atomic(out, replace=overwrite) as made:
            sensitivity_page(found).write(made / "report.html")
            (made / "sensitivity.json").write_text(json.dumps(as_data(found), indent=2) + "\n", "utf-8")
            (made / "sensitivity.md").write_text("\n".join(map(markdown, tables(found))), "utf-8")
            (made / folder.MARKER).write_text(json.dumps({"study": found.space.loaded.name}) + "\n", "utf-8")
    if as_json:
        show.print_json(as_data(found))
        return
    for table in tables(found):
        print(f"\n{table.title}")
        show.print_table(table.rows, header=table.columns)
    if out is not None:
        print(f"\nreport: {out / 'report.html'}")


def as_data(found: Sensitivity) -> dict[str, Any]:
    """Everything, for programs."""
    return {
        "measure": label(found.space.measure),
        "seeds": found.space.loaded.study.seeds.count,
        "ranges": {path: list(bounds) for path, bounds in found.space.ranges.items()},
        "base": asdict(found.base),
        "one_at_a_time": [asdict(curve) for curve in found.curves],
        "morris": [asdict(item) for item in found.screened],
        "sobol": [asdict(item) for item in found.indices],
        "boxes": found.boxes and boxes_as_data(found.boxes, tuple(found.space.ranges)),
    }
