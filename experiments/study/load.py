"""From a study file to a study, its base and its designs; every mistake at once, each with its place."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from experiments import config, library
from experiments.scenario import Scenario
from experiments.study.designs import Block, Designs, block_of
from experiments.study.model import Study
from experiments.study.resolve import Change, Resolver, find_base
from experiments.toml_tree import Node, flattened, suggest
from market.errors import InputError

Errors = list[tuple[str, str]]

STUDIES = Path(__file__).resolve().parents[1] / "studies"


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """A study that can be run."""

    file: Path
    study: Study
    resolver: Resolver
    designs: Designs

    @property
    def name(self) -> str:
        """What it is called."""
        return self.file.stem

    @property
    def runs(self) -> int:
        """Designs times seeds."""
        return len(self.designs) * self.study.seeds.count


def find(name: str | Path) -> Path:
    """The file of an embedded study, or a path to the user's own. Raises InputError with the nearest name."""
    text = str(name)
    for candidate in (STUDIES / f"{text}.toml", Path(text), Path(f"{text}.toml")):
        if candidate.is_file():
            return candidate
    if text.endswith(".toml") or "/" in text:
        raise InputError(f"{text}: no such file")
    raise InputError(f"no study {text!r}{suggest(text, sorted(file.stem for file in STUDIES.glob('*.toml')))}")


def load_study(name: str | Path) -> Loaded:
    """Read a study. Raises InputError with one line for every problem, of the file and of its designs."""
    file = find(name)
    tree = config.read(file)
    errors: Errors = []
    study = config.make(Study, tree, errors)
    resolver = _resolver(tree, file, errors)
    blocks = _blocks(tree, study, file, errors)
    if resolver is not None:
        _check_designs(Designs(blocks), resolver, errors)
        _check_searches(tree, study, resolver, errors)
        _check_kind(tree, resolver, errors)
    if study is not None:
        for at, text in enumerate(study.strategies):
            _attempt(errors, partial(strategy_class, text, beside=file), source=_source(tree, "strategies", at))
        runs = len(Designs(blocks)) * study.seeds.count
        if runs > study.limits.runs:
            said = _source(tree, "changes", None)
            errors.append((said, f"{runs:,} runs; at most {study.limits.runs:,} (limits.runs)"))
    if errors:
        raise InputError("\n".join(config.in_order(errors)))
    assert study is not None
    assert resolver is not None
    return Loaded(file=file, study=study, resolver=resolver, designs=Designs(blocks))


def _resolver(tree: Node, file: Path, errors: Errors) -> Resolver | None:
    """The base, with what the study sets in all designs; None when it cannot be had."""
    named = {key: node.value for key in ("scenario", "venue") if (node := tree.value.get(key)) is not None}
    if not isinstance(named.get("scenario"), str) or not isinstance(named.get("venue", ""), str):
        return None
    venue = named.get("venue")
    key = "scenario"
    try:
        scenario_file, venue_file = find_base(
            file, scenario=named["scenario"], venue=None if venue in (None, "none") else venue
        )
    except InputError as error:
        key = "venue" if "no venue" in str(error) else "scenario"
        errors.append((tree.value[key].source, f"{key}: {error}"))
        return None
    said = tree.value.get("set")
    fixed = []
    if said is not None and isinstance(said.value, dict):
        fixed = [Change(path, node.plain(), node.source) for path, node in flattened(said).value.items()]
    resolver = Resolver(scenario_file, venue=venue_file, fixed=fixed)
    if _attempt(errors, resolver.base):
        return resolver
    # What is wrong with the designs is told as well: they are held against the base without what is wrong with it.
    plain = Resolver(scenario_file, venue=venue_file)
    if not _attempt([], plain.base):
        return None
    sound = [change for change in fixed if _attempt([], partial(plain.resolve, [change]))]
    return Resolver(scenario_file, venue=venue_file, fixed=sound)


def _blocks(tree: Node, study: Study | None, file: Path, errors: Errors) -> list[Block]:
    """Those tables `[[changes]]` that are well formed, whatever else is wrong with the study."""
    said = tree.value.get("changes")
    if said is None or not isinstance(said.value, list):
        return []
    found = []
    for at, node in enumerate(said.value):
        if study is not None:
            spec = study.changes[at]
        else:
            alone = config.make(Study, Node({"scenario": Node("", ""), "changes": Node([node], "")}, ""), [])
            if alone is None:
                continue
            spec = alone.changes[0]
        source = _sources(node)
        try:
            found.append(block_of(spec, beside=file, source=source))
        except InputError as error:
            errors.append((node.source, str(error)))
    return found


def _sources(block: Node) -> Callable[[str, int | None], str]:
    """Where the i-th value of a path is written; None: where the path is."""
    tables = {}
    for key in ("values", "ranges"):
        node = block.value.get(key)
        if node is not None and isinstance(node.value, dict):
            tables.update(flattened(node).value)

    def source(path: str, at: int | None) -> str:
        node = tables[path]
        return str(node.value[at].source if at is not None and isinstance(node.value, list) else node.source)

    return source


def _check_designs(designs: Designs, resolver: Resolver, errors: Errors) -> None:
    """Make every value once; what a design says wrongly is found before anything runs."""
    for changes in designs.one_at_a_time():
        _attempt(errors, partial(resolver.resolve, changes))
        if len(errors) > MOST_ERRORS:
            return


def _check_searches(tree: Node, study: Study | None, resolver: Resolver, errors: Errors) -> None:
    """Make both ends of every range that is searched."""
    if study is None:
        return
    ranges = {}
    if study.tune is not None:
        said = tree.value["tune"].value
        sources = {path: node.source for path, node in flattened(said["ranges"]).value.items()}
        ranges.update({path: (bounds, sources[path]) for path, bounds in study.tune.ranges.items()})
        if "today" in said:
            today = [Change(path, node.plain(), node.source) for path, node in flattened(said["today"]).value.items()]
            _attempt(errors, partial(resolver.resolve, today))
    if study.cap is not None:
        ranges[study.cap.path] = (study.cap.range, tree.value["cap"].value["path"].source)
    for path, (bounds, source) in ranges.items():
        for end in bounds[:2]:
            value = int(end) if bounds[2:] == ("whole",) else end
            _attempt(errors, partial(resolver.resolve, [Change(path, value, source)]))


OF_ONE_VENUE = ("keep", "strategies", "attack", "rare", "splitting")


def _check_kind(tree: Node, resolver: Resolver, errors: Errors) -> None:
    """Tell what a study over several venues cannot have."""
    if isinstance(resolver.base().world, Scenario):
        return
    for key in OF_ONE_VENUE:
        if (node := tree.value.get(key)) is not None and node.value:
            errors.append(
                (node.source, f"{key}: needs a scenario of one venue, and {tree.value['scenario'].value} has several")
            )


MOST_ERRORS = 200
"""Mistakes after which nobody wants to read more."""


def _attempt(errors: Errors, action: Callable[[], Any], *, source: str = "") -> bool:
    """Whether it went well; what went wrong is appended to `errors`."""
    try:
        action()
    except InputError as error:
        for line in str(error).splitlines():
            errors.append(_parted(line) if not source else (source, line))
        return False
    return True


def _parted(line: str) -> tuple[str, str]:
    """A message that begins with its place, as (place, message): so that all are sorted by line together."""
    place, colon, rest = line.partition(": ")
    file, _, number = place.rpartition(":")
    return (place, rest) if colon and file and number.isdigit() else ("", line)


def _source(tree: Node, key: str, at: int | None) -> str:
    node = tree.value.get(key, tree)
    return str(node.value[at].source if at is not None and isinstance(node.value, list) else node.source)


def strategy_class(text: str, *, beside: Path) -> type:
    """The class that "FILE.py:CLASS" names. Raises InputError when there is none, or it is no strategy."""
    from importlib.util import module_from_spec, spec_from_file_location

    from agents.strategy import Strategy

    name, colon, wanted = text.rpartition(":")
    file = beside.parent / name
    if not colon or not name.endswith(".py"):
        raise InputError(f"strategies: expected FILE.py:CLASS, got {text!r}")
    if not file.is_file():
        raise InputError(f"strategies: {file}: no such file")
    spec = spec_from_file_location(f"cascade_strategy_{file.stem}", file)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise InputError(f"strategies: {file}: {type(error).__name__}: {error}") from None
    classes = {
        key: value
        for key, value in vars(module).items()
        if inspect.isclass(value) and issubclass(value, Strategy) and value is not Strategy
    }
    if wanted not in classes:
        raise InputError(f"strategies: {file}: no strategy {wanted!r}{suggest(wanted, sorted(classes))}")
    return classes[wanted]


def label(file: Path) -> str:
    """How a study is named in messages and pages."""
    return file.stem if file.parent == STUDIES else library.label(file)
