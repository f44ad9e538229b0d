"""`Books`: all limit order books of a run in one set of arrays; a batch of messages in, fills out.

Orders meet in price-time priority at the resting order's price, in whole ticks and lots.

Self-match rule: an order never trades with a resting order of its own account. The resting one is cancelled when the
incoming one reaches it, and matching goes on. Accounts flagged CROWD stand for many people and do trade with
themselves.

The arrays and the functions over them are described in `market/kernels/book.py`. No money moves here: fills are
settled by the ledger.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from market.kernels import book as kernels
from market.kernels.records import (
    ACCOUNT,
    BUY,
    CROWD,
    FILL,
    FREE_COUNT,
    HANDLE_SLOT_BITS,
    INSTRUMENT,
    LEVEL,
    LIVE_ORDERS,
    MESSAGE,
    N_COUNTERS,
    NONE,
    ORDER,
    POSITION,
    SELL,
)

Records: TypeAlias = npt.NDArray[np.void]
Integers: TypeAlias = npt.NDArray[np.int64]

MAX_ORDERS = 1 << HANDLE_SLOT_BITS
"""Size of the largest order pool: a handle has that many bits for the slot."""
_CACHE_LINE = 64


class Books:
    """The order books of all instruments, and the orders resting on them.

    `instruments` INSTRUMENT[n], `positions` POSITION[n_accounts, n] and `accounts` ACCOUNT[n_accounts] are shared with
    the ledger. Of the instruments, `n_levels` must be set; the books' own fields in all three (best prices, open lots,
    first order, rows of the level array) are set here, everything else is left alone.
    """

    def __init__(self, *, instruments: Records, positions: Records, accounts: Records, capacity: int = 4096) -> None:
        """Empty books with room for `capacity` - 1 resting orders; the pool grows as it is needed.

        Raises ValueError when the arrays do not fit each other or an instrument's `n_levels` is not a positive
        multiple of 64.
        """
        _check_record("instruments", instruments, INSTRUMENT, None)
        _check_record("accounts", accounts, ACCOUNT, None)
        _check_record("positions", positions, POSITION, (len(accounts), len(instruments)))
        n_levels = instruments["n_levels"].astype(np.int64)
        for book, count in enumerate(n_levels.tolist()):
            if count < 64 or count % 64 != 0:
                raise ValueError(f"book {book}: n_levels must be a positive multiple of 64, not {count}")
        if not 2 <= capacity <= MAX_ORDERS:
            raise ValueError(f"capacity must be 2 to {MAX_ORDERS} orders, not {capacity}")
        self.instruments, self.positions, self.accounts = instruments, positions, accounts
        instruments["level_base"] = np.cumsum(n_levels) - n_levels
        instruments["best_bid"] = 0
        instruments["best_ask"] = instruments["n_levels"] - 1
        positions["open_bid"] = positions["open_ask"] = 0
        accounts["first_order"] = NONE
        self.levels = np.zeros(int(n_levels.sum()), LEVEL)
        self.levels["head"] = self.levels["tail"] = NONE
        self.occupied = np.zeros(len(self.levels) // 64, np.uint64)
        self.counters = np.zeros(N_COUNTERS, np.int64)
        self.orders = _pool(capacity)
        # The stack hands out slot 0 first; the last slot of the pool is never handed out.
        self.free = np.arange(capacity - 2, -2, -1, dtype=np.int32)
        self.counters[FREE_COUNT] = capacity - 1
        self._handles = np.zeros(0, np.int64)
        self._fills = np.zeros(0, FILL)

    @classmethod
    def create(cls, *, n_levels: Sequence[int], n_accounts: int, capacity: int = 4096, crowd: bool = False) -> Books:
        """Books of their own, without a ledger: one with `n_levels[b]` prices for each b.

        `crowd` flags every account CROWD, which switches the self-match rule off. Raises ValueError like `Books`.
        """
        instruments = np.zeros(len(n_levels), INSTRUMENT)
        instruments["n_levels"] = n_levels
        accounts = np.zeros(n_accounts, ACCOUNT)
        accounts["flags"] = CROWD if crowd else 0
        positions = np.zeros((n_accounts, len(n_levels)), POSITION)
        return cls(instruments=instruments, positions=positions, accounts=accounts, capacity=capacity)

    @property
    def arrays(self) -> tuple[Any, ...]:
        """The state in the order every book kernel takes it; `ensure_capacity` replaces some of the arrays."""
        return (
            self.orders,
            self.free,
            self.levels,
            self.occupied,
            self.instruments,
            self.counters,
            self.positions,
            self.accounts,
        )

    @property
    def live_orders(self) -> int:
        """How many orders rest, on all books."""
        return int(self.counters[LIVE_ORDERS])

    def ensure_capacity(self, n_messages: int) -> None:
        """Grow the pool so that every one of `n_messages` orders could rest; slots, and with them handles, stay.

        Handles do not depend on when the pool grew. Raises ValueError beyond `MAX_ORDERS`.
        """
        free_count = int(self.counters[FREE_COUNT])
        if free_count >= n_messages:
            return
        old = len(self.orders)
        needed = old + n_messages - free_count
        if needed > MAX_ORDERS:
            raise ValueError(f"{n_messages} messages beside {self.live_orders} resting orders: pool over {MAX_ORDERS}")
        capacity = min(max(needed, 2 * old), MAX_ORDERS)
        orders = _pool(capacity)
        orders[: old - 1] = self.orders[: old - 1]
        free = np.empty(capacity - 1, np.int32)
        added = capacity - old
        # New slots go under the old ones: the slots in use stay few and near each other.
        free[:added] = np.arange(capacity - 2, old - 2, -1)
        free[added : added + free_count] = self.free[:free_count]
        self.orders, self.free = orders, free
        self.counters[FREE_COUNT] = added + free_count

    def process(self, messages: Records) -> tuple[Records, Integers]:
        """Carry out a batch of MESSAGE rows in order; return its fills and, per message, the handle left resting or 0.

        Both are views that hold until the next call. Malformed messages are counted in `counters[REJECTED]` and
        otherwise skipped. Raises ValueError when `messages` is not a one-dimensional array of MESSAGE.
        """
        _check_record("messages", messages, MESSAGE, None)
        n = len(messages)
        self.ensure_capacity(n)
        if len(self._handles) < n:
            self._handles = np.zeros(max(n, 2 * len(self._handles)), np.int64)
        # Every fill ends a resting order or the message that made it.
        most_fills = self.live_orders + n
        if len(self._fills) < most_fills:
            self._fills = np.zeros(max(most_fills, 2 * len(self._fills)), FILL)
        # A read-only array would have the kernel compiled once more.
        writable = np.require(messages, requirements="W")
        n_fills = kernels.process_batch(writable, n, self._handles, self._fills, *self.arrays)
        return self._fills[:n_fills], self._handles[:n]

    def cancel(self, handle: int) -> bool:
        """Cancel one order; False when it no longer rests."""
        return bool(kernels.cancel(handle, *self.arrays))

    def cancel_account(self, account: int) -> int:
        """Cancel all resting orders of an account; return how many there were."""
        return int(kernels.cancel_account(account, *self.arrays))

    def sweep(self, *, book: int, side: int, lots: int, limit_price: int = 0) -> tuple[int, int, int]:
        """What a market order would get now: (filled lots, sum of price x lots in tick-lots, worst price or 0)."""
        filled, notional, worst = kernels.sweep(
            book, side, lots, limit_price, self.levels, self.occupied, self.instruments
        )
        return int(filled), int(notional), int(worst)

    def depth_within(
        self, *, book: int, side: int, centre: float, distances_bps: Sequence[float]
    ) -> tuple[Integers, Integers]:
        """Lots, and sum of price x lots, resting on `side` within each distance (rising, bps) of a price in ticks."""
        distances = np.asarray(distances_bps, np.float64)
        lots, notional = np.zeros(len(distances), np.int64), np.zeros(len(distances), np.int64)
        kernels.depth_within(
            book, side, float(centre), distances, lots, notional, self.levels, self.occupied, self.instruments
        )
        return lots, notional

    def snapshot(self, book: int) -> list[tuple[int, int, int]]:
        """Every price with orders, as (side, price, lots): bids from the best down, then asks from the best up."""
        instrument = self.instruments[book]
        base = int(instrument["level_base"])
        lots = self.levels["lots"][base : base + int(instrument["n_levels"])]
        prices = np.flatnonzero(lots)
        bids, asks = prices[prices <= instrument["best_bid"]][::-1], prices[prices >= instrument["best_ask"]]
        return [(side, int(price), int(lots[price])) for side, queue in ((BUY, bids), (SELL, asks)) for price in queue]


def _pool(capacity: int) -> Records:
    """Zeroed orders, each in a cache line of its own."""
    size = capacity * ORDER.itemsize
    memory = np.zeros(size + _CACHE_LINE, np.uint8)
    start = -memory.ctypes.data % _CACHE_LINE
    return memory[start : start + size].view(ORDER)


def _check_record(name: str, array: Records, dtype: np.dtype[np.void], shape: tuple[int, ...] | None) -> None:
    if array.dtype != dtype:
        raise ValueError(f"{name}: expected records of {dtype.names}, not {array.dtype}")
    if array.shape != shape if shape is not None else array.ndim != 1:
        raise ValueError(f"{name}: shape {array.shape} does not fit" + (f", expected {shape}" if shape else ""))
    if not array.flags.c_contiguous:
        raise ValueError(f"{name}: must be contiguous in memory")
