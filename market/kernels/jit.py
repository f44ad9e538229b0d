"""The one way a kernel is compiled: `njit` with an on-disk cache that notices every change.

numba's own cache looks only at the file a function stands in; a callee changed in another file keeps the
stale caller. Here the cache folder carries a hash of *all* kernel sources, so any edit starts a fresh folder,
and it lives under the user's cache directory, so a read-only installation works too.
"""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numba
import platformdirs
from numba import types
from numba.core import event

_PACKAGES = Path(__file__).resolve().parents[2]
_KERNEL_FOLDERS = ("market/kernels", "agents/kernels")


def _source_hash() -> str:
    # numba looks compiled kernels up by the path of their sources, too.
    digest = hashlib.sha256(f"{numba.__version__} {sys.version_info[:2]} {_PACKAGES}".encode())
    for folder in _KERNEL_FOLDERS:
        for path in sorted((_PACKAGES / folder).rglob("*.py")):
            digest.update(path.name.encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _cache_folder() -> Path:
    for root in (Path(platformdirs.user_cache_dir("cascade-kernels")), Path(tempfile.gettempdir()) / "cascade-kernels"):
        folder = root / _source_hash()
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError:
            continue
        if os.access(folder, os.W_OK):
            return folder
    return Path(tempfile.mkdtemp(prefix="cascade-kernels-"))


CACHE_FOLDER = _cache_folder()


class _Listener(event.Listener):  # type: ignore[misc]
    def __init__(self, notify: Callable[[], None]) -> None:
        self._notify = notify

    def on_start(self, event: object) -> None:
        """A kernel that the cache does not hold is about to be compiled."""
        del event
        self._notify()

    def on_end(self, event: object) -> None:
        """Nothing."""


@contextmanager
def when_compiling(notify: Callable[[], None]) -> Iterator[None]:
    """Call `notify` before every kernel that is compiled, not for those that come from the cache."""
    with event.install_listener("numba:compile", _Listener(notify)):
        yield


def _with_one_kind_of_integer(dispatcher: Any) -> Any:
    """Let calls from other kernels pass every signed integer as int64.

    numba would compile `transfer` anew for the literal 0, the literal 1, an int32 out of a record and an int64: two
    dozen copies of the same code, a quarter of the time of a cold start.
    """
    find = dispatcher.get_call_template

    def find_general(args: tuple[Any, ...], kws: dict[str, Any]) -> Any:
        return find(tuple(_general(arg) for arg in args), {name: _general(arg) for name, arg in kws.items()})

    dispatcher.get_call_template = find_general
    return dispatcher


def _general(numba_type: Any) -> Any:
    plain = types.unliteral(numba_type)
    return types.int64 if isinstance(plain, types.Integer) and plain.signed else plain


def _compile(function: Callable[..., Any], **options: bool) -> Any:
    before = numba.config.CACHE_DIR
    numba.config.CACHE_DIR = str(CACHE_FOLDER)
    try:
        # error_model "numpy": no zero-division branch in the many divisions; divisors are checked at build time.
        return _with_one_kind_of_integer(numba.njit(cache=True, error_model="numpy", **options)(function))
    finally:
        numba.config.CACHE_DIR = before


def kernel(function: Callable[..., Any]) -> Any:
    """Compile `function` lazily in nopython mode, cached on disk across processes."""
    return _compile(function)


def inline(function: Callable[..., Any]) -> Any:
    """Compile `function` as a piece of other kernels: inlined where it is called, and without reference counts.

    It cannot allocate (`np.zeros` in it fails to compile). Eight arrays are some sixty machine words to pass on and an
    atomic count each; without both, the order book runs four times faster. Not for calls from Python in a run: a call
    works, but costs half as much again as one of a `kernel`.
    """
    return _compile(function, forceinline=True, _nrt=False)


def allocating(function: Callable[..., Any]) -> Any:
    """Compile `function` like a `kernel`, for calls from `inline` ones: those hand it arrays, it may make its own."""
    return _compile(function, _nrt=True)
