"""Snapshots in a run's folder: one row each, their parts as JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from experiments.run import State, Trace
from market.errors import InputError

SNAPSHOTS_FILE = "snapshots.parquet"
VERSION = 1
"""Number of the layout of the file."""
PARTS = ("ladder", "ratios", "waterfall", "at_risk", "kpis")


def write_snapshots(trace: Trace, path: Path) -> None:
    """Write the snapshots of a run that kept some."""
    columns = {"tick": [state["tick"] for state in trace.snapshots]}
    for part in PARTS:
        columns[part] = [json.dumps(state[part], separators=(",", ":"), allow_nan=False) for state in trace.snapshots]
    table = pa.table(columns).replace_schema_metadata({"layout": str(VERSION)})
    pq.write_table(table, path, compression="zstd")


def read_snapshots(path: Path) -> list[State]:
    """The snapshots. Raises InputError when the file cannot be read or is of another layout."""
    try:
        table = pq.read_table(path)
        layout = (table.schema.metadata or {}).get(b"layout", b"none").decode()
        if layout != str(VERSION):
            raise InputError(f"{path}: has layout {layout}, this program reads {VERSION}; simulate the scenario again")
        rows = table.to_pylist()
        return [{"tick": row["tick"], **{part: json.loads(row[part]) for part in PARTS}} for row in rows]
    except InputError:
        raise
    except (pa.ArrowException, OSError, KeyError, ValueError) as error:
        raise InputError(f"{path}: cannot be read, it is damaged or cut short ({_first_line(error)})") from None


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
