"""The tables of a run as DataFrames, in units people read: USD, coins, seconds, basis points."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from experiments.latency import fill_latencies
from experiments.recorder import DEPTH_BPS
from market.instruments import USD_QUANTA
from market.kernels.records import (
    FORCED_ABSORPTION,
    FORCED_ADL,
    FORCED_AUCTION,
    FORCED_COLLATERAL,
    FORCED_HEDGE,
    FORCED_POOL,
    FORCED_POSITION,
    FORCED_RESALE,
    FORCED_SEIZURE,
    FORCED_SWAP,
    FORCED_TAKE_OVER,
    HALTED,
    SELL,
    SYSTEM,
    TWO_ASSETS,
)
from market.world import World

if TYPE_CHECKING:
    from experiments.run import Trace

KINDS = {
    FORCED_POSITION: "position",
    FORCED_COLLATERAL: "collateral",
    FORCED_ADL: "adl",
    FORCED_AUCTION: "auction",
    FORCED_HEDGE: "hedge",
    FORCED_TAKE_OVER: "take_over",
    FORCED_ABSORPTION: "absorption",
    FORCED_RESALE: "resale",
    FORCED_POOL: "pool",
    FORCED_SEIZURE: "seizure",
    FORCED_SWAP: "swap",
}
AWAY = ("adl", "take_over", "absorption", "pool")
"""Kinds that went to somebody away from the books at a price that the venue set."""


def quote_usd(world: World) -> NDArray[np.float64]:
    """float64[n_instruments]: USD per quote quantum at the reference price now."""
    per_quote: NDArray[np.float64] = asset_usd(world)[world.instruments["quote"]]
    return per_quote


def asset_usd(world: World) -> NDArray[np.float64]:
    """float64[n_assets]: USD per quantum at the reference price now."""
    assets = world.assets
    return np.asarray(assets["reference"] * assets["multiplier"] / assets["divisor"] / USD_QUANTA, np.float64)


def by_book(column: NDArray[Any], books: NDArray[Any]) -> NDArray[Any]:
    """The entries of a column over instruments that belong to `books`; for NONE, which the caller does not use, any."""
    return column[books] if len(column) else np.zeros(len(books), column.dtype)


def fill_usd(world: World, events: NDArray[np.void]) -> NDArray[np.float64]:
    """float64[n]: what each event traded, USD at the reference price now; of a seizure or a swap, what was taken, at
    the venue's price of then: both of its assets may have moved far since."""
    seized = np.isin(events["kind"], TWO_ASSETS)
    usd = events["value"] * asset_usd(world)[by_book(world.instruments["quote"], events["book"])]
    taken = world.assets[np.where(seized, events["seized"], 0)]
    worth = events["lots"] * events["mark"].astype(np.float64) * taken["multiplier"] / taken["divisor"] / USD_QUANTA
    return np.asarray(np.where(seized, worth, usd), np.float64)


def fill_asset(world: World, events: NDArray[np.void]) -> NDArray[np.int64]:
    """int64[n]: asset that each event was about: base of the instrument, or collateral seized or swapped."""
    seized = np.isin(events["kind"], TWO_ASSETS)
    base = by_book(world.instruments["base"], events["book"])
    return np.where(seized, events["seized"], base).astype(np.int64)


def _seizures(world: World, events: NDArray[np.void], columns: dict[str, object]) -> None:
    """Overwrite the columns of liquidations that a seizure or a swap, on no book, has from its two assets instead."""
    seized = np.flatnonzero(np.isin(events["kind"], TWO_ASSETS))
    if not len(seized):
        return
    taken, repaid = events["seized"][seized], events["repaid"][seized]
    symbols = np.array(world.asset_symbols, dtype=object)
    quantum = world.assets["quantum"]
    size, paid = events["lots"][seized] * quantum[taken], events["value"][seized] * quantum[repaid]
    for name, values in (
        ("instrument", symbols[taken] + "/" + symbols[repaid]),
        ("size", size),
        ("price", paid / np.maximum(size, quantum[taken])),
        ("mark_before", events["mark"][seized] * world.assets["price_tick"][taken]),
        ("mark_move_bps", 0.0),
    ):
        column = np.array(columns[name])
        column[seized] = values
        columns[name] = column


def lot_size(world: World) -> NDArray[np.float64]:
    """float64[n_instruments]: base units per lot."""
    quantum = quote_quantum(world)
    return np.asarray(world.instruments["tick_value"] * quantum / world.instruments["tick_size"], np.float64)


def quote_quantum(world: World) -> NDArray[np.float64]:
    """float64[n_instruments]: quote units per quantum."""
    assets = world.assets
    quantum = assets["multiplier"] / assets["divisor"] / USD_QUANTA / assets["price_tick"]
    return np.asarray(quantum[world.instruments["quote"]], np.float64)


def prices_frame(trace: Trace) -> pd.DataFrame:
    """One row per tick and instrument: seconds, instrument, reference, index, mark, bid, ask (quote units; 0: none),
    volume and flows in base units (signed: positive buys), whether trading was halted."""
    world, ticks = trace.built.world, trace.recorder.ticks[: trace.recorder.n]
    n, n_books = ticks.shape
    tick_size = world.instruments["tick_size"]
    lots = lot_size(world)
    columns: dict[str, object] = {
        "seconds": np.repeat(np.arange(1, n + 1) * world.tick_seconds, n_books),
        "instrument": pd.Categorical(list(world.instrument_symbols) * n, categories=world.instrument_symbols),
    }
    names = {"reference": "reference", "index": "index", "mark": "mark", "bid": "best_bid", "ask": "best_ask"}
    for name, field in names.items():
        columns[name] = (ticks[field] * tick_size).ravel()
    for name in ("volume", "net_flow", "forced_flow"):
        columns[name] = (ticks[name] * lots).ravel()
    columns["halted"] = (ticks["halted"] == HALTED).ravel()
    return pd.DataFrame(columns)


def depth_frame(trace: Trace) -> pd.DataFrame:
    """One row per sample, instrument and side: USD resting within each distance, and open interest in USD."""
    world, recorder = trace.built.world, trace.recorder
    n = recorder.n_samples
    depth = recorder.depth[:n] * quote_usd(world)[None, :, None, None]
    n_books = depth.shape[1]
    at = recorder.sampled_at[:n]
    marks = recorder.ticks["mark"][at]
    interest = recorder.open_interest[:n] * marks * world.instruments["tick_value"] * quote_usd(world)
    frame = pd.DataFrame(
        {
            "seconds": np.repeat((at + 1) * world.tick_seconds, n_books * 2),
            "instrument": np.tile(np.repeat(list(world.instrument_symbols), 2), n),
            "side": np.tile(["bid", "ask"], n * n_books),
            "open_interest_usd": np.repeat(interest.ravel(), 2),
        }
    )
    for column, distance in enumerate(DEPTH_BPS):
        frame[f"depth_{distance:g}bps_usd"] = depth[..., column].ravel()
    return frame


def liquidations_frame(trace: Trace) -> pd.DataFrame:
    """One row per forced fill, in order: who, what, at which price, how far it moved the book and the mark.

    `size` is in base units, `price` in quote units, `displacement_bps` the move of the best price it took from
    (negative when prices fell), `mark_move_bps` its share of the mark's move in its round, `latency_seconds` the time
    since the claim on the account opened.
    """
    world = trace.built.world
    events = world.events[: world.n_events]
    books = events["book"]
    tick_size = by_book(world.instruments["tick_size"], books)
    per_price = events["lots"] * by_book(world.instruments["tick_value"], books)
    value = fill_usd(world, events)
    size = events["lots"] * by_book(lot_size(world), books)
    before = events["touch_before"].astype(np.float64)
    names = np.array(world.ledger.names, dtype=object)
    with_other = np.isin(events["kind"], (FORCED_ADL, FORCED_AUCTION, FORCED_TAKE_OVER, FORCED_ABSORPTION, FORCED_POOL))
    columns: dict[str, object] = {
        "tick": events["tick"],
        "seconds": (events["tick"] + 1) * world.tick_seconds,
        "round": events["round"],
        "kind": [KINDS[kind] for kind in events["kind"].tolist()],
        "account": names[events["account"]],
        "keeper": np.where(with_other, "", names[events["keeper"]]),
        "counterparty": np.where(with_other, names[events["keeper"]], ""),
        "instrument": by_book(np.array(world.instrument_symbols, dtype=object), books),
        "side": np.where(events["side"] == SELL, "sell", "buy"),
        "size": size,
        "price": events["value"] / np.maximum(per_price, 1) * tick_size,
        "notional_usd": value,
        "mark_before": events["mark"] * tick_size,
        "displacement_bps": (events["touch_after"] - before) / np.maximum(before, 1.0) * 1e4,
        # An option far from its strike may be marked at nothing; its auction moves no mark.
        "mark_move_bps": events["mark_move"] / np.maximum(events["mark"], 1) * 1e4,
        "adl_loss_usd": np.where(events["kind"] == FORCED_ADL, events["loss"], 0) * by_book(quote_usd(world), books),
        "claim_tick": events["claim_tick"],
        "latency_seconds": fill_latencies(trace),
    }
    _seizures(world, events, columns)
    return pd.DataFrame(columns)


def losses_frame(trace: Trace) -> pd.DataFrame:
    """One row per loss the waterfall absorbed: gross bad debt in USD and who bore it."""
    world = trace.built.world
    losses = world.losses[: world.n_losses]
    usd = asset_usd(world)[losses["asset"]]
    frame = pd.DataFrame(
        {
            "tick": losses["tick"],
            "seconds": (losses["tick"] + 1) * world.tick_seconds,
            "account": np.array(world.ledger.names, dtype=object)[losses["account"]],
        }
    )
    for part in ("bad_debt", "fund", "adl", "socialised", "uncovered"):
        frame[f"{part}_usd"] = losses[part] * usd
    return frame


def accounts_frame(trace: Trace) -> pd.DataFrame:
    """One row per account: role, equity before and after, first breach, forced notional, bad debt."""
    world = trace.built.world
    ledger = world.ledger
    n = len(ledger.names)
    after = ledger.assess(world.instruments, world.assets, world.margin)
    breaches = world.breaches[: world.n_breaches]
    first = np.full(n, np.nan)
    for breach in breaches[::-1]:
        first[breach["account"]] = (int(breach["tick"]) + 1) * world.tick_seconds
    closed, debt = np.zeros(n), np.zeros(n)
    events, losses = world.events[: world.n_events], world.losses[: world.n_losses]
    first_hand = events[events["kind"] != FORCED_RESALE]  # a resale closes nothing that was not closed before
    np.add.at(closed, first_hand["account"], fill_usd(world, first_hand))
    np.add.at(debt, losses["account"], losses["bad_debt"] * asset_usd(world)[losses["asset"]])
    return pd.DataFrame(
        {
            "account": ledger.names,
            "role": ledger.roles,
            "owner": np.array(ledger.names, dtype=object)[ledger.accounts["owner"][:n]],
            "customer": ledger.accounts["flags"][:n] & SYSTEM == 0,
            "net_equity_before_usd": trace.opening.assessment[:n, 1] / USD_QUANTA,
            "net_equity_after_usd": after[:n, 1] / USD_QUANTA,
            "maintenance_before_usd": trace.opening.assessment[:n, 2] / USD_QUANTA,
            "maintenance_after_usd": after[:n, 2] / USD_QUANTA,
            "first_breach_seconds": first,
            "forced_notional_usd": closed,
            "bad_debt_usd": debt,
        }
    )
