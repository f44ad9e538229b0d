"""Where the reference data lie: beside the repository, or where the environment variable CASCADE_SHARED points."""

from __future__ import annotations

import os
from pathlib import Path


def shared_file(relative: str) -> Path | None:
    """The path of a file of the shared data, None when it is not there."""
    folder = os.environ.get("CASCADE_SHARED")
    root = Path(folder) if folder else Path(__file__).resolve().parents[2] / "shared"
    path = root / relative
    return path if path.is_file() else None
