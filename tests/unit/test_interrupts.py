"""Ctrl-C at bad moments, and streams that are closed or full."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

IN_THE_CLEAN_UP = """
import os, signal, time
from experiments import interrupts
interrupts.install()
try:
    try:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(5)
        print("not reached")
    finally:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.1)
        print("cleaned up")
except KeyboardInterrupt:
    print("interrupted")
"""

IN_A_DESTRUCTOR = """
import os, signal, time
from experiments import interrupts
interrupts.install()

class Held:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.05)
        print("destructor ended")

try:
    Held()
    for _ in range(100):
        time.sleep(0.05)
except KeyboardInterrupt:
    print("interrupted")
"""

AT_THE_END = """
import atexit, os, signal
from experiments import cli
atexit.register(lambda: os.kill(os.getpid(), signal.SIGINT))
import sys
sys.argv = ["cascade", "--help"]
cli.main()
"""


def python(program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="this system has no interval timer")
@pytest.mark.parametrize(
    ("program", "wanted"),
    [
        (IN_THE_CLEAN_UP, ["cleaned up", "interrupted"]),
        (IN_A_DESTRUCTOR, ["destructor ended", "interrupted"]),
    ],
)
def test_ctrl_c_at_bad_moments(program: str, wanted: list[str]) -> None:
    done = python(program)
    assert (done.stdout.splitlines(), done.stderr, done.returncode) == (wanted, "", 0)


def test_ctrl_c_after_the_work_changes_nothing() -> None:
    done = python(AT_THE_END)
    assert (done.returncode, done.stderr) == (0, "")


def test_ctrl_c_while_the_program_loads() -> None:
    program = (
        "import os, signal, sys\n"
        "class Finder:\n"
        "    def find_spec(self, name, *rest):\n"
        "        if name == 'experiments.cli':\n"
        "            os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.meta_path.insert(0, Finder())\n"
        "from experiments.__main__ import main\n"
        "main()\n"
    )
    done = python(program)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


@pytest.mark.skipif(os.name != "posix", reason="the shell closes the streams")
@pytest.mark.parametrize(
    ("redirected", "code", "message"),
    [
        ("--help >/dev/full", 2, "error: No space left on device\n"),
        ("scenarios >/dev/full", 2, "error: No space left on device\n"),
        ("--help >&-", 0, ""),
        ("scenarios >&-", 0, ""),
        ("scenarios 2>&-", 0, ""),
    ],
)
def test_streams_that_are_full_or_closed(redirected: str, code: int, message: str) -> None:
    if "/dev/full" in redirected and not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    command = f"{sys.executable} -m experiments {redirected}"
    done = subprocess.run(["sh", "-c", command], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (code, message)
