"""`cascade contagion` on the folder of a short crash: words, JSON, files, and folders that cannot be read."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import networkx as nx
import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from experiments.cli import app
from experiments.contagion import CAUSES
from experiments.contagion.numbers import Branching
from experiments.run import simulate
from tests.cuts import cut
from tests.runs.test_causes import QUICK, SEED


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return simulate(cut("flash-crash", *QUICK), seed=SEED, twin=False).save(tmp_path_factory.mktemp("runs") / "crash")


@pytest.fixture
def copy(run_dir: Path, tmp_path: Path) -> Path:
    shutil.copytree(run_dir, tmp_path / "copy")
    return tmp_path / "copy"


def said(*arguments: object) -> str:
    found = CliRunner().invoke(app, ["contagion", *map(str, arguments)])
    assert found.exit_code == 0, found.output
    return found.output


def refused(*arguments: object) -> str:
    found = CliRunner().invoke(app, ["contagion", *map(str, arguments)])
    assert found.exit_code == 2, found.output
    (line,) = found.output.strip().splitlines()
    return line


def test_the_folder_holds_causes_to_the_unit(run_dir: Path) -> None:
    table = pd.read_parquet(run_dir / "causes.parquet")
    assert len(table) > 5
    parts = table[[f"{cause}_micro_usd" for cause in CAUSES]]
    assert parts.dtypes.unique().tolist() == [np.dtype(np.int64)]
    assert (parts.sum(axis=1) == table["loss_micro_usd"]).all()
    forced = pd.read_parquet(run_dir / "forced_causes.parquet").groupby("target")["loss_micro_usd"].sum()
    whole = table["forced_sales_micro_usd"]
    assert (forced.reindex(table.index, fill_value=0) == whole).all()


def test_the_story_and_its_figures_agree(run_dir: Path) -> None:
    found = json.loads(said(run_dir, "--json"))
    table = pd.read_parquet(run_dir / "causes.parquet")
    loss = sum(row["loss_usd"] for row in found["liquidations"])
    assert loss == pytest.approx(table["loss_micro_usd"].sum() / 1e6)
    assert [sum(row["causes_usd"].values()) for row in found["liquidations"]] == pytest.approx(
        [row["loss_usd"] for row in found["liquidations"]]
    )
    assert found["story"][0].startswith(f"{len(table)} liquidations of ")
    assert "outside world" in said(run_dir)


def test_one_account_one_sale_one_asset(run_dir: Path) -> None:
    table, forced = (pd.read_parquet(run_dir / f"{name}.parquet") for name in ("causes", "forced_causes"))
    target = int(forced.loc[forced["forced_sale"] >= 0].sort_values("loss_micro_usd")["target"].iloc[-1])
    account = table["account"].iloc[target]
    text = " ".join(said(run_dir, "--account", account).split())
    assert f"{account}, liquidated at" in text
    assert "forced sale" in text
    assert "that began with" in text
    sale = int(forced.sort_values("loss_micro_usd")["forced_sale"].iloc[-1])
    assert f"Forced sale {sale}: at" in said(run_dir, "--event", sale)
    assert "on the price of SOL" in said(run_dir, "--asset", "SOL")


def test_exports_can_be_read_by_others(run_dir: Path, tmp_path: Path) -> None:
    said(run_dir, "--out", tmp_path / "out")
    network = nx.read_graphml(tmp_path / "out" / "contagion.graphml")
    assert set(network) == set(nx.read_gexf(tmp_path / "out" / "contagion.gexf"))
    accounts = pd.read_parquet(run_dir / "causes.parquet")["account"].nunique()
    assert sum(node.startswith("account:") for node in network) == accounts
    graph = json.loads((tmp_path / "out" / "contagion.json").read_text())["graph"]
    assert nx.node_link_graph(graph, edges="edges").number_of_edges() == network.number_of_edges()
    assert (tmp_path / "out" / "contagion.svg").read_text().startswith("<svg")
    page = (tmp_path / "out" / "contagion.html").read_text()
    assert all(f'id="chart-{name}"' in page for name in ("tree", "exposures", "spill"))
    assert "holds an earlier run" in refused(run_dir, "--out", tmp_path / "out")
    said(run_dir, "--out", tmp_path / "out", "--overwrite")


def test_unknown_names_are_answered_with_the_nearest(run_dir: Path) -> None:
    account = pd.read_parquet(run_dir / "causes.parquet")["account"].iloc[0]
    assert f"did you mean '{account}'?" in refused(run_dir, "--account", f"{account}x")
    assert "did you mean 'SOL'?" in refused(run_dir, "--asset", "SOLL")
    sales = len(pd.read_parquet(run_dir / "liquidations.parquet"))
    assert f"forced sales of this run are 0 to {sales - 1:,}" in refused(run_dir, "--event", sales)
    assert "forced sales of this run are" in refused(run_dir, "--event", -1)
    assert "one at a time" in refused(run_dir, "--event", 0, "--asset", "SOL")


def test_folders_that_cannot_be_read_say_why(copy: Path, tmp_path: Path) -> None:
    assert "no such folder" in refused(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    assert "not the folder of a run" in refused(tmp_path / "empty")
    file = copy / "causes.parquet"
    file.write_bytes(file.read_bytes()[:-100])
    assert "damaged or cut short" in refused(copy)
    file.unlink()
    assert "is missing" in refused(copy)
    about = json.loads((copy / "run.json").read_text())
    (copy / "run.json").write_text(json.dumps({**about, "folder_format": 1}))
    assert "written by another version" in refused(copy)
    (copy / "run.json").write_text("{")
    assert "cannot be read" in refused(copy)


@pytest.mark.parametrize(
    ("parents", "children", "low", "high"),
    [(100, 20, 0.1222, 0.3089), (10, 0, 0.0, 0.3689), (9, 5, None, None)],
)
def test_branching_has_the_interval_of_a_poisson_mean(
    parents: int, children: int, low: float | None, high: float | None
) -> None:
    """Garwood's table: 20 counts give 12.22 to 30.89, none 0 to 3.689; nine parents are too few."""
    interval = Branching(parents=parents, children=children).interval()
    assert interval == (None if low is None else pytest.approx((low, high), abs=1e-4))


def test_a_run_without_liquidations_has_a_story_too(tmp_path: Path) -> None:
    calm = simulate(cut("calm", "hours=0.01", "population.count=50"), seed=SEED, twin=False).save(tmp_path / "calm")
    assert "Nobody was liquidated." in said(calm)
    said(calm, "--out", tmp_path / "out")
    assert "nobody was liquidated" in refused(calm, "--account", "trader-1")
    assert "nothing was forced" in refused(calm, "--event", 0)
    assert "No liquidation lost anything" in said(calm, "--asset", "SOL")
