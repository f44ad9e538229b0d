"""Causes that cross venues: forced sales through pools and outside, and claims that are worth less."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import networkx as nx
import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from experiments.cli import app
from experiments.contagion import CAUSES, FORCED
from experiments.contagion.levels import levels
from experiments.contagion.records import records
from experiments.systems.causes import SystemCauses, system_causes
from experiments.systems.contagion import CROSSINGS
from experiments.systems.repricing import with_claims
from experiments.systems.result import SystemResult
from experiments.systems.run import SystemTrace, trace_system
from market.kernels.origins import FORCED_SALES, OF_CLAIM
from market.kernels.records import NONE
from tests.cuts import cut_system

SEED = 1
CLAIM = CAUSES.index("claim")


@cache
def run_of(name: str) -> tuple[SystemTrace, SystemCauses]:
    main = trace_system(cut_system(name), seed=SEED)
    return main, system_causes(main)


@pytest.mark.parametrize("name", ["collateral-exploit", "staked-eth-discount"])
def test_every_loss_on_every_venue_adds_up(name: str) -> None:
    main, found = run_of(name)
    for venue, causes in found.venues.items():
        assert (causes.causes.sum(axis=1) == causes.loss).all()
        edges = causes.order_edges
        by_target = np.zeros(causes.n, np.int64)
        np.add.at(by_target, edges["target"], edges["loss"])
        assert (by_target == causes.causes[:, FORCED]).all()
        own = records(main.venues[venue])
        named = edges["order"] >= 0
        assert (causes.orders["liquidation"][edges["order"][named]] < own.n).all(), "its own sales alone are named"


def test_bad_debt_of_the_lender_is_why_accounts_of_the_exchange_break() -> None:
    """Receipts lost most of their value; nothing else fell."""
    main, found = run_of("collateral-exploit")
    exchange, receipt = found.venues["exchange"], main.built.system.claims.symbols.index("rUSDC")
    assert exchange.n > 20
    assert exchange.causes[:, CLAIM].sum() > 0.9 * exchange.loss.sum()
    assert (exchange.repriced[:, receipt] == exchange.causes[:, CLAIM]).all()
    told = found.crossings[found.crossings["from_account"] == "claim rUSDC"]
    assert set(zip(told["from_venue"], told["to_venue"], strict=True)) == {("lender", "exchange")}
    assert told["loss_usd"].sum() == pytest.approx(exchange.causes[:, CLAIM].sum() / 1e6)
    assert found.matrix().loc["lender", "exchange"] == pytest.approx(told["loss_usd"].sum())


def test_what_moves_ether_moves_the_claim_on_it() -> None:
    main, _ = run_of("staked-eth-discount")
    symbols = main.built.system.claims.symbols
    ether, staked = symbols.index("ETH"), symbols.index("stETH")
    lender = main.venues["lender"]
    pressed = lender.built.world.pressure.rows
    assert (pressed["event"] != NONE).sum() > 5, "keepers sold what they had seized through pools"
    known, row = with_claims(records(lender), claim_on=main.built.system.outside.underlying, rates=main.recorder.rates)
    orders = known.orders
    assert np.isin(row, np.flatnonzero(records(lender).orders["asset"] == ether)).any()
    moved = {asset: orders["impact"][orders["asset"] == asset].sum() for asset in (ether, staked)}
    own = records(lender).orders
    assert moved[staked] == pytest.approx(moved[ether] + own["impact"][own["asset"] == staked].sum())
    parts = levels(known).price
    np.testing.assert_allclose(parts.sum(axis=2), known.price, rtol=1e-9)
    # What stands behind a staked token grows by its yield: a part that only rises.
    grown = parts[:, staked, OF_CLAIM]
    assert 0.0 < grown[-1] < 0.001 * known.price[-1, staked]
    assert parts[-1, staked, FORCED_SALES] < 0.0


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    main, _ = run_of("collateral-exploit")
    result = SystemResult.of(cut_system("collateral-exploit"), seed=SEED, main=main, twin=None)
    return result.save(tmp_path_factory.mktemp("systems") / "exploit")


def said(*arguments: object, code: int = 0) -> str:
    found = CliRunner().invoke(app, ["contagion", *map(str, arguments)])
    assert found.exit_code == code, found.output
    return " ".join(found.output.split())


def test_the_story_of_all_venues(run_dir: Path) -> None:
    text = said(run_dir)
    assert "Sales and claims on lender cost accounts that broke on exchange 117,000 USD" in text
    assert "what stands behind claims" in text
    found = json.loads(CliRunner().invoke(app, ["contagion", str(run_dir), "--json"]).output)
    _, causes = run_of("collateral-exploit")
    assert {name: row["liquidation_count"] for name, row in found["venues"].items()} == {
        name: own.n for name, own in causes.venues.items()
    }
    assert sum(row["loss_usd"] for row in found["crossings"]) == pytest.approx(causes.crossings["loss_usd"].sum())


def test_one_account_and_one_asset_of_a_system(run_dir: Path) -> None:
    crossings = pd.read_parquet(run_dir / CROSSINGS)
    account = crossings["to_account"].iloc[crossings["loss_usd"].argmax()]
    text = said(run_dir, "--account", account)
    assert f"exchange: Account {account}, liquidated at" in text
    assert "Sales and claims on lender cost it" in text
    assert "on the price of rUSDC" in said(run_dir, "--asset", "rUSDC")


def test_the_graph_of_a_system_has_edges_between_venues(run_dir: Path, tmp_path: Path) -> None:
    said(run_dir, "--out", tmp_path / "told")
    graph = nx.read_graphml(tmp_path / "told" / "contagion.graphml")
    across = [data for one, other, data in graph.edges(data=True) if one.split("/")[0] != other.split("/")[0]]
    crossings = pd.read_parquet(run_dir / CROSSINGS)
    assert sum(data["loss_usd"] for data in across) == pytest.approx(crossings["loss_usd"].sum())
    assert (tmp_path / "told" / "exchange" / "contagion.html").is_file()


def test_what_cannot_be_told_of_a_system(run_dir: Path) -> None:
    assert "one at a time" in said(run_dir, "--account", "nobody", "--asset", "USDC", code=2)
    assert "give the folder of one" in said(run_dir, "--event", 3, code=2)
    assert "was liquidated on no venue" in said(run_dir, "--account", "nobody", code=2)
    assert "not in this run" in said(run_dir, "--asset", "XYZ", code=2)
