"""Where one run lies among many: quantiles of every figure over the runs of a study's base design.

Read from folders that `cascade export STUDY --out DIR` wrote (`runs.parquet` has one row per run, `base.toml` the
scenario), and from stores, where `cascade sweep STUDY` keeps its runs.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from experiments.scenario import Scenario
from experiments.store import store
from experiments.store.rows import META, OK
from market.errors import InputError

PROBABILITIES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
FEWEST_RUNS = 10
"""Of fewer runs no distribution is told."""
RUNS, BASE = "runs.parquet", "base.toml"


def folders(places: Iterable[Path]) -> list[Path]:
    """Exported studies and stores among these folders and the folders in them."""
    found = [inner for place in places if place.is_dir() for inner in (place, *sorted(place.iterdir()))]
    return [folder for folder in found if _exported(folder) or _stored(folder)]


def _exported(folder: Path) -> bool:
    return (folder / RUNS).is_file() and (folder / BASE).is_file()


def _stored(folder: Path) -> bool:
    return (folder / store.BASES).is_dir() and (folder / store.RUNS).is_dir()


def distribution(scenario: Scenario, studies: Iterable[Path]) -> dict[str, Any] | None:
    """{figure: {"quantiles": [[p, value] ...], "runs", "name"}} of the first study of this scenario; None for none.

    A study is one of the scenario when it has its summary, assets and instruments, whatever else was changed.
    """
    for folder in studies:
        for base, runs in _bases(folder):
            if _same(base, scenario) and (found := _quantiles(runs(), folder.name)):
                return found
    return None


def _bases(folder: Path) -> Iterator[tuple[str, Callable[[], pa.Table | None]]]:
    """(resolved scenario, its runs) of each base in a folder; what cannot be read is left out."""
    if _exported(folder):
        with suppress(OSError, ValueError):
            yield (folder / BASE).read_text("utf-8"), lambda: _rows_of_export(folder)
        return
    kept = store.Store(str(folder))
    for name in kept.place.names(store.BASES, ".toml"):
        with suppress(InputError, ValueError):
            base = name.removesuffix(".toml")
            yield kept.base(base), lambda base=base: _rows_of_base(kept, base)  # type: ignore[misc]


def _same(text: str, scenario: Scenario) -> bool:
    try:
        base = tomllib.loads(text)
    except ValueError:
        return False
    return (
        base.get("summary") == scenario.summary
        and list(base.get("assets", ())) == list(scenario.assets)
        and list(base.get("instruments", ())) == list(scenario.instruments)
    )


def _rows_of_export(folder: Path) -> pa.Table | None:
    try:
        table = pq.read_table(folder / RUNS)
    except (OSError, pa.ArrowException):
        return None
    if "changes" in table.column_names:
        base = np.array([text in ("", "{}") for text in table.column("changes").to_pylist()], bool)
        table = table.filter(pa.array(base)) if base.any() else table
    return table


def _rows_of_base(kept: store.Store, base: str) -> pa.Table | None:
    """Runs of a base as it is, each once: with another twin it has another key and the same figures."""
    names = ", ".join(f'"{name}"' for name in META.names)
    try:
        return kept.query(
            f"""SELECT * EXCLUDE ({names}) FROM stored
            WHERE base = '{base}' AND changes IN ('', '{{}}') AND strategies IN ('', '[]') AND status = '{OK}'
            QUALIFY row_number() OVER (PARTITION BY seed ORDER BY results_version DESC, twin DESC, key) = 1"""
        )
    except (OSError, duckdb.Error):
        return None


def _quantiles(table: pa.Table | None, study: str) -> dict[str, Any]:
    made: dict[str, Any] = {}
    if table is None:
        return made
    for name, column in zip(table.column_names, table.columns, strict=True):
        if not (pa.types.is_floating(column.type) or pa.types.is_integer(column.type)):
            continue
        values = np.array([value for value in column.to_pylist() if value is not None], np.float64)
        values = values[np.isfinite(values)]
        if len(values) >= FEWEST_RUNS:
            at = np.quantile(values, PROBABILITIES)
            pairs = [[p, float(value)] for p, value in zip(PROBABILITIES, at, strict=True)]
            made[name] = {"quantiles": pairs, "runs": len(values), "name": study}
    return made
