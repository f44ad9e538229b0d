"""Whatever is wrong with the input: one line that names it, exit code 2, and nothing written. With the real engine."""

from __future__ import annotations

import errno
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from experiments import Scenario, cli
from experiments.build import build
from market.errors import InputError

ROOT = Path(__file__).resolve().parents[2]
TIMES = [f"2021-05-19T06:{minute:02d}:00Z" for minute in range(0, 60, 5)]
HEAD = "ts,symbol,open,high,low,close"
BARS = [f"{ts},{symbol}USDT,100,101,99,100" for symbol in ("BTC", "ETH", "SOL") for ts in TIMES]
ACCOUNTS = ["account,asset,instrument,quantity,entry_price", "a,USDC,,10000,", "a,,BTC-PERP,1,", "b,USDC,,5000,"]
OWN = 'extends = "flash-crash"\n\n'

FILES = {
    "nan.csv": [HEAD, BARS[0], f"{TIMES[1]},BTCUSDT,100,101,99,", *BARS[2:]],
    "unsorted.csv": [HEAD, BARS[1], BARS[0], *BARS[2:]],
    "twice.csv": [HEAD, BARS[0], *BARS],
    "gap.csv": [HEAD, *BARS[:2], *BARS[3:]],
    "no-sol.csv": [HEAD, *BARS[:24]],
    "column.csv": [HEAD.replace("close", "closse"), *BARS],
    "good.csv": [HEAD, *BARS],
    "unknown.csv": [*ACCOUNTS, "b,,ETH-PRP,1,"],
    "text.csv": [*ACCOUNTS, "b,BTC,,much,"],
    "typo.toml": [OWN + "[venue.liquidation]\nslippage_limt_bps = 100.0"],
    "negative.toml": [OWN + "[agents.background.default]\nlimit_size_usd = -65_000.0"],
    "unit.toml": [OWN + 'tick_seconds = "1 s"'],
    "quote.toml": [OWN + '[instruments.BTC-PERP]\nquote = "USDX"'],
    "syntax.toml": [OWN + "hours = 1 h"],
    "parent.toml": ['extends = "flash-crsh"'],
}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, lines in FILES.items():
        (tmp_path / name).write_text("\n".join(lines) + "\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def call(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        cli.app(list(arguments))
    return int(ended.value.code or 0)


def complaint(captured: pytest.CaptureFixture[str]) -> str:
    """The one line that is said beside the progress."""
    out, err = captured.readouterr()
    lines = [line for line in err.splitlines() if not line.endswith(" ...")]
    assert out == ""
    assert len(lines) == 1, err
    return lines[0]


SET = "--set"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["typo.toml"], "typo.toml:4: venue.liquidation.slippage_limt_bps: unknown key; did you mean 'slippage_limit_"),
        (["negative.toml"], "negative.toml:4: agents.background.default.limit_size_usd: expected a number in (0, 1e+"),
        (["unit.toml"], 'unit.toml:3: tick_seconds: expected a number in (0, 1e+09] (s), got "1 s"'),
        (["quote.toml"], "quote.toml:4: instruments.BTC-PERP: no asset 'USDX'; assets are USDC, BTC, ETH, SOL"),
        (["syntax.toml"], "syntax.toml:3: not valid TOML"),
        (["parent.toml"], "parent.toml:1: extends: no scenario 'flash-crsh'; did you mean 'flash-crash'?"),
        ([SET, "hours=1h"], '--set hours=1h: hours: expected a number > 0 (h), got "1h"'),
        ([SET, "assets.BTCC.haircut=0.1"], "--set: assets.BTCC: the reference has no price for it and there is no con"),
        ([SET, "instruments.BTC-PERP.tiers=[]"], "--set: instruments.BTC-PERP.tiers: is empty"),
        (["--hours", "1e9"], "--hours: hours: 1e+09 hours are 3.6e+12 ticks; at most 100,000,000"),
        (["--start", "2021-05-19"], "--start: needs --prices FILE"),
        (["--prices", "nan.csv"], "nan.csv: line 3, column close: is NaN; valid: a number above 0"),
        (["--prices", "unsorted.csv"], "unsorted.csv: line 3, column ts: 2021-05-19T06:00Z of BTCUSDT comes after a l"),
        (["--prices", "twice.csv"], "twice.csv: line 3, column ts: repeats 2021-05-19T06:00Z of BTCUSDT, already in l"),
        (["--prices", "gap.csv"], "gap.csv: symbol BTCUSDT: 1 of 12 bars are missing, the first at 2021-05-19T06:10Z"),
        (["--prices", "no-sol.csv"], "no-sol.csv: column symbol: no prices of SOL, which the scenario has; valid: "),
        (["--prices", "column.csv"], "column.csv: column close: is missing; there is 'closse'; valid: columns ts, sym"),
        (["--prices", "absent.csv"], "absent.csv: no such file; valid: a CSV or Parquet price table"),
        (["--prices", "good.csv", "--start", "2022-01-01"], "good.csv: --start: 2022-01-01T00:00Z is outside the tab"),
        (["--prices", "good.csv", "--hours", "3"], "good.csv: --hours: the window would end at 2021-05-19T09:00Z"),
        (
            ["--prices", "good.csv", SET, "tick_seconds=7"],
            "--prices: reference: tick_seconds must divide the table's ba",
        ),
        (["--accounts", "unknown.csv"], "unknown.csv: line 5, column asset|instrument: unknown symbol 'ETH-PRP'; did "),
        (["--accounts", "text.csv"], "text.csv: line 5, column quantity: is much; valid: a finite number"),
        (["--accounts", "absent.csv"], "absent.csv: no such file; valid: a CSV or Parquet table of accounts"),
        (["--out", "good.csv"], "good.csv: exists and is not a folder"),
        (["--out", "good.csv/run"], "good.csv/run: cannot be written: Not a directory"),
        (["--out", "."], ".: exists and is not the folder of an earlier run"),
    ],
)
def test_one_line_and_nothing_written(
    place: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert call("run", *arguments, *([] if "--out" in arguments else ["--out", "there"])) == 2
    assert complaint(capsys).startswith(f"error: {message}")
    assert {path.name for path in place.iterdir()} == set(FILES)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--out", "nowhere/map.html"], "nowhere/map.html: cannot be written: there is no folder nowhere"),
        (["--out", "."], ".: is a folder"),
        (["quote.toml"], "quote.toml:4: instruments.BTC-PERP: no asset 'USDX'"),
        (["--accounts", "unknown.csv"], "unknown.csv: line 5, column asset|instrument: unknown symbol 'ETH-PRP'"),
    ],
)
@pytest.mark.usefixtures("place")
def test_the_map_complains_in_the_same_way(
    capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert call("map", *arguments) == 2
    assert complaint(capsys).startswith(f"error: {message}")


def raising(error: BaseException) -> Callable[..., None]:
    def fail(*_: object, **__: object) -> None:
        raise error

    return fail


@pytest.mark.parametrize(
    ("where", "error", "code", "message"),
    [
        ("experiments.report.write_report", OSError(errno.ENOSPC, "x"), 2, "No space left on device; nothing was writ"),
        ("experiments.report.write_report", KeyboardInterrupt(), 130, "interrupted, nothing written"),
        ("experiments.run.build", MemoryError(), 2, "not enough memory; fewer accounts (population.count)"),
    ],
)
def test_a_run_that_fails_late_leaves_nothing(
    place: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    where: str,
    error: BaseException,
    code: int,
    message: str,
) -> None:
    monkeypatch.setattr(where, raising(error))
    assert call("run", "--hours", "0.002", SET, "population.count=20", "--no-twin", "--out", "there") == code
    assert message in complaint(capsys)
    assert {path.name for path in place.iterdir()} == set(FILES)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="permissions do not bind root")
def test_a_folder_that_may_not_be_written(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "locked").mkdir(mode=0o555)
    assert call("run", "--out", "locked/run") == 2
    assert complaint(capsys) == "error: locked/run: cannot be written: Permission denied"


def test_ctrl_c_in_the_middle_of_a_real_run(tmp_path: Path) -> None:
    child = subprocess.Popen(
        [sys.executable, "-m", "experiments.cli", "run", "calm", "--hours=50", f"--out={tmp_path / 'there'}"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert child.stderr is not None
    while child.stderr.readline() not in ("simulating ...\n", ""):
        pass
    child.send_signal(signal.SIGINT)
    out, err = child.communicate()
    assert (child.returncode, out) == (130, "")
    assert err.splitlines()[-1] == "interrupted, nothing written"
    assert "Traceback" not in err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("agents.background.default.limit_size_usd=1e12", "USD a side; at most 1e+11"),
        ("instruments.BTC-PERP.tick_size=100000", "too coarse for a price of 60000; at most 6000"),
        ("agents.market_makers.default.capital_usd=1e12", "overflow; a larger quantum has room"),
        (
            'reference.assets=[{symbol="BTC",price=1e12,volatility=0.5},{symbol="ETH",price=1,volatility=0.5},'
            '{symbol="SOL",price=1,volatility=0.5}]',
            "price levels; a coarser tick_size",
        ),
    ],
)
def test_no_figure_overflows_in_silence(change: str, message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        build(Scenario.load("flash-crash", overrides=[change]), seed=1)
