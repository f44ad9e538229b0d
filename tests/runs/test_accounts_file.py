"""`--accounts FILE` from the command line to the files: a real book of accounts through a crash."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from experiments import cli

BOOK = """account,asset,instrument,quantity,entry_price
edge,USDC,,3000,
edge,,BTC-PERP,1.0,60000
short,USDC,,3000,
short,,BTC-PERP,-1.0,60000
coin,BTC,,0.5,
coin,,ETH-PERP,100.0,3000
idle,USDC,,1000,
broke,USDC,,100,
broke,,SOL-PERP,100.0,
"""
CRASH = ("reference.crash_at_seconds=20", "reference.crash_duration_seconds=120", "reference.crash_log_return=-0.10")


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_a_book_of_accounts_through_a_crash(tmp_path: Path, capsys: pytest.CaptureFixture[str], ending: str) -> None:
    file = tmp_path / f"book{ending}"
    (tmp_path / "book.csv").write_text(BOOK)
    if ending == ".parquet":
        pd.read_csv(tmp_path / "book.csv").to_parquet(file)
    sets = [word for text in CRASH for word in ("--set", text)]
    with pytest.raises(SystemExit) as ended:
        cli.app(
            [
                "run",
                "--accounts",
                str(file),
                "--hours",
                "0.06",
                *sets,
                "--seed=0",
                "--out",
                str(tmp_path / "x"),
                "--json",
            ]
        )
    assert not ended.value.code
    found = json.loads(capsys.readouterr().out)
    assert f"book{ending}: 5 accounts with 4 positions" in found["notes"]
    assert "1 of 5 accounts below maintenance margin at the start, as the file has them" in found["notes"]
    assert found["seed"] == 0
    assert found["conservation_error"] == found["waterfall_error"] == 0
    accounts = pd.read_parquet(tmp_path / "x" / "accounts.parquet").set_index("account")
    assert accounts.loc["edge", "net_equity_before_usd"] == pytest.approx(3_000.0, abs=100.0)
    assert accounts.loc["coin", "net_equity_before_usd"] == pytest.approx(30_000.0, rel=0.01)
    assert set(accounts[accounts["role"] == "trader"].index) <= {"edge", "short", "coin", "idle", "broke"}
    closed = set(pd.read_parquet(tmp_path / "x" / "liquidations.parquet").query("kind != 'adl'")["account"])
    assert "edge" in closed, "20 times levered into a fall of a tenth"
    assert not closed & {"short", "idle"}
    assert json.loads((tmp_path / "x" / "run.json").read_text())["scenario"]["population"]["file"] == str(file)
