"""Causes in a run's folder: two tables that hold them to the unit, and what can go wrong in reading them back."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from experiments import folder
from experiments.contagion.attribution import CAUSES, EDGE
from experiments.contagion.cascades import Contagion
from experiments.toml_tree import suggest
from market.errors import InputError
from market.kernels.origins import ORDERS

if TYPE_CHECKING:
    from market.world import World

CAUSES_FILE, FORCED_FILE = "causes.parquet", "forced_causes.parquet"
UNIT = "_micro_usd"


def tables(found: Contagion, world: World) -> dict[str, pd.DataFrame]:
    """File name -> table. Columns that end in `_micro_usd` are whole millionths of a USD."""
    names = np.array(world.ledger.names, dtype=object)
    symbols = world.asset_symbols
    seconds = world.tick_seconds
    liquidations: dict[str, Any] = {
        "account": names[found.account],
        "role": np.array(world.ledger.roles, dtype=object)[found.account],
        "seconds": (found.tick + 1) * seconds,
        "safe_seconds": (found.safe_tick + 1) * seconds,
        "notional_usd": found.notional_usd,
        f"loss{UNIT}": found.loss,
        **{f"{cause}{UNIT}": found.causes[:, column] for column, cause in enumerate(CAUSES)},
        "parent": found.parent,
        "generation": found.generation,
        "cascade": found.root,
    }
    for column, symbol in enumerate(symbols):
        liquidations[f"lost_on_{symbol}{UNIT}"] = found.lost_on[:, column]
        liquidations[f"repriced_{symbol}{UNIT}"] = found.repriced[:, column]
        liquidations[f"sold_{symbol}_usd"] = found.asset_sold_usd[:, column]
        liquidations[f"exposure_{symbol}_usd"] = found.exposure_usd[:, column]
    edges, orders = found.order_edges, found.orders
    named = edges["order"] >= 0
    at = orders[np.maximum(edges["order"], 0)] if len(orders) else np.zeros(len(edges), orders.dtype)
    assets = np.array(symbols, dtype=object)
    forced = {
        "forced_sale": np.where(named, at["event"], -1),
        "source": edges["source"],
        "target": edges["target"],
        "sold": np.where(named, assets[at["asset"]], ""),
        "lost_on": assets[edges["asset"]],
        f"loss{UNIT}": edges["loss"],
    }
    return {CAUSES_FILE: pd.DataFrame(liquidations), FORCED_FILE: pd.DataFrame(forced)}


@dataclass(frozen=True, kw_only=True)
class Saved:
    """What a run's folder says about causes.

    `liquidations` one row per liquidation, `forced` one per forced sale and liquidation that it helped to cause
    (`forced_sale` is the row of `liquidations.parquet`; -1: smaller sales together), `fills` the forced fills.
    """

    path: Path
    summary: str
    start: str | None
    """First instant of a replay."""
    tick_seconds: float
    symbols: tuple[str, ...]
    liquidations: pd.DataFrame
    forced: pd.DataFrame
    fills: pd.DataFrame
    losses: pd.DataFrame

    def usd(self, column: str) -> NDArray[np.float64]:
        """float64[n_liquidations]: a column of `liquidations` in USD."""
        return np.asarray(self.liquidations[f"{column}{UNIT}"].to_numpy(np.float64) / 1e6)

    @property
    def names(self) -> list[str]:
        """Accounts that were liquidated, each once."""
        return list(dict.fromkeys(self.liquidations["account"].tolist()))

    def contagion(self) -> Contagion:
        """The same as arrays; accounts are numbers of `names`, and only named forced sales make edges."""
        table, symbols = self.liquidations, self.symbols
        number = {name: row for row, name in enumerate(self.names)}
        loss = table[f"loss{UNIT}"].to_numpy(np.int64)
        edges = [
            (source, target, part / max(int(loss[target]), 1), part / 1e6)
            for source, target, part in pairs(self.forced)
        ]
        return Contagion(
            account=np.array([number[name] for name in table["account"].tolist()], np.int64),
            tick=_ticks(table["seconds"], self.tick_seconds),
            safe_tick=_ticks(table["safe_seconds"], self.tick_seconds),
            notional_usd=table["notional_usd"].to_numpy(np.float64),
            loss=loss,
            causes=table[[f"{cause}{UNIT}" for cause in CAUSES]].to_numpy(np.int64),
            lost_on=table[[f"lost_on_{symbol}{UNIT}" for symbol in symbols]].to_numpy(np.int64),
            repriced=table[[f"repriced_{symbol}{UNIT}" for symbol in symbols]].to_numpy(np.int64),
            parent=table["parent"].to_numpy(np.int64),
            abroad=np.full(len(table), -1),
            generation=table["generation"].to_numpy(np.int64),
            root=table["cascade"].to_numpy(np.int64),
            edges=np.array(edges, np.float64).reshape(-1, 4),
            order_edges=np.zeros(0, EDGE),
            orders=np.zeros(0, ORDERS),
            asset_sold_usd=table[[f"sold_{symbol}_usd" for symbol in symbols]].to_numpy(np.float64),
            exposure_usd=table[[f"exposure_{symbol}_usd" for symbol in symbols]].to_numpy(np.float64),
        )

    def spill(self) -> NDArray[np.float64]:
        """float64[n_assets, n_assets]: USD lost on the column's price because of forced sales of the row's asset."""
        made = np.zeros((len(self.symbols), len(self.symbols)))
        named = self.forced[self.forced["forced_sale"] >= 0]
        number = {symbol: row for row, symbol in enumerate(self.symbols)}
        sold, lost = named["sold"].map(number).to_numpy(np.int64), named["lost_on"].map(number).to_numpy(np.int64)
        np.add.at(made, (sold, lost), named[f"loss{UNIT}"].to_numpy(np.float64) / 1e6)
        return made

    def rows_of(self, account: str) -> NDArray[np.int64]:
        """Liquidations of an account, in order. Raises InputError for one that was not liquidated."""
        names = self.liquidations["account"]
        rows = np.flatnonzero((names == account).to_numpy())
        if not len(rows):
            known = list(dict.fromkeys(names.tolist()))
            if not known:
                raise InputError(f"--account {account}: nobody was liquidated in this run")
            raise InputError(f"--account {account}: not among the {len(known):,} liquidated{_nearest(account, known)}")
        return rows

    def check_event(self, event: int) -> None:
        """Raises InputError for a forced sale that is not there."""
        if not 0 <= event < len(self.fills):
            if not len(self.fills):
                raise InputError(f"--event {event}: nothing was forced in this run")
            raise InputError(f"--event {event}: forced sales of this run are 0 to {len(self.fills) - 1:,}")

    def check_asset(self, symbol: str) -> None:
        """Raises InputError for an asset that is not there."""
        if symbol not in self.symbols:
            raise InputError(f"--asset {symbol}: not in this run{suggest(symbol, self.symbols)}")


def pairs(forced: pd.DataFrame) -> list[tuple[int, int, int]]:
    """(liquidation, liquidation that its forced sales helped to cause, millionths of a USD), in order."""
    named = forced[forced["source"] >= 0]
    summed = named.groupby(["source", "target"], as_index=False, sort=True)[f"loss{UNIT}"].sum()
    columns = (summed[name].tolist() for name in ("source", "target", f"loss{UNIT}"))
    return list(zip(*columns, strict=True))


def _ticks(seconds: pd.Series, tick_seconds: float) -> NDArray[np.int64]:
    return np.rint(seconds.to_numpy(np.float64) / tick_seconds).astype(np.int64) - 1


def load(path: Path) -> Saved:
    """Read a run's folder. Raises InputError for what is no such folder, one of another version, or a broken file."""
    found = about(path)
    check_format(path, found)
    scenario = found["scenario"]
    return Saved(
        path=path,
        summary=str(scenario.get("summary", "")),
        start=(scenario.get("reference") or {}).get("start"),
        tick_seconds=float(scenario["tick_seconds"]),
        symbols=tuple(scenario["assets"]),
        liquidations=table(path / CAUSES_FILE),
        forced=table(path / FORCED_FILE),
        fills=table(path / "liquidations.parquet"),
        losses=table(path / "losses.parquet"),
    )


def check_format(path: Path, found: dict[str, Any]) -> None:
    """Raises InputError for a run's folder whose layout, in its `about`, is another."""
    format_ = found.get("folder_format", 1)
    if format_ != folder.FORMAT:
        raise InputError(
            f"{path}: written by another version of this program (layout {format_}, this one reads {folder.FORMAT}); "
            "simulate the scenario again"
        )


def about(path: Path) -> dict[str, Any]:
    """What `run.json` of a run's folder says. Raises InputError for what is no such folder."""
    if not path.is_dir():
        raise InputError(f"{path}: no such folder; a run writes one and says where")
    marker = path / folder.MARKER
    if not marker.is_file():
        raise InputError(f"{path}: not the folder of a run (it has no {folder.MARKER})")
    try:
        found = json.loads(marker.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{marker}: cannot be read: {error}") from None
    if not isinstance(found, dict) or "assets" not in (found.get("scenario") or {}):
        raise InputError(f"{path}: not the folder of a single run; `cascade run` writes one")
    return found


def table(file: Path) -> pd.DataFrame:
    """A table of a run's folder. Raises InputError when it is missing or damaged."""
    try:
        return pd.read_parquet(file)
    except FileNotFoundError:
        raise InputError(f"{file}: is missing; simulate the scenario again") from None
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{file}: cannot be read, it is damaged or cut short ({reason})") from None


def _nearest(name: str, known: Sequence[str]) -> str:
    """The nearest valid name, or the first few where none is near."""
    near = suggest(name, known)
    return near if "did you mean" in near else f"; for example {', '.join(known[:3])}"
