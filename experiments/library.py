"""Where the embedded scenarios and presets are, and how a name becomes a file."""

from __future__ import annotations

import tomllib
from pathlib import Path

from experiments.toml_tree import suggest
from market.errors import InputError

_HERE = Path(__file__).resolve().parent
FOLDERS = (_HERE / "scenarios", _HERE / "presets")


def scenarios() -> dict[str, str]:
    """The embedded scenarios, in alphabetical order: name -> its `summary`, one line."""
    found = {}
    for file in sorted(FOLDERS[0].glob("*.toml")):
        with file.open("rb") as stream:
            found[file.stem] = str(tomllib.load(stream).get("summary", ""))
    return found


def find(name: str | Path, *, beside: Path | None = None) -> Path:
    """The file of an embedded scenario or preset, or a path to the user's own.

    `beside` is the file that mentions the name: a path is then also looked up in that file's folder. Raises
    InputError with the nearest name when there is none.
    """
    text = str(name)
    for folder in FOLDERS:
        if (folder / f"{text}.toml").is_file():
            return folder / f"{text}.toml"
    for root in (beside.parent,) if beside else (Path(),):
        for candidate in (root / text, root / f"{text}.toml"):
            if candidate.is_file():
                return candidate
    if text.endswith(".toml") or "/" in text:
        raise InputError(f"{text}: no such file")
    # Only a file may build on a preset; somebody at the command line is looking for a scenario.
    known = [file.stem for folder in FOLDERS[: None if beside else 1] for file in sorted(folder.glob("*.toml"))]
    raise InputError(f"no scenario {text!r}{suggest(text, known)}")


def label(file: Path) -> str:
    """How messages and provenance name a file: embedded ones by folder and name, others as the user wrote them."""
    return f"{file.parent.name}/{file.name}" if file.parent in FOLDERS else str(file)
