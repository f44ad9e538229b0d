"""From a TOML file to a parameter object: defaults, then the file (and what it extends), then `--set` overrides.

Every mistake of the input is reported at once, one line each: file and line, key, what is wrong and what would
be right. Beside the object comes its provenance: where each of its values was written.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import ValidationError

from experiments import library
from experiments.fields import (
    LIST,
    MAP,
    OBJECT,
    FieldSpec,
    children,
    describe,
    element_schema,
    leaves,
    plain,
    specs,
    to_dict,
)
from experiments.toml_tree import (
    Node,
    Reset,
    Steps,
    entry_names,
    flattened,
    give_way,
    join,
    merge,
    parse,
    quote,
    split,
    suggest,
)
from market.errors import InputError

T = TypeVar("T")

Resets = tuple[Reset, ...]
_FAILED: Any = object()


@dataclass(frozen=True)
class Override:
    """A value given on the command line: where it goes, and the option (with its text) that messages name."""

    path: Steps
    value: Any
    label: str


@dataclass(frozen=True, kw_only=True)
class Layer:
    """A file laid over another, such as the rules of a venue."""

    file: Path
    holds: tuple[Steps, ...]
    """The tables it may have."""
    replaces: tuple[Steps, ...] = ()
    """Of these, those that are not merged with what is below: the file's take their place as a whole."""

    def read(self, resets: Resets, errors: list[tuple[str, str]]) -> Node:
        """Its tree; what does not belong there is appended to `errors`."""
        tree = _read(self.file, (), resets)
        for key, child in tree.value.items():
            inner = child.value if isinstance(child.value, dict) else {}
            paths = [(key,)] if (key,) in self.holds or not inner else [(key, step) for step in inner]
            for path in paths:
                if path not in self.holds:
                    source = inner[path[1]].source if len(path) > 1 else child.source
                    allowed = ", ".join(join(steps) for steps in self.holds)
                    errors.append((source, f"{join(path)}: does not belong here; expected only {allowed}"))
        return tree


def parse_override(text: str) -> Override:
    """Read "key.path=value"; the value is TOML, or text where it is not. Raises InputError."""
    label = f"--set {text}"
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise InputError(f"{label}: expected key.path=value")
    path = split(key)
    try:
        parsed = tomllib.loads(f"x = {value}")
    except tomllib.TOMLDecodeError:
        parsed = {}
    return Override(path, parsed["x"] if list(parsed) == ["x"] else value.strip(), label)


def load(
    cls: type[T],
    source: Path | str,
    *,
    layers: Sequence[Layer] = (),
    overrides: Sequence[str | Override] = (),
    name: str = "scenario",
) -> tuple[T, dict[str, str]]:
    """Make a `cls` from a file (Path) or from TOML text (str, called `name` in messages).

    A file may say `extends = "other"` (or a list of names): it is then laid over those, embedded scenarios and
    presets or files beside it; lists of tables merge by their `symbol` or `name`. `layers` come on top of all that, and
    then the overrides. A class may have `resets`: what a layer takes back from those below it. Returns the object and
    its provenance: dotted path of every leaf -> "default", "FILE:LINE" or the option. Raises InputError with one line
    for every problem.
    """
    resets: Resets = getattr(cls, "resets", ())
    if isinstance(source, Path):
        tree = _read(source, (), resets)
    else:
        tree = _extended(parse(source, file=name), None, (), resets)
    errors: list[tuple[str, str]] = []
    for layer in layers:
        over = layer.read(resets, errors)
        tree = _laid(give_way(tree, over, layer.replaces), over, errors, resets)
    given = Node({}, tree.source)
    for override in overrides:
        try:
            _place(given, override)
        except InputError as error:
            errors.append(("", str(error)))
    loader = _Loader(errors)
    result = loader.object((cls,), _laid(tree, given, errors, resets), MISSING, ())
    if loader.errors:
        raise InputError("\n".join(in_order(loader.errors)))
    return result, {leaf.path: loader.provenance.get(leaf.path, "default") for leaf in leaves(result)}


def read(file: Path) -> Node:
    """The tree of a file and of what it extends. Raises InputError."""
    return _read(file, (), ())


def make(cls: type[T], tree: Node, errors: list[tuple[str, str]]) -> T | None:
    """A `cls` from a tree; None when it cannot be made, and why is then appended to `errors` as (source, message)."""
    before = len(errors)
    result = _Loader(errors).object((cls,), tree, MISSING, ())
    return None if len(errors) > before or result is _FAILED else result


def in_order(errors: list[tuple[str, str]]) -> list[str]:
    """The messages: those of files by line, then those of options as they were found."""

    def key(item: tuple[str, str]) -> tuple[bool, str, int]:
        found = re.fullmatch(r"(.*):(\d+)", item[0])
        return (False, found[1], int(found[2])) if found and not item[0].startswith("--") else (True, "", 0)

    return list(dict.fromkeys(f"{source}: {text}" if source else text for source, text in sorted(errors, key=key)))


def located(error: InputError, provenance: Mapping[str, str]) -> InputError:
    """The error of a world that cannot be built, with the place where the value it begins with was written.

    `provenance` is what `load` returned. Left as it is when that value comes from several places or from none of the
    user's: a default, an embedded scenario.
    """
    key = re.match(r"([\w.-]+)(\[\d+\])?(\.\w+)?: ", str(error))
    if not key:
        return error
    said = [
        source for path, source in provenance.items() if f"{path}.".startswith(f"{key[1]}.") and said_by_user(source)
    ]
    places = {source.rpartition(":")[0] or source for source in said}
    if len(places) != 1:
        return error
    return InputError(f"{min(said, key=lambda source: (len(source), source))}: {error}")


def said_by_user(source: str) -> bool:
    """Whether a value was written in an option or in a file of the user's own: neither a default nor embedded."""
    return source != "default" and not source.startswith(tuple(f"{folder.name}/" for folder in library.FOLDERS))


def shadowed(provenance: Mapping[str, str]) -> list[str]:
    """One line for each value the user gave to a table `default` that the table of some book keeps from counting."""
    found = []
    for path, source in provenance.items():
        agents, default, key = path.partition(".default.")
        if not default or not said_by_user(source):
            continue
        own = [(_book_of(other, agents, key), place) for other, place in provenance.items()]
        books = [book for book, place in own if book and not said_by_user(place)]
        if books:
            label = f"{source} {path}" if source.startswith("--") else f"{source}: {path}"
            found.append(
                f"{label}: no effect on {', '.join(books)}, set one by one under {agents}.books "
                f"({agents}.books.{books[0]}.{key})"
            )
    return found


def _book_of(path: str, agents: str, key: str) -> str:
    """Which book the value is of, "" if it is not `key` of a book of `agents`."""
    inside = path.startswith(f"{agents}.books.") and path.endswith(f".{key}")
    return path[len(f"{agents}.books.") : -len(f".{key}")] if inside else ""


def _place(given: Node, override: str | Override) -> None:
    """Add an override to the tree of all of them; a later one wins."""
    made = parse_override(override) if isinstance(override, str) else override

    def annotate(value: Any) -> Node:
        if isinstance(value, dict):
            return Node({key: annotate(child) for key, child in value.items()}, made.label)
        return Node([annotate(child) for child in value] if isinstance(value, list) else value, made.label)

    table = given.value
    for step in made.path[:-1]:
        if step not in table or not isinstance(table[step].value, dict):
            table[step] = Node({}, made.label)
        table = table[step].value
    table[made.path[-1]] = annotate(plain(made.value))


def _laid(base: Node, over: Node, errors: list[tuple[str, str]], resets: Resets) -> Node:
    for reset in resets:
        base = reset.below(base, over)
    return merge(base, over, errors)


def _read(file: Path, chain: tuple[Path, ...], resets: Resets) -> Node:
    if file.resolve() in chain:
        raise InputError(f"{library.label(file)}: extends itself")
    try:
        text = file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise InputError(f"{library.label(file)}: not a text file in UTF-8") from None
    except OSError as error:
        raise InputError(f"{library.label(file)}: cannot be read: {error.strerror}") from None
    return _extended(parse(text, file=library.label(file)), file, (*chain, file.resolve()), resets)


def _extended(tree: Node, file: Path | None, chain: tuple[Path, ...], resets: Resets) -> Node:
    """`tree` laid over what its `extends` names, and so each of its venues."""
    tree = _venues_extended(tree, file, chain, resets)
    if "extends" not in tree.value:
        return tree
    own = {key: child for key, child in tree.value.items() if key != "extends"}
    said = tree.value["extends"]
    names = said.plain() if isinstance(said.value, list) else [said.value]
    errors: list[tuple[str, str]] = []
    result = Node({}, tree.source)
    for name in names:
        if not isinstance(name, str):
            raise InputError(f"{said.source}: extends: expected a name or a list of names, got {_show(name)}")
        try:
            found = library.find(name, beside=file)
        except InputError as error:
            raise InputError(f"{said.source}: extends: {error}") from None
        result = _laid(result, _read(found, chain, resets), errors, resets)
    result = _laid(result, Node(own, tree.source), errors, resets)
    if errors:
        raise InputError("\n".join(in_order(errors)))
    return result


def _venues_extended(tree: Node, file: Path | None, chain: tuple[Path, ...], resets: Resets) -> Node:
    """The tree with every table of `venues` laid over what it extends itself."""
    venues = tree.value.get("venues")
    if venues is None or not isinstance(venues.value, dict):
        return tree
    made = {
        name: _extended(child, file, chain, resets) if isinstance(child.value, dict) else child
        for name, child in venues.value.items()
    }
    return Node({**tree.value, "venues": Node(made, venues.source)}, tree.source)


class _Loader:
    """Builds objects from a tree, collecting `errors` (source, message) and `provenance` as it goes."""

    def __init__(self, errors: list[tuple[str, str]]) -> None:
        self.errors = errors
        self.provenance: dict[str, str] = {}

    def fail(self, source: str, path: Steps, message: str) -> Any:
        self.errors.append((source, f"{join(path)}: {message}" if path else message))
        return _FAILED

    def object(self, members: tuple[type, ...], node: Node, default: Any, path: Steps) -> Any:
        """One of the parameter classes `members`, on top of `default` where that is of the same class."""
        if not isinstance(node.value, dict):
            return self.fail(node.source, path, f"expected a table, got {_show(node.plain())}")
        cls = self._class(members, node, default, path)
        if cls is _FAILED:
            return _FAILED
        fields, given = specs(cls), node.value
        if len(members) > 1:
            given = {key: child for key, child in given.items() if _applies(child, cls, members, default)}
        for key, child in given.items():
            if key not in fields:
                self.fail(child.source, (*path, key), _unknown(key, cls, members))
        values = {}
        for name, spec in fields.items():
            below = getattr(default, name) if type(default) is cls else spec.default
            if name in given:
                values[name] = self._field(spec, given[name], below, (*path, name))
            elif below is MISSING:
                values[name] = self.fail(node.source, (*path, name), f"missing: expected {spec.expected}")
            else:
                values[name] = below
        if any(value is _FAILED for value in values.values()):
            return _FAILED
        try:
            return cls(**values)
        except ValueError as error:
            for line in str(error).splitlines():
                self.fail(node.source, path, line)
            return _FAILED

    def _class(self, members: tuple[type, ...], node: Node, default: Any, path: Steps) -> Any:
        if len(members) == 1:
            return members[0]
        kinds = {kind: member for member in members for kind in _kinds(member)}
        if "kind" in node.value:
            kind = node.value["kind"]
            if isinstance(kind.value, str) and kind.value in kinds:
                return kinds[kind.value]
            return self.fail(
                kind.source,
                (*path, "kind"),
                f"unknown kind {_show(kind.plain())}{suggest(str(kind.plain()), list(kinds))}",
            )
        if type(default) in members:
            return type(default)
        return self.fail(node.source, (*path, "kind"), f"missing: one of {', '.join(kinds)}")

    def _field(self, spec: FieldSpec, node: Node, below: Any, path: Steps) -> Any:
        if spec.optional and node.value == "none":
            self.provenance[join(path)] = node.provenance
            return None
        if spec.shape == OBJECT:
            return self.object(spec.members, node, below, path)
        if spec.shape == LIST:
            return self._list(spec, node, below, path)
        if spec.shape == MAP:
            return self._map(spec, node, below, path)
        return self._leaf(spec, node, path)

    def _list(self, spec: FieldSpec, node: Node, below: Any, path: Steps) -> Any:
        if isinstance(node.value, dict):
            return self._patched(spec, node, below, path)
        if not isinstance(node.value, list):
            return self.fail(node.source, path, f"expected {spec.expected}, got {_show(node.plain())}")
        steps = entry_names(node.value) or [str(i) for i in range(len(node.value))]
        self.provenance[join(path)] = node.provenance
        built = [
            self.object(spec.members, child, MISSING, (*path, step))
            for step, child in zip(steps, node.value, strict=True)
        ]
        return _FAILED if any(entry is _FAILED for entry in built) else tuple(built)

    def _patched(self, spec: FieldSpec, node: Node, below: Any, path: Steps) -> Any:
        """The default list with the entries changed that a table names."""
        entries = {} if below is MISSING else {step[0]: entry for step, entry in children(spec, below)}
        for key, child in node.value.items():
            if key in entries:
                entries[key] = self.object(spec.members, child, entries[key], (*path, key))
            else:
                entries[key] = self.fail(child.source, (*path, key), f"no such entry{suggest(key, list(entries))}")
        return _FAILED if any(entry is _FAILED for entry in entries.values()) else tuple(entries.values())

    def _map(self, spec: FieldSpec, node: Node, below: Any, path: Steps) -> Any:
        if not isinstance(node.value, dict):
            return self.fail(node.source, path, f"expected {spec.expected}, got {_show(node.plain())}")
        entries = {} if below is MISSING else dict(below)
        for key, child in node.value.items():
            entries[key] = self.object(spec.members, child, entries.get(key, MISSING), (*path, key))
        return _FAILED if any(entry is _FAILED for entry in entries.values()) else entries

    def _leaf(self, spec: FieldSpec, node: Node, path: Steps) -> Any:
        self.provenance[join(path)] = node.provenance
        if spec.schema.get("dotted") and isinstance(node.value, dict):
            node = flattened(node)
        try:
            return spec.parse(node.plain())
        except ValidationError as error:
            for problem in error.errors():
                inner, below, expected = node, path, spec.schema
                for step in problem["loc"]:
                    value = inner.value
                    if isinstance(value, dict) and step in value:
                        inner, expected = value[str(step)], expected.get("additionalProperties", {})
                    elif isinstance(value, list) and isinstance(step, int) and step < len(value):
                        inner, expected = value[step], element_schema(expected, step)
                    else:
                        break
                    below = (*below, str(step))
                own = problem["type"] in ("value_error", "assertion_error")
                why = str(problem["ctx"]["error"]) if own else f"expected {describe(expected)}"
                self.fail(inner.source, below, f"{why}, got {_show(inner.plain())}")
            return _FAILED


def _kinds(cls: type) -> tuple[str, ...]:
    """What the `kind` of a rule may say."""
    return get_args(specs(cls)["kind"].annotation)


def _unknown(key: str, cls: type, members: tuple[type, ...]) -> str:
    """What is wrong with a key that `cls` does not have; rules of another kind may have it."""
    others = [kind for member in members if key in specs(member) for kind in _kinds(member)]
    if others:
        return f"goes with kind {' or '.join(others)}, and this is of kind {_kinds(cls)[0]}"
    return f"unknown key{suggest(key, list(specs(cls)))}"


def _applies(child: Node, cls: type, members: tuple[type, ...], default: Any) -> bool:
    """Whether a value still counts: it does not when it was written for a rule that another kind has replaced."""
    if child.of_kind is None:
        return True
    if not child.of_kind:
        return type(default) is cls or type(default) not in members
    return child.of_kind in _kinds(cls)


def _show(value: Any) -> str:
    text = json.dumps(plain(value), ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "..."


def resolved_toml(obj: Any) -> str:
    """A parameter object as TOML with every default written out; reading it gives an equal object."""
    return toml_text(to_dict(obj))


def toml_text(data: dict[str, Any]) -> str:
    """Plain data, as `to_dict` makes them, as TOML."""
    lines: list[str] = []
    _write_table(data, (), lines)
    return "\n".join(lines).strip() + "\n"


def _write_table(table: dict[str, Any], path: Steps, lines: list[str]) -> None:
    for key, value in table.items():
        if not _is_table(value):
            lines.append(f"{join((key,))} = {_toml_value(value)}")
    for key, value in table.items():
        inner = (*path, key)
        if isinstance(value, dict):
            lines.extend(("", f"[{join(inner)}]"))
            _write_table(value, inner, lines)
        elif _is_table(value):
            for entry in value:
                lines.extend(("", f"[[{join(inner)}]]"))
                _write_table(entry, inner, lines)


def _is_table(value: Any) -> bool:
    return isinstance(value, dict) or (
        isinstance(value, list) and bool(value) and all(isinstance(entry, dict) for entry in value)
    )


def _toml_value(value: Any) -> str:
    if value is None:
        return '"none"'
    if isinstance(value, list):
        return f"[{', '.join(_toml_value(entry) for entry in value)}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{join((key,))} = {_toml_value(child)}' for key, child in value.items())}}}"
    return quote(value) if isinstance(value, str) else json.dumps(value)
