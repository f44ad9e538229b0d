"""Mark rules: how the price that values positions is made from index, book and outside world.

Rules of real venues are named where they come from; parameters are theirs as documented, halves of exponential averages
instead of their time constants (half = constant x ln 2).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from pydantic import Field

from market.kernels import records
from market.kernels.marks import BOOK_AVERAGE, INDEX_AVERAGE, LAST_AVERAGE, average_marks, remark, set_carry
from market.parameters import Bps, PositiveSeconds, parameters

if TYPE_CHECKING:
    from market.world import World


@parameters
class IndexMark:
    """The mark is the oracle's index price: books cannot move it."""

    kind: Literal["index"] = "index"
    """Name of the rule."""
    code = records.INDEX_MARK
    halflife_seconds = 1.0
    cap_bps = 0.0


@parameters
class MidMark:
    """The mark is the middle of the book: every forced order moves it at once."""

    kind: Literal["mid"] = "mid"
    """Name of the rule."""
    code = records.MID_MARK
    halflife_seconds = 1.0
    cap_bps = 0.0


@parameters
class LastMark:
    """The mark is the last traded price."""

    kind: Literal["last"] = "last"
    """Name of the rule."""
    code = records.LAST_MARK
    halflife_seconds = 1.0
    cap_bps = 0.0


@parameters
class BasisMark:
    """Index plus a slow average of (book price - index), bounded: Deribit's rule.

    Deribit averages the last trade kept within the best bid and ask over 30 s: `of = "last"`, a half-life of 21 s.
    """

    kind: Literal["basis"] = "basis"
    """Name of the rule."""
    halflife_seconds: PositiveSeconds = 20.0
    """Time in which the average covers half of a lasting gap."""
    cap_bps: Bps = 500.0
    """Bound on |basis| relative to the index."""
    of: Literal["middle", "last"] = "middle"
    """Book price it averages: the middle, or the last trade, within the best bid and ask."""

    @property
    def code(self) -> int:
        """The rule as kernels know it."""
        return records.BASIS_MARK if self.of == "middle" else records.LAST_BASIS_MARK


@parameters
class MedianMark:
    """Median of the index, the index plus averaged basis, and the book's median of bid, ask and last.

    Hyperliquid's rule with one venue.
    """

    kind: Literal["median"] = "median"
    """Name of the rule."""
    halflife_seconds: PositiveSeconds = 60.0
    """Time in which the average of the basis covers half of a lasting gap."""
    cap_bps: Bps = 1_000.0
    """Bound on |basis| relative to the index."""
    code = records.MEDIAN_MARK


@parameters
class OutsideMark:
    """Median of the index plus averaged basis, the book's median of bid, ask and last, and the outside world's price.

    Hyperliquid's rule, with the reference in place of the weighted middles of other venues' perpetuals; it averages the
    basis over 150 s.
    """

    kind: Literal["outside"] = "outside"
    """Name of the rule."""
    halflife_seconds: PositiveSeconds = 104.0
    """Time in which the average of the basis covers half of a lasting gap."""
    cap_bps: Bps = 1_000.0
    """Bound on |basis| relative to the index."""
    code = records.OUTSIDE_MARK


@parameters
class FundingMark:
    """Median of the index carried to the next funding payment, the index plus averaged basis, and the last trade.

    Binance's rule: index x (1 + last funding rate x share of the interval that is left), index + average of (middle -
    index), last price.
    """

    kind: Literal["funding"] = "funding"
    """Name of the rule."""
    halflife_seconds: PositiveSeconds = 100.0
    """Time in which the average of the basis covers half of a lasting gap."""
    cap_bps: Bps = 1_000.0
    """Bound on |basis| relative to the index."""
    code = records.FUNDING_MARK


@parameters
class TwapMark:
    """Time-weighted average of a price over a window that slides: what lasts shorter hardly counts."""

    kind: Literal["twap"] = "twap"
    """Name of the rule."""
    window_seconds: PositiveSeconds = 60.0
    """Length of the window."""
    of: Literal["book", "index", "last"] = "book"
    """Price that is averaged, as each tick begins: the middle of the book, the index, or the last trade."""
    code = records.TWAP_MARK
    halflife_seconds = 1.0
    cap_bps = 0.0


MarkRule = Annotated[
    IndexMark | MidMark | LastMark | BasisMark | MedianMark | OutsideMark | FundingMark | TwapMark,
    Field(discriminator="kind"),
]


def basis_weight(mark: MarkRule, tick_seconds: float) -> float:
    """Weight of the newest observation in the average of the basis."""
    return 1.0 - math.exp(-math.log(2.0) * tick_seconds / mark.halflife_seconds)


class Twap:
    """The sliding window behind a `TwapMark`."""

    def __init__(self, mark: TwapMark, world: World) -> None:
        ticks = max(1, world.ticks(mark.window_seconds))
        self.of = {"book": BOOK_AVERAGE, "index": INDEX_AVERAGE, "last": LAST_AVERAGE}[mark.of]
        """Price that is averaged."""
        self.slots = ticks
        """Length of the window."""
        self._history = np.zeros((ticks, len(world.instruments)), np.int64)
        self._sums = np.zeros(len(world.instruments), np.int64)

    def update(self, world: World) -> None:
        """Take in the prices of this tick and set the marks."""
        average_marks(world.tick, self.of, self._history, self._sums, world.instruments)


class Carry:
    """Time to the next funding payment behind a `FundingMark`."""

    def __init__(self, interval_seconds: float) -> None:
        self._interval = interval_seconds

    def update(self, world: World) -> None:
        """Carry every index to the next payment and set the marks."""
        left = 1.0 - math.modf(world.seconds / self._interval + 1e-9)[0]
        set_carry(world.instruments, left)
        remark(world.instruments, records.FUNDING_MARK)


def mark_state(mark: MarkRule, interval_seconds: float, world: World) -> Twap | Carry | None:
    """What a mark rule has to remember beside the basis; None for most. Funding is paid every `interval_seconds`."""
    if isinstance(mark, TwapMark):
        return Twap(mark, world)
    return Carry(interval_seconds) if isinstance(mark, FundingMark) else None
