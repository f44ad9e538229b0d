"""All runs of a study, by number: which design, which seed, which key."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from experiments.config import resolved_toml
from experiments.store.keys import design_key, owner, run_key
from experiments.study.load import Loaded
from experiments.study.model import Study
from experiments.study.resolve import Change, Resolver, absolute


@dataclass(frozen=True)
class Task:
    """One run, in a form that any worker can take."""

    key: str
    design: str
    """Key of the design."""
    changes: str
    """JSON: path -> value, on top of the base."""
    seed: int


class Planned(Protocol):
    """Runs that are to be done, by number."""

    study: Study
    """What they may cost, what is kept and measured of them."""
    strategies: tuple[str, ...]
    base: str
    """What all are changes of, as TOML."""
    designs: tuple[str, ...]

    def __len__(self) -> int: ...

    def missing(self, stored: set[str]) -> NDArray[np.int64]:
        """Numbers of the runs that are not stored."""

    def task(self, number: int) -> Task:
        """A run as a task."""


class Runs:
    """Runs that are no designs times seeds: each has changes and a seed of its own."""

    strategies: tuple[str, ...] = ()

    def __init__(
        self, runs: Sequence[tuple[Sequence[Change], int]], *, study: Study, base: str, resolver: Resolver
    ) -> None:
        """`resolver` is that of `base`. A run that is asked for twice is one. Raises InputError."""
        self.study, self.base = study, base
        made = [(design_key(resolver.resolve(changes).data, twin=study.twin), changes, seed) for changes, seed in runs]
        self.keys = tuple(run_key(design, seed) for design, _, seed in made)
        """Of every run, in their order."""
        once = {key: Task(key, own[0], _text(own[1]), own[2]) for key, own in zip(self.keys, made, strict=True)}
        self._tasks = tuple(once.values())
        self.designs = tuple(dict.fromkeys(task.design for task in self._tasks))

    def __len__(self) -> int:
        return len(self._tasks)

    def missing(self, stored: set[str]) -> NDArray[np.int64]:
        """Numbers of the runs that are not stored."""
        return np.flatnonzero([task.key not in stored for task in self._tasks])

    def task(self, number: int) -> Task:
        """A run as a task."""
        return self._tasks[number]

    def table(self) -> pa.Table:
        """A row for every run: its key."""
        return pa.table({"key": [task.key for task in self._tasks]})


def _text(changes: Sequence[Change]) -> str:
    return json.dumps({change.path: absolute(change).value for change in changes}, separators=(",", ":"))


class Plan:
    """The runs of a study. All designs with the first seed come first, then all with the second: what is done of a
    study that was interrupted can be compared."""

    def __init__(self, loaded: Loaded, *, share: tuple[int, int] | None = None) -> None:
        """Make the key of every design; `share` = (i, n): only runs that belong to worker i of n.

        Raises InputError for designs that cannot be made and for price or account files that cannot be read.
        """
        self.loaded, self.study = loaded, loaded.study
        self.strategies = tuple(str((loaded.file.parent / text).absolute()) for text in self.study.strategies)
        self.base = resolved_toml(loaded.resolver.base().world)
        resolver = Resolver(self.base)  # as workers make them
        numbers: dict[str, int] = {}
        for number, changes in enumerate(loaded.designs):
            data = resolver.resolve(changes).data
            numbers.setdefault(design_key(data, twin=self.study.twin, strategies=self.strategies), number)
        self.designs = tuple(numbers)
        """Keys of the designs that differ."""
        self.numbers = tuple(numbers.values())
        """Their numbers in the study, the first where several are the same."""
        self._share = share

    @property
    def repeated(self) -> int:
        """Designs that are the same as an earlier one."""
        return len(self.loaded.designs) - len(self.designs)

    @property
    def seeds(self) -> range:
        """The seeds of every design."""
        return range(self.study.seeds.first, self.study.seeds.first + self.study.seeds.count)

    @cached_property
    def mine(self) -> NDArray[np.int64]:
        """Numbers of the runs that are to be done here."""
        everything = np.arange(len(self.designs) * len(self.seeds))
        if self._share is None:
            return everything
        i, n = self._share
        return everything[[owner(key, n) == i for key in self._keys(everything)]]

    def __len__(self) -> int:
        return len(self.mine)

    def key(self, number: int) -> str:
        """The key of a run."""
        seed, design = divmod(int(number), len(self.designs))
        return run_key(self.designs[design], self.seeds[seed])

    def _keys(self, numbers: NDArray[np.int64]) -> Iterator[str]:
        return map(self.key, numbers.tolist())

    def missing(self, stored: set[str]) -> NDArray[np.int64]:
        """Numbers of the runs that are not stored."""
        return self.mine[[key not in stored for key in self._keys(self.mine)]]

    def task(self, number: int) -> Task:
        """A run as a task."""
        seed, design = divmod(int(number), len(self.designs))
        changes = self.loaded.designs[self.numbers[design]]
        return Task(self.key(number), self.designs[design], _text(changes), self.seeds[seed])

    def table(self) -> pa.Table:
        """A row for every run: key, design (its number in the study), seed."""
        numbers = self.mine
        designs = np.array(self.numbers)[numbers % len(self.designs)]
        seeds = np.array(self.seeds)[numbers // len(self.designs)]
        return pa.table({"key": list(self._keys(numbers)), "design_number": designs, "run_seed": seeds})
