"""Bridges: money on its way from one venue to another, delayed, stuck, or lost.

What is sent leaves the sender's account for the `outside` account of its venue, and comes back from the `outside`
account of the other one when it arrives. In between it is in transit; nothing is on two ledgers.
"""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

import numpy as np

from market.kernels.arithmetic import part, part_up
from market.kernels.ledger import transfer
from market.kernels.records import OUTSIDE, PPM
from market.kernels.trading import touch
from market.parameters import Bps, PositiveSeconds, Seconds, Share, parameters
from market.world import World

if TYPE_CHECKING:
    from market.system import System


@parameters
class BridgeOutage:
    """A time in which nothing arrives: what would have, arrives when it is over."""

    start_seconds: Seconds
    """First moment, from the start of the run."""
    end_seconds: PositiveSeconds
    """Moment at which it is over."""
    lost: Share = 0.0
    """Part of what is stuck in it that never arrives: an exploit of the bridge."""

    def __post_init__(self) -> None:
        if self.end_seconds <= self.start_seconds:
            raise ValueError(f"ends at {self.end_seconds:g} s, not after its start at {self.start_seconds:g} s")


@parameters
class Bridge:
    """How assets move between venues."""

    latency_seconds: Seconds = 60.0
    """From leaving one venue to standing on the other; rounded up to ticks, one at least."""
    fee_bps: Bps = 1.0
    """Kept by the bridge of what it carries, rounded up."""
    outages: tuple[BridgeOutage, ...] = ()
    """When nothing arrives."""


class Bridges:
    """All transfers of a run. Transfers due at one moment arrive in the order they were sent."""

    def __init__(self, rule: Bridge, *, n_assets: int, tick_seconds: float) -> None:
        self.rule = rule
        self.in_transit = np.zeros(n_assets, np.int64)
        """int64[n_assets]: quanta on their way."""
        self.lost = np.zeros(n_assets, np.int64)
        self.fees = np.zeros(n_assets, np.int64)
        self.sent = np.zeros(n_assets, np.int64)
        self.arrived = np.zeros(n_assets, np.int64)
        self._waiting: list[tuple[int, int, str, int, int, int]] = []
        self._number = 0
        self._tick_seconds = tick_seconds

    @property
    def latency_ticks(self) -> int:
        """Ticks that a transfer takes at least."""
        return max(1, int(np.ceil(self.rule.latency_seconds / self._tick_seconds - 1e-6)))

    def send(
        self, system: System, *, origin: str, payer: int, target: str, payee: int, asset: int, amount: int
    ) -> None:
        """Send quanta from an account of one venue to one of another; the caller has seen that they are there."""
        if amount <= 0:
            return
        world = system.world(origin)
        move(world, asset, payer, OUTSIDE, amount)
        fee = int(part_up(amount, round(self.rule.fee_bps * 100)))
        self.sent[asset] += amount
        self.fees[asset] += fee
        self.in_transit[asset] += amount - fee
        heapq.heappush(self._waiting, (self._due(system.tick), self._number, target, payee, asset, amount - fee))
        self._number += 1

    def deliver(self, system: System) -> None:
        """Let everything arrive that is due."""
        while self._waiting and self._waiting[0][0] <= system.tick:
            _, _, target, payee, asset, amount = heapq.heappop(self._waiting)
            lost = int(part(amount, round(self._lost_now(system.tick) * PPM)))
            move(system.world(target), asset, OUTSIDE, payee, amount - lost)
            self.in_transit[asset] -= amount
            self.lost[asset] += lost
            self.arrived[asset] += amount - lost

    def error(self) -> int:
        """Quanta sent less those that arrived, are on their way, lost or paid as fees: 0, or something is wrong."""
        return int(np.abs(self.sent - self.arrived - self.in_transit - self.lost - self.fees).sum())

    def _due(self, tick: int) -> int:
        due = tick + self.latency_ticks
        for outage in self.rule.outages:
            if outage.start_seconds <= due * self._tick_seconds < outage.end_seconds:
                due = int(np.ceil(outage.end_seconds / self._tick_seconds - 1e-6))
        return due

    def _lost_now(self, tick: int) -> float:
        """Part that is lost of what an outage ending now has held up."""
        ends = {
            int(np.ceil(outage.end_seconds / self._tick_seconds - 1e-6)): outage.lost for outage in self.rule.outages
        }
        return ends.get(tick, 0.0)


def move(world: World, asset: int, payer: int, payee: int, amount: int) -> None:
    """Transfer on one venue, and let the safe-distance filter know."""
    transfer(world.ledger.cash, asset, payer, payee, amount)
    for account in (payer, payee):
        touch(account, world.watch.touched, world.watch.touched_mark, world.books.counters)
