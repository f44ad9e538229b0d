"""A large order: somebody must sell (or buy) more than the book holds, and does it by a plan that ignores the price.

Two plans: a share of what everybody trades, as the sell algorithm of 6 May 2010 did, and the holdings of R. Almgren
and N. Chriss, "Optimal execution of portfolio transactions", Journal of Risk 3 (2000).
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from market.errors import InputError
from market.instruments import Asset, Instrument
from market.kernels.records import BUY, MARKET, SELL
from market.parameters import PositiveAmount, PositiveCount, PositiveSeconds, Ratio, Seconds, parameters
from market.world import Inbox, World

FOREVER_SECONDS = 1e12


def optimal_holdings(*, size: float, slices: int, urgency: float, slice_length: float = 1.0) -> NDArray[np.float64]:
    """What is still held at the start of each slice and at the end, float64[slices + 1], from `size` down to 0.

    x_j = size sinh(k (T - t_j)) / sinh(k T) with k = `urgency` >= 0 per unit of time and T = slices x `slice_length`;
    without urgency an equal part each slice. Source: Almgren and Chriss (2000), eq. 18.
    """
    left = np.arange(slices, -1, -1) * slice_length
    if urgency * left[0] < 1e-9:
        return np.asarray(size * left / left[0])
    # sinh(a) / sinh(b) without overflow
    ratio = np.exp(-urgency * (left[0] - left)) * np.expm1(-2.0 * urgency * left) / np.expm1(-2.0 * urgency * left[0])
    return np.asarray(size * ratio)


def urgency_of(
    *, volatility: float, temporary: float, permanent: float, risk_aversion: float, slice_length: float
) -> float:
    """Almgren and Chriss' k, per unit of time, of linear impact: (2 / t^2) (cosh(k t) - 1) = l v^2 / (h - g t / 2).

    `volatility` v in price per square root of time, `temporary` impact h in price x time per unit, `permanent` impact g
    in price per unit, `risk_aversion` l in 1 / money, t the `slice_length`. Raises ValueError when h <= g t / 2.
    """
    effective = temporary - 0.5 * permanent * slice_length
    if effective <= 0.0:
        raise ValueError("temporary impact must be above half of the permanent impact of a slice")
    squared = risk_aversion * volatility**2 / effective
    return math.acosh(1.0 + 0.5 * squared * slice_length**2) / slice_length


@parameters
class Participation:
    """Keep to a share of the volume."""

    kind: Literal["participation"] = "participation"
    """Name of the plan."""
    share: Annotated[float, Field(gt=0.0, lt=1.0, json_schema_extra={"unit": "share"})] = 0.09
    """Of everything that was traded on the book within the window, its own part included."""
    window_seconds: PositiveSeconds = 60.0
    """The volume it measures itself by is that of so long before."""

    def wanted(
        self, *, held: float, size: float, seconds: float, tick_seconds: float, volume_per_second: float
    ) -> float:
        """How much to trade in this tick, in units of the size."""
        del size, seconds
        return min(held, self.share * volume_per_second * tick_seconds)


@parameters
class Schedule:
    """Hold what Almgren and Chriss hold, whatever the volume."""

    kind: Literal["schedule"] = "schedule"
    """Name of the plan."""
    seconds: PositiveSeconds = 3_600.0
    """When it must be done."""
    slices: PositiveCount = 60
    """Number of equally long periods; it trades at the start of each."""
    urgency: Ratio = 0.0
    """How front-loaded it is: their k x `seconds`; 0 trades the same amount every period."""
    window_seconds = 0.0

    def wanted(
        self, *, held: float, size: float, seconds: float, tick_seconds: float, volume_per_second: float
    ) -> float:
        """How much to trade in this tick, in units of the size."""
        del volume_per_second, tick_seconds
        # A part in a million of a slice is forgiven as rounding.
        begun = min(self.slices, math.floor(seconds / self.seconds * self.slices + 1e-6) + 1)
        target = optimal_holdings(size=size, slices=self.slices, urgency=self.urgency / self.slices)[begun]
        return max(0.0, held - float(target))


@parameters
class LargeOrder:
    """One who trades a given amount of one instrument at any price."""

    instrument: str
    """What is traded."""
    side: Literal["sell", "buy"] = "sell"
    """Which way."""
    size: PositiveAmount
    """How much, in units of the base asset."""
    start_seconds: Seconds = 0.0
    """When it begins."""
    plan: Annotated[Participation | Schedule, Field(discriminator="kind")] = Participation()
    """How it is spread over time."""
    collateral: Ratio = 1.0
    """What it owns at the start, as a multiple of the order's value: settlement asset, or on spot what it sells."""

    def accounts_needed(self, *, instruments: Mapping[str, Instrument]) -> int:
        """One. Raises InputError for an unknown instrument."""
        if self.instrument not in instruments:
            raise InputError(
                f"agents.large_orders: no instrument {self.instrument!r}; instruments are {', '.join(instruments)}"
            )
        if instruments[self.instrument].kind == "option":
            raise InputError(f"agents.large_orders: {self.instrument} is an option and has no order book")
        return 1

    def join(self, world: World, *, assets: Mapping[str, Asset], instruments: Mapping[str, Instrument]) -> Executor:
        """Open and fund its account."""
        del assets
        ledger, book = world.ledger, world.instrument(self.instrument)
        instrument = instruments[self.instrument]
        account = ledger.open(f"large_order-{len(ledger.names)}", role="large_order", flags=0)
        lots = round(self.size / instrument.lot_size)
        record = world.instruments[book]
        if instrument.kind == "spot" and self.side == "sell":
            ledger.deposit(account, int(record["base"]), lots * int(record["lot_quanta"]))
        else:
            value = lots * int(record["mark"]) * int(record["tick_value"])
            ledger.deposit(account, int(record["quote"]), round(self.collateral * value))
        return Executor(self, world, account=account, book=book, lots=lots)


class Executor:
    """A large order at work. `held` lots are still to be traded; what a tick could not fill stays among them."""

    most_messages = 1

    def __init__(self, order: LargeOrder, world: World, *, account: int, book: int, lots: int) -> None:
        self.order, self.account, self.book = order, account, book
        self.size = self.held = lots
        self.done_seconds: float | None = None
        """When the last lot was traded, from `start_seconds`; None until then."""
        self._carried = 0.0
        self._volumes: deque[int] = deque(maxlen=max(1, world.ticks(order.plan.window_seconds)))

    def decide(self, world: World, inbox: Inbox) -> None:
        """Count what the tick before brought, then append this tick's market order."""
        fills = world.fills[: world.n_fills]
        fills = fills[fills["book"] == self.book]
        self._volumes.append(int(fills["lots"].sum()))
        self.held -= int(fills["lots"][fills["taker"] == self.account].sum())
        seconds = world.seconds - self.order.start_seconds
        if self.held == 0 and self.done_seconds is None:
            self.done_seconds = seconds
        if seconds < 0.0 or self.held == 0:
            return
        per_second = sum(self._volumes) / (len(self._volumes) * world.tick_seconds)
        self._carried += self.order.plan.wanted(
            held=self.held - self._carried, size=self.size, seconds=seconds, tick_seconds=world.tick_seconds,
            volume_per_second=per_second,
        )  # fmt: skip
        lots = min(int(self._carried), self.held)
        if lots > 0:
            side = SELL if self.order.side == "sell" else BUY
            inbox.append(op=MARKET, book=self.book, side=side, lots=lots, account=self.account)
            self._carried -= lots
