"""A Dask cluster as executor: the same chunks, the same store, on as many machines as there are.

Dask moves the chunk of a worker that dies to another worker, and gives up after a few deaths (its setting
`distributed.scheduler.allowed-failures`); what it gives up is looked at alone, as everywhere.
"""

from __future__ import annotations

from typing import Any

from experiments.sweep.executor import Futures, Gone, Outcome
from experiments.sweep.work import Chunk, execute
from market.errors import InputError

CONNECT_SECONDS = 20.0
WORKERS_SECONDS = 60.0


class DaskCluster:
    """Executes chunks on the workers of a Dask scheduler."""

    def __init__(self, address: str) -> None:
        """Raises InputError when nobody answers there, or no worker comes."""
        try:
            import distributed
        except ModuleNotFoundError:
            raise InputError("dask is not installed: pip install -c constraints.txt '.[cluster]'") from None
        self._killed: type[BaseException] = distributed.KilledWorker
        self.address = address
        try:
            made: Any = distributed.Client
            self._client = made(address, timeout=CONNECT_SECONDS, set_as_default=False)
        except (OSError, ValueError) as error:
            raise InputError(f"--executor dask={address}: no scheduler there ({error})") from None
        try:
            self._client.wait_for_workers(1, timeout=WORKERS_SECONDS)
        except TimeoutError:
            self._client.close()
            raise InputError(f"--executor dask={address}: no worker in {WORKERS_SECONDS:g} s") from None
        self.slots = max(1, sum(self._client.nthreads().values()))
        self._running: list[Any] = []
        self._futures = Futures(self._is_death)

    def _is_death(self, error: BaseException) -> bool:
        return isinstance(error, self._killed)

    def submit(self, chunk: Chunk) -> None:
        """Begin a chunk as soon as there is room."""
        if self._client.status != "running":
            raise self._gone()
        future = self._client.submit(execute, chunk, pure=False)
        self._running.append(future)
        self._futures.follow(chunk, future)

    def wait(self, seconds: float) -> Outcome | None:
        """The next outcome. Raises Gone when the scheduler went away."""
        outcome = self._futures.wait(seconds)
        self._running = [future for future in self._running if not future.done()]
        if (outcome is None or outcome.died) and self._client.status != "running":
            raise self._gone()
        return outcome

    def _gone(self) -> Gone:
        return Gone(f"--executor dask={self.address}: the scheduler went away; what is stored counts")

    def replace(self) -> None:
        """Forget what has been submitted; Dask has its own ways with workers."""
        self.stop()
        self._futures = Futures(self._is_death)
        self.slots = max(1, sum(self._client.nthreads().values())) if self._client.status == "running" else self.slots

    def stop(self) -> None:
        """What has not begun is not executed."""
        if self._client.status == "running":
            self._client.cancel(self._running)
        self._running = []

    def close(self) -> None:
        """Leave the cluster as it was."""
        self.stop()
        self._client.close(timeout=2.0)
