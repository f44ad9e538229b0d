"""One source is wrong: which rules protect? `python -m experiments.studies.wick [--seeds N] [--depth SHARE] [--json]`.

In a quiet market one of the sources that the BTC feed reads shows a wick: a tent of a minute that nothing else
follows, as when the index of a venue leans on one book that somebody has emptied. Every design meets the same wick,
people and order flow (common random numbers); without it nobody would be liquidated. What a design lets through shows
in the index, in the mark, and in the accounts it costs. `docs/wick.md` has the table.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from experiments.run import simulate
from experiments.scenario import Scenario

BASE = (
    "hours=0.2",
    "population.count=3000",
    "reference.crash_at_seconds=none",
)
"""A quiet and quick version of flash-crash."""
SYMBOL, INSTRUMENT = "BTC", "BTC-PERP"
START_SECONDS, END_SECONDS = 240.0, 300.0

_ONE = "agents.oracles.feed.sources=[{latency_seconds=1.0}]"


def _mark(kind: str, *more: str) -> tuple[str, ...]:
    return (f"venue.mark.kind={kind}", *(f"venue.mark.{field}" for field in more))


DESIGNS: dict[str, tuple[str, ...]] = {
    "one source, mark = index": (_ONE, *_mark("index")),
    "median of three sources, mark = index": _mark("index"),
    "mean of three without outliers, mark = index": (
        *_mark("index"),
        "agents.oracles.feed.aggregation.kind=outlier_mean",
    ),
    "three sources, prices withheld beyond 2%": (
        *_mark("index"),
        "agents.oracles.feed.aggregation.kind=votes",
        "agents.oracles.feed.widest_confidence_bps=200.0",
    ),
    "one source, mark = index + averaged basis": (_ONE, *_mark("basis")),
    "one source, mark = median(index, fair, book)": (_ONE, *_mark("median")),
    "one source, mark = median(index + carry, fair, last)": (_ONE, *_mark("funding")),
    "one source, mark = median(outside, fair, book)": (_ONE, *_mark("outside")),
    "one source, mark = TWAP of the index, 10 min": (_ONE, *_mark("twap", "of=index", "window_seconds=600.0")),
    "one source, mark = middle of the book": (_ONE, *_mark("mid")),
    "one source, mark = index, halt at 5% a minute": (
        _ONE,
        *_mark("index"),
        "venue.breakers.halt.kind=move",
        "venue.breakers.halt.move_bps=500.0",
        "venue.breakers.halt.window_seconds=60.0",
    ),
}
"""Design -> what makes it."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One design, averaged over seeds. Errors are the most negative ones, relative to the reference price."""

    design: str
    index_error: float
    mark_error: float
    liquidated_accounts: float
    closed_usd: float
    bad_debt_usd: float


def wick(depth: float) -> str:
    """The scheduled fault of the first source: at its deepest it shows 1 - `depth` of the true price."""
    window = f"start_seconds={START_SECONDS}, end_seconds={END_SECONDS}"
    return f'agents.oracles.faults=[{{asset="{SYMBOL}", kind="wick", source=0, factor={1.0 - depth!r}, {window}}}]'


def outcome(design: str, *, depth: float, seeds: Sequence[int], base: Sequence[str] = BASE) -> Outcome:
    """Simulate a design with every seed."""
    scenario = Scenario.load("flash-crash", overrides=[*base, wick(depth), *DESIGNS[design]])
    rows = []
    for seed in seeds:
        result = simulate(scenario, seed=seed, twin=False)
        prices = result.prices[result.prices["instrument"] == INSTRUMENT]
        kpis = {key: float(value) for key, value in result.kpis.items() if isinstance(value, int | float)}
        rows.append(
            (
                float((prices["index"] / prices["reference"] - 1.0).min()),
                float((prices["mark"] / prices["reference"] - 1.0).min()),
                kpis["liquidated_account_count"],
                kpis["liquidated_notional_usd"] + kpis["adl_notional_usd"],
                kpis["bad_debt_usd"],
            )
        )
    mean = np.mean(rows, axis=0).tolist()
    return Outcome(
        design=design,
        index_error=mean[0],
        mark_error=mean[1],
        liquidated_accounts=mean[2],
        closed_usd=mean[3],
        bad_debt_usd=mean[4],
    )


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m experiments.studies.wick")
    parser.add_argument("--seeds", type=int, default=10, help="number of seeds, from 1 on [default: 10]")
    parser.add_argument("--depth", type=float, default=0.2, help="depth of the wick as a share [default: 0.2]")
    parser.add_argument("--json", action="store_true", help="print only JSON")
    given = parser.parse_args()
    if given.seeds < 1 or not 0.0 < given.depth < 1.0:
        parser.error("--seeds must be 1 or more, --depth between 0 and 1")
    found = [outcome(design, depth=given.depth, seeds=range(1, given.seeds + 1)) for design in DESIGNS]
    if given.json:
        print(json.dumps([asdict(item) for item in found], indent=1))
        return 0
    print(f"a wick of {given.depth:.0%} in one source of {SYMBOL}, {given.seeds} seeds")
    print(f"{'':52} {'index':>7} {'mark':>7} {'liquidated':>10} {'closed':>12} {'bad debt':>9}")
    for item in found:
        print(
            f"{item.design:52} {item.index_error:7.1%} {item.mark_error:7.1%} {item.liquidated_accounts:10,.1f}"
            f" {item.closed_usd:12,.0f} {item.bad_debt_usd:9,.0f}"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
