"""The order book by hand: what each operation does, what is refused, and the reference numbers it must hit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import book as benchmark
from benchmarks.shared import shared_file
from benchmarks.streams import StreamError, made_stream, messages_of, read_stream
from market.book import MAX_ORDERS, Books, Records
from market.kernels.book import mid2, process_batch
from market.kernels.records import (
    ACCOUNT,
    BUY,
    CANCEL,
    CROWD,
    FILL,
    FREE_COUNT,
    INSTRUMENT,
    IOC,
    LIMIT,
    MARKET,
    MESSAGE,
    NO_IMPACT,
    NONE,
    POSITION,
    POST_ONLY,
    REJECTED,
    SELL,
)

N_LEVELS = 256


def batch(*rows: dict[str, Any]) -> Records:
    messages = np.zeros(len(rows), MESSAGE)
    for message, row in zip(messages, rows, strict=True):
        for name, value in row.items():
            message[name] = value
    return messages


def limit(side: int, price: int, lots: int, account: int = 0, **more: int) -> dict[str, Any]:
    return {"op": LIMIT, "side": side, "price": price, "lots": lots, "account": account, **more}


def market(side: int, lots: int, account: int = 9, **more: int) -> dict[str, Any]:
    return {"op": MARKET, "side": side, "lots": lots, "account": account, **more}


def one_book(n_levels: int = N_LEVELS, capacity: int = 4096) -> Books:
    return Books.create(n_levels=[n_levels], n_accounts=10, capacity=capacity)


def trades(fills: Records) -> list[tuple[int, ...]]:
    """(maker, taker, price, lots) of each fill."""
    return [tuple(row) for row in fills[["maker", "taker", "price", "lots"]].tolist()]


def best(books: Books) -> tuple[int, int]:
    return int(books.instruments["best_bid"][0]), int(books.instruments["best_ask"][0])


def test_better_price_first_then_older_order_at_the_makers_price() -> None:
    books = one_book()
    fills, _ = books.process(
        batch(
            limit(SELL, 101, 5, 1),
            limit(SELL, 100, 4, 2),
            limit(SELL, 100, 3, 3),
            limit(BUY, 101, 9, 4, tag=77),
        )
    )
    assert trades(fills) == [(2, 4, 100, 4), (3, 4, 100, 3), (1, 4, 101, 2)]
    assert fills["side"].tolist() == [BUY] * 3
    assert fills["message"].tolist() == [3] * 3
    assert fills["taker_tag"].tolist() == [77] * 3
    assert books.snapshot(0) == [(SELL, 101, 3)]
    instrument = books.instruments[0]
    assert (instrument["last"], instrument["volume"], instrument["net_flow"]) == (101, 9, 9)
    assert books.positions["open_ask"][:, 0].tolist() == [0, 3, 0, 0, 0, 0, 0, 0, 0, 0]


def test_what_a_limit_order_does_not_fill_rests_and_what_others_do_not_fill_is_gone() -> None:
    books = one_book()
    fills, handles = books.process(
        batch(
            limit(SELL, 100, 2, 1),
            limit(BUY, 100, 5, 2),
            {**limit(SELL, 100, 4, 3), "op": IOC},
            {**limit(SELL, 100, 4, 3), "op": IOC},
            limit(SELL, 105, 1, 1),
            {**limit(BUY, 104, 4, 3), "op": IOC},
            market(BUY, 8),
        )
    )
    assert trades(fills) == [(1, 2, 100, 2), (2, 3, 100, 3), (1, 9, 105, 1)]
    assert [bool(handle) for handle in handles] == [True, True, False, False, True, False, False]
    assert books.snapshot(0) == []
    assert best(books) == (0, N_LEVELS - 1)
    assert books.counters[REJECTED] == 0


def test_post_only_is_discarded_rather_than_trading() -> None:
    books = one_book()
    fills, handles = books.process(
        batch(
            limit(SELL, 100, 2, 1),
            limit(BUY, 100, 1, 2, flags=POST_ONLY),
            limit(BUY, 99, 1, 2, flags=POST_ONLY),
            limit(SELL, 99, 1, 2, flags=POST_ONLY),
        )
    )
    assert len(fills) == 0
    assert [bool(handle) for handle in handles] == [True, False, True, False]
    assert books.snapshot(0) == [(BUY, 99, 1), (SELL, 100, 2)]


def test_own_resting_orders_are_cancelled_when_reached_and_matching_goes_on() -> None:
    books = one_book()
    fills, _ = books.process(
        batch(
            limit(SELL, 100, 2, 1),
            limit(SELL, 100, 2, 2),
            limit(SELL, 101, 2, 1),
            limit(SELL, 102, 2, 1),
            limit(BUY, 101, 5, 1),
        )
    )
    assert trades(fills) == [(2, 1, 100, 2)]
    assert books.snapshot(0) == [(BUY, 101, 3), (SELL, 102, 2)]
    assert books.positions["open_ask"][1, 0] == 2


def test_the_crowd_trades_with_itself() -> None:
    books = one_book()
    books.accounts["flags"][1] = CROWD
    fills, _ = books.process(batch(limit(SELL, 100, 2, 1), limit(BUY, 100, 1, 1)))
    assert trades(fills) == [(1, 1, 100, 1)]


def test_arbitrage_flow_is_volume_but_not_net_flow() -> None:
    books = one_book()
    books.process(batch(limit(BUY, 100, 9, 1), market(SELL, 4), market(SELL, 3, flags=NO_IMPACT)))
    assert (books.instruments["volume"][0], books.instruments["net_flow"][0]) == (7, -4)


def test_cancel_by_row_by_handle_and_of_a_recycled_slot() -> None:
    books = one_book()
    _, handles = books.process(batch(limit(BUY, 100, 1), limit(BUY, 99, 1), {"op": CANCEL, "target": -1}))
    first, second = handles.tolist()[:2]
    assert best(books) == (99, N_LEVELS - 1)
    _, handles = books.process(batch(limit(BUY, 98, 7), {"op": CANCEL, "target": first}))
    third = int(handles[0])
    assert third & (MAX_ORDERS - 1) == first & (MAX_ORDERS - 1), "the slot is used again"
    assert books.snapshot(0) == [(BUY, 99, 1), (BUY, 98, 7)]
    assert not books.cancel(first)
    assert books.cancel(second)
    assert books.cancel(third)
    assert books.live_orders == 0


def test_a_cancel_cannot_name_a_later_row_of_its_batch() -> None:
    books = one_book()
    books.process(batch(limit(BUY, 100, 1), limit(BUY, 101, 1)))
    # The handle of the batch before still stands in the buffer at row 1.
    books.process(batch({"op": CANCEL, "target": -2}, limit(BUY, 102, 1)))
    assert [price for _, price, _ in books.snapshot(0)] == [102, 101, 100]


@pytest.mark.parametrize(
    "row",
    [
        limit(BUY, 0, 1),
        limit(BUY, N_LEVELS - 1, 1),
        limit(BUY, -5, 1),
        limit(BUY, 100, 0),
        limit(BUY, 100, -1),
        limit(BUY, 100, 1, account=10),
        limit(BUY, 100, 1, account=-1),
        limit(BUY, 100, 1, book=1),
        limit(BUY, 100, 1, book=-1),
        limit(2, 100, 1),
        limit(-1, 100, 1),
        {**limit(BUY, 100, 1), "op": 4},
        {**limit(BUY, 0, 1), "op": IOC},
        market(BUY, 0),
    ],
)
def test_nonsense_is_counted_and_changes_nothing(row: dict[str, Any]) -> None:
    books = one_book()
    books.process(batch(limit(SELL, 50, 3, 1)))
    fills, handles = books.process(batch(row))
    assert len(fills) == 0
    assert handles.tolist() == [0]
    assert books.counters[REJECTED] == 1
    assert books.snapshot(0) == [(SELL, 50, 3)]


def test_a_full_fill_buffer_stops_matching_and_never_leaves_a_crossed_book() -> None:
    books = one_book()
    books.process(batch(*(limit(SELL, 100 + i, 1, 1) for i in range(4))))
    books.ensure_capacity(2)
    fills, handles = np.zeros(3, FILL), np.zeros(2, np.int64)
    n_fills = process_batch(batch(limit(BUY, 120, 9, 2), market(BUY, 1)), 2, handles, fills[:2], *books.arrays)
    assert n_fills == 2
    assert fills["lots"].tolist() == [1, 1, 0], "nothing is written beyond the buffer"
    assert handles.tolist() == [0, 0]
    assert books.counters[REJECTED] == 2
    assert books.snapshot(0) == [(SELL, 102, 1), (SELL, 103, 1)]


def test_a_full_pool_rests_nothing_more() -> None:
    books = one_book(capacity=3)
    handles, fills = np.zeros(3, np.int64), np.zeros(9, FILL)
    rows = batch(*(limit(BUY, 100 + i, 1) for i in range(3)))
    process_batch(rows, 3, handles, fills, *books.arrays)
    assert [bool(handle) for handle in handles] == [True, True, False]
    assert books.counters[REJECTED] == 1
    assert books.snapshot(0) == [(BUY, 101, 1), (BUY, 100, 1)]


def test_growing_keeps_orders_and_handles() -> None:
    books = one_book(capacity=2)
    _, handles = books.process(batch(limit(BUY, 100, 1)))
    first = int(handles[0])
    books.ensure_capacity(1000)
    assert books.counters[FREE_COUNT] >= 1000
    assert books.cancel(first)
    with pytest.raises(ValueError, match="pool over"):
        books.ensure_capacity(MAX_ORDERS)


def test_best_prices_cross_empty_stretches_of_the_bitmap() -> None:
    books = one_book(n_levels=1024)
    asks, bids = [500, 511, 512, 575, 1022], [499, 448, 447, 65, 64, 1]
    books.process(batch(*(limit(SELL, price, 1) for price in asks), *(limit(BUY, price, 1) for price in bids)))
    for after in [*asks[1:], 1023]:
        books.process(batch(market(BUY, 1)))
        assert best(books)[1] == after
    for after in [*bids[1:], 0]:
        books.process(batch(market(SELL, 1)))
        assert best(books)[0] == after


def test_books_and_their_best_prices_do_not_mix() -> None:
    books = Books.create(n_levels=[64, 64, 64], n_accounts=3)
    books.process(batch(limit(BUY, 62, 1, book=0), limit(SELL, 1, 1, book=2), limit(BUY, 30, 1, 1, book=1)))
    fills, _ = books.process(batch(market(SELL, 5, 2, book=1), market(BUY, 5, 2, book=1)))
    assert trades(fills) == [(1, 2, 30, 1)]
    assert books.instruments["best_bid"].tolist() == [62, 0, 0]
    assert books.instruments["best_ask"].tolist() == [63, 63, 1]


def test_middle_price_and_what_stands_in_for_it() -> None:
    books = one_book()
    assert mid2(0, books.instruments) == 0
    books.process(batch(limit(BUY, 100, 1, 1)))
    assert mid2(0, books.instruments) == 200
    books.process(batch(limit(SELL, 103, 2, 1)))
    assert mid2(0, books.instruments) == 203
    books.process(batch(market(BUY, 1), market(SELL, 1)))
    assert mid2(0, books.instruments) == 200, "last trade at 100, below the only ask"
    books.process(batch(market(BUY, 1), limit(BUY, 110, 1, 1)))
    assert mid2(0, books.instruments) == 220, "last trade at 103, but somebody bids 110"


def test_depth_counts_whole_levels_within_each_distance() -> None:
    books = one_book(n_levels=1024)
    books.process(batch(limit(BUY, 499, 1), limit(BUY, 495, 2), limit(BUY, 450, 4), limit(SELL, 505, 8)))
    lots, notional = books.depth_within(book=0, side=BUY, centre=500, distances_bps=[10, 20, 100, 999, 1000])
    assert lots.tolist() == [0, 1, 3, 3, 7]
    assert notional.tolist() == [0, 499, 1489, 1489, 3289]
    lots, _ = books.depth_within(book=0, side=SELL, centre=500, distances_bps=[99, 100])
    assert lots.tolist() == [0, 8]


def test_books_share_the_arrays_of_a_ledger() -> None:
    instruments, accounts, positions = np.zeros(2, INSTRUMENT), np.zeros(3, ACCOUNT), np.zeros((3, 2), POSITION)
    instruments["n_levels"] = [128, 64]
    instruments["tick_value"] = 5
    positions["lots"] = 7
    books = Books(instruments=instruments, positions=positions, accounts=accounts)
    assert instruments["level_base"].tolist() == [0, 128]
    assert instruments["tick_value"].tolist() == [5, 5]
    books.process(batch(limit(SELL, 60, 4, account=2, book=1)))
    assert positions["open_ask"].tolist() == [[0, 0], [0, 0], [0, 4]]
    assert (positions["lots"] == 7).all()
    assert accounts["first_order"].tolist() == [NONE, NONE, 0]


def test_what_does_not_fit_together_is_refused() -> None:
    for n_levels in (0, 100, -64):
        with pytest.raises(ValueError, match="multiple of 64"):
            Books.create(n_levels=[n_levels], n_accounts=1)
    with pytest.raises(ValueError, match="capacity"):
        Books.create(n_levels=[64], n_accounts=1, capacity=MAX_ORDERS + 1)
    with pytest.raises(ValueError, match="positions: shape"):
        Books(
            instruments=np.full(1, 64, INSTRUMENT), positions=np.zeros((1, 1), POSITION), accounts=np.zeros(2, ACCOUNT)
        )
    with pytest.raises(ValueError, match="messages"):
        one_book().process(np.zeros(3, FILL))
    with pytest.raises(ValueError, match="messages"):
        one_book().process(np.zeros((3, 1), MESSAGE))


# The reference README's table: what a correct book ends with.
ENDS: dict[str, dict[str, int]] = {
    "steady": {
        "fills": 369_783,
        "volume": 2_041_036,
        "notional": 20_415_757_393,
        "best_bid": 10_002,
        "best_ask": 10_003,
        "live": 4_376,
        "resting_qty": 46_254,
        "tape_crc32": 2_619_244_112,
    },
    "cascade": {
        "fills": 102_856,
        "volume": 692_946,
        "notional": 6_655_494_242,
        "best_bid": 9_122,
        "best_ask": 9_123,
        "live": 3_098,
        "resting_qty": 32_736,
        "tape_crc32": 3_218_268_009,
    },
}


@pytest.mark.parametrize(("scenario", "n"), benchmark.STANDARD)
def test_reference_streams_end_to_the_last_fill_as_they_should(scenario: str, n: int) -> None:
    if shared_file("reference/lob_workload.py") is None:
        pytest.skip("the shared reference data are not beside the repository; CASCADE_SHARED may name their folder")
    stream = made_stream(scenario=scenario, n=n)
    books = benchmark.fresh_books(stream)
    fills, _ = books.process(messages_of(stream))
    assert benchmark.end_state(books, fills) == ENDS[scenario]


def small_stream(path: Path, **changes: Any) -> Path:
    orders = np.zeros(3, [("op", "u1"), ("side", "u1"), ("price", "i4"), ("qty", "i4"), ("oid", "i8"), ("agent", "i4")])
    orders[:] = [(0, BUY, 100, 5, 1, 0), (1, SELL, 0, 2, 2, 1), (2, BUY, 100, 3, 1, 0)]
    contents = {"orders": orders, "expect": json.dumps({"fills": 1, "live": 0}), **changes}
    np.savez(path, **{key: value for key, value in contents.items() if value is not None})
    return path


def test_benchmark_reads_a_stream_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = small_stream(tmp_path / "small.npz")
    assert benchmark.main([str(path), "--json", "--repeats", "1"]) == 0
    result = json.loads(capsys.readouterr().out)["streams"][0]
    assert result["as_expected"] == {"fills": True, "live": True}
    assert result["end_state"]["volume"] == 2
    wrong = small_stream(tmp_path / "wrong.npz", expect=json.dumps({"fills": 2}))
    assert benchmark.main([str(wrong), "--repeats", "1"]) == 1
    assert "NOT AS EXPECTED" in capsys.readouterr().out


def test_benchmark_says_in_one_line_what_is_wrong_with_a_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = small_stream(tmp_path / "whole.npz")
    cut = tmp_path / "cut.npz"
    cut.write_bytes(whole.read_bytes()[:-300])
    stranger = small_stream(tmp_path / "stranger.npz", orders=np.zeros(3))
    changed = small_stream(tmp_path / "changed.npz", expect=json.dumps({"orders_crc32": 1}))
    partial = small_stream(tmp_path / "partial.npz", expect=None)
    cases = {
        tmp_path / "missing.npz": "No such file",
        cut: "cut short",
        stranger: "records of op",
        changed: "orders_crc32",
        partial: "no expect",
    }
    for path, reason in cases.items():
        assert benchmark.main([str(path)]) == 2
        error = capsys.readouterr().err
        assert error.count("\n") == 1
        assert path.name in error
        assert reason in error


def test_a_stream_may_not_cancel_what_nobody_sent(tmp_path: Path) -> None:
    stream = read_stream(small_stream(tmp_path / "small.npz"))
    stream.orders["oid"][2] = 7
    with pytest.raises(StreamError, match="row 2 cancels order 7"):
        messages_of(stream)
