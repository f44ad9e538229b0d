"""Where one run lies among many: quantiles of every figure over the runs of a study's base design.

Read from folders that `cascade export STUDY --out DIR` wrote: `runs.parquet` has one row per run, `base.toml` the
scenario.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from experiments.scenario import Scenario

PROBABILITIES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
FEWEST_RUNS = 10
"""Of fewer runs no distribution is told."""
RUNS, BASE = "runs.parquet", "base.toml"


def folders(places: Iterable[Path]) -> list[Path]:
    """Exported studies among these folders and the folders in them."""
    found = [inner for place in places if place.is_dir() for inner in (place, *sorted(place.iterdir()))]
    return [folder for folder in found if (folder / RUNS).is_file() and (folder / BASE).is_file()]


def distribution(scenario: Scenario, studies: Iterable[Path]) -> dict[str, Any] | None:
    """{figure: {"quantiles": [[p, value] ...], "runs", "name"}} of the first study of this scenario; None for none.

    A study is one of the scenario when it has its summary, assets and instruments, whatever else was changed.
    """
    for folder in studies:
        try:
            base = tomllib.loads((folder / BASE).read_text("utf-8"))
        except (OSError, ValueError):
            continue
        same = (
            base.get("summary") == scenario.summary
            and list(base.get("assets", ())) == list(scenario.assets)
            and list(base.get("instruments", ())) == list(scenario.instruments)
        )
        if same and (found := _quantiles(folder)):
            return found
    return None


def _quantiles(folder: Path) -> dict[str, Any]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(folder / RUNS)
    except (OSError, pa.ArrowException):
        return {}
    if "changes" in table.column_names:
        base = np.array([text in ("", "{}") for text in table.column("changes").to_pylist()], bool)
        table = table.filter(pa.array(base)) if base.any() else table
    made = {}
    for name, column in zip(table.column_names, table.columns, strict=True):
        if not (pa.types.is_floating(column.type) or pa.types.is_integer(column.type)):
            continue
        values = np.array([value for value in column.to_pylist() if value is not None], np.float64)
        values = values[np.isfinite(values)]
        if len(values) >= FEWEST_RUNS:
            at = np.quantile(values, PROBABILITIES)
            pairs = [[p, float(value)] for p, value in zip(PROBABILITIES, at, strict=True)]
            made[name] = {"quantiles": pairs, "runs": len(values), "name": folder.name}
    return made
