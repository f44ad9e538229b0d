"""Golden runs: what a short cut of every embedded scenario gave when somebody last looked at it and agreed.

`python -m tests.golden` shows what is different now and writes it down; `--check` only shows. Whole numbers and digests
of the engine's integers must be equal, floating-point figures agree to `RELATIVE`. That holds on processors that agree
on the last bit of exp and log; `arithmetic` tells whether two do.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from experiments.fields import scenario_hash
from experiments.run import simulate
from experiments.store.version import RESULTS_VERSION
from experiments.systems.run import simulate_system
from tests.cuts import CUTS, SYSTEM_CUTS, cut, cut_system, digests

FOLDER = Path(__file__).resolve().parent
SEED = 1
RELATIVE = 1e-9

Golden = dict[str, dict[str, Any]]


def arithmetic() -> str:
    """Digest of exp, log and powers as this machine rounds them, by numpy and by the C library."""
    x = np.geomspace(1e-6, 30.0, 20_000)
    scalars = np.array([[math.exp(-v), math.log(v), v**0.37] for v in x[::10].tolist()])
    parts = (np.exp(-x), np.log(x), x**0.37, scalars)
    return hashlib.sha256(b"".join(part.tobytes() for part in parts)).hexdigest()[:16]


def file_of(name: str) -> Path:
    """Where the golden run of a scenario is kept."""
    return FOLDER / f"{name}.json"


def measured(name: str) -> Golden:
    """The run as it is now."""
    if name in SYSTEM_CUTS:
        return _measured_system(name)
    scenario = cut(name)
    result = simulate(scenario, seed=SEED)
    return {
        "machine": {"arithmetic": arithmetic()},
        "program": {"results_version": RESULTS_VERSION},
        "run": {"seed": SEED, "cut": list(CUTS[name]), "scenario_hash": scenario_hash(scenario)},
        "integers": digests(result.main.built.world),
        "kpis": json.loads(json.dumps(result.kpis, default=float)),
    }


def _measured_system(name: str) -> Golden:
    """The same of a run over several venues."""
    scenario = cut_system(name)
    result = simulate_system(scenario, seed=SEED)
    worlds = {venue: one.main.built.world for venue, one in result.venues.items()}
    parts = {f"{venue}.{part}": found for venue, world in worlds.items() for part, found in digests(world).items()}
    return {
        "machine": {"arithmetic": arithmetic()},
        "program": {"results_version": RESULTS_VERSION},
        "run": {"seed": SEED, "cut": list(SYSTEM_CUTS[name]), "scenario_hash": scenario_hash(scenario)},
        "integers": parts,
        "kpis": json.loads(json.dumps(result.kpis, default=float)),
    }


def stored(name: str) -> Golden:
    """The run as it was agreed on; empty when there is none."""
    file = file_of(name)
    found: Golden = json.loads(file.read_text()) if file.is_file() else {}
    return found


def differences(name: str, old: Golden, new: Golden) -> Iterator[str]:
    """One line for each value that differs, and first why: a changed scenario, or a changed program."""
    if not old:
        yield f"{name}: there was no golden run"
        return
    lines = [
        f"{name}: {part}.{key}: {before} -> {now}"
        for part in ("integers", "kpis")
        for key in {**old[part], **new[part]}
        if not _same(before := old[part].get(key, "absent"), now := new[part].get(key, "absent"))
    ]
    if lines:
        same = old["run"] == new["run"]
        yield f"{name}: the scenario is {'the same, the program differs' if same else 'another one'}"
        yield from lines


def voids_stored_runs(old: Golden, new: Golden) -> bool:
    """Whether the same scenario gives other results under the same results version: stores would mix the two."""
    same_run = bool(old) and old["run"] == new["run"]
    before = old.get("program", {"results_version": 1})["results_version"]
    return same_run and before == new["program"]["results_version"] and any(differences("", old, new))


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=RELATIVE, abs_tol=RELATIVE)
    return type(one) is type(other) and bool(one == other)
