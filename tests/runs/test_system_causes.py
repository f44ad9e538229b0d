"""Causes that cross venues: forced sales through pools and outside, and claims that are worth less."""

from __future__ import annotations

import json
import shutil
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import networkx as nx
import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from experiments.cli import app
from experiments.contagion import CAUSES, FORCED, Contagion
from experiments.contagion.levels import levels
from experiments.contagion.records import ELSEWHERE, records
from experiments.systems.causes import (
    SystemCauses,
    _cascades,
    cascade_sizes,
    resales,
    system_causes,
)
from experiments.systems.contagion import CASCADES, CROSSINGS
from experiments.systems.repricing import with_claims
from experiments.systems.result import SystemResult
from experiments.systems.run import SystemTrace, trace_system
from market.kernels.moves import FLOW, OWN, SLOW
from market.kernels.origins import FORCED_SALES, OF_CLAIM
from market.kernels.records import FLOWS, FORCED_SEIZURE, NONE, RESALES
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


def test_folders_of_systems_that_cannot_be_read_say_why(run_dir: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(run_dir, copy)
    about = json.loads((copy / "run.json").read_text())
    for changed, message in (
        ({**about, "folder_format": 1}, "written by another version"),
        ({**about, "venues": 3}, "does not say which venues there are"),
    ):
        (copy / "run.json").write_text(json.dumps(changed))
        assert message in said(copy, code=2)
    (copy / "run.json").write_text(json.dumps(about))
    for name in (CASCADES, CROSSINGS, "lender/causes.parquet"):
        whole = (copy / name).read_bytes()
        (copy / name).write_bytes(whole[:-50])
        assert f"{name}: cannot be read, it is damaged or cut short" in said(copy, code=2)
        (copy / name).unlink()
        assert f"{name}: is missing" in said(copy, code=2)
        (copy / name).write_bytes(whole)
    (copy / "run.json").write_text("{")
    assert "cannot be read" in said(copy, code=2)
    (copy / "run.json").write_text(json.dumps(about))
    shutil.rmtree(copy / "amm")
    assert "amm: no such folder" in said(copy, code=2)


def test_cascades_go_on_from_venue_to_venue() -> None:
    """Trees of all venues together hold every liquidation once; who broke by another's sales hangs on its tree."""
    _, found = run_of("collateral-exploit")
    table = found.cascades
    assert len(table) == sum(own.n for own in found.venues.values())
    assert found.cascade_sizes().sum() == len(table)
    places: dict[Any, Any] = {(row.venue, row.liquidation): row for row in table.itertuples()}
    for venue, own in found.venues.items():
        for row in range(own.n):
            here = places[venue, row]
            if own.abroad[row] >= 0:
                assert here.parent_venue != venue
                assert own.parent[row] == -1
            elif own.parent[row] >= 0:
                assert (here.parent_venue, here.parent) == (venue, own.parent[row])
            above = places.get((here.parent_venue, here.parent))
            assert (here.cascade, here.generation) == (
                (here.Index, 0) if above is None else (above.cascade, above.generation + 1)
            )
    lines = {"a": _line([-1, 0], [-1, -1]), "b": _line([-1, 0], [ELSEWHERE + 1, -1])}
    others = {"a": [("b", 0), ("b", 1)], "b": [("a", 0), ("a", 1)]}
    path = _cascades(lines, others, {"a": ["x", "y"], "b": ["v", "w"]})
    assert path["generation"].tolist() == [0, 1, 2, 3]
    assert cascade_sizes(path).tolist() == [4]


def _line(parent: list[int], abroad: list[int]) -> Contagion:
    """Two liquidations of a venue, the second by the first; those of "b" come later."""
    tick = np.array([1, 2]) + 2 * (abroad[0] >= 0)
    return cast(Contagion, SimpleNamespace(tick=tick, parent=parent, abroad=abroad, account=np.array([0, 1])))


def test_what_keepers_sell_on_another_venue_s_book_is_forced_by_the_seizure() -> None:
    """Lots in the log are what moved the book; what they did to the price of the asset cost people there."""
    route = 'agents.sales.routes=[{collateral="QUSD", debt="USDC", venue="exchange", instrument="QUSD-USDC"}]'
    impact = "assets.QUSD.permanent_impact_bps_per_million_usd=20"
    main = trace_system(cut_system("stablecoin-depeg", route, impact, "bridge.latency_seconds=12"), seed=SEED)
    exchange, lender = main.venues["exchange"].built.world, main.venues["lender"].built.world
    sold = exchange.pressure.resales
    assert len(sold) > 10
    assert all(lender.events["kind"][event] == FORCED_SEIZURE for _, _, _, event, _ in sold)
    taken = sum(int(lender.events["lots"][event]) for event in {event for _, _, _, event, _ in sold})
    lots = sum(row[-1] for row in sold)
    assert 0.5 * taken < lots * int(exchange.instruments["lot_quanta"][1]) <= taken
    own = records(main.venues["exchange"])
    assert own.moved[:, 1, FLOW // FLOWS, RESALES].sum() == -lots
    found = {name: records(trace) for name, trace in main.venues.items()}
    ((home, venue, orders),) = resales(main.venues, found)
    assert (home, venue) == ("lender", "exchange")
    for column, name in ((SLOW // FLOWS, "slow_move"), (OWN // FLOWS, "own_move")):
        assert orders[name].sum() == pytest.approx(own.moved[:, 1, column, RESALES].sum())
    assert orders["impact"].sum() < 0.0
    causes = system_causes(main)
    for one in causes.venues.values():
        assert (one.causes.sum(axis=1) == one.loss).all()
    across = causes.crossings[causes.crossings["asset"] == "QUSD"]
    assert across.loc[across["from_venue"] == "lender", "loss_usd"].sum() > 0.0
