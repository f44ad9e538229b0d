"""Who simulated what is stored: one file for each call, named in every row that came of it."""

from __future__ import annotations

import json
import os
import platform
import secrets
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from experiments.store.place import Place
from experiments.store.version import RESULTS_VERSION

MANIFESTS = "manifests"
PACKAGES = ("numpy", "numba", "scipy", "pandas", "pyarrow", "duckdb", "pydantic")


def begin(place: Place, *, study: str, text: str, about: dict[str, Any]) -> str:
    """Write the manifest of a call; return its id. `study` is the file and `text` what is in it."""
    from experiments.result import git_commit

    identity = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"
    data = {
        "id": identity,
        "began": _now(),
        "ended": None,
        "arguments": sys.argv,
        "folder": os.getcwd(),
        "study": study,
        "study_text": text,
        "results_version": RESULTS_VERSION,
        "versions": {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}},
        "git_commit": git_commit(),
        "platform": platform.platform(),
        "processor": _processor(),
        "host": platform.node(),
        **about,
    }
    _write(place, data)
    return identity


def end(place: Place, identity: str, about: dict[str, Any]) -> None:
    """Note in the manifest how the call ended."""
    _write(place, {**read(place, identity), "ended": _now(), **about})


def read(place: Place, identity: str) -> dict[str, Any]:
    """A manifest. Raises FileNotFoundError."""
    found: dict[str, Any] = json.loads(place.read(f"{MANIFESTS}/{identity}.json"))
    return found


def all_of(place: Place) -> list[dict[str, Any]]:
    """All manifests, oldest first."""
    return [read(place, name.removesuffix(".json")) for name in place.names(MANIFESTS, ".json")]


def _write(place: Place, data: dict[str, Any]) -> None:
    place.write(f"{MANIFESTS}/{data['id']}.json", (json.dumps(data, indent=2) + "\n").encode())


def _now() -> str:
    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as stream:
            return next((line.partition(":")[2].strip() for line in stream if line.startswith("model name")), "")
    except OSError:
        return platform.processor()
