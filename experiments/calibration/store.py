"""Finished runs, one JSON line each, in a file per problem: what has been simulated once is not simulated again.

The results of a call do not depend on the number of workers nor on what was stored before: runs are identified by
their parameters and seed, and given back in the order in which they were asked for.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

from experiments import interrupts
from experiments.calibration.problem import Problem
from market.kernels.jit import CACHE_FOLDER

Run = tuple[Mapping[str, float], int]
"""Parameter values and seed."""
Note = Callable[[int, int], None]
"""Told how many runs are done, and of how many."""


class Store:
    """The runs of one problem; a context that ends its worker processes."""

    def __init__(self, problem: Problem, *, folder: Path, workers: int) -> None:
        self.problem, self.workers = problem, workers
        # The folder of the compiled kernels is named after their sources: another engine, another store.
        moments = ",".join(moment.name for moment in problem.data)
        identity = f"{problem.name}\0{problem.identity}\0{moments}\0{CACHE_FOLDER.name}"
        folder.mkdir(parents=True, exist_ok=True)
        digest = hashlib.blake2b(identity.encode(), digest_size=8).hexdigest()
        self.file = folder / f"{problem.name}-{digest}.jsonl"
        self._known = dict(_lines(self.file))
        self._pool: ProcessPoolExecutor | None = None

    def moments(self, runs: Sequence[Run], *, note: Note | None = None) -> list[dict[str, float]]:
        """Moments of every run, simulating those that are not stored yet."""
        keys = [_key(values, seed) for values, seed in runs]
        wanted = {key: run for key, run in zip(keys, runs, strict=True) if key not in self._known}
        done = len(runs) - len(wanted)
        if note is not None:
            note(done, len(runs))
        with self.file.open("a", encoding="utf-8") as stream:
            for key, moments in self._simulated(wanted):
                self._known[key] = moments
                print(json.dumps({"run": key, "moments": moments}), file=stream, flush=True)
                done += 1
                if note is not None:
                    note(done, len(runs))
        return [self._known[key] for key in keys]

    def _simulated(self, wanted: Mapping[str, Run]) -> Iterator[tuple[str, dict[str, float]]]:
        if self.workers <= 1:
            for key, (values, seed) in wanted.items():
                yield key, self.problem.simulate(values, seed)
            return
        if self._pool is None:
            # Ctrl-C reaches all processes; this one decides, and they finish the run they are at.
            context = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(self.workers, mp_context=context, initializer=interrupts.ignore)
        submit, simulate = self._pool.submit, self.problem.simulate
        running = {submit(simulate, values, seed): key for key, (values, seed) in wanted.items()}
        for finished in as_completed(running):
            yield running[finished], finished.result()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *exception: object) -> None:
        """Let the workers go; what they have not begun is not simulated."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None


def _key(values: Mapping[str, float], seed: int) -> str:
    return json.dumps([seed, dict(sorted(values.items()))])


def _lines(file: Path) -> Iterator[tuple[str, dict[str, float]]]:
    """What the file holds; a last line that was cut off is ignored."""
    if not file.is_file():
        return
    for line in file.read_text(encoding="utf-8").splitlines():
        try:
            entry = json.loads(line)
        except json.JSONDecodeError:
            continue
        yield entry["run"], entry["moments"]
