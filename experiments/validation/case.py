"""What a validation case is: a published result, the product's own figure beside it, and a verdict by its tolerance."""

from __future__ import annotations

import math
import os
import time
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from market.errors import InputError

Verdict = Literal["pass", "miss", "shown"]
Facts = Mapping[str, Any]
Values: TypeAlias = float | Sequence[float] | NDArray[np.floating[Any]]

PUBLISHED = Path(__file__).resolve().parent / "published.toml"
BESIDE = Path(__file__).resolve().parents[3] / "shared"
"""Where recorded data lies unless CASCADE_SHARED says otherwise: `shared` beside the project."""


@cache
def published() -> Mapping[str, Facts]:
    """Facts by case: `model`, `source`, `inputs`, `expected`, and `tolerance` and `note` where there are any."""
    with PUBLISHED.open("rb") as stream:
        return tomllib.load(stream)


@dataclass(frozen=True, kw_only=True)
class Check:
    """One figure, or a row of figures of one kind, of the product beside what was published."""

    what: str
    product: tuple[float, ...]
    published: tuple[float, ...]
    """What the source says; empty where it gives a band or nothing."""
    low: tuple[float, ...] = ()
    """Least accepted value of each figure; empty: nothing was published to accept or refuse by."""
    high: tuple[float, ...] = ()
    tolerance: str = ""
    """The tolerance in words."""

    @property
    def verdict(self) -> Verdict:
        """`shown` when there is no tolerance."""
        if not self.low:
            return "shown"
        accepted = (low <= value <= high for value, low, high in zip(self.product, self.low, self.high, strict=True))
        return "pass" if all(accepted) else "miss"

    @property
    def worst(self) -> int:
        """Position of the figure furthest from the middle of its band, in units of the band's half width."""
        if not self.low:
            return 0
        far = [
            abs(value - 0.5 * (low + high)) / (0.5 * (high - low) or 1e-300)
            for value, low, high in zip(self.product, self.low, self.high, strict=True)
        ]
        return far.index(max(far))


def figures(values: Values) -> tuple[float, ...]:
    """One number or several as a tuple of floats. Raises ValueError for one that is not finite."""
    found = tuple(np.atleast_1d(np.asarray(values, np.float64)).tolist())
    if not found or not all(math.isfinite(value) for value in found):
        raise ValueError(f"not all finite: {found}")
    return found


def near(
    what: str,
    product: Values,
    expected: Values,
    *,
    tolerance: Values = 0.0,
    relative: bool = False,
    words: str = "",
) -> Check:
    """The published value within `tolerance`, absolute or, with `relative`, as a share of the published value.

    One tolerance for all figures or one for each. Floats are forgiven their last bits, so that 0 means equal.
    """
    found, said = figures(product), figures(expected)
    if len(found) != len(said):
        raise ValueError(f"{what}: {len(found)} figures, {len(said)} published")
    widths = figures(tolerance)
    widths = widths * len(said) if len(widths) == 1 else widths
    widths = tuple(
        (abs(value) * width if relative else width) + 4e-16 * abs(value)
        for value, width in zip(said, widths, strict=True)
    )
    if not words:
        shown = sorted(set(figures(tolerance)))
        amount = " to ".join(f"{100 * item:g} %" if relative else f"{item:.2g}" for item in (shown[0], shown[-1]))
        words = "exact" if shown[-1] == 0.0 else f"± {amount if len(shown) > 1 else amount.split(' to ')[0]}"
    return Check(
        what=what,
        product=found,
        published=said,
        low=tuple(value - width for value, width in zip(said, widths, strict=True)),
        high=tuple(value + width for value, width in zip(said, widths, strict=True)),
        tolerance=words,
    )


def within(what: str, product: Values, *, low: float, high: float) -> Check:
    """A published band."""
    found = figures(product)
    words = f"{low:g} to {high:g}"
    if math.isinf(high):
        words = f"above {low:g}"
    elif math.isinf(low):
        words = f"below {high:g}"
    return Check(
        what=what, product=found, published=(), low=(low,) * len(found), high=(high,) * len(found), tolerance=words
    )


def shown(what: str, product: Values, expected: Values | None = None) -> Check:
    """A figure that nothing was published to judge by."""
    said = () if expected is None else figures(expected)
    return Check(what=what, product=figures(product), published=said, tolerance="none given")


@dataclass(frozen=True, kw_only=True)
class Case:
    """A published result that the product can express."""

    name: str
    """As in `published.toml`."""
    subject: str
    """What is run, in one line."""
    run: Callable[[Facts], Sequence[Check]]
    quick: bool = True
    """Whether it takes a second or so; quick cases are tests of the suite as well."""
    false_alarm: float = 0.0
    """Chance that a correct product would miss with another seed; 0 for cases without chance."""
    expression: str = ""
    """How the product expresses it, where that is not plain."""
    miss: str = ""
    """Why it misses, in one sentence, where it is known to."""
    data: str = ""
    """File of recorded data that it reads; without it the case is left out."""


def data_file(name: str) -> Path:
    """A file of recorded data. Raises InputError when it is absent."""
    path = Path(os.environ.get("CASCADE_SHARED") or BESIDE) / "data" / name
    if not path.is_file():
        raise InputError(f"recorded data {name} is absent: set CASCADE_SHARED to the folder that holds data/{name}")
    return path


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """A case that has been run."""

    case: Case
    checks: tuple[Check, ...]
    seconds: float

    @property
    def verdict(self) -> Verdict:
        """`miss` if any check misses, else `pass` if any passes, else `shown`."""
        verdicts = {check.verdict for check in self.checks}
        return "miss" if "miss" in verdicts else "pass" if "pass" in verdicts else "shown"


def run_case(case: Case) -> Outcome:
    """Run one case."""
    began = time.perf_counter()
    checks = tuple(case.run(published()[case.name]))
    return Outcome(case=case, checks=checks, seconds=time.perf_counter() - began)
