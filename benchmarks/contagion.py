"""Causes of a cascade of 100,000 forced orders, from made-up records: `python -m benchmarks.contagion [--json]`.

An hour of one-second ticks, four perpetuals marked at the middle of their books, 20,000 accounts that break while
prices fall by a fifth, five forced orders each, every one of which displaces its book and moves the reference for good.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from typing import Any

import numpy as np

from experiments.contagion import CAUSES, FORCED, causes_of
from experiments.contagion.records import IMPACT, MarkFigures, Records
from experiments.validation.laboratory import BTC, PERP, USDC, changed
from market.instruments import asset_records, instrument_records, tier_records
from market.kernels.history import LOOK_COLUMNS
from market.kernels.moves import OWN, SLOW
from market.kernels.origins import ORDERS
from market.kernels.records import BACKGROUND, BREACH, CHANGE, FLOWS, LIQUIDITY, MID_MARK, NONE

BOOKS = 4
TICKS = 3_600
USD = 1_000_000


def synthetic(*, liquidations: int, orders_each: int, seed: int = 1) -> Records:
    """Records of a cascade that never was."""
    draw = np.random.default_rng(seed)
    assets = {"USDC": USDC} | {f"A{number}": changed(BTC) for number in range(BOOKS)}
    perps = {f"A{number}-PERP": changed(PERP, base=f"A{number}") for number in range(BOOKS)}
    highest = dict.fromkeys(assets, 12_000.0)
    instruments, owned = instrument_records(assets, perps, highest), asset_records(assets, perps)
    fall = 1.0 - 0.2 * np.clip((np.arange(TICKS) - 300) / 3_000, 0.0, 1.0)
    noise = np.exp(np.cumsum(draw.normal(0.0, 2e-4, (TICKS, BOOKS)), axis=0))
    reference = np.rint(10_000.0 * fall[:, None] * noise).astype(np.int64)
    breach_tick = np.sort(draw.integers(400, TICKS - 10, liquidations))
    orders, own = _orders(draw, breach_tick, orders_each)
    moved = np.zeros((TICKS, BOOKS, 3, FLOWS), np.int64)
    # Makers follow the reference and refill a fifth of what is displaced.
    follow = np.diff(reference, axis=0, prepend=reference[:1])
    noise_ticks, refill = draw.integers(-2, 3, (TICKS, BOOKS)), np.zeros((TICKS, BOOKS), np.int64)
    gap = np.zeros(BOOKS)
    levels = np.zeros((TICKS, BOOKS), np.int64)
    for tick in range(TICKS):
        refill[tick] = np.rint(-gap / 5.0)
        gap += refill[tick] + noise_ticks[tick] + own[tick]
        levels[tick] = reference[tick] + gap
    for count in (SLOW, OWN):
        moved[:, :, count // FLOWS, LIQUIDITY] = follow + refill
        moved[:, :, count // FLOWS, BACKGROUND] = noise_ticks
    marks = np.concatenate([reference[:1], levels[:-1]])
    looks = np.zeros((TICKS, LOOK_COLUMNS + BOOKS), np.int64)
    looks[:, 0] = np.arange(TICKS)
    looks[:, LOOK_COLUMNS:] = marks
    held, breaches = _accounts(draw, breach_tick, marks, instruments)
    price = np.concatenate([np.full((TICKS, 1), 1_000), reference], axis=1)
    return Records(
        tick_seconds=1.0, mark=MarkFigures(code=MID_MARK, weight=1.0, cap=0.0), instruments=instruments,
        assets=owned, haircuts=owned["haircut"][None].astype(np.int64), stresses=np.full((1, BOOKS), 1_000_000),
        ladders=tier_records(perps)[None], index=reference, reference=reference, basis=np.zeros((TICKS, BOOKS)),
        carry=np.zeros((TICKS, BOOKS)), funding=np.zeros((TICKS, BOOKS), np.int64), price=price, asset_reference=price,
        delay=np.zeros(BOOKS + 1, np.int64),
        first_levels=reference[:1].repeat(2, axis=0).T.copy(), moved=moved, looks=looks, breaches=breaches,
        breach_held=held, breach_look=np.column_stack([breach_tick, np.zeros(liquidations, np.int64)]),
        kept=np.zeros(0, CHANGE), kept_from=np.zeros(liquidations + 1, np.int64), orders=orders,
        impacts=np.zeros(0, IMPACT), modes=np.zeros(liquidations, np.int64),
        sold_usd=np.ones((liquidations, BOOKS + 1)), claim_on=np.full(BOOKS + 1, NONE),
        claim_rates=np.ones((TICKS, BOOKS + 1)),
    )  # fmt: skip


def _orders(draw: np.random.Generator, breach_tick: Any, each: int) -> tuple[Any, Any]:
    """(ORDERS, int64[n_ticks, n_books]: ticks by which they moved each book)."""
    n = len(breach_tick) * each
    orders = np.zeros(n, ORDERS)
    orders["liquidation"] = np.repeat(np.arange(len(breach_tick)), each)
    orders["tick"] = np.minimum(breach_tick[orders["liquidation"]] + draw.integers(1, 8, n), TICKS - 1)
    orders["book"] = draw.integers(0, BOOKS, n)
    orders["asset"] = orders["book"] + 1
    orders["slow_move"] = orders["own_move"] = -draw.integers(0, 4, n)
    orders["impact"] = -1e-6
    orders = orders[np.argsort(orders["tick"], kind="stable")]
    orders["event"] = np.arange(n)
    own = np.zeros((TICKS, BOOKS), np.int64)
    np.add.at(own, (orders["tick"], orders["book"]), orders["own_move"].astype(np.int64))
    return orders, own


def _accounts(draw: np.random.Generator, breach_tick: Any, marks: Any, instruments: Any) -> tuple[Any, Any]:
    """(what each held, BREACH): long two books, worth one dollar less than maintenance when it breaks."""
    n = len(breach_tick)
    held = np.zeros((n, 3 * BOOKS + BOOKS + 2), np.int64)
    lots = np.zeros((n, BOOKS), np.int64)
    for _ in range(2):
        lots[np.arange(n), draw.integers(0, BOOKS, n)] = draw.integers(10, 1_000, n)
    value = lots * marks[breach_tick] * instruments["tick_value"]
    held[:, : 3 * BOOKS : 3], held[:, 1 : 3 * BOOKS : 3] = lots, value
    needed = -(-value * 5 // 100).sum(axis=1)
    held[:, 3 * BOOKS] = needed - USD
    breaches = np.zeros(n, BREACH)
    breaches["tick"], breaches["account"] = breach_tick, np.arange(n)
    breaches["excess"], breaches["maintenance"] = -USD, needed
    return held, breaches


def measure(*, liquidations: int, orders_each: int) -> dict[str, Any]:
    """Seconds and megabytes for one cascade, kernels compiled."""
    causes_of(synthetic(liquidations=20, orders_each=2))
    found = synthetic(liquidations=liquidations, orders_each=orders_each)
    began = time.perf_counter()
    spent = time.process_time()
    causes = causes_of(found)
    figures = {"wall_seconds": time.perf_counter() - began, "processor_seconds": time.process_time() - spent}
    if not (causes.causes.sum(axis=1) == causes.loss).all():
        raise SystemExit("causes do not add up")
    return {
        "forced_orders": len(found.orders),
        "liquidations": causes.n,
        "edges": len(causes.order_edges),
        **figures,
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "forced_share": float(causes.causes[:, FORCED].sum() / causes.loss.sum()),
        "untraced_share": float(np.abs(causes.causes[:, CAUSES.index("untraced")]).sum() / causes.loss.sum()),
    }


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print only JSON")
    parser.add_argument("--liquidations", type=int, default=20_000)
    parser.add_argument("--orders-each", type=int, default=5)
    options = parser.parse_args()
    figures = measure(liquidations=options.liquidations, orders_each=options.orders_each)
    if options.json:
        print(json.dumps(figures, indent=1))
        return
    for name, value in figures.items():
        print(f"{name:20} {value:,.3f}" if isinstance(value, float) else f"{name:20} {value:,}")


if __name__ == "__main__":
    main()
