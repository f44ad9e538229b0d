"""Numbers as people say them: "38 million USD", "9 minutes", "412 of 10,000 accounts"."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

MISSING = "–"
"""Stands where there is no figure."""

_SCALES = ((1e12, " trillion"), (1e9, " billion"), (1e6, " million"))


def known(value: float | int | str | None) -> bool:
    """Whether there is a figure at all."""
    return value is not None and not (isinstance(value, float) and not math.isfinite(value))


def money(usd: float | None) -> str:
    """USD to three digits: "38.2 million USD", "210,000 USD", "0.45 USD"."""
    if usd is None or not math.isfinite(usd):
        return MISSING
    if usd < 0.0:
        return f"−{money(-usd)}"
    for scale, word in _SCALES:
        if usd >= 0.9995 * scale:
            return f"{_three_digits(usd / scale)}{word} USD"
    return f"{_three_digits(usd)} USD"


def _three_digits(value: float) -> str:
    if value == 0.0:
        return "0"
    decimals = min(2, 2 - math.floor(math.log10(value)))
    text = f"{round(value, decimals):,.{max(0, decimals)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def percent(share: float | None, decimals: int = 0) -> str:
    """A share in percent; what would round to nothing is "under 1%", to all "over 99%"."""
    if share is None or not math.isfinite(share):
        return MISSING
    smallest = 10.0**-decimals
    if 100.0 - smallest / 2 < 100.0 * share < 100.0:
        return f"over {100.0 - smallest:.{decimals}f}%"
    if 0.0 < 100.0 * share < smallest / 2:
        return f"under {smallest:.{decimals}f}%"
    return f"{100.0 * share:.{decimals}f}%".replace("-", "−")


def count(number: int, noun: str, plural: str | None = None) -> str:
    """ "1 account", "10,000 accounts"."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def span(seconds: float) -> str:
    """A length of time: "45 seconds", "9 minutes", "3.5 hours"."""
    if seconds < 120.0:
        return count(max(1, round(seconds)), "second")
    if seconds < 7200.0 and seconds != 3600.0:
        return f"{_short(seconds / 60.0)} minutes"
    if seconds < 172_800.0:
        return "1 hour" if seconds == 3600.0 else f"{_short(seconds / 3600.0)} hours"
    return f"{_short(seconds / 86_400.0)} days"


def _short(value: float) -> str:
    return f"{value:.0f}" if value >= 9.95 or abs(value - round(value)) < 0.05 else f"{value:.1f}"


def listed(parts: Sequence[str]) -> str:
    """ "a, b and c"."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def sentence(text: str) -> str:
    """With a capital and a full stop."""
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")


HOURS_MINUTES = "hours:minutes"
"""How times without a date are written."""


@dataclass(frozen=True)
class Clock:
    """Simulated time as people read it: UTC when the prices were recorded at a known time, else since the start."""

    start: datetime | None = None

    @classmethod
    def of(cls, start: str | None) -> Clock:
        """A clock that starts at an ISO 8601 time, taken as UTC when it names no zone."""
        try:
            moment = datetime.fromisoformat(start) if start else None
        except ValueError:
            return cls()
        return cls(moment.replace(tzinfo=UTC) if moment and moment.tzinfo is None else moment)

    @property
    def title(self) -> str:
        """What an axis of times is called, as long as it shows whole minutes."""
        if self.start is None:
            return f"time since start ({HOURS_MINUTES})"
        moment = self.start.astimezone(UTC)
        return f"UTC, from {moment.day} {moment:%B %Y}"

    @property
    def origin_ms(self) -> int:
        """Milliseconds since 1970 at which the run starts; without a date 1 January 1971, so that days count from 1.

        Not 1970: plotly.js takes a bare 2000 for a year.
        """
        return int(self.start.timestamp() * 1000.0) if self.start else 31_536_000_000

    def text(self, seconds: float) -> str:
        """ "0:14:05", or "19 May 13:04:05" with a date."""
        if not math.isfinite(seconds):
            return MISSING
        if self.start:
            moment = self.start.astimezone(UTC) + timedelta(seconds=round(seconds))
            return f"{moment.day} {moment:%b %H:%M:%S}"
        whole = round(seconds)
        return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"
