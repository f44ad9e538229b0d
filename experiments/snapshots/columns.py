"""Series, depth, forced fills and the ladder, each as columns."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.frames import KINDS, by_book, fill_usd, quote_usd
from experiments.lending import priced_assets
from experiments.recorder import DEPTH_BPS, Recorder
from experiments.snapshots import lines
from experiments.snapshots.describe import numbers_of_books, shown_books
from experiments.snapshots.numbers import kept_rows, listed
from market.kernels.records import FORCED_ADL, FORCED_SEIZURE, SELL
from market.world import World

LADDER_LEVELS = 20
"""Prices shown on each side of a book."""
_PRICE_DECIMALS = 8
_SERIES = {"mark": "mark", "index": "index", "reference": "reference", "bid": "best_bid", "ask": "best_ask"}


def series(world: World, recorder: Recorder, first: int) -> dict[str, Any]:
    """Prices of every book, open claims and messages, of the ticks from row `first` of the recorder on.

    A bid or ask of 0 says that there was none. After the books come the lines of `experiments.snapshots.lines`.
    """
    ticks = recorder.ticks[first : recorder.n]
    books = shown_books(world)
    paths = [ticks["mark"][:, book] for book in books.tolist()]
    paths += [recorder.asset_price[first : recorder.n, asset] for asset in priced_assets(world).tolist()]
    if recorder.pools is not None:
        paths += list(recorder.pools.ticks["price"][first : recorder.n].T)
    rows = kept_rows(paths, len(ticks))
    size = world.instruments["tick_size"]
    return {
        "tick": listed(first + rows + 1),
        "books": [
            {name: listed(ticks[field][rows, book] * size[book], _PRICE_DECIMALS) for name, field in _SERIES.items()}
            for book in books.tolist()
        ]
        + lines.asset_series(world, recorder, first + rows)
        + lines.pool_series(world, recorder, first + rows),
        "pools": lines.reserves(world, recorder, first + rows),
        "open_claims": listed(recorder.open_claims[first : recorder.n][rows]),
        "messages": listed(recorder.messages[first : recorder.n][rows]),
    }


def depth(world: World, recorder: Recorder, first: int) -> dict[str, Any]:
    """USD resting within each distance of the mark, of the samples from row `first` on; `books[i].bid[j]` is a list
    over samples for the j-th distance. `lending` as in `experiments.snapshots.lines`, of the same samples."""
    usd = quote_usd(world)
    samples = recorder.depth[first : recorder.n_samples] * usd[None, :, None, None]
    interest = recorder.open_interest[first : recorder.n_samples]
    at = recorder.sampled_at[first : recorder.n_samples]
    worth = interest * recorder.ticks["mark"][at] * (world.instruments["tick_value"] * usd)
    return {
        "tick": listed(at + 1),
        "bps": list(DEPTH_BPS),
        "lending": lines.lending(world, recorder, first),
        "books": [
            {
                "bid": [listed(samples[:, book, 0, column], 0) for column in range(len(DEPTH_BPS))],
                "ask": [listed(samples[:, book, 1, column], 0) for column in range(len(DEPTH_BPS))],
                "open_interest_usd": listed(worth[:, book], 0),
            }
            for book in shown_books(world).tolist()
        ],
    }


def events(world: World, first: int) -> dict[str, Any]:
    """Forced fills from number `first` on.

    `side` is -1 for a forced sale, +1 for a forced purchase; `keeper` the ledger row of the keeper, or of the
    counterparty away from the books; `shortfall_usd` what a counterparty bore of the account's loss in ADL; `book` is
    -1 where there is none; a seizure is shown where its collateral has a price. Of a seizure, `price` is the venue's
    price of the collateral, in USD.
    """
    rows = world.events[first : world.n_events]
    books = rows["book"]
    seized = rows["kind"] == FORCED_SEIZURE
    collateral = np.where(seized, rows["seized"], 0)
    numbers = numbers_of_books(world)
    shown = np.where(seized, lines.numbers_of_assets(world, numbers)[collateral], numbers[books])
    per_price = rows["lots"] * by_book(world.instruments["tick_value"], books)
    price = rows["value"] / np.maximum(per_price, 1) * by_book(world.instruments["tick_size"], books)
    price = np.where(seized, rows["mark"] * world.assets["price_tick"][collateral], price)
    loss = np.where(rows["kind"] == FORCED_ADL, rows["loss"], 0) * by_book(quote_usd(world), books)
    names = world.ledger.names
    accounts = rows["account"].tolist()
    return {
        "id": list(range(first, world.n_events)),
        "tick": listed(rows["tick"].astype(np.int64) + 1),
        "round": listed(rows["round"]),
        "account": accounts,
        "name": [names[account] for account in accounts],
        "book": listed(shown),
        "side": np.where(rows["side"] == SELL, -1, 1).tolist(),
        "usd": listed(fill_usd(world, rows)),
        "price": listed(price, _PRICE_DECIMALS),
        "kind": [KINDS[kind] for kind in rows["kind"].tolist()],
        "keeper": listed(rows["keeper"]),
        "keeper_name": [names[keeper] for keeper in rows["keeper"].tolist()],
        "mark_move_bps": listed(np.where(seized, 0.0, rows["mark_move"] / np.maximum(rows["mark"], 1) * 1e4)),
        "shortfall_usd": listed(loss),
        "claim_tick": listed(rows["claim_tick"].astype(np.int64) + 1),
    }


def ladder(world: World) -> list[dict[str, list[list[float]]]]:
    """By book, {"bids", "asks"}: [price, USD] of the best `LADDER_LEVELS` prices, from the best one away."""
    return [_book_ladder(world, book) for book in shown_books(world).tolist()]


def _book_ladder(world: World, book: int) -> dict[str, list[list[float]]]:
    instrument = world.instruments[book]
    base, n_levels = int(instrument["level_base"]), int(instrument["n_levels"])
    bid, ask = int(instrument["best_bid"]), int(instrument["best_ask"])
    lots = world.books.levels["lots"][base : base + n_levels]
    tick = float(instrument["tick_size"])
    per_lot = float(instrument["tick_value"] * quote_usd(world)[book])
    bids = _nearest(lots[: bid + 1][::-1]) if bid > 0 else np.zeros(0, np.int64)
    asks = _nearest(lots[ask:]) if ask < n_levels - 1 else np.zeros(0, np.int64)
    made = {}
    for name, prices in (("bids", bid - bids), ("asks", ask + asks)):
        usd = lots[prices] * (prices * per_lot)
        made[name] = [
            [round(price * tick, _PRICE_DECIMALS), round(value)]
            for price, value in zip(prices.tolist(), usd.tolist(), strict=True)
        ]
    return made


def _nearest(lots: NDArray[np.int64]) -> NDArray[np.int64]:
    """Distances of the first `LADDER_LEVELS` prices with anything on them; the search widens until there are enough."""
    width = 256
    while True:
        found = np.flatnonzero(lots[:width])
        if len(found) >= LADDER_LEVELS or width >= len(lots):
            return found[:LADDER_LEVELS]
        width *= 8
