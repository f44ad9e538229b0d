"""Does the length of a tick matter? `python -m experiments.studies.tick_length [--seeds N] [--set key=value]`.

The same scenario and seeds in ticks of 2, 1, 0.5 and 0.25 s. A seed has the same people and the same scheduled crash
whatever the tick, so differences between two lengths are taken seed by seed; paths and order flow are drawn anew. The
figure is the mean log amplification of the perpetuals. Halving should move its mean by less than the 95 % interval that
the seeds leave it.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from experiments.run import simulate
from experiments.scenario import Scenario
from experiments.statistics.means import half_width
from market.errors import InputError

SHORT_CRASH = (
    "hours=0.15",
    "population.count=1500",
    "reference.crash_at_seconds=120",
    "reference.crash_duration_seconds=240",
)
"""A small and quick version of flash-crash."""


@dataclass(frozen=True, kw_only=True)
class Halving:
    """What halving the tick did."""

    tick_seconds: float
    """The longer tick."""
    coarse: NDArray[np.float64]
    """Log amplification of each seed with the longer tick."""
    fine: NDArray[np.float64]

    @property
    def moved(self) -> float:
        """Change of the mean."""
        return float((self.fine - self.coarse).mean())

    @property
    def error(self) -> float:
        """Standard error of that change, seeds paired."""
        return float((self.fine - self.coarse).std(ddof=1) / math.sqrt(len(self.coarse)))

    @property
    def interval(self) -> float:
        """Half-width of the 95 % interval of the mean with the longer tick."""
        return half_width(self.coarse)


def log_amplifications(name: str, *, overrides: Sequence[str], seeds: Sequence[int]) -> NDArray[np.float64]:
    """Mean over the perpetuals of the log amplification, one figure per seed.

    Raises InputError when an amplification is undefined, because the twin hardly moves.
    """
    scenario = Scenario.load(name, overrides=overrides)
    keys = [
        f"amplification_{symbol}_ratio" for symbol, item in scenario.instruments.items() if item.kind == "perpetual"
    ]
    found = []
    for seed in seeds:
        kpis = simulate(scenario, seed=seed).kpis
        values = [kpis[key] for key in keys]
        if not all(isinstance(value, float) for value in values):
            raise InputError(f"{name}: seed {seed}: an amplification is undefined, prices hardly move")
        found.append(np.mean(np.log(np.array(values, np.float64))))
    return np.array(found)


def halvings(
    name: str, *, overrides: Sequence[str], seeds: Sequence[int], lengths: Sequence[float]
) -> tuple[Halving, ...]:
    """Compare each tick length, in seconds, with the next one; `lengths` fall by half."""
    runs = [
        log_amplifications(name, overrides=[*overrides, f"tick_seconds={length}"], seeds=seeds) for length in lengths
    ]
    return tuple(
        Halving(tick_seconds=length, coarse=coarse, fine=fine)
        for length, coarse, fine in zip(lengths, runs, runs[1:], strict=False)
    )


def main() -> int:
    """Print the table; 1 when a halving of 1 s or less moved amplification by more than its interval."""
    parser = argparse.ArgumentParser(prog="python -m experiments.studies.tick_length")
    parser.add_argument("--seeds", type=int, default=30, help="number of seeds, from 1 on [default: 30]")
    parser.add_argument("--scenario", default="flash-crash")
    parser.add_argument("--set", action="append", metavar="KEY=VALUE", help="instead of the short crash's own settings")
    given = parser.parse_args()
    found = halvings(
        given.scenario,
        overrides=given.set or SHORT_CRASH,
        seeds=range(1, given.seeds + 1),
        lengths=(2.0, 1.0, 0.5, 0.25),
    )
    print(f"{given.scenario}, {given.seeds} seeds, log amplification")
    print("tick, s      mean  interval   halved: moved by  +-1 s.e.")
    for item in found:
        print(
            f"{item.tick_seconds:<7g} {item.coarse.mean():+9.4f}  +-{item.interval:.4f}"
            f"            {item.moved:+.4f}  +-{item.error:.4f}"
        )
    last = found[-1]
    print(f"{last.tick_seconds / 2.0:<7g} {last.fine.mean():+9.4f}  +-{half_width(last.fine):.4f}")
    return int(any(abs(item.moved) > item.interval for item in found if item.tick_seconds <= 1.0))


if __name__ == "__main__":
    sys.exit(main())
