"""Where the shared real data lies, for tests that skip without it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

SHARED = Path(os.environ.get("CASCADE_SHARED") or Path(__file__).resolve().parents[2] / "shared")


def shared_file(name: str) -> Path:
    """The file `name` of the shared folder; skips the test when it is absent."""
    path = SHARED / name
    if not path.is_file():
        pytest.skip(f"shared file {name} is absent; set CASCADE_SHARED to the folder that holds it")
    return path
