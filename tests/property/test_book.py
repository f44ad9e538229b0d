"""The compiled book and its slow twin agree on everything, for any batches, however they are cut."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from market.book import Books
from market.kernels.book import cancel_account_book
from market.kernels.records import (
    BUY,
    CANCEL,
    CROWD,
    HANDLE_SLOT_BITS,
    IOC,
    LIMIT,
    MARKET,
    MESSAGE,
    NO_IMPACT,
    NONE,
    POST_ONLY,
    REJECTED,
    SELL,
)
from tests.reference.lob import Lob, Message

N_LEVELS = [64, 192]
N_ACCOUNTS = 4
CROWD_ACCOUNT = 3


def books_and_twin() -> tuple[Books, Lob]:
    # Two slots to begin with, so that the pool has to grow under way.
    books = Books.create(n_levels=N_LEVELS, n_accounts=N_ACCOUNTS, capacity=2)
    books.accounts["flags"][CROWD_ACCOUNT] = CROWD
    return books, Lob(n_levels=N_LEVELS, n_accounts=N_ACCOUNTS, crowd={CROWD_ACCOUNT})


# Prices of book 1 lie on both sides of a word boundary of the bitmap, and at both ends.
prices = st.sampled_from([1, 61, 62, 63, 64, 65, 190])
valid_orders = st.builds(
    Message,
    op=st.sampled_from([LIMIT, LIMIT, LIMIT, MARKET, IOC]),
    book=st.sampled_from([1, 1, 0]),
    side=st.sampled_from([BUY, SELL]),
    price=prices,
    lots=st.integers(1, 9),
    account=st.integers(0, N_ACCOUNTS - 1),
    flags=st.sampled_from([0, 0, NO_IMPACT, POST_ONLY]),
)
cancels = st.builds(Message, op=st.just(CANCEL), target=st.integers(0, 40))
strange_orders = st.builds(
    Message,
    op=st.integers(-1, 4).filter(lambda op: op != CANCEL),
    book=st.integers(-1, 2),
    side=st.integers(-1, 2),
    price=st.sampled_from([-(2**31), -1, 0, 1, 62, 63, 190, 191, 192, 2**31 - 1]),
    lots=st.sampled_from([-5, 0, 1, 2**40]),
    account=st.integers(-1, N_ACCOUNTS),
    flags=st.integers(0, 15),
)
messages = st.one_of(valid_orders, valid_orders, valid_orders, cancels, strange_orders)
# Left to itself, hypothesis draws lists of five: too few for queues to form.
streams = st.one_of(st.lists(messages, max_size=20), st.lists(messages, min_size=30, max_size=60))
cuts = st.lists(st.integers(0, 60), max_size=3)


@dataclass
class Sender:
    """Sends messages to the compiled books in batches, naming cancelled orders by row or by handle."""

    books: Books

    def __post_init__(self) -> None:
        self.handles: list[int] = []
        self.tape: list[tuple[int, ...]] = []

    def send(self, batch: list[Message]) -> None:
        first = len(self.handles)
        rows = np.zeros(len(batch), MESSAGE)
        for row, message in enumerate(batch):
            target = 0
            if message.op == CANCEL:
                target = self.handles[message.target] if message.target < first else -(1 + message.target - first)
            tag = first + row
            rows[row] = (
                message.lots,
                target,
                tag,
                message.op,
                message.book,
                message.side,
                message.price,
                message.account,
                message.flags,
            )
        fills, handles = self.books.process(rows)
        self.handles += handles.tolist()
        for fill in fills:
            assert fill["message"] == fill["taker_tag"] - first
        self.tape += fills[["book", "maker_tag", "taker_tag", "side", "price", "lots"]].tolist()


def batches(stream: list[Message], at: list[int]) -> list[list[Message]]:
    edges = [0, *sorted(min(cut, len(stream)) for cut in at), len(stream)]
    return [stream[start:end] for start, end in pairwise(edges)]


def run_twin(twin: Lob, stream: list[Message]) -> None:
    for number, message in enumerate(stream):
        # An order that comes later cannot be cancelled yet.
        if message.op == CANCEL and message.target >= number:
            message = Message(op=CANCEL)
        twin.submit(message)


def account_orders(books: Books, account: int) -> list[int]:
    """Tags on the account's list, newest first, with both directions of the links checked."""
    tags, before, slot = [], NONE, int(books.accounts["first_order"][account])
    while slot != NONE:
        order = books.orders[slot]
        assert order["handle"] != 0
        assert order["account"] == account
        assert order["account_prev"] == before
        tags.append(int(order["tag"]))
        before, slot = slot, int(order["account_next"])
    return tags


def queue(books: Books, book: int, price: int) -> list[tuple[int, int, int]]:
    """(tag, side, lots) at one price, oldest first, with links, lots and bitmap of the level checked."""
    row = int(books.instruments["level_base"][book]) + price
    level = books.levels[row]
    orders, before, slot = [], NONE, int(level["head"])
    while slot != NONE:
        order = books.orders[slot]
        assert order["handle"] & ((1 << HANDLE_SLOT_BITS) - 1) == slot
        assert (order["book"], order["price"], order["prev"]) == (book, price, before)
        orders.append((int(order["tag"]), int(order["side"]), int(order["lots"])))
        before, slot = slot, int(order["next"])
    assert level["tail"] == before
    assert level["lots"] == sum(lots for _, _, lots in orders)
    assert bool(int(books.occupied[row // 64]) >> (row % 64) & 1) == bool(orders)
    return orders


def assert_same_state(books: Books, twin: Lob) -> None:
    for book, n_levels in enumerate(N_LEVELS):
        instrument = books.instruments[book]
        bids, asks = twin.side_of(book, BUY), twin.side_of(book, SELL)
        assert instrument["best_bid"] == (bids[0].price if bids else 0)
        assert instrument["best_ask"] == (asks[0].price if asks else n_levels - 1)
        assert (instrument["last"], instrument["volume"], instrument["net_flow"]) == (
            twin.last[book],
            twin.volume[book],
            twin.net_flow[book],
        )
        assert books.snapshot(book) == twin.snapshot(book)
        by_price: dict[int, list[tuple[int, int, int]]] = {}
        for order in bids + asks:
            by_price.setdefault(order.price, []).append((order.number, order.side, order.lots))
        for price in range(n_levels):
            assert queue(books, book, price) == by_price.get(price, [])
        for account in range(N_ACCOUNTS):
            position = books.positions[account, book]
            assert position["open_bid"] == twin.open_lots(account, book, BUY)
            assert position["open_ask"] == twin.open_lots(account, book, SELL)
    for account in range(N_ACCOUNTS):
        mine = [order.number for order in twin.resting.values() if order.account == account]
        assert account_orders(books, account) == mine[::-1]
    assert books.counters[REJECTED] == twin.rejected
    assert books.live_orders == len(twin.resting)
    used = set(np.flatnonzero(books.orders["handle"][:-1]).tolist())
    free = books.free[: len(books.orders) - 1 - len(used)].tolist()
    assert used | set(free) == set(range(len(books.orders) - 1))


@settings(deadline=None, max_examples=150, derandomize=True)
@given(stream=streams, at=cuts)
def test_book_equals_slow_twin(stream: list[Message], at: list[int]) -> None:
    books, twin = books_and_twin()
    sender = Sender(books)
    sent = 0
    for batch in batches(stream, at):
        sender.send(batch)
        sent += len(batch)
    run_twin(twin, stream)
    expected = [(fill.book, fill.maker, fill.taker, fill.side, fill.price, fill.lots) for fill in twin.fills]
    assert sender.tape == expected
    assert {number for number, handle in enumerate(sender.handles) if handle} >= set(twin.resting)
    assert_same_state(books, twin)


@settings(deadline=None, max_examples=50, derandomize=True)
@given(stream=streams, at=cuts)
def test_cutting_a_batch_changes_nothing(stream: list[Message], at: list[int]) -> None:
    whole, cut = Sender(books_and_twin()[0]), Sender(books_and_twin()[0])
    whole.send(stream)
    for batch in batches(stream, at):
        cut.send(batch)
    assert (cut.tape, cut.handles) == (whole.tape, whole.handles)
    np.testing.assert_array_equal(cut.books.instruments, whole.books.instruments)
    np.testing.assert_array_equal(cut.books.levels, whole.books.levels)


@settings(deadline=None, max_examples=50, derandomize=True)
@given(stream=streams, account=st.integers(0, N_ACCOUNTS - 1), book=st.sampled_from([None, 0, 1]))
def test_cancelling_an_account(stream: list[Message], account: int, book: int | None) -> None:
    books, twin = books_and_twin()
    Sender(books).send(stream)
    run_twin(twin, stream)
    if book is None:
        cancelled = books.cancel_account(account)
    else:
        cancelled = cancel_account_book(account, book, *books.arrays)
    assert cancelled == twin.cancel_account(account, book)
    assert_same_state(books, twin)


@settings(deadline=None, max_examples=50, derandomize=True)
@given(stream=streams, later=streams, salt=st.integers(1, 2**18))
def test_a_stale_or_invented_handle_hits_nobody(stream: list[Message], later: list[Message], salt: int) -> None:
    books, twin = books_and_twin()
    sender = Sender(books)
    sender.send(stream)
    sender.send(later)
    run_twin(twin, stream + later)
    gone = [handle for number, handle in enumerate(sender.handles) if number not in twin.resting]
    invented = [handle + (salt << HANDLE_SLOT_BITS + 20) for handle in sender.handles if handle]
    invented += [handle ^ (1 << 23) for handle in sender.handles if handle]
    for handle in [*gone, *invented, 0, -1, -(2**63), 2**63 - 1]:
        assert not books.cancel(handle)
    assert_same_state(books, twin)
    for number, handle in enumerate(sender.handles):
        assert books.cancel(handle) == (number in twin.resting)
    assert books.live_orders == 0


@settings(deadline=None, max_examples=60, derandomize=True)
@given(stream=streams, side=st.sampled_from([BUY, SELL]), lots=st.integers(1, 60), limit=st.one_of(st.just(0), prices))
def test_sweep_foretells_what_an_order_gets(stream: list[Message], side: int, lots: int, limit: int) -> None:
    books, twin = books_and_twin()
    Sender(books).send(stream)
    run_twin(twin, stream)
    foretold = books.sweep(book=1, side=side, lots=lots, limit_price=limit)
    before = len(twin.fills)
    # The crowd trades with everybody, itself included.
    op = IOC if limit else MARKET
    twin.submit(Message(op=op, book=1, side=side, price=limit, lots=lots, account=CROWD_ACCOUNT))
    fills = twin.fills[before:]
    worst = fills[-1].price if fills else 0
    assert foretold == (sum(fill.lots for fill in fills), sum(fill.lots * fill.price for fill in fills), worst)


@settings(deadline=None, max_examples=60, derandomize=True)
@given(
    stream=streams,
    side=st.sampled_from([BUY, SELL]),
    centre2=st.integers(2, 380),
    distances=st.lists(st.integers(0, 20_000), max_size=4),
)
def test_depth_within(stream: list[Message], side: int, centre2: int, distances: list[int]) -> None:
    books, twin = books_and_twin()
    Sender(books).send(stream)
    run_twin(twin, stream)
    distances.sort()
    lots, notional = books.depth_within(book=1, side=side, centre=centre2 / 2, distances_bps=distances)
    sign = 1 if side == BUY else -1
    for at, distance in enumerate(distances):
        near = [
            order
            for order in twin.side_of(1, side)
            if (centre2 - 2 * order.price) * sign * 10_000 <= distance * centre2
        ]
        assert lots[at] == sum(order.lots for order in near)
        assert notional[at] == sum(order.lots * order.price for order in near)
