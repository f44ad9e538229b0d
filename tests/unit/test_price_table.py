"""Price tables: what is read, and what is refused in one line that names file, place and remedy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from experiments.prices import read_prices
from experiments.symbols import map_symbols, readings
from market.errors import InputError
from market.reference import ReplayPrices
from market.streams import Streams
from tests.shared import shared_file


def table(symbols: tuple[str, ...] = ("BTCUSDT", "ETHUSDT"), bars: int = 12) -> pd.DataFrame:
    times = pd.date_range("2021-05-19T06:00", periods=bars, freq="5min")
    frames = [
        pd.DataFrame(
            {
                "ts": times.strftime("%Y-%m-%dT%H:%M:%S"),
                "symbol": symbol,
                "open": 100.0 + np.arange(bars),
                "high": 102.0 + np.arange(bars),
                "low": 99.0 + np.arange(bars),
                "close": 101.0 + np.arange(bars),
            }
        )
        for symbol in symbols
    ]
    return pd.concat(frames, ignore_index=True)


@pytest.fixture
def save(tmp_path: Any) -> Any:
    def write(frame: pd.DataFrame, name: str = "prices.csv") -> Any:
        path = tmp_path / name
        frame.to_csv(path, index=False) if name.endswith(".csv") else frame.to_parquet(path)
        return path

    return write


def refused(path: Path, **options: Any) -> str:
    with pytest.raises(InputError) as error:
        read_prices(path, **options)
    message = str(error.value)
    assert message.startswith(str(path))
    assert "; valid: " in message
    assert "\n" not in message
    return message


def test_csv_and_parquet_agree(save: Any) -> None:
    csv = read_prices(save(table()))
    frame = table()
    frame["ts"] = pd.to_datetime(frame["ts"]).dt.tz_localize("UTC").dt.tz_convert("Asia/Tokyo")
    parquet = read_prices(save(frame, "prices.parquet"))
    assert csv.bars.symbols == ("BTC", "ETH")
    assert csv.bars.start == parquet.bars.start == "2021-05-19T06:00Z"
    assert csv.bars.seconds == 300.0
    assert np.array_equal(csv.bars.close, parquet.bars.close)
    assert csv.bars.open[:, 0].tolist() == table(symbols=("BTCUSDT",))["open"].tolist()
    assert csv.mapping == {"BTCUSDT": "BTC", "ETHUSDT": "ETH"}
    assert csv.describe() == (
        "prices.csv: BTCUSDT read as BTC, ETHUSDT read as ETH; 12 bars of 300 s from 2021-05-19T06:00Z"
    )


def test_window_and_order_of_assets(save: Any) -> None:
    path = save(table())
    found = read_prices(path, assets=["ETH", "BTC"], start="2021-05-19T06:10", hours=0.25)
    assert found.bars.symbols == ("ETH", "BTC")
    assert found.bars.open[:, 0].tolist() == [102.0, 103.0, 104.0]
    assert read_prices(path, start="2021-05-19 08:10+02:00").bars.open[0, 0] == 102.0
    for hours, bars in ((1e-9, 1), (0.01, 1), (1 / 12, 1), (0.1, 2), (0.5, 6)):
        assert len(read_prices(path, hours=hours).bars.open) == bars


def test_only_what_is_used_is_held_to_the_rules(save: Any) -> None:
    frame = table(symbols=("BTCUSDT", "ETH-BTC", "ETHUSDT"))
    frame.loc[(frame["symbol"] == "ETHUSDT"), "close"] = np.nan
    frame.loc[0, "open"] = -1.0
    assert len(read_prices(save(frame), assets=["BTC"], start="2021-05-19T06:05").bars.open) == 11


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("close", np.nan, "line 7, column close: is NaN; valid: a number above 0"),
        ("open", 0.0, "line 7, column open: is 0; valid: a number above 0"),
        ("low", -5.0, "line 7, column low: is -5; valid: a number above 0"),
        ("high", np.inf, "line 7, column high: is inf; valid: a number above 0"),
        ("high", 90.0, "line 7, column low: is 104, but the bar has open 105, high 90, close 106"),
        ("high", 105.5, "line 7, column high: is 105.5, but the bar has open 105, low 104, close 106"),
        ("low", 105.5, "line 7, column low: is 105.5, but the bar has open 105, high 107, close 106"),
        ("open", "abc", "line 7, column open: is abc; valid: a number above 0"),
        ("ts", "yesterday", "line 7, column ts: is yesterday; valid: ISO 8601"),
        ("ts", None, "line 7, column ts: is"),
        ("symbol", None, "line 7, column symbol: is empty"),
        ("ts", "2021-05-19T06:20:00", "line 7, column ts: repeats 2021-05-19T06:20Z of BTCUSDT, already in line 6"),
        ("ts", "2021-05-19T06:19:00", "line 7, column ts: 2021-05-19T06:19Z of BTCUSDT comes after a later time"),
        ("ts", "2021-05-19T06:26:00", "line 7, column ts: 2021-05-19T06:26Z of BTCUSDT lies between two bars"),
    ],
)
def test_bad_rows_are_named(save: Any, column: Any, value: Any, message: Any) -> None:
    frame = table()
    frame[column] = frame[column].astype(object)
    frame.loc[5, column] = value
    assert message in refused(save(frame))


def test_rows_of_parquet_are_counted_from_one(save: Any) -> None:
    frame = table()
    frame.loc[5, "close"] = np.nan
    assert "row 6, column close: is NaN" in refused(save(frame, "prices.parquet"))


def test_missing_things(save: Any, tmp_path: Any) -> None:
    assert "no such file" in refused(tmp_path / "none.csv")
    (tmp_path / "prices.xls").write_text("")
    assert "unknown file type '.xls'; valid: .csv, .parquet" in refused(tmp_path / "prices.xls")
    (tmp_path / "broken.parquet").write_text("not parquet")
    assert "cannot be read" in refused(tmp_path / "broken.parquet")
    (tmp_path / "empty.csv").write_text("")
    assert "cannot be read" in refused(tmp_path / "empty.csv")
    (tmp_path / "latin.csv").write_bytes(b"ts,symbol\n\xff\xfe,b\n")
    assert "cannot be read" in refused(tmp_path / "latin.csv")
    assert "has no rows" in refused(save(table().iloc[:0]))
    assert "column high: is missing; valid: columns ts, symbol" in refused(save(table().drop(columns="high")))
    assert "no prices of SOL, which the scenario has; valid: a table with them" in refused(
        save(table()), assets=["SOL"]
    )
    gap = refused(save(table().drop(index=[3, 4])))
    assert "symbol BTCUSDT: 2 of 12 bars are missing, the first at 2021-05-19T06:15Z" in gap
    assert "has one bar" in refused(save(table(bars=1)))
    late = table().drop(index=[12])
    assert "symbol ETHUSDT: 1 of 12 bars are missing, the first at 2021-05-19T06:00Z" in refused(save(late))


def test_numbers_are_no_times(save: Any) -> None:
    frame = table()
    frame["ts"] = 1_621_404_000 + np.arange(len(frame))
    assert "column ts: is the number 1621404000; valid: ISO 8601" in refused(save(frame))


def test_bars_of_different_length(save: Any) -> None:
    frame = pd.concat([table(symbols=("BTCUSDT",)), table(symbols=("ETHUSDT",)).iloc[::3]])
    assert "bars differ in length: BTCUSDT 300 s, ETHUSDT 900 s" in refused(save(frame))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"start": "2021-05-19T07:00"}, "--start: 2021-05-19T07:00Z is outside the table; valid: a window within"),
        ({"start": "2021-05-18T06:00"}, "--start: 2021-05-18T06:00Z is outside the table"),
        ({"start": "2021-05-19T06:07"}, "is not the start of a bar of 300 s; valid: 2021-05-19T06:05Z"),
        ({"start": "soon"}, "--start: 'soon' is not a time; valid: ISO 8601"),
        ({"start": ""}, "--start: '' is not a time"),
        ({"hours": 2.0}, "--hours: the window would end at 2021-05-19T08:00Z; valid: a window within"),
        ({"hours": 0.0}, "--hours: 0.0 is not a length of time"),
        ({"hours": float("nan")}, "--hours: nan is not a length of time"),
    ],
)
def test_bad_windows(save: Any, options: Any, message: Any) -> None:
    assert message in refused(save(table()), **options)


@pytest.mark.parametrize(
    ("symbol", "expected"),
    [
        ("BTCUSDT", {"BTC"}),
        ("btc-usd", {"BTC"}),
        ("BTC/USDT", {"BTC"}),
        ("BTC/USDT:USDT", {"BTC"}),
        ("BTC-PERP", {"BTC"}),
        ("BTCPERP", {"BTC"}),
        ("BTCUSDT_PERP", {"BTC"}),
        ("BTC-USDT-SWAP", {"BTC"}),
        ("XBTUSD", {"BTC"}),
        ("BTC", {"BTC"}),
        ("1000PEPEUSDT", {"1000PEPE"}),
        ("PERPUSDT", {"PERP"}),
        ("USDCUSDT", {"USDC"}),
        ("USDC/USDT", {"USDC"}),
        ("USDEUSDT", {"USDE"}),
        ("USDT", {"USDT"}),
        ("BUSD", {"BUSD"}),
        ("BNBUSD", {"BNB", "BN"}),
        ("BNB/USD", {"BNB"}),
        ("ETH-BTC", set()),
    ],
)
def test_readings(symbol: Any, expected: Any) -> None:
    assert readings(symbol) == expected


def test_ambiguous_symbols() -> None:
    def refusal(symbols: Any, assets: Any) -> Any:
        with pytest.raises(InputError) as error:
            map_symbols(symbols, assets=assets, file="f.csv")
        return str(error.value)

    assert map_symbols(["BNBUSD"], assets=["BNB"], file="f.csv") == {"BNBUSD": "BNB"}
    assert map_symbols(["TUSD", "BTCUSDT"], assets=["TUSD"], file="f.csv") == {"TUSD": "TUSD"}
    assert "BNBUSD may mean BN or BNB; valid: a separator" in refusal(["BNBUSD"], None)
    assert "BNBUSD may mean BNB or BN" in refusal(["BNBUSD"], ["BNB", "BN"])
    assert "BTCUSDT and BTC-USD all mean BTC; valid: one symbol per asset" in refusal(["BTCUSDT", "BTC-USD"], None)
    assert "XBTUSD and BTCUSD all mean BTC" in refusal(["XBTUSD", "BTCUSD"], ["BTC"])
    assert "ETH-BTC is not a price in USD" in refusal(["ETH-BTC"], None)


REAL = "data/ohlcv/binance_spot_5m_2021-04-25_2021-05-31.parquet"


def test_the_crash_of_may_2021() -> None:
    found = read_prices(shared_file(REAL), assets=["BTC", "ETH", "SOL"], start="2021-05-19T06:00", hours=18)
    assert found.mapping == {"BTCUSDT": "BTC", "ETHUSDT": "ETH", "SOLUSDT": "SOL"}
    assert found.bars.open.shape == (216, 3)
    assert found.bars.low.min(axis=0).tolist() == [30_000.0, 1_888.0, 26.5]
    path = ReplayPrices().path(bars=found.bars, streams=Streams(0), tick_seconds=1.0)
    assert path.last_tick == 18 * 3_600 - 1
    rows = np.array([path.row(tick).copy() for tick in range(path.last_tick + 1)]).reshape(216, 300, 3)
    assert np.array_equal(rows.max(axis=1), found.bars.high)
    assert np.array_equal(rows.min(axis=1), found.bars.low)


def test_a_gap_in_a_real_file_is_named() -> None:
    assert "56 of 10656 bars are missing, the first at 2021-04-25T04:05Z" in refused(shared_file(REAL), assets=["BTC"])
