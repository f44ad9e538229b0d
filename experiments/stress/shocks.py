"""Joint shocks: sizes in standard deviations, how unlikely they are together, and the designs they make.

Plausibility is the Mahalanobis distance of the sizes (Breuer, Jandacka, Rheinberger and Summer, "How to find plausible,
severe, and useful stress scenarios", International Journal of Central Banking 2009): the density of a jointly normal
shock falls with it and with nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.fields import leaves
from experiments.study.load import Loaded
from experiments.study.model import Shock, Stress
from experiments.study.resolve import Change
from experiments.toml_tree import join, split
from market.errors import InputError

Floats = NDArray[np.float64]

DIGITS = 6
"""Significant digits of a shocked value: what differs less is the same design, and stored once."""


@dataclass(frozen=True, kw_only=True)
class Moved:
    """One value that a shock moves."""

    path: str
    base: float
    one_sigma: float
    whole: bool
    """Whether only whole numbers make sense."""
    scale: str
    """linear or log."""

    def at(self, size: float) -> float | int:
        """The value at a size."""
        if self.scale == "log":
            value = self.base * (self.one_sigma / self.base) ** size
        else:
            value = self.base + size * (self.one_sigma - self.base)
        return round(value) if self.whole else float(f"{value:.{DIGITS}g}")


@dataclass(frozen=True, kw_only=True)
class ShockSpace:
    """All shocks of a study."""

    names: tuple[str, ...]
    moved: tuple[tuple[Moved, ...], ...]
    """What each shock moves."""
    most: Floats
    """float64[n_shocks]: the largest size of each."""
    precision: Floats
    """float64[n_shocks, n_shocks]: inverse of the correlation of sizes."""

    def distance(self, sizes: Floats) -> float:
        """Mahalanobis distance of joint sizes, in standard deviations; 0 is the base."""
        return float(np.sqrt(sizes @ self.precision @ sizes))

    def reach(self, direction: Floats) -> float:
        """The distance at which the first shock has its largest size; `direction` has a distance of 1."""
        moving = direction > 0.0
        return float((self.most[moving] / direction[moving]).min())

    def values(self, sizes: Floats) -> dict[str, Any]:
        """The design, by dotted path; shocks of size 0 leave everything as it is."""
        return {
            item.path: item.at(float(size))
            for size, items in zip(sizes, self.moved, strict=True)
            if size > 0.0
            for item in items
        }


def shock_space(loaded: Loaded, stress: Stress) -> ShockSpace:
    """The shocks of a study. Raises InputError for values that cannot be moved, and for impossible correlations."""
    names = tuple(stress.shocks)
    world = loaded.resolver.base().world
    known = {leaf.path: leaf.value for leaf in leaves(world)}
    wrong: list[str] = []
    moved = tuple(_moved(name, shock, known, wrong) for name, shock in stress.shocks.items())
    paths = [item.path for items in moved for item in items]
    wrong += [
        f"stress.shocks: {path} is moved by two shocks; expected one"
        for path in dict.fromkeys(paths)
        if paths.count(path) > 1
    ]
    if wrong:
        raise InputError("\n".join(wrong))
    space = ShockSpace(
        names=names,
        moved=moved,
        most=np.array([shock.most for shock in stress.shocks.values()]),
        precision=_precision(names, stress),
    )
    for name, items, most in zip(names, moved, space.most, strict=True):
        try:
            loaded.resolver.resolve([Change(item.path, item.at(float(most))) for item in items])
        except InputError as error:
            raise InputError(f"stress.shocks.{name}: at its largest size, {most:g}: {error}") from None
    return space


def _moved(name: str, shock: Shock, known: Mapping[str, Any], wrong: list[str]) -> tuple[Moved, ...]:
    found = []
    for path, one_sigma in shock.one_sigma.items():
        base: Any = known.get(join(split(path)))
        where = f"stress.shocks.{name}.one_sigma.{path}"
        if not _is_number(base):
            wrong.append(f"{where}: the base has {base!r}, no number to start from; say one in [set]")
        elif not _is_number(one_sigma):
            wrong.append(f"{where}: {one_sigma!r} is no number")
        elif one_sigma == base:
            wrong.append(f"{where}: {one_sigma:g} is the base's own value; expected another one")
        elif shock.scale == "log" and base * one_sigma <= 0.0:
            wrong.append(f"{where}: from {base:g} to {one_sigma:g} there is no logarithm; expected one sign, and no 0")
        else:
            whole = isinstance(base, int)
            found.append(Moved(path=path, base=float(base), one_sigma=float(one_sigma), whole=whole, scale=shock.scale))
    return tuple(found)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _precision(names: tuple[str, ...], stress: Stress) -> Floats:
    correlation = np.eye(len(names))
    for one, other, value in stress.correlations:
        row, column = names.index(one), names.index(other)
        correlation[row, column] = correlation[column, row] = value
    if np.linalg.eigvalsh(correlation).min() < 1e-6:
        raise InputError("stress.correlations: no joint law has these correlations; smaller ones would do")
    return np.asarray(np.linalg.inv(correlation))
