"""Calibration: moments, the parameter space, regression, identifiability, stored runs, and what is read and written."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

pytest.importorskip("sklearn", reason="the extra `calibrate` is not installed")
pytest.importorskip("optuna", reason="the extra `calibrate` is not installed")

import pyarrow.parquet as pq

from experiments import kinds
from experiments.calibration import output
from experiments.calibration.book_data import read_book, read_market_orders
from experiments.calibration.book_model import SPACE, BookGiven, flow_of, maker_of, simulate_book
from experiments.calibration.book_moments import DISTANCES_BPS
from experiments.calibration.command import BASE, book_problem
from experiments.calibration.fit import Effort, Fit, fit
from experiments.calibration.moments import Moment, total_distance
from experiments.calibration.population import fit_population, measure_accounts
from experiments.calibration.price_moments import bipower_jump_share, hill_exponent, return_moments
from experiments.calibration.problem import Problem
from experiments.calibration.space import Parameter, places_of, spread_points, values_at
from experiments.calibration.store import Store
from experiments.cli import app
from experiments.scenario import Scenario
from experiments.store.store import Store as Runs
from experiments.sweep.rerun import rerun
from market.errors import InputError
from tests.toy import SIMULATED, ToyRun, toy

TOY = (
    Parameter(name="size", low=1.0, high=100.0),
    Parameter(name="slope", low=-1.0, high=1.0, log=False),
    Parameter(name="idle", low=1.0, high=2.0),
)
TRUTH = {"size": 20.0, "slope": 0.3, "idle": 1.5}


@pytest.fixture(autouse=True)
def toys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(kinds.MODELS, "toy", "tests.toy:ToyRun")
    SIMULATED.clear()


def toy_problem() -> Problem:
    exact = toy(0.0, TRUTH, 0)
    data = tuple(Moment(name=name, value=value, error=0.05) for name, value in exact.items())
    return Problem(name="toy", space=TOY, data=data, model=ToyRun())


def fit_toy(folder: Path) -> Fit:
    asked = Effort(runs=120, trials=24, seed=3, store=str(folder))
    return fit(toy_problem(), asked, note=lambda *_: None, announce=lambda *_: None)


def test_values_and_places_are_inverse_and_points_are_spread() -> None:
    points = spread_points(TOY, count=40, seed=1)
    values = values_at(TOY, points[7])
    assert places_of(TOY, values) == pytest.approx(points[7])
    assert (np.sort((points * 40).astype(int), axis=0) == np.arange(40)[:, None]).all()
    assert not np.array_equal(points, spread_points(TOY, count=40, seed=2))


def test_a_lower_bound_is_only_missed_from_below() -> None:
    bound = Moment(name="x", value=2.0, error=0.5, lower_bound=True)
    plain = Moment(name="y", value=2.0, error=0.5)
    assert (bound.distance(3.0), bound.distance(1.0)) == (0.0, -2.0)
    assert total_distance([bound, plain], {"x": 9.0, "y": 3.0}) == pytest.approx(math.sqrt(2.0))
    assert total_distance([plain], {"y": math.nan}) == pytest.approx(10.0)


def test_a_fit_finds_the_truth_and_says_what_it_cannot_tell(tmp_path: Path) -> None:
    found = fit_toy(tmp_path)
    assert found.values["size"] == pytest.approx(20.0, rel=0.1)
    assert found.values["slope"] == pytest.approx(0.3, abs=0.05)
    assert found.told.left[0] < 0.1
    assert found.told.left[1] < 0.2
    assert found.told.left[2] > 0.9
    assert found.estimate.skill[2] < 0.3
    inside = np.abs(places_of(TOY, TRUTH) - found.estimate.place) <= found.estimate.half_width
    assert inside.all()
    assert found.distance < 1.5


def test_a_second_fit_simulates_nothing_and_a_resumed_one_only_what_is_missing(tmp_path: Path) -> None:
    first = fit_toy(tmp_path)
    whole = len(SIMULATED)
    assert whole > 150
    again = fit_toy(tmp_path)
    assert (again.values, again.model, len(SIMULATED)) == (first.values, first.model, whole)
    parts = sorted((tmp_path / "runs").glob("*.parquet"))
    lost = pq.read_table(parts[0]).num_rows
    parts[0].unlink()
    resumed = fit_toy(tmp_path)
    assert (resumed.values, resumed.model) == (first.values, first.model)
    assert len(SIMULATED) == whole + lost


def test_what_a_run_depends_on_is_in_its_key(tmp_path: Path) -> None:
    runs: list[tuple[dict[str, float], int]] = [(TRUTH, seed) for seed in range(3)]
    other = toy_problem()
    noisier = replace(other, model=ToyRun(noise=0.1))
    with Store(other, place=str(tmp_path), workers=1) as store:
        first = store.moments(runs)
        assert store.moments([runs[2], runs[0], runs[2]]) == [first[2], first[0], first[2]]
    assert len(SIMULATED) == 3
    with Store(noisier, place=str(tmp_path), workers=1) as store:
        assert store.moments(runs) != first
    assert len(SIMULATED) == 6
    again = rerun(Runs(str(tmp_path)), Runs(str(tmp_path)).query("SELECT key FROM stored").column(0)[0].as_py())
    assert again.same
    assert again.finished.kpis["level"] in [found["level"] for found in first]


def test_confounded_parameters_are_named(tmp_path: Path) -> None:
    """Only the product of two parameters shows."""
    space = (TOY[0], replace(TOY[2], high=100.0))
    data = (Moment(name="level", value=math.log(60.0), error=0.02),)
    problem = Problem(name="product", space=space, data=data, model=ToyRun(product=True))
    effort = Effort(runs=100, trials=0, store=str(tmp_path))
    found = fit(problem, effort, note=lambda *_: None, announce=lambda *_: None)
    assert found.told.correlation[0] < -0.95
    assert found.told.partner.tolist() == [1, 0]


def snapshots(n: int = 400, *, reach_bps: float = 40.0) -> pd.DataFrame:
    """A book of step 0.5 whose depth grows like the distance up to its reach."""
    draws = np.random.default_rng(5)
    bid = 1_000.0 + 0.5 * np.cumsum(draws.integers(-1, 2, n))
    table = pd.DataFrame({"ts": pd.date_range("2024-01-01", periods=n, freq="s", tz="UTC"), "bid": bid})
    table["ask"] = table["bid"] + np.where(draws.random(n) < 0.2, 1.0, 0.5)
    wobble = np.exp(0.1 * draws.standard_normal(n))
    for bps in DISTANCES_BPS:
        table[f"bid_usd_{bps:g}bp"] = 1e5 * min(bps, reach_bps) * wobble
        table[f"ask_usd_{bps:g}bp"] = 3e5 * min(bps, reach_bps) * wobble
    return table


def test_a_book_is_read_with_its_step_and_reach(tmp_path: Path) -> None:
    file = tmp_path / "book.parquet"
    table = snapshots()
    for name in ("bid", "ask"):
        table[name] = table[name].astype("float32")
    table.to_parquet(file)
    book = read_book(file, market=None)
    assert book.tick_size == 0.5
    by_name = {moment.name: moment for moment in book.moments}
    assert by_name["log depth_usd 10 bps"].value == pytest.approx(math.log(2e6), abs=0.02)
    assert by_name["mean log spread_bps"].value == pytest.approx(math.log(5.0) + 0.2 * math.log(2.0), abs=0.05)
    assert {name for name, moment in by_name.items() if moment.lower_bound} == {
        "log depth_usd 50 bps", "log depth_usd 100 bps",
    }  # fmt: skip


def test_books_that_cannot_be_used_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "book.csv"
    table = snapshots()
    table["set"] = np.where(np.arange(len(table)) < 200, "one", "two")
    table.to_csv(file, index=False)
    with pytest.raises(InputError, match=r"several markets; say which with --market: one, two"):
        read_book(file, market=None)
    with pytest.raises(InputError, match="no market 'three'"):
        read_book(file, market="three")
    table["ask"] = table["ask"].where(table.index != 3, table["bid"])
    table.drop(columns="set").to_csv(file, index=False)
    with pytest.raises(InputError, match="snapshot 4: bid and ask cross"):
        read_book(file, market=None)
    table.drop(columns=["set", "ask_usd_5bp"]).to_csv(file, index=False)
    with pytest.raises(InputError, match="column ask_usd_5bp: is missing"):
        read_book(file, market=None)


def test_trades_of_one_moment_and_side_are_one_order(tmp_path: Path) -> None:
    start = pd.Timestamp("2024-01-01", tz="UTC")
    rows = []
    for second in range(60):
        for part in range(3):
            rows.append((start + pd.Timedelta(seconds=second, milliseconds=0.5 * part), 100.0, 1))
        rows.append((start + pd.Timedelta(seconds=second, milliseconds=1.6), 50.0, -1))
    file = tmp_path / "trades.parquet"
    pd.DataFrame(rows, columns=["ts", "usd", "sign"]).to_parquet(file)
    orders = read_market_orders(file, market=None)
    assert orders.count == 120
    assert orders.mean_usd == pytest.approx(175.0)
    assert orders.per_second == pytest.approx(120 / 59.0, rel=0.01)
    assert orders.sigma == pytest.approx(0.5 * math.log(6.0))


def test_tails_jumps_and_clustering_are_measured() -> None:
    draws = np.random.default_rng(2)
    assert hill_exponent(1.0 + draws.pareto(3.0, 200_000)) == pytest.approx(3.0, rel=0.1)
    normal = draws.standard_normal(50_000)
    assert abs(bipower_jump_share(normal)) < 0.03
    jumps = np.where(draws.random(50_000) < 0.001, 15.0, 0.0)
    assert bipower_jump_share(normal + jumps) == pytest.approx(0.225 / 1.225, abs=0.06)
    level = np.repeat(np.exp(draws.standard_normal(500)), 100)
    found = return_moments(np.column_stack([normal, normal * level]), bar_seconds=300.0)
    assert found["autocorrelation of |return| 1 bar"] > 0.15


GIVEN = BookGiven(
    price=1_000.0, tick_size=0.1, lot_size=0.01, volatility=0.3, market_rate=5.0, market_size_usd=5_000.0,
    market_size_sigma=1.5, seconds=64,
)  # fmt: skip


def test_a_simulated_book_follows_its_parameters() -> None:
    values = {parameter.name: parameter.value(0.5) for parameter in SPACE}
    small = simulate_book(GIVEN, values, 1)
    assert small == simulate_book(GIVEN, values, 1)
    large = simulate_book(GIVEN, values | {"depth_usd": 4.0 * values["depth_usd"]}, 1)
    assert large["log depth_usd 25 bps"] - small["log depth_usd 25 bps"] == pytest.approx(math.log(4.0), abs=0.2)


def test_what_is_written_loads_and_is_what_was_fitted(tmp_path: Path) -> None:
    file = tmp_path / "book.parquet"
    snapshots().to_parquet(file)
    book = read_book(file, market=None)
    effort = Effort(runs=60, trials=0, store=str(tmp_path))
    found = fit(book_problem(book, GIVEN), effort, note=lambda *_: None, announce=lambda *_: None)
    entries = output.book_entries(found, given=GIVEN, book=book, orders=None, asset="ETH")
    scenario_file = tmp_path / "fitted.toml"
    scenario_file.write_text(output.text(entries, summary="Fitted.", notes=["A note."]))
    scenario = Scenario.load(scenario_file)
    flow, maker = scenario.agents.background.books["ETH-PERP"], scenario.agents.market_makers.books["ETH-PERP"]
    assert flow.depth_usd(30.0) == pytest.approx(flow_of(found.values, GIVEN).depth_usd(30.0), rel=1e-4)
    assert maker.capital_usd == pytest.approx(maker_of(found.values).capital_usd, rel=1e-4)
    assert maker.anticipates_cancels
    assert scenario.instruments["ETH-PERP"].tick_size == 0.5
    lines = [line for line in scenario_file.read_text().splitlines() if " = " in line]
    assert [line.split()[0] for line in lines if "  # " not in line] == ["summary", "extends", "kind"]


def test_a_population_of_loans_is_recovered(tmp_path: Path) -> None:
    draws = np.random.default_rng(4)
    equity = 5_000.0 * np.exp(1.2 * draws.standard_normal(4_000))
    leverage = 1.0 + 1.0 * np.exp(0.3 * draws.standard_normal(4_000))
    table = pd.DataFrame({"coll_usd": equity * leverage, "debt_usd": equity * (leverage - 1.0)})
    file = tmp_path / "loans.csv"
    table.to_csv(file, index=False)
    scenario = Scenario.load(BASE)
    found = fit_population(measure_accounts(file, scenario), scenario, seed=1)
    assert found.fields["equity_usd"] == pytest.approx(5_000.0, rel=0.1)
    assert found.fields["equity_sigma"] == pytest.approx(1.2, abs=0.1)
    assert found.fields["leverage"] == pytest.approx(2.0, abs=0.05)
    for moment in found.moments:
        if "0.5" in moment.name:
            assert found.model[moment.name] == pytest.approx(moment.value, abs=0.1)


def test_a_book_of_accounts_is_valued_at_the_starting_prices(tmp_path: Path) -> None:
    scenario = Scenario.load(BASE)
    price = 28_145.15
    rows = []
    for n in range(120):
        rows += [(f"a{n}", "USDC", "", 1_000.0), (f"a{n}", "", "BTC-PERP", (1 if n < 90 else -1) * 5_000.0 / price)]
    file = tmp_path / "accounts.csv"
    pd.DataFrame(rows, columns=["account", "asset", "instrument", "quantity"]).replace("", None).to_csv(
        file, index=False
    )
    found = measure_accounts(file, scenario)
    assert found.leverage == pytest.approx(5.0, rel=0.01)
    assert (found.long > 0.5).sum() == 90


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "nothing to fit: give --depth, --prices or --accounts"),
        (["--trades", "x"], "nothing to fit"),
        (["--trades", "x", "--prices", "y"], "--trades: needs --depth"),
        (["--prices", "nowhere.csv"], "nowhere.csv: no such file"),
        (["--prices", "y", "--asset", "DOGE"], "--asset DOGE: no perpetual"),
    ],
)
def test_what_cannot_be_fitted_is_one_line_and_exit_code_2(options: list[str], message: str) -> None:
    done = CliRunner().invoke(app, ["calibrate", *options])
    assert done.exit_code == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


def test_every_file_is_looked_at_before_anything_is_fitted(tmp_path: Path) -> None:
    hour = pd.date_range("2024-01-01", periods=2_000, freq="5min", tz="UTC")
    prices = pd.DataFrame({"ts": hour, "symbol": "BTCUSDT", "open": 1.0, "high": 1.0, "low": 1.0, "close": 1.0})
    prices.to_csv(tmp_path / "prices.csv", index=False)
    (tmp_path / "notes.toml").write_text("mine")
    given = ["calibrate", "--prices", str(tmp_path / "prices.csv"), "--depth", "nowhere.csv"]
    for more, message in (
        (["--out", str(tmp_path / "there.toml")], "nowhere.csv: no such file"),
        (["--out", str(tmp_path / "notes.toml")], "notes.toml: exists and was not written by `cascade calibrate`"),
        (["--out", str(tmp_path / "no" / "x.toml")], "there is no folder"),
    ):
        done = CliRunner().invoke(app, [*given, *more])
        assert (done.exit_code, done.stdout) == (2, "")
        assert message in done.stderr
        assert done.stderr.count("\n") == 1
    assert (tmp_path / "notes.toml").read_text() == "mine"


def test_without_the_extra_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    for name in [name for name in sys.modules if name.startswith(("experiments.calibration", "sklearn"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "sklearn", None)
    done = CliRunner().invoke(app, ["calibrate", "--prices", "x.csv"])
    assert done.exit_code == 2
    assert done.stderr == "error: scikit-learn is not installed: pip install -c constraints.txt '.[calibrate]'\n"
