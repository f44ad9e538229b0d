"""One value of a scenario replaced by another, with every check that reading it from a file would make."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypeVar

from pydantic import ValidationError

from experiments.fields import LEAF, LIST, OBJECT, FieldSpec, children, entry_steps, plain, specs
from experiments.toml_tree import split, suggest
from market.errors import InputError

T = TypeVar("T")


def value_of(obj: Any, path: str) -> Any:
    """The value at a dotted path. Raises InputError when there is none."""
    return _find(obj, split(path), path)[1]


def with_value(obj: T, path: str, value: Any) -> T:
    """A copy with another value at a dotted path. Raises InputError: no such value, or not one it could have."""
    try:
        return _replaced(obj, split(path), value, path)  # type: ignore[no-any-return]
    except InputError:
        raise
    except ValueError as error:
        raise InputError(f"{path}: {error}") from None


def _step(obj: Any, steps: Sequence[str], path: str) -> tuple[FieldSpec, Any, tuple[str, ...]]:
    """(field, its value, the steps that lead on inside it)."""
    fields = specs(type(obj))
    if not steps or steps[0] not in fields:
        raise InputError(f"{path}: no such setting{suggest(steps[0] if steps else '', list(fields))}")
    spec = fields[steps[0]]
    return spec, getattr(obj, spec.name), tuple(steps[1:])


def _inner(spec: FieldSpec, value: Any, rest: tuple[str, ...], path: str) -> tuple[str | None, Any]:
    """(key of the entry, or None; the parameter object that the next step is about)."""
    if value is None or not rest:
        raise InputError(f"{path}: is a table; name one of its values")
    if spec.shape == OBJECT:
        return None, value
    entries = {steps[0]: child for steps, child in children(spec, value)}
    if rest[0] not in entries:
        raise InputError(f"{path}: no entry {rest[0]!r}{suggest(rest[0], list(entries))}")
    return rest[0], entries[rest[0]]


def _find(obj: Any, steps: Sequence[str], path: str) -> tuple[FieldSpec, Any]:
    spec, value, rest = _step(obj, steps, path)
    if spec.shape == LEAF:
        if rest:
            raise InputError(f"{path}: no such setting; {spec.name} is a value")
        return spec, value
    key, inner = _inner(spec, value, rest, path)
    return _find(inner, rest if key is None else rest[1:], path)


def _replaced(obj: Any, steps: Sequence[str], value: Any, path: str) -> Any:
    spec, before, rest = _step(obj, steps, path)
    if spec.shape == LEAF:
        if rest:
            raise InputError(f"{path}: no such setting; {spec.name} is a value")
        return replace(obj, **{spec.name: parsed(spec, value, path)})
    key, inner = _inner(spec, before, rest, path)
    made = _replaced(inner, rest if key is None else rest[1:], value, path)
    if key is None:
        return replace(obj, **{spec.name: made})
    if spec.shape == LIST:
        at = entry_steps(before).index(key)
        return replace(obj, **{spec.name: (*before[:at], made, *before[at + 1 :])})
    return replace(obj, **{spec.name: {**before, key: made}})


def parsed(spec: FieldSpec, value: Any, path: str) -> Any:
    """A leaf's value from plain data; a whole float counts as the whole number it is. Raises InputError."""
    whole = isinstance(value, float) and value.is_integer() and abs(value) < 1 << 53
    for candidate in (value, int(value)) if whole else (value,):
        try:
            return spec.parse(candidate)
        except (ValidationError, ValueError):
            continue
    shown = plain(value) if isinstance(value, bool | int | float) else repr(str(value)[:40])
    raise InputError(f"{path}: expected {spec.expected}, got {str(shown).lower()}")
