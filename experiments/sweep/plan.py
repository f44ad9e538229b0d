"""All runs of a study, by number: which design, which seed, which key."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from experiments.config import resolved_toml
from experiments.store.keys import design_key, owner, run_key
from experiments.study.load import Loaded
from experiments.study.resolve import Resolver, absolute


@dataclass(frozen=True)
class Task:
    """One run, in a form that any worker can take."""

    key: str
    design: str
    """Key of the design."""
    changes: str
    """JSON: path -> value, on top of the base."""
    seed: int


class Plan:
    """The runs of a study. All designs with the first seed come first, then all with the second: what is done of a
    study that was interrupted can be compared."""

    def __init__(self, loaded: Loaded, *, share: tuple[int, int] | None = None) -> None:
        """Make the key of every design; `share` = (i, n): only runs that belong to worker i of n.

        Raises InputError for designs that cannot be made and for price or account files that cannot be read.
        """
        self.loaded, self.study = loaded, loaded.study
        self.strategies = tuple(str((loaded.file.parent / text).absolute()) for text in self.study.strategies)
        self.base = resolved_toml(loaded.resolver.base().scenario)
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
        text = json.dumps({change.path: absolute(change).value for change in changes}, separators=(",", ":"))
        return Task(self.key(number), self.designs[design], text, self.seeds[seed])

    def table(self) -> pa.Table:
        """A row for every run: key, design (its number in the study), seed."""
        numbers = self.mine
        designs = np.array(self.numbers)[numbers % len(self.designs)]
        seeds = np.array(self.seeds)[numbers // len(self.designs)]
        return pa.table({"key": list(self._keys(numbers)), "design_number": designs, "run_seed": seeds})
