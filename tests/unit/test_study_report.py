"""What a report says about a study, on made-up figures."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from experiments.store.rows import OK, Row
from experiments.store.store import Store
from experiments.study.model import Mean, Probability, Quantile
from experiments.study_report import figures, report, tables
from experiments.study_report.findings import difference, findings
from experiments.study_report.hit import who_is_hit
from experiments.sweep.plan import Plan
from experiments.sweep.work import Chunk, row_of
from market.errors import InputError
from tests.sweeps import SMALL, Scripted, small_plan, sweep

TWO = (
    '[[measures]]\nkind = "mean"\nkpi = "bad_debt_usd"\n[[measures]]\nkind = "mean"\nkpi = "capital_efficiency_ratio"\n'
)


class Haircuts(Scripted):
    """A larger haircut: 100 USD less bad debt in every seed, and less capital efficiency; equity changes nothing."""

    def row(self, chunk: Chunk, n: int) -> Row:
        task = chunk.tasks[n]
        large = '"assets.ETH.haircut":0.3' in task.changes
        made = {
            "bad_debt_usd": 1000.0 + 17.0 * task.seed**2 - (100.0 + task.seed) * large,
            "capital_efficiency_ratio": 10.0 + 0.1 * task.seed - (1.0 + 0.01 * task.seed) * large,
        }
        return replace(row_of(chunk, task), status=OK, figures=made)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = Store(str(tmp_path / "store"))
    made.check()
    return made


def test_a_difference_is_told_apart_although_seeds_differ_more(tmp_path: Path, store: Store) -> None:
    plan = small_plan(tmp_path, text=SMALL.replace("count = 4", "count = 20") + TWO)
    sweep(plan, store, Haircuts(store)).run()
    found = report.write(plan, store, out=tmp_path / "out", base=None, overwrite=False)
    assert "of 5 other designs 3 lower and 2 the same in every seed" in report.headline(found)
    written = csv.DictReader((tmp_path / "out" / "differences.csv").open())
    line = next(row for row in written if row["assets.ETH.haircut"] == "0.3" and row["measure"] == "mean bad_debt_usd")
    assert float(line["value"]) == pytest.approx(-110.5)
    assert -114.0 < float(line["low"]) < -110.5 < float(line["high"]) < -107.0
    # The levels overlap: only pairs show it.
    levels = [design.measures[0] for design in found.summary.designs]
    assert levels[0].low is not None
    assert levels[3].high is not None
    assert levels[3].high > levels[0].low
    page = (tmp_path / "out" / "report.html").read_text("utf-8")
    assert page.count("<table") >= 3
    assert "http" not in page[: page.index('id="figure-data"')].replace("https://", "")
    again = report.write(plan, store, out=tmp_path / "out", base=3, overwrite=True)
    assert "3 higher" in report.headline(again)


def test_the_base_is_the_design_that_changes_nothing(tmp_path: Path, store: Store) -> None:
    plan = small_plan(tmp_path, text=SMALL.replace("[0.1, 0.3]", "[0.3, 0.15]").replace("[500.0,", "[2500.0,"))
    sweep(plan, store, Haircuts(store)).run()
    found = findings(plan, store)
    assert found.base_is_today
    assert found.summary.designs[found.base].changes == {"assets.ETH.haircut": 0.15, "population.equity_usd": 2500.0}
    with pytest.raises(InputError, match="--base 6: no such design; expected one of 0 to 5"):
        findings(plan, store, base=6)


def test_what_is_not_rated_has_no_colour_and_no_place_on_a_front(tmp_path: Path, store: Store) -> None:
    plan = small_plan(tmp_path, text=SMALL + TWO)  # four seeds
    sweep(plan, store, Haircuts(store)).run()
    found = findings(plan, store)
    heat = figures.heat_map(found, 0, *found.axes)["data"][0]
    assert {cell for line in heat["z"] for cell in line} == {None}
    assert {cell for line in heat["text"] for cell in line} == {"too few, to rate"}
    assert figures.front(found, 0, 1) == ()
    assert "2 the same in every seed and 3 with too few events to rate" in report.headline(found)


def test_a_front_wants_less_debt_and_more_efficiency(tmp_path: Path, store: Store) -> None:
    plan = small_plan(tmp_path, text=SMALL.replace("count = 4", "count = 20") + TWO)
    sweep(plan, store, Haircuts(store)).run()
    found = findings(plan, store)
    assert figures.front(found, 0, 1) == (0, 1, 2, 3, 4, 5)  # less of one for less of the other
    rated = [design.number for design in found.summary.designs]
    assert rated == [0, 1, 2, 3, 4, 5]
    assert figures.better(Mean(kpi="bad_debt_usd")) == -figures.better(Mean(kpi="capital_efficiency_ratio"))


def test_nothing_stored_is_an_error(tmp_path: Path, store: Store) -> None:
    with pytest.raises(InputError, match=r"no run of .* is stored"):
        findings(small_plan(tmp_path), store)


def test_differences_of_quantiles_need_values_beyond_both() -> None:
    base = np.random.default_rng(1).exponential(size=1200)
    wanted = Quantile(kpi="x", level=0.95)
    few = difference(wanted, base[:100] + 1.0, base[:100])
    assert not few.rated
    assert few.low is None
    assert few.value == pytest.approx(1.0)
    enough = difference(wanted, base + 1.0, base)
    assert enough.rated
    assert enough.low == pytest.approx(1.0) == enough.high  # the same seeds: nothing else differs
    missing = np.where(np.arange(1200) < 600, np.nan, base)
    assert difference(Mean(kpi="x"), missing, base).n == 600
    assert difference(Probability(kpi="x", above=1.0), base + 0.5, base).value == pytest.approx(
        float(((base + 0.5 > 1.0) & (base <= 1.0)).mean())
    )


def test_tables_escape_what_their_format_reads() -> None:
    table = tables.Written("t", ("a_b", "c|d"), (("5 %", "x & y"),))
    assert r"a\_b & c|d \\" in tables.tex(table)
    assert r"5 \% & x \& y \\" in tables.tex(table)
    assert r"| a_b | c\|d |" in tables.markdown(table)


def test_checklists_are_filled_in_from_the_study(tmp_path: Path, store: Store) -> None:
    plan = small_plan(tmp_path, text=SMALL + TWO)
    sweep(plan, store, Haircuts(store)).run()
    report.write(plan, store, out=tmp_path / "out", base=None, overwrite=False)
    written = (tmp_path / "out" / "checklists.md").read_text()
    for words in (
        "assets.ETH.haircut: 0.1, 0.3",
        "Two haircuts, three depths of pocket.",
        "seeds 1 to 4",
        "60 accounts",
    ):
        assert words in written
    assert "1.1 purpose of the model" in (tmp_path / "out" / "report.html").read_text("utf-8")
    assert not (tmp_path / "out" / "hit.md").exists()


def kept(plan: Plan, store: Store, names: str) -> None:
    """Tables of three accounts in every run: the large one is closed in every seed, the small one in every other."""
    frames = []
    for number in plan.mine.tolist():
        task = plan.task(number)
        closed = [50_000.0, 700.0 * (task.seed % 2), 0.0, 1e6]
        frame = pd.DataFrame(
            {
                "account": [names.format(n) for n in range(4)],
                "role": ["trader", "trader", "trader", "market_maker"],
                "customer": True,
                "net_equity_before_usd": [20_000.0, 500.0, 600.0, 1e6],
                "net_equity_after_usd": [100.0 * task.seed, 0.0, 600.0, 1e6],
                "forced_notional_usd": closed,
                "bad_debt_usd": [10.0, 0.0, 0.0, 0.0],
            }
        )
        frames.append((task.key, frame))
    store.write_tables("accounts", frames)
    store.write_tables("accounts", frames[:3])  # another driver had some of them as well


def test_who_is_hit_is_told_by_size_and_by_name(tmp_path: Path, store: Store) -> None:
    text = 'keep = ["accounts"]\n' + SMALL.replace("count = 4", "count = 10") + TWO
    plan = small_plan(tmp_path, text=text)
    sweep(plan, store, Haircuts(store)).run()
    kept(plan, store, "trader-{}")
    found = findings(plan, store)
    sizes, top = who_is_hit(found, store)
    assert [row[:2] for row in sizes.rows] == [("0 to 1,000", "2"), ("10,000 to 100,000", "1")]
    assert sizes.rows[0][2].startswith("0.25 [")  # one of two, every other seed
    assert sizes.rows[1][2].startswith("1 in all 10")
    assert sizes.rows[1][3:] == ("50,000", "10")
    assert [row[0] for row in top.rows] == ["trader-0"] * 10
    assert len({row[1] for row in top.rows}) == 10
    report.write(plan, store, out=tmp_path / "out", base=None, overwrite=False)
    assert "Who is hit" in (tmp_path / "out" / "report.html").read_text("utf-8")
    assert (tmp_path / "out" / "hit.md").read_text().count("Who is hit") == 1


def test_accounts_of_a_file_are_the_same_in_every_seed(tmp_path: Path, store: Store) -> None:
    (tmp_path / "accounts.csv").write_text("account,asset,instrument,quantity\nann,USDC,,20000\nann,,ETH-PERP,10\n")
    text = 'keep = ["accounts"]\n' + SMALL.replace("count = 4", "count = 10") + TWO
    text = text.replace("population.equity_usd = [500.0, 1000.0, 2000.0]\n", "")
    text = text.replace(
        "set.population.count = 60", f'set.population = {{kind = "file", file = "{tmp_path}/accounts.csv"}}'
    )
    plan = small_plan(tmp_path, text=text)
    sweep(plan, store, Haircuts(store)).run()
    kept(plan, store, "person-{}")
    _, top = who_is_hit(findings(plan, store), store)
    assert [row[0] for row in top.rows] == ["person-0", "person-1"]
    assert top.rows[1][1].startswith("0.5 [")
    assert top.rows[0][3] == "550"


def test_values_may_be_lists(tmp_path: Path, store: Store) -> None:
    text = SMALL.replace(
        "population.equity_usd = [500.0, 1000.0, 2000.0]", "population.instruments_held = [[1.0], [0.5, 0.5]]"
    )
    plan = small_plan(tmp_path, text=text)
    sweep(plan, store, Haircuts(store)).run()
    found = report.write(plan, store, out=tmp_path / "out", base=None, overwrite=False)
    assert [axis.values for axis in found.axes] == [(0.1, 0.3), ([1.0], [0.5, 0.5])]
    assert "[0.5, 0.5]" in (tmp_path / "out" / "measures.md").read_text()
