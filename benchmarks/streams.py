"""Order streams of `lob_workload.py`: read one from a file or make it, and turn it into the book's messages.

A stream file is an .npz with `orders`, a record array of op, side, price, qty, oid, agent, and `expect`, a JSON object
with what a correct book ends with.
"""

from __future__ import annotations

import importlib.util
import json
import os
import tempfile
import zipfile
import zlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs
from numpy.typing import NDArray

from benchmarks.shared import shared_file
from market.kernels.records import CANCEL, LIMIT, MARKET, MESSAGE

FIELDS = ("op", "side", "price", "qty", "oid", "agent")
_OPERATIONS = (LIMIT, MARKET, CANCEL)  # by the stream's own numbers 0, 1, 2
_GENERATOR = "reference/lob_workload.py"


class StreamError(ValueError):
    """A stream that cannot be used; the message is one line."""


@dataclass(frozen=True, kw_only=True)
class Stream:
    """Messages for one book, and what must come out."""

    name: str
    orders: NDArray[np.void]
    expect: dict[str, Any]


def read_stream(path: Path) -> Stream:
    """Read a stream file. Raises StreamError when it is missing, truncated or something else."""
    try:
        with np.load(path, allow_pickle=False) as file:
            missing = [key for key in ("orders", "expect") if key not in file]
            if missing:
                raise StreamError(f"{path}: not an order stream: no {' and no '.join(missing)} in it")
            orders, text = file["orders"], str(file["expect"])
    except StreamError:
        raise
    except OSError as error:
        raise StreamError(f"{path}: {error.strerror or 'not a readable .npz file'}") from None
    except (ValueError, TypeError, AttributeError, EOFError, zipfile.BadZipFile, zlib.error):
        raise StreamError(f"{path}: not an .npz file with orders and expect, or cut short") from None
    try:
        expect = json.loads(text)
    except json.JSONDecodeError as error:
        raise StreamError(f"{path}: expect is not JSON: {error.msg}") from None
    stream = Stream(name=str(path), orders=orders, expect=expect)
    _check(stream)
    return stream


def made_stream(*, scenario: str, n: int, seed: int = 7) -> Stream:
    """Make a stream with the shared generator; it is kept in the user's cache directory.

    Raises StreamError when the generator is not there.
    """
    generator = shared_file(_GENERATOR)
    if generator is None:
        raise StreamError(f"{_GENERATOR} not found: name a stream file, or set CASCADE_SHARED to the shared folder")
    version = zlib.crc32(generator.read_bytes())
    name = f"{scenario}, n={n}, seed {seed}"
    folder = Path(platformdirs.user_cache_dir("cascade-benchmarks"))
    kept = folder / f"{scenario}-{n}-{seed}-{version:08x}.npz"
    if kept.is_file():
        try:
            return replace(read_stream(kept), name=name)
        except StreamError:
            kept.unlink(missing_ok=True)
    stream = _generate(generator, name=name, scenario=scenario, n=n, seed=seed)
    _keep(stream, kept)
    return stream


def messages_of(stream: Stream) -> NDArray[np.void]:
    """The stream as one MESSAGE batch: order ids become tags, a cancel names the row of its order.

    Raises StreamError when a cancel names an order that no earlier row sends.
    """
    orders = stream.orders
    messages = np.zeros(len(orders), MESSAGE)
    for ours, theirs in (("side", "side"), ("price", "price"), ("lots", "qty"), ("tag", "oid"), ("account", "agent")):
        messages[ours] = orders[theirs]
    messages["op"] = np.array(_OPERATIONS)[orders["op"]]
    cancels = np.flatnonzero(messages["op"] == CANCEL)
    sent = np.flatnonzero(messages["op"] != CANCEL)
    by_id = sent[np.argsort(orders["oid"][sent], kind="stable")]
    ids = orders["oid"][by_id]
    wanted = orders["oid"][cancels]
    at = np.minimum(np.searchsorted(ids, wanted), max(len(ids) - 1, 0))
    known = (ids[at] == wanted) & (by_id[at] < cancels) if len(ids) else np.zeros(len(cancels), bool)
    if not known.all():
        row = int(cancels[np.flatnonzero(~known)[0]])
        raise StreamError(f"{stream.name}: row {row} cancels order {orders['oid'][row]}, which no earlier row sends")
    messages["target"][cancels] = -(1 + by_id[at])
    return messages


def _generate(generator: Path, *, name: str, scenario: str, n: int, seed: int) -> Stream:
    spec = importlib.util.spec_from_file_location("lob_workload", generator)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    orders, expect = module.generate(n, seed, scenario)
    tape = module.replay_reference(orders, tape=True).tape
    expect["tape_crc32"] = zlib.crc32(np.asarray(tape, np.int64).tobytes())
    expect["orders_crc32"] = zlib.crc32(orders.tobytes())
    return Stream(name=name, orders=orders, expect=expect)


def _keep(stream: Stream, path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".npz")
        with os.fdopen(handle, "wb") as file:
            np.savez_compressed(file, orders=stream.orders, expect=np.array(json.dumps(stream.expect)))
        os.replace(temporary, path)
    except OSError:
        return  # Only a cache: without it the stream is made again next time.


def _check(stream: Stream) -> None:
    """Raise StreamError unless the rows can be replayed and are the rows the file speaks of."""
    orders, expect, name = stream.orders, stream.expect, stream.name
    if not isinstance(expect, dict):
        raise StreamError(f"{name}: expect is not a JSON object")
    if orders.ndim != 1 or orders.dtype.names is None or not set(FIELDS) <= set(orders.dtype.names):
        raise StreamError(f"{name}: orders must be records of {', '.join(FIELDS)}")
    if not all(np.issubdtype(orders.dtype[field], np.integer) for field in FIELDS):
        raise StreamError(f"{name}: orders must be integers in {', '.join(FIELDS)}")
    if len(orders) == 0:
        raise StreamError(f"{name}: no orders in it")
    bad = (orders["op"] < 0) | (orders["op"] > 2) | (orders["agent"] < 0) | (orders["price"] > 2**24)
    if bad.any():
        raise StreamError(f"{name}: row {int(np.flatnonzero(bad)[0])}: unknown op, negative agent or price over 2^24")
    if "orders_crc32" in expect and zlib.crc32(orders.tobytes()) != expect["orders_crc32"]:
        raise StreamError(f"{name}: the orders are not those that expect speaks of (orders_crc32 differs)")
