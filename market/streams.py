"""Named random streams: every draw is a pure function of (seed, stream name, tick).

Each stream is a Philox counter generator (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011)
whose key is a hash of seed and name. Adding a stream, or leaving one unread, moves nobody else's draws, and any tick
can be asked for in any order, so two designs compare on common random numbers and a run can be branched anywhere.

A *splice* (tick, seed) gives all draws from that tick on another seed: the run is the same up to there, and another one
after it. What is not indexed by tick, such as whatever is drawn while a world is set up, keeps the first seed.
"""

from __future__ import annotations

import hashlib
import operator
from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import NDArray

BLOCK_TICKS = 256
"""Ticks drawn at a time. Part of every stream's definition: another value gives other draws."""

Kind = Literal["uniform", "normal", "exponential"]
Splices = tuple[tuple[int, int], ...]
"""(tick, seed): the seed of all draws from that tick on, until the next one; ticks do not fall, the last one counts."""


class Draws:
    """A generator that can be placed at any index; what it gives there depends on seed, name and index only.

    For events that need a number of draws unknown beforehand (the jumps of a block, the bridge of a bar).
    """

    __slots__ = ("_bits", "_counter", "_generator", "_origin")

    def __init__(self, *, seed: int, name: str) -> None:
        digest = hashlib.blake2b(f"{seed}\0{name}".encode(), digest_size=16).digest()
        self._bits = np.random.Philox(key=np.frombuffer(digest, dtype="<u8").astype(np.uint64))
        self._generator = np.random.Generator(self._bits)
        # Writing this state back is ten times cheaper than a new generator, and empties its buffers as well.
        self._origin = self._bits.state
        self._counter = self._origin["state"]["counter"]

    def at(self, index: int) -> np.random.Generator:
        """The generator, placed at `index` >= 0. One object, placed anew by every call: draw before the next one."""
        if index < 0:
            raise ValueError(f"draws are counted from 0, not {index}")
        # The index is the highest of the four words: 2^192 draws lie between two neighbours.
        self._counter[3] = index
        self._bits.state = self._origin
        return self._generator


class Stream:
    """`width` independent draws for each tick, handed out row by row."""

    __slots__ = ("_first", "_kind", "_parts", "_rows", "width")

    def __init__(self, *, seed: int, name: str, width: int, kind: Kind, splices: Splices = ()) -> None:
        if width < 0:
            raise ValueError(f"stream {name!r}: width must be 0 or more, not {width}")
        if kind not in ("uniform", "normal", "exponential"):
            raise ValueError(f"stream {name!r}: kind must be uniform, normal or exponential, not {kind!r}")
        self.width = width
        self._kind = kind
        self._parts = [(tick, Draws(seed=other, name=name)) for tick, other in ((0, seed), *splices)]
        self._rows: NDArray[np.float64] = np.empty((0, width))
        self._first = 0

    def row(self, tick: int) -> NDArray[np.float64]:
        """The draws of `tick` >= 0, shape (width,): a view into the current block."""
        offset = tick - self._first
        if 0 <= offset < len(self._rows):
            return self._rows[offset]  # type: ignore[no-any-return]
        index, offset = divmod(tick, BLOCK_TICKS)
        self._rows = self.block(index)
        self._first = index * BLOCK_TICKS
        return self._rows[offset]  # type: ignore[no-any-return]

    def block(self, index: int) -> NDArray[np.float64]:
        """All rows of ticks `index * BLOCK_TICKS` onwards, shape (BLOCK_TICKS, width), a new array."""
        first = index * BLOCK_TICKS
        known = max((at for at, (tick, _) in enumerate(self._parts) if tick <= first), default=0)
        rows = self._drawn(self._parts[known][1].at(index))
        for tick, draws in self._parts[known + 1 :]:
            if tick < first + BLOCK_TICKS:
                rows[tick - first :] = self._drawn(draws.at(index))[tick - first :]
        return rows

    def _drawn(self, generator: np.random.Generator) -> NDArray[np.float64]:
        shape = (BLOCK_TICKS, self.width)
        if self._kind == "uniform":
            return generator.random(shape)
        if self._kind == "normal":
            return generator.standard_normal(shape)
        return generator.standard_exponential(shape)


class Streams:
    """All randomness of a run. `seed` is any integer from 0; a name always gives the same draws.

    `prefix` comes before every name: the venues of a system draw apart from each other. `splices` give later ticks
    other seeds; ValueError when their ticks fall.
    """

    def __init__(self, seed: int, *, prefix: str = "", splices: Splices = ()) -> None:
        try:
            value = operator.index(seed)
        except TypeError:
            raise ValueError(f"seed must be a whole number from 0, not {seed!r}") from None
        if isinstance(seed, bool) or value < 0:
            raise ValueError(f"seed must be a whole number from 0, not {seed!r}")
        ticks = [0, *(tick for tick, _ in splices)]
        if ticks != sorted(ticks):
            raise ValueError(f"splices must be in the order of their ticks, from 0, not at {ticks[1:]}")
        self.seed = value
        self.prefix = prefix
        self.splices = splices

    def within(self, name: str) -> Streams:
        """The streams of a part of the run, named after it."""
        return Streams(self.seed, prefix=f"{self.prefix}{name}/", splices=self.splices)

    def stream(self, name: str, *, width: int, kind: Kind = "uniform") -> Stream:
        """Draws per tick: uniforms on [0, 1), standard normals or exponentials of mean 1."""
        return Stream(seed=self.seed, name=self.prefix + name, width=width, kind=kind, splices=self.splices)

    def draws(self, name: str) -> Draws:
        """A generator placed at an index of the caller's choice. Splices do not reach it."""
        return Draws(seed=self.seed, name=self.prefix + name)

    def draws_of_blocks(self, name: str) -> Callable[[int], np.random.Generator]:
        """The same, placed at the number of a block of `BLOCK_TICKS` ticks; a splice changes the blocks after it."""
        parts = [(tick, Draws(seed=seed, name=self.prefix + name)) for tick, seed in ((0, self.seed), *self.splices)]
        return lambda index: [draws for tick, draws in parts if tick <= index * BLOCK_TICKS][-1].at(index)

    def generator(self, name: str) -> np.random.Generator:
        """A generator of its own for draws made once, while a world is set up."""
        return Draws(seed=self.seed, name=self.prefix + name).at(0)
