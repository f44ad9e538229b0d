"""Results made by hand, for tests of what is written about them: no engine runs."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pandas as pd

from experiments.contagion import CAUSES, EDGE, FORCED, Contagion
from experiments.recorder import DEPTH_BPS, MARGIN_RATIO_EDGES
from experiments.result import Result
from experiments.scenario import Scenario
from market.instruments import USD_QUANTA
from market.kernels.origins import ORDERS
from market.kernels.records import SYSTEM_ACCOUNTS

N_ACCOUNTS = 60
TICKS = 1_200
CRASH = (300, 600)


def synthetic_result(*, n_events: int = 40, twin: bool = True, bad_debt: bool = True, **kpis: Any) -> Result:
    """A fall of 10% on every instrument with `n_events` forced fills in it; `kpis` replace figures."""
    scenario = Scenario.load("flash-crash", overrides=[f"hours={TICKS / 3600.0}"])
    symbols = list(scenario.instruments)[:2]
    generator = np.random.default_rng(1)
    fills = _fills(symbols, n_events, generator)
    accounts = _accounts(fills, bad_debt=bad_debt)
    breaches = np.zeros(8, np.dtype([("account", "<i4")]))
    breaches["account"] = SYSTEM_ACCOUNTS + np.arange(8)
    counts = generator.integers(0, 50, (3, len(MARGIN_RATIO_EDGES) + 2))
    made = {
        "scenario": scenario,
        "seed": 7,
        "part_of": "",
        "notes": ("prices.csv: BTCUSDT read as BTC; <angle> & ampersand",),
        "prices": _prices(symbols, fall=0.10, generator=generator),
        "twin_prices": _prices(symbols, fall=0.06, generator=generator) if twin else None,
        "depth": _depth(symbols, generator),
        "liquidations": fills,
        "accounts": accounts,
        "causes": _causes(fills, accounts),
        "kpis": {**_kpis(symbols, n_events, twin=twin, bad_debt=bad_debt), **kpis},
        "main": SimpleNamespace(
            recorder=SimpleNamespace(n_margins=3, margins_at=np.array([0, 600, 1199]), margin_counts=counts)
        ),
        "twin": SimpleNamespace(built=SimpleNamespace(world=SimpleNamespace(breaches=breaches, n_breaches=8))),
        "provenance": lambda: {"scenario_hash": "ab" * 32, "git_commit": None},
    }
    if not twin:
        made["twin"] = None
    return cast(Result, SimpleNamespace(**made))


def _prices(symbols: list[str], *, fall: float, generator: np.random.Generator) -> pd.DataFrame:
    tick = np.arange(TICKS)
    path = 1.0 - fall * np.clip((tick - CRASH[0]) / (CRASH[1] - CRASH[0]), 0.0, 1.0)
    frames = []
    for symbol in symbols:
        mark = 50_000.0 * path * (1.0 + 1e-4 * generator.standard_normal(TICKS))
        frames.append(
            pd.DataFrame(
                {
                    "seconds": tick + 1.0,
                    "instrument": symbol,
                    "mark": mark,
                    "index": mark * 1.001,
                    "reference": mark * 0.999,
                }
            )
        )
    return pd.concat(frames, ignore_index=True)


def _depth(symbols: list[str], generator: np.random.Generator) -> pd.DataFrame:
    frames = []
    for symbol in symbols:
        for side in ("bid", "ask"):
            seconds = np.arange(1.0, TICKS, 10.0)
            nearest = generator.uniform(0.0, 1e6, len(seconds))
            frame = pd.DataFrame({"seconds": seconds, "instrument": symbol, "side": side})
            for distance in DEPTH_BPS:
                frame[f"depth_{distance:g}bps_usd"] = nearest * distance / 10.0
            frames.append(frame)
    return pd.concat(frames, ignore_index=True)


def _fills(symbols: list[str], n: int, generator: np.random.Generator) -> pd.DataFrame:
    seconds = np.sort(generator.integers(CRASH[0], CRASH[1], n)).astype(np.float64) + 1.0
    account = generator.integers(SYSTEM_ACCOUNTS, N_ACCOUNTS, n)
    kind = np.where(generator.random(n) < 0.1, "adl", "position")
    return pd.DataFrame(
        {
            "tick": seconds.astype(np.int64) - 1,
            "seconds": seconds,
            "kind": kind,
            "row": account,
            "account": [f"trader-{number:02d}" for number in account],
            "instrument": np.array(symbols, dtype=object)[generator.integers(0, len(symbols), n)],
            "side": np.where(generator.random(n) < 0.8, "sell", "buy"),
            "price": generator.uniform(45_000.0, 50_000.0, n),
            "mark_before": 48_000.0,
            "notional_usd": generator.lognormal(10.0, 1.0, n),
        }
    )


def _accounts(fills: pd.DataFrame, *, bad_debt: bool) -> pd.DataFrame:
    row = np.arange(N_ACCOUNTS)
    closed = np.bincount(fills["row"], weights=fills["notional_usd"], minlength=N_ACCOUNTS)
    return pd.DataFrame(
        {
            "account": [f"trader-{number:02d}" for number in row],
            "role": np.where(row < SYSTEM_ACCOUNTS, "system", np.where(row % 20 == 0, "market_maker", "trader")),
            "owner": [f"trader-{number:02d}" for number in row],
            "customer": row >= SYSTEM_ACCOUNTS,
            "net_equity_before_usd": 1_000.0 * (row + 1.0),
            "net_equity_after_usd": np.where(closed > 0.0, 0.0, 1_000.0 * (row + 1.0)),
            "first_breach_seconds": np.where(closed > 0.0, 301.0 + row, np.nan),
            "forced_notional_usd": closed,
            "bad_debt_usd": np.where(closed > 0.0, 10.0 * row, 0.0) if bad_debt else 0.0,
        }
    )


def _causes(fills: pd.DataFrame, accounts: pd.DataFrame) -> Contagion:
    """One liquidation per account, each the child of the one two before it but for every fifth."""
    first = fills.drop_duplicates("row")
    n = len(first)
    row = np.arange(n)
    parent = np.where((row % 5 == 0) | (row < 2), -1, row - 2)
    generation, root = np.zeros(n, np.int64), row.copy()
    for number in row[parent >= 0].tolist():
        generation[number], root[number] = generation[parent[number]] + 1, root[parent[number]]
    children = row[parent >= 0]
    edges = np.column_stack([parent[children], children, np.full(len(children), 0.6), np.full(len(children), 1e3)])
    account = first["row"].to_numpy(np.int64)
    causes = np.zeros((n, len(CAUSES)), np.int64)
    causes[:, FORCED] = np.where(parent >= 0, 1_200, 200) * USD_QUANTA
    causes[:, 0] = 2_000 * USD_QUANTA - causes[:, FORCED]
    return Contagion(
        account=account,
        tick=first["tick"].to_numpy(np.int64),
        safe_tick=first["tick"].to_numpy(np.int64) - 10,
        notional_usd=accounts["forced_notional_usd"].to_numpy(np.float64)[account],
        loss=causes.sum(axis=1),
        causes=causes,
        lost_on=causes.sum(axis=1)[:, None],
        repriced=np.zeros((n, 1), np.int64),
        parent=parent,
        abroad=np.full(n, -1),
        generation=generation,
        root=root,
        edges=edges.astype(np.float64).reshape(-1, 4),
        order_edges=np.zeros(0, EDGE),
        orders=np.zeros(0, ORDERS),
        asset_sold_usd=np.zeros((n, 1)),
        exposure_usd=np.zeros((n, 1)),
    )


def _kpis(symbols: list[str], n_events: int, *, twin: bool, bad_debt: bool) -> dict[str, Any]:
    debt = 1_000.0 if bad_debt and n_events else 0.0
    return {
        "conservation_error": 0,
        "liquidation_count": n_events,
        "breached_account_count": min(n_events, 30),
        "largest_cascade_count": min(n_events, 12),
        "largest_cascade_generations": 3 if n_events else 0,
        "cascade_depth_generations": 5 if n_events else 0,
        "adl_account_count": min(n_events, 4),
        "branching_ratio": None,
        "main_instrument": symbols[0],
        "amplification": 1.7 if twin else None,
        f"reference_drawdown_{symbols[0]}_pct": np.float64(6.0),
        f"amplification_{symbols[0]}_ratio": 1.7,
        "bad_debt_usd": debt,
        "bad_debt_fund_usd": 0.6 * debt,
        "bad_debt_adl_usd": 0.3 * debt,
        "bad_debt_socialised_usd": 0.0,
        "bad_debt_uncovered_usd": 0.0,
        "bad_debt_still_open_usd": 0.1 * debt,
        "bid_depth_50bps_before_usd": 1e6,
        "bid_depth_50bps_trough_usd": float("nan"),
        "keeper_profit_usd": float("nan"),
        "a_later_figure_usd": 12.0,
    }
