"""Output folders that appear whole or not at all.

Everything is written into a hidden sibling, `.NAME.partial-PID`, and renamed into place at the end. A killed run
leaves at most such a sibling, which the next run into the same place removes.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from market.errors import InputError

MARKER = "run.json"
"""The file by which a folder is known to be the output of an earlier run, and so may be replaced."""

FORMAT = 3
"""Number of the layout of a run's folder; in `run.json`, so that a later program knows what it reads."""

FILES = frozenset(
    {
        MARKER,
        "account_greeks.parquet",
        "accounts.parquet",
        "base.toml",
        "cascades.parquet",
        "causes.parquet",
        "checklists.md",
        "contagion.gexf",
        "contagion.graphml",
        "contagion.html",
        "crossings.parquet",
        "contagion.json",
        "contagion.svg",
        "depth.parquet",
        "differences.csv",
        "differences.md",
        "differences.tex",
        "greeks.parquet",
        "forced_causes.parquet",
        "hit.md",
        "kpis.json",
        "lending.parquet",
        "liquidations.parquet",
        "losses.parquet",
        "manifests.json",
        "measures.csv",
        "measures.md",
        "measures.tex",
        "picture.svg",
        "pools.parquet",
        "prices.parquet",
        "references.parquet",
        "report.html",
        "ro-crate-metadata.json",
        "runs.csv",
        "runs.parquet",
        "scenario.toml",
        "sensitivity.json",
        "sensitivity.md",
        "settlements.parquet",
        "snapshots.parquet",
        "study.toml",
        "venue_prices.parquet",
    }
)
"""What a run writes; a folder with anything else in it is somebody's work and is never replaced."""

UNWRITABLE = frozenset(
    {
        errno.ENOSPC,
        errno.EDQUOT,
        errno.EACCES,
        errno.EPERM,
        errno.EROFS,
        errno.EFBIG,
        errno.EIO,
        errno.ENAMETOOLONG,
        errno.ENOTDIR,
    }
)
"""System errors that are about the place, not about the program."""


def check(target: Path, *, replace: bool) -> None:
    """Make sure `target` can be written, before any work is done. Raises InputError.

    An empty folder may always be filled; the folder of an earlier run is replaced if `replace` is true and nothing
    but the run is in it; anything else that is already there is left alone.
    """
    if target.is_symlink() or target.exists():
        if not target.is_dir():
            raise InputError(f"{target}: exists and is not a folder")
        if not _is_empty(target):
            if not (target / MARKER).is_file():
                raise InputError(f"{target}: exists and is not the folder of an earlier run (it has no {MARKER})")
            if not replace:
                raise InputError(f"{target}: holds an earlier run; say --overwrite to replace it")
            if foreign := sorted(_foreign(target)):
                more = f" and {len(foreign) - 1} more" if len(foreign) > 1 else ""
                raise InputError(
                    f"{target}: not replaced, it holds what no run writes: {foreign[0]}{more}; "
                    "move that away or choose another folder with --out"
                )
    parent = target.absolute().parent
    while not parent.exists():
        parent = parent.parent
    try:
        os.rmdir(tempfile.mkdtemp(prefix=".probe-", dir=parent))
    except OSError as error:
        raise InputError(f"{target}: cannot be written: {error.strerror}") from None


def _foreign(target: Path) -> Iterator[str]:
    """Names in a run folder that no run writes; a venue of a run has a folder of its own."""
    for path in target.iterdir():
        if path.is_dir() and not path.is_symlink() and (path / MARKER).is_file():
            yield from (f"{path.name}/{name}" for name in _foreign(path))
        elif path.name not in FILES:
            yield path.name


def check_file(target: Path) -> None:
    """Make sure the file `target` can be written into a folder that is there. Raises InputError."""
    if target.is_dir():
        raise InputError(f"{target}: is a folder")
    if not target.absolute().parent.is_dir():
        raise InputError(f"{target}: cannot be written: there is no folder {target.parent}")
    try:
        os.rmdir(tempfile.mkdtemp(prefix=".probe-", dir=target.absolute().parent))
    except OSError as error:
        raise InputError(f"{target}: cannot be written: {error.strerror}") from None


def write_file(target: Path, text: str) -> None:
    """Write a whole file or none: an earlier one stays until all of the new one is there. Raises InputError."""
    check_file(target)
    partial = _sibling(target.absolute(), "partial")
    try:
        with partial.open("x", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(target)
    except OSError as error:
        if error.errno not in UNWRITABLE:
            raise
        raise InputError(f"{target}: cannot be written: {os.strerror(error.errno)}; nothing was written") from None
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def atomic(target: Path, *, replace: bool) -> Iterator[Path]:
    """Give a fresh folder to write into; it becomes `target` when the block ends well and vanishes when it does not.

    Raises InputError when the place cannot be written or is full; other exceptions pass through.
    """
    check(target, replace=replace)
    target = target.absolute()
    partial = _sibling(target, "partial")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(target)
        partial.mkdir()
        yield partial
        _flush(partial)
        _move_into_place(partial, target)
    except OSError as error:
        if error.errno not in UNWRITABLE:
            raise
        raise InputError(f"{target}: cannot be written: {os.strerror(error.errno)}; nothing was written") from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _is_empty(folder: Path) -> bool:
    try:
        return next(folder.iterdir(), None) is None
    except OSError as error:
        raise InputError(f"{folder}: cannot be read: {error.strerror}") from None


def _sibling(target: Path, role: str) -> Path:
    return target.with_name(f".{target.name}.{role}-{os.getpid()}")


def _flush(folder: Path) -> None:
    """Bring every file to the disk, so that the rename does not come before the data."""
    for path in [*folder.rglob("*"), folder]:
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _move_into_place(partial: Path, target: Path) -> None:
    if not target.exists() or _is_empty(target):
        partial.rename(target)
        return
    # A folder cannot be renamed over a full one: the earlier run steps aside, and comes back if anything fails.
    old = _sibling(target, "old")
    target.rename(old)
    try:
        partial.rename(target)
    except BaseException:
        old.rename(target)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _remove_leftovers(target: Path) -> None:
    """Remove what killed runs left beside `target`, and bring back an earlier run that one had moved aside."""
    pattern = re.compile(re.escape(f".{target.name}.") + r"(partial|old)-(\d+)")
    for path in target.parent.iterdir():
        found = pattern.fullmatch(path.name)
        if found is None or _is_alive(int(found[2])):
            continue
        if found[1] == "old" and not target.exists():
            path.rename(target)
        else:
            shutil.rmtree(path, ignore_errors=True)


def _is_alive(pid: int) -> bool:
    if pid == os.getpid():
        return False
    with suppress(PermissionError):
        try:
            os.kill(pid, 0)
        except (ProcessLookupError, OverflowError):
            return False
    return True
