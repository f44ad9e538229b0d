"""All seeds under all modes, and what can be said about the differences."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

from experiments import library
from experiments.build import build
from experiments.config import resolved_toml
from experiments.margin_modes.measures import MEASURES, OPTIONAL, Figures
from experiments.margin_modes.worlds import MODES, Worlds
from experiments.scenario import Scenario
from experiments.statistics.means import Estimate, estimate, paired
from experiments.store.rows import OK
from experiments.store.store import TABLES, Store
from experiments.study.designs import Block, Designs
from experiments.study.load import Loaded
from experiments.study.model import Seeds, Study
from experiments.study.resolve import Change, Resolver
from experiments.sweep.command import Call, do
from experiments.sweep.plan import Plan
from market.errors import InputError

PAIRS = (("cross", "isolated"), ("portfolio", "cross"), ("portfolio", "isolated"))
"""(mode, other): differences are of the first less the second, seed by seed."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Figures by mode and seed, in the order of `seeds`."""

    title: str
    seeds: tuple[int, ...]
    figures: dict[str, tuple[Figures, ...]]
    assumptions: tuple[str, ...]

    @cached_property
    def measures(self) -> tuple[str, ...]:
        """Those that every run has."""
        rows = [row for rows in self.figures.values() for row in rows]
        return tuple(name for name in MEASURES if all(name in row for row in rows))

    def values(self, name: str, mode: str) -> list[float | None]:
        """One figure of every seed."""
        return [row[name] for row in self.figures[mode]]

    def level(self, name: str, mode: str) -> Estimate:
        """Mean over the seeds."""
        return estimate(self.values(name, mode))

    def difference(self, name: str, mode: str, other: str) -> Estimate:
        """Mean of the paired differences."""
        return paired(self.values(name, mode), self.values(name, other))


def compare(found: Worlds, *, title: str, seeds: range, call: Call) -> Comparison:
    """Simulate every seed under every mode, as far as it is not stored. The figures do not depend on the workers.

    Raises InputError for a world that cannot be simulated.
    """
    plan = plan_of(found, seeds)
    store = Store(call.store)
    store.check()
    if len(plan.missing(store.stored_keys(kept=plan.study.keep, only_ok=True))):
        build(found.scenarios[MODES[0]], seed=seeds.start)  # what is wrong is said with its place
        progress = do(plan, store, replace(call, retry=True))
        if progress.left:
            raise KeyboardInterrupt
    failed = [row for row in store.runs(plan.table(), ()).to_pylist() if row["status"] != OK]
    if failed:
        raise InputError(f"seed {failed[0]['run_seed']}: {failed[0]['error']}")
    return Comparison(title=title, seeds=tuple(seeds), figures=_figures(plan, store), assumptions=found.assumptions)


def plan_of(found: Worlds, seeds: range) -> Plan:
    """The three worlds as designs of one base, the isolated one."""
    base = found.scenarios[MODES[0]]
    changes = [tuple(_differing(base, found.scenarios[mode])) for mode in MODES]
    block = Block(len(MODES), lambda row: list(changes[row]), CHANGED)
    study = Study(scenario=found.name, twin=True, seeds=Seeds(first=seeds.start, count=len(seeds)), keep=("margin",))
    resolver = Resolver(resolved_toml(base))
    return Plan(Loaded(file=library.find(found.name), study=study, resolver=resolver, designs=Designs((block,))))


CHANGED = ("population", "venue.margin")
"""Tables in which the worlds differ."""


def _differing(base: Scenario, other: Scenario) -> Iterator[Change]:
    """What makes the other world of the base."""
    if other.population != base.population:
        yield Change("population", tomllib.loads(resolved_toml(other.population)))
    if other.venue.margin != base.venue.margin:
        yield Change("venue.margin", tomllib.loads(resolved_toml(other.venue.margin)))


def _figures(plan: Plan, store: Store) -> dict[str, tuple[Figures, ...]]:
    """The table `margin` of every run, by mode, in the order of the seeds."""
    rows = store.query(
        """SELECT DISTINCT ON (key) stored.*, plan.design_number, plan.run_seed
        FROM stored JOIN plan USING (key)""",
        folder=f"{TABLES}/margin",
        plan=plan.table(),
    ).to_pylist()
    meta = ("key", "design_number", "run_seed")
    moving = any(row.get(OPTIONAL) is not None for row in rows)
    made = {
        (row["design_number"], row["run_seed"]): {
            name: value for name, value in row.items() if name not in meta and (name != OPTIONAL or moving)
        }
        for row in rows
    }
    return {mode: tuple(made[number, seed] for seed in plan.seeds) for number, mode in enumerate(MODES)}
