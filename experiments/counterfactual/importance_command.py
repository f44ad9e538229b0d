"""What `cascade importance` prints and writes."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from experiments import folder, show
from experiments.counterfactual.candidates import MEASURES
from experiments.counterfactual.importance import FEWEST_PEOPLE, Foresight, Importance, Person
from experiments.counterfactual.parts import VENUE_MEASURES, means
from experiments.counterfactual.words import cell, single
from experiments.report import page
from experiments.report.page import Page, Table
from experiments.report.theme import Figure, axis, layout
from experiments.report.words import MISSING, count, listed, money, sentence
from experiments.statistics.intervals import Interval

SHOWN = 10
"""People in the table, those whose absence saves most."""
HEADER = (
    "seed", "who", "chosen", "size, USD", "own closed, USD", "saved of others, USD", "accounts", "cost by causes, USD",
)  # fmt: skip
FORESIGHT_HEADER = ("measure", "rank correlation", "", "what it is")


def lines(found: Importance) -> list[str]:
    """The answer in words."""
    if not found.people:
        return ["Nobody is exposed to anything that moves."]
    best = max(found.people, key=lambda person: person.saved_usd)
    foreseen = found.foresight()
    where = f" (seed {best.seed})" if len(found.seeds) > 1 else ""
    first = (
        f"Without {best.name}{where} {money(best.saved_usd)} less of others would be closed by force, beside its own "
        f"{money(best.own_usd)}"
    )
    if best.saved_usd <= 0.0:
        first = "Nobody's absence saves others anything"
    words = [sentence(first)]
    rated = [one for one in foreseen if one.rated]
    if not rated:
        return [*words, f"How well measures foresee it: too few to rate, {len(found.people)} people."]
    for verdict in dict.fromkeys(one.verdict for one in sorted(rated, key=lambda one: -(one.rho or 0.0))):
        names = [f"{one.measure} ({_rho(one.rho)})" for one in rated if one.verdict == verdict]
        said = verdict.replace("foresees", "foresee", 1) if len(names) > 1 else verdict
        words.append(sentence(f"{listed(names)}: {said}"))
    noise = found.noise_usd
    if noise is not None:
        loud = [abs(one.saved_usd) for one in found.people if one.own_usd > 0.0 or one.measures["causes"] != 0.0]
        above = sum(usd > noise for usd in loud)
        words.append(
            sentence(
                f"Noise: the absence of people who were not liquidated and cost nobody anything changes up to "
                f"{money(noise)} of others (95% of them); of the {len(loud)} who were or did, {above} change more"
            )
        )
    return words


def rows(found: Importance) -> list[tuple[str, ...]]:
    """Those whose absence saves most."""
    ordered = sorted(found.people, key=lambda person: -person.saved_usd)[:SHOWN]
    return [_row(person) for person in ordered]


def _row(person: Person) -> tuple[str, ...]:
    return (
        f"{person.seed}", person.name, "largest" if person.largest else "at random",
        single(round(person.measures["notional"])), single(round(person.own_usd)), single(round(person.saved_usd)),
        single(person.saved_accounts), single(round(person.measures["causes"])),
    )  # fmt: skip


def _rho(value: float | None) -> str:
    return MISSING if value is None else f"{value:.2f}".replace("-", "−")


def foresight_rows(found: Sequence[Foresight]) -> list[tuple[str, ...]]:
    """A row per measure."""
    return [
        (one.measure, f"{_rho(one.rho)} [{_rho(one.low)}, {_rho(one.high)}]" if one.rated else _rho(one.rho),
         one.verdict, MEASURES[one.measure])
        for one in found
    ]  # fmt: skip


PARTS_HEADER = ("without", "", "saved of others, USD", "accounts", "bad debt, USD", "known beforehand")


def part_rows(found: Importance) -> list[tuple[str, ...]]:
    """A row per venue, agent of several venues, shock and keeper: means over the seeds."""
    made: list[tuple[str, ...]] = []
    for one in means(found.parts):
        told = [
            f"{name} {value:.2f}" if name == "DebtRank" else f"{name} {money(value)}"
            for name, value in one.measures.items()
            if value
        ]
        if one.refused:
            made.append((one.kind, one.name, "cannot be left out", "", "", one.refused))
            continue
        cells = [_mean(saved) for saved in (one.saved_usd, one.saved_accounts, one.saved_bad_debt_usd)]
        made.append((one.kind, one.name, *cells, ", ".join(told)))
    return made


def _mean(found: Interval) -> str:
    """A mean with its interval; of one history the figure alone, as the notes say."""
    if found.n == 1 and found.value is not None:
        return single(round(found.value))
    return cell(found, digits=0)


def notes(found: Importance) -> list[str]:
    """What the figures rest on."""
    return [
        f"{count(len(found.people), 'person', 'people')} of {count(len(found.seeds), 'history', 'histories')}; each "
        "saving is one pair of runs on the same random numbers, without interval",
        "saved of others: closed by force in the world as it is, less without the person, less its own",
        "rank correlation: Spearman's, mean over seeds, 95% by bootstrap over people; "
        f"too few to rate below {FEWEST_PEOPLE}",
        "all measures but the last are known before the first step; the last needs the run as it is, not another one",
        *_notes_on_parts(found),
    ]


def _notes_on_parts(found: Importance) -> list[str]:
    if not found.parts:
        return []
    over = "one history, without interval" if len(found.seeds) == 1 else "means over seeds, 95% by bootstrap-t"
    made = [f"venues, agents, shocks, keepers: {over}; what was closed by force on a venue itself does not count"]
    if any(one.measures for one in found.parts):
        about = "; ".join(f"{name}: {what}" for name, what in VENUE_MEASURES.items())
        made.append(f"of a venue is known beforehand: {about}; a few venues are too few to rate a rank correlation")
    return made


def print_result(found: Importance) -> None:
    """Words and both tables."""
    for line in lines(found):
        print(textwrap.fill(line, show.WIDTH))
    print()
    show.print_table(rows(found), header=HEADER, right=(0, 3, 4, 5, 6, 7))
    print()
    show.print_table(foresight_rows(found.foresight()), header=FORESIGHT_HEADER, right=(1,))
    if found.parts:
        print()
        show.print_table(part_rows(found), header=PARTS_HEADER, right=(2, 3, 4))
    print()
    for line in notes(found):
        print(textwrap.fill(f"- {line}", show.WIDTH, subsequent_indent="  "))


def as_json(found: Importance) -> dict[str, Any]:
    """Everything."""
    return {
        "world": found.name,
        "seeds": list(found.seeds),
        "story": lines(found),
        "noise_usd": found.noise_usd,
        "foresight": [{**asdict(one), "verdict": one.verdict} for one in found.foresight()],
        "people": [asdict(person) for person in found.people],
        "parts": [asdict(one) for one in means(found.parts)],
    }


def save(found: Importance, target: Path, *, overwrite: bool) -> None:
    """Write a folder with a page and everything as JSON. Raises InputError."""
    words = lines(found)
    made = Page(title=f"Systemic importance: {found.name}")
    made.add(page.paragraph(f"Systemic importance · {found.name}", "kicker"), *page.headline(words[0]))
    made.add(page.bullets(words[1:]))
    caption = "A dot is a person: what its absence saves others, by each measure. Blue: the largest, grey: at random."
    made.section(
        "foresight", "What foresees it", page.paragraph(caption, "caption"),
        made.chart("foresight", {name: _figure(found, name) for name in MEASURES}, height=420,
                   label="Savings by measure"),
        Table(columns=FORESIGHT_HEADER, rows=foresight_rows(found.foresight()), right=(1,), wide=(3,)).html(),
    )  # fmt: skip
    table = Table(columns=HEADER, rows=rows(found), right=(0, 3, 4, 5, 6, 7), minor=(2, 4))
    made.section("people", "Whose absence saves most", table.html())
    if found.parts:
        table = Table(columns=PARTS_HEADER, rows=part_rows(found), right=(2, 3, 4), wide=(5,))
        made.section("parts", "Without a venue, an agent, a shock, a keeper", table.html())
    made.section("notes", "What this rests on", page.bullets(notes(found)))
    with folder.atomic(target, replace=overwrite) as partial:
        (partial / folder.MARKER).write_text(json.dumps(as_json(found), indent=1, ensure_ascii=False) + "\n")
        made.write(partial / "report.html")


def _figure(found: Importance, name: str) -> Figure:
    dots: list[dict[str, Any]] = []
    for largest, colour in ((False, "@muted"), (True, "@blue")):
        people = [person for person in found.people if person.largest is largest]
        dots.append(
            {
                "type": "scatter", "mode": "markers", "x": [person.measures[name] for person in people],
                "y": [person.saved_usd / 1e3 for person in people],
                "text": [f"{person.name}, seed {person.seed}" for person in people],
                "marker": {"color": colour, "size": 8, "opacity": 0.65},
            }
        )  # fmt: skip
    return {
        "times": {},
        "data": dots,
        "layout": layout(
            showlegend=False, xaxis=axis(name), yaxis=axis("saved of others, thousand USD"),
            margin={"l": 70, "r": 20, "t": 10, "b": 48},
        ),
    }  # fmt: skip
