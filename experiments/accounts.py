"""Reading a recorded book of accounts: CSV or Parquet with `account, asset|instrument, quantity[, entry_price, mode]`.

A row is a balance when its symbol is an asset and a position when it is a perpetual. Quantities are in units of the
asset or the instrument's base; a position is signed, and so is a settlement balance (a debt). Accounts named
`owner/name` are sub-accounts of one owner; `mode` is cross or portfolio. What is finer than a lot or a quantum is cut
off toward zero and reported. Anything that cannot be used is an `InputError` that names the first
offending row, counted as in the file: lines for CSV, from 1 for Parquet.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from agents.population import Floats, Integers
from agents.recorded_accounts import RecordedAccounts
from experiments.toml_tree import suggest
from market.errors import InputError
from market.instruments import LARGEST_MONEY, Asset, Instrument
from market.kernels.records import CHOSEN_CROSS, PORTFOLIO, SYSTEM_NAMES

SYMBOL_COLUMNS = ("asset", "instrument")
COLUMNS = ("account", *SYMBOL_COLUMNS, "quantity", "entry_price", "mode")
_VALID_COLUMNS = "columns account, asset or instrument, quantity and, if known, entry_price and mode"
_MODES = {"cross": CHOSEN_CROSS, "portfolio": PORTFOLIO}
_AGENTS = r"keeper-\d+|large_order-\d+|attacker-\d+|(?:arbitrageur|market_maker)-.+-\d+"
"""Names that the simulator gives to agents."""
_ROUNDING = 1e-9
"""A quantity so near to a whole number of lots counts as one: it was written in decimals."""


def read_accounts(
    file: str | os.PathLike[str], *, assets: Mapping[str, Asset], instruments: Mapping[str, Instrument]
) -> RecordedAccounts:
    """The accounts of a file in the order in which they first appear. Raises InputError for whatever cannot be used."""
    path = Path(file)
    table, ignored = _load(path)
    table["symbol"] = _symbols(table, path, known=[*assets, *instruments])
    _check_kinds(table, path, assets=assets, instruments=instruments)
    codes, names = pd.factorize(table["account"])
    table["number"] = codes
    balances = table[table["symbol"].isin(list(assets))]
    positions = table[table["symbol"].isin(list(instruments))]
    quanta, cut_quanta = _whole(balances, path, {symbol: asset.quantum for symbol, asset in assets.items()})
    lots, cut_lots = _whole(positions, path, {symbol: item.lot_size for symbol, item in instruments.items()})
    return RecordedAccounts(
        names=tuple(str(name) for name in names),
        modes=_modes(table, path, len(names)),
        balance_accounts=_integers(balances["number"]),
        balance_assets=_rows(balances, list(assets)),
        balance_quanta=quanta,
        position_accounts=_integers(positions["number"]),
        position_books=_rows(positions, list(instruments)),
        position_lots=lots,
        entry_prices=_floats(positions["entry_price"]),
        notes=_notes(path, n_accounts=len(names), n_positions=len(lots), cut=(cut_quanta, cut_lots), ignored=ignored),
    )


def _modes(table: pd.DataFrame, path: Path, count: int) -> Integers:
    """Margin mode of every account: what its rows say, and they must not disagree; CROSS where none says anything."""
    modes = np.zeros(count, np.int64)
    if "mode" not in table.columns:
        return modes
    said = table[table["mode"].notna()]
    words = said["mode"].astype(str).str.strip()
    unknown = ~words.isin(list(_MODES))
    if unknown.any():
        what = f"is {words[unknown].iloc[0]!r}"
        raise _row_error(said[unknown], path, column="mode", what=what, valid=f"{' or '.join(_MODES)}, or nothing")
    codes = _integers(words.map(_MODES))
    numbers = _integers(said["number"])
    modes[numbers] = codes
    if (modes[numbers] != codes).any():
        other = said[modes[numbers] != codes]
        raise _row_error(other, path, column="mode", what="differs from another row of the account", valid="one mode")
    return modes


def _notes(
    path: Path, *, n_accounts: int, n_positions: int, cut: tuple[int, int], ignored: list[str]
) -> tuple[str, ...]:
    notes = [f"{path.name}: {_counted(n_accounts, 'account')} with {_counted(n_positions, 'position')}"]
    if ignored:
        notes.append(f"{path.name}: columns not used: {', '.join(ignored)}")
    for number, what, unit in zip(cut, ("balances", "positions"), ("quanta", "lots"), strict=True):
        if number:
            notes.append(f"{path.name}: {what} cut toward zero to whole {unit}: {number:,}")
    return tuple(notes)


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _load(path: Path) -> tuple[pd.DataFrame, list[str]]:
    """The needed columns with numbers as float64, plus `row`: where the file has it; and the other columns' names."""
    kind = path.suffix.lower()
    if not path.is_file():
        raise InputError(file=path, what="no such file", valid="a CSV or Parquet table of accounts")
    if kind not in (".csv", ".parquet", ".pq"):
        raise InputError(file=path, what=f"unknown file type {kind!r}", valid=".csv, .parquet")
    try:
        names = {"account": str, "asset": str, "instrument": str}
        table = pd.read_csv(path, dtype=names) if kind == ".csv" else pd.read_parquet(path)
    except (ValueError, OSError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise InputError(file=path, what=f"cannot be read: {reason}", valid=f"a table of {_VALID_COLUMNS}") from None
    _check_columns(list(map(str, table.columns)), path)
    if table.empty:
        raise InputError(file=path, what="has no rows", valid="at least one balance or position")
    ignored = [str(name) for name in table.columns if name not in COLUMNS]
    table = table[[name for name in COLUMNS if name in table.columns]].copy()
    table["row"] = np.arange(len(table)) + (2 if kind == ".csv" else 1)
    nameless = table["account"].isna()
    if nameless.any():
        raise _row_error(table[nameless], path, column="account", what="is empty", valid="a name")
    table["account"] = table["account"].astype(str).str.strip()
    taken = table["account"].isin(SYSTEM_NAMES) | table["account"].str.fullmatch(_AGENTS)
    if taken.any():
        what = f"{table['account'][taken].iloc[0]!r} is an account of the simulator's own"
        raise _row_error(table[taken], path, column="account", what=what, valid="any other name")
    if "entry_price" not in table.columns:
        table["entry_price"] = np.nan
    for name in ("quantity", "entry_price"):
        table[name] = _numbers(table, path, name)
    return table, ignored


def _check_columns(columns: list[str], path: Path) -> None:
    """Everything needed is there, and nothing is a misspelling of what could be."""
    for found in columns:
        near = difflib.get_close_matches(found, COLUMNS, n=1, cutoff=0.8)
        if found not in COLUMNS and near:
            raise InputError(file=path, where=f"column {found}", what="is unknown", valid=near[0])
    for needed in (("account",), SYMBOL_COLUMNS, ("quantity",)):
        if not set(needed).intersection(columns):
            raise InputError(file=path, where=f"column {' or '.join(needed)}", what="is missing", valid=_VALID_COLUMNS)


def _numbers(table: pd.DataFrame, path: Path, name: str) -> pd.Series:
    values = pd.to_numeric(table[name], errors="coerce").astype("float64")
    bad = values.isna() & (table[name].notna() | (name == "quantity")) | np.isinf(values)
    if bad.any():
        written = table[name][bad].iloc[0]
        what = "is empty or NaN" if pd.isna(written) else f"is {written}"
        raise _row_error(table[bad], path, column=name, what=what, valid="a finite number")
    return values


def _symbols(table: pd.DataFrame, path: Path, *, known: list[str]) -> pd.Series:
    """The asset or instrument of each row, from whichever column names it."""
    given = table[[name for name in SYMBOL_COLUMNS if name in table.columns]]
    named = given.notna().sum(axis=1)
    for bad, what in ((named == 0, "names neither"), (named > 1, "names both")):
        if bad.any():
            raise _row_error(table[bad], path, column="asset|instrument", what=what, valid="an asset or an instrument")
    symbols = given.iloc[:, 0] if given.shape[1] == 1 else given.iloc[:, 0].fillna(given.iloc[:, 1])
    symbols = symbols.astype(str).str.strip()
    unknown = ~symbols.isin(known)
    if unknown.any():
        symbol = symbols[unknown].iloc[0]
        what = f"unknown symbol {symbol!r}{suggest(symbol, known)}"
        raise _row_error(table[unknown], path, column="asset|instrument", what=what)
    return symbols


def _check_kinds(
    table: pd.DataFrame, path: Path, *, assets: Mapping[str, Asset], instruments: Mapping[str, Instrument]
) -> None:
    """What each kind of row may say, and that none comes twice."""
    spot = table["symbol"].isin([symbol for symbol, item in instruments.items() if item.kind == "spot"])
    if spot.any():
        base = instruments[table["symbol"][spot].iloc[0]].base
        what = f"{table['symbol'][spot].iloc[0]} is a spot market: nobody holds a position in it"
        raise _row_error(table[spot], path, column="asset|instrument", what=what, valid=f"a balance of {base}")
    debt = table["symbol"].isin([symbol for symbol, asset in assets.items() if not asset.settlement])
    debt &= table["quantity"] < 0
    if debt.any():
        settlement = ", ".join(symbol for symbol, asset in assets.items() if asset.settlement)
        what = f"is {table['quantity'][debt].iloc[0]:g}: a debt in {table['symbol'][debt].iloc[0]}"
        raise _row_error(table[debt], path, column="quantity", what=what, valid=f"debts in {settlement} only")
    priced = table["entry_price"].notna()
    bad = priced & (~table["symbol"].isin(list(instruments)) | (table["entry_price"] <= 0))
    if bad.any():
        what = f"is {table['entry_price'][bad].iloc[0]:g} for {table['symbol'][bad].iloc[0]}"
        raise _row_error(table[bad], path, column="entry_price", what=what, valid="a price above 0, of a position")
    twice = table.duplicated(["account", "symbol"])
    if twice.any():
        row = table[twice].iloc[0]
        same = table[(table["account"] == row["account"]) & (table["symbol"] == row["symbol"])]
        what = f"repeats {row['symbol']} of account {row['account']}, already in {_word(path)} {same['row'].iloc[0]}"
        raise _row_error(table[twice], path, column="asset|instrument", what=what, valid="one row for each")


def _whole(table: pd.DataFrame, path: Path, unit: Mapping[str, float]) -> tuple[Integers, int]:
    """(int64: quantity in whole units of the symbol, toward zero; how many were not whole)."""
    exact = _floats(table["quantity"]) / _floats(table["symbol"].map(unit))
    nearest = np.rint(exact)
    close = np.abs(exact - nearest) <= _ROUNDING * np.maximum(np.abs(exact), 1.0)
    whole = np.where(close, nearest, np.trunc(exact))
    large = np.abs(whole) > LARGEST_MONEY
    if large.any():
        row = table[large].iloc[0]
        most = f"at most {LARGEST_MONEY * unit[row['symbol']]:.3g} of {row['symbol']}"
        raise _row_error(table[large], path, column="quantity", what=f"is {row['quantity']:g}", valid=most)
    return whole.astype(np.int64), int((~close).sum())


def _rows(table: pd.DataFrame, symbols: list[str]) -> Integers:
    return _integers(table["symbol"].map({symbol: row for row, symbol in enumerate(symbols)}))


def _integers(column: pd.Series) -> Integers:
    return np.asarray(column.to_numpy(dtype=np.int64))


def _floats(column: pd.Series) -> Floats:
    return np.asarray(column.to_numpy(dtype=np.float64))


def _word(path: Path) -> str:
    return "line" if path.suffix.lower() == ".csv" else "row"


def _row_error(rows: pd.DataFrame, path: Path, *, column: str, what: str, valid: str = "") -> InputError:
    """The error of the first of `rows`."""
    where = f"{_word(path)} {rows['row'].iloc[0]}, column {column}"
    if valid:
        return InputError(file=path, where=where, what=what, valid=valid)
    return InputError(f"{path}: {where}: {what}")
