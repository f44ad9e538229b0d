"""Worlds compared on the same random numbers: from options to alternatives, from runs to paired differences."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from experiments.config import Override
from experiments.counterfactual import Alternative, counterfactual, setting
from experiments.counterfactual.command import Wanted, alternatives, as_json, headline, rows, save, seeds_of
from experiments.counterfactual.measure import curve_of, figures_of, measure
from experiments.run import simulate
from experiments.scenario import Scenario
from experiments.statistics import intervals
from market.errors import InputError
from tests.cuts import CUTS, SYSTEM_CUTS, cut

SHORT = (*CUTS["flash-crash"], "population.count=600", "hours=0.12")


def test_a_change_that_changes_nothing_changes_nothing_and_one_that_does_is_paired() -> None:
    found = counterfactual(
        setting("flash-crash", overrides=SHORT),
        [Alternative(label="same", overrides=()), Alternative(label="calm", overrides=('without.assets=["SOL"]',))],
        seeds=range(1, 8),
    )
    for name in ("liquidated_notional_usd", "worst_fall_pct"):
        assert set(found.change(name, "same").__dict__.items()) >= {("value", 0.0), ("low", None), ("n", 7)}
    actual, calm = (np.array(found.values("liquidated_notional_usd", name)) for name in ("", "calm"))
    assert (calm < actual).all()
    change = found.change("liquidated_notional_usd", "calm")
    assert change == intervals.mean(calm - actual)
    assert change.high is not None
    assert change.high < 0.0
    assert headline(found, "calm").endswith("mean of 7 seeds")
    assert "*" in rows(found, "calm")[0][-1]
    assert rows(found, "same")[0][-1] == "0 in all 7"


def test_the_figures_are_those_of_the_run_and_the_curve_ends_at_their_sum() -> None:
    scenario = Scenario.load("flash-crash", overrides=SHORT)
    figures, curve = measure(scenario, 1)
    result = simulate(scenario, seed=1, twin=False)
    assert figures == figures_of({"": result.main})
    assert {name: result.kpis[name] for name in figures if name in result.kpis} == {
        name: value for name, value in figures.items() if name in result.kpis
    }
    assert curve[-1][1] == pytest.approx(result.kpis["liquidated_notional_usd"])
    assert figures["worst_fall_pct"] == max(
        value for name, value in result.kpis.items() if name.startswith("total_drawdown_") and isinstance(value, float)
    )
    assert curve == curve_of({"": result.main})


def test_a_run_s_folder_gives_its_own_world_and_seed(tmp_path: Path) -> None:
    scenario = Scenario.load("flash-crash", overrides=SHORT)
    simulate(scenario, seed=3, twin=False).save(tmp_path / "run")
    found = setting(tmp_path / "run")
    assert (found.scenario, found.seed) == (scenario, 3)
    assert list(seeds_of(found, first=None, count=None)) == [3]
    assert list(seeds_of(found, first=None, count=2)) == [3, 4]
    compared = counterfactual(
        found, alternatives(found, Wanted(accounts=["trader-00012"]), each=False), seeds=[3], workers=1
    )
    kpis = json.loads((tmp_path / "run" / "kpis.json").read_text())
    assert [compared.actual[0][name] for name in ("liquidated_notional_usd", "bad_debt_usd")] == [
        kpis["liquidated_notional_usd"], kpis["bad_debt_usd"],
    ]  # fmt: skip
    assert "one run, seed 3: no interval" in headline(compared, "without trader-00012")
    assert as_json(compared)["one_run"] is True
    save(compared, tmp_path / "out", overwrite=False)
    assert "Without trader-00012" in (tmp_path / "out" / "report.html").read_text()
    changed = setting(tmp_path / "run", overrides=["hours=0.05"])
    assert changed.scenario.hours == 0.05


def test_what_is_no_run_s_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"not the folder of a run \(it has no run.json\)"):
        setting(tmp_path)
    (tmp_path / "run.json").write_text('{"scenario": {"sum')
    with pytest.raises(InputError, match=r"run.json: cannot be read"):
        setting(tmp_path)
    (tmp_path / "run.json").write_text('{"contagion_of": "x"}')
    with pytest.raises(InputError, match="not the folder of a single run"):
        setting(tmp_path)
    (tmp_path / "run.json").write_text('{"scenario": {"summary": "x", "of_old": 1}, "seed": 1}')
    with pytest.raises(InputError, match="written by another version of this program"):
        setting(tmp_path)


def test_options_become_alternatives() -> None:
    world = setting("flash-crash", overrides=['without.accounts=["trader-00001"]'])
    wanted = Wanted(accounts=["trader-00002"], keepers=["3"], assets=["SOL"], better_oracle=True, sets=["hours=0.5"])
    apart = alternatives(world, wanted, each=True)
    assert [one.label for one in apart] == [
        "without trader-00002", "without keeper-03", "without the shock to SOL", "with perfect oracles",
        "with hours=0.5",
    ]  # fmt: skip
    (together,) = alternatives(world, wanted, each=False)
    (accounts,) = (one for one in together.overrides if isinstance(one, Override) and one.path[1] == "accounts")
    assert accounts.value == ["trader-00001", "trader-00002", "keeper-03"]
    made = world.changed(together.overrides)
    assert isinstance(made, Scenario)
    assert (made.without.oracle_errors, made.without.assets, made.hours) == (True, ("SOL",), 0.5)


def test_of_several_venues_one_can_be_left_out() -> None:
    world = setting("collateral-exploit", overrides=SYSTEM_CUTS["collateral-exploit"])
    made = alternatives(world, Wanted(venues=["lender"], keepers=["lender:2"]), each=True)
    assert made[0].label == "without lender:keeper-02"
    found = counterfactual(world, made[1:], seeds=[1])
    assert found.values("bad_debt_usd")[0] > 0.0
    assert found.values("bad_debt_usd", "without venue lender") == [0.0]


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (Wanted(), "nothing to leave out or change"),
        (Wanted(venues=["north"]), "--without-venue north: flash-crash has one venue"),
        (Wanted(keepers=["lender:1"]), "expected a name such as keeper-01"),
        (Wanted(sets=["hours"]), "--set hours: expected key.path=value"),
    ],
)
def test_options_that_cannot_be(wanted: Wanted, message: str) -> None:
    with pytest.raises(InputError, match=message):
        alternatives(setting("flash-crash"), wanted, each=False)


def test_the_same_figures_from_two_processes() -> None:
    world, other = setting("flash-crash", overrides=SHORT), [Alternative(label="b", overrides=("hours=0.1",))]
    assert counterfactual(world, other, seeds=[1], workers=2) == counterfactual(world, other, seeds=[1])
    assert cut("flash-crash").without == world.single.without
