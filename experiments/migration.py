"""Who becomes liquidatable the moment a change of rules is switched on; nothing is simulated.

The same accounts at the same prices are assessed under both sets of rules. Phased, every number that differs goes from
its current to its proposed value in equal steps, what is no number changes with the last step, and nobody acts: the
steps say how many would have to act before each of them, and with how much money.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments import library, show
from experiments.build import build
from experiments.config import Override, resolved_toml
from experiments.fields import leaves, plain
from experiments.frames import quote_usd
from experiments.run import opening_of
from experiments.scenario import Scenario, load
from experiments.study.resolve import Change, Resolver
from market.errors import InputError
from market.instruments import USD_QUANTA
from market.kernels.records import LIQUIDATABLE, OPTION

TOP = 20
"""Accounts that are listed."""


@dataclass(frozen=True, kw_only=True)
class Hit:
    """An account that the change makes liquidatable."""

    account: str
    notional_usd: float
    """Of its positions, at the mark."""
    net_equity_usd: float
    excess_before_usd: float
    """Margin excess under the current rules."""
    shortfall_usd: float
    """What it would have to add to keep its positions."""
    step: int
    """With which step, counted from 1, when the change is phased."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """What one step does to those who were not liquidatable before it."""

    account_count: int
    notional_usd: float
    shortfall_usd: float


@dataclass(frozen=True, kw_only=True)
class Migration:
    """Both ways of switching over."""

    account_count: int
    """Accounts that can be liquidated at all."""
    already_count: int
    """Of these, liquidatable under the current rules already."""
    freed_count: int
    """Of these, liquidatable now and not under the proposed rules."""
    immediate: Step
    phased: tuple[Step, ...]
    hits: tuple[Hit, ...]
    """The largest first."""
    notes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class _Assessed:
    names: tuple[str, ...]
    excess: NDArray[np.float64]
    net: NDArray[np.float64]
    notional: NDArray[np.float64]
    notes: tuple[str, ...]


def rules(name: str, *, base: str, accounts: Path) -> Scenario:
    """A scenario, or the rules of a venue laid over `base`, with the accounts of a file. Raises InputError."""
    population = [
        Override(("population", key), value, f"--accounts {accounts}")
        for key, value in (("kind", "file"), ("file", str(accounts)))
    ]
    path = Path(name)
    venue = name in library.venues() if not path.is_file() else _is_venue(path)
    scenario, _ = load(base if venue else name, venue=name if venue else None, overrides=population)
    return scenario


def _is_venue(file: Path) -> bool:
    """Whether a file has a venue's tables alone: a scenario has a reference or extends one that does."""
    import tomllib

    try:
        said = tomllib.loads(file.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        return False  # the loader says what is wrong
    return (
        "venue" in said
        and said.keys() <= {"venue", "agents", "extends"}
        and said.get("extends") in (None, *library.venues())
    )


def migrate(current: Scenario, proposed: Scenario, *, steps: int, seed: int = 1) -> Migration:
    """Compare two sets of rules on the same accounts. Raises InputError when either cannot be built."""
    before, after = _assess(current, seed), _assess(proposed, seed)
    if before.names != after.names:
        raise InputError(
            "the two sets of rules have different accounts; expected the same assets, instruments and agents"
        )
    stages = [_assess(scenario, seed) for scenario in phases(current, proposed, steps=steps)] + [after]
    first = np.zeros(len(before.names), np.int64)
    phased = []
    for number, stage in enumerate(stages, start=1):
        new = (stage.excess < 0.0) & (before.excess >= 0.0) & (first == 0)
        first[new] = number
        phased.append(_step(stage, new))
    hit = (before.excess >= 0.0) & (after.excess < 0.0)
    order = [at for at in np.argsort(-after.notional, kind="stable").tolist() if hit[at]]
    return Migration(
        account_count=len(before.names),
        already_count=int((before.excess < 0.0).sum()),
        freed_count=int(((before.excess < 0.0) & (after.excess >= 0.0)).sum()),
        immediate=_step(after, hit),
        phased=tuple(phased),
        hits=tuple(_hit(before, after, at, int(first[at])) for at in order),
        notes=after.notes,
    )


def _hit(before: _Assessed, after: _Assessed, at: int, step: int) -> Hit:
    return Hit(
        account=after.names[at],
        notional_usd=float(after.notional[at]),
        net_equity_usd=float(after.net[at]),
        excess_before_usd=float(before.excess[at]),
        shortfall_usd=float(-after.excess[at]),
        step=step,
    )


def _step(found: _Assessed, rows: NDArray[np.bool_]) -> Step:
    return Step(
        account_count=int(rows.sum()),
        notional_usd=float(found.notional[rows].sum()),
        shortfall_usd=float(-found.excess[rows].sum()),
    )


def _assess(scenario: Scenario, seed: int) -> _Assessed:
    built = build(scenario, seed=seed)
    world = built.world
    opening = opening_of(world)
    rows = np.flatnonzero(world.ledger.accounts["flags"] & LIQUIDATABLE)
    lots = np.where(world.instruments["kind"] == OPTION, 0, opening.lots[rows])
    value = opening.marks * world.instruments["tick_value"] * quote_usd(world)
    return _Assessed(
        names=tuple(world.ledger.names[row] for row in rows.tolist()),
        excess=(opening.assessment[rows, 0] - opening.assessment[rows, 2]) / USD_QUANTA,
        net=opening.assessment[rows, 1] / USD_QUANTA,
        notional=(np.abs(lots) * value).sum(axis=1),
        notes=built.notes,
    )


def phases(current: Scenario, proposed: Scenario, *, steps: int) -> list[Scenario]:
    """The rules of all steps but the last: numbers on their way from the current to the proposed value."""
    if steps < 1:
        raise InputError("--steps: expected 1 or more")
    goals = {leaf.path: plain(leaf.value) for leaf in leaves(proposed)}
    differ = {
        leaf.path: (float(leaf.value), float(goals[leaf.path]))
        for leaf in leaves(current)
        if _number(leaf.value) and _number(goals.get(leaf.path)) and leaf.value != goals[leaf.path]
    }
    resolver = Resolver(resolved_toml(current))
    return [resolver.resolve(_between(differ, number / steps)).scenario for number in range(1, steps)]


def _number(value: Any) -> bool:
    return isinstance(value, float)


def _between(differ: Mapping[str, tuple[float, float]], share: float) -> list[Change]:
    return [Change(path, now + share * (then - now)) for path, (now, then) in differ.items()]


def as_json(found: Migration) -> dict[str, Any]:
    """Everything, for programs."""
    return asdict(found)


def print_found(found: Migration) -> None:
    """Totals of both ways, then the largest accounts."""
    for note in found.notes:
        print(f"note: {note}")
    print(
        f"{found.account_count:,} accounts, {found.already_count:,} liquidatable already, {found.freed_count:,} freed"
    )
    rows = [_row("at once", found.immediate)]
    rows += [_row(f"step {at} of {len(found.phased)}", step) for at, step in enumerate(found.phased, start=1)]
    show.print_table(
        rows,
        header=("switched on", "newly liquidatable", "notional, USD", "they would have to add, USD"),
        right=(1, 2, 3),
    )
    if not found.hits:
        return
    print(f"\nThe largest {min(TOP, len(found.hits))} of them, in USD")
    columns = ("account", "notional", "net equity", "margin excess now", "shortfall then", "with step")
    show.print_table([_cells(hit) for hit in found.hits[:TOP]], header=columns, right=(1, 2, 3, 4, 5))


def _cells(hit: Hit) -> tuple[str, ...]:
    figures = (hit.notional_usd, hit.net_equity_usd, hit.excess_before_usd, hit.shortfall_usd)
    return (hit.account, *(f"{value:,.0f}" for value in figures), str(hit.step))


def _row(what: str, step: Step) -> tuple[str, str, str, str]:
    return what, f"{step.account_count:,}", f"{step.notional_usd:,.0f}", f"{step.shortfall_usd:,.0f}"
