"""Runs as rows, and rows as Parquet parts."""

from __future__ import annotations

import hashlib
import io
import json
import math
import secrets
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from experiments.store.place import Place

OK, FAILED, KILLED = "ok", "failed", "killed"
"""What became of a run: it has figures; it raised an error; it took its process with it whenever it was tried."""

META = pa.schema(
    [
        ("key", pa.string()),
        ("design", pa.string()),
        ("seed", pa.int64()),
        ("status", pa.string()),
        ("error", pa.string()),
        ("digest", pa.string()),
        ("base", pa.string()),
        ("changes", pa.string()),
        ("twin", pa.bool_()),
        ("strategies", pa.string()),
        ("kept", pa.string()),
        ("manifest", pa.string()),
        ("results_version", pa.int32()),
        ("wall_seconds", pa.float64()),
        ("cpu_seconds", pa.float64()),
    ]
)
"""What every row has beside the figures. `kept` names the tables that are stored of the run, with commas around."""

LARGEST_EXACT = 2**53


@dataclass(frozen=True, kw_only=True)
class Row:
    """One finished run."""

    key: str
    design: str
    seed: int
    base: str
    """The resolved base scenario, `bases/BASE.toml`."""
    changes: str
    """What the design changes in it, as JSON: path -> value."""
    twin: bool
    strategies: str
    """JSON list of FILE.py:CLASS."""
    manifest: str
    """The call that simulated it, `manifests/MANIFEST.json`."""
    results_version: int
    wall_seconds: float
    cpu_seconds: float = 0.0
    status: str = OK
    error: str = ""
    kept: tuple[str, ...] = ()
    figures: Mapping[str, float | str | None] = field(default_factory=dict)

    def meta(self) -> dict[str, Any]:
        """The columns of `META`."""
        own = {name: getattr(self, name) for name in META.names if name not in ("kept", "digest")}
        return {**own, "kept": kept_text(self.kept), "digest": digest(self.figures) if self.status == OK else ""}


def kept_text(tables: Iterable[str]) -> str:
    """How the names of stored tables are written in a row."""
    return "".join(f",{name}" for name in sorted(tables)) + ","


def figures(kpis: Mapping[str, Any]) -> dict[str, float | str | None]:
    """The figures of a run as they are stored: numbers as 64-bit floats, text as it is, None where undefined.

    Raises ValueError naming a figure that is not a number or too large to be exact.
    """
    found: dict[str, float | str | None] = {}
    for name, value in kpis.items():
        if name in META.names:
            raise ValueError(f"{name}: a figure has the name of a column of the store")
        if value is None or isinstance(value, str):
            found[name] = value
            continue
        number = float(value)
        if not math.isfinite(number):
            raise ValueError(f"{name} is {number}")
        if abs(number) > LARGEST_EXACT and int(value) == value and not isinstance(value, float):
            raise ValueError(f"{name} is {value}, too large to be stored exactly")
        found[name] = number
    return found


def digest(found: Mapping[str, float | str | None]) -> str:
    """A hash of all figures: equal for two runs exactly if every figure is."""
    text = json.dumps(dict(sorted(found.items())), separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def table(rows: Sequence[Row]) -> pa.Table:
    """Rows as an Arrow table: META first, then every figure that one of them has."""
    meta = [row.meta() for row in rows]
    columns = {
        name: pa.array([row[name] for row in meta], kind) for name, kind in zip(META.names, META.types, strict=True)
    }
    for name in dict.fromkeys(name for row in rows for name in row.figures):
        values = [row.figures.get(name) for row in rows]
        text = any(isinstance(value, str) for value in values)
        columns[name] = pa.array(values, pa.string() if text else pa.float64())
    return pa.table(columns)


def write_part(place: Place, folder: str, data: pa.Table, *, ending: str = ".parquet") -> str:
    """Write one part; return its name, which no other part has, and which sorts by time. Raises Unwritable."""
    buffer = io.BytesIO()
    pq.write_table(data, buffer, compression="zstd")
    name = f"{time.time_ns() // 1_000_000:013d}-{secrets.token_hex(6)}{ending}"
    place.write(f"{folder}/{name}", buffer.getvalue())
    return name
