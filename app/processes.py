"""The processes that views run in: forked from one that has loaded the program and its kernels."""

from __future__ import annotations

import multiprocessing
from functools import cache
from multiprocessing import forkserver
from typing import Any


@cache
def prepare() -> Any:
    """The multiprocessing context of workers; begins to load what they need, in another process."""
    methods = multiprocessing.get_all_start_methods()
    if "forkserver" not in methods:
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["app.worker", "app.view", "app.warm"])
    forkserver.ensure_running()
    return context
