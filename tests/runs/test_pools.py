"""A crash that flows through a pool: loans against a token without a book, whose oracle reads that pool."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from experiments.contagion import FORCED, contagion
from experiments.result import Result
from experiments.run import Session, simulate, trace
from experiments.scenario import Scenario
from market.kernels.records import FORCED_SWAP
from tests.cuts import cut, digests

WORLD = """
summary = "Loans against a token that trades in a pool only."
hours = 0.25

[reference]
kind = "anchors"
assets = [
  { symbol = "BTC", anchors = [[0, 60000], [900, 60000]], volatility = 0.3 },
  { symbol = "TKN", anchors = [[0, 10], [60, 10], [300, 8.4], [900, 8.4]], volatility = 0.3 },
]

[assets.USDC]
valuation = "one"
quantum = 1e-6
settlement = true
[assets.BTC]
[assets.TKN]
price_tick_usd = 1e-4
quantum = 1e-6
haircut = 0.2

[instruments.BTC-PERP]
base = "BTC"
tick_size = 1.0
lot_size = 0.001

[pools.TKN-USDC]
kind = "constant_product"
base = "TKN"
liquidity_usd = 4e6

[venue.liquidation]
fee_cap = "none"
fee_bps = 500
slippage_limit_bps = 1000

[agents.oracles.feeds.TKN]
sources = [{ kind = "pool", pool = "TKN-USDC", latency_seconds = 0.0, noise_bps = 0.0 }]

[agents.pool_flow.default]
size_usd = 500
[agents.pool_arbitrageurs]
order_usd = 10000

[population]
kind = "file"
file = "loans.csv"
"""
LOANS = 120


@pytest.fixture(scope="module")
def scenario(tmp_path_factory: pytest.TempPathFactory) -> Scenario:
    """Loans of 10,000 to 20,000 TKN each, health factors from 1.02 to 1.4."""
    folder: Path = tmp_path_factory.mktemp("loans")
    lines = ["account,asset,quantity"]
    for number in range(LOANS):
        tokens = 1_000 + 1_000 * number / LOANS
        health = 1.02 + 0.38 * ((7 * number) % LOANS) / LOANS
        lines += [f"loan-{number},TKN,{tokens:.2f}", f"loan-{number},USDC,{-tokens * 10 * 0.8 / health:.2f}"]
    (folder / "loans.csv").write_text("\n".join(lines) + "\n")
    (folder / "world.toml").write_text(WORLD.replace("loans.csv", str(folder / "loans.csv")))
    return Scenario.load(folder / "world.toml")


@pytest.fixture(scope="module")
def result(scenario: Scenario) -> Result:
    return simulate(scenario, seed=1)


def test_sales_push_the_pool_and_the_oracle_and_money_stays(result: Result) -> None:
    world, kpis = result.main.built.world, result.kpis
    assert world.pools is not None
    sold = world.events[: world.n_events]
    assert (sold["kind"] == FORCED_SWAP).all()
    assert len(np.unique(sold["account"])) > 10
    assert result.kpis["liquidated_account_count"] == len(np.unique(sold["account"]))
    assert world.ledger.conservation_error() == world.ledger.clearing_error(world.instruments) == 0
    account = int(world.pools.pools["account"][0])
    base, quote = world.pools.reserves(0)
    assert world.ledger.cash[account].tolist() == [quote, 0, base]
    assert result.twin is not None
    twin = result.twin.recorder
    assert twin.pools is not None
    prices = result.pools["price"].to_numpy()
    usual = twin.pools.ticks["price"][: twin.n, 0]
    assert prices.min() < 0.99 * usual.min(), "the sales themselves took it lower"
    oracle = result.main.recorder.asset_price[: len(prices), world.asset("TKN")] * 1e-4
    assert oracle.min() == pytest.approx(prices.min(), rel=0.02)
    assert kpis["pool_collateral_sold_usd"] == pytest.approx(float(sold["lots"].sum()) * 1e-6 * 8.4, rel=0.02)


def test_what_is_swapped_by_force_is_a_cause_of_what_breaks_later(scenario: Scenario) -> None:
    """With impact on the reference: every forced swap is in the log, and lowered the price for those who came after."""
    token = replace(scenario.assets["TKN"], permanent_impact_bps_per_million_usd=200.0)
    ended = trace(replace(scenario, assets={**scenario.assets, "TKN": token}), seed=1)
    world = ended.built.world
    pressed = world.pressure.rows
    assert set(pressed["event"][pressed["event"] >= 0].tolist()) == set(range(world.n_events))
    assert world.impact[world.asset("TKN")] == pytest.approx(pressed["move"].sum(), rel=1e-9)
    causes = contagion(ended)
    assert (causes.causes.sum(axis=1) == causes.loss).all()
    assert causes.n > 10
    assert causes.causes[:, FORCED].sum() > 0


def test_figures_of_the_pool_add_up(result: Result) -> None:
    kpis, table = result.kpis, result.pools
    assert kpis["pool_volume_usd"] == pytest.approx(table["volume_usd"].sum())
    assert kpis["pool_fees_usd"] == pytest.approx(0.003 * table["volume_usd"].sum(), rel=1e-3)
    assert kpis["pool_provider_profit_usd"] == pytest.approx(
        float(kpis["pool_fees_usd"] or 0) - float(kpis["pool_impermanent_loss_usd"] or 0)
    )
    # The pool's price ended about where the reference did, and the curve loses what it must.
    ratio = 8.4 / 10.0
    expected = (1.0 + ratio - 2.0 * ratio**0.5) * 2e6
    assert kpis["pool_impermanent_loss_usd"] == pytest.approx(expected, rel=0.1)
    assert float(kpis["pool_arbitrageur_profit_usd"] or 0) > 0.0


def test_a_run_folder_has_the_pools(result: Result, tmp_path: Path) -> None:
    made = result.save(tmp_path / "run")
    assert (made / "pools.parquet").is_file()


def test_however_a_run_is_cut_it_is_the_same(scenario: Scenario) -> None:
    found = []
    for cuts in ((300,), (1, 99, 200)):
        session = Session(scenario, seed=2)
        for ticks in cuts:
            session.advance(ticks)
        world = session.built.world
        assert world.pools is not None
        found.append((digests(world), world.pools.pools.tolist(), world.pools.ranges.tolist()))
    assert found[0] == found[1]


def test_pools_leave_the_draws_of_all_others_alone() -> None:
    """A pool nobody trades in changes nothing but the rows it adds to the ledger."""
    quiet = (
        "hours=0.05", "pools.P.kind=constant_product", "pools.P.base=BTC", "agents.pool_flow.default.swap_rate=0",
        "agents.pool_arbitrageurs.arbitrageurs_per_pool=0",
    )  # fmt: skip
    worlds = []
    for more in (("hours=0.05",), quiet):
        session = Session(cut("flash-crash", *more), seed=1)
        session.advance(session.ticks_left)
        worlds.append(session.built.world)
    plain, with_pool = worlds
    n = len(plain.ledger.names)
    assert plain.pools is None
    assert with_pool.ledger.names[:n] == plain.ledger.names
    customers = slice(7, n)
    assert (with_pool.ledger.cash[customers] == plain.ledger.cash[customers]).all()
    assert (with_pool.instruments["mark"] == plain.instruments["mark"]).all()
