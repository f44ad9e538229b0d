"""JSON Schemas of scenario and study files, for editors that complete keys; from the classes that read them."""

from __future__ import annotations

from typing import Any

from experiments import fields
from experiments.scenario import Scenario
from experiments.study.model import Study
from experiments.systems.scenario import SystemScenario, VenueScenario

KINDS: dict[str, type] = {"scenario": Scenario, "system": SystemScenario, "study": Study}

EXTENDS = {
    "description": "What this is laid over: names or files.",
    "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}],
}
EXTENDING = (VenueScenario.__name__,)
"""Tables inside a file that may extend others as well."""


def file_schema(kind: str) -> dict[str, Any]:
    """JSON Schema of a file of that kind.

    A file may leave out whatever it extends has, so that nothing is required; it says "none" where JSON says null.
    """
    schema = _as_toml(fields.schema(KINDS[kind]))
    extended = [schema, *(schema["$defs"][name] for name in EXTENDING if name in schema["$defs"])]
    for part in extended:
        part["properties"] = {"extends": EXTENDS, **part["properties"]}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _as_toml(part: Any) -> Any:
    if isinstance(part, list):
        return [_as_toml(child) for child in part]
    if not isinstance(part, dict):
        return part
    if part.get("type") == "null":
        return {"const": "none"}
    if part.get("dotted"):  # tables in tables are paths
        return {key: part[key] for key in ("description", "title", "type") if key in part}
    # Which rule a table is may be said by what it extends: then several fit.
    renamed = {"oneOf": "anyOf"}
    dropped = ("required", "discriminator", "default")
    made = {}
    for key, child in part.items():
        if key in ("properties", "$defs"):  # by name: a field may be called "default"
            made[key] = {name: _as_toml(inner) for name, inner in child.items()}
        elif key not in dropped:
            made[renamed.get(key, key)] = _as_toml(child)
    if "$ref" in made.get("items", ()):  # a list of tables may be changed entry by entry, in a table by name
        words = {key: made.pop(key) for key in ("description", "title") if key in made}
        return {**words, "anyOf": [made, {"type": "object", "additionalProperties": made["items"]}]}
    return made
