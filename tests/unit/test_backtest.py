"""Backtest: coverage tests against known values, accounts against the ledger, forecasts of a known law."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from typer.testing import CliRunner

from experiments.backtest.accounts import AccountBook, account_book
from experiments.backtest.coverage import coverage
from experiments.backtest.days import Days, read_days
from experiments.backtest.rolling import START_DAYS, rolling
from experiments.build import build
from experiments.cli import app
from experiments.scenario import Scenario
from market.errors import InputError
from market.instruments import USD_QUANTA

SMALL = ["population.count=400", "agents.background.default.limit_rate=0.1"]


def hits(*days: int, of: int) -> NDArray[np.bool_]:
    found = np.zeros(of, bool)
    found[list(days)] = True
    return found


def test_kupiec_and_christoffersen_are_the_published_formulas() -> None:
    """10 exceedances of 250 at 99 % give 12.96 and 4 give 0.77: the table in P. Jorion's Value at Risk."""
    assert coverage(hits(*range(0, 250, 25), of=250), level=0.99).kupiec == pytest.approx(12.9555, abs=1e-3)
    four = coverage(hits(10, 60, 110, 160, of=250), level=0.99)
    assert four.kupiec == pytest.approx(0.7691, abs=1e-3)
    assert four.kupiec_p == pytest.approx(0.3805, abs=1e-3)
    # Two pairs of neighbours: of 9 transitions 5 start quiet (1 leads to a hit) and 4 start at a hit (2 stay).
    pair = coverage(hits(0, 1, 5, 6, of=10), level=0.7)
    apart = math.log(0.2) + 4 * math.log(0.8) + 4 * math.log(0.5)
    together = 3 * math.log(3 / 9) + 6 * math.log(6 / 9)
    assert pair.independence == pytest.approx(2 * (apart - together))
    assert pair.conditional == pytest.approx(pair.kupiec + pair.independence)
    assert pair.conditional_p == pytest.approx(math.exp(-pair.conditional / 2))


def test_without_exceedances_only_their_number_is_judged() -> None:
    none = coverage(np.zeros(100, bool), level=0.99)
    assert none.kupiec == pytest.approx(-200 * math.log(0.99))
    assert math.isnan(none.independence_p)


def test_clustered_exceedances_are_found() -> None:
    clustered = coverage(hits(*range(100, 125), of=500), level=0.95)
    assert clustered.kupiec_p > 0.9
    assert clustered.independence_p < 1e-6


@pytest.mark.parametrize("x", [(0.85, 0.8, 0.75), (1.1, 1.2, 1.3), (0.95, 1.0, 1.05)])
def test_the_linear_book_breaks_whom_the_ledger_breaks(x: tuple[float, float, float]) -> None:
    scenario = Scenario.load("calm", overrides=SMALL)
    book = account_book(scenario, seed=2)
    assert book.assets == ("BTC", "ETH", "SOL")
    world = build(scenario, seed=2).world
    before = world.ledger.assess(world.instruments, world.assets, world.margin) / USD_QUANTA
    lot = world.instruments["mark"].astype(float) * world.instruments["tick_value"] / USD_QUANTA
    value = np.abs(world.ledger.positions["lots"]) * lot
    for name, factor in zip(book.assets, x, strict=True):
        row = world.asset(name)
        world.assets["price"][row] = round(int(world.assets["price"][row]) * factor)
        own = world.instruments["base"] == row
        world.instruments["mark"][own] = np.rint(world.instruments["mark"][own] * factor)
    after = world.ledger.assess(world.instruments, world.assets, world.margin) / USD_QUANTA
    traders = np.array([role == "trader" for role in world.ledger.roles])
    used = after[: len(traders)]
    broken = traders & (used[:, 0] < used[:, 2]) & (before[: len(traders), 0] >= before[: len(traders), 2])
    expected = value[: len(traders)][broken].sum()
    assert book.liquidated(np.array([x])) == pytest.approx(expected, rel=0.01, abs=1_000.0)


def test_an_account_counts_once_and_the_safe_ones_can_be_left_out() -> None:
    book = AccountBook(
        assets=("A",), constant=np.array([-0.9, 0.0, 1.1]), slope=np.array([[1.0], [1.0], [-1.0]]),
        notional=np.array([[5.0], [7.0], [11.0]]), exposure=np.array([1.0]),
    )  # fmt: skip
    states = np.array([[0.8], [1.2], [0.85]])
    assert book.liquidated(states) == 16.0
    assert book.breakable(states).liquidated(states) == 16.0
    assert len(book.breakable(states).constant) == 2
    assert book.liquidated(np.array([[1.0]])) == 0.0


def test_forecasts_of_a_known_law_are_exceeded_as_often_as_they_say() -> None:
    """Normal days whose volatility changes slowly; the false-alarm rate of each assertion is 1 in 1,000."""
    draws = np.random.default_rng(8)
    n = 900
    level = 0.02 * np.exp(0.5 * np.sin(np.arange(n) / 60.0))
    close = (level * draws.standard_normal(n))[:, None]
    extremes = np.stack([np.minimum(close, 0.0) - 0.005, np.maximum(close, 0.0) + 0.005], axis=1)
    days = Days(dates=tuple(map(str, range(n))), assets=("A",), close=close, extremes=extremes, last=np.ones(1))
    leverage = np.linspace(2.0, 40.0, 200)
    book = AccountBook(
        assets=("A",), constant=1.0 - leverage, slope=0.99 * leverage[:, None], notional=leverage[:, None],
        exposure=np.array([1e6]),
    )  # fmt: skip
    found = rolling(days, book, window=250, note=lambda *_: None)
    assert len(found.dates) == n - 250 - START_DAYS
    for outcome, forecast in ((found.loss, found.value_at_risk), (found.liquidated, found.liquidations_at_risk)):
        assert coverage(outcome > forecast[:, 0], level=0.95).kupiec_p > 1e-3
        assert coverage(outcome > forecast[:, 1], level=0.99).kupiec_p > 1e-3
    assert (found.value_at_risk[:, 1] >= found.value_at_risk[:, 0]).all()
    quiet, wild = level[-len(found.dates) :] < 0.015, level[-len(found.dates) :] > 0.03
    assert found.value_at_risk[wild, 0].mean() > 1.5 * found.value_at_risk[quiet, 0].mean()


def write_prices(file: Path, *, days: int, symbols: tuple[str, ...] = ("BTCUSDT", "ETHUSDT", "SOLUSDT")) -> None:
    """Bars of 12 hours; the second one lower than the first by a percent, days joined without a gap."""
    rows = []
    for number, symbol in enumerate(symbols):
        for day in range(days):
            for half, price in enumerate((100.0, 99.0)):
                moment = pd.Timestamp("2024-01-01", tz="UTC") + pd.Timedelta(days=day, hours=12 * half)
                rows.append((moment, symbol, price, price + 1 + number, price - 1 - number, price))
    pd.DataFrame(rows, columns=["ts", "symbol", "open", "high", "low", "close"]).to_csv(file, index=False)


def test_days_are_cut_where_all_assets_have_prices(tmp_path: Path) -> None:
    file = tmp_path / "prices.csv"
    write_prices(file, days=3)
    table = pd.read_csv(file)
    table[~((table["symbol"] == "ETHUSDT") & table["ts"].str.startswith("2024-01-02"))].to_csv(file, index=False)
    days = read_days(file, assets=("ETH", "BTC"))
    assert days.dates == ("2024-01-01", "2024-01-03")
    assert days.close == pytest.approx(np.full((2, 2), math.log(0.99)))
    assert days.extremes[0, 0] == pytest.approx(np.log([0.97, 0.98]))
    assert days.extremes[0, 1] == pytest.approx(np.log([1.02, 1.01]))


def test_accounts_of_a_file_are_valued_where_the_prices_end(tmp_path: Path) -> None:
    """Entered at 99 with leverage 10 and the prices end at 99; at the scenario's own prices all would be rich."""
    file, accounts = tmp_path / "prices.csv", tmp_path / "accounts.csv"
    write_prices(file, days=100)
    rows = ["account,asset,instrument,quantity,entry_price", "poor,USDC,,10,", "poor,,BTC-PERP,99,99"]
    for n in range(20):
        rows += [f"a{n},USDC,,1000,", f"a{n},,BTC-PERP,{10_000 / 99:.3f},99"]
    accounts.write_text("\n".join(rows))
    given = ["backtest", "--prices", str(file), "--accounts", str(accounts), "--window", "60", "--json"]
    done = CliRunner().invoke(app, [*given, "--out", str(tmp_path / "days.csv")])
    assert done.exit_code == 0, done.output
    notes = json.loads(done.stdout)["notes"]
    assert notes[-1] == "accounts are valued, and begin every day, at the last prices of prices.csv: BTC 99"
    assert "1 of 21 accounts left out of liquidations: they begin every day below maintenance" in notes
    table = pd.read_csv(tmp_path / "days.csv")
    assert table["loss_usd"].iloc[0] == pytest.approx(0.01 * (20 * 10_000 + 99 * 99), rel=0.01)


def test_too_few_days_or_a_missing_asset_is_one_line(tmp_path: Path) -> None:
    file = tmp_path / "prices.csv"
    write_prices(file, days=40)
    command = ["backtest", "--prices", str(file), *(word for text in SMALL for word in ("--set", text))]
    done = CliRunner().invoke(app, [*command, "--window", "60"])
    assert done.exit_code == 2
    assert done.stderr == "error: --window 60: the prices have 40 days, 92 are needed\n"
    write_prices(file, days=40, symbols=("BTCUSDT", "ETHUSDT"))
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 2
    assert "no prices of SOL, which the scenario has" in done.stderr


def test_a_price_of_zero_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "prices.csv"
    write_prices(file, days=2)
    table = pd.read_csv(file)
    table.loc[table.index == 5, "low"] = 0.0
    table.to_csv(file, index=False)
    with pytest.raises(InputError, match="line 7: has a price that is not above 0"):
        read_days(file, assets=("BTC", "ETH", "SOL"))


def test_the_command_prints_tests_and_writes_days(tmp_path: Path) -> None:
    file = tmp_path / "prices.csv"
    write_prices(file, days=100)
    words = [word for text in SMALL for word in ("--set", text)]
    done = CliRunner().invoke(
        app, ["backtest", "--prices", str(file), "--window", "60", "--out", str(tmp_path / "days.csv"), *words]
    )
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith("10 forecasts of one day, 2024-03-31 to 2024-04-09\n")
    assert len(pd.read_csv(tmp_path / "days.csv")) == 10
