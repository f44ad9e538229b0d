"""Who is hit: accounts that were closed by force under the base design, by their size and by name.

Needs the table of accounts of every run: `keep = ["accounts"]` in the study.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa

from experiments.capital import PROFESSIONALS
from experiments.scenario import AccountsFile
from experiments.statistics import intervals
from experiments.statistics.intervals import Interval
from experiments.store.store import TABLES, Store
from experiments.study_report.findings import Findings
from experiments.study_report.tables import Written
from experiments.sweep.summary import cell, number

ACCOUNTS = "accounts"
BANDS = (0.0, 1e3, 1e4, 1e5, 1e6, 1e7)
"""Least net equity of every class of size, USD."""
TOP = 10

_HITS = f"""
WITH each AS (
    SELECT DISTINCT ON (key, account) stored.*, plan.run_seed
    FROM stored JOIN plan USING (key)
    WHERE customer AND role NOT IN ({", ".join(f"'{role}'" for role in PROFESSIONALS)})
)
"""


def who_is_hit(found: Findings, store: Store) -> list[Written]:
    """Tables of the base design: by size of account, and the accounts that are hit hardest; none where none is kept."""
    if ACCOUNTS not in found.plan.study.keep:
        return []
    design = found.summary.designs[found.base].number
    plan = found.plan.table()
    plan = plan.filter(pa.compute.equal(plan.column("design_number"), design))
    made = [_by_size(store, plan, design), _top(found, store, plan, design)]
    return [table for table in made if table.rows]


def _asked(store: Store, plan: pa.Table, sql: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = store.query(_HITS + sql, folder=f"{TABLES}/{ACCOUNTS}", plan=plan).to_pylist()
    return found


def _by_size(store: Store, plan: pa.Table, design: int) -> Written:
    band = " + ".join(f"(net_equity_before_usd >= {least:.0f})::INT" for least in BANDS)
    rows = _asked(
        store,
        plan,
        f"""SELECT run_seed, {band} AS band, count(*) AS n, count(*) FILTER (forced_notional_usd > 0) AS hit,
        sum(forced_notional_usd) AS forced, sum(bad_debt_usd) AS debt FROM each GROUP BY ALL ORDER BY run_seed""",
    )
    made = []
    for at in sorted({row["band"] for row in rows if row["band"]}):
        own = [row for row in rows if row["band"] == at]
        n, hit, forced, debt = (
            np.array([row[key] for row in own], np.float64) for key in ("n", "hit", "forced", "debt")
        )
        made.append(
            (
                _band(at - 1),
                f"{n.mean():,.0f}",
                cell(_within(intervals.mean(hit / n))),
                number(float(forced.mean())),
                number(float(debt.mean())),
            )
        )
    title = f"Who is hit under design {design}, by net equity at the start: means over seeds [95 % interval]"
    return Written(
        title, ("net equity, USD", "accounts", "share closed by force", "closed, USD", "bad debt, USD"), tuple(made)
    )


def _within(share: Interval) -> Interval:
    """An interval of a mean share, cut off at 0 and 1."""
    low, high = (None if end is None else min(1.0, max(0.0, end)) for end in (share.low, share.high))
    return replace(share, low=low, high=high)


def _band(at: int) -> str:
    if at == len(BANDS) - 1:
        return f"from {BANDS[at]:,.0f}"
    return f"{BANDS[at]:,.0f} to {BANDS[at + 1]:,.0f}"


def _top(found: Findings, store: Store, plan: pa.Table, design: int) -> Written:
    if isinstance(found.plan.loaded.resolver.base().scenario.population, AccountsFile):
        return _top_of_file(store, plan, design)
    rows = _asked(
        store,
        plan,
        f"SELECT * FROM each WHERE forced_notional_usd > 0 ORDER BY forced_notional_usd DESC, key, account LIMIT {TOP}",
    )
    made = [
        (
            str(row["account"]),
            str(row["run_seed"]),
            number(row["net_equity_before_usd"]),
            number(row["net_equity_after_usd"]),
            number(row["forced_notional_usd"]),
            number(row["bad_debt_usd"]),
        )
        for row in rows
    ]
    title = (
        f"The accounts that most is closed of under design {design}, of all seeds: a drawn population is another one"
    )
    title += " with every seed"
    header = ("account", "seed", "net equity before, USD", "after, USD", "closed, USD", "bad debt, USD")
    return Written(title, header, tuple(made))


def _top_of_file(store: Store, plan: pa.Table, design: int) -> Written:
    rows = _asked(
        store,
        plan,
        f"""SELECT account, avg(net_equity_before_usd) AS before, avg(net_equity_after_usd) AS after,
        avg(forced_notional_usd) AS forced, count(*) FILTER (forced_notional_usd > 0) AS hit, count(*) AS n
        FROM each GROUP BY account HAVING hit > 0 ORDER BY forced DESC, account LIMIT {TOP}""",
    )
    made = []
    for row in rows:
        hits = np.zeros(row["n"])
        hits[: row["hit"]] = 1.0
        chance = cell(intervals.probability(hits, above=0.5))
        figures = (number(row[key]) for key in ("before", "after", "forced"))
        made.append((str(row["account"]), chance, *figures))
    title = f"The accounts that most is closed of under design {design}: means over seeds [95 % interval]"
    header = ("account", "closed by force in", "net equity before, USD", "after, USD", "closed, USD")
    return Written(title, header, tuple(made))
