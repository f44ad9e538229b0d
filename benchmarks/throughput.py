"""Speed of the whole simulator on its standard benchmark: `python -m benchmarks.throughput [--json]`.

Four perpetuals, 10,000 accounts, three market makers a book, 20 keepers, about 100 order messages a tick, 20,000
ticks with one cascade. Calm ticks are those before the crash begins, the cascade those from its first to its last
forced fill. Each phase of the step is timed from outside by wrapping the functions that `market.simulation.step` calls.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.scenario import CRASH_TICK, TICKS, standard
from experiments.build import build
from market import simulation
from market.kernels.jit import CACHE_FOLDER

PHASES = ("move_prices", "trade", "liquidate", "absorb_losses")


class Timed:
    """A function that adds up the time spent in it."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function, self.seconds = function, 0.0

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        began = time.perf_counter()
        try:
            return self.function(*args, **kwargs)
        finally:
            self.seconds += time.perf_counter() - began


def measure(*, accounts: int, ticks: int, seed: int = 1) -> dict[str, Any]:
    """Run the standard benchmark once; figures in ticks/s, messages/s and microseconds per tick."""
    began = time.perf_counter()
    built = build(standard(accounts=accounts), seed=seed)
    built_seconds = time.perf_counter() - began
    began = time.perf_counter()
    simulation.step(built.world, built.rules, built.cast)
    first_tick = time.perf_counter() - began
    wall, messages, events, claims = np.zeros((4, ticks))
    timed = {name: Timed(getattr(simulation, name)) for name in PHASES}
    for name, wrapper in timed.items():
        setattr(simulation, name, wrapper)
    try:
        for tick in range(1, ticks):
            began = time.perf_counter()
            simulation.step(built.world, built.rules, built.cast)
            wall[tick] = time.perf_counter() - began
            messages[tick] = built.world.inboxes[(built.world.tick - 1) & 1].count
            events[tick] = built.world.n_events
            claims[tick] = built.world.n_claims
    finally:
        for name, wrapper in timed.items():
            setattr(simulation, name, wrapper.function)
    figures = _figures(built, wall, messages, events, timed, built_seconds, first_tick)
    calm = np.arange(1, min(CRASH_TICK, ticks))
    quiet = calm[(claims[calm] == 0) & (events[calm] == events[calm - 1])]
    return figures | {"calm_tick_us_without_liquidation": float(wall[quiet].mean() * 1e6)}


def _figures(
    built: Any,
    wall: np.ndarray[Any, Any],
    messages: np.ndarray[Any, Any],
    events: np.ndarray[Any, Any],
    timed: dict[str, Timed],
    built_seconds: float,
    first_tick: float,
) -> dict[str, Any]:
    calm = slice(1, min(CRASH_TICK, len(wall)))
    forced = np.flatnonzero(np.diff(events) > 0) + 1
    forced = forced[forced >= CRASH_TICK]
    figures: dict[str, Any] = {
        "accounts": len(built.world.ledger.names),
        "ticks": len(wall),
        "calm_ticks_per_second": float((calm.stop - 1) / wall[calm].sum()),
        "calm_messages_per_second": float(messages[calm].sum() / wall[calm].sum()),
        "messages_per_tick": float(messages[calm].mean()),
        "worst_tick_us": float(wall[1:].max() * 1e6),
        "forced_fills": int(events[-1]),
        "build_seconds": built_seconds,
        "first_tick_seconds": first_tick,
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    if len(forced):
        cascade = slice(int(forced[0]), int(forced[-1]) + 1)
        spent = wall[cascade].sum()
        figures["cascade_ticks"] = cascade.stop - cascade.start
        figures["cascade_ticks_per_second"] = float((cascade.stop - cascade.start) / spent)
    total = wall.sum()
    phases = {name: wrapper.seconds / len(wall) * 1e6 for name, wrapper in timed.items()}
    phases["decide"] = total / len(wall) * 1e6 - sum(phases.values())
    figures["phase_us_per_tick"] = phases
    return figures


def cold_start() -> dict[str, float]:
    """Seconds from a fresh interpreter to the first tick, without and with compiled kernels on disk."""
    program = (
        "import time, sys; began = time.perf_counter();"
        "from benchmarks.throughput import first_tick; first_tick();"
        "print(time.perf_counter() - began)"
    )
    figures = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in ("cold_start_seconds", "warm_start_seconds"):
            made = subprocess.run(
                [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=_cache_in(folder)
            )
            figures[name] = float(made.stdout)
    return figures


def _cache_in(folder: str) -> dict[str, str]:
    return {**os.environ, "XDG_CACHE_HOME": folder}


def first_tick() -> None:
    """Everything from import to the end of the first tick of the standard benchmark."""
    built = build(standard(accounts=10_000), seed=1)
    simulation.step(built.world, built.rules, built.cast)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print only JSON")
    parser.add_argument("--ticks", type=int, default=TICKS)
    parser.add_argument("--accounts", type=int, default=10_000)
    parser.add_argument("--scaling", action="store_true", help="also compare 1,000 with 100,000 accounts")
    parser.add_argument("--start", action="store_true", help="also time a cold and a warm start in fresh interpreters")
    options = parser.parse_args()
    measure(accounts=1_000, ticks=200)  # compile
    figures = measure(accounts=options.accounts, ticks=options.ticks)
    if options.scaling:
        figures["scaling"] = {
            str(accounts): measure(accounts=accounts, ticks=options.ticks) for accounts in (1_000, 100_000)
        }
    if options.start:
        figures.update(cold_start())
    figures["kernel_cache"] = CACHE_FOLDER.name
    if options.json:
        print(json.dumps(figures, indent=1))
        return
    for key, value in figures.items():
        if isinstance(value, dict):
            print(key)
            for name, part in value.items():
                print(f"  {name:28} {part if isinstance(part, dict) else format(part, ',.2f')}")
        else:
            print(f"{key:30} {value:,.2f}" if isinstance(value, float) else f"{key:30} {value}")


if __name__ == "__main__":
    main()
