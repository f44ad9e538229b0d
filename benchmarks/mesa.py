"""What the Mesa shell costs: `python -m benchmarks.mesa [--json] [--scenario NAME ...] [--repeats N]`.

The same scenario and seed, whole, once as `simulate` runs it (without twin, measures not counted) and once step by step
through `CascadeModel` with its data collector; building the world is part of neither. Process CPU time, the least of
several alternating repeats: the machine's other work adds to a time and never takes from it.
"""

from __future__ import annotations

import argparse
import json
import time
from importlib.metadata import version
from typing import Any

from experiments.model import CascadeModel
from experiments.run import PROGRESS_TICKS, Session
from experiments.scenario import Scenario

SEED = 7


def plain_seconds(scenario: Scenario) -> float:
    """CPU time of the ticks of a run as `simulate` takes them."""
    session = Session(scenario, seed=SEED)
    began = time.process_time()
    while session.ticks_left:
        session.advance(min(PROGRESS_TICKS, session.ticks_left))
    return time.process_time() - began


def mesa_seconds(scenario: Scenario) -> float:
    """CPU time of the same ticks through Mesa."""
    model = CascadeModel(scenario, rng=SEED)
    began = time.process_time()
    model.run_model()
    return time.process_time() - began


def measure(name: str, *, repeats: int) -> dict[str, Any]:
    """Microseconds per tick either way, and the overhead in percent."""
    scenario = Scenario.load(name)
    plain_seconds(scenario)  # compile
    plain, through = [], []
    for _ in range(repeats):
        plain.append(plain_seconds(scenario))
        through.append(mesa_seconds(scenario))
    per_tick = 1e6 / scenario.ticks
    return {
        "scenario": name,
        "ticks": scenario.ticks,
        "simulate_us_per_tick": min(plain) * per_tick,
        "mesa_us_per_tick": min(through) * per_tick,
        "overhead_pct": 100.0 * (min(through) / min(plain) - 1.0),
        "mesa_version": version("mesa"),
    }


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print only JSON")
    parser.add_argument("--scenario", nargs="+", default=["flash-crash", "calm"])
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    figures = [measure(name, repeats=options.repeats) for name in options.scenario]
    if options.json:
        print(json.dumps(figures, indent=1))
        return
    for row in figures:
        print(
            f"{row['scenario']:14} simulate {row['simulate_us_per_tick']:7.1f} us/tick   Mesa {row['mesa_version']} "
            f"{row['mesa_us_per_tick']:7.1f} us/tick   overhead {row['overhead_pct']:5.1f} %"
        )


if __name__ == "__main__":
    main()
