"""The columns of a run's folder, in the form in which app/page/source-replay.js reads them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from app.replay.pack import Pack
from app.replay.states import states_of, system_states
from experiments import folder
from experiments.contagion import store
from experiments.contagion.store import Saved
from experiments.recorder import DEPTH_BPS, MARGIN_RATIO_EDGES
from experiments.snapshots.causes import OUTSIDE, SOURCES
from experiments.snapshots.numbers import kept_rows
from experiments.snapshots.store import SNAPSHOTS_FILE, read_snapshots
from experiments.systems.contagion import is_system

MOST_TICKS = 10_000
"""Rows of prices in the page; of a longer run peaks and troughs are kept."""
NOTHING_KEPT = (
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
        self.ticks = max(1, round(float(self.scenario["hours"]) * 3600.0 / self.tick_seconds))
        self.pools, self.lending, self.venue_prices = (
            store.table(file) if (file := path / f"{name}.parquet").is_file() else pd.DataFrame()
            for name in ("pools", "lending", "venue_prices")
        )

    @property
    def tick_seconds(self) -> float:
        """Length of a tick."""
        return self.saved.tick_seconds

    def tick(self, seconds: pd.Series[Any]) -> NDArray[np.int64]:
        """int64[n]: moments as ticks done."""
        return np.rint(seconds.to_numpy(np.float64) / self.tick_seconds).astype(np.int64)


def packed(path: Path) -> tuple[str, list[str]]:
    """(the run's columns as text for the page, remarks for its reader). Raises InputError."""
    made = Pack()
    if is_system(path):
        return packed_system(path, made)
    run = RunFolder(path)
    part = add_venue(made, run)
    notes = [] if run.snapshots else [NOTHING_KEPT]
    text = made.text(world={**about_run(run.about, path), **venue_of(run)}, venues=[part], whole=None, notes=notes)
    return text, notes


def packed_system(path: Path, made: Pack) -> tuple[str, list[str]]:
    """The same of the folder of a run over several venues."""
    about = json.loads((path / folder.MARKER).read_text(encoding="utf-8"))
    runs = {name: RunFolder(path / name) for name in about["venues"]}
    parts = [add_venue(made, run, name) for name, run in runs.items()]
    shown = next((name for name, run in runs.items() if run.books), next(iter(runs)))
    notes = [] if all(run.snapshots for run in runs.values()) else [NOTHING_KEPT]
    entries = [{**venue_of(run), "name": name, "kind": run.saved.summary} for name, run in runs.items()]
    whole = system_states(path, {part["name"]: part["states"] for part in parts}, runs)
    text = made.text(
        world={**about_run(about, path), "venues": entries, "shown": shown}, venues=parts, whole=whole, notes=notes
    )
    return text, notes


def add_venue(made: Pack, run: RunFolder, name: str = "") -> dict[str, Any]:
    """Add the columns of a venue, their names after its own, and return what goes with them."""
    made.begin(f"{name}/" if name else "")
    _series(made, run)
    _depth(made, run)
    _lending(made, run)
    kinds = _events(made, run)
    _edges(made, run)
    return {
        "name": name,
        "accounts": run.names,
        "kinds": kinds,
        "log": _log(run),
        "asset_edges": {"source": [], "target": [], "usd": []},
        "states": states_of(run),
    }


def about_run(about: dict[str, Any], path: Path) -> dict[str, Any]:
    """What the page says of the whole run."""
    scenario = about["scenario"]
    seconds = float(scenario["tick_seconds"])
    return {
        "version": 1,
        "scenario": path.resolve().name,
        "summary": str(scenario.get("summary", "")),
        "venue": ((scenario.get("venue") or {}).get("about") or {}).get("name") or None,
        "seed": about["seed"],
        "tick_seconds": seconds,
        "ticks": max(1, round(float(scenario["hours"]) * 3600.0 / seconds)),
        "compare": False,
        "study": None,
    }


def venue_of(run: RunFolder) -> dict[str, Any]:
    """What it says of a venue: books, then what has a price without one, pools, what is lent."""
    instruments = run.scenario["instruments"]
    books = [
        {
            "symbol": symbol,
            "kind": instruments[symbol].get("kind", "perpetual"),
            "base": instruments[symbol]["base"],
            "quote": instruments[symbol]["quote"],
            "tick": float(instruments[symbol]["tick_size"]),
        }
        for symbol in run.books
    ]
    ticks = {symbol: float(asset["price_tick_usd"]) for symbol, asset in run.scenario["assets"].items()}
    books += [
        {"symbol": symbol, "kind": "asset", "base": symbol, "quote": "USD", "tick": ticks[symbol]}
        for symbol in symbols_of(run.venue_prices, "asset")
    ]
    pools = [
        {"symbol": symbol, "base": pool["base"], "quote": pool["quote"]}
        for symbol, pool in (run.scenario.get("pools") or {}).items()
    ]
    return {
        "books": books + [{**pool, "kind": "pool", "tick": ticks[pool["base"]]} for pool in pools],
        "pools": pools,
        "lent": symbols_of(run.lending, "asset"),
        "assets": list(run.saved.symbols),
        "accounts": int(run.accounts["customer"].sum()),
        "depth_bps": list(DEPTH_BPS),
        "ratio_edges": MARGIN_RATIO_EDGES.tolist(),
    }


def symbols_of(table: pd.DataFrame, column: str) -> list[str]:
    """Each once, in order; none of a table that is not there."""
    return [] if table.empty else list(dict.fromkeys(table[column].tolist()))


def _series(made: Pack, run: RunFolder) -> None:
    tables = [(run.prices[run.prices["instrument"] == symbol], _tick_of(run, symbol)) for symbol in run.books]
    lines: list[tuple[NDArray[np.float64], NDArray[np.float64], float]] = []
    for symbol in symbols_of(run.venue_prices, "asset"):
        own = run.venue_prices[run.venue_prices["asset"] == symbol]
        tick = float(run.scenario["assets"][symbol]["price_tick_usd"])
        lines.append((own["price_usd"].to_numpy(np.float64), own["reference_usd"].to_numpy(np.float64), tick))
    pools = [run.pools[run.pools["pool"] == symbol] for symbol in symbols_of(run.pools, "pool")]
    for own in pools:
        lines.append((own["price"].to_numpy(np.float64), own["reference"].to_numpy(np.float64), 1e-6))
    paths = [table["mark"].to_numpy(np.float64) for table, _ in tables] + [price for price, _, _ in lines]
    rows = kept_rows(paths, run.ticks, MOST_TICKS)
    made.add("series.tick", rows + 1)
    for at, (table, tick) in enumerate(tables):
        for name in ("mark", "index", "reference", "bid", "ask"):
            made.add(f"series.{at}.{name}", table[name].to_numpy(np.float64)[rows], scale=tick)
    for at, (price, reference, tick) in enumerate(lines, start=len(tables)):
        made.add(f"series.{at}.mark", price[rows], scale=tick)
        made.add(f"series.{at}.reference", reference[rows], scale=tick)
        for name in ("index", "bid", "ask"):  # there are none
            made.add(f"series.{at}.{name}", np.zeros(len(rows)))
    for at, own in enumerate(pools):
        for name in ("base", "quote"):
            units = own[name].to_numpy(np.float64)[rows]
            made.add(f"pools.{at}.{name}", units, scale=max(float(np.abs(units).max(initial=0.0)), 1.0) * 1e-6)


def _tick_of(run: RunFolder, symbol: str) -> float:
    return float(run.scenario["instruments"][symbol]["tick_size"])


def _lending(made: Pack, run: RunFolder) -> None:
    for at, symbol in enumerate(symbols_of(run.lending, "asset")):
        own = run.lending[run.lending["asset"] == symbol]
        if at == 0:
            made.add("lending.tick", run.tick(own["seconds"]))
        for name, scale in (("utilisation", 1e-5), ("borrow_rate", 1e-5), ("liquidity_usd", 1.0)):
            made.add(f"lending.{at}.{name}", own[name].to_numpy(np.float64), scale=scale)


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
    for at, symbol in enumerate(symbols_of(run.venue_prices, "asset"), start=len(run.books)):
        for other in run.saved.symbols:
            book_of.setdefault(f"{symbol}/{other}", at)
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
    assets = run.scenario["assets"]
    ticks = [_tick_of(run, symbol) for symbol in run.books]
    ticks += [float(assets[symbol]["price_tick_usd"]) for symbol in symbols_of(run.venue_prices, "asset")]
    return min(ticks, default=0.01) / 10.0


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
    together["seconds"] = liquidations["seconds"].to_numpy()[together["to"].to_numpy(np.int64)]
    together["usd"] = together["loss"].astype(np.float64) / 1e6
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
