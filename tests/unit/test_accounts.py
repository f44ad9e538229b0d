"""Recorded books of accounts: what a file turns into, and the one line that says what is wrong with it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from experiments.accounts import read_accounts
from market.errors import InputError
from market.kernels.records import CHOSEN_CROSS, CROSS, OUTSIDE, PORTFOLIO, REST_OF_MARKET
from tests.population_worlds import ASSETS, INSTRUMENTS, make_world

BOOK = """account,asset,quantity,entry_price
alice,USDC,10000,
alice,BTC,0.5,
alice,BTC-PERP,1.25,41000
bob,ETH-PERP,-3,
bob,USDC,-250.5,
bob,BTC,1,
0042,SOL-PERP,7,49.5
"""


def write(folder: Path, text: str, name: str = "book.csv") -> Path:
    file = folder / name
    file.write_text(text)
    return file


def test_a_book_becomes_ledger_rows(tmp_path: Path) -> None:
    accounts = read_accounts(write(tmp_path, BOOK), assets=ASSETS, instruments=INSTRUMENTS)
    assert accounts.names == ("alice", "bob", "0042")
    assert accounts.accounts_needed(instruments=INSTRUMENTS) == 3
    assert accounts.notes == ("book.csv: 3 accounts with 3 positions",)
    world = make_world(n_accounts=3)
    cohort = accounts.join(world, assets=ASSETS, instruments=INSTRUMENTS)
    ledger = world.ledger
    alice, bob, last = 7, 8, 9
    assert ledger.names[alice:] == ["alice", "bob", "0042"]
    assert ledger.cash[[alice, bob]].tolist() == [
        [10_000_000_000, 50_000_000, 0, 0],
        [-250_500_000, 100_000_000, 0, 0],
    ]
    assert ledger.positions["lots"][[alice, bob, last]].tolist() == [
        [12_500, 0, 0, 0],
        [0, -3_000, 0, 0],
        [0, 0, 700, 0],
    ]
    assert ledger.positions["cost"][alice, 0] == 51_250_000_000
    assert ledger.positions["cost"][bob, 1] == -7_500_000_000  # at the mark
    assert ledger.positions["lots"][REST_OF_MARKET].tolist() == [-12_500, 3_000, -700, 0]
    assert not ledger.positions["lots"][OUTSIDE].any()
    assert ledger.conservation_error() == ledger.clearing_error(world.instruments) == 0
    net = ledger.assess(world.instruments, world.assets, world.margin)[alice, 1]
    assert net == 10_000_000_000 + 20_000_000_000 - 1_250_000_000
    cohort.decide(world, world.open_inbox())
    assert cohort.most_messages == world.inbox.count == 0


def test_parquet_with_both_columns_reads_the_same(tmp_path: Path) -> None:
    table = pd.read_csv(write(tmp_path, BOOK), dtype={"account": str})
    position = table["asset"].str.endswith("PERP")
    table["instrument"] = table["asset"].where(position)
    table["asset"] = table["asset"].mask(position)
    table.to_parquet(tmp_path / "book.parquet")
    first, second = (
        read_accounts(tmp_path / name, assets=ASSETS, instruments=INSTRUMENTS) for name in ("book.csv", "book.parquet")
    )
    for name in ("balance_quanta", "balance_accounts", "position_lots", "position_books", "entry_prices"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))
    assert first.names == second.names


def test_what_is_finer_than_a_lot_is_cut_toward_zero_and_reported(tmp_path: Path) -> None:
    text = "account,instrument,quantity\na,BTC-PERP,0.00019\nb,BTC-PERP,-0.00029\nc,BTC-PERP,0.3\nc,SOL,1.0000005\n"
    accounts = read_accounts(write(tmp_path, text), assets=ASSETS, instruments=INSTRUMENTS)
    assert accounts.position_lots.tolist() == [1, -2, 3_000]
    assert accounts.balance_quanta.tolist() == [1_000_000]
    assert accounts.notes[1:] == (
        "book.csv: balances cut toward zero to whole quanta: 1",
        "book.csv: positions cut toward zero to whole lots: 2",
    )


def test_sub_accounts_of_one_owner_have_modes_of_their_own(tmp_path: Path) -> None:
    text = "account,asset,quantity,mode\nal/main,USDC,5,portfolio\nal/main,BTC,1,\nbo,USDC,5,\nal/alts,USDC,5,cross\n"
    accounts = read_accounts(write(tmp_path, text), assets=ASSETS, instruments=INSTRUMENTS)
    assert accounts.modes.tolist() == [PORTFOLIO, CROSS, CHOSEN_CROSS]
    world = make_world(n_accounts=3)
    accounts.join(world, assets=ASSETS, instruments=INSTRUMENTS)
    assert world.ledger.accounts["owner"][7:].tolist() == [7, 8, 7]
    assert world.ledger.accounts["mode"][7:].tolist() == accounts.modes.tolist()


HEAD = "account,asset,quantity\n"
COLUMNS = "columns account, asset or instrument, quantity and, if known, entry_price and mode"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "account,asset,quantity,mode\na,USDC,1,isolated\n",
            "line 2, column mode: is 'isolated'; valid: cross or portfolio, or nothing",
        ),
        (
            "account,asset,quantity,mode\na,USDC,1,cross\na,BTC,1,portfolio\n",
            "line 2, column mode: differs from another row of the account; valid: one mode",
        ),
        (
            HEAD + "a,BTC-PREP,1\n",
            "line 2, column asset|instrument: unknown symbol 'BTC-PREP'; did you mean 'BTC-PERP'?",
        ),
        (
            HEAD + "a,USDC,1\na,USDC,nan\n",
            "line 3, column quantity: is empty or NaN; valid: a finite number",
        ),
        (
            HEAD + "a,USDC,1e999\n",
            "line 2, column quantity: is inf; valid: a finite number",
        ),
        (
            HEAD + "a,USDC,ten\n",
            "line 2, column quantity: is ten; valid: a finite number",
        ),
        (
            HEAD + "a,USDC,1\nb,USDC,1\na,USDC,2\n",
            "line 4, column asset|instrument: repeats USDC of account a, already in line 2; valid: one row for each",
        ),
        (
            HEAD + "a,BTC,-1\n",
            "line 2, column quantity: is -1: a debt in BTC; valid: debts in USDC only",
        ),
        (
            HEAD + "a,BTC-USDC,1\n",
            "line 2, column asset|instrument: BTC-USDC is a spot market: nobody holds a position in it; valid: a "
            "balance of BTC",
        ),
        (
            HEAD + ",BTC,1\n",
            "line 2, column account: is empty; valid: a name",
        ),
        (
            HEAD + "a,BTC,1\ninsurance_fund,BTC,1\n",
            "line 3, column account: 'insurance_fund' is an account of the simulator's own; valid: any other name",
        ),
        (
            HEAD + "keeper-15,BTC,1\n",
            "line 2, column account: 'keeper-15' is an account of the simulator's own; valid: any other name",
        ),
        (
            HEAD + "a,,1\n",
            "line 2, column asset|instrument: names neither; valid: an asset or an instrument",
        ),
        (
            "account,asset,instrument,quantity\na,BTC,BTC-PERP,1\n",
            "line 2, column asset|instrument: names both; valid: an asset or an instrument",
        ),
        (
            "account,asset,quantity,entry_price\na,BTC-PERP,1,0\n",
            "line 2, column entry_price: is 0 for BTC-PERP; valid: a price above 0, of a position",
        ),
        (
            "account,asset,quantity,entry_price\na,BTC,1,5\n",
            "line 2, column entry_price: is 5 for BTC; valid: a price above 0, of a position",
        ),
        (
            HEAD + "a,USDC,1e30\n",
            "line 2, column quantity: is 1e+30; valid: at most 1.15e+12 of USDC",
        ),
        (
            "account,asset\na,USDC\n",
            f"column quantity: is missing; valid: {COLUMNS}",
        ),
        (
            "account,quantity\na,1\n",
            f"column asset or instrument: is missing; valid: {COLUMNS}",
        ),
        (
            "account,asset,quantity,entry_prise\na,USDC,1,2\n",
            "column entry_prise: is unknown; valid: entry_price",
        ),
        (
            HEAD,
            "has no rows; valid: at least one balance or position",
        ),
    ],
)
def test_mistakes_are_named_in_one_line(tmp_path: Path, text: str, message: str) -> None:
    file = write(tmp_path, text)
    with pytest.raises(InputError) as caught:
        read_accounts(file, assets=ASSETS, instruments=INSTRUMENTS)
    assert str(caught.value) == f"{file}: {message}"


def test_columns_that_are_not_used_are_noted(tmp_path: Path) -> None:
    file = write(tmp_path, "account,asset,quantity,desk,region\na,USDC,1,x,y\n")
    accounts = read_accounts(file, assets=ASSETS, instruments=INSTRUMENTS)
    assert accounts.notes == ("book.csv: 1 account with 0 positions", "book.csv: columns not used: desk, region")


def test_files_that_are_no_table_are_refused(tmp_path: Path) -> None:
    for name, message in (
        ("none.csv", "no such file"),
        ("book.xlsx", "unknown file type"),
        ("book.parquet", "cannot be"),
        ("empty.csv", "cannot be"),
    ):
        file = tmp_path / name
        if name != "none.csv":
            write(tmp_path, "" if name == "empty.csv" else "x", name)
        with pytest.raises(InputError, match=message):
            read_accounts(file, assets=ASSETS, instruments=INSTRUMENTS)


def test_an_absurd_entry_price_is_refused(tmp_path: Path) -> None:
    text = "account,asset,quantity,entry_price\na,BTC-PERP,1000000,1e12\n"
    accounts = read_accounts(write(tmp_path, text), assets=ASSETS, instruments=INSTRUMENTS)
    with pytest.raises(InputError, match="account a: quantity x entry price of BTC-PERP does not fit"):
        accounts.join(make_world(n_accounts=1), assets=ASSETS, instruments=INSTRUMENTS)
