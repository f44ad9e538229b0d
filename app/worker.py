"""The process behind one view: it runs the worlds, takes messages, and sends the newest frame when the last was drawn.

It ends when its pipe is closed, and when the server has died, however that died.
"""

from __future__ import annotations

import ctypes
import json
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app import protocol
from app.limits import Limits

if TYPE_CHECKING:
    from app.catalogue import Source
    from app.view import View

FRAME_SECONDS = 0.05
"""Least time between two frames."""
SLICE_SECONDS = 0.03
"""Most time that the engine runs before messages are looked at again."""
SLICE_TICKS = 8
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""Options of glibc's `mallopt`."""
KEPT_BYTES = 1 << 18
"""Larger blocks are given back to the system when they are freed."""
BEHIND_SECONDS = 0.25
"""A run that cannot keep the asked pace by more than this goes on from where it is."""


@dataclass(frozen=True, kw_only=True)
class Config:
    """What a worker is told when it starts."""

    limits: Limits = field(default_factory=Limits)
    studies: tuple[str, ...] = ()


def main(conn: Connection, config: Config) -> None:
    """Run until the other end closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the server's, which then closes the pipe
    threading.Thread(target=_die_with_parent, daemon=True).start()
    _give_memory_back()
    with suppress(EOFError, BrokenPipeError, ConnectionResetError):  # the view was closed
        Worker(conn, config).run()


def _give_memory_back() -> None:
    """Let glibc return freed blocks to the system.

    By itself it raises the size up to which blocks are kept for later, so that a frame's arrays leave holes in its
    heap, and an hour of frames and restarts a larger process.
    """
    with suppress(OSError, AttributeError):  # another C library
        library = ctypes.CDLL(None)
        library.mallopt(M_MMAP_THRESHOLD, KEPT_BYTES)
        library.mallopt(M_TRIM_THRESHOLD, 4 * KEPT_BYTES)


def _die_with_parent() -> None:
    """A server that was killed closes nothing in an orderly way; whoever computes would not notice for long."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(0)


class Worker:
    """Messages in, frames out."""

    def __init__(self, conn: Connection, config: Config) -> None:
        self._conn, self._config = conn, config
        self._view: View | None = None
        self._rate = 0.0
        self._jump: str | None = None
        self._fills = 0
        self._began = self._done = 0.0
        self._number = 0
        self._outstanding: int | None = None
        self._dirty = False
        self._last_frame = 0.0

    def run(self) -> None:
        """The loop. Raises EOFError when the view is closed."""
        while True:
            if self._conn.poll(self._patience()):
                self._receive(json.loads(self._conn.recv_bytes()))
                continue
            try:
                self._advance()
            except Exception as error:
                self._stop()
                self._fail(error)
            self._frame()

    def _patience(self) -> float | None:
        """Seconds to wait for a message before there is something to do; None: for ever."""
        if self._view is None:
            return None
        if self._running:
            return 0.0 if self._jump or self._owed() >= 1.0 else min(0.01, 1.0 / self._rate)
        if self._dirty and self._outstanding is None:
            return max(0.0, self._last_frame + FRAME_SECONDS - time.monotonic())
        return None

    @property
    def _running(self) -> bool:
        return self._view is not None and (self._rate > 0.0 or self._jump is not None)

    def _send(self, message: dict[str, Any]) -> None:
        self._conn.send_bytes(json.dumps(message, separators=(",", ":"), allow_nan=False).encode())

    def _fail(self, error: BaseException, where: str = "") -> None:
        from experiments import InputError

        text = str(error) if isinstance(error, InputError) else f"{type(error).__name__}: {error}"
        if isinstance(error, MemoryError):
            text = "not enough memory for this run"
        self._send(protocol.error(text, where))

    # ---- messages

    def _receive(self, envelope: dict[str, Any]) -> None:
        """Do what a message says; whatever goes wrong is told and nothing else happens."""
        message = protocol.parse(json.dumps(envelope["message"]))
        try:
            if isinstance(message, protocol.Open):
                self._open(message, envelope["source"])
            elif isinstance(message, protocol.Ack):
                if message.number == self._outstanding:
                    self._outstanding = None
            elif self._view is None:
                self._send(protocol.error('nothing is open yet: send {"do": "open", ...} first', "do"))
            else:
                self._do(self._view, message)
        except Exception as error:
            self._fail(error, str(envelope["message"]["do"]))

    def _do(self, view: View, message: Any) -> None:
        answers: dict[type, Callable[[Any], Any]] = {
            protocol.Account: lambda said: self._send(view.account(said)),
            protocol.Export: lambda said: self._send(view.export(said)),
            protocol.Set: view.set,
            protocol.Shock: view.shock,
            protocol.SelectBook: lambda said: setattr(view, "book", said.book),
            protocol.SelectVenue: lambda said: view.select_venue(said.venue),
            protocol.Step: lambda said: self._step(view, said.ticks),
            protocol.Pause: lambda _: self._stop(),
            protocol.Play: self._play,
            protocol.Jump: self._set_out,
            protocol.Restart: lambda _: self._restart(view),
        }
        answers[type(message)](message)
        self._dirty = self._dirty or not isinstance(message, protocol.Account | protocol.Export)

    def _open(self, message: protocol.Open, source: dict[str, Any]) -> None:
        from app.catalogue import Source
        from app.view import View
        from experiments import kernel_cache

        self._stop()
        made: Source = Source(**source)
        with kernel_cache.announced(self._say):
            self._view = View(
                message, made, limits=self._config.limits, studies=[Path(name) for name in self._config.studies],
                say=self._say,
            )  # fmt: skip
            self._begin()

    def _restart(self, view: View) -> None:
        self._stop()
        view.restart()
        self._begin()

    def _begin(self) -> None:
        assert self._view is not None
        self._outstanding, self._dirty = None, True
        self._send(self._view.world())

    def _say(self, text: str) -> None:
        self._send({"is": "progress", "message": text})

    # ---- time

    def _play(self, message: protocol.Play) -> None:
        self._jump, self._rate = None, message.ticks_per_second
        self._began, self._done = time.monotonic(), 0.0

    def _set_out(self, message: protocol.Jump) -> None:
        assert self._view is not None
        self._rate, self._jump, self._fills = 0.0, message.to, self._view.fills

    def _step(self, view: View, ticks: int) -> None:
        self._stop()
        view.advance(ticks)

    def _stop(self) -> None:
        self._rate, self._jump = 0.0, None

    def _owed(self) -> float:
        """Ticks that should have been taken by now and were not."""
        return (time.monotonic() - self._began) * self._rate - self._done

    def _advance(self) -> None:
        """Take the steps that are due, for a while."""
        view = self._view
        if view is None or not self._running:
            return
        until = time.monotonic() + SLICE_SECONDS
        while self._running and time.monotonic() < until:
            if view.tick >= view.ticks:
                self._stop()
            elif self._jump is not None:
                # Forced fills are found tick by tick, so that it stops at the first.
                view.advance(1 if self._jump == "liquidation" else SLICE_TICKS)
                if self._jump == "liquidation" and view.fills > self._fills:
                    self._stop()
            else:
                ticks = min(int(self._owed()), SLICE_TICKS)
                if ticks < 1:
                    return
                view.advance(ticks)
                self._done += ticks
            self._dirty = True
        if self._rate and self._owed() > BEHIND_SECONDS * self._rate:
            self._began, self._done = time.monotonic(), 0.0

    def _frame(self) -> None:
        """Send the newest frame, if there is one to send and the last was drawn."""
        now = time.monotonic()
        if self._view is None or not self._dirty or self._outstanding is not None:
            return
        if now - self._last_frame < FRAME_SECONDS:
            return
        self._number += 1
        self._dirty, self._last_frame = False, now
        self._outstanding = self._number
        frame = {"is": "frame", "number": self._number, "playing": self._running, **self._view.frame()}
        self._send(frame)
