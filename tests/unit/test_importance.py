"""Who matters: candidates, cheap measures with known answers, savings from the store, and rank correlations."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import spearmanr

from experiments.build import build
from experiments.contagion import contagion
from experiments.counterfactual import setting
from experiments.counterfactual.candidates import MEASURES, People, choose, cost_to_others, measured, people_of
from experiments.counterfactual.importance import Foresight, foresight, importance, spearman
from experiments.counterfactual.importance_command import as_json, lines, save
from experiments.run import simulate
from market.streams import Streams
from tests.cuts import CUTS

SHORT = (*CUTS["flash-crash"], "population.count=600", "hours=0.12")


def people(exposures: list[list[float]], equity: list[float], closeness: list[float]) -> People:
    n = len(exposures)
    return People(
        names=tuple(f"p{row}" for row in range(n)), rows=tuple((row,) for row in range(n)),
        exposures_usd=np.array(exposures), equity_usd=np.array(equity), closeness=np.array(closeness),
    )  # fmt: skip


def test_cheap_measures_of_four_people() -> None:
    """0 and 1 hold the first asset, 2 the second one with a thin book, 3 is short of the first: a sale helps it."""
    found = people([[100.0, 0.0], [50.0, 0.0], [0.0, 10.0], [-20.0, 0.0]], [10.0, 10.0, 5.0, 5.0], [0.5, 0.1, 0.2, 0.0])
    made = measured(found, np.arange(4), np.array([1_000.0, 100.0]))
    assert made["notional"].tolist() == [100.0, 50.0, 10.0, 20.0]
    assert made["leverage"].tolist() == [10.0, 5.0, 2.0, 4.0]
    assert made["overlap"].tolist() == [5.0, 5.0, 0.0, 0.0]
    assert made["eigenvector"] == pytest.approx([0.5**0.5, 0.5**0.5, 0.0, 0.0], abs=1e-9)
    assert made["k-core"].tolist() == [1.0, 1.0, 0.0, 0.0]
    # The ruin of 0 costs 1 half of its equity, which costs 0 nothing more: 5 of 30.
    assert made["DebtRank"] == pytest.approx([5.0 / 30.0, 5.0 / 30.0, 0.0, 0.0])


def test_candidates_are_the_largest_by_turns_and_others_at_random() -> None:
    sizes = [[float(100 - row)] for row in range(50)]
    close = [0.0] * 49 + [1.0]
    found = people([*sizes, [0.0]], [1.0] * 51, [*close, 1.0])
    chosen, largest = choose(found, top=3, sample=5, seed=1)
    assert (chosen[:3].tolist(), largest) == ([0, 49, 1], 3)
    assert len(set(chosen.tolist())) == 8
    assert 50 not in chosen, "who holds nothing changes nothing"
    again, _ = choose(found, top=3, sample=5, seed=1)
    assert (again == chosen).all()
    assert len(choose(found, top=80, sample=5, seed=1)[0]) == 50


def test_people_have_all_their_accounts() -> None:
    world = build(setting("flash-crash", overrides=SHORT).single, seed=1).world
    found = people_of(world)
    assert len(found.names) == len(set(found.names)) == 600
    rows = [row for mine in found.rows for row in mine]
    assert len(rows) == len(set(rows)) == sum(role in ("trader", "wallet") for role in world.ledger.roles)
    assert (found.size_usd > 0.0).sum() > 500
    assert not found.exposures_usd[:, world.asset("USDC")].any()


def test_rank_correlation_is_scipy_s_with_ties() -> None:
    x, y = (Streams(seed).generator("tests.ranks").integers(0, 6, (20, 30)).astype(float) for seed in (1, 2))
    assert spearman(x, y) == pytest.approx([spearmanr(a, b).statistic for a, b in zip(x, y, strict=True)])
    assert np.isnan(spearman(np.ones((1, 5)), np.arange(5.0)[None])[0])


def verdict_of(noise: float, *, n: int = 60) -> Foresight:
    draws = Streams(5).generator("tests.foresight").standard_normal((2, n))
    return foresight("notional", [draws[0]], [draws[0] + noise * draws[1]])


def test_verdicts_follow_the_interval_and_few_are_not_rated() -> None:
    assert verdict_of(0.1).verdict == "foresees it well"
    assert verdict_of(1.3).verdict == "foresees it in part"
    assert verdict_of(30.0).verdict == "cannot be told from chance"
    assert verdict_of(0.1, n=15).verdict == "too few to rate"
    quiet = foresight("notional", [np.arange(40.0)], [np.r_[np.ones(5), np.zeros(35)]])
    assert not quiet.rated
    assert foresight("notional", [np.arange(40.0)], [-np.arange(40.0)]).verdict == "foresees the opposite well"


def test_savings_are_differences_of_whole_runs_and_stored(tmp_path: Path) -> None:
    world, store = setting("flash-crash", overrides=SHORT), str(tmp_path / "store")
    found = importance(world, top=4, sample=2, seeds=[2], store=store, workers=1)
    assert len(found.people) == 6
    person = max(found.people, key=lambda one: abs(one.saved_usd))
    without = setting("flash-crash", overrides=(*SHORT, f'without.accounts=["{person.name}"]')).single
    runs = [simulate(scenario, seed=2, twin=False) for scenario in (world.single, without)]
    closed = [float(run.kpis["liquidated_notional_usd"] or 0.0) for run in runs]
    assert person.saved_usd == pytest.approx(closed[0] - closed[1] - person.own_usd, abs=1e-3)
    own = runs[0].liquidations
    mine = own[own["account"].str.partition("/")[0] == person.name]
    assert person.own_usd == pytest.approx(
        mine.loc[mine["kind"].isin(["position", "collateral"]), "notional_usd"].sum()
    )
    causes = contagion(runs[0].main)
    there = people_of(build(world.single, seed=2).world)
    at = there.names.index(person.name)
    assert person.measures["causes"] == cost_to_others(there, np.array([at]), causes)[0]
    assert set(person.measures) == set(MEASURES)
    parts = len(list((tmp_path / "store" / "runs").iterdir()))
    assert importance(world, top=4, sample=2, seeds=[2], store=store, workers=1) == found
    assert len(list((tmp_path / "store" / "runs").iterdir())) == parts, "nothing is simulated twice"
    assert found.noise_usd is None
    assert "too few to rate, 6 people" in " ".join(lines(found))
    save(found, tmp_path / "out", overwrite=False)
    assert json.loads((tmp_path / "out" / "run.json").read_text()) == json.loads(json.dumps(as_json(found)))
