"""The last part of the page: what was assumed, what the words mean, and how to run it again."""

from __future__ import annotations

import json
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from experiments import contagion
from experiments.config import resolved_toml
from experiments.fields import Leaf, leaves, plain
from experiments.report import page
from experiments.report.page import Table
from experiments.report.rerun import command
from experiments.report.words import percent, span

if TYPE_CHECKING:
    from experiments.result import Result

_REFERENCES = {
    "replay": "Reference prices are recorded ones, bridged to ticks inside each bar's high and low. They contain their "
    "own crash, forced trades of that day included: falls are measured against the reference, not a quiet world.",
    "anchors": "Reference prices follow a path through published points. It contains its own crash, forced trades of "
    "that day included: falls are measured against the reference, not a quiet world.",
    "model": "Reference prices come from a model: correlated, with changing volatility, jumps and a crash regime.",
}


def parts(result: Result) -> list[str]:
    """Assumptions, the venue's rules, and how the less obvious figures are defined."""
    scenario = result.scenario
    assumed = [
        _REFERENCES.get(scenario.reference.kind, ""),
        f"Time runs in ticks of {scenario.tick_seconds:g} s; a liquidation round takes "
        f"{scenario.venue.round_seconds:g} s. Orders of one tick see one snapshot, cancellations go first.",
        "Amounts in USD use reference prices; the venue's own valuation follows its oracle.",
        "The twin is the same scenario with the same random numbers and forced trades switched off: it shares every "
        "shock and every draw, so what differs is what liquidations did.",
        f"Causes: an account's loss is the fall of its margin excess since it last had a buffer of "
        f"{percent(contagion.SAFE_BUFFER)} of maintenance, within {span(contagion.LOOKBACK_SECONDS)}, and the sum of "
        "its causes. A forced sale is a cause as far as what it displaced had not been refilled when the account "
        "broke, beside the lasting move of the reference. A liquidation is the child of the one whose sales cost it "
        f"most when forced sales made at least {percent(contagion.CHILD_SHARE)} of its loss; else it is a root.",
        f"Depth, open interest and the fund are sampled every {span(scenario.recording.sample_seconds)}, margin ratios "
        f"every {span(scenario.recording.margin_seconds)}; long series are thinned here, peaks and troughs kept.",
    ]
    about = scenario.venue.about
    if about.sources:
        assumed.append(f"Rules and numbers of {about.name} are from {'; '.join(about.sources)}.")
    rules = [leaf for leaf in leaves(scenario) if leaf.path.startswith("venue.")]
    return [
        page.bullets([line for line in assumed if line]),
        page.folded("The venue's rules, value by value", _rules(rules)),
    ]


def _rules(rules: list[Leaf]) -> str:
    rows = [
        (
            leaf.path.removeprefix("venue."),
            _literal(leaf.value),
            leaf.unit.removeprefix("1"),
            _first(leaf.help),
        )
        for leaf in rules
    ]
    return Table(columns=("rule", "value", "unit", "meaning"), rows=rows, right=(1,), minor=(3,), wide=(3,)).html()


def _literal(value: Any) -> str:
    if isinstance(value, str):
        return value
    return "none" if value is None else json.dumps(plain(value), ensure_ascii=False)


def _first(text: str) -> str:
    return text.split("\n\n")[0].replace("\n", " ")


def provenance(result: Result) -> list[str]:
    """Seed, hash, versions that decide the result, notes, and the command; nothing that differs between two runs."""
    made = result.provenance()
    rows = [
        ("seed", str(result.seed)),
        ("scenario hash", str(made["scenario_hash"])),
        ("commit", str(made["git_commit"] or "unknown: not run from a checkout")),
        ("program", f"cascade-lab {_own_version()}"),
    ]
    if result.part_of:
        return [
            page.paragraph("One venue of a run over several; all of it is run again by:"),
            page.code(result.part_of),
            Table(columns=("", ""), rows=rows, wide=(1,)).html(),
        ]
    short = command(result.scenario, seed=result.seed)
    how = [page.code(short or f"cascade run scenario.toml --seed {result.seed}")]
    how.append(
        page.paragraph(
            f"Or save the scenario below as scenario.toml and say cascade run scenario.toml --seed {result.seed}. Two "
            "runs with this hash, seed and commit give the same files on one machine, but for run.json, which has the "
            "versions of libraries, the machine and the wall time."
        )
    )
    notes = [page.subheading("Notes"), page.bullets(result.notes)] if result.notes else []
    return [
        *how,
        page.folded("scenario.toml, every value written out", page.code(resolved_toml(result.scenario))),
        Table(columns=("", ""), rows=rows, wide=(1,)).html(),
        *notes,
    ]


def _own_version() -> str:
    try:
        return version("cascade-lab")
    except PackageNotFoundError:
        return "(not installed)"
