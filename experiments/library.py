"""Where the embedded scenarios, presets and venues are, and how a name becomes a file."""

from __future__ import annotations

import tomllib
from pathlib import Path

from experiments.toml_tree import suggest
from market.errors import InputError

_HERE = Path(__file__).resolve().parent
FOLDERS = (_HERE / "scenarios", _HERE / "presets")
VENUES = _HERE / "presets" / "venues"


def scenarios() -> dict[str, str]:
    """The embedded scenarios of one venue, in alphabetical order: name -> its `summary`, one line."""
    return {name: summary for name, (summary, several) in _embedded().items() if not several}


def systems() -> dict[str, str]:
    """The embedded scenarios of several venues, likewise."""
    return {name: summary for name, (summary, several) in _embedded().items() if several}


def has_venues(file: Path) -> bool:
    """Whether a scenario file has venues of its own; one that cannot be read has none."""
    try:
        with file.open("rb") as stream:
            return "venues" in tomllib.load(stream)
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError):
        return False


def _embedded() -> dict[str, tuple[str, bool]]:
    """Name -> (summary, whether it has several venues)."""
    found = {}
    for file in sorted(FOLDERS[0].glob("*.toml")):
        with file.open("rb") as stream:
            tree = tomllib.load(stream)
        found[file.stem] = (str(tree.get("summary", "")), "venues" in tree)
    return found


def venues() -> list[str]:
    """Names of the embedded venues, in alphabetical order."""
    return sorted(file.stem for file in VENUES.glob("*.toml"))


def find(name: str | Path, *, beside: Path | None = None) -> Path:
    """The file of an embedded scenario, preset or venue, or a path to the user's own.

    `beside` is the file that mentions the name: a path is then also looked up in that file's folder. Raises
    InputError with the nearest name when there is none.
    """
    text = str(name)
    if found := _file(text, folders=(*FOLDERS, VENUES) if beside else FOLDERS, beside=beside):
        return found
    # Only a file may build on a preset; somebody at the command line is looking for a scenario.
    if not beside and text in venues():
        raise InputError(f"no scenario {text!r}; it is a venue: --venue {text}")
    known = [file.stem for folder in FOLDERS[: None if beside else 1] for file in sorted(folder.glob("*.toml"))]
    raise InputError(f"no scenario {text!r}{suggest(text, known + (venues() if beside else []))}")


def find_venue(name: str | Path, *, beside: Path | None = None) -> Path:
    """The file of an embedded venue, or a path to the user's own. InputError, with the nearest name, for none."""
    text = str(name)
    if found := _file(text, folders=(VENUES,), beside=beside):
        return found
    raise InputError(f"no venue {text!r}{suggest(text, venues())}")


def _file(text: str, *, folders: tuple[Path, ...], beside: Path | None) -> Path | None:
    """A file of that name in one of the folders, or where the path leads. InputError for a path that leads nowhere."""
    for folder in folders:
        if (folder / f"{text}.toml").is_file():
            return folder / f"{text}.toml"
    for root in (beside.parent,) if beside else (Path(),):
        for candidate in (root / text, root / f"{text}.toml"):
            if candidate.is_file():
                return candidate
    if text.endswith(".toml") or "/" in text:
        raise InputError(f"{text}: no such file")
    return None


def labelled(text: str) -> Path:
    """The file that `label` names so."""
    folder, _, name = text.rpartition("/")
    known = {f"{VENUES.parent.name}/{VENUES.name}": VENUES, **{place.name: place for place in FOLDERS}}
    return found if folder in known and (found := known[folder] / name).is_file() else Path(text)


def label(file: Path) -> str:
    """How messages and provenance name a file: embedded ones by folder and name, others as the user wrote them."""
    if file.parent == VENUES:
        return f"{VENUES.parent.name}/{VENUES.name}/{file.name}"
    return f"{file.parent.name}/{file.name}" if file.parent in FOLDERS else str(file)
