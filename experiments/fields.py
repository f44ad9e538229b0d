"""What a parameter class says about its fields: unit, bounds, help. Read by the loader, `explain` and the app.

Everything comes from the class itself (see `market.parameters`), through pydantic's JSON Schema.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import types
from collections.abc import Iterator
from dataclasses import MISSING, dataclass
from enum import Enum
from functools import cache, cached_property
from pathlib import PurePath
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from pydantic import ConfigDict, TypeAdapter
from pydantic._internal import _fields

from experiments.toml_tree import ENTRY_KEYS, join

# Every schema reads the docstrings of all classes in it from their sources anew: half the time to load a scenario.
if hasattr(_fields, "extract_docstrings_from_cls"):
    _fields.extract_docstrings_from_cls = cache(_fields.extract_docstrings_from_cls)

LEAF, OBJECT, LIST, MAP = "leaf", "object", "list", "map"


@dataclass(frozen=True)
class FieldSpec:
    """One field of a parameter class.

    `shape` is LEAF (a value, or a plain list or table of values), OBJECT (one of the parameter classes `members`),
    LIST (a tuple of them) or MAP (a dict of them by name).
    """

    name: str
    annotation: Any
    default: Any
    shape: str
    members: tuple[type, ...]
    optional: bool
    schema: dict[str, Any]

    @property
    def help(self) -> str:
        """The docstring under the field."""
        return str(self.schema.get("description", ""))

    @property
    def unit(self) -> str:
        """Unit of the number, or "" for what is not a number."""
        return next((str(part["unit"]) for part in _parts(self.schema) if "unit" in part), "")

    @property
    def expected(self) -> str:
        """What the field accepts, in words: "a number in [0, 1] (share)"."""
        if self.shape != LEAF:
            return {OBJECT: "a table", LIST: "a list of tables", MAP: "a table of tables"}[self.shape]
        return describe(self.schema)

    @property
    def bounds(self) -> str:
        """The valid range as an interval, "" when there is none: "[0, 1]", "> 0", "cross | isolated"."""
        return next(filter(None, map(_bounds, _parts(self.schema))), "")

    @cached_property
    def adapter(self) -> TypeAdapter[Any]:
        """Validates a leaf's value: strictly, so that no text passes for a number."""
        return TypeAdapter(self.annotation, config=ConfigDict(allow_inf_nan=False, strict=True))

    def parse(self, value: Any) -> Any:
        """A leaf's value from plain data. Raises pydantic.ValidationError."""
        return self.adapter.validate_json(json.dumps(plain(value)))


def _parts(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A property's schema and those of its alternatives and elements."""
    yield schema
    inner = [*schema.get("anyOf", ()), *schema.get("prefixItems", ())]
    inner += [schema[key] for key in ("items", "additionalProperties") if isinstance(schema.get(key), dict)]
    for part in inner:
        yield from _parts(part)


def _bounds(part: dict[str, Any]) -> str:
    if "const" in part or "enum" in part:
        return " | ".join(str(value) for value in part.get("enum", [part.get("const")]))
    low, high = part.get("minimum"), part.get("maximum")
    above, below = part.get("exclusiveMinimum"), part.get("exclusiveMaximum")
    left = f"[{low:g}" if low is not None else f"({above:g}" if above is not None else ""
    right = f"{high:g}]" if high is not None else f"{below:g})" if below is not None else ""
    if left and right:
        return f"{left}, {right}"
    if left:
        return f">= {low:g}" if low is not None else f"> {above:g}"
    return (f"<= {high:g}" if high is not None else f"< {below:g}") if right else ""


_NOUNS = {"number": "a number", "integer": "a whole number", "boolean": "true or false", "string": "text"}


def describe(schema: dict[str, Any]) -> str:
    """What a JSON Schema accepts, in words."""
    if "anyOf" in schema:
        return " or ".join(describe(part) for part in schema["anyOf"])
    if "const" in schema or "enum" in schema:
        return "one of " + ", ".join(json.dumps(value) for value in schema.get("enum", [schema.get("const")]))
    kind = schema.get("type")
    if kind == "null":
        return '"none"'
    if kind == "array":
        if "prefixItems" in schema:
            return f"[{', '.join(describe(part) for part in schema['prefixItems'])}]"
        return f"a list, each element {describe(schema.get('items', {}))}"
    if kind == "object":
        values = schema.get("additionalProperties")
        return f"a table, each value {describe(values)}" if isinstance(values, dict) else "a table"
    words = "a date and time" if schema.get("format") == "date-time" else _NOUNS.get(str(kind), "a value")
    bounds = _bounds(schema)
    inside = f" in {bounds}" if bounds[:1] in ("[", "(") else f" {bounds}"
    unit = schema.get("unit", "1")
    return words + (inside if bounds else "") + (f" ({unit})" if unit != "1" else "")


def element_schema(schema: dict[str, Any], i: int) -> dict[str, Any]:
    """The schema of element `i` of a list."""
    prefix = schema.get("prefixItems", ())
    return dict(prefix[i] if i < len(prefix) else schema.get("items", {}))


def specs(cls: type) -> dict[str, FieldSpec]:
    """The fields of a parameter class by name, in their order."""
    return _specs(cls)


@cache
def _specs(cls: type) -> dict[str, FieldSpec]:
    properties = schema(cls).get("properties", {})
    hints = get_type_hints(cls, include_extras=True)
    result = {}
    for field in dataclasses.fields(cls):
        default = field.default_factory() if field.default_factory is not MISSING else field.default
        shape, members, optional = _shape(hints[field.name])
        result[field.name] = FieldSpec(
            field.name, hints[field.name], default, shape, members, optional, properties.get(field.name, {})
        )
    return result


def _shape(annotation: Any) -> tuple[str, tuple[type, ...], bool]:
    members, optional = _members(annotation)
    if members:
        return OBJECT, members, optional
    while get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    origin, args = get_origin(annotation), get_args(annotation)
    if origin in (tuple, list) and args and (members := _members(args[0])[0]):
        return LIST, members, False
    if origin is dict and (members := _members(args[1])[0]):
        return MAP, members, False
    return LEAF, (), optional


def _members(annotation: Any) -> tuple[tuple[type, ...], bool]:
    """The parameter classes of a union (empty when it holds anything else) and whether it admits None."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _members(get_args(annotation)[0])
    if origin in (Union, types.UnionType):
        arms = [arm for arm in get_args(annotation) if arm is not type(None)]
        optional = len(arms) < len(get_args(annotation))
        found = [_members(arm) for arm in arms]
        members = tuple(member for inner, _ in found for member in inner) if all(m for m, _ in found) else ()
        return members, optional or any(inner for _, inner in found)
    return ((annotation,) if isinstance(annotation, type) and dataclasses.is_dataclass(annotation) else ()), False


def schema(cls: type) -> dict[str, Any]:
    """JSON Schema of a parameter class: units under `unit`, help under `description`."""
    return TypeAdapter(cls).json_schema()


@dataclass(frozen=True)
class Leaf:
    """One resolved value of a parameter object."""

    path: str
    value: Any
    unit: str
    help: str
    bounds: str


def leaves(obj: Any) -> Iterator[Leaf]:
    """Every value of a parameter object in the order of its fields, by dotted path."""
    yield from _leaves(obj, ())


def _leaves(obj: Any, path: tuple[str, ...]) -> Iterator[Leaf]:
    for name, spec in specs(type(obj)).items():
        value = getattr(obj, name)
        inner = children(spec, value)
        if not inner:
            yield Leaf(join((*path, name)), value, spec.unit, spec.help, spec.bounds)
        for step, child in inner:
            yield from _leaves(child, (*path, name, *step))


def children(spec: FieldSpec, value: Any) -> list[tuple[tuple[str, ...], Any]]:
    """The parameter objects inside a field's value, each with the steps of its path below the field."""
    if value is None or spec.shape == LEAF:
        return []
    if spec.shape == OBJECT:
        return [((), value)]
    if spec.shape == MAP:
        return [((str(key),), child) for key, child in value.items()]
    return [((step,), child) for step, child in zip(entry_steps(value), value, strict=True)]


def entry_steps(entries: Any) -> list[str]:
    """How the elements of a list of parameter objects are named in a path: by their own name, else by number."""
    for key in ENTRY_KEYS:
        names = [str(getattr(entry, key, "")) for entry in entries]
        if all(names) and len(set(names)) == len(names):
            return names
    return [str(i) for i in range(len(entries))]


def plain(value: Any) -> Any:
    """Plain data that JSON holds, from any value a parameter may have."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return to_dict(value)
    if isinstance(value, dict):
        return {str(key): plain(child) for key, child in value.items()}
    if isinstance(value, list | tuple):
        return [plain(child) for child in value]
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, PurePath):
        return value.as_posix()
    return value.isoformat() if hasattr(value, "isoformat") else value


def to_dict(obj: Any) -> dict[str, Any]:
    """A parameter object as plain data, defaults included: equal objects give equal data (1 and 1.0 alike).

    Fields that its class names in `left_out_at_default` are left out when they have their default.
    """
    result = {}
    optional: tuple[str, ...] = getattr(type(obj), "left_out_at_default", ())
    for name, spec in specs(type(obj)).items():
        value = getattr(obj, name)
        if name in optional and value == spec.default:
            continue
        result[name] = plain(spec.parse(value) if spec.shape == LEAF else value)
    return result


def canonical_json(obj: Any) -> str:
    """The one JSON text of a parameter object: fields in their order, no blanks.

    Tables by name keep the order in which they were written, since the engine numbers assets and books by it.
    """
    return json.dumps(to_dict(obj), separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def scenario_hash(obj: Any) -> str:
    """SHA-256 of the canonical JSON, in hexadecimal: two scenarios with one hash are the same scenario."""
    return hashlib.sha256(canonical_json(obj).encode()).hexdigest()
