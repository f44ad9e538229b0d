"""What the page says in words, as plain numbers measured on a result: who failed, why, who paid."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from experiments.frames import AWAY
from experiments.measures import largest_fall, largest_swing
from market.venue import About

if TYPE_CHECKING:
    from experiments.result import Result

MOST_OF_IT = 0.9
TAKERS = {"absorption": "the reserves", "pool": "the pool", "take_over": "the backstop vault"}
"""Share of the forced notional that the window of a cascade holds."""


@dataclass(frozen=True, kw_only=True)
class Window:
    """A stretch of simulated time, seconds since the start."""

    start: float
    end: float

    @property
    def seconds(self) -> float:
        """Its length."""
        return self.end - self.start


@dataclass(frozen=True, kw_only=True)
class Move:
    """The largest swing of the main instrument's mark, as shares of the price it began at: a fall is negative."""

    mark: float
    twin: float | None
    """The twin's, the same way in the same window; None without a twin."""
    window: Window


@dataclass(frozen=True, kw_only=True)
class Facts:
    """Counts, USD, shares and seconds; None where there is nothing to measure or to compare with."""

    about: About
    """Whose rules were simulated."""
    hours: float
    population: dict[str, int]
    """Accounts of customers, by role: everybody but the venue and the outside world."""
    traders: int
    """Who is behind the traders' accounts and wallets: one with isolated margin has several."""
    failed: dict[str, int]
    """Accounts liquidated, by role: those on which a claim led to a forced fill, or to ADL of what they held."""
    on_book: int
    """Of these, accounts with at least one forced fill on a book, or a seizure; ADL alone closed the others."""
    by_seizure: bool
    """Whether keepers seized collateral for debts they repaid, instead of selling it on books."""
    breached: int
    """Accounts found below maintenance at least once."""
    broken_anyway: int | None
    """Of the accounts liquidated, those that fall below maintenance in the twin too."""
    liquidations: int
    """Claims that led to forced fills or ADL; an account may have several."""
    sold_usd: float
    """Forced sales on the books, or collateral seized for debts."""
    bought_usd: float
    adl_usd: float
    """Positions of bankrupt accounts closed by ADL."""
    adl_of_longs: bool
    """Whether these were mostly long."""
    taken_over_usd: float
    """Positions and collateral that a vault or the venue's reserves took over."""
    taker: str
    """Who took them."""
    deleveraged: int
    """Accounts on the other side of them."""
    main_sold_usd: float
    """Forced sales of the main instrument."""
    main_bought_usd: float
    busiest: Window | None
    """The shortest window with `MOST_OF_IT` of what was closed, on the books and by ADL."""
    own_loss_usd: float
    """Net equity lost by the accounts liquidated, as far as they had any."""
    main: str
    move: Move
    amplification: float | None
    forced_loss_share: float | None
    """Share of the losses behind all liquidations that earlier forced fills explain."""
    largest_cascade: int
    """Its liquidations."""
    largest_generations: int
    """Its causal generations, the root counted."""
    bad_debt_usd: float
    paid_usd: dict[str, float]
    """Bad debt by who bore it: fund, adl, socialised, uncovered, still_open."""
    fund_start_usd: float
    """What the insurance fund held at the start."""
    fund_income_usd: float
    """What it took in, its share of liquidation fees above all, less what it paid keepers."""
    depth_before_usd: float | None
    """Bids within 50 bps of the mark on the main instrument."""
    depth_trough_usd: float | None
    called_by_rules_usd: float | None
    """Margin that moving haircuts and rates called by themselves; None where nothing moves."""
    broken_by_rules: int
    """Accounts that such updates took below maintenance."""

    @property
    def n_failed(self) -> int:
        """Accounts liquidated."""
        return sum(self.failed.values())


def facts(result: Result) -> Facts:
    """Measure a result."""
    kpis = result.kpis
    closed = result.liquidations
    away = closed["kind"].isin(AWAY)
    fills, deleveraged = closed[~away], closed[closed["kind"] == "adl"]
    accounts = result.accounts
    failed = accounts.iloc[np.unique(result.causes.account)]
    adl_usd = float(deleveraged["notional_usd"].sum())
    names = ("fund", "adl", "socialised", "uncovered", "still_open")
    causes = result.causes
    loss = float(causes.loss_usd.sum())
    main = str(kpis["main_instrument"])
    before, after = failed["net_equity_before_usd"], failed["net_equity_after_usd"]
    by_seizure = bool((fills["kind"] == "seizure").any())
    traded = fills.groupby(["side", "instrument"], observed=True)["notional_usd"].sum()
    return Facts(
        about=result.scenario.venue.about,
        hours=result.scenario.ticks * result.scenario.tick_seconds / 3600.0,
        population=_by_role(accounts[accounts["customer"]]),
        traders=int(accounts.loc[accounts["role"].isin(("trader", "wallet")), "owner"].nunique()),
        failed=_by_role(failed),
        on_book=int(fills["account"].nunique()),
        by_seizure=by_seizure,
        breached=int(number(kpis.get("breached_account_count")) or 0),
        broken_anyway=_broken_anyway(result, failed),
        liquidations=causes.n,
        sold_usd=float(traded.get("sell", pd.Series(dtype=float)).sum()),
        bought_usd=float(traded.get("buy", pd.Series(dtype=float)).sum()),
        adl_usd=adl_usd,
        adl_of_longs=float(deleveraged.loc[deleveraged["side"] == "sell", "notional_usd"].sum()) >= 0.5 * adl_usd,
        taken_over_usd=float(closed.loc[away, "notional_usd"].sum()) - adl_usd,
        taker=next((who for kind, who in TAKERS.items() if (closed["kind"] == kind).any()), ""),
        deleveraged=int(number(kpis.get("adl_account_count")) or 0),
        main_sold_usd=_seized(fills, result, main) if by_seizure else float(traded.get(("sell", main), 0.0)),
        main_bought_usd=float(traded.get(("buy", main), 0.0)),
        busiest=busiest(closed["seconds"].to_numpy(np.float64), closed["notional_usd"].to_numpy(np.float64)),
        own_loss_usd=float((before.clip(lower=0.0) - after.clip(lower=0.0)).sum()),
        main=main,
        move=_move(result, main),
        amplification=number(kpis.get("amplification")),
        forced_loss_share=float((causes.loss_usd * causes.forced_share).sum() / loss) if loss > 0.0 else None,
        largest_cascade=int(number(kpis.get("largest_cascade_count")) or 0),
        largest_generations=int(number(kpis.get("largest_cascade_generations")) or 0),
        bad_debt_usd=number(kpis.get("bad_debt_usd")) or 0.0,
        paid_usd={name: number(kpis.get(f"bad_debt_{name}_usd")) or 0.0 for name in names},
        fund_start_usd=result.scenario.venue.waterfall.insurance_fund_usd,
        fund_income_usd=sum(number(kpis.get(f"insurance_fund_{name}_usd")) or 0.0 for name in ("change", "used")),
        depth_before_usd=number(kpis.get("bid_depth_50bps_before_usd")),
        depth_trough_usd=number(kpis.get("bid_depth_50bps_trough_usd")),
        called_by_rules_usd=number(kpis.get("margin_called_by_rules_usd")),
        broken_by_rules=int(number(kpis.get("broken_by_rules_account_count")) or 0),
    )


def _seized(fills: pd.DataFrame, result: Result, main: str) -> float:
    """Collateral seized that the main instrument prices, USD."""
    taken = fills["instrument"].str.startswith(f"{result.scenario.instruments[main].base}/")
    return float(fills.loc[taken, "notional_usd"].sum())


def number(value: Any) -> float | None:
    """A KPI as a finite number, or None."""
    if value is None or isinstance(value, str) or not math.isfinite(value):
        return None
    return float(value)


def busiest(seconds: NDArray[np.float64], notional: NDArray[np.float64]) -> Window | None:
    """The shortest window that holds `MOST_OF_IT` of the notional; `seconds` do not fall. None without any."""
    total = float(notional.sum())
    if total <= 0.0:
        return None
    summed = np.cumsum(notional)
    before = summed - notional
    # For each first fill, the fill at which enough has been closed.
    last = np.searchsorted(summed, before + MOST_OF_IT * total * (1.0 - 1e-12), side="left")
    starts = np.flatnonzero(last < len(seconds))
    lengths = seconds[last[starts]] - seconds[starts]
    best = int(np.argmin(lengths))
    return Window(start=float(seconds[starts[best]]), end=float(seconds[last[starts[best]]]))


def _by_role(accounts: pd.DataFrame) -> dict[str, int]:
    counts = accounts["role"].value_counts()
    return {str(role): int(n) for role, n in sorted(counts.items(), key=lambda item: (-item[1], str(item[0])))}


def _broken_anyway(result: Result, failed: pd.DataFrame) -> int | None:
    if result.twin is None:
        return None
    world = result.twin.built.world
    in_twin = {int(row) for row in np.unique(world.breaches["account"][: world.n_breaches])}
    return sum(int(row) in in_twin for row in failed.index)


def _move(result: Result, instrument: str) -> Move:
    """Swing of the mark and of the twin's mark, as amplification measures them."""
    mark, tick = _marks(result.prices, instrument), result.scenario.tick_seconds
    swing = largest_swing(mark)
    twin = None
    if result.twin_prices is not None:
        other = _marks(result.twin_prices, instrument)[swing.start : swing.end + 1]
        twin = float(np.expm1(largest_fall(other).log_move if swing.log_move < 0.0 else _rise(other)))
    return Move(
        mark=float(np.expm1(swing.log_move)),
        twin=twin,
        window=Window(start=(swing.start + 1) * tick, end=(swing.end + 1) * tick),
    )


def _rise(path: NDArray[np.float64]) -> float:
    return -largest_fall(1.0 / path).log_move


def _marks(prices: pd.DataFrame, instrument: str) -> NDArray[np.float64]:
    marks: NDArray[np.float64] = prices.loc[prices["instrument"] == instrument, "mark"].to_numpy(np.float64)
    return marks
