"""The standard benchmark: four perpetuals, 10,000 accounts, 20,000 ticks, one cascade."""

from __future__ import annotations

from pathlib import Path

from experiments.scenario import Scenario

TICKS = 20_000
CRASH_TICK = 12_000


def standard(*, accounts: int) -> Scenario:
    """The benchmark's scenario with that many traders."""
    file = Path(__file__).with_name("standard.toml")
    return Scenario.load(file, overrides=[f"population.count={accounts}"])
