"""`cascade app`: start the server, open the page, end cleanly."""

from __future__ import annotations

import errno
import secrets
import socket
import sys
import threading
import webbrowser
from contextlib import suppress
from pathlib import Path
from typing import Any

from app import processes
from app.access import is_loopback
from experiments import InputError

NEARBY = 20
"""Ports that are tried after the usual one when that is taken and none was asked for."""
USUAL_PORT = 8765
PONG_SECONDS = 300.0
"""A view that answers no ping for so long is gone."""


def run(scenario: str | None, *, port: int | None, host: str, study: Path | None, browser: bool) -> None:
    """Serve until Ctrl-C. Raises InputError for a port that is taken, a host that is none, a scenario that is none."""
    processes.prepare()  # it loads the program and its kernels while this process loads the server
    try:
        import uvicorn

        from app import server
    except ModuleNotFoundError as error:
        raise InputError(f"{error.name} is not installed: pip install -c constraints.txt '.[app]'") from None
    from app.worker import Config
    from experiments.distribution import folders

    if study is not None and not folders([study]):
        raise InputError(
            f"--study {study}: no study in it: neither a store of `cascade sweep` nor what `cascade export` wrote"
        )
    studies = folders([study] if study is not None else [Path("results/studies"), Path("results/store")])
    config = Config(studies=tuple(str(folder.resolve()) for folder in studies))
    token = None if is_loopback(host) else secrets.token_urlsafe(24)
    app = server.make(scenario, config=config, token=token)
    listening = listen(host, port)
    address = _address(host, listening.getsockname()[1], token)
    print(f"laboratory: {address}    (Ctrl-C ends it)", flush=True)
    if browser:
        threading.Timer(0.5, webbrowser.open, [address]).start()
    # The server reads nothing from a view whose first message waits for kernels, pongs neither.
    settings = uvicorn.Config(
        app, log_level="warning", access_log=False, ws_max_size=config.limits.frame_bytes, lifespan="on",
        timeout_graceful_shutdown=2, server_header=False, ws_ping_timeout=PONG_SECONDS,
    )  # fmt: skip
    with suppress(KeyboardInterrupt):
        uvicorn.Server(settings).run([listening])
    print("\nended", file=sys.stderr)


def listen(host: str, port: int | None) -> Any:
    """A socket that listens: on the port asked for, else on the usual one or one after it. Raises InputError."""
    for candidate in range(USUAL_PORT, USUAL_PORT + NEARBY) if port is None else (port,):
        try:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            made = socket.create_server((host, candidate), family=family, backlog=64)
        except OSError as error:
            if error.errno == errno.EADDRINUSE and port is None:
                continue
            raise InputError(_why(host, candidate, error)) from None
        made.set_inheritable(False)
        return made
    raise InputError(f"--port: {USUAL_PORT} to {USUAL_PORT + NEARBY - 1} are all taken; name another one")


def _why(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"--port {port}: is taken; name another one, or leave it out"
    if error.errno == errno.EACCES:
        return f"--port {port}: not allowed; ports from 1024 on are"
    return f"--host {host}: cannot be listened on: {error.strerror or error}"


def _address(host: str, port: int, token: str | None) -> str:
    name = f"[{host}]" if ":" in host else host
    return f"http://{name}:{port}/" + ("" if token is None else f"?token={token}")
