"""The store: parts of many runs each, written by whoever simulates and read through DuckDB.

```
STORE/runs/PART.parquet          rows of runs (experiments/store/rows.py)
STORE/tables/NAME/PART.parquet   tables kept of runs
STORE/bases/BASE.toml            resolved scenarios that rows are changes of
STORE/manifests/ID.json          who simulated them: versions, commit, platform, arguments, study
STORE/damaged/                   parts that were found cut off
```

Nothing is ever changed in place and nobody locks anything: any number of processes may write. What two of them have
simulated both is there twice, must be equal, and counts once.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Collection, Iterable, Sequence
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from experiments.store.place import Place
from experiments.store.rows import META, OK, Row, table, write_part
from experiments.store.version import RESULTS_VERSION
from market.errors import InputError

RUNS, TABLES, BASES, DAMAGED = "runs", "tables", "bases", "damaged"
FORMAT = 1
"""Of the files; a store of a later one is left alone."""
MANY_SMALL = 64
"""So many parts that are not full are put together."""
FULL_ROWS = 1 << 14
FULL = "-full.parquet"
"""How the name of a part ends that is not put together with others any more."""
MOST_TOLD = 5
"""Runs with two results that are told one by one."""
ATTEMPTS = 5
"""Times that reading begins anew because another process has put parts together meanwhile."""


class Mismatch(InputError):
    """One run, simulated twice, gave two results."""


class Store:
    """Finished runs at one place."""

    def __init__(self, where: str) -> None:
        self.place = Place(where)
        self.notes: list[str] = []
        """What was found damaged, one line each."""
        self._whole: set[str] = set()

    def check(self) -> None:
        """Make sure that it can be written and is of this program. Raises InputError."""
        said = self.place.names("", ".format")
        if [name for name in said if name != f"store-{FORMAT}.format"]:
            raise InputError(f"{self.place}: a store of another version of the program ({', '.join(said)})")
        self.place.check()
        if not said:
            self.place.write(f"store-{FORMAT}.format", b"cascade-lab\n")

    # Writing

    def write(self, rows: Sequence[Row]) -> str:
        """Store runs; return the name of the part. Raises InputError when the place is full or unwritable."""
        return write_part(self.place, RUNS, table(rows))

    def write_tables(self, name: str, frames: Iterable[tuple[str, pd.DataFrame]]) -> None:
        """Store tables of runs, (key, table) each."""
        keyed = [frame.assign(key=key) for key, frame in frames]
        if keyed:
            data = pa.Table.from_pandas(pd.concat(keyed, ignore_index=True), preserve_index=False)
            write_part(self.place, f"{TABLES}/{name}", data)

    def add_base(self, text: str) -> str:
        """Store a resolved scenario; return its name."""
        base = hashlib.sha256(text.encode()).hexdigest()[:32]
        if f"{base}.toml" not in self.place.names(BASES, ".toml"):
            self.place.write(f"{BASES}/{base}.toml", text.encode())
        return base

    def base(self, base: str) -> str:
        """The text of a resolved scenario. Raises InputError when it is gone."""
        try:
            return self.place.read(f"{BASES}/{base}.toml").decode()
        except FileNotFoundError:
            raise InputError(f"{self.place.path(f'{BASES}/{base}.toml')}: no such file, and runs need it") from None

    # Reading

    def parts(self, folder: str = RUNS) -> list[str]:
        """The parts of a folder, by their path in the store.

        One that is cut off is moved to `damaged`, said in `notes`, and counts no more.
        """
        found = []
        for name in self.place.names(folder, ".parquet"):
            path = f"{folder}/{name}"
            try:
                if path not in self._whole and not self.place.ends_with(path, b"PAR1"):
                    self.place.move(path, f"{DAMAGED}/{name}")
                    where = self.place.path(f"{DAMAGED}/{name}")
                    self.notes.append(f"{self.place.path(path)}: cut off; moved to {where}, its runs count as not done")
                    continue
            except FileNotFoundError:  # merged by another process
                continue
            self._whole.add(path)
            found.append(path)
        return found

    def query(self, sql: str, *, folder: str = RUNS, **tables: pa.Table) -> pa.Table:
        """The answer to a question about `stored`, the rows of all parts, and the `tables` given by name."""
        for attempt in range(ATTEMPTS):
            try:
                return self._answer(sql, self.parts(folder), tables)
            except (duckdb.IOException, FileNotFoundError):
                if attempt == ATTEMPTS - 1:
                    raise
        raise AssertionError("unreachable")

    def _answer(self, sql: str, parts: list[str], tables: dict[str, pa.Table]) -> pa.Table:
        with duckdb.connect() as connection:
            for name, data in tables.items():
                connection.register(name, data)
            if parts:
                stored = connection.read_parquet([self.place.here(part) for part in parts], union_by_name=True)
            else:
                stored = connection.from_arrow(META.empty_table())
            stored.create_view("stored")
            try:
                return connection.sql(sql).to_arrow_table()
            except RuntimeError as error:
                if "interrupted" not in str(error):
                    raise
                # DuckDB notices Ctrl-C before Python does, and says so in words of its own.
                raise KeyboardInterrupt from None

    def stored_keys(self, *, kept: Collection[str] = (), only_ok: bool = False) -> set[str]:
        """Keys of the runs that are stored, with their tables in `kept`; failed ones too unless `only_ok`."""
        conditions = [f"kept LIKE '%,{name},%'" for name in kept]
        wanted = " AND ".join([f"status = '{OK}'", *conditions])
        where = wanted if only_ok else f"({wanted}) OR status <> '{OK}'"
        found = self.query(f"SELECT key FROM stored WHERE {where}")
        return set(found.column("key").to_pylist())

    def runs(self, plan: pa.Table, columns: Sequence[str]) -> pa.Table:
        """The stored runs of a plan, each once: a row with status, error and `columns` beside every row of the plan.

        `plan` has a column `key`, each value once, and any others. A figure that no run has is null everywhere. Raises
        Mismatch.
        """
        repeated = self.check_twice(plan)
        known = set(self.query("SELECT column_name FROM (DESCRIBE stored)").column(0).to_pylist())
        wanted = [f'"{name}"' if name in known else f'NULL AS "{name}"' for name in columns]
        mine = "SELECT * FROM stored SEMI JOIN plan USING (key)"
        if repeated:  # the one with figures, and the most tables
            best = f"(status = '{OK}') DESC, length(kept) DESC, manifest"
            mine += f" QUALIFY row_number() OVER (PARTITION BY key ORDER BY {best}) = 1"
        return self.query(
            f"""SELECT plan.*, status, error, {", ".join(wanted) or "1"}
            FROM plan JOIN ({mine}) USING (key)""",
            plan=plan,
        )

    def row(self, key: str) -> dict[str, Any]:
        """The stored run whose key begins so. Raises InputError when there is none, or more than one."""
        if not key or not set(key) <= set("0123456789abcdef"):
            raise InputError(f"{key!r}: not a key; keys are the 32 hexadecimal digits in column key")
        found = self.query(
            f"""SELECT * FROM stored WHERE key LIKE '{key}%'
            ORDER BY (status = '{OK}') DESC, length(kept) DESC LIMIT 1000"""
        ).to_pylist()
        keys = {row["key"] for row in found}
        if len(keys) != 1:
            what = "no run" if not keys else f"{len(keys)} runs"
            raise InputError(f"{self.place}: {what} whose key begins with {key}")
        return {str(name): value for name, value in found[0].items()}

    def check_twice(self, plan: pa.Table | None = None) -> int:
        """Make sure that whatever was simulated twice gave the same figures both times. Raises Mismatch.

        Returns how many keys, of the plan where there is one, are stored more than once.
        """
        only = "" if plan is None else "SEMI JOIN plan USING (key)"
        repeated = self.query(
            f"""SELECT key, min(digest) FILTER (status = '{OK}') <> max(digest) FILTER (status = '{OK}') AS differ
            FROM stored {only} GROUP BY key HAVING count(*) > 1 ORDER BY key""",
            **({} if plan is None else {"plan": plan}),
        )
        keys = [row["key"] for row in repeated.to_pylist() if row["differ"]]
        if keys:
            raise Mismatch("\n".join(self._difference(key) for key in keys[:MOST_TOLD]))
        return len(repeated)

    def _difference(self, key: str) -> str:
        rows = self.query(
            f"SELECT * FROM stored WHERE key = '{key}' AND status = '{OK}' ORDER BY manifest, digest"
        ).to_pylist()
        first = rows[0]
        other = next(row for row in rows if row["digest"] != first["digest"])
        names = [name for name in first if name not in META.names and first[name] != other[name]]
        told = ", ".join(f"{name} {first[name]} and {other[name]}" for name in names[:3])
        return (
            f"{self.place}: run {key} (seed {first['seed']}, {first['changes']}) was simulated twice with different "
            f"results: {told}; see manifests {first['manifest']} and {other['manifest']}: other versions, another "
            "processor, or a program that is not reproducible"
        )

    def of_other_versions(self) -> int:
        """Stored runs that count no more, because results have changed since."""
        found = self.query(f"SELECT count(*) AS n FROM stored WHERE results_version <> {RESULTS_VERSION}")
        return int(found.column("n")[0].as_py())

    # Keeping it small

    def tidy(self) -> None:
        """Make sure that every run is there once, or equal, and put small parts together. Raises Mismatch."""
        self.compact(least=2 if self.check_twice() else MANY_SMALL)

    def compact(self, *, least: int = MANY_SMALL) -> int:
        """Put small parts together when there are at least `least`; return how many files fewer there are.

        The new part is durable before the old ones go. Rows that are there twice and equal become one. Raises Mismatch.
        """
        small = [name for name in self.place.names(RUNS, ".parquet") if not name.endswith(FULL)]
        if len(small) < least:
            return 0
        self.check_twice()
        fewer = 0
        batch: list[tuple[str, pa.Table]] = []
        for name in small:
            try:
                data = pq.read_table(io.BytesIO(self.place.read(f"{RUNS}/{name}")))
            except (FileNotFoundError, pa.ArrowInvalid):
                continue
            batch.append((name, data))
            if sum(len(data) for _, data in batch) >= FULL_ROWS:
                fewer += self._merge(batch)
                batch = []
        return fewer + self._merge(batch)

    def _merge(self, batch: list[tuple[str, pa.Table]]) -> int:
        if len(batch) < 2:
            return 0
        merged = pa.concat_tables([data for _, data in batch], promote_options="permissive")
        names = [field.name for field in merged.schema]
        seen: set[tuple[Any, ...]] = set()
        keep = []
        identity = zip(*(merged.column(name).to_pylist() for name in ("key", "status", "digest", "kept")), strict=True)
        for row in identity:
            keep.append(row not in seen)
            seen.add(row)
        once = merged.filter(pa.array(keep)).select(names)
        write_part(self.place, RUNS, once, ending=FULL if len(once) >= FULL_ROWS else ".parquet")
        for name, _ in batch:
            self.place.remove(f"{RUNS}/{name}")
        return len(batch) - 1
