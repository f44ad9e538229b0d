"""`cascade rerun`: one stored run once more, exactly, and whether it gives the same figures."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.fields import to_dict
from experiments.kinds import Finished, simulate
from experiments.store.keys import design_key, run_key
from experiments.store.rows import META, OK, digest, figures
from experiments.store.store import Store
from experiments.store.version import RESULTS_VERSION
from experiments.study.load import strategy_class
from experiments.sweep.work import resolved
from market.errors import InputError


@dataclass(frozen=True, kw_only=True)
class Rerun:
    """A run and what is stored of it."""

    row: dict[str, Any]
    finished: Finished
    differing: tuple[tuple[str, Any, Any], ...]
    """Figures that differ: name, stored, now."""

    @property
    def same(self) -> bool:
        """Whether every figure is the same to the bit."""
        return not self.differing


def rerun(store: Store, key: str) -> Rerun:
    """Simulate a stored run again. Raises InputError when what it was made from is not there any more."""
    row = store.row(key)
    if row["results_version"] != RESULTS_VERSION:
        raise InputError(
            f"run {row['key']} is of results version {row['results_version']}, this program of {RESULTS_VERSION}; "
            f"manifests/{row['manifest']}.json names its commit"
        )
    strategies = json.loads(row["strategies"])
    world = resolved(store.place.where, row["base"], row["changes"])
    design = design_key(to_dict(world), twin=row["twin"], strategies=strategies)
    if run_key(design, row["seed"]) != row["key"]:
        raise InputError(
            f"run {row['key']}: its price file, account file or strategy is not what it was, or the program has other "
            f"defaults; manifests/{row['manifest']}.json says which"
        )
    own = [strategy_class(text, beside=Path("/"))() for text in strategies]
    finished = simulate(world, seed=row["seed"], twin=row["twin"], strategies=own)
    now = figures(finished.kpis)
    stored = {name: row[name] for name in row if name not in META.names}
    names = [name for name in {**stored, **now} if stored.get(name) != now.get(name)]
    if row["status"] != OK:
        names = ["status"]
        stored, now = {"status": f"{row['status']}: {row['error']}"}, {"status": OK}
    elif now.keys() <= stored.keys() and digest({name: stored[name] for name in now}) != row["digest"]:
        raise InputError(f"run {row['key']}: its stored figures are not those that were written")
    differing = tuple((name, stored.get(name), now.get(name)) for name in names)
    return Rerun(row=row, finished=finished, differing=differing)
