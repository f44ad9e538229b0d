"""What `cascade counterfactual` makes of its options, prints and writes."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from experiments import folder, show
from experiments.config import Override, parse_override
from experiments.counterfactual import page
from experiments.counterfactual.compare import Alternative, Comparison, figure_names
from experiments.counterfactual.measure import FIGURES
from experiments.counterfactual.setting import Setting
from experiments.counterfactual.words import cell, sided, single
from experiments.report.words import count, listed, money, sentence
from market.errors import InputError

SEEDS = 10
"""Seeds of a scenario unless said otherwise."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What the counterfactual world is without, and what is otherwise in it."""

    accounts: Sequence[str] = ()
    keepers: Sequence[str] = ()
    assets: Sequence[str] = ()
    venues: Sequence[str] = ()
    better_oracle: bool = False
    sets: Sequence[str] = ()


def alternatives(found: Setting, wanted: Wanted, *, each: bool) -> list[Alternative]:
    """One alternative with all that is wanted, or one of each. Raises InputError when nothing is."""
    if wanted.venues and not found.systemic:
        raise InputError(f"--without-venue {wanted.venues[0]}: {found.name} has one venue")
    keepers = [_keeper(text, systemic=found.systemic) for text in wanted.keepers]
    parts = [
        *(("accounts", name) for name in (*wanted.accounts, *keepers)),
        *(("assets", name) for name in wanted.assets),
        *(("venues", name) for name in wanted.venues),
    ]
    groups = [[part] for part in parts] if each else [parts] * bool(parts)
    made = [
        Alternative(
            label=f"without {listed([_called(field, name) for field, name in group])}",
            overrides=_left_out(group, found),
        )
        for group in groups
    ]
    if wanted.better_oracle:
        made.append(Alternative(label="with perfect oracles", overrides=("without.oracle_errors=true",)))
    said = [Alternative(label=f"with {text}", overrides=(text,)) for text in wanted.sets]
    made += said
    for text in wanted.sets:
        parse_override(text)
    if not made:
        raise InputError(
            "nothing to leave out or change: give --without-account, --without-keeper, --without-asset, "
            "--without-venue, --better-oracle or --set"
        )
    if each or len(made) == 1:
        return made
    together = tuple(override for one in made for override in one.overrides)
    return [Alternative(label=" and ".join(one.label for one in made), overrides=together)]


def _called(field: str, name: str) -> str:
    return {"assets": f"the shock to {name}", "venues": f"venue {name}"}.get(field, name)


def _keeper(text: str, *, systemic: bool) -> str:
    """ "3" is the third fastest keeper, "keeper-03"; of several venues "lender:3"."""
    venue, colon, name = text.rpartition(":")
    if colon and not systemic:
        raise InputError(f"--without-keeper {text}: expected a name such as keeper-01, or its number")
    return f"{venue}{colon}keeper-{int(name):02d}" if name.isdigit() else text


def _left_out(parts: Sequence[tuple[str, str]], found: Setting) -> tuple[Override, ...]:
    """What is left out beside what already is."""
    made = []
    for field in dict.fromkeys(field for field, _ in parts):
        names = [name for other, name in parts if other == field]
        before = [name for name in getattr(found.scenario.without, field) if name not in names]
        made.append(Override(("without", field), [*before, *names], f"--without-{field[:-1]} {' '.join(names)}"))
    return tuple(made)


def seeds_of(found: Setting, *, first: int | None, count: int | None) -> range:
    """The seeds to simulate: of a run its own, of a scenario ten from 1 on, unless said otherwise."""
    begin = first if first is not None else (1 if found.seed is None else found.seed)
    return range(begin, begin + (count or (1 if found.seed is not None and first is None else SEEDS)))


def headline(found: Comparison, alternative: str) -> str:
    """The one line on top of an alternative."""
    before, after = (found.level("liquidated_notional_usd", name).value or 0.0 for name in ("", alternative))
    change = found.change("liquidated_notional_usd", alternative)
    by = after - before
    what = "less" if by < 0.0 else "more"
    if by == 0.0:
        said = f"{money(before)} would have been closed by force as well"
    else:
        said = f"{money(abs(by))} {what} would have been closed by force than {money(before)}"
    if len(found.seeds) == 1:
        rest = f"one run, seed {found.seeds[0]}: no interval"
    elif by and not sided(change):
        rest = f"a difference that {count(len(found.seeds), 'seed')} cannot tell from none"
    else:
        rest = f"mean of {count(len(found.seeds), 'seed')}"
    return f"{sentence(alternative)[:-1]}, {said}; {rest}"


def rows(found: Comparison, alternative: str) -> list[tuple[str, ...]]:
    """A row per figure: label, unit, as it is, otherwise, change; "*": the interval lies on one side of zero."""
    made: list[tuple[str, ...]] = []
    for name in figure_names(found):
        figure = FIGURES[name]
        if len(found.seeds) == 1:
            (own,), (other,) = found.values(name), found.values(name, alternative)
            cells = (single(own), single(other), single(other - own))
        else:
            change = found.change(name, alternative)
            star = " *" if sided(change) else ""
            cells = (cell(found.level(name)), cell(found.level(name, alternative)), cell(change) + star)
        made.append((figure.label, figure.unit, *cells))
    return made


HEADER = ("", "unit", "as it is", "otherwise", "change")


def print_result(found: Comparison) -> None:
    """A headline and a table for each alternative, and what they rest on."""
    for number, alternative in enumerate(found.alternatives):
        if number:
            print()
        print(textwrap.fill(headline(found, alternative), show.WIDTH))
        show.print_table(rows(found, alternative), header=HEADER, right=(2, 3, 4))
    print()
    for line in notes(found):
        print(textwrap.fill(f"- {line}", show.WIDTH, subsequent_indent="  "))


def notes(found: Comparison) -> list[str]:
    """What the figures rest on."""
    if len(found.seeds) == 1:
        made = ["one run of each world: what differs is this history's, not an expectation"]
    else:
        made = [
            f"means over seeds {found.seeds[0]} to {found.seeds[-1]} with 95 % intervals (bootstrap-t); changes are "
            "paired, seed by seed; *: the interval lies on one side of zero"
        ]
    return [*made, *(f"{figure.label}: {figure.meaning}" for figure in FIGURES.values())]


def as_json(found: Comparison) -> dict[str, Any]:
    """Everything, the figures of every seed included."""
    return {
        "world": found.name,
        "seeds": list(found.seeds),
        "one_run": len(found.seeds) == 1,
        "alternatives": {
            alternative: {
                name: {
                    **asdict(FIGURES[name]),
                    "actual": asdict(found.level(name)),
                    "otherwise": asdict(found.level(name, alternative)),
                    "change": asdict(found.change(name, alternative)),
                }
                for name in figure_names(found)
            }
            for alternative in found.alternatives
        },
        "runs": {"as it is": list(found.actual), **{name: list(rows) for name, rows in found.others.items()}},
    }


def save(found: Comparison, target: Path, *, overwrite: bool) -> None:
    """Write a folder with the page and everything as JSON. Raises InputError."""
    with folder.atomic(target, replace=overwrite) as made:
        (made / folder.MARKER).write_text(json.dumps(as_json(found), indent=2, ensure_ascii=False) + "\n")
        sections = [
            (headline(found, name), name, rows(found, name)) for name in
            found.alternatives
        ]  # fmt: skip
        page.page_of(found, sections, header=HEADER, notes=notes(found)).write(made / "report.html")
