"""Who matters: candidates, cheap measures with known answers, savings from the store, and rank correlations."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import spearmanr

from experiments.contagion import contagion
from experiments.counterfactual import setting
from experiments.counterfactual.candidates import MEASURES, People, choose, cost_to_others, measured, people_of
from experiments.counterfactual.histories import Causes, history, start
from experiments.counterfactual.importance import Foresight, foresight, importance, spearman
from experiments.counterfactual.importance_command import as_json, lines, save
from experiments.counterfactual.measure import figures_of, measure, own_usd
from experiments.counterfactual.parts import parts_of
from experiments.frames import asset_usd
from experiments.run import simulate
from market.errors import InputError
from market.streams import Streams
from tests.cuts import CUTS, SYSTEM_CUTS

SHORT = (*CUTS["flash-crash"], "population.count=600", "hours=0.12")


def people(exposures: list[list[float]], equity: list[float], closeness: list[float]) -> People:
    n = len(exposures)
    return People(
        names=tuple(f"p{row}" for row in range(n)), rows=tuple((("", row),) for row in range(n)),
        exposures_usd=np.array(exposures), size_usd=np.abs(exposures).sum(axis=1),
        equity_usd=np.array(equity), closeness=np.array(closeness),
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
    begun = start(setting("flash-crash", overrides=SHORT).scenario, 1)
    world = begun.worlds[""]
    found = people_of(begun.worlds, guests={}, moving=begun.moving)
    assert len(found.names) == len(set(found.names)) == 600
    rows = [row for mine in found.rows for _, row in mine]
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
    found = importance(world, top=3, sample=2, seeds=[2], store=store)
    assert len(found.people) == 5
    person = max(found.people, key=lambda one: abs(one.saved_usd))
    without_it = setting("flash-crash", overrides=(*SHORT, f'without.accounts=["{person.name}"]')).single
    runs = [simulate(scenario, seed=2, twin=False) for scenario in (world.single, without_it)]
    closed = [float(run.kpis["liquidated_notional_usd"] or 0.0) for run in runs]
    assert person.saved_usd == pytest.approx(closed[0] - closed[1] - person.own_usd, abs=1e-3)
    own = runs[0].liquidations
    mine = own[own["account"].str.partition("/")[0] == person.name]
    assert person.own_usd == pytest.approx(
        mine.loc[mine["kind"].isin(["position", "collateral"]), "notional_usd"].sum()
    )
    begun = start(world.scenario, 2)
    there = people_of(begun.worlds, guests={}, moving=begun.moving)
    at = np.array([there.names.index(person.name)])
    assert person.measures["causes"] == cost_to_others(there, at, Causes(venues={"": contagion(runs[0].main)}))[0]
    assert set(person.measures) == set(MEASURES)
    # The shock to SOL is a part as well, and so are keepers.
    (sol,) = (part for part in found.parts if part.name == "SOL")
    still = setting("flash-crash", overrides=(*SHORT, 'without.assets=["SOL"]'))
    assert sol.saved_usd == pytest.approx(closed[0] - measure(still.scenario, 2)[0]["liquidated_notional_usd"])
    assert [part.name for part in found.parts if part.kind == "keeper"] == ["keeper-01", "keeper-02", "keeper-03"]
    stored = sorted((tmp_path / "store" / "answers").iterdir())
    assert importance(world, top=3, sample=2, seeds=[2], store=store) == found
    assert sorted((tmp_path / "store" / "answers").iterdir()) == stored, "nothing is simulated twice"
    assert found.noise_usd is None
    assert "too few to rate, 5 people" in " ".join(lines(found))
    save(found, tmp_path / "out", overwrite=False)
    assert json.loads((tmp_path / "out" / "run.json").read_text()) == json.loads(json.dumps(as_json(found)))
    stored[0].write_bytes(stored[0].read_bytes()[:-9])
    with pytest.raises(InputError, match="damaged or cut short"):
        importance(world, top=3, sample=2, seeds=[2], store=store)


def test_of_several_venues_people_may_act_on_more_than_one_and_venues_can_be_left_out() -> None:
    """A hedger's legs are one person; removing a venue saves what is closed on the others, not what was on it."""
    short = (*SYSTEM_CUTS["cross-venue-hedge"], "agents.hedgers.equity_usd=2e6")
    world = setting("cross-venue-hedge", overrides=short)
    found = importance(world, top=3, sample=0, seeds=[1], store=None)
    hedger = next(one for one in found.people if one.name.startswith("hedgers-"))
    venues, causes = history(world.scenario, 1)
    whole = figures_of(venues)
    other = setting("cross-venue-hedge", overrides=(*short, f'without.accounts=["{hedger.name}"]'))
    after = measure(other.scenario, 1)[0]
    names = {name: one.built.world.ledger.names for name, one in venues.items()}
    legs = [("north", f"{hedger.name}-a"), ("south", f"{hedger.name}-b")]
    own = sum(float(own_usd(venues[venue].built.world)[names[venue].index(leg)]) for venue, leg in legs)
    saved = whole["liquidated_notional_usd"] - after["liquidated_notional_usd"] - own
    assert (hedger.own_usd, hedger.saved_usd) == pytest.approx((own, saved))
    south = next(part for part in found.parts if part.name == "south")
    alone = measure(setting("cross-venue-hedge", overrides=(*short, 'without.venues=["south"]')).scenario, 1)[0]
    on_north = float(own_usd(venues["north"].built.world).sum())
    assert south.saved_usd == pytest.approx(on_north - alone["liquidated_notional_usd"])
    assert 0.0 < south.measures["DebtRank"] < 1.0
    assert {part.kind for part in found.parts} == {"venue", "agent", "shock to", "keeper"}
    assert causes.crossings


def test_claims_on_a_venue_count_to_it_where_they_are_held_elsewhere() -> None:
    """Receipts for deposits on the lender are owned on the exchange: part of the lender's ruin."""
    world = setting("collateral-exploit", overrides=SYSTEM_CUTS["collateral-exploit"])
    begun = start(world.scenario, 1)
    people = people_of(begun.worlds, guests={}, moving=begun.moving)
    traders = [name for name in people.names if name.startswith("exchange:")]
    assert len(traders) > 400
    assert begun.shocked == ("ETH", "bETH")
    venues, _ = history(world.scenario, 1)
    parts = {part.name: part.measures for part in parts_of(world.scenario, begun, venues, people) if part.measures}
    owners = {row for venue, row in people.owners() if venue == "exchange"}
    there = begun.worlds["exchange"]
    receipts = there.asset("rUSDC")
    held = there.ledger.cash[sorted(owners), receipts].sum() * asset_usd(there)[receipts]
    assert parts["lender"]["claims"] == pytest.approx(held)
    assert parts["exchange"]["claims"] == 0.0
