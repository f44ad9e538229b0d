"""The circuit breakers of a run: their state, and what they have cost so far.

They look once per tick, at the marks of phase 1, before funding and decisions; what they decide holds for the whole
tick. In phase 3 they take messages out before these are matched, in phase 4 they hold claims back. A venue without
breakers has no such object, and a step costs what it did.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from market.breakers import Breakers, FundReduceOnly, MoveHalt, MoveReduceOnly, NoBand, NotionalThrottle
from market.instruments import USD_QUANTA
from market.kernels.breakers import (
    BREAKER,
    CAPPED,
    FORCED_STOPPED,
    HALTED_TICKS,
    HALTS,
    HELD,
    N_TALLY,
    REDUCE_ONLY_TICKS,
    REFUSED_BAND,
    REFUSED_HALT,
    REFUSED_REDUCE_ONLY,
    STOPPED,
    hold_claims,
    restrict,
    trip,
)
from market.kernels.records import INSURANCE_FUND

if TYPE_CHECKING:
    from market.world import Inbox, World


class CircuitBreakers:
    """Breakers in force in one world."""

    def __init__(self, breakers: Breakers, world: World) -> None:
        n_instruments = len(world.instruments)
        self.rules = _rules(breakers, world)
        """BREAKER[1]"""
        reach = int(max(self.rules["halt_window"][0], self.rules["reduce_window"][0], 1))
        self.tally = np.zeros(N_TALLY, np.int64)
        self._history = np.zeros((reach, n_instruments), np.int64)
        self._until, self._since = np.zeros((2, n_instruments), np.int64)
        self._tick_seconds = world.tick_seconds

    def retune(self, breakers: Breakers, world: World) -> None:
        """Follow breakers of the same kinds and windows with other limits; the fund is still that of the start."""
        rules = _rules(breakers, world)
        rules["reduce_fund"] = self.rules["reduce_fund"]
        self.rules[:] = rules

    def trip(self, world: World) -> None:
        """Look at the marks of this tick: halts, bands, reduce-only, the throttle's room."""
        trip(
            world.tick, self.rules, self._history, self._until, self._since, self.tally, world.instruments,
            world.ledger.cash, world.books.counters,
        )  # fmt: skip

    def restrict(self, world: World, inbox: Inbox) -> int:
        """Take messages that a breaker stops out of the order of arrival; return how many are left."""
        inbox.handles[: inbox.count] = 0
        left: int = restrict(
            world.tick, inbox.messages, world.scratch["arrival"], inbox.count, self.rules, self.tally,
            world.instruments, world.ledger.positions, world.ledger.accounts,
        )  # fmt: skip
        return left

    def hold(self, world: World) -> int:
        """Note the open claims that cannot be served in this round; return how many there are."""
        held: int = hold_claims(
            world.claims, world.n_claims, self.tally, world.instruments, world.books.counters,
            world.ledger.positions, world.ledger.accounts,
        )  # fmt: skip
        return held

    def costs(self) -> dict[str, float | int]:
        """What the breakers have cost so far, by name; every name ends in its unit."""
        tally = [int(number) for number in self.tally]
        return {
            "halt_count": tally[HALTS],
            "halted_instrument_seconds": tally[HALTED_TICKS] * self._tick_seconds,
            "reduce_only_seconds": tally[REDUCE_ONLY_TICKS] * self._tick_seconds,
            "orders_refused_by_halt_count": tally[REFUSED_HALT],
            "orders_refused_by_band_count": tally[REFUSED_BAND],
            "orders_capped_by_band_count": tally[CAPPED],
            "market_orders_stopped_by_band_count": tally[STOPPED],
            "orders_refused_by_reduce_only_count": tally[REFUSED_REDUCE_ONLY],
            "liquidations_delayed_count": tally[HELD],
            "liquidations_stopped_by_band_count": tally[FORCED_STOPPED],
        }


def circuit_breakers(breakers: Breakers, world: World) -> CircuitBreakers | None:
    """The breakers of a world, once its fund is paid in; None when all are off."""
    return None if breakers.off else CircuitBreakers(breakers, world)


def _rules(breakers: Breakers, world: World) -> np.ndarray[tuple[int], np.dtype[np.void]]:
    """BREAKER[1]: the rules in ticks and integers."""

    def ticks(seconds: float) -> int:
        return max(1, world.ticks(seconds))

    rules = np.zeros(1, BREAKER)
    rule = rules[0]
    halt, band, throttle, reduce_only = breakers.halt, breakers.band, breakers.throttle, breakers.reduce_only
    if isinstance(halt, MoveHalt):
        rule["halt_move"] = halt.move_bps / 10_000
        rule["halt_window"], rule["halt_length"] = ticks(halt.window_seconds), ticks(halt.halt_seconds)
        rule["halt_venue"] = halt.scope == "venue"
    if not isinstance(band, NoBand):
        rule["band"] = band.width_bps / 10_000
        rule["band_on_mark"], rule["band_caps"] = band.around == "mark", band.caps
    if isinstance(throttle, NotionalThrottle):
        rule["throttle_window"] = window = ticks(throttle.window_seconds)
        # A window is whole ticks: its room grows with what rounding adds to it.
        stretched = window * world.tick_seconds / throttle.window_seconds
        rule["throttle_room"] = max(1, round(throttle.notional_usd * stretched * USD_QUANTA))
    if isinstance(reduce_only, MoveReduceOnly):
        rule["reduce_move"] = reduce_only.move_bps / 10_000
        rule["reduce_window"] = ticks(reduce_only.window_seconds)
        rule["reduce_length"] = ticks(reduce_only.lasts_seconds)
    if isinstance(reduce_only, FundReduceOnly):
        asset = int(np.flatnonzero(world.assets["is_settlement"])[0])
        rule["fund_asset"] = asset
        rule["reduce_fund"] = round(reduce_only.fund_share * int(world.ledger.cash[INSURANCE_FUND, asset]))
        rule["reduce_length"] = ticks(reduce_only.lasts_seconds)
    return rules
