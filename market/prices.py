"""Phase 1: the reference moves, oracles publish, index and marks follow, breakers trip, funding accrues."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from market.instruments import USD_QUANTA
from market.kernels.book import sweep
from market.kernels.margin import notional_of
from market.kernels.marks import accrue_funding, set_marks, set_references
from market.kernels.records import BUY, NONE, PERPETUAL, SELL, SYSTEM_ACCOUNTS
from market.venue import FundingRule, VelocityFunding, Venue, basis_weight
from market.world import World

if TYPE_CHECKING:
    from market.simulation import Oracle


def move_prices(world: World, venue: Venue, oracles: Iterable[Oracle]) -> None:
    """Advance everything that is a price."""
    usd = world.reference.row(world.tick) * np.exp(world.impact)
    set_references(world.assets, world.instruments, usd)
    if world.congestion is not None:
        world.congestion.land(world)
    for oracle in oracles:
        oracle.publish(world)
    weight = basis_weight(venue.mark, world.tick_seconds)
    set_marks(world.assets, world.instruments, venue.mark.code, weight, venue.mark.cap_bps / 10_000)
    if world.mark_state is not None:
        world.mark_state.update(world)
    if world.expiries is not None:
        world.expiries.update(world)
    if world.options is not None:
        world.options.update(world)
    if world.risk is not None:
        world.risk.refresh(world.instruments, world.assets)
    if world.lending is not None:
        world.lending.update(world)
    if world.margin_schedule is not None:
        world.margin_schedule.update(world)
    if world.breakers is not None:
        world.breakers.trip(world)
    intervals = funding_intervals(world, venue.funding)
    if intervals:
        pay_funding(world, venue.funding, intervals=intervals)


def funding_intervals(world: World, rule: FundingRule) -> int:
    """Funding intervals that ended since the tick before; a tick longer than an interval ends several at once."""
    if world.tick == 0:
        return 0
    before = world.seconds / rule.interval_seconds
    return int(before + 1e-9) - int(before - world.tick_seconds / rule.interval_seconds + 1e-9)


def pay_funding(world: World, rule: FundingRule, *, intervals: int = 1) -> None:
    """Move the cumulative funding index of every perpetual by so many intervals at the rate of now."""
    for book in range(len(world.instruments)):
        if world.instruments[book]["kind"] == PERPETUAL:
            if isinstance(rule, VelocityFunding):
                _pay_drifting(world, rule, book, intervals)
                continue
            rate = rule.rate(
                premium=impact_premium(world, book, rule.impact_notional_usd) if rule.uses_premium else 0.0,
                skew=customer_skew(world, book) if rule.uses_skew else 0.0,
            )
            accrue_funding(book, rate, intervals, world.instruments, world.funding_carried)


def _pay_drifting(world: World, rule: VelocityFunding, book: int, intervals: int) -> None:
    """Let the rate drift over so many intervals, and pay what it was on average in each."""
    change = rule.change(skew=customer_skew(world, book, scale_usd=rule.scale_usd))
    for _ in range(intervals):
        world.funding_drift[book], rate = rule.drifted(float(world.funding_drift[book]), change=change)
        accrue_funding(book, rate, 1, world.instruments, world.funding_carried)


def impact_premium(world: World, book: int, notional_usd: float) -> float:
    """(max(0, impact bid - index) - max(0, index - impact ask)) / index, a share; 0 on an empty side.

    The impact price is the average price a market order of `notional_usd` would get now.
    """
    instrument = world.instruments[book]
    index = float(instrument["index"])
    quote = world.assets[instrument["quote"]]
    unit_usd = float(instrument["tick_value"]) * float(quote["multiplier"]) / float(quote["divisor"]) / 1e6
    lots = max(1, round(notional_usd / (index * unit_usd * float(quote["price"]))))
    premium = 0.0
    for side, sign in ((SELL, 1.0), (BUY, -1.0)):
        filled, paid, _ = sweep(book, side, lots, 0, world.books.levels, world.books.occupied, world.instruments)
        if filled > 0:
            premium += sign * max(0.0, sign * (paid / filled - index))
    return premium / index


def customer_skew(world: World, book: int, *, scale_usd: float = 0.0) -> float:
    """(long - short) / (long + short) lots over customers' accounts, or long - short over a scale; 0 when nobody holds
    any. A pool is no customer."""
    lots = world.ledger.positions["lots"][SYSTEM_ACCOUNTS:, book]
    if world.pool != NONE:
        lots = np.delete(lots, world.pool - SYSTEM_ACCOUNTS)
    if scale_usd > 0.0:
        one = int(notional_of(book, 1, world.instruments, world.assets)) / USD_QUANTA
        return float(lots.sum()) * one / scale_usd
    gross = int(np.abs(lots).sum())
    return float(lots.sum() / gross) if gross else 0.0
