"""`CascadeModel` under Mesa: the figures of `simulate` to the bit, agents to look at, data collected, batches."""

from __future__ import annotations

import gc
import subprocess
import sys
import weakref
from importlib.metadata import version
from pathlib import Path
from typing import Any

import mesa
import numpy as np
import pytest

from agents.account_view import AccountView
from agents.strategy import Strategy
from agents.strategy_orders import Order
from agents.strategy_view import View
from experiments import CascadeModel, Scenario, simulate
from experiments.members import KeeperAgent, MarketMakerAgent, OracleAgent, StrategyAgent
from market.errors import InputError
from market.instruments import USD_QUANTA
from market.kernels.records import LOSS_COUNT
from market.world import World

ROOT = Path(__file__).resolve().parents[2]
SETTINGS: dict[str, Any] = {
    "hours": 0.08,
    "reference.crash_at_seconds": 30,
    "reference.crash_duration_seconds": 120,
    "reference.crash_log_return": -0.25,
    "population.count": 400,
}


TINY: dict[str, Any] = {"hours": 0.001, "population.count": 50}


class Noisy(Strategy):
    """Buys or sells at random."""

    every_seconds = 5.0

    def act(self, view: View) -> list[Order]:
        book = view["BTC-PERP"]
        return [book.buy(usd=5_000.0) if view.rng.random() < 0.5 else book.sell(usd=5_000.0)]


def scenario() -> Scenario:
    return Scenario.load("flash-crash", overrides=[f"{key}={value}" for key, value in SETTINGS.items()])


def run_model(**arguments: Any) -> CascadeModel:
    model = CascadeModel("flash-crash", **{**SETTINGS, **arguments})
    model.run_model()
    return model


@pytest.fixture(scope="module")
def finished() -> CascadeModel:
    return run_model(rng=3, strategies=[Noisy()])


def state(world: World) -> dict[str, np.ndarray[Any, Any]]:
    """Every integer that a run ends with."""
    return {
        "cash": world.ledger.cash,
        "positions": world.ledger.positions,
        "accounts": world.ledger.accounts,
        "assets": world.assets,
        "instruments": world.instruments,
        "levels": world.books.levels,
        "orders": world.books.orders,
        "counters": world.books.counters,
        "events": world.events[: world.n_events],
        "losses": world.losses[: world.n_losses],
        "breaches": world.breaches[: world.n_breaches],
        "impact": world.impact,
    }


def test_a_model_is_the_run_that_simulate_makes(finished: CascadeModel) -> None:
    result = simulate(scenario(), seed=3, twin=True, strategies=[Noisy()])
    assert result.kpis["liquidation_count"], "a run in which nothing happens proves nothing"
    ours = finished.result(twin=True)
    assert ours.kpis == result.kpis
    theirs = state(result.main.built.world)
    for name, array in state(finished.world).items():
        np.testing.assert_array_equal(array, theirs[name], err_msg=name)
    np.testing.assert_array_equal(ours.main.recorder.ticks, result.main.recorder.ticks)
    assert ours.accounts.equals(result.accounts)


def test_looking_at_a_model_changes_nothing(finished: CascadeModel) -> None:
    model = CascadeModel("flash-crash", rng=3, strategies=Noisy(), **SETTINGS)
    while model.running:
        model.step()
        if model.world.tick % 20 == 0:
            _ = [account.margin_excess_usd for account in model.traders]
            _ = [agent.price_usd for agent in model.agents_by_type[OracleAgent]]
            model.agents.do("step")
            _ = model.rng.random(), mesa.Agent(model).unique_id
    for name, array in state(model.world).items():
        np.testing.assert_array_equal(array, state(finished.world)[name], err_msg=name)


def test_the_few_are_mesa_agents(finished: CascadeModel) -> None:
    world = finished.world
    kinds = {kind.__name__: len(agents) for kind, agents in finished.agents_by_type.items()}
    assert kinds == {
        "MarketMakerAgent": 18, "ArbitrageurAgent": 6, "KeeperAgent": 20, "OracleAgent": 3, "StrategyAgent": 1,
    }  # fmt: skip
    assert all(isinstance(agent, mesa.Agent) for agent in finished.agents)
    assert sorted(agent.unique_id for agent in finished.agents) == list(range(1, 49))
    maker = next(iter(finished.agents_by_type[MarketMakerAgent]))
    assert (maker.name, maker.instrument) == ("market_maker-BTC-PERP-0", "BTC-PERP")
    assert set(maker.account.balances) == {"USDC"}
    assert maker.away == (maker.size_share == 0.0)
    keeper = next(iter(finished.agents_by_type[KeeperAgent]))
    assert keeper.account.role == "keeper"
    assert keeper.latency_seconds >= 0.0
    for oracle in finished.agents_by_type[OracleAgent]:
        record = world.assets[world.asset(oracle.name)]
        assert oracle.price_usd == pytest.approx(int(record["price"]) * float(record["price_tick"]))
        assert abs(oracle.error_bps) < 500.0
    noisy = next(iter(finished.agents_by_type[StrategyAgent]))
    assert noisy.name == "Noisy"
    assert noisy.account.positions.keys() == {"BTC-PERP"}


def test_traders_are_rows_until_somebody_looks() -> None:
    model = CascadeModel("flash-crash", rng=3, **SETTINGS)
    assert len(model.traders) > 400
    assert model.traders._touched == {}
    first = model.traders[0]
    assert isinstance(first, AccountView)
    assert list(model.traders._touched) == [first.account]
    assert model.traders[first.name] is first
    assert model.traders[:3][0] is first
    assert first.net_equity_usd > 0.0
    assert model.traders[-1].role in ("trader", "wallet")
    assert not any(agent.name == first.name for agent in model.agents)
    with pytest.raises(KeyError):
        _ = model.traders["nobody"]
    with pytest.raises(IndexError):
        _ = model.traders[len(model.traders)]


def test_the_collector_has_a_row_of_scalars_per_tick(finished: CascadeModel) -> None:
    table = finished.datacollector.get_model_vars_dataframe()
    world, recorder, kpis = finished.world, finished.session.recorder, finished.result().kpis
    assert len(table) == finished.session.scenario.ticks == 288
    assert set(table["seed"]) == {3}
    assert table["time_seconds"].tolist() == list(range(1, 289))
    for book, symbol in enumerate(world.instrument_symbols):
        recorded = recorder.ticks["mark"][:, book] * world.instruments[book]["tick_size"]
        np.testing.assert_allclose(table[f"mark_{symbol}"], recorded, rtol=1e-12)
    np.testing.assert_array_equal(table["open_claim_count"], recorder.open_claims)
    last = table.iloc[-1]
    assert last["liquidation_count"] == kpis["liquidation_count"]
    assert last["forced_fill_count"] == kpis["forced_fill_count"]
    losses = world.losses[: world.books.counters[LOSS_COUNT]]
    assert len(losses), "in such a fall somebody must have been closed out below zero"
    assert last["bad_debt_usd"] == pytest.approx(losses["bad_debt"].sum() / USD_QUANTA)
    depth = finished.result().depth
    sampled = depth[depth["seconds"] == depth["seconds"].max()]
    assert last["depth_50bps_usd"] == pytest.approx(sampled["depth_50bps_usd"].sum(), rel=1e-9)
    per_book = sampled.drop_duplicates("instrument")["open_interest_usd"]
    assert last["open_interest_usd"] == pytest.approx(per_book.sum(), rel=0.01)
    assert (table.map(np.isscalar)).all(axis=None)


def test_a_batch_sweeps_settings_and_seeds() -> None:
    settings = {**SETTINGS, "hours": 0.02, "venue.liquidation.fee_bps": [50, 100], "rng": [1, 2]}
    seeds = {} if _at_least(3, 5) is False else {"rng": settings.pop("rng")}
    rows = mesa.batch_run(
        CascadeModel, parameters=settings, number_processes=1, max_steps=50, display_progress=False, **seeds
    )
    assert len(rows) == 4
    assert {(row["venue.liquidation.fee_bps"], row["seed"]) for row in rows} == {
        (fee, seed) for fee in (50, 100) for seed in (1, 2)
    }
    marks = {row["seed"]: row["mark_BTC-PERP"] for row in rows}
    assert marks[1] != marks[2]
    alone = CascadeModel("flash-crash", rng=2, **{**SETTINGS, "hours": 0.02})
    # Mesa 3.3 takes one step more than max_steps.
    for _ in range(int(next(row["time_seconds"] for row in rows))):
        alone.step()
    assert alone.figures["mark_BTC-PERP"] == marks[2]


def test_a_model_ends_with_its_scenario() -> None:
    model = CascadeModel("calm", **TINY)
    assert model.seed == 7
    model.step()
    with pytest.raises(ValueError, match="3 ticks are left"):
        model.result(twin=True)
    model.run_model()
    assert model.world.tick == 4
    with pytest.raises(RuntimeError, match="over after 4 ticks"):
        model.step()


def test_without_a_seed_the_drawn_one_repeats_the_run() -> None:
    short = {**SETTINGS, "hours": 0.002}
    model = CascadeModel("flash-crash", rng=None, **short)
    again = CascadeModel("flash-crash", **short, rng=np.int64(model.seed))  # type: ignore[arg-type]
    other = CascadeModel("flash-crash", rng=None, **short)
    for made in (model, again, other):
        made.run_model()
    assert model.figures == again.figures
    assert other.seed != model.seed


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rng": "7"}, "rng: seed must be a whole number from 0, not '7', or None"),
        ({"rng": np.random.default_rng(1)}, "rng: seed must be a whole number"),
        ({"rng": -1}, "from 0"),
        ({"scenario": "flash-crsh"}, "flash-crash"),
        ({"population.cuont": 3}, "population.cuont"),
        ({"hours": "long"}, "hours"),
    ],
)
def test_mistakes_are_explained(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        CascadeModel(**arguments)


def test_a_finished_scenario_takes_no_settings() -> None:
    with pytest.raises(InputError, match="hours=1: settings need a scenario by name"):
        CascadeModel(scenario(), hours=1)


def test_models_are_freed() -> None:
    model = CascadeModel("calm", **TINY)
    model.step()
    gone = weakref.ref(model)
    del model
    gc.collect()
    assert gone() is None


def test_importing_the_package_loads_no_mesa() -> None:
    program = (
        "import sys, experiments; from experiments import Scenario, simulate, Strategy;"
        "print('mesa' in sys.modules, 'CascadeModel' in experiments.__all__)"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]


def _at_least(*wanted: int) -> bool:
    return tuple(int(part) for part in version("mesa").split(".")[:2]) >= wanted
