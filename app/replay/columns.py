"""The columns of a run's folder, in the form in which app/page/source-replay.js reads them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from app.replay.pack import Pack
from app.replay.states import states_of
from experiments.contagion import store
from experiments.contagion.store import Saved
from experiments.recorder import DEPTH_BPS, MARGIN_RATIO_EDGES
from experiments.snapshots.causes import OUTSIDE, SOURCES
from experiments.snapshots.numbers import kept_rows
from experiments.snapshots.store import SNAPSHOTS_FILE, read_snapshots

MOST_TICKS = 10_000
"""Rows of prices in the page; of a longer run peaks and troughs are kept."""
_NOTHING_KEPT = (
    "This run was recorded without snapshots: order books, margin ratios and accounts at risk cannot be shown, "
    "everything else can."
)


class RunFolder:
    """The tables of a run, and numbers in the place of names."""

    def __init__(self, path: Path) -> None:
        """Read the folder. Raises InputError for what is no run, one of another version, or a damaged file."""
        self.saved = store.load(path)
        self.about = store.about(path)
        self.scenario: dict[str, Any] = self.about["scenario"]
        self.prices, self.depth, self.accounts = (
            store.table(path / f"{name}.parquet") for name in ("prices", "depth", "accounts")
        )
        snapshots = path / SNAPSHOTS_FILE
        self.snapshots = read_snapshots(snapshots) if snapshots.is_file() else []
        self.names: list[str] = self.accounts["account"].tolist()
        self.number = {name: row for row, name in enumerate(self.names)}
        instruments = self.scenario["instruments"]
        self.books = [symbol for symbol, one in instruments.items() if one.get("kind") != "option"]
        self.ticks = len(self.prices) // max(1, len(instruments))

    @property
    def tick_seconds(self) -> float:
        """Length of a tick."""
        return self.saved.tick_seconds

    def tick(self, seconds: pd.Series[Any]) -> NDArray[np.int64]:
        """int64[n]: moments as ticks done."""
        return np.rint(seconds.to_numpy(np.float64) / self.tick_seconds).astype(np.int64)


def packed(path: Path) -> tuple[str, list[str]]:
    """(the run's columns as text for the page, remarks for its reader). Raises InputError."""
    run = RunFolder(path)
    made = Pack()
    _series(made, run)
    _depth(made, run)
    kinds = _events(made, run)
    _edges(made, run)
    notes = [] if run.snapshots else [_NOTHING_KEPT]
    text = made.text(
        world=_world(run),
        accounts=run.names,
        kinds=kinds,
        notes=notes,
        log=_log(run),
        asset_edges={"source": [], "target": [], "usd": []},
        states=states_of(run),
    )
    return text, notes


def _world(run: RunFolder) -> dict[str, Any]:
    scenario, venue = run.scenario, run.scenario.get("venue") or {}
    instruments = scenario["instruments"]
    return {
        "version": 1,
        "scenario": run.saved.path.resolve().name,
        "summary": run.saved.summary,
        "venue": (venue.get("about") or {}).get("name") or None,
        "seed": run.about["seed"],
        "tick_seconds": run.tick_seconds,
        "ticks": run.ticks,
        "books": [
            {
                "symbol": symbol,
                "kind": instruments[symbol].get("kind", "perpetual"),
                "base": instruments[symbol]["base"],
                "quote": instruments[symbol]["quote"],
                "tick": float(instruments[symbol]["tick_size"]),
            }
            for symbol in run.books
        ],
        "assets": list(run.saved.symbols),
        "accounts": int(run.accounts["customer"].sum()),
        "depth_bps": list(DEPTH_BPS),
        "ratio_edges": MARGIN_RATIO_EDGES.tolist(),
        "compare": False,
        "study": None,
    }


def _series(made: Pack, run: RunFolder) -> None:
    tables = [run.prices[run.prices["instrument"] == symbol] for symbol in run.books]
    rows = kept_rows([table["mark"].to_numpy(np.float64) for table in tables], run.ticks, MOST_TICKS)
    made.add("series.tick", rows + 1)
    for at, (symbol, table) in enumerate(zip(run.books, tables, strict=True)):
        tick = float(run.scenario["instruments"][symbol]["tick_size"])
        for name in ("mark", "index", "reference", "bid", "ask"):
            made.add(f"series.{at}.{name}", table[name].to_numpy(np.float64)[rows], scale=tick)


def _depth(made: Pack, run: RunFolder) -> None:
    at_tick = run.tick(run.depth["seconds"].drop_duplicates()) if len(run.depth) else np.zeros(0, np.int64)
    made.add("depth.tick", at_tick)
    for at, symbol in enumerate(run.books):
        own = run.depth[run.depth["instrument"] == symbol]
        for side in ("bid", "ask"):
            rows = own[own["side"] == side]
            for column, distance in enumerate(DEPTH_BPS):
                made.add(f"depth.{at}.{side}{column}", rows[f"depth_{distance:g}bps_usd"].to_numpy(np.float64))
        bids = own[own["side"] == "bid"]
        made.add(f"depth.{at}.open_interest_usd", bids["open_interest_usd"].to_numpy(np.float64))


def _events(made: Pack, run: RunFolder) -> list[str]:
    """Add forced fills; return the words of their kinds."""
    fills = run.saved.fills
    kinds = sorted(fills["kind"].unique().tolist())
    book_of = {symbol: at for at, symbol in enumerate(run.books)}
    for at, symbol in enumerate(run.books):  # a seizure is told of where its collateral is sold
        one = run.scenario["instruments"][symbol]
        if one.get("kind") == "spot":
            for other in run.saved.symbols:
                book_of.setdefault(f"{one['base']}/{other}", at)
    books = fills["instrument"].map(book_of).fillna(-1).to_numpy(np.int64)
    made.add("events.id", np.arange(len(fills)))
    made.add("events.tick", fills["tick"].to_numpy(np.int64) + 1)
    made.add("events.account", fills["account"].map(run.number).to_numpy(np.int64))
    made.add("events.book", books)
    made.add("events.side", np.where(fills["side"] == "sell", -1, 1))
    made.add("events.usd", fills["notional_usd"].to_numpy(np.float64), scale=0.01)
    made.add("events.price", fills["price"].to_numpy(np.float64), scale=_price_scale(run))
    made.add("events.kind", fills["kind"].map({kind: at for at, kind in enumerate(kinds)}).to_numpy(np.int64))
    return kinds


def _price_scale(run: RunFolder) -> float:
    """A tenth of the finest tick: prices of fills are averages."""
    return min((float(run.scenario["instruments"][symbol]["tick_size"]) for symbol in run.books), default=0.01) / 10.0


def _edges(made: Pack, run: RunFolder) -> None:
    """What brought down every liquidation: the accounts whose forced orders cost it most, and all the rest."""
    table = edges_of(run.saved)
    made.add("edges.tick", run.tick(table["seconds"]))
    for end in ("source", "target"):
        numbers = table[end].map(run.number).fillna(OUTSIDE).to_numpy(np.int64)
        made.add(f"edges.{end}", numbers)
    made.add("edges.usd", table["usd"].to_numpy(np.float64), scale=0.01)


def edges_of(saved: Saved) -> pd.DataFrame:
    """One row per (source account, liquidation), in order of time: seconds, source ("" for what no other account's
    forced orders did), target, usd."""
    liquidations, accounts = saved.liquidations, saved.liquidations["account"].to_numpy()
    pairs = pd.DataFrame(store.pairs(saved.forced), columns=["from", "to", "loss"])
    pairs["source"], pairs["target"] = accounts[pairs["from"]], accounts[pairs["to"]]
    pairs = pairs[pairs["source"] != pairs["target"]]
    summed = pairs.groupby(["to", "source", "target"], as_index=False)["loss"].sum()
    summed = summed[summed["loss"] > 0].sort_values(["to", "loss"], ascending=[True, False], kind="stable")
    largest = summed[summed.groupby("to").cumcount() < SOURCES]
    rest = liquidations[f"loss{store.UNIT}"] - liquidations[f"forced_sales{store.UNIT}"]
    outside = pd.DataFrame({"to": np.arange(len(liquidations)), "source": "", "target": accounts, "loss": rest})
    together = pd.concat([outside[outside["loss"] > 0], largest]).sort_values("to", kind="stable")
    together["seconds"] = liquidations["seconds"].to_numpy()[together["to"]]
    together["usd"] = together["loss"] / 1e6
    made: pd.DataFrame = together[["seconds", "source", "target", "usd"]].sort_values("seconds", kind="stable")
    return made


def _log(run: RunFolder) -> list[dict[str, Any]]:
    """Interventions of the scenario, and what happened for the first time."""
    made: list[dict[str, Any]] = []
    for name, what in (run.scenario.get("interventions") or {}).items():
        at = float(what.get("at_seconds") or 0.0)
        made.append({"tick": round(at / run.tick_seconds), "text": f"{name}: {str(what['kind']).replace('_', ' ')}"})
    fills, losses = run.saved.fills, run.saved.losses
    if len(fills):
        first = fills.iloc[0]
        made.append({"tick": int(first["tick"]) + 1, "text": f"the first liquidation: {first['account']}"})
    for part, text in (
        ("fund", "the insurance fund pays for the first time"),
        ("adl", "the first winner is deleveraged"),
        ("socialised", "losses are socialised for the first time"),
        ("uncovered", "the first loss that nobody covers"),
    ):
        paid = losses[losses[f"{part}_usd"] > 0.0]
        if len(paid):
            made.append({"tick": int(paid.iloc[0]["tick"]) + 1, "text": text})
    return sorted(made, key=lambda entry: int(entry["tick"]))
