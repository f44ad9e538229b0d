"""What `cascade tail` simulates or reads, and prints."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments import show
from experiments.contagion import contagion, store
from experiments.countdown import Note
from experiments.counterfactual.runs import each
from experiments.counterfactual.setting import AnyScenario, Setting
from experiments.counterfactual.words import number
from experiments.report.words import count, sentence
from experiments.run import trace
from experiments.scenario import Scenario
from experiments.statistics.means import TOO_FEW
from experiments.statistics.power_tail import PowerTail, power_tail
from experiments.systems.causes import cascade_sizes, system_causes
from experiments.systems.contagion import SavedSystem, is_system
from experiments.systems.run import trace_system

Integers = NDArray[np.int64]


def sizes_of_run(path: Path) -> Integers:
    """Liquidations per cascade of a run's folder, largest first; of several venues over all. Raises InputError."""
    if is_system(path):
        return cascade_sizes(SavedSystem.load(path).cascades)
    return store.load(path).contagion().cascade_sizes()


def sizes_of_seeds(found: Setting, *, seeds: Sequence[int], workers: int, note: Note) -> Integers:
    """Liquidations per cascade of all seeds together, largest first; of several venues over all."""
    parts = each(_sizes, [(found.scenario, seed) for seed in seeds], workers=workers, note=note)
    return np.sort(np.concatenate([np.zeros(0, np.int64), *parts]).astype(np.int64))[::-1]


def _sizes(scenario: AnyScenario, seed: int) -> Integers:
    if isinstance(scenario, Scenario):
        return contagion(trace(scenario, seed=seed)).cascade_sizes()
    return system_causes(trace_system(scenario, seed=seed)).cascade_sizes()


def lines(sizes: Integers, tail: PowerTail) -> list[str]:
    """The answer in words."""
    if len(sizes) == 0:
        return ["Nobody was liquidated: there are no cascades."]
    first = f"{count(len(sizes), 'cascade')}, the largest of {count(int(sizes[0]), 'liquidation')}"
    if not tail.rated:
        return [sentence(first), sentence(f"Their tail: {TOO_FEW}, it takes 50, of which 5 are larger than the least")]
    against = {
        "": "a lognormal law cannot be told from it",
        "power law": "it fits better than a lognormal law",
        "lognormal": "a lognormal law fits better: the tail is thinner than a power law's",
    }[tail.better]
    return [
        sentence(first),
        sentence(
            f"From {tail.least} on ({tail.n_tail} cascades) P(size) falls like size^-{number(tail.exponent)} "
            f"[{number(tail.low)}, {number(tail.high)}], at a Kolmogorov-Smirnov distance of {number(tail.distance)}"
        ),
        sentence(f"{against} (likelihood ratio {number(tail.lognormal_ratio)}, p = {number(tail.lognormal_p)})"),
    ]


def as_json(sizes: Integers, tail: PowerTail) -> dict[str, Any]:
    """Everything."""
    counts = Counter(sizes.tolist())
    return {
        "story": lines(sizes, tail),
        "tail": {**asdict(tail), "rated": tail.rated, "better": tail.better},
        "sizes": [{"liquidations": size, "cascades": n} for size, n in sorted(counts.items())],
    }


def print_result(sizes: Integers) -> None:
    """Words, and how many cascades of which size there are."""
    for line in lines(sizes, power_tail(sizes)):
        print(textwrap.fill(line, show.WIDTH))
    if len(sizes):
        print()
        counted = sorted(Counter(sizes.tolist()).items())
        rows = [(f"{size}", f"{n:,}", f"{(sizes >= size).mean():.3g}") for size, n in counted]
        show.print_table(rows, header=("liquidations", "cascades", "share so large"), right=(0, 1, 2))
