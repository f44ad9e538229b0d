"""The key of a run: a hash of all that its figures depend on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from experiments import kinds
from experiments.store.version import RESULTS_VERSION
from market.errors import InputError

Steps = tuple[str, ...]

FILES: tuple[Steps, ...] = (("reference", "file"), ("population", "file"), ("venues", "*", "population", "file"))
"""Values of a scenario that name files: what is in them counts, not where they are. "*" is any key."""
PROSE: tuple[Steps, ...] = (
    ("summary",),
    ("venue", "about"),
    ("venues", "*", "summary"),
    ("venues", "*", "venue", "about"),
)
"""What is said about a scenario and simulated nowhere."""
DIGITS = 32


def design_key(data: dict[str, Any], *, twin: bool, strategies: Sequence[str] = ()) -> str:
    """SHA-256 of a resolved scenario, of a system or of a model, in hexadecimal.

    `data` is what `experiments.fields.to_dict` gives; `strategies` are "FILE.py:CLASS", whose source counts, as that of
    a model does. Raises InputError for a file that cannot be read.
    """
    resolved = data
    for steps in places(data, FILES):
        resolved = _with(resolved, steps, contents)
    for steps in places(data, PROSE):
        resolved = _with(resolved, steps, None)
    said = [[contents(file), name] for file, name in _code(data, strategies)]
    text = json.dumps([RESULTS_VERSION, twin, said, resolved], separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:DIGITS]


def _code(data: dict[str, Any], strategies: Sequence[str]) -> list[tuple[Path, str]]:
    named = [(Path(file), name) for file, _, name in (text.rpartition(":") for text in strategies)]
    return [*named, *((file, file.name) for file in kinds.sources(data))]


def places(data: dict[str, Any], patterns: Sequence[Steps]) -> list[Steps]:
    """Where values stand that one of the patterns is of."""
    return [steps for pattern in patterns for steps in _places(data, pattern)]


def _places(data: Any, pattern: Steps) -> list[Steps]:
    if not pattern:
        return [()]
    if not isinstance(data, dict):
        return []
    keys = list(data) if pattern[0] == "*" else [pattern[0]] if pattern[0] in data else []
    return [(key, *rest) for key in keys for rest in _places(data[key], pattern[1:])]


def _with(data: dict[str, Any], steps: Steps, change: Callable[[Path], str] | None) -> dict[str, Any]:
    """The data with the value there changed, or left out."""
    first, *rest = steps
    if rest:
        return {**data, first: _with(data[first], tuple(rest), change)}
    if change is None:
        return {key: value for key, value in data.items() if key != first}
    return {**data, first: change(Path(data[first]))}


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
