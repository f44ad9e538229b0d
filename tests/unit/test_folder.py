"""Output folders: whole or absent, whatever happens in between."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from experiments.folder import atomic, check, write_file
from market.errors import InputError


def write(target: Path, text: str = "{}", *, replace: bool = False) -> None:
    with atomic(target, replace=replace) as folder:
        (folder / "run.json").write_text(text)
        (folder / "kpis.json").write_text("{}")


def fail(target: Path, error: BaseException) -> None:
    with atomic(target, replace=True) as folder:
        (folder / "half").write_text("x")
        raise error


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_written_whole_with_parents(tmp_path: Path) -> None:
    write(tmp_path / "a" / "b" / "run")
    assert names(tmp_path / "a" / "b") == ["run"]
    assert names(tmp_path / "a" / "b" / "run") == ["kpis.json", "run.json"]


def test_relative_target_survives_a_change_of_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with atomic(Path("run"), replace=False) as folder:
        (folder / "run.json").write_text("{}")
        monkeypatch.chdir("/")
    assert names(tmp_path) == ["run"]


@pytest.mark.parametrize("failure", [KeyboardInterrupt, SystemExit, ZeroDivisionError])
def test_nothing_remains_of_a_failed_run(tmp_path: Path, failure: type[BaseException]) -> None:
    with pytest.raises(failure):
        fail(tmp_path / "run", failure())
    assert names(tmp_path) == []


def test_a_failed_run_leaves_the_earlier_one(tmp_path: Path) -> None:
    write(tmp_path / "run", "old")
    with pytest.raises(KeyboardInterrupt):
        fail(tmp_path / "run", KeyboardInterrupt())
    assert (tmp_path / "run" / "run.json").read_text() == "old"
    assert names(tmp_path) == ["run"]


def test_what_may_be_replaced(tmp_path: Path) -> None:
    target = tmp_path / "run"
    target.mkdir()
    write(target, "first")
    with pytest.raises(InputError, match="--overwrite"):
        write(target, "second")
    write(target, "second", replace=True)
    assert (target / "run.json").read_text() == "second"
    assert names(tmp_path) == ["run"]
    (target / "thesis.txt").write_text("x")
    with pytest.raises(InputError, match=r"no run writes: thesis\.txt;"):
        write(target, "third", replace=True)
    assert names(target) == ["kpis.json", "run.json", "thesis.txt"]
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("x")
    (tmp_path / "file").write_text("x")
    for name, message in (("mine", "no run.json"), ("file", "not a folder"), ("file/run", "cannot be written")):
        with pytest.raises(InputError, match=message):
            write(tmp_path / name, replace=True)
    assert names(tmp_path / "mine") == ["thesis.txt"]


def test_check_writes_nothing(tmp_path: Path) -> None:
    check(tmp_path / "a" / "run", replace=False)
    assert names(tmp_path) == []


def test_check_finds_a_place_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> str:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("tempfile.mkdtemp", refuse)
    with pytest.raises(InputError, match="run: cannot be written: Permission denied"):
        check(tmp_path / "run", replace=False)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS])
def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path: Path, code: int) -> None:
    with pytest.raises(InputError) as caught:
        fail(tmp_path / "run", OSError(code, "whatever a library says\nin two lines"))
    assert str(caught.value) == f"{tmp_path / 'run'}: cannot be written: {os.strerror(code)}; nothing was written"
    assert names(tmp_path) == []


def test_a_file_on_a_full_disk_is_named_and_leaves_the_earlier_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    target = tmp_path / "map.html"
    write_file(target, "old")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match=r"map\.html: cannot be written: No space left on device"):
        write_file(target, "new")
    assert target.read_text() == "old"
    assert names(tmp_path) == ["map.html"]


def test_other_system_errors_are_not_disguised(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), atomic(tmp_path / "run", replace=False) as folder:
        (folder / "missing").read_text()


def test_a_really_full_disk(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("mounting a small disk needs root")
    try:
        with pytest.raises(InputError, match="No space left on device"), atomic(disk / "run", replace=False) as folder:
            (folder / "big").write_bytes(b"x" * 1_000_000)
        assert names(disk) == []
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_killed_process_leaves_only_what_the_next_run_removes(tmp_path: Path) -> None:
    program = (
        "import sys, time; from pathlib import Path; from experiments.folder import atomic\n"
        "with atomic(Path(sys.argv[1]), replace=True) as folder:\n"
        "    (folder / 'half').write_text('x'); print('ready', flush=True); time.sleep(60)\n"
    )
    child = subprocess.Popen([sys.executable, "-c", program, str(tmp_path / "run")], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    running = tmp_path / f".run.partial-{child.pid}"
    write(tmp_path / "run")
    assert names(tmp_path) == [running.name, "run"], "the folder of a live process is not touched"
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()
    assert running.is_dir()
    write(tmp_path / "run", replace=True)
    assert names(tmp_path) == ["run"]


def test_an_earlier_run_moved_aside_by_a_killed_process_comes_back(tmp_path: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    write(tmp_path / "run", "old")
    (tmp_path / "run").rename(tmp_path / f".run.old-{dead.pid}")
    with pytest.raises(KeyboardInterrupt):
        fail(tmp_path / "run", KeyboardInterrupt())
    assert (tmp_path / "run" / "run.json").read_text() == "old"
    assert names(tmp_path) == ["run"]
