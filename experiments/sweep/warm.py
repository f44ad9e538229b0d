"""Loaded by the process that workers are forked from: the engine, and one short run, so that its kernels are there."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import replace
from importlib import import_module
from pathlib import Path

from experiments import config
from experiments.kinds import Model, class_of, simulate

MOST_TICKS = 1000


def warm(file: str) -> None:
    """Simulate the beginning of a scenario; whatever is wrong with it is for the first run to tell."""
    if not file:
        return
    with suppress(Exception):
        text = Path(file).read_text("utf-8")
        world, _ = config.load(class_of(text), text)
        if not isinstance(world, Model):
            hours = min(world.hours, MOST_TICKS * world.tick_seconds / 3600.0)
            simulate(replace(world, hours=hours), seed=0, twin=False)


import_module("experiments.sweep.work")  # what workers are going to need
warm(os.environ.get("CASCADE_WARM_BASE", ""))
