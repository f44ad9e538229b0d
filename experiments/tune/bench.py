"""What every search needs around it: a store, somebody who simulates, and a manifest that says who did."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace

from experiments.store import manifest
from experiments.store.store import Store
from experiments.study.designs import Designs
from experiments.study.load import Loaded
from experiments.sweep.command import Call, executor_for
from experiments.sweep.plan import Plan
from experiments.tune.evaluate import Evaluator
from market.errors import InputError


@contextmanager
def evaluator(
    loaded: Loaded, call: Call, *, kpis: Sequence[str], command: str, tick: Callable[[], None] = lambda: None
) -> Iterator[Evaluator]:
    """Someone who simulates designs of the study's base and stores them. Raises InputError."""
    base = replace(loaded, designs=Designs(()))
    plan = Plan(replace(base, study=replace(loaded.study, keep=(), tune=None, cap=None, stress=None, attack=None)))
    store = Store(call.store)
    store.check()
    text = loaded.file.read_text("utf-8")
    about = {"executor": call.executor, "workers": call.workers, "command": command}
    identity = manifest.begin(store.place, study=str(loaded.file.absolute()), text=text, about=about)
    executor = executor_for(call, plan, store)
    made = Evaluator(base, store=store, executor=executor, manifest=identity, kpis=kpis, tick=tick)
    try:
        yield made
    finally:
        executor.close()
        with suppress(InputError):  # must not hide why it ended
            manifest.end(store.place, identity, {"done": made.simulated})
    store.tidy()
