"""The page of a study: what differs from the base, measures, figures, what it rests on, how to do it again."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from html import escape
from itertools import combinations
from pathlib import Path

from experiments import folder
from experiments.report import page
from experiments.report.glossary import GROUPS
from experiments.report.page import Page
from experiments.report.page import Table as Shown
from experiments.report.theme import Figure
from experiments.report.words import count, listed
from experiments.store.store import Store
from experiments.store.version import RESULTS_VERSION
from experiments.study_report import figures, tables
from experiments.study_report.checklists import odd, stress
from experiments.study_report.findings import Axis, Findings, findings
from experiments.study_report.hit import who_is_hit
from experiments.study_report.picture import picture
from experiments.study_report.tables import Written
from experiments.sweep.plan import Plan
from experiments.sweep.summary import AnyMeasure, label

HEIGHT = 440
MOST_PAIRS = 6
"""Pairs of measures that are drawn against each other."""
MOST_ROWS = 200
"""Designs in a table of the page; the CSV has all."""


def write(plan: Plan, store: Store, *, out: Path, base: int | None, overwrite: bool) -> Findings:
    """Write report.html and the tables into `out`. Raises InputError when nothing is stored or it cannot be written."""
    found = findings(plan, store, base=base)
    made = {"measures": tables.measures(found), "differences": tables.differences(found)}
    hit = who_is_hit(found, store)
    with folder.atomic(out, replace=overwrite) as partial:
        for name, table in made.items():
            if table.rows:
                (partial / f"{name}.md").write_text(tables.markdown(table), "utf-8")
                (partial / f"{name}.tex").write_text(tables.tex(table), "utf-8")
        (partial / "measures.csv").write_text(tables.measures_csv(found), "utf-8")
        (partial / "differences.csv").write_text(tables.differences_csv(found), "utf-8")
        (partial / folder.MARKER).write_text(f'{{"study": "{plan.loaded.name}"}}\n', "utf-8")
        if hit:
            (partial / "hit.md").write_text("\n".join(map(tables.markdown, hit)), "utf-8")
        (partial / "checklists.md").write_text("\n".join(map(tables.markdown, (stress(found), odd(found)))), "utf-8")
        (partial / "picture.svg").write_text(picture(found, headline=headline(found)), "utf-8")
        report(found, **made, hit=hit).write(partial / "report.html")
    return found


def report(found: Findings, *, measures: Written, differences: Written, hit: Sequence[Written] = ()) -> Page:
    """The page."""
    study = found.plan.study
    made = Page(title=f"Cascade study: {study.summary or found.plan.loaded.name}")
    made.add(
        page.paragraph(f"Cascade study · {found.plan.loaded.name}", "kicker"),
        *([f"<h1>{escape(study.summary)}</h1>"] if study.summary else []),
        page.paragraph(headline(found), "deck"),
        page.tiles(_tiles(found)),
    )
    if differences.rows:
        made.section(
            "differences",
            f"Against {_base_name(found)}",
            page.paragraph(differences.title + ".", "caption"),
            _shown(differences),
        )
    made.section("measures", "Every design", page.paragraph(measures.title + ".", "caption"), _shown(measures))
    _figures(made, found)
    if hit:
        parts = [part for table in hit for part in (page.paragraph(f"{table.title}.", "caption"), _shown(table))]
        made.section("hit", "Who is hit", *parts)
    made.section("assumptions", "What this rests on, and what it does not say", page.bullets(assumptions(found)))
    made.section("checklists", "For reviewers", *map(_checklist, (stress(found), odd(found))))
    made.section("again", "Do it again", *_again(found))
    return made


def _checklist(table: Written) -> str:
    return page.folded(table.title, Shown(columns=table.columns, rows=table.rows, wide=(1,)).html())


def headline(found: Findings) -> str:
    """What the first measure says about all designs, in one sentence."""
    others = [items[0] for at, items in enumerate(found.differences) if at != found.base]
    measure = label(found.summary.measures[0])
    if not others:
        return f"One design; {measure} is in the table."
    lower = sum(tables.side(item) < 0 for item in others)
    higher = sum(tables.side(item) > 0 for item in others)
    few = sum(not item.rated for item in others)
    same = sum(item.rated and item.unseen is not None and item.value == 0.0 for item in others)
    alike = len(others) - lower - higher - few - same
    parts = [
        f"{number} {words}"
        for number, words in (
            (lower, "lower"),
            (higher, "higher"),
            (same, "the same in every seed"),
            (alike, "not told apart from it"),
            (few, "with too few events to rate"),
        )
        if number
    ]
    return f"{measure}, against {_base_name(found)}: of {count(len(others), 'other design')} {listed(parts)}."


def _base_name(found: Findings) -> str:
    number = found.summary.designs[found.base].number
    return f"design {number}" + (", the study's own base" if found.base_is_today else "")


def _tiles(found: Findings) -> list[tuple[str, str, str]]:
    summary, plan = found.summary, found.plan
    left = summary.planned - summary.stored - summary.failed
    remark = f"of {summary.planned:,} planned" if left or summary.failed else "all that were planned"
    failed = f", {summary.failed:,} failed" if summary.failed else ""
    return [
        ("Designs", f"{len(summary.designs):,}", f"{count(len(found.axes), 'value varies', 'values vary')}"),
        ("Seeds", f"{len(plan.seeds):,}", "the same for every design"),
        ("Runs", f"{summary.stored:,}", remark + failed),
    ]  # fmt: skip


def _shown(table: Written) -> str:
    rows = table.rows[:MOST_ROWS]
    shown = Shown(columns=table.columns, rows=rows, right=range(1, len(table.columns))).html()
    more = len(table.rows) - len(rows)
    return shown + (page.paragraph(f"{more:,} more designs are in the CSV file.", "caption") if more else "")


def _figures(made: Page, found: Findings) -> None:
    names = [label(measure) for measure in found.summary.measures]
    drawn = found.axes
    if len(drawn) == 2 and not any(axis.sampled for axis in drawn):
        across, up = drawn
        maps: dict[str, Figure] = {
            name: figures.heat_map(found, at, across, up) for at, name in enumerate(dict.fromkeys(names))
        }
        _chart(made, "map", f"{_word(across)} against {_word(up)}", maps, "Each cell: value and 95 % interval.")
    elif len(drawn) == 1 and not drawn[0].sampled:
        curves = {name: figures.curve(found, at, drawn[0]) for at, name in enumerate(dict.fromkeys(names))}
        words = (
            "The band is the 95 % interval of each point; an open circle has none. Lines between points guide the eye."
        )
        _chart(made, "curve", f"Over {_word(drawn[0])}", curves, words)
    pairs = list(combinations(range(len(names)), 2))[:MOST_PAIRS]
    if pairs and len(found.summary.designs) > 1:
        scatters = {f"{names[a]} / {names[b]}": figures.against(found, a, b) for a, b in pairs}
        words = (
            "One point a design, numbered as in the tables, with 95 % intervals. The front joins those that no other "
            "beats in both measures, by their values: where intervals overlap it may as well run elsewhere."
        )
        _chart(made, "front", "What is bought with what", scatters, words)


def _word(axis: Axis) -> str:
    return tables.short(axis.paths[0])


def _chart(made: Page, name: str, title: str, drawn: dict[str, Figure], words: str) -> None:
    made.section(
        name, title, page.paragraph(words, "caption"), made.chart(name, drawn, height=HEIGHT, label=f"{title}: {words}")
    )


def assumptions(found: Findings) -> list[str]:
    """What the figures mean and how far they reach."""
    plan, study = found.plan, found.plan.study
    world = plan.loaded.resolver.base().world
    compared = sum(item.rated for at, items in enumerate(found.differences) if at != found.base for item in items)
    lines = [
        f"The world is the scenario {Path(study.scenario).stem}: {world.summary}",
        f"Every design has the same {len(plan.seeds)} seeds, so that designs differ in nothing else and differences "
        "are taken seed by seed.",
        "An interval says how much another choice of seeds could have changed the figure. It says nothing about how "
        "well the scenario's prices, accounts and agents resemble a market.",
        "Too few to rate: fewer than 6 seeds, fewer than 5 that are not zero, fewer than 50 values beyond a quantile.",
        *_chance(compared),
        *_meanings(found.summary.measures),
    ]
    if found.summary.failed:
        lines.append(
            f"{count(found.summary.failed, 'run')} failed and {'is' if found.summary.failed == 1 else 'are'} left out; "
            "if they failed because of what happened in them, figures are biased."
        )
    if found.summary.stored + found.summary.failed < found.summary.planned:
        lines.append("The study is not finished: what is missing is not in any figure.")
    if plan.repeated:
        lines.append(f"{count(plan.repeated, 'design')} of the study are the same as others and are shown once.")
    return lines


def _chance(compared: int) -> list[str]:
    if compared < 2:
        return []
    return [
        f"Each interval holds by itself. Of {compared} rated differences, about {compared / 20:.1g} would be marked * "
        "if nothing made any difference."
    ]


def _meanings(measures: tuple[AnyMeasure, ...]) -> list[str]:
    known = {key: entry for entries in GROUPS.values() for key, entry in entries.items()}
    figures_of = (measure.kpi.rpartition(".")[2] for measure in measures)  # of a venue, its own
    kpis = dict.fromkeys(kpi for kpi in figures_of if kpi in known)
    return [f"{kpi}: {known[kpi].label.format(main='the main instrument')}; {known[kpi].meaning}" for kpi in kpis]


def _again(found: Findings) -> list[str]:
    plan = found.plan
    name = plan.loaded.file.name
    versions = (", ".join(f"{key} {value}" for key, value in made["versions"].items()) for made in found.manifests)
    rows = [
        ("results version", str(RESULTS_VERSION)),
        *((words, _each(str(made.get(key) or "unknown") for made in found.manifests)) for key, words in _SAID.items()),
        ("versions", _each(versions)),
    ]
    return [
        page.code(f"cascade sweep {shlex.quote(name)}\ncascade report {shlex.quote(name)} --out DIR"),
        page.paragraph(
            "cascade sweep simulates only what is not stored. On one machine the same commit gives the same figures "
            "to the bit; cascade rerun KEY shows it for a single run."
        ),
        page.folded(f"{name}, the study", page.code(plan.loaded.file.read_text("utf-8"))),
        page.folded("The base scenario, every value written out", page.code(plan.base)),
        Shown(columns=("", ""), rows=rows, wide=(1,)).html(),
    ]


_SAID = {"git_commit": "commit", "platform": "platform", "processor": "processor"}
"""What a manifest says about where a run was simulated, and how the page calls it."""


def _each(said: Iterable[str]) -> str:
    return "; ".join(dict.fromkeys(said)) or "unknown"
