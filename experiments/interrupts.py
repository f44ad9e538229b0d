"""Ctrl-C as one clean end, whenever it comes. Imports nothing but the standard library, so that it can come first.

Python raises KeyboardInterrupt between any two instructions: also within a callback from LLVM, which crashes on it, in
a destructor, which swallows it, and once more within the clean-up that the first one began.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from types import FrameType

ONE_AND_THE_SAME_SECONDS = 3.0
"""Ctrl-C again so soon means the same: the clean-up goes on."""
RETRY_SECONDS = 0.02


class _Interrupts:
    """Handles SIGINT, and SIGALRM for what had to wait."""

    def __init__(self) -> None:
        self._last = -ONE_AND_THE_SAME_SECONDS

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if time.monotonic() - self._last < ONE_AND_THE_SAME_SECONDS:
            return
        if _cannot_stop(frame) and hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_REAL, RETRY_SECONDS)
            return
        self._last = time.monotonic()
        raise KeyboardInterrupt


def _cannot_stop(frame: FrameType | None) -> bool:
    """Whether a call on the stack must not end with an exception."""
    while frame is not None:
        code = frame.f_code
        if code.co_name == "__del__" or f"llvmlite{os.sep}binding" in code.co_filename:
            return True
        frame = frame.f_back
    return False


def install() -> None:
    """Handle Ctrl-C like that from now on, unless the process was started to ignore it (as by `nohup`)."""
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        return
    handler = _Interrupts()
    signal.signal(signal.SIGINT, handler)
    if hasattr(signal, "SIGALRM"):
        signal.signal(signal.SIGALRM, handler)


def ignore() -> None:
    """Let nothing interrupt any more: the work is over, the interpreter takes itself down."""
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, 0.0)
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def open_streams() -> None:
    """Give a process that was started with a closed stdout or stderr (`>&-`) one that leads nowhere."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115  open until the process ends
