"""TOML as a tree that remembers where every value was written, and how one tree is laid over another."""

from __future__ import annotations

import difflib
import json
import re
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from market.errors import InputError

Path = tuple[str | int, ...]
Steps = tuple[str, ...]

ENTRY_KEYS = ("symbol", "name")
"""Fields that name an entry of a list of tables: such lists merge by name, others are replaced."""


@dataclass(frozen=True)
class Node:
    """A value and where it comes from.

    `value` is a dict of nodes, a list of nodes or a scalar; `source` is "FILE:LINE" or the option that gave it.
    `of_kind` is the `kind` its table had when this was written, where a later layer states a kind: "" when it had
    stated none, None when no later layer states one.
    """

    value: Any
    source: str
    of_kind: str | None = None

    @property
    def provenance(self) -> str:
        """The source without the text of an option: "FILE:LINE" or "--set"."""
        return self.source.split(maxsplit=1)[0] if self.source.startswith("--") else self.source

    def plain(self) -> Any:
        """The value without its sources."""
        if isinstance(self.value, dict):
            return {key: child.plain() for key, child in self.value.items()}
        if isinstance(self.value, list):
            return [child.plain() for child in self.value]
        return self.value


def parse(text: str, *, file: str) -> Node:
    """Read a TOML document. Raises InputError naming `file` and the line of a syntax error."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        message = str(error)
        found = re.search(r" \(at line (\d+), column \d+\)$", message)
        line = int(found[1]) if found else text.count("\n") + 1
        raise InputError(f"{file}:{line}: not valid TOML: {message[: found.start()] if found else message}") from None
    lines = _Lines(text).of

    def annotate(value: Any, path: Path, line: int) -> Node:
        line = lines.get(path, line)
        if isinstance(value, dict):
            value = {key: annotate(child, (*path, key), line) for key, child in value.items()}
        elif isinstance(value, list):
            value = [annotate(child, (*path, i), line) for i, child in enumerate(value)]
        return Node(value, f"{file}:{line}")

    return annotate(data, (), 1)


class _Lines:
    """The line on which every key, header and list element of a valid TOML document stands, by path in `of`."""

    _SKIP = re.compile(r"(?:\s|#[^\n]*)*")
    _STRING = re.compile(r'"""(?:\\.|[^\\])*?"""+' r"|'''.*?'''+" r'|"(?:\\.|[^"\\\n])*"' r"|'[^'\n]*'", re.DOTALL)
    _KEY = re.compile(r'[A-Za-z0-9_-]+|"(?:\\.|[^"\\\n])*"|' r"'[^'\n]*'")
    _SCALAR = re.compile(r"[^,\]}#\n]*")

    def __init__(self, text: str) -> None:
        self.of: dict[Path, int] = {}
        self._text, self._at = text, 0
        self._last: dict[Path, int] = {}  # arrays of tables: the index of the element being written
        table: Path = ()
        while self._peek():
            if self._peek() == "[":
                table = self._header()
            else:
                self._pair(table)

    def _peek(self) -> str:
        skipped = self._SKIP.match(self._text, self._at)
        self._at = skipped.end() if skipped else self._at
        return self._text[self._at : self._at + 1]

    def _take(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self._text, self._at)
        assert found is not None, "tomllib has accepted the document"
        self._at = found.end()
        return found[0]

    def _record(self, path: Path) -> None:
        self.of.setdefault(path, self._text.count("\n", 0, self._at) + 1)

    def _key(self) -> list[str]:
        parts = []
        while True:
            self._peek()
            part = self._take(self._KEY)
            parts.append(next(iter(tomllib.loads(f"{part}=0"))) if part[:1] in ("'", '"') else part)
            if self._peek() != ".":
                return parts
            self._at += 1

    def _header(self) -> Path:
        start, is_array = self._at, self._text.startswith("[[", self._at)
        self._at += 1 + is_array
        path: Path = ()
        parts = self._key()
        for i, part in enumerate(parts):
            path = (*path, part)
            if is_array and i == len(parts) - 1:
                self._last[path] = self._last.get(path, -1) + 1
            if path in self._last:
                path = (*path, self._last[path])
        self._at, after = start, self._at
        self._record(path)
        self._at = after
        while self._peek() == "]":
            self._at += 1
        return path

    def _pair(self, table: Path) -> None:
        self._peek()
        start = self._at
        parts = self._key()
        after, self._at = self._at, start
        for i in range(len(parts)):
            self._record((*table, *parts[: i + 1]))
        self._at = after + 1  # past "="
        self._value((*table, *parts))

    def _value(self, path: Path) -> None:
        first = self._peek()
        if first in ("'", '"'):
            self._take(self._STRING)
        elif first == "[":
            self._at += 1
            for i in self._elements("]"):
                self._record((*path, i))
                self._value((*path, i))
        elif first == "{":
            self._at += 1
            for _ in self._elements("}"):
                self._pair(path)
        else:
            self._take(self._SCALAR)

    def _elements(self, closing: str) -> Iterator[int]:
        i = 0
        while (first := self._peek()) != closing and first:
            if first == ",":
                self._at += 1
                continue
            yield i
            i += 1
        self._at += 1


@dataclass(frozen=True, kw_only=True)
class Reset:
    """What a layer that chooses another kind of a rule takes back from the layers below it.

    When a layer says that the rule at `rule` is one of `kinds`, and it was not before, what was written at `path` below
    no longer counts; "*" stands for any key.
    """

    rule: Steps
    kinds: tuple[str, ...]
    path: Steps

    def below(self, base: Node, over: Node) -> Node:
        """`base` without what `over` takes back."""
        said, before = (_at(tree, (*self.rule, "kind")) for tree in (over, base))
        return _without(base, self.path) if said in self.kinds and said != before else base


def give_way(base: Node, over: Node, paths: Sequence[Steps]) -> Node:
    """`base` without whatever it has at those of `paths` where `over` has something."""
    for path in paths:
        if _at(over, path) is not None:
            base = _without(base, path)
    return base


def _at(tree: Node, path: Steps) -> Any:
    for step in path:
        if not isinstance(tree.value, dict) or step not in tree.value:
            return None
        tree = tree.value[step]
    return tree.value


def _without(tree: Node, path: Steps) -> Node:
    if not isinstance(tree.value, dict):
        return tree
    first, *rest = path
    kept = {key: child for key, child in tree.value.items() if rest or first not in (key, "*")}
    for key in kept:
        if rest and first in (key, "*"):
            kept[key] = _without(kept[key], tuple(rest))
    return replace(tree, value=kept)


def merge(base: Node, over: Node, errors: list[tuple[str, str]]) -> Node:
    """Lay `over` on `base`: tables merge key by key, lists of named tables entry by entry, the rest is replaced.

    A table laid on a list changes the entries it names. What was written below a table that states its `kind` is
    marked, since another rule has other fields. What cannot be laid is appended to `errors` as (source, message).
    """
    if isinstance(over.value, dict) and isinstance(base.value, dict):
        merged = dict(base.value)
        before, after = base.value.get("kind"), over.value.get("kind")
        if after is not None:
            written_for = "" if before is None else str(before.value)
            merged = {
                key: replace(child, of_kind=written_for if child.of_kind is None else child.of_kind)
                for key, child in merged.items()
            }
        another = before is not None and after is not None and before.value != after.value
        for key, child in over.value.items():
            merged[key] = merge(merged[key], child, errors) if key in merged and not another else child
        return Node(merged, base.source if over.source.startswith("--") else over.source)
    if isinstance(base.value, list) and isinstance(over.value, list | dict):
        return _merge_list(base, over, errors)
    return over


def _merge_list(base: Node, over: Node, errors: list[tuple[str, str]]) -> Node:
    names = entry_names(base.value)
    if isinstance(over.value, dict):
        changes = over.value
        known = list(names) if names is not None else [str(i) for i in range(len(base.value))]
        for key in [key for key in changes if key not in known]:
            errors.append((changes[key].source, f"no entry {key!r}{suggest(key, known)}"))
    else:
        over_names = entry_names(over.value)
        if names is None or over_names is None:
            return over
        changes, known = dict(zip(over_names, over.value, strict=True)), list(names)
    entries = dict(zip(known, base.value, strict=True))
    for key, change in changes.items():
        if key in entries:
            entries[key] = merge(entries[key], change, errors)
        elif isinstance(over.value, list):
            entries[key] = change
    return Node(list(entries.values()), over.source)


def entry_names(entries: Sequence[Node]) -> list[str] | None:
    """The names of a list's entries, or None when it is not a list of tables with distinct names."""
    for key in ENTRY_KEYS:
        if entries and all(isinstance(entry.value, dict) and key in entry.value for entry in entries):
            names = [str(entry.value[key].value) for entry in entries]
            return names if len(set(names)) == len(names) else None
    return None


def suggest(word: str, valid: Sequence[str]) -> str:
    """The end of a message about an unknown `word`: the nearest valid one, or the valid ones."""
    near = difflib.get_close_matches(word, valid, n=1, cutoff=0.6)
    if near:
        return f"; did you mean {near[0]!r}?"
    return f"; valid: {', '.join(valid)}" if valid else ""


def join(path: Sequence[str | int]) -> str:
    """A path as it is written in a file: dotted, with quotes where a part needs them."""
    return ".".join(str(part) if re.fullmatch(r"[A-Za-z0-9_-]+", str(part)) else quote(str(part)) for part in path)


def split(text: str) -> Steps:
    """The steps of a dotted path as `join` writes it; parts that are no TOML are taken as they stand."""
    try:
        return tuple(_only_keys(tomllib.loads(f"{text} = 0")))
    except tomllib.TOMLDecodeError:
        return tuple(part.strip() for part in text.split("."))


def _only_keys(nested: Any) -> Iterator[str]:
    while isinstance(nested, dict):
        (key,) = nested
        yield key
        nested = nested[key]


def flattened(tree: Node) -> Node:
    """A table whose keys are dotted paths, from one that may hold tables in tables and keys with dots in them."""
    found: dict[str, Node] = {}

    def walk(node: Node, path: Steps) -> None:
        for key, child in node.value.items():
            steps = (*path, *split(key)) if "." in key else (*path, key)
            if isinstance(child.value, dict) and child.value:
                walk(child, steps)
            else:
                found[join(steps)] = child

    walk(tree, ())
    return replace(tree, value=found)


def quote(text: str) -> str:
    """A TOML basic string."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
