"""Old folders of compiled kernels go, whatever else is there stays, trouble is named, and compiling announced."""

from __future__ import annotations

import errno
import io
import os
import time
from pathlib import Path
from typing import Any

import numba
import pytest
from numba.core.caching import IndexDataCacheFile

from experiments import cli, countdown, kernel_cache
from market.kernels.jit import CACHE_FOLDER

LONG_AGO = time.time() - kernel_cache.KEPT_SECONDS - 3600.0


def made(parent: Path, name: str, *, used: float | None = None) -> Path:
    folder = parent / name
    (folder / "inside").mkdir(parents=True)
    (folder / "inside" / "kernel.nbc").write_text("x")
    if used is not None:
        os.utime(folder, (used, used))
    return folder


def test_what_nobody_used_for_a_month_is_removed_and_nothing_else(tmp_path: Path) -> None:
    current = made(tmp_path, "0123456789abcdef", used=LONG_AGO)
    recent = made(tmp_path, "a" * 16)
    others = [made(tmp_path, name, used=LONG_AGO) for name in ("thesis", "0123456789ABCDEF", "ab" * 16)]
    made(tmp_path, "f" * 16, used=LONG_AGO)
    made(tmp_path, f".removed-{'e' * 16}-17")
    kernel_cache.remove_unused(current)
    assert set(tmp_path.iterdir()) == {current, recent, *others}
    assert current.stat().st_mtime > time.time() - 60.0, "it is in use"


def test_a_folder_somebody_else_removes_meanwhile_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    current, old = made(tmp_path, "0" * 16), made(tmp_path, "1" * 16, used=LONG_AGO)
    other = made(tmp_path, "2" * 16, used=LONG_AGO)
    rename = Path.rename

    def beaten(self: Path, target: Path) -> Path:
        if self == old:
            raise FileNotFoundError(errno.ENOENT, "gone", str(self))
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", beaten)
    kernel_cache.remove_unused(current)
    assert old.is_dir()
    assert not other.exists()


def test_a_folder_of_one_process_has_no_siblings(tmp_path: Path) -> None:
    old = made(tmp_path, "1" * 16, used=LONG_AGO)
    kernel_cache.remove_unused(made(tmp_path, "cascade-kernels-xyz"))
    assert old.is_dir()


def test_a_full_disk_below_the_kernels_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    full = OSError(errno.ENOSPC, "No space left on device")

    def fails(*_: object) -> None:
        raise full

    make: Any = IndexDataCacheFile
    cache = make(str(tmp_path), "kernel", 0)
    monkeypatch.setattr("builtins.open", fails)
    with pytest.raises(SystemExit) as stopped, cli.expected_failures():
        cache.save("key", "data")
    assert stopped.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith(f"error: {CACHE_FOLDER}: compiled kernels cannot be kept: No space left on")
    assert said.count("\n") == 1
    assert kernel_cache.trouble(OSError(errno.ENOSPC, "elsewhere")) is None


def test_compiling_is_announced_once_and_not_again_when_it_is_done() -> None:
    screen = io.StringIO()
    fresh = numba.njit(lambda number: number + 1)
    with countdown.display(screen) as note:
        note("simulating", 0, 2)
        assert fresh(1) == 2
        note("simulating", 1, 2)
        assert fresh(2) == 3
    lines = screen.getvalue().splitlines()
    assert lines[0] == lines[2] == "simulating ..."
    assert lines[1].startswith("compiling, ")
    assert len(lines) == 3
    said: list[str] = []
    with kernel_cache.announced(said.append):
        assert fresh(3) == 4
    assert not said
