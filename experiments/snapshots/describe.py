"""What does not change during a run: books, assets, roles, lengths."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.lending import priced_assets
from experiments.recorder import DEPTH_BPS, MARGIN_RATIO_EDGES
from market.kernels.records import FUTURE, LIQUIDATABLE, NONE, OPTION, PERPETUAL, SPOT
from market.world import World

KIND_WORDS = {SPOT: "spot", PERPETUAL: "perpetual", FUTURE: "future"}


def shown_books(world: World) -> NDArray[np.int64]:
    """int64[n_books]: instruments that have a book, in their order."""
    return np.flatnonzero(world.instruments["kind"] != OPTION)


def numbers_of_books(world: World) -> NDArray[np.int64]:
    """int64[n_instruments + 1]: number of the book of each instrument; NONE without, and for NONE itself."""
    made = np.full(len(world.instruments) + 1, NONE, np.int64)
    books = shown_books(world)
    made[books] = np.arange(len(books))
    return made


def lent_assets(world: World) -> list[str]:
    """Assets that the venue lends."""
    if world.lending is None:
        return []
    pairs = zip(world.asset_symbols, world.lending.reserves, strict=True)
    return [symbol for symbol, reserve in pairs if reserve is not None]


def lines_of(world: World) -> list[dict[str, Any]]:
    """Entries of what has a price and no book."""
    assets = [
        {"symbol": symbol, "kind": "asset", "base": symbol, "quote": "USD", "tick": float(asset["price_tick"])}
        for row in priced_assets(world).tolist()
        for symbol, asset in [(world.asset_symbols[row], world.assets[row])]
    ]
    ticks = {symbol: float(tick) for symbol, tick in zip(world.asset_symbols, world.assets["price_tick"], strict=True)}
    return assets + [{**pool, "kind": "pool", "tick": ticks[pool["base"]]} for pool in pools_of(world)]


def pools_of(world: World) -> list[dict[str, Any]]:
    """Pools [{symbol, base, quote}]."""
    if world.pools is None:
        return []
    symbols, pools = world.asset_symbols, world.pools.pools
    return [
        {"symbol": name, "base": symbols[base], "quote": symbols[quote]}
        for name, base, quote in zip(world.pools.symbols, pools["base"].tolist(), pools["quote"].tolist(), strict=True)
    ]


def describe(world: World, *, ticks: int) -> dict[str, Any]:
    """Books [{symbol, kind, base, quote, tick}], assets, roles by number of accounts, distances of depth in bps, edges
    of margin ratios, and how long the run is.

    After the books come, as entries of kind "asset" and "pool", the prices of a lending market and of pools; `pools`
    and `lent` say which pools there are and what is lent.
    """
    roles: dict[str, int] = {}
    for role in world.ledger.roles:
        roles[role] = roles.get(role, 0) + 1
    return {
        "tick_seconds": world.tick_seconds,
        "ticks": ticks,
        "books": [
            {
                "symbol": world.instrument_symbols[book],
                "kind": KIND_WORDS[int(world.instruments["kind"][book])],
                "base": world.asset_symbols[int(world.instruments["base"][book])],
                "quote": world.asset_symbols[int(world.instruments["quote"][book])],
                "tick": float(world.instruments["tick_size"][book]),
            }
            for book in shown_books(world).tolist()
        ]
        + lines_of(world),
        "pools": pools_of(world),
        "lent": lent_assets(world),
        "assets": list(world.asset_symbols),
        "roles": roles,
        "accounts": int(np.count_nonzero(world.ledger.accounts["flags"] & LIQUIDATABLE)),
        "depth_bps": list(DEPTH_BPS),
        "ratio_edges": MARGIN_RATIO_EDGES.tolist(),
    }
