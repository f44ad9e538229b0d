"""Studies over scenarios of several venues: the same path as for one venue."""

from __future__ import annotations

from pathlib import Path

import pytest

from experiments.store.keys import design_key
from experiments.store.store import Store
from experiments.study.load import load_study
from experiments.study.resolve import Change
from experiments.study_report import report
from experiments.sweep.executor import InProcess
from experiments.sweep.plan import Plan
from experiments.sweep.rerun import rerun
from experiments.sweep.summary import summarise
from market.errors import InputError
from tests.sweeps import sweep

STUDY = """
summary = "Two exchanges, one fund."
scenario = "cross-venue-hedge"
seeds = {first = 1, count = 1}
set.hours = 0.01
set.venues.north.population.count = 60
set.venues.south.population.count = 40
[[changes]]
kind = "grid"
values = {venues.north.venue.waterfall.insurance_fund_usd = [0.0, 5e5]}
[[measures]]
kind = "mean"
kpi = "liquidation_count"
[[measures]]
kind = "mean"
kpi = "north.capital_efficiency_ratio"
"""


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    (tmp_path / "two.toml").write_text(STUDY)
    return Plan(load_study(tmp_path / "two.toml"))


def test_what_a_venue_is_called_is_in_no_key_and_what_it_does_is(plan: Plan, tmp_path: Path) -> None:
    def key(*changes: Change) -> str:
        return design_key(plan.loaded.resolver.resolve(changes).data, twin=False)

    assert key(Change("venues.north.summary", "Up there.")) == key()
    assert key(Change("venues.south.venue.waterfall.insurance_fund_usd", 3.0)) != key()
    accounts = tmp_path / "accounts.csv"
    book = [Change("venues.north.population", {"kind": "file", "file": str(accounts)})]
    with pytest.raises(InputError, match=r"accounts\.csv: cannot be read"):
        key(*book)
    accounts.write_text("account,asset,instrument,quantity\na,USDC,,100\n")
    first = key(*book)
    accounts.write_text("account,asset,instrument,quantity\na,USDC,,1000\n")
    assert key(*book) != first


def test_a_system_is_swept_measured_repeated_and_reported(plan: Plan, tmp_path: Path) -> None:
    store = Store(str(tmp_path / "store"))
    store.check()
    assert sweep(plan, store, InProcess()).run().done == 2
    assert sweep(plan, store, InProcess()).progress.left == 0
    first, second = summarise(plan, store).designs
    assert first.measures[1].value == second.measures[1].value
    assert first.measures[1].value is not None
    assert first.measures[1].value > 1.0
    assert rerun(store, plan.key(1)).same
    report.write(plan, store, out=tmp_path / "report", base=None, overwrite=False)
    page = (tmp_path / "report" / "report.html").read_text()
    assert "2 venues with one reference" in page
