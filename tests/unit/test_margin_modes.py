"""`cascade compare-margin`: the same people under three margin modes, paired estimates, and what is said of them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from agents.one_account import OneAccount
from experiments.build import build
from experiments.fields import to_dict
from experiments.margin_modes.command import as_csv, as_json, print_result, save
from experiments.margin_modes.compare import Comparison, compare
from experiments.margin_modes.measures import MEASURES, capital_to_sit_through
from experiments.margin_modes.worlds import MODES, Worlds, requirements, worlds
from experiments.recorder import Recorder
from experiments.report.modes_page import headline, page_of, picture
from experiments.show import WIDTH
from experiments.statistics.means import estimate, half_width, paired
from experiments.store.keys import design_key, run_key
from experiments.store.store import Store
from experiments.study.load import load_study
from experiments.study.resolve import Change
from experiments.sweep.command import Call
from market.errors import InputError
from market.world import World

SMALL = ("population.count=150", "hours=0.02", "population.instruments_held=[0.2, 0.5, 0.3]")


@pytest.fixture(scope="module")
def small() -> Worlds:
    return worlds("flash-crash", venue=None, overrides=list(SMALL))


def by_person(world: World) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(lots, cash) summed over the accounts of every trader."""
    ledger = world.ledger
    rows = np.flatnonzero([role in ("trader", "wallet") for role in ledger.roles])
    _, owner = np.unique(ledger.accounts["owner"][rows], return_inverse=True)
    lots = np.zeros((owner.max() + 1, len(world.instruments)), np.int64)
    cash = np.zeros((owner.max() + 1, len(world.assets)), np.int64)
    np.add.at(lots, owner, ledger.positions["lots"][rows])
    np.add.at(cash, owner, ledger.cash[rows])
    return lots, cash


@pytest.mark.parametrize("seed", [1, 5])
def test_everybody_has_the_same_positions_and_equity_in_all_modes(small: Worlds, seed: int) -> None:
    found = [by_person(build(small.scenarios[mode], seed=seed).world) for mode in MODES]
    for lots, cash in found[1:]:
        assert np.array_equal(lots, found[0][0])
        assert np.array_equal(cash, found[0][1])
    held = (found[0][0] != 0).sum(axis=1)
    hedged = (found[0][0].max(axis=1) > 0) & (found[0][0].min(axis=1) < 0)
    assert len(held) == 150
    assert 0.3 < hedged[held > 1].mean() < 0.7


def test_the_shipped_study_has_the_same_people_in_all_its_designs() -> None:
    loaded = load_study("margin-modes")
    small = [Change("population.count", 150), Change("hours", 0.02)]
    found = [build(loaded.resolver.resolve([*design, *small]).scenario, seed=3).world for design in loaded.designs]
    people = [by_person(world) for world in found]
    for lots, cash in people[1:]:
        assert np.array_equal(lots, people[0][0])
        assert np.array_equal(cash, people[0][1])
    accounts = [sum(role in ("trader", "wallet") for role in world.ledger.roles) for world in found]
    assert accounts[0] > 300
    assert accounts[1:] == [150, 150]
    assert [world.risk is not None for world in found] == [False, False, True]
    with pytest.raises(InputError, match="isolated_share"):
        loaded.resolver.resolve([*loaded.designs[1], Change("population.isolated_share", 0.5)])


def test_a_portfolio_rule_is_made_up_only_where_none_is_stated(small: Worlds) -> None:
    rule = small.scenarios["portfolio"].venue.margin.portfolio
    initial, maintenance, notional = requirements(build(small.scenarios["cross"], seed=1).world)
    assert rule.price_range == pytest.approx(initial / notional, abs=1e-4)
    assert rule.maintenance_factor == pytest.approx(maintenance / initial, abs=1e-4)
    assert isinstance(small.scenarios["portfolio"].population, OneAccount)
    stated = worlds("flash-crash", venue=None, overrides=[*SMALL, "venue.margin.portfolio.price_range=0.3"])
    assert stated.scenarios["portfolio"].venue.margin.portfolio.price_range == 0.3
    assert stated.scenarios["portfolio"].venue.margin.portfolio.maintenance_factor == 0.8
    assert any("the rules stated" in line for line in stated.assumptions)


def test_a_population_from_a_file_has_no_modes_to_choose() -> None:
    chosen = ['population.kind="file"', 'population.file="accounts.csv"']
    with pytest.raises(InputError, match="population"):
        worlds("flash-crash", venue=None, overrides=chosen)


def recorded(marks: NDArray[np.int64]) -> Recorder:
    ticks = np.zeros(marks.shape, [("mark", "<i4")])
    ticks["mark"] = marks
    return cast(Recorder, SimpleNamespace(n=len(marks), ticks=ticks))


@settings(deadline=None, max_examples=10, derandomize=True)
@given(moves=st.lists(st.lists(st.floats(-0.2, 0.2), min_size=6, max_size=6), min_size=1, max_size=5))
def test_pooled_capital_never_exceeds_that_of_the_parts(small: Worlds, moves: list[list[float]]) -> None:
    opened = {mode: build(small.scenarios[mode], seed=1).world for mode in ("isolated", "cross")}
    start = opened["cross"].instruments["mark"].astype(np.float64)
    marks = np.rint(np.vstack([start, start * (1.0 + np.array(moves))])).astype(np.int64)
    found = {mode: capital_to_sit_through(world, recorded(marks)) for mode, world in opened.items()}
    assert found["cross"] <= found["isolated"] + 1e3
    assert found["cross"] >= requirements(opened["cross"])[0]
    calm = capital_to_sit_through(opened["cross"], recorded(marks[:1]))
    assert calm == requirements(opened["cross"])[0], "without a move it is the initial margin"


def test_estimates_say_when_there_is_too_little() -> None:
    values = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]
    found = estimate(values)
    assert (found.n, found.mean, found.sign) == (8, 4.5, 1)
    assert found.half_width == pytest.approx(2.3646 * np.std(values, ddof=1) / np.sqrt(8.0), rel=1e-3)
    assert not estimate(values[:5]).rated
    assert not estimate([0.0] * 16 + values[:4]).rated, "four seeds with anything"
    assert estimate([0.0] * 8).rated
    assert estimate([None, None]).mean is None
    assert paired([1.0, None, 5.0], [0.0, 1.0, 2.0]).mean == 2.0
    noisy = np.random.default_rng(1).normal(0.0, 10.0, 40)
    assert half_width(noisy + 0.0) > half_width(np.linspace(0.9, 1.1, 40)), "pairing takes the common noise out"
    assert paired((noisy + np.linspace(0.9, 1.1, 40)).tolist(), noisy.tolist()).sign == 1


def comparison(seeds: int = 8, **figures: Any) -> Comparison:
    """Fewer liquidations from mode to mode, seed by seed."""
    rows = {}
    for place, mode in enumerate(MODES):
        rows[mode] = tuple(
            {name: float(seed + 100 * (3 - place)) for name in MEASURES if name != "margin_called_by_rules_usd"}
            | {"equity_usd": 1e6, "notional_usd": 5e6, **figures}
            for seed in range(seeds)
        )
    return Comparison(title="A fall.", seeds=tuple(range(1, seeds + 1)), figures=rows, assumptions=("One thing.",))


def test_what_is_printed_fits_and_says_what_the_seeds_can_tell(capsys: pytest.CaptureFixture[str]) -> None:
    print_result(comparison())
    printed = capsys.readouterr().out
    assert "Cross margin against isolated margin: with 33% fewer people liquidated" in " ".join(printed.split())
    assert "−100.0 ± 0.0 *" in printed
    assert "- One thing." in printed
    assert max(len(line) for line in printed.splitlines()) <= WIDTH + 20
    print_result(comparison(seeds=3, amplification_ratio=None))
    assert "too few to rate" in capsys.readouterr().out
    alike: dict[str, Any] = dict.fromkeys(MEASURES, 1.0)
    same = comparison(**alike)
    assert "without a clear difference" in headline(same)
    assert "margin_called_by_rules_usd" in same.measures


def test_the_folder_holds_page_picture_and_every_seed(tmp_path: Path) -> None:
    found = comparison()
    save(found, tmp_path / "there", overwrite=False)
    with pytest.raises(InputError, match="--overwrite"):
        save(found, tmp_path / "there", overwrite=False)
    save(found, tmp_path / "there", overwrite=True)
    made = json.loads((tmp_path / "there/run.json").read_text())
    assert made["measures"]["bad_debt_usd"]["differences"]["cross - isolated"]["mean"] == -100.0
    assert len((tmp_path / "there/runs.csv").read_text().splitlines()) == 1 + 8 * 3
    root = ElementTree.fromstring((tmp_path / "there/picture.svg").read_text())
    assert root.tag.endswith("svg")
    assert page_of(found).html() == page_of(found).html()
    assert "bad debt" in picture(found)
    assert as_csv(found).startswith("seed,mode,")


def test_one_seed_is_simulated_under_every_mode_and_once(
    small: Worlds, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = replace(
        small, scenarios={mode: replace(scenario, tick_seconds=2.0) for mode, scenario in small.scenarios.items()}
    )
    call = Call(study="flash-crash", store=str(tmp_path), workers=1)
    found = compare(short, title="Short.", seeds=range(3, 4), call=call)
    stored = Store(str(tmp_path)).stored_keys(only_ok=True)
    keys = {run_key(design_key(to_dict(short.scenarios[mode]), twin=True), 3) for mode in MODES}
    assert stored == keys, "under the key that a study of the same world has"
    monkeypatch.setattr("experiments.kinds.simulate", lambda *_, **__: pytest.fail("simulated again"))
    again = compare(short, title="Short.", seeds=range(3, 4), call=call)
    assert again.figures == found.figures
    data = as_json(found)
    assert set(data["runs"]) == set(MODES)
    equity = [found.figures[mode][0]["equity_usd"] for mode in MODES]
    assert equity[0] == pytest.approx(equity[1], abs=1e-3)
    assert equity[1] == equity[2]
    assert found.figures["isolated"][0]["initial_margin_usd"] == pytest.approx(
        cast(float, found.figures["cross"][0]["initial_margin_usd"]), abs=1e-3
    )
