"""Columns made small for a page: whole numbers, as differences, in the narrowest type, all deflated together."""

from __future__ import annotations

import base64
import json
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

_TYPES = (("i1", np.int8), ("i2", np.int16), ("i4", np.int32))


class Pack:
    """Named columns and whatever JSON goes with them."""

    def __init__(self) -> None:
        self._told: list[dict[str, Any]] = []
        self._bytes: list[bytes] = []
        self._whose = ""

    def begin(self, whose: str) -> None:
        """Let the names of what follows begin so."""
        self._whose = whose

    def add(self, name: str, values: NDArray[Any], *, scale: float = 1.0) -> None:
        """Add a column as multiples of `scale`, to which it is rounded; coarser ones where they would not fit in 32
        bits. Differences are taken, since neighbours are near each other."""
        numbers = np.nan_to_num(np.asarray(values, np.float64), posinf=0.0, neginf=0.0)
        largest = float(np.abs(numbers).max()) if len(numbers) else 0.0
        while largest / scale >= 2**30:
            scale *= 10.0
        whole = np.rint(numbers / scale).astype(np.int64)
        steps = np.diff(whole, prepend=0)
        most = int(np.abs(steps).max(initial=0))
        kind = next(name for name, type_ in _TYPES if most <= np.iinfo(type_).max)
        self._told.append(
            {"name": self._whose + name, "type": kind, "n": len(steps), "scale": scale, "difference": True}
        )
        self._bytes.append(steps.astype(f"<{kind}").tobytes())

    def text(self, **more: Any) -> str:
        """Base64 of the deflated whole; app/page/source-replay.js takes it apart."""
        head = json.dumps({**more, "columns": self._told}, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
        encoded = head.encode()
        data = len(encoded).to_bytes(4, "little") + encoded + b"".join(self._bytes)
        return base64.b64encode(zlib.compress(data, 9)).decode()
