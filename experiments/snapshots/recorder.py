"""Snapshots of a run for its folder: few while nothing happens, more while accounts are closed."""

from __future__ import annotations

from experiments.run import State, VenueRun
from experiments.snapshots.feed import Feed
from market.world import World

CALM, BUSY = 20, 100
"""Snapshots over a whole run in which nothing is closed, and in which something is all the time."""


class SnapshotRecorder:
    """An observer; it adds to `states` what `Feed.now` gives, and the tick."""

    def __init__(self, session: VenueRun, states: list[State]) -> None:
        self._feed = Feed(session)
        self._states = states
        ticks = session.scenario.ticks
        self._last = ticks
        self._calm, self._busy = max(1, ticks // CALM), max(1, ticks // BUSY)
        self._next, self._events = 1, 0

    def __call__(self, world: World) -> None:
        """Take a snapshot when it is time for one."""
        tick = world.tick
        closing = world.n_events > self._events and tick >= self._next - self._calm + self._busy
        if tick >= self._next or closing or tick == self._last:
            self._states.append({"tick": tick, **self._feed.now()})
            self._next, self._events = tick + self._calm, world.n_events
