"""Where a store is: a folder, or any place that fsspec knows (`s3://...`). Files appear whole or not at all."""

from __future__ import annotations

import os
import secrets
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from experiments.folder import UNWRITABLE
from market.errors import InputError

PARTIAL = ".partial-"


class Place:
    """Reads, lists and writes files by their path below a root."""

    def __init__(self, where: str) -> None:
        """Raises InputError for a place that cannot be had."""
        self.where = where.rstrip("/") or "/"
        self.fs: Any = None
        self._copies: tempfile.TemporaryDirectory[str] | None = None
        self.root = self.where
        if "://" in where:
            import fsspec

            try:
                self.fs, self.root = fsspec.core.url_to_fs(self.where)
            except (ImportError, ValueError) as error:
                raise InputError(f"{where}: {error}") from None

    def __str__(self) -> str:
        return self.where

    @property
    def local(self) -> bool:
        """Whether it is a folder of this machine."""
        return self.fs is None

    def path(self, name: str) -> str:
        """The whole path."""
        return f"{self.where}/{name}"

    def here(self, name: str) -> str:
        """The path of a file that never changes, on this machine; copied once where the place is elsewhere."""
        if self.local:
            return f"{self.root}/{name}"
        if self._copies is None:
            self._copies = tempfile.TemporaryDirectory(prefix="cascade-store-")
        copy = Path(self._copies.name, name.replace("/", "-"))
        if not copy.exists():
            copy.write_bytes(self.read(name))
        return str(copy)

    def names(self, folder: str, suffix: str) -> list[str]:
        """The finished files of a folder that end so, sorted; none where there is no such folder."""
        try:
            found = os.listdir(f"{self.root}/{folder}") if self.local else self._listed(folder)
        except (FileNotFoundError, NotADirectoryError):
            return []
        return sorted(name for name in found if name.endswith(suffix) and not name.startswith("."))

    def _listed(self, folder: str) -> list[str]:
        self.fs.invalidate_cache()
        paths = self.fs.ls(f"{self.root}/{folder}", detail=False)
        return [str(path).rstrip("/").rpartition("/")[2] for path in paths]

    def read(self, name: str) -> bytes:
        """A whole file. Raises FileNotFoundError."""
        if self.local:
            return Path(self.root, name).read_bytes()
        data: bytes = self.fs.cat_file(f"{self.root}/{name}")
        return data

    def ends_with(self, name: str, ending: bytes) -> bool:
        """Whether the last bytes of a file are these."""
        if self.local:
            with open(f"{self.root}/{name}", "rb") as stream:
                size = stream.seek(0, os.SEEK_END)
                stream.seek(max(0, size - len(ending)))
                return stream.read() == ending
        size = self.fs.size(f"{self.root}/{name}")
        return bool(size >= len(ending) and self.fs.cat_file(f"{self.root}/{name}", start=size - len(ending)) == ending)

    def write(self, name: str, data: bytes) -> None:
        """Write a file whole or not at all, and durably. Raises InputError when the place is full or unwritable."""
        with self._explained(name):
            if not self.local:
                self.fs.makedirs(f"{self.root}/{name}".rpartition("/")[0], exist_ok=True)
                self.fs.pipe_file(f"{self.root}/{name}", data)
                return
            self._write_local(Path(self.root, name), data)

    def _write_local(self, target: Path, data: bytes) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_name(f"{PARTIAL}{_process()}-{secrets.token_hex(4)}")
        try:
            with partial.open("xb") as stream:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)
        folder = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def move(self, name: str, to: str) -> None:
        """Move a file; nothing happens when another process was quicker."""
        with self._explained(to), suppress(FileNotFoundError):
            if self.local:
                Path(self.root, to).parent.mkdir(parents=True, exist_ok=True)
                Path(self.root, name).rename(Path(self.root, to))
            else:
                self.fs.mv(f"{self.root}/{name}", f"{self.root}/{to}")

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""
        with suppress(FileNotFoundError):
            if self.local:
                Path(self.root, name).unlink()
            else:
                self.fs.rm_file(f"{self.root}/{name}")

    def check(self) -> None:
        """Make sure that it can be written, and clear away what killed processes of this machine left half written.

        Raises InputError.
        """
        probe = f"runs/probe-{_process()}-{secrets.token_hex(4)}"
        self.write(probe, b"")
        self.remove(probe)
        if self.local:
            for leftover in Path(self.root).rglob(f"{PARTIAL}*"):
                host, _, pid = leftover.name.removeprefix(PARTIAL).rpartition("-")[0].rpartition("-")
                if host == _host() and pid.isdigit() and not _alive(int(pid)):
                    leftover.unlink(missing_ok=True)

    @contextmanager
    def _explained(self, name: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno not in UNWRITABLE:
                raise
            raise Unwritable(f"{self.path(name)}: cannot be written: {os.strerror(error.errno)}") from None


class Unwritable(InputError):
    """The place is full, or not ours."""


def _host() -> str:
    return "".join(char if char.isalnum() else "_" for char in socket.gethostname())


def _process() -> str:
    return f"{_host()}-{os.getpid()}"


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True
