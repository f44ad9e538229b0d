"""Which asset a venue's symbol means: `BTCUSDT`, `BTC-USD`, `BTC/USDT:USDT`, `XBTUSD` and `BTC-PERP` all mean BTC.

The rule: upper case; a closing PERP or SWAP goes, then the closing quote (USDT, USDC, BUSD, USD); XBT is BTC. With a
separator (- _ / :) the parts are unmistakable. Without one a name may have two readings (`BNBUSD`: BNB in USD or BN
in BUSD); then the assets that are asked for decide, and where they do not it is an error rather than a guess.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from market.errors import InputError

QUOTES = ("USDT", "USDC", "BUSD", "USD")
CONTRACTS = ("PERP", "SWAP")
ALIASES = {"XBT": "BTC"}
"""Other codes of an asset: BitMEX and Kraken say XBT."""


def readings(symbol: str) -> set[str]:
    """Every asset `symbol` may mean; empty when its parts name no price in USD (`ETH-BTC`)."""
    parts = [part for part in re.split(r"[-_/:]", symbol.strip().upper()) if part]
    quoted = False
    while len(parts) > 1 and parts[-1] in (*QUOTES, *CONTRACTS):
        quoted = parts.pop() in QUOTES or quoted
    if len(parts) != 1:
        return set()
    found = parts if quoted else _joined(parts[0])
    return {ALIASES.get(name, name) for name in found}


def _joined(name: str) -> list[str]:
    """Readings of a name without separator."""
    for contract in CONTRACTS:
        name = name.removesuffix(contract) or name
    if name in QUOTES:
        return [name]
    return [base for quote in QUOTES if name.endswith(quote) and (base := name.removesuffix(quote))] or [name]


def map_symbols(symbols: Sequence[str], *, assets: Sequence[str] | None, file: str | Path) -> dict[str, str]:
    """Symbol -> asset, in the order of `assets`, or of the file when none are asked for.

    InputError when an asset has no symbol or several, or a symbol several readings.
    """
    if assets is None:
        chosen = {symbol: _only_reading(symbol, file=file) for symbol in symbols}
        assets = list(dict.fromkeys(chosen.values()))
    else:
        chosen = {}
        for symbol in symbols:
            whole = {symbol.strip().upper()}
            matches = [asset for asset in assets if asset.upper() in readings(symbol) | whole]
            if len(matches) > 1:
                raise _ambiguous(symbol, matches, file=file)
            if matches:
                chosen[symbol] = matches[0]
    missing = [asset for asset in assets if asset not in chosen.values()]
    if missing:
        what = f"no prices of {', '.join(missing)}, which the scenario has"
        valid = f"a table with them (this has {', '.join(symbols)}), or a scenario of these assets alone"
        raise InputError(file=file, where="column symbol", what=what, valid=valid)
    mapping: dict[str, str] = {}
    for asset in assets:
        found = [symbol for symbol, meant in chosen.items() if meant == asset]
        if len(found) > 1:
            what = f"{' and '.join(found)} all mean {asset}"
            raise InputError(file=file, where="column symbol", what=what, valid="one symbol per asset")
        mapping[found[0]] = asset
    return mapping


def _only_reading(symbol: str, *, file: str | Path) -> str:
    found = sorted(readings(symbol))
    if not found:
        what = f"{symbol} is not a price in USD"
        raise InputError(file=file, where="column symbol", what=what, valid=f"a quote among {', '.join(QUOTES)}")
    if len(found) > 1:
        raise _ambiguous(symbol, found, file=file)
    return found[0]


def _ambiguous(symbol: str, found: Sequence[str], *, file: str | Path) -> InputError:
    what = f"{symbol} may mean {' or '.join(found)}"
    return InputError(file=file, where="column symbol", what=what, valid="a separator, as in BTC/USD")
