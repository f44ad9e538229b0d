"""What a venue shows beside its order books: prices that it takes from oracles, pools, and what it lends."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.lending import priced_assets
from experiments.recorder import Recorder
from experiments.snapshots.numbers import listed
from market.kernels.records import NONE
from market.world import World

_DECIMALS = 8


def asset_series(world: World, recorder: Recorder, rows: NDArray[np.int64]) -> list[dict[str, Any]]:
    """By asset of `priced_assets`: the venue's price as "mark" and the outside world's as "reference", USD."""
    tick = world.assets["price_tick"]
    return [
        _line(recorder.asset_price[rows, asset] * tick[asset], recorder.asset_reference[rows, asset] * tick[asset])
        for asset in priced_assets(world).tolist()
    ]


def pool_series(world: World, recorder: Recorder, rows: NDArray[np.int64]) -> list[dict[str, Any]]:
    """By pool: its own price as "mark" and the outside world's as "reference", quote units per base unit."""
    if world.pools is None or recorder.pools is None:
        return []
    quantum, tick = world.assets["quantum"], world.assets["price_tick"]
    made = []
    for pool, (base, quote) in enumerate(_pairs(world)):
        price = recorder.pools.ticks["price"][rows, pool] * (quantum[quote] / quantum[base])
        outside = recorder.asset_reference[rows] * tick
        made.append(_line(price, outside[:, base] / np.maximum(outside[:, quote], 1e-300)))
    return made


def reserves(world: World, recorder: Recorder, rows: NDArray[np.int64]) -> list[dict[str, Any]]:
    """By pool: units of either asset that are in it."""
    if world.pools is None or recorder.pools is None:
        return []
    quantum = world.assets["quantum"]
    return [
        {
            "base": listed(recorder.pools.ticks["base"][rows, pool] * quantum[base], 4),
            "quote": listed(recorder.pools.ticks["quote"][rows, pool] * quantum[quote], 4),
        }
        for pool, (base, quote) in enumerate(_pairs(world))
    ]


def lending(world: World, recorder: Recorder, first: int) -> list[dict[str, Any]]:
    """By asset that is lent, of the samples from row `first` on: utilisation and borrow rate per year as shares, and
    what could still be borrowed or withdrawn, USD."""
    if world.lending is None:
        return []
    kept, rows = recorder.lending, slice(first, recorder.n_samples)
    return [
        {
            "utilisation": listed(np.array([row[asset] for row in kept.utilisation[rows]]), 5),
            "borrow_rate": listed(np.array([row[asset] for row in kept.borrow_rate[rows]]), 5),
            "liquidity_usd": listed(np.array([row[asset] for row in kept.liquidity_usd[rows]]), 0),
        }
        for asset, reserve in enumerate(world.lending.reserves)
        if reserve is not None
    ]


def _pairs(world: World) -> list[tuple[int, int]]:
    assert world.pools is not None
    return list(zip(world.pools.pools["base"].tolist(), world.pools.pools["quote"].tolist(), strict=True))


def _line(mark: NDArray[np.float64], reference: NDArray[np.float64]) -> dict[str, Any]:
    """A price that has no index, no bid and no ask."""
    none = [None] * len(mark)
    return {
        "mark": listed(mark, _DECIMALS),
        "index": none,
        "reference": listed(reference, _DECIMALS),
        "bid": none,
        "ask": none,
    }


def numbers_of_assets(world: World, books: NDArray[np.int64]) -> NDArray[np.int64]:
    """int64[n_assets]: number of the book or line on which a sale of each asset is shown; NONE without. `books` from
    `numbers_of_books`."""
    made: NDArray[np.int64] = books[world.assets["spot_book"]].copy()
    lines = priced_assets(world)
    made[lines] = int(books.max(initial=NONE)) + 1 + np.arange(len(lines))
    return made
