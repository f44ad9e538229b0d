"""Pools for tests: bare arrays, and small engines with a pool of BTC in USDC at 10,000."""

from __future__ import annotations

from typing import Any

import numpy as np

from market.kernels.pools import CONCENTRATED, CONSTANT_PRODUCT, POOL, RANGE
from market.pools import ConstantProduct, PoolMarket
from tests.engine_worlds import Engine

BTC_USDC = "BTC-USDC"


def bare(rows: list[tuple[int, int, int, int]], *, fee: int = 3_000, active: int = 0, curve: bool = False) -> Any:
    """The `pools` of kernels with one pool of assets 0 and 1 over these rows of RANGE; `curve`: a constant product."""
    pools = np.zeros(1, POOL)
    pools["kind"] = CONSTANT_PRODUCT if curve else CONCENTRATED
    pools["quote"], pools["fee"], pools["n_ranges"], pools["active"] = 1, fee, len(rows), active
    return pools, np.array(rows, RANGE)


def products(pools: Any) -> list[int]:
    """The invariant of every range, exactly."""
    return [
        (int(row["base"]) + int(row["virtual_base"])) * (int(row["quote"]) + int(row["virtual_quote"]))
        for row in pools[1]
    ]


def give_pool(engine: Engine, *, impact: float = 0.0, **fields: Any) -> PoolMarket:
    """Open a pool in an engine that has two `extra_accounts`; a constant product unless `pool` is given."""
    pool = fields.pop("pool", None) or ConstantProduct(base="BTC", **fields)
    engine.world.pools = PoolMarket({BTC_USDC: pool}, engine.world, impact={"BTC": impact})
    return engine.world.pools
