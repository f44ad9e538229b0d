"""Multilevel splitting with a fixed number of runs from every level.

Runs that reach a level are done again, the same up to there and with fresh draws after it; those that do not reach it
end as they are. With p_j the share that gets from level j to the next, a run that fails behind level k counts
p_1 ... p_k / N: an unbiased estimate of the mean of any figure, whatever the levels (Garvels, "The splitting method in
rare event simulation", 2000; Amrein and Kuensch 2011 for a fixed number of runs). Good levels make it narrow. Runs of
one repetition have ancestors in common, so that intervals are taken over independent repetitions.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from experiments.statistics import intervals
from experiments.statistics.intervals import LEVEL, Interval
from market.streams import Splices, Streams

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Branch:
    """A run that is to be done."""

    seed: int
    splices: Splices = ()
    """Seeds of its later ticks; the last one begins where level `entered` was reached."""
    entered: float | None = None
    """Score at which it goes another way than its parent; None: from the start."""
    level: float | None = None
    """Score that it should reach; None: it only has to end."""


@dataclass(frozen=True, kw_only=True)
class Passage:
    """What became of it."""

    value: float
    """The figure at its end."""
    tick: int | None = None
    """First tick after it reached `level`: draws from here on may be others. None: it never did."""


Runner = Callable[[Sequence[Branch]], Sequence[Passage]]
"""Does runs, and tells of each in their order."""


@dataclass(frozen=True, kw_only=True)
class Repetition:
    """One estimate."""

    mean: float
    square: float
    """Of the squared figure."""
    shares: tuple[float, ...]
    """Share of the runs that reached each level; none behind a level that nobody reached."""
    plain: Floats
    """The figures of the runs from the start, which are plain ones."""
    runs: int


@dataclass(frozen=True, kw_only=True)
class Split:
    """The estimate over all repetitions."""

    found: Interval
    """The mean."""
    plain: Interval
    """The same from the runs from the start alone."""
    shares: tuple[float, ...]
    """Mean share of the runs that went from each level to the next, over repetitions that got to it."""
    runs: int
    """All runs together; a run that is done again counts as a whole one."""
    gain: float | None
    """Variance of a plain run over that of a run here: plain runs that one is worth. None: unknown."""


def repeat(run: Runner, *, levels: Sequence[float], runs: int, first_seed: int) -> Repetition:
    """One repetition; its runs from the start have the seeds `first_seed` onwards."""
    branches = [Branch(seed=first_seed + at, level=levels[0]) for at in range(runs)]
    weight, done, shares = 1.0, 0, []
    mean = square = 0.0
    plain: Floats | None = None
    for stage, following in enumerate([*levels[1:], None, None]):
        passages = run(branches)
        done += len(branches)
        values = np.array([passage.value for passage in passages], np.float64)
        plain = values if plain is None else plain
        ticks = [None if stage == len(levels) else passage.tick for passage in passages]
        stopped = np.array([tick is None for tick in ticks])
        mean += weight * float(values[stopped].sum()) / runs
        square += weight * float((values[stopped] ** 2).sum()) / runs
        if stage == len(levels):
            break
        through = [(branch, tick) for branch, tick in zip(branches, ticks, strict=True) if tick is not None]
        shares.append(len(through) / runs)
        if not through:
            break
        weight *= shares[-1]
        # Balanced, and by chance who is taken once more: every one that got through counts the same on average.
        order = Streams(first_seed).generator(f"splitting/{stage}").permutation(len(through))
        branches = [
            Branch(
                seed=parent.seed,
                splices=(*parent.splices, (tick, fresh_seed(first_seed, stage, at))),
                entered=levels[stage],
                level=following,
            )
            for at, (parent, tick) in enumerate(through[chosen] for chosen in np.resize(order, runs))
        ]
    assert plain is not None
    return Repetition(mean=mean, square=square, shares=tuple(shares), plain=plain, runs=done)


def fresh_seed(first_seed: int, stage: int, at: int) -> int:
    """A seed that no other run has."""
    return int.from_bytes(
        hashlib.blake2b(f"splitting {first_seed} {stage} {at}".encode(), digest_size=8).digest(), "little"
    )


def combined(repetitions: Sequence[Repetition], *, plain: Interval, level: float = LEVEL) -> Split:
    """The estimate of all repetitions; `plain` is that of their runs from the start."""
    means = np.array([repetition.mean for repetition in repetitions])
    found = intervals.mean(means, level=level)
    runs = sum(repetition.runs for repetition in repetitions)
    of_plain = float(np.mean([repetition.square for repetition in repetitions]) - means.mean() ** 2)
    spread = float(means.var(ddof=1)) * runs / len(repetitions) if len(repetitions) > 1 else 0.0
    reached = max(len(repetition.shares) for repetition in repetitions)
    return Split(
        found=found,
        plain=plain,
        shares=tuple(
            float(np.mean([each.shares[at] for each in repetitions if at < len(each.shares)])) for at in range(reached)
        ),
        runs=runs,
        gain=of_plain / spread if found.rated and found.low is not None and spread > 0.0 and of_plain > 0.0 else None,
    )
