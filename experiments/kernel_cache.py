"""The folders of compiled kernels, one for every version of their sources: old ones go, trouble with them is named."""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from functools import cache
from pathlib import Path
from types import TracebackType

from market.kernels.jit import CACHE_FOLDER, when_compiling

KEPT_SECONDS = 30 * 86_400.0
"""A folder that nobody has used for so long is removed."""
ROOM_MB = 30
"""What the kernels of one version take, with something to spare."""
_OWN = re.compile("[0-9a-f]{16}")
_REMOVED = re.compile(r"\.removed-[0-9a-f]{16}-\d+")


@cache
def tidy() -> None:
    """Note that the kernels of this version are in use, and remove versions that are not any more; once a process."""
    remove_unused(CACHE_FOLDER)


def remove_unused(current: Path) -> None:
    """Mark `current` as used now and remove the folders beside it that have not been used for `KEPT_SECONDS`.

    Safe beside other processes: a folder is renamed before it is taken apart, and whoever still has the old sources
    finds none and compiles anew. A folder that cannot be touched or removed stays.
    """
    with suppress(OSError):
        os.utime(current)
    if not _OWN.fullmatch(current.name):
        return
    oldest = time.time() - KEPT_SECONDS
    with suppress(OSError):
        for folder in list(current.parent.iterdir()):
            with suppress(OSError):
                if _REMOVED.fullmatch(folder.name):  # by a process that was killed meanwhile
                    shutil.rmtree(folder, ignore_errors=True)
                elif folder != current and _OWN.fullmatch(folder.name) and folder.stat().st_mtime < oldest:
                    away = folder.with_name(f".removed-{folder.name}-{os.getpid()}")
                    folder.rename(away)
                    shutil.rmtree(away, ignore_errors=True)


def lasts() -> bool:
    """Whether the next process finds what this one compiles; it does not where no folder for it can be written."""
    return _OWN.fullmatch(CACHE_FOLDER.name) is not None


def announced(say: Callable[[str], None]) -> AbstractContextManager[None]:
    """Say so whenever kernels have to be compiled: for a first run, a first cascade, a first portfolio margin."""
    often = "this once" if lasts() else "and again next time: no folder can be written to keep kernels in"
    return when_compiling(lambda: say(f"compiling, {often} (up to a minute)"))


def trouble(error: OSError) -> str | None:
    """What to say about an error that came from reading or writing compiled kernels; None for any other."""
    if not _from_cache(error.__traceback__):
        return None
    return (
        f"{CACHE_FOLDER}: compiled kernels cannot be kept: {error.strerror or error}; they need about {ROOM_MB} MB "
        "there, or in another folder named by XDG_CACHE_HOME"
    )


def _from_cache(traceback: TracebackType | None) -> bool:
    """Whether the error passed through numba's cache."""
    while traceback is not None:
        if Path(traceback.tb_frame.f_code.co_filename).parts[-3:] == ("numba", "core", "caching.py"):
            return True
        traceback = traceback.tb_next
    return False
