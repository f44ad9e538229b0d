"""Views of one server: their worker processes, one each, and how many there may be."""

from __future__ import annotations

import asyncio
import json
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from multiprocessing.connection import Connection
from typing import Any, TypeVar, cast

from app import processes, protocol, worker
from app.catalogue import Catalogue
from experiments import InputError

T = TypeVar("T")

END_SECONDS = 3.0
"""A worker that has not ended by itself so long after its pipe was closed is killed."""
PATIENCE_SECONDS = ((0.3, "loading the program"), (6.0, "compiling, this once (up to a minute)"))
"""What is said of a start that takes longer."""
SPARE_SECONDS = 3.0
"""Time from the start of a view until the next worker is made ready."""


class TooMany(Exception):
    """No more views now."""


class Views:
    """Starts and ends workers."""

    def __init__(self, catalogue: Catalogue, config: worker.Config) -> None:
        self.catalogue, self._config = catalogue, config
        self._clients: Counter[str] = Counter()
        self._processes: set[Any] = set()
        self._spares: list[tuple[Any, Connection]] = []
        self._making = threading.Lock()
        self._closed = False

    @property
    def running(self) -> int:
        """Views that are open."""
        return self._clients.total()

    def enter(self, client: str) -> None:
        """Count a view of a client. Raises TooMany."""
        limits = self._config.limits
        if self.running >= limits.runs:
            raise TooMany(f"{self.running} runs are open on this server, and no more fit; close one")
        if self._clients[client] >= limits.runs_per_client:
            raise TooMany(f"{self._clients[client]} runs are open from here, and no more are allowed; close one")
        self._clients[client] += 1

    def leave(self, client: str) -> None:
        """The view is closed."""
        self._clients[client] -= 1
        if self._clients[client] <= 0:
            del self._clients[client]

    def start(self) -> tuple[Any, Connection]:
        """A worker and this end of its pipe: the one that was made ready, or a new one."""
        with self._making:
            process, conn = self._spares.pop() if self._spares else self._new()
        if not process.is_alive():
            self.end(process, conn)
            process, conn = self._new()
        later = threading.Timer(SPARE_SECONDS, self.warm)
        later.daemon = True
        later.start()
        return process, conn

    def _new(self) -> tuple[Any, Connection]:
        context = processes.prepare()
        here, there = context.Pipe()
        process = context.Process(target=worker.main, args=(there, self._config), daemon=True)
        process.start()
        there.close()
        self._processes.add(process)
        return process, here

    def end(self, process: Any, conn: Connection) -> None:
        """End a worker, whatever it is doing."""
        with suppress(OSError):
            conn.close()
        process.terminate()
        process.join(END_SECONDS)
        if process.is_alive():
            process.kill()
            process.join(END_SECONDS)
        self._processes.discard(process)

    def warm(self) -> None:
        """Have a worker ready for the next view."""
        with self._making:
            if not self._spares and not self._closed:
                self._spares.append(self._new())

    def close(self) -> None:
        """End all workers."""
        self._closed = True
        for process in list(self._processes):
            process.terminate()
            process.join(END_SECONDS)

    def envelope(self, message: Any) -> bytes:
        """What the worker is sent for a message. Raises InputError for a scenario there is none of."""
        made: dict[str, Any] = {"message": message.model_dump()}
        if isinstance(message, protocol.Open):
            made["source"] = asdict(self.catalogue.find(message.scenario))
        return json.dumps(made).encode()


async def in_background(work: Callable[[], T]) -> T:
    """The result of work in a thread that nobody waits for when the server ends: kernels may take a minute."""
    loop = asyncio.get_running_loop()
    result: asyncio.Future[T] = loop.create_future()

    def settle(value: T | None, error: BaseException | None) -> None:
        if not result.done():
            result.set_exception(error) if error is not None else result.set_result(cast("T", value))

    def run() -> None:
        value, error = None, None
        try:
            value = work()
        except BaseException as caught:
            error = caught
        with suppress(RuntimeError):  # the server has ended meanwhile
            loop.call_soon_threadsafe(settle, value, error)

    threading.Thread(target=run, daemon=True).start()
    return await result


async def serve(socket: Any, views: Views, limits: Any) -> None:
    """Carry messages between a WebSocket that was accepted and a worker of its own until either ends."""
    loop = asyncio.get_running_loop()
    starting = asyncio.create_task(in_background(views.start))
    for seconds, text in PATIENCE_SECONDS:
        if not (await asyncio.wait([starting], timeout=seconds))[0]:
            await socket.send_json({"is": "progress", "message": text})
    process, conn = await starting
    waiting: asyncio.Queue[bytes | None] = asyncio.Queue()

    def read() -> None:
        """In a thread: frames come one at a time, each after the one before was drawn, so nothing piles up."""
        data: bytes | None = b""
        while data is not None:
            try:
                data = conn.recv_bytes()
            except (EOFError, OSError):
                data = None
            with suppress(RuntimeError):  # the server has ended meanwhile
                loop.call_soon_threadsafe(waiting.put_nowait, data)

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    tasks = [
        asyncio.create_task(_out(socket, waiting)),
        asyncio.create_task(_in(socket, views, conn, limits)),
    ]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.shield(asyncio.to_thread(views.end, process, conn))


async def _out(socket: Any, waiting: asyncio.Queue[bytes | None]) -> None:
    while (data := await waiting.get()) is not None:
        await socket.send_text(data.decode())
    await socket.send_json(protocol.error("the process of this run has ended; out of memory? Reload to begin anew"))
    await socket.close(1011)


async def _in(socket: Any, views: Views, conn: Connection, limits: Any) -> None:
    while True:
        received = await socket.receive()
        if received["type"] == "websocket.disconnect":
            return
        text = received.get("text")
        if text is None:
            await socket.send_json(protocol.error("expected text, not bytes"))
            continue
        if len(text.encode()) > limits.message_bytes:
            await socket.send_json(protocol.error(f"message too long: at most {limits.message_bytes:,} bytes"))
            continue
        try:
            envelope = views.envelope(protocol.parse(text))
        except protocol.Malformed as error:
            await socket.send_json(protocol.error(str(error), error.where))
            continue
        except InputError as error:
            await socket.send_json(protocol.error(str(error), "scenario"))
            continue
        try:
            await asyncio.to_thread(conn.send_bytes, envelope)
        except OSError:
            return
