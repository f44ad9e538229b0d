"""A real server process with real views: one run each, nothing left behind, mistakes that kill nobody."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import connect
from websockets.sync.connection import Connection

ROOT = Path(__file__).resolve().parents[2]
SMALL = 'extends = "flash-crash"\nhours = 0.05\n[population]\ncount = 200\n'
PATIENCE = 240.0
"""The first view may have to wait for kernels to be compiled."""


@contextmanager
def server(*words: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A server on a free port, and its address HOST:PORT."""
    program = [sys.executable, "-m", "app", "app", "--no-open", "--port", "0", *words]
    process = subprocess.Popen(
        program, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )  # fmt: skip
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("laboratory: http://127.0.0.1:"), (line, process.stderr)
        yield process, line.split("http://")[1].split("/")[0]
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(30.0)
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        process.stderr.close()


def ask(address: str, path: str, body: str | None = None) -> Any:
    data = None if body is None else body.encode()
    with urllib.request.urlopen(f"http://{address}{path}", data=data, timeout=PATIENCE) as answer:
        return json.load(answer)


def view(address: str) -> Connection:
    return connect(f"ws://{address}/ws", max_size=None, open_timeout=60.0, ping_interval=None)


def say(socket: Connection, **message: Any) -> None:
    socket.send(json.dumps(message))


def until(socket: Connection, kind: str) -> dict[str, Any]:
    """The next message of a kind; frames before it are acknowledged."""
    while True:
        found: dict[str, Any] = json.loads(socket.recv(timeout=PATIENCE))
        if found["is"] == kind:
            return found
        if found["is"] == "frame":
            say(socket, do="ack", number=found["number"])


def children(pid: int) -> set[int]:
    """Processes that descend from one."""
    listed = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    parents = {int(child): int(parent) for child, parent in map(str.split, listed.splitlines())}
    found: set[int] = set()
    while more := {child for child, parent in parents.items() if parent in {pid, *found}} - found:
        found |= more
    return found


def gone(pids: set[int], *, seconds: float = 30.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if not any(Path(f"/proc/{pid}").exists() and not _dead(pid) for pid in pids):
            return True
        time.sleep(0.1)
    return False


def _dead(pid: int) -> bool:
    """Ended, and nobody has asked for its exit code yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc")


@needs_proc
def test_views_have_runs_of_their_own_and_leave_nothing_behind() -> None:
    with server() as (process, address):
        key = ask(address, "/api/scenario", SMALL)["id"]
        with view(address) as one, view(address) as two:
            say(one, do="open", scenario=key, seed=1)
            say(two, do="open", scenario=key, seed=2, compare={"set": {"assets.ETH.haircut": 0.4}})
            assert not until(one, "world")["compare"]
            assert until(two, "world")["compare"]
            say(one, do="step", ticks=30)
            frame = until(one, "frame")
            while frame["tick"] < 30:
                say(one, do="ack", number=frame["number"])
                frame = until(one, "frame")
            assert until(two, "frame")["tick"] == 0
            assert ask(address, "/api/health")["runs"] == 2
            both = children(process.pid)

            # Nothing that is sent ends a view, but for what is too long to be read.
            for text, said in (
                ("hello", "not JSON"),
                ('{"do": "fly"}', "fly"),
                ('{"do": "open", "scenario": "../../etc/passwd"}', "no scenario"),
                ('{"do": "set", "path": "x", "value": 1}', "cannot be changed"),
                ('{"do": "pause", "x": "' + "y" * 50_000 + '"}', "message too long"),
            ):
                one.send(text)
                assert said in until(one, "error")["message"] or said == "cannot be changed"
            one.send(b"\x00\x01")
            assert "expected text" in until(one, "error")["message"]
            say(one, do="ack", number=frame["number"])
            say(one, do="step", ticks=5)
            assert until(one, "frame")["tick"] == 35
        end = time.monotonic() + 30.0
        while ask(address, "/api/health")["runs"] and time.monotonic() < end:
            time.sleep(0.1)
        assert ask(address, "/api/health")["runs"] == 0
        left = children(process.pid)
        assert len(left) <= len(both) - 2, "closed tabs have ended their workers"

        with view(address) as last:
            say(last, do="open", scenario=key)
            until(last, "world")
            everybody = children(process.pid)
            process.send_signal(signal.SIGINT)
            assert process.wait(30.0) == 0
        assert gone(everybody)
        assert process.stderr is not None
        assert process.stderr.read().strip() == "ended"


@needs_proc
def test_workers_end_when_the_server_is_killed() -> None:
    with server("calm") as (process, address):
        assert ask(address, "/api/scenarios")["default"] == "calm"
        with view(address) as socket:
            say(socket, do="open", scenario="calm")
            until(socket, "world")
            say(socket, do="play", ticks_per_second=50)
            until(socket, "frame")
            everybody = children(process.pid)
            assert len(everybody) >= 2
            os.kill(process.pid, signal.SIGKILL)
            process.wait(30.0)
            assert gone(everybody)


@needs_proc
def test_a_worker_that_dies_is_said_and_the_server_goes_on() -> None:
    with server() as (process, address):
        with view(address) as socket:
            say(socket, do="open", scenario=ask(address, "/api/scenario", SMALL)["id"])
            until(socket, "world")
            before = children(process.pid)
            newest = max(before)
            os.kill(newest, signal.SIGKILL)
            assert "has ended" in until(socket, "error")["message"]
        assert ask(address, "/api/health")["status"] == "ok"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--port", "{taken}"), "--port {taken}: is taken; name another one, or leave it out"),
        (("nothing-like-it",), "no scenario 'nothing-like-it'"),
        (("--host", "203.0.113.7"), "--host 203.0.113.7: cannot be listened on"),
        (("--study", "."), "no study in it"),
    ],
)
def test_what_cannot_be_started_ends_in_one_line(words: tuple[str, ...], said: str) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        program = [sys.executable, "-m", "app", "app", "--no-open", *(word.format(taken=port) for word in words)]
        done = subprocess.run(program, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 2
    assert said.format(taken=port) in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
