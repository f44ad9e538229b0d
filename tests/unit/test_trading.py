"""The trading phase by hand: order of arrival, cancels, handles, crowd and self-match, permanent impact, rooms."""

from __future__ import annotations

import numpy as np
import pytest

from market.kernels.records import (
    BUY,
    CANCEL,
    CROWD,
    IOC,
    LIMIT,
    MARKET,
    MESSAGE,
    NO_IMPACT,
    REFUSED,
    REJECTED,
    SELL,
)
from market.kernels.trading import arrange
from market.trading import trade
from tests.engine_worlds import TICK_LOT, USD, Engine, engine


def send(world: Engine, *messages: dict[str, int]) -> list[int]:
    """One tick's trading phase alone; return the handles its orders left resting."""
    inbox = world.world.open_inbox()
    for message in messages:
        inbox.append(**message)
    trade(world.world, inbox)
    world.world.tick += 1
    return [int(handle) for handle in inbox.handles[: inbox.count]]


def room(*deposits: float, messages: int = 64) -> Engine:
    world = engine(deposits=deposits)
    world.world.size_inboxes(messages)
    return world


def limit(side: int, price: int, lots: int, account: int, **fields: int) -> dict[str, int]:
    return {"op": LIMIT, "side": side, "price": price, "lots": lots, "account": account, **fields}


def order_of(messages: list[dict[str, int]], salt: float) -> list[int]:
    """Rows in their order of arrival."""
    rows = np.zeros(len(messages), MESSAGE)
    for row, message in zip(rows, messages, strict=True):
        for name, value in message.items():
            row[name] = value
    keys, arrival = np.zeros(len(rows), np.uint64), np.zeros(len(rows), np.int64)
    arrange(rows, len(rows), salt, keys, arrival)
    return arrival.tolist()


def test_cancels_come_first_in_their_own_order() -> None:
    messages = [limit(BUY, 1, 1, 7), {"op": CANCEL}, limit(BUY, 1, 1, 8), {"op": CANCEL}]
    for salt in (0.0, 0.3, 0.999):
        order = order_of(messages, salt)
        assert order[:2] == [1, 3]
        assert sorted(order[2:]) == [0, 2]


def test_messages_of_one_account_to_one_book_keep_their_order() -> None:
    messages = [limit(BUY, 1, 1, 7 + row % 5, book=row % 3) for row in range(60)]
    for salt in np.linspace(0.0, 0.99, 12):
        order = order_of(messages, float(salt))
        assert sorted(order) == list(range(60))
        for account in range(7, 12):
            for book in range(3):
                own = [row for row in order if messages[row]["account"] == account and messages[row]["book"] == book]
                assert own == sorted(own)


def test_every_sender_comes_first_equally_often() -> None:
    """Ten senders, 5,000 draws: each first in about 500, within five standard deviations (21)."""
    messages = [limit(BUY, 1, 1, account) for account in range(100, 110)]
    salts = np.random.default_rng(5).random(5_000)
    first = np.bincount([order_of(messages, float(salt))[0] for salt in salts], minlength=10)
    assert abs(first - 500).max() < 5 * 21.2


def test_another_sender_moves_nobody_relative_to_the_others() -> None:
    senders = [limit(BUY, 1, 1, account) for account in (7, 9, 30, 31, 500)]
    for salt in (0.1, 0.77):
        without = [senders[row]["account"] for row in order_of(senders, salt)]
        more = [*senders[:2], limit(BUY, 1, 1, 12), *senders[2:]]
        with_one_more = [more[row]["account"] for row in order_of(more, salt)]
        assert [account for account in with_one_more if account != 12] == without


def test_a_cancel_beats_the_order_that_would_have_traded() -> None:
    world = room(1_000.0, 1_000.0)
    first, second = world.rows
    (handle,) = send(world, limit(SELL, 10_000, 5, first))
    send(world, limit(BUY, 10_000, 5, second), {"op": CANCEL, "target": handle, "account": first})
    assert (world.lots(first), world.lots(second)) == (0, 0)


def test_a_cancel_within_the_batch_does_not_reach_the_batch_of_two_ticks_ago() -> None:
    """Row 0 of this buffer held another handle two ticks ago. Cancels go first, so this one finds nothing."""
    world = room(1_000.0)
    (account,) = world.rows
    send(world, limit(BUY, 9_000, 1, account))
    send(world)
    handles = send(world, limit(BUY, 9_001, 1, account), {"op": CANCEL, "target": -1, "account": account})
    assert handles[0] != 0
    assert world.world.books.snapshot(0) == [(BUY, 9_001, 1), (BUY, 9_000, 1)]


def test_handles_of_last_tick_can_be_read_and_cancelled() -> None:
    world = room(1_000.0)
    (account,) = world.rows
    send(world, limit(BUY, 9_000, 1, account), limit(BUY, 9_001, 1, account))
    inbox = world.world.open_inbox()
    handles = inbox.previous.handles[:2].tolist()
    inbox.cancel(handles[0], account=account)
    trade(world.world, inbox)
    assert world.world.books.snapshot(0) == [(BUY, 9_001, 1)]


def test_refused_orders_leave_no_handle() -> None:
    world = room(1.0)
    (account,) = world.rows
    handles = send(world, limit(BUY, 10_000, 100, account), limit(BUY, 10_000, 1, account))
    assert handles[0] == 0
    assert handles[1] != 0
    assert int(world.world.books.counters[REFUSED]) == 1


@pytest.mark.parametrize(
    "fields",
    [
        {"account": -1},
        {"account": 10**6},
        {"book": 2},
        {"book": -1},
        {"lots": 0},
        {"lots": -5},
        {"side": 2},
        {"op": 9},
        {"price": 0},
        {"price": 1 << 30},
    ],
)
def test_malformed_messages_do_nothing(fields: dict[str, int]) -> None:
    world = room(1_000.0)
    send(world, limit(BUY, 10_000, 1, world.rows[0]) | fields)
    counters = world.world.books.counters
    assert int(counters[REJECTED] + counters[REFUSED]) == 1
    assert world.world.books.live_orders == 0
    world.check_books()


def test_the_crowd_trades_with_itself_and_others_do_not() -> None:
    world = room(1_000.0, 1_000.0)
    crowd, single = world.rows
    world.world.ledger.accounts["flags"][crowd] |= CROWD
    send(world, limit(SELL, 10_000, 5, crowd), limit(BUY, 10_000, 5, crowd))
    assert int(world.world.instruments["volume"][0]) == 5
    send(world, limit(SELL, 10_000, 5, single), limit(BUY, 10_000, 5, single))
    assert int(world.world.instruments["volume"][0]) == 5
    assert world.world.books.snapshot(0) == [(BUY, 10_000, 5)]
    world.check_books()


def test_fills_settle_at_the_makers_prices() -> None:
    world = room(1_000.0, 1_000.0)
    maker, taker = world.rows
    send(world, limit(SELL, 10_000, 5, maker), limit(SELL, 10_010, 5, maker))
    send(world, {"op": MARKET, "side": BUY, "lots": 8, "account": taker})
    assert world.world.n_fills == 2
    assert world.world.fills["lots"][:2].tolist() == [5, 3]
    cost = (5 * 10_000 + 3 * 10_010) * TICK_LOT
    assert int(world.world.ledger.positions["cost"][taker, 0]) == cost
    assert world.lots(maker) == -8
    world.check_books()


def test_flow_moves_the_reference_but_arbitrage_does_not() -> None:
    """8 lots at 10,000 are 80 USD: at 1e-9 per quantum the log of the reference rises by 0.08."""
    for flags, moved in ((0, 0.08), (NO_IMPACT, 0.0)):
        script = {0: [{"op": IOC, "side": BUY, "price": 10_000, "lots": 8, "account": 7, "flags": flags}]}
        world = engine(deposits=(1_000.0,), script=script, impact_per_quanta=1e-9)
        world.asks((10_000, 100))
        world.run()
        assert world.world.impact[1] == pytest.approx(moved)
        world.run()
        expected = round(10_000 * np.exp(moved))
        assert int(world.world.instruments["reference"][0]) == expected
        assert world.world.impact[1] == pytest.approx(moved)  # no flow, no move


def test_touched_accounts_are_listed_once() -> None:
    world = room(1_000.0, 1_000.0)
    maker, taker = world.rows
    send(world, *(limit(SELL, 10_000 + k, 1, maker) for k in range(6)))
    send(world, {"op": MARKET, "side": BUY, "lots": 6, "account": taker})
    watch = world.world.watch
    assert sorted(watch.touched[:2].tolist()) == sorted(world.rows)
    assert watch.touched_mark.sum() == 2


def test_a_batch_larger_than_all_buffers() -> None:
    """More orders than the pool holds and more fills than the log, in one tick."""
    n = 6_000
    world = room(10_000_000.0, 10_000_000.0, messages=n + 1)
    maker, taker = world.rows
    send(world, *(limit(SELL, 10_000 + k % 7, 1, maker) for k in range(n)))
    assert world.world.books.live_orders == n
    send(world, {"op": MARKET, "side": BUY, "lots": n, "account": taker})
    assert world.world.n_fills == n
    assert world.lots(taker) == n
    assert world.cash(maker) == 10_000_000 * USD
    world.check_books()


def test_too_many_messages_are_an_error_that_names_the_remedy() -> None:
    world = room(1.0, messages=2)
    inbox = world.world.open_inbox()
    inbox.append(op=CANCEL)
    inbox.append(op=CANCEL)
    with pytest.raises(RuntimeError, match="most_messages"):
        inbox.append(op=CANCEL)
