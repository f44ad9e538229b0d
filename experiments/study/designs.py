"""The designs of a study, one after the other: made when asked for, so that a million of them take no memory."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import qmc

from experiments.study.model import DesignTable, Grid, LatinHypercube, Listed, Range, SobolPoints
from experiments.study.resolve import Change
from market.errors import InputError


@dataclass(frozen=True)
class Block:
    """One way of varying: `count` designs, and the changes of each."""

    count: int
    row: Callable[[int], list[Change]]
    paths: tuple[str, ...]


class Designs(Sequence[tuple[Change, ...]]):
    """Every design of one block with every design of the others; the last block varies fastest."""

    def __init__(self, blocks: Sequence[Block]) -> None:
        self.blocks = tuple(blocks)
        self.paths = tuple(dict.fromkeys(path for block in blocks for path in block.paths))

    def __len__(self) -> int:
        return math.prod(block.count for block in self.blocks)

    def __getitem__(self, number: Any) -> Any:
        """The changes of one design. A path that two blocks change has the value of the later one."""
        if isinstance(number, slice):
            return [self[at] for at in range(*number.indices(len(self)))]
        if not 0 <= number < len(self):
            raise IndexError(number)
        found: dict[str, Change] = {}
        for block, row in zip(self.blocks, self._rows(number), strict=True):
            found.update((change.path, change) for change in block.row(row))
        return tuple(found.values())

    def _rows(self, number: int) -> list[int]:
        rows = []
        for block in reversed(self.blocks):
            number, row = divmod(number, block.count)
            rows.append(row)
        return rows[::-1]

    def one_at_a_time(self) -> Iterator[tuple[Change, ...]]:
        """The first design, then every row of every block beside the first rows of the others.

        Each value occurs at least once: enough to find what is wrong with single values.
        """
        weights = [math.prod(block.count for block in self.blocks[at + 1 :]) for at in range(len(self.blocks))]
        yield self[0]
        for block, weight in zip(self.blocks, weights, strict=True):
            for row in _telling_rows(block):
                yield self[row * weight]


MOST_CHECKED = 4096
"""Rows of one block that are looked at before anything runs."""


def _telling_rows(block: Block) -> Iterator[int]:
    yield from range(1, min(block.count, MOST_CHECKED))


def block_of(
    spec: Grid | Listed | LatinHypercube | SobolPoints | DesignTable, *, beside: Path, source: Callable[..., str]
) -> Block:
    """The designs that one table `[[changes]]` stands for.

    `source(path, i)` says where the i-th value of a path is written. Raises InputError for a table that is no use.
    """
    if isinstance(spec, Grid):
        lists = spec.values
        lengths = tuple(len(choices) for choices in lists.values())

        def combination(row: int) -> list[Change]:
            at = np.unravel_index(row, lengths)
            return [
                Change(path, choices[i], source(path, int(i)))
                for (path, choices), i in zip(lists.items(), at, strict=True)
            ]

        return Block(math.prod(lengths), combination, tuple(lists))
    if isinstance(spec, Listed):
        values = spec.values

        def together(row: int) -> list[Change]:
            return [Change(path, choices[row], source(path, row)) for path, choices in values.items()]

        return Block(len(next(iter(values.values()))), together, tuple(values))
    if isinstance(spec, DesignTable):
        return _table(beside.parent / spec.file)
    return _points(spec, source)


def _points(spec: LatinHypercube | SobolPoints, source: Callable[..., str]) -> Block:
    ranges = spec.ranges
    if isinstance(spec, LatinHypercube):
        unit = qmc.LatinHypercube(d=len(ranges), rng=spec.seed).random(spec.count)
    else:
        unit = qmc.Sobol(d=len(ranges), rng=spec.seed).random(spec.count)
    scaled = {path: scale(unit[:, column], bounds) for column, (path, bounds) in enumerate(ranges.items())}

    def point(row: int) -> list[Change]:
        return [Change(path, values[row].item(), source(path, None)) for path, values in scaled.items()]

    return Block(spec.count, point, tuple(ranges))


def scale(unit: NDArray[np.float64], bounds: Range) -> NDArray[Any]:
    """Numbers in [0, 1) as values of a range."""
    low, high = bounds[0], bounds[1]
    how = bounds[2] if len(bounds) == 3 else "linear"
    if how == "whole":
        return (low + np.floor(unit * (high - low + 1.0))).astype(np.int64)
    if how == "log":
        return np.asarray(low * (high / low) ** unit)
    return np.asarray(low + unit * (high - low))


def _table(file: Path) -> Block:
    import pandas as pd

    kind = file.suffix.lower()
    if kind not in (".csv", ".parquet", ".pq"):
        raise InputError(f"{file}: unknown file type {kind!r}; valid: .csv, .parquet")
    try:
        table = pd.read_csv(file, dtype=object, keep_default_na=False) if kind == ".csv" else pd.read_parquet(file)
    except (OSError, ValueError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise InputError(f"{file}: cannot be read: {reason}") from None
    if table.empty:
        raise InputError(f"{file}: has no rows; expected one design a row")
    columns = [str(name) for name in table.columns]
    cells = [[_cell(value) for value in table[name].tolist()] for name in table.columns]
    where = f"{file}:" if kind == ".csv" else f"{file} row "
    first = 2 if kind == ".csv" else 1

    def row(number: int) -> list[Change]:
        return [
            Change(path, values[number], f"{where}{number + first}")
            for path, values in zip(columns, cells, strict=True)
            if values[number] is not None
        ]

    return Block(len(table), row, tuple(columns))


def _cell(value: Any) -> Any:
    """A cell as TOML would read it; None for an empty one."""
    import tomllib

    if not isinstance(value, str):
        return None if value is None or value != value else value.item() if hasattr(value, "item") else value
    if not value.strip():
        return None
    try:
        parsed = tomllib.loads(f"x = {value}")
    except tomllib.TOMLDecodeError:
        return value.strip()
    return parsed["x"] if list(parsed) == ["x"] else value.strip()
