"""Recorded prices: what a replay may claim, and a short window of the real crash of May 2021."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from experiments import cli
from experiments.scenario import Scenario
from tests.shared import shared_file

TABLE = "data/ohlcv/binance_spot_5m_2021-04-25_2021-05-31.parquet"


def impacts(name: str, *overrides: str) -> dict[str, float]:
    assets = Scenario.load(name, overrides=overrides).assets
    return {symbol: asset.permanent_impact_bps_per_million_usd for symbol, asset in assets.items()}


def test_paths_that_contain_their_crash_have_no_permanent_impact_unless_told() -> None:
    replay = ("reference.kind=replay", "reference.file=prices.csv")
    none = {"USDC": 0.0, "BTC": 0.0, "ETH": 0.0, "SOL": 0.0}
    assert impacts("flash-crash")["BTC"] > 0.0
    assert impacts("flash-crash", *replay) == none
    assert impacts("may-2021") == none
    assert impacts("flash-crash", *replay, "assets.BTC.permanent_impact_bps_per_million_usd=0.5") == none | {"BTC": 0.5}


def test_twenty_minutes_of_the_real_crash(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """12:40 to 13:00 UTC of 19 May 2021, in which BTC fell by a tenth, from the command line to the files."""
    table = shared_file(TABLE)
    window = ["--start", "2021-05-19T12:40", "--hours", "0.3333333333"]
    smaller = ["--set", "population.count=2000"]
    with pytest.raises(SystemExit) as ended:
        cli.app(
            ["run", "flash-crash", "--prices", str(table), *window, *smaller, "--out", str(tmp_path / "x"), "--json"]
        )
    assert not ended.value.code
    found = json.loads(capsys.readouterr().out)
    said = "\n".join(found["notes"])
    assert "BTCUSDT read as BTC, ETHUSDT read as ETH, SOLUSDT read as SOL" in said
    assert "4 bars of 300 s from 2021-05-19T12:40Z" in said
    assert "recorded prices contain their crash" in said
    assert found["conservation_error"] == found["waterfall_error"] == 0
    assert found["liquidation_count"] > 0
    prices = pd.read_parquet(tmp_path / "x" / "prices.parquet")
    btc = prices[prices["instrument"] == "BTC-PERP"]["reference"]
    bars = pd.read_parquet(table)
    bars = bars[
        (bars["symbol"] == "BTCUSDT") & (bars["ts"] >= "2021-05-19T12:40Z") & (bars["ts"] < "2021-05-19T13:00Z")
    ]
    assert len(btc) == 1200
    assert btc.min() == pytest.approx(bars["low"].min(), abs=1.0), "the recorded low, moved by nobody"
    assert btc.max() == pytest.approx(bars["high"].max(), abs=1.0)
    assert (tmp_path / "x" / "report.html").stat().st_size > 100_000
