"""Cases: a file of inputs and the numbers a venue gets from them, and how close is close enough."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from market.errors import InputError

NO_MODEL = "(no model)"
"""Stands for the model of an entry that names none."""


@dataclass(frozen=True, kw_only=True)
class Tolerance:
    """How far a number may be off: the larger of both bounds."""

    abs: float = 1e-9
    """In the unit of the number."""
    rel: float = 0.0
    """As a share of the expected number."""

    def covers(self, got: float, expected: float) -> bool:
        """Whether `got` is close enough; equal infinities are, nothing else that is not finite is."""
        return got == expected or abs(got - expected) <= max(self.abs, self.rel * abs(expected)) < math.inf

    def __str__(self) -> str:
        """Both bounds in words."""
        parts = [f"{self.abs:g}"] if self.abs or not self.rel else []
        return " or ".join([*parts, f"{self.rel:g} of it"] if self.rel else parts)


@dataclass(frozen=True, kw_only=True)
class Case:
    """One numeric case."""

    id: str
    model: str
    """Kind of rule, by the name adapters are registered under."""
    inputs: Mapping[str, Any]
    expected: Mapping[str, Any]
    """What the venue gets; what it does not state is not compared."""
    tolerance: Tolerance
    venue: str = ""
    source: str = ""


@dataclass(frozen=True, kw_only=True)
class Malformed:
    """An entry of a file that is no case: it has failed, and stops nobody else."""

    id: str
    """Its number in the file, and its own id where it has one."""
    model: str
    reason: str
    """What is wrong with it."""

    def __str__(self) -> str:
        """One line."""
        return f"{self.id}: {self.reason}"


@dataclass(frozen=True, kw_only=True)
class Difference:
    """First place where a case differs from what is expected."""

    id: str
    key: str
    """Path in `expected`, such as offsetting_cash.d0 or rates[2]; empty when the case could not be run."""
    got: Any = None
    expected: Any = None
    tolerance: Tolerance | None = None
    reason: str = ""
    """Why there is nothing to compare; empty when there is."""

    def __str__(self) -> str:
        """One line."""
        if self.reason:
            return ": ".join(part for part in (self.id, self.key, " ".join(self.reason.split())) if part)
        line = f"{self.id}: {self.key} is {_short(self.got)}, expected {_short(self.expected)}"
        numeric = self.tolerance is not None and _is_number(self.expected)
        return f"{line} (tolerance {self.tolerance})" if numeric else line


def read_cases(path: Path) -> list[Case | Malformed]:
    """The cases of a file, and what is none. InputError for a file that is absent, cut off, or no list of anything."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except IsADirectoryError:
        raise InputError(f"{path}: is a folder, not a file of cases") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: is not text") from None
    except json.JSONDecodeError as error:
        raise InputError(f"{path}: {_not_json(error)}") from None
    except RecursionError:
        raise InputError(f"{path}: is nested too deeply for a file of cases") from None
    if not isinstance(data, list):
        raise InputError(f"{path}: holds {_kind(data)}; a file of cases is a list of objects")
    if not data:
        raise InputError(f"{path}: holds no cases")
    return [_case(entry, f"case {number}") for number, entry in enumerate(data, start=1)]


def difference(case: Case, got: Mapping[str, Any]) -> Difference | None:
    """Where `got` first differs from what the case expects; None when it does not."""
    return _compare(case, "", got, case.expected)


def _compare(case: Case, key: str, got: Any, expected: Any) -> Difference | None:
    got = got.tolist() if hasattr(got, "tolist") else got  # numpy scalars and arrays
    if isinstance(expected, Mapping) and isinstance(got, Mapping):
        for name, value in expected.items():
            path = f"{key}.{name}" if key else name
            if name not in got:
                return Difference(id=case.id, key=path, expected=value, reason="no such result")
            if (found := _compare(case, path, got[name], value)) is not None:
                return found
        return None
    if isinstance(expected, list) and isinstance(got, list | tuple) and len(expected) == len(got):
        for number, (one, other) in enumerate(zip(got, expected, strict=True)):
            if (found := _compare(case, f"{key}[{number}]", one, other)) is not None:
                return found
        return None
    if expected is None and isinstance(got, float) and not math.isfinite(got):
        return None  # JSON has no other way to say "no such price"
    if _is_number(expected) and _is_number(got):
        same = case.tolerance.covers(got, expected)
    else:
        same = type(expected) is type(got) and expected == got
    return None if same else Difference(id=case.id, key=key, got=got, expected=expected, tolerance=case.tolerance)


def _case(entry: Any, place: str) -> Case | Malformed:
    if not isinstance(entry, dict):
        return Malformed(id=place, model=NO_MODEL, reason=f"is {_kind(entry)}, not an object")
    if wrong := _wrong(entry):
        named, modelled = (isinstance(entry.get(key), str) and entry[key] for key in ("id", "model"))
        name = f"{place} ({' '.join(entry['id'].split())})" if named else place
        return Malformed(id=name, model=entry["model"] if modelled else NO_MODEL, reason=wrong)
    return Case(
        id=entry["id"],
        model=entry["model"],
        inputs=entry["inputs"],
        expected=entry["expected"],
        tolerance=_tolerance(entry.get("tolerance")),
        venue=str(entry.get("venue", "")),
        source=str(entry.get("source", "")),
    )


def _wrong(entry: dict[str, Any]) -> str:
    """What keeps an entry from being a case; "" when nothing does."""
    for key, wanted in (("id", str), ("model", str), ("inputs", dict), ("expected", dict)):
        if key not in entry:
            return f"has no {key!r}"
        if not isinstance(entry[key], wanted) or (not entry[key] and key != "inputs"):
            return f"{key!r} is {_kind(entry[key])}, not a filled {_WORDS[wanted]}"
    bounds = {} if entry.get("tolerance") is None else entry["tolerance"]
    usable = isinstance(bounds, dict) and bounds.keys() <= {"abs", "rel"}
    if usable and all(_is_number(value) and value >= 0 for value in bounds.values()):
        return ""
    return "'tolerance' is not an object of abs and rel, numbers of 0 or more"


def _tolerance(bounds: dict[str, Any] | None) -> Tolerance:
    return Tolerance(**{"abs": 0.0, **bounds}) if bounds else Tolerance()


_WORDS: dict[type, str] = {str: "text", dict: "object", list: "list", bool: "truth value", type(None): "null"}


def _kind(value: Any) -> str:
    if isinstance(value, str | dict | list) and not value:
        return f"an empty {_WORDS[type(value)]}"
    word = _WORDS.get(type(value), "number")
    return word if word in ("null", "text") else f"a{'n' if word[0] in 'aeiou' else ''} {word}"


def _not_json(error: json.JSONDecodeError) -> str:
    if not error.doc.strip():
        return "is empty"
    if error.pos >= len(error.doc.rstrip()) or error.msg.startswith("Unterminated string"):
        return f"is cut off: the JSON text ends unfinished at line {error.lineno}, column {error.colno}"
    return f"is not JSON: {error.msg} at line {error.lineno}, column {error.colno}"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _short(value: Any) -> str:
    text = f"{value:.12g}" if isinstance(value, float) else json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else f"{text[:57]}..."
