"""`cascade diff`: what another design changes, in parameters and, seed by seed, in figures."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from experiments import library
from experiments.fields import leaves, plain
from experiments.statistics import intervals
from experiments.statistics.intervals import Interval
from experiments.store.rows import META, OK
from experiments.store.store import Store
from experiments.study.designs import Block, Designs
from experiments.study.load import Loaded, load_study
from experiments.study.model import Seeds, Study
from experiments.study.resolve import Resolver
from experiments.sweep.command import Call, do
from experiments.sweep.plan import Plan
from market.errors import InputError

MAIN = (
    "liquidation_count",
    "liquidated_account_count",
    "liquidated_notional_usd",
    "bad_debt_usd",
    "insurance_fund_used_usd",
    "adl_notional_usd",
    "socialised_loss_usd",
    "keeper_profit_usd",
    "capital_efficiency_ratio",
    "capital_relevered_ratio",
    "amplification",
)
"""The figures that are compared unless all are asked for."""


@dataclass(frozen=True, kw_only=True)
class Compared:
    """One figure under both designs."""

    kpi: str
    before: Interval
    after: Interval
    change: Interval
    """Of the mean, seed by seed."""


@dataclass(frozen=True, kw_only=True)
class Difference:
    """What changed."""

    values: tuple[tuple[str, Any, Any], ...]
    """Path, before, after; None where there is no such value."""
    figures: tuple[Compared, ...]
    seeds: int
    """Seeds that both have."""


def one_design(text: str, *, seeds: int, twin: bool) -> Loaded:
    """A scenario, by name or file, or one design of a study, STUDY.toml#NUMBER, as a study of its own.

    Raises InputError when there is none.
    """
    name, hash_sign, number = text.rpartition("#")
    if not hash_sign:
        file = library.find(text)
        study = Study(scenario=text, twin=twin, seeds=Seeds(count=seeds))
        return Loaded(file=file, study=study, resolver=Resolver(file), designs=Designs(()))
    loaded = load_study(name)
    if not number.isdigit() or int(number) >= len(loaded.designs):
        raise InputError(f"{text}: expected a design from 0 to {len(loaded.designs) - 1} after #")
    changes = loaded.designs[int(number)]
    block = Block(1, lambda _: list(changes), tuple(change.path for change in changes))
    own = replace(loaded.study, seeds=replace(loaded.study.seeds, count=seeds), twin=twin, keep=(), measures=())
    return replace(loaded, study=own, designs=Designs((block,)))


def difference(before: str, after: str, *, seeds: int, twin: bool, every: bool, call: Call) -> Difference:
    """Simulate what is not stored of both and compare. Raises InputError."""
    plans = [Plan(one_design(text, seeds=seeds, twin=twin)) for text in (before, after)]
    store = Store(call.store)
    store.check()
    for plan in plans:
        if len(plan.missing(store.stored_keys())):
            progress = do(plan, store, call)
            if progress.left:
                raise KeyboardInterrupt
    names = [
        str(name)
        for name in store.query("SELECT column_name FROM (DESCRIBE stored)").column(0).to_pylist()
        if name not in META.names
    ]
    kpis = [name for name in (names if every else MAIN) if name in names]
    tables = [_by_seed(store.runs(plan.table(), kpis)) for plan in plans]
    common = sorted(tables[0].keys() & tables[1].keys())
    found = [_compared(kpi, [[table[seed][kpi] for seed in common] for table in tables]) for kpi in kpis]
    scenarios = [plan.loaded.resolver.resolve(plan.loaded.designs[0]).world for plan in plans]
    values = [{leaf.path: plain(leaf.value) for leaf in leaves(scenario)} for scenario in scenarios]
    paths = [path for path in {**values[0], **values[1]} if values[0].get(path) != values[1].get(path)]
    return Difference(
        values=tuple((path, values[0].get(path), values[1].get(path)) for path in paths),
        figures=tuple(item for item in found if item is not None),
        seeds=len(common),
    )


def _by_seed(found: pa.Table) -> dict[int, dict[str, Any]]:
    return {row["run_seed"]: row for row in found.to_pylist() if row["status"] == OK}


def _compared(kpi: str, values: list[list[Any]]) -> Compared | None:
    """None for text, and for what is defined in no seed of both."""
    pairs = [(a, b) for a, b in zip(*values, strict=True) if a is not None and b is not None]
    if not pairs or any(isinstance(value, str) for value in pairs[0]):
        return None
    before, after = (np.array(column, np.float64) for column in zip(*pairs, strict=True))
    return Compared(
        kpi=kpi,
        before=intervals.mean(before),
        after=intervals.mean(after),
        change=intervals.mean(after - before),
    )


def as_json(found: Difference) -> dict[str, Any]:
    """Everything, for programs."""
    return {
        "seeds": found.seeds,
        "values": [{"path": path, "before": a, "after": b} for path, a, b in found.values],
        "figures": {
            item.kpi: {"before": asdict(item.before), "after": asdict(item.after), "change": asdict(item.change)}
            for item in found.figures
        },
    }


def title(text: str) -> str:
    """How one side is called in a heading."""
    return Path(text).stem if text.endswith(".toml") else text.rpartition("/")[2]
