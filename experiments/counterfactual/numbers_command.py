"""What `cascade marginal` and `cascade critical` print and write."""

from __future__ import annotations

import json
import textwrap
from dataclasses import asdict
from pathlib import Path
from typing import Any

from experiments import folder, show
from experiments.counterfactual.critical import NOT_PURSUED, SURVIVES_ALL, SURVIVES_NONE, Critical
from experiments.counterfactual.marginal import Marginal
from experiments.counterfactual.words import number, single
from experiments.report import page
from experiments.report.page import Page, Table
from experiments.report.theme import Figure, axis, layout
from experiments.report.words import count, money, percent, sentence
from experiments.statistics.means import TOO_FEW

MOST_NOISE = 2.0
"""Width of the interval, dollars per dollar, beyond which a marginal figure says little."""


def marginal_lines(found: Marginal) -> list[str]:
    """The answer in words."""
    dollar = found.per_dollar
    calm = f"; in {count(found.calm, 'seed')} nobody fell below maintenance, and there is nothing to add to"
    rest = calm if found.calm else ""
    if not found.pairs or dollar.value is None:
        return [sentence(f"No seed has a cascade to add to{rest}")]
    pairs = count(len(found.pairs), "pair of runs", "pairs of runs")
    if not dollar.rated or dollar.low is None:
        return [
            sentence(f"{number(dollar.value)} more dollars closed by force per dollar sold: {TOO_FEW}, {pairs}{rest}")
        ]
    first = sentence(
        f"One more forced dollar closes {number(dollar.value)} [{number(dollar.low)}, {number(dollar.high)}] dollars "
        f"of others, over {pairs}{rest}"
    )
    if dollar.high is not None and dollar.high - dollar.low > MOST_NOISE:
        return [
            first,
            "That says little: the runs part by more than what the sale can bring about. More seeds, or a larger sale "
            "(--usd), say more.",
        ]
    ratio = found.ratio
    verdict = "nothing can be told from zero" if dollar.low <= 0.0 else "more than nothing"
    size = sum(pair.sold_usd for pair in found.pairs) / 2.0 / len(found.pairs)
    return [
        first,
        sentence(f"The mean slope between {money(size)} sold and as much bought, spread over time"),
        sentence(
            f"That is a marginal branching ratio of {number(ratio.value)} [{number(ratio.low)}, {number(ratio.high)}]: "
            f"{verdict}"
        ),
    ]


def marginal_json(found: Marginal) -> dict[str, Any]:
    """Everything."""
    return {
        "story": marginal_lines(found),
        "extra_usd_per_forced_usd": asdict(found.per_dollar),
        "branching_ratio": asdict(found.ratio),
        "calm_seeds": found.calm,
        "pairs": [asdict(pair) for pair in found.pairs],
    }


def print_marginal(found: Marginal) -> None:
    """Words, and a row per seed."""
    for line in marginal_lines(found):
        print(textwrap.fill(line, show.WIDTH))
    if found.pairs:
        print()
        rows = [
            (
                f"{pair.seed}", pair.instrument, f"{pair.seconds:,.0f}", single(round(pair.sold_usd)),
                single(round(pair.extra_usd)), number(pair.extra_usd / pair.sold_usd),
            )
            for pair in found.pairs
        ]  # fmt: skip
        header = ("seed", "sold, bought", "at second", "USD, both", "more closed, USD", "per dollar")
        show.print_table(rows, header=header, right=(0, 2, 3, 4, 5))


def critical_lines(found: Critical) -> list[str]:
    """The answer in words."""
    middle = found.median
    all_, none = found.count(SURVIVES_ALL), found.count(SURVIVES_NONE)
    ends = [f"{count(all_, 'seed')} survived even {number(found.worst)}"] * bool(all_)
    ends += [f"{count(none, 'seed')} not even {number(found.harmless)}"] * bool(none)
    seeds = count(len(found.seeds), "seed")
    if middle.value is None:
        first = (
            f"The critical {found.path} lies beyond the range from {number(found.harmless)} to {number(found.worst)}"
        )
    elif not middle.rated:
        first = f"The critical {found.path} is {number(found.value(middle.value))}: {TOO_FEW}, {seeds}"
    else:
        bounds = [found.value(middle.low), found.value(middle.high)]
        bounds = bounds[::-1] if found.worst < found.harmless else bounds
        said = [number(bound) if bound is not None else "beyond the range" for bound in bounds]
        first = (
            f"The critical {found.path} is {number(found.value(middle.value))} [{said[0]}, {said[1]}], the median of "
            f"{seeds} with a 95% interval"
        )
    criterion = (
        f"Largest value survived on the way from {number(found.harmless)} to {number(found.worst)}, in steps of "
        f"{number(abs(found.worst - found.harmless) / found.found[0].places)}; a cascade runs away when people are "
        f"closed out of more than {percent(found.share)} of what is at stake at the start (long positions, collateral "
        "of debtors), deleveraging included"
    )
    aside = found.count(NOT_PURSUED)
    runs = f"{count(found.runs, 'run')}, {found.simulated} of them now and the others from the store"
    if aside:
        runs += f"; {count(aside, 'seed')} not pursued to the last step, as they cannot change the answer"
    return [sentence(first), *([sentence("; ".join(ends))] if ends else []), sentence(criterion), sentence(runs)]


def critical_rows(found: Critical) -> list[tuple[str, ...]]:
    """A row per seed."""
    return [
        (
            f"{seed}", one.outcome,
            _known(found.value(one.survived)),
            _known(found.value(one.ran_away)),
            f"{len(one.tried)}",
        )
        for seed, one in zip(found.seeds, found.found, strict=True)
    ]  # fmt: skip


def _known(value: float | None) -> str:
    return "" if value is None else number(value)


CRITICAL_HEADER = ("seed", "outcome", "survived", "ran away at", "runs")


def print_critical(found: Critical) -> None:
    """Words, and a row per seed."""
    for line in critical_lines(found):
        print(textwrap.fill(line, show.WIDTH))
    print()
    show.print_table(critical_rows(found), header=CRITICAL_HEADER, right=(0, 2, 3, 4))


def critical_json(found: Critical) -> dict[str, Any]:
    """Everything, every run included."""
    middle = found.median
    return {
        "story": critical_lines(found),
        "path": found.path,
        "from": found.harmless,
        "to": found.worst,
        "share": found.share,
        "runs": found.runs,
        "simulated_now": found.simulated,
        "median": {
            "value": found.value(middle.value), "low": found.value(middle.low), "high": found.value(middle.high),
            "n": middle.n, "rated": middle.rated,
        },
        "seeds": [
            {
                "seed": seed, "outcome": one.outcome, "survived": found.value(one.survived),
                "ran_away": found.value(one.ran_away),
                "runs": [{"value": found.value(at), "share_closed": closed} for at, closed in one.tried],
            }
            for seed, one in zip(found.seeds, found.found, strict=True)
        ],
    }  # fmt: skip


def save_critical(found: Critical, name: str, target: Path, *, overwrite: bool) -> None:
    """Write a folder with a page and everything as JSON. Raises InputError."""
    lines = critical_lines(found)
    made = Page(title=f"Critical shock: {name}")
    made.add(page.paragraph(f"Critical shock · {name}", "kicker"), *page.headline(lines[0]), page.bullets(lines[1:]))
    caption = "Every run: what people were closed out of, of what was at stake; beyond the line it has run away."
    made.section(
        "runs", "From harmless to worst", page.paragraph(caption, "caption"),
        made.chart("runs", {"all": _figure(found)}, height=420, label="Share closed out of by size of the shock"),
    )  # fmt: skip
    table = Table(columns=CRITICAL_HEADER, rows=critical_rows(found), right=(0, 2, 3, 4))
    made.section("seeds", "Seed by seed", table.html())
    with folder.atomic(target, replace=overwrite) as partial:
        (partial / folder.MARKER).write_text(json.dumps(critical_json(found), indent=2, ensure_ascii=False) + "\n")
        made.write(partial / "report.html")


def _figure(found: Critical) -> Figure:
    dots: list[dict[str, Any]] = []
    for seed, one in zip(found.seeds, found.found, strict=True):
        dots.append(
            {
                "type": "scatter", "mode": "lines+markers", "name": f"seed {seed}",
                "x": [found.value(at) for at, _ in one.tried], "y": [closed for _, closed in one.tried],
                "line": {"color": "@blue/0.35", "width": 1}, "marker": {"color": "@blue", "size": 6, "opacity": 0.6},
            }
        )  # fmt: skip
    line = {
        "type": "line", "xref": "paper", "x0": 0, "x1": 1, "y0": found.share, "y1": found.share,
        "line": {"color": "@vermillion", "width": 2, "dash": "dash"},
    }  # fmt: skip
    margin = {"l": 64, "r": 20, "t": 10, "b": 48}
    sizes = axis(found.path, range=[found.harmless, found.worst])
    shares = axis("share closed out of", rangemode="tozero", tickformat=".0%")
    return {
        "times": {},
        "data": dots,
        "layout": layout(showlegend=False, xaxis=sizes, yaxis=shares, shapes=[line], margin=margin),
    }
