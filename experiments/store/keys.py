"""The key of a run: a hash of all that its figures depend on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from experiments.store.version import RESULTS_VERSION
from market.errors import InputError

FILES: tuple[tuple[str, str], ...] = (("reference", "file"), ("population", "file"))
"""Values of a scenario that name files: what is in them counts, not where they are."""
PROSE: tuple[tuple[str, ...], ...] = (("summary",), ("venue", "about"))
"""What is said about a scenario and simulated nowhere."""
DIGITS = 32


def design_key(data: dict[str, Any], *, twin: bool, strategies: Sequence[str] = ()) -> str:
    """SHA-256 of a resolved scenario, in hexadecimal.

    `data` is what `experiments.fields.to_dict` gives; `strategies` are "FILE.py:CLASS", whose source counts. Raises
    InputError for a file that cannot be read.
    """
    resolved = dict(data)
    for table, name in FILES:
        if isinstance(inner := resolved.get(table), dict) and name in inner:
            resolved[table] = {**inner, name: contents(Path(inner[name]))}
    for first, *rest in PROSE:
        if not rest:
            resolved.pop(first, None)
        elif isinstance(inner := resolved.get(first), dict):
            resolved[first] = {key: value for key, value in inner.items() if key != rest[0]}
    sources = [[contents(Path(file)), name] for file, _, name in (text.rpartition(":") for text in strategies)]
    text = json.dumps([RESULTS_VERSION, twin, sources, resolved], separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:DIGITS]


def run_key(design: str, seed: int) -> str:
    """The key of one run of a design."""
    return hashlib.sha256(f"{design} {seed}".encode()).hexdigest()[:DIGITS]


def owner(key: str, n: int) -> int:
    """Which of `n` workers without a coordinator a run belongs to."""
    return int(key[:8], 16) % n


def contents(file: Path) -> str:
    """SHA-256 of a file. Raises InputError when it cannot be read."""
    try:
        found = file.stat()
        return _contents(file, found.st_mtime_ns, found.st_size)
    except OSError as error:
        raise InputError(f"{file}: cannot be read: {error.strerror}") from None


@lru_cache(256)
def _contents(file: Path, changed_ns: int, size: int) -> str:
    del changed_ns, size  # another time or size is another file
    with file.open("rb") as stream:
        return "sha256:" + hashlib.file_digest(stream, "sha256").hexdigest()
