"""Speed and exactness of the order book: `python -m benchmarks.book [STREAM.npz] [--json]`.

Replays a stream of `lob_workload.py` through the book in one batch on one core. Without a file it makes both standard
streams. Prints end state and tape checksum beside what they should be, messages per second (best and median of several
replays, compilation not counted) and what one resting order, one cancel and one fill cost.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.streams import Stream, StreamError, made_stream, messages_of, read_stream
from market.book import Books
from market.kernels.book import process_batch
from market.kernels.records import BUY, CANCEL, FILL, LIMIT, MARKET, MESSAGE, SELL

STANDARD = (("steady", 1_000_000), ("cascade", 200_000))
_PART = 4_000
"""Messages per batch when single operations are timed: about as many orders as rest in the steady stream."""


def fresh_books(stream: Stream) -> Books:
    """Empty books for a stream. All accounts are CROWD: the streams know no self-match rule."""
    n_levels = max(40_000, int(stream.orders["price"].max()) + 2)
    n_accounts = int(stream.orders["agent"].max()) + 1
    return Books.create(n_levels=[-(-n_levels // 64) * 64], n_accounts=n_accounts, crowd=True)


def end_state(books: Books, fills: NDArray[np.void]) -> dict[str, int | None]:
    """What the stream files state under `expect`, from the fills of a replay and the books after it."""
    instrument = books.instruments[0]
    bid, ask = int(instrument["best_bid"]), int(instrument["best_ask"])
    live = books.orders["handle"] != 0
    tape = np.stack([fills[name].astype(np.int64) for name in ("maker_tag", "taker_tag", "price", "lots")], axis=1)
    return {
        "fills": len(fills),
        "volume": int(fills["lots"].sum()),
        "notional": int((fills["lots"] * fills["price"]).sum()),
        "best_bid": bid if bid > 0 else None,
        "best_ask": ask if ask < instrument["n_levels"] - 1 else None,
        "live": int(live.sum()),
        "resting_qty": int(books.orders["lots"][live].sum()),
        "tape_crc32": zlib.crc32(tape.tobytes()),
    }


def replay(stream: Stream, *, repeats: int) -> dict[str, Any]:
    """Replay a stream `repeats` times; return its end state, which parts of it are as expected, and the speed."""
    messages = messages_of(stream)
    n = len(messages)
    start = time.perf_counter()
    books = fresh_books(stream)
    books.process(messages[:0])
    compile_seconds = time.perf_counter() - start
    # Written to once, so that the first touch of every memory page is not measured.
    handles, fills = np.ones(n, np.int64), np.ones(n, FILL)
    seconds = []
    for _ in range(repeats):
        books = fresh_books(stream)
        books.ensure_capacity(n)
        start = time.perf_counter()
        n_fills = process_batch(messages, n, handles, fills, *books.arrays)
        seconds.append(time.perf_counter() - start)
    state = end_state(books, fills[:n_fills])
    best, median = min(seconds), statistics.median(seconds)
    return {
        "stream": stream.name,
        "messages": n,
        "end_state": state,
        "as_expected": {key: value == stream.expect[key] for key, value in state.items() if key in stream.expect},
        "messages_per_second_best": round(n / best),
        "messages_per_second_median": round(n / median),
        "ns_per_message": round(best / n * 1e9, 1),
        "repeats": repeats,
        "compile_seconds": round(compile_seconds, 2),
    }


def single_operations(*, repeats: int) -> dict[str, float]:
    """Nanoseconds for one order that rests, one cancel in random order, and one market order with its one fill."""
    rng = np.random.default_rng(1)
    rests = np.zeros(_PART, MESSAGE)
    rests["op"], rests["lots"] = LIMIT, 10
    rests["side"] = rng.integers(0, 2, _PART)
    rests["price"] = 10_000 + np.where(rests["side"] == BUY, -1, 1) * rng.integers(1, 200, _PART)
    rests["account"] = rng.integers(0, 1000, _PART)
    takes = rests.copy()
    takes["op"], takes["side"] = MARKET, np.where(rests["side"] == BUY, SELL, BUY)
    cancels = rests.copy()
    cancels["op"] = CANCEL
    books = Books.create(n_levels=[40_000], n_accounts=1000, capacity=2 * _PART, crowd=True)
    handles, fills = np.ones(_PART, np.int64), np.ones(_PART, FILL)

    def timed(messages: NDArray[np.void]) -> float:
        start = time.perf_counter()
        process_batch(messages, _PART, handles, fills, *books.arrays)
        return (time.perf_counter() - start) / _PART * 1e9

    samples: dict[str, list[float]] = {"rest": [], "cancel": [], "fill": []}
    for _ in range(repeats):
        samples["rest"].append(timed(rests))
        cancels["target"] = rng.permutation(handles)
        samples["cancel"].append(timed(cancels))
        timed(rests)
        samples["fill"].append(timed(takes))
    return {f"{name}_ns": round(min(times), 1) for name, times in samples.items()}


def print_result(result: dict[str, Any]) -> None:
    """A few lines for people."""
    print(f"{result['stream']}: {result['messages']:,} messages")
    for key, value in result["end_state"].items():
        verdict = {True: "as expected", False: "NOT AS EXPECTED", None: ""}[result["as_expected"].get(key)]
        print(f"  {key:<12} {value if value is not None else 'none':>16}  {verdict}")
    print(
        f"  {result['messages_per_second_best'] / 1e6:.1f} million messages/s at best, "
        f"{result['messages_per_second_median'] / 1e6:.1f} in the median of {result['repeats']} replays "
        f"({result['ns_per_message']} ns a message; compilation {result['compile_seconds']} s)"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmark; 0 when every stream ends as it should, 1 when one does not, 2 when one cannot be read."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.book", description=__doc__.split("\n")[0])
    parser.add_argument("stream", nargs="?", type=Path, metavar="STREAM.npz", help="default: both standard streams")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    parser.add_argument("--repeats", type=int, default=15, help="replays per stream (default 15)")
    options = parser.parse_args(arguments)
    if options.repeats < 1:
        parser.error("--repeats must be at least 1")
    try:
        if options.stream is not None:
            streams = [read_stream(options.stream)]
        else:
            streams = [made_stream(scenario=scenario, n=n) for scenario, n in STANDARD]
        results = [replay(stream, repeats=options.repeats) for stream in streams]
    except StreamError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    parts = single_operations(repeats=10 * options.repeats)
    if options.json:
        print(json.dumps({"streams": results, "single_operations": parts}, indent=1))
    else:
        for result in results:
            print_result(result)
        print("one operation, in batches of one kind: " + ", ".join(f"{key[:-3]} {ns} ns" for key, ns in parts.items()))
    return 0 if all(all(result["as_expected"].values()) for result in results) else 1


if __name__ == "__main__":
    sys.exit(main())
