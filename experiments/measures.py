"""KPIs of a run. Every key ends in its unit, but for pure numbers; None means undefined or too few to rate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from agents.attacker import ROLE as ATTACKER
from agents.oracle import OracleCohort
from experiments.capital import capital_kpis
from experiments.contagion import Contagion
from experiments.contagion.numbers import FEWEST_PARENTS
from experiments.frames import asset_usd, by_book, fill_usd, quote_usd
from experiments.latency import latency_kpis
from experiments.lending import lending_kpis
from experiments.liquidity import profit_usd, recovery_seconds
from experiments.pools import pool_kpis
from experiments.recorder import DEPTH_BPS
from market.instruments import USD_QUANTA
from market.kernels.records import (
    FORCED_ABSORPTION,
    FORCED_ADL,
    FORCED_AUCTION,
    FORCED_RESALE,
    FORCED_TAKE_OVER,
    INSURANCE_FUND,
    NONE,
    ON_BOOK,
    OPTION,
    SYSTEM_ACCOUNTS,
    TWO_ASSETS,
)
from market.world import World

if TYPE_CHECKING:
    from experiments.run import Trace

Kpis = dict[str, float | int | str | None]

AMPLIFICATION_FLOOR = 0.01
"""The twin's log move below which amplification is undefined."""


@dataclass(frozen=True)
class Swing:
    """The largest fall (or, signed positive, rise) of a path: log size and the ticks it ran between."""

    log_move: float
    start: int
    end: int


def largest_fall(path: NDArray[np.float64]) -> Swing:
    """Peak-to-trough log fall, negative; 0 for a path that never falls."""
    logs = np.log(path)
    peak = np.maximum.accumulate(logs)
    end = int(np.argmin(logs - peak))
    start = int(np.argmax(logs[: end + 1]))
    return Swing(float(logs[end] - logs[start]), start, end)


def largest_swing(path: NDArray[np.float64]) -> Swing:
    """The larger of the largest fall and the largest rise (a squeeze)."""
    fall = largest_fall(path)
    mirrored = largest_fall(1.0 / path)
    return fall if -fall.log_move >= -mirrored.log_move else Swing(-mirrored.log_move, mirrored.start, mirrored.end)


def amplification(path: NDArray[np.float64], twin: NDArray[np.float64]) -> float | None:
    """Largest swing of the mark over the twin's swing the same way in the same window.

    None when the twin moves less than `AMPLIFICATION_FLOOR`.
    """
    swing = largest_swing(path)
    window = twin[swing.start : swing.end + 1]
    other = largest_fall(window) if swing.log_move < 0.0 else largest_fall(1.0 / window)
    if abs(other.log_move) < AMPLIFICATION_FLOOR:
        return None
    return abs(swing.log_move) / abs(other.log_move)


def branching_ratio(generations: NDArray[np.int64]) -> float | None:
    """Liquidations of the first causal generation per root; None below `FEWEST_PARENTS` roots."""
    if len(generations) == 0 or generations[0] < FEWEST_PARENTS:
        return None
    return float(generations[1] / generations[0]) if len(generations) > 1 else 0.0


def kpis(trace: Trace, twin: Trace | None, found: Contagion) -> Kpis:
    """All figures of a run."""
    world = trace.built.world
    made: Kpis = {"conservation_error": world.ledger.conservation_error()}
    made["conservation_error"] = int(made["conservation_error"] or 0) + world.ledger.clearing_error(world.instruments)
    made.update(_liquidations(trace, found))
    made.update(latency_kpis(trace))
    made.update(_losses(trace))
    if len(world.instruments):
        made.update(_prices(trace, twin))
        made.update(_liquidity(trace))
    else:
        made["time_under_water_account_seconds"] = _under_water(trace)
    made.update(capital_kpis(trace))
    if world.pools is not None:
        made.update(pool_kpis(trace))
    if world.breakers is not None:
        made.update(world.breakers.costs())
    if world.margin_schedule is not None:
        made.update(world.margin_schedule.costs())
    made.update(lending_kpis(trace))
    if world.congestion is not None:
        made.update(world.congestion.costs())
    for oracle in trace.built.cast.oracles:
        if isinstance(oracle, OracleCohort):
            made.update(oracle.costs(world))
    return made


def _liquidations(trace: Trace, found: Contagion) -> Kpis:
    world = trace.built.world
    events = world.events[: world.n_events]
    forced = np.isin(events["kind"], ON_BOOK)
    value = fill_usd(world, events)
    keepers = [row for row, role in enumerate(world.ledger.roles) if role == "keeper"]
    sizes = found.cascade_sizes()
    generations = found.generations()
    deepest, depth_of_largest = found.cascade_depths()
    liquidated, on_book = len(np.unique(found.account)), len(np.unique(events["account"][forced]))
    sold = len(np.unique(events["account"][events["kind"] != FORCED_ADL]))
    return {
        "liquidation_count": found.n,
        "forced_fill_count": int(forced.sum()),
        "liquidated_notional_usd": float(value[forced | np.isin(events["kind"], TWO_ASSETS)].sum()),
        "liquidated_account_count": liquidated,
        "liquidated_on_book_account_count": on_book,
        "liquidated_by_adl_only_account_count": liquidated - sold,
        "breached_account_count": len(np.unique(world.breaches["account"][: world.n_breaches])),
        "largest_cascade_count": int(sizes[0]) if len(sizes) else 0,
        "largest_cascade_generations": depth_of_largest,
        "cascade_count": len(sizes),
        "cascade_depth_generations": deepest,
        "branching_ratio": branching_ratio(generations),
        "root_count": int((found.parent < 0).sum()),
        "keeper_profit_usd": _profit(trace, keepers),
    }


def _profit(trace: Trace, rows: list[int]) -> float:
    """Change of the balances of these accounts since the start, at the reference prices of the end."""
    world = trace.built.world
    change = world.ledger.cash[rows] - trace.opening.cash[rows]
    return float((change * asset_usd(world)).sum())


def bad_debt(trace: Trace) -> tuple[int, int]:
    """(gross bad debt, the part of it in accounts that are still open), USD quanta."""
    world = trace.built.world
    equity = world.ledger.assess(world.instruments, world.assets, world.margin)[SYSTEM_ACCOUNTS:, 1]
    still_open = -int(equity[equity < 0].sum())
    return _quanta(world, world.losses[: world.n_losses], "bad_debt") + still_open, still_open


def _losses(trace: Trace) -> Kpis:
    """Gross bad debt and who bore it; `waterfall_error`, gross less the sum of the parts in quanta, must be 0."""
    world = trace.built.world
    losses = world.losses[: world.n_losses]
    names = ("fund", "adl", "socialised", "uncovered")
    parts = {name: _quanta(world, losses, name) for name in names}
    error = int(losses["bad_debt"].sum()) - sum(int(losses[name].sum()) for name in names)
    gross, still_open = bad_debt(trace)
    events = world.events[: world.n_events]
    adl = events["kind"] == FORCED_ADL
    usd = by_book(quote_usd(world), events["book"])
    return {
        "bad_debt_usd": gross / USD_QUANTA,
        "waterfall_error": error,
        "bad_debt_fund_usd": parts["fund"] / USD_QUANTA,
        "bad_debt_adl_usd": parts["adl"] / USD_QUANTA,
        "bad_debt_socialised_usd": parts["socialised"] / USD_QUANTA,
        "bad_debt_uncovered_usd": parts["uncovered"] / USD_QUANTA,
        "bad_debt_still_open_usd": still_open / USD_QUANTA,
        "insurance_fund_used_usd": parts["fund"] / USD_QUANTA,
        "insurance_fund_change_usd": _profit(trace, [INSURANCE_FUND]),
        "adl_notional_usd": float((events["value"] * usd)[adl].sum()),
        "adl_account_count": len(np.unique(events["keeper"][adl])),
        "socialised_loss_usd": parts["socialised"] / USD_QUANTA,
        **_backstop(trace),
        **_reserves(trace),
        **_auctions(trace),
    }


def _quanta(world: World, losses: NDArray[np.void], name: str) -> int:
    """Sum of one column of losses, USD quanta: exact for a dollar counted in them, the rest at the reference price."""
    assets = world.assets
    dollars = (assets["fixed"] != 0) & (assets["price"] * assets["multiplier"] == assets["divisor"])
    whole = dollars[losses["asset"]]
    other = losses[name][~whole] * asset_usd(world)[losses["asset"][~whole]]
    return int(losses[name][whole].sum()) + round(float(other.sum()) * USD_QUANTA)


def _auctions(trace: Trace) -> Kpis:
    """What dealers took over in auctions of option books, at the marks, and what they were paid; nothing without."""
    world = trace.built.world
    if world.options is None:
        return {}
    events = world.events[: world.n_events]
    taken = events[events["kind"] == FORCED_AUCTION]
    usd = by_book(quote_usd(world), taken["book"])
    dealers = [row for row, role in enumerate(world.ledger.roles) if role == "dealer"]
    equity = world.ledger.assess(world.instruments, world.assets, world.margin)[dealers, 1]
    return {
        "auctioned_account_count": len(np.unique(taken["account"])),
        "auctioned_notional_usd": float((taken["value"] * usd).sum()),
        "auction_payments_usd": float((taken["loss"] * usd).sum()),
        "dealer_profit_usd": int(equity.sum() - trace.opening.assessment[dealers, 1].sum()) / USD_QUANTA,
    }


def _backstop(trace: Trace) -> Kpis:
    """What a backstop took over, at the marks, and the change of its net equity; nothing where there is none."""
    world = trace.built.world
    vault = world.backstop
    if vault == NONE:
        return {}
    events = world.events[: world.n_events]
    taken = events[events["kind"] == FORCED_TAKE_OVER]
    equity = world.ledger.assess(world.instruments, world.assets, world.margin)[vault, 1]
    return {
        "backstop_notional_usd": float((taken["value"] * by_book(quote_usd(world), taken["book"])).sum()),
        "backstop_account_count": len(np.unique(taken["account"])),
        "backstop_profit_usd": (int(equity) - int(trace.opening.assessment[vault, 1])) / USD_QUANTA,
    }


def _reserves(trace: Trace) -> Kpis:
    """What reserves absorbed, at what they paid, and what they sold of it; nothing where there are none."""
    world = trace.built.world
    if world.reserves is None:
        return {}
    events = world.events[: world.n_events]
    usd = events["value"] * by_book(quote_usd(world), events["book"])
    taken, sold = events["kind"] == FORCED_ABSORPTION, events["kind"] == FORCED_RESALE
    return {
        "absorbed_account_count": len(np.unique(events["account"][taken])),
        "absorbed_collateral_usd": float(usd[taken].sum()),
        "absorbed_collateral_sold_usd": float(usd[sold].sum()),
    }


def _prices(trace: Trace, twin: Trace | None) -> Kpis:
    world, ticks = trace.built.world, trace.recorder.ticks[: trace.recorder.n]
    made: Kpis = {}
    main = main_instrument(world)
    made["main_instrument"] = world.instrument_symbols[main]
    made["amplification"] = None
    for book, symbol in enumerate(world.instrument_symbols):
        if world.instruments["kind"][book] == OPTION:
            continue
        mark = ticks["mark"][:, book].astype(np.float64)
        made[f"reference_drawdown_{symbol}_pct"] = -100.0 * np.expm1(
            largest_fall(ticks["reference"][:, book].astype(np.float64)).log_move
        )
        fall = largest_fall(mark)
        made[f"total_drawdown_{symbol}_pct"] = -100.0 * np.expm1(fall.log_move)
        if twin is not None:
            other = twin.recorder.ticks["mark"][: twin.recorder.n, book].astype(np.float64)
            window = other[fall.start : fall.end + 1]
            made[f"twin_drawdown_{symbol}_pct"] = -100.0 * np.expm1(largest_fall(window).log_move)
            ratio = amplification(mark, other)
            made[f"amplification_{symbol}_ratio"] = ratio
            if book == main:
                made["amplification"] = ratio
    return made


def main_instrument(world: World) -> int:
    """The instrument with the most forced notional on its book, or most collateral seized, else with the most ADL; the
    first one without any."""
    events = world.events[: world.n_events]
    seized = np.isin(events["kind"], TWO_ASSETS)
    books = np.where(seized, world.assets["spot_book"][events["seized"]], events["book"])
    shown = (books != NONE) & (world.instruments["kind"][books] != OPTION)
    events, books = events[shown], books[shown]
    forced = np.isin(events["kind"], (*ON_BOOK, *TWO_ASSETS))
    if forced.any():
        events, books = events[forced], books[forced]
    return int(np.argmax(np.bincount(books, weights=fill_usd(world, events), minlength=len(world.instruments))))


def _liquidity(trace: Trace) -> Kpis:
    """Bids of the main instrument and open interest, before and at the trough of the mark; how bids came back, and what
    those who made and arbitraged the books earned."""
    world, recorder = trace.built.world, trace.recorder
    main = main_instrument(world)
    mark = recorder.ticks["mark"][: recorder.n, main].astype(np.float64)
    fall = largest_fall(mark)
    trough = fall.end
    at = recorder.sampled_at[: recorder.n_samples]
    near = int(np.argmin(np.abs(at - trough)))
    usd = quote_usd(world)
    made: Kpis = {}
    for column, distance in enumerate(DEPTH_BPS):
        for name, row in (("before", 0), ("trough", near)):
            made[f"bid_depth_{distance:g}bps_{name}_usd"] = float(recorder.depth[row, main, 0, column] * usd[main])
    bids = recorder.depth[: recorder.n_samples, main, 0, DEPTH_BPS.index(50.0)] * usd[main]
    made["bid_depth_50bps_least_usd"] = float(bids.min())
    made["bid_depth_50bps_recovery_seconds"] = recovery_seconds(
        bids,
        before=int(np.searchsorted(at, fall.start)),
        sample_seconds=recorder.sample_ticks * world.tick_seconds,
    )
    made["market_maker_profit_usd"] = profit_usd(trace, "market_maker")
    made["arbitrageur_profit_usd"] = profit_usd(trace, "arbitrageur")
    if ATTACKER in world.ledger.roles:
        made["attacker_profit_usd"] = profit_usd(trace, ATTACKER)
    per_lot = world.instruments["tick_value"] * usd
    for name, row in (("before", 0), ("after", recorder.n_samples - 1)):
        lots = np.where(world.instruments["kind"] == OPTION, 0, recorder.open_interest[row])
        made[f"open_interest_{name}_usd"] = float((lots * recorder.ticks["mark"][at[row]] * per_lot).sum())
    made["time_under_water_account_seconds"] = _under_water(trace)
    return made


def _under_water(trace: Trace) -> float:
    """Account seconds spent with an open claim."""
    recorder = trace.recorder
    return float(recorder.open_claims[: recorder.n].sum() * trace.built.world.tick_seconds)
