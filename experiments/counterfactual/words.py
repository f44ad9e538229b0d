"""How figures of counterfactual worlds are written."""

from __future__ import annotations

from experiments.report.words import MISSING
from experiments.statistics.intervals import Interval
from experiments.statistics.means import TOO_FEW


def single(value: float) -> str:
    """A figure of one run: thousands apart, few decimals."""
    if value == 0.0:
        return "0"
    text = f"{value:,.0f}" if abs(value) >= 100.0 or value == round(value) else f"{value:,.2f}"
    return text.replace("-", "−")


def cell(found: Interval, *, digits: int = 0) -> str:
    """A mean with its interval, or why there is none."""

    def text(value: float | None) -> str:
        return MISSING if value is None else (f"{value:,.{digits}f}".replace("-", "−") if digits else single(value))

    if found.value is None:
        return MISSING
    if found.unseen is not None:
        return f"{text(found.value)} in all {found.n}"
    if not found.rated:
        return f"{text(found.value)}, {TOO_FEW}"
    return f"{text(found.value)} [{text(found.low)}, {text(found.high)}]"


def sided(found: Interval) -> bool:
    """Whether the interval lies on one side of zero."""
    return found.rated and found.low is not None and found.high is not None and (found.low > 0.0 or found.high < 0.0)


def number(value: float | None) -> str:
    """A parameter or ratio with three digits."""
    return MISSING if value is None else f"{value:.3g}".replace("-", "−")
